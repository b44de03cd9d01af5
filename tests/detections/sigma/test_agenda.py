"""What is due, and only that; what is not known of a source; which keys go first where there are too many."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest

from detections.sigma import shelves as shelves_module
from detections.sigma.agenda import Agenda, Horizons
from detections.sigma.shelves import Shelves
from detections.sigma.windows import Mark, Series, Spec
from soc_core.clock import HOUR, MINUTE, SECOND


def test_slots_are_due_once_and_in_order() -> None:
    agenda: Agenda[str] = Agenda(10)
    for name, at in (("c", 25), ("a", -3), ("b", 9), ("d", 20)):
        agenda.file(name, at)
    assert agenda.due(-10) == []
    assert agenda.due(10) == ["a", "b"]
    agenda.file("a", 29)
    assert agenda.earliest(2) == (30, ["c", "d"])
    assert agenda.earliest(2) == (30, ["a"])
    assert agenda.due(inf) == []


def test_a_source_that_was_forgotten_has_a_horizon_too() -> None:
    assert (Horizons([("s", 5)], 3)["t"], Horizons([("s", 5)], 3).newest, Horizons([], 3).newest) == (3, 5, 3)


def test_keys_whose_time_has_not_come_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    drop = Series.drop

    def noted(series: Series, useless: Callable[[Mark], bool]) -> None:
        looked.append(series.marks[0].id)
        drop(series, useless)

    monkeypatch.setattr(Series, "drop", noted)
    shelves, spec = Shelves({"a": "a"}), Spec("event_count", MINUTE, (("gte", 3),), 1)
    for number in range(600):
        key = ("real", "", f"192.0.2.{number}")
        shelves.add(("a", key), Mark(number * SECOND, f"{number:03}", 0, 0, "old" if number == 7 else "s", ""), spec)

    def swept(now: int) -> int:
        looked.clear()
        for place in range(len(shelves.held)):
            shelves.sweep(place, Horizons([("s", now), ("old", 0)], 0), {"a": MINUTE})
        return len(looked)

    assert swept(0) == 0
    assert swept(3 * MINUTE) == 170  # those before it, but for the last slot
    assert shelves.count == 600 - 119  # what its source may still need stays
    assert swept(3 * MINUTE) == 0
    assert swept(HOUR) == 480 + 1
    assert [name[1][2] for name in shelves] == ["192.0.2.7"]
    assert shelves.count == 1


def test_where_there_are_too_many_keys_those_that_go_on_stay() -> None:
    shelves, spec = Shelves({"a": "a"}), Spec("event_count", HOUR, (("gte", 9),), 1)
    busy = ("a", ("real", "", "busy"))
    home = shelves.place(busy)
    others = [name for name in (("a", ("real", "", str(number))) for number in range(9_000))
              if shelves.place(name) == home]
    shelves.add(busy, Mark(0, "first", 0, 0, "s", ""), spec)
    for number, name in enumerate(others, 1):
        shelves.add(name, Mark(number * MINUTE, str(number), 0, 0, "s", ""), spec)
    shelves.add(busy, Mark(len(others) * MINUTE, "last", 0, 0, "s", ""), spec)
    lost = [shelves.shed() for _ in range(20)]
    assert lost == [0, *[1] * 19]
    assert shelves.count == len(others) + 2 - 19
    assert set(others) - set(shelves) == set(others[:19])
    assert len(shelves.held[home][busy].marks) == 2


def test_only_what_may_be_judged_is_asked_and_that_which_still_waits_again() -> None:
    shelves, spec = Shelves({"a": "a"}, ["a"]), Spec("event_count", MINUTE, (("lt", 2),), 1)
    for number in range(60):
        key = ("real", "", f"192.0.2.{number}")
        shelves.add(("a", key), Mark(number * SECOND, f"{number:03}", 0, 0, "old" if number == 7 else "s", ""), spec)

    def ripe(other: int, old: int) -> list[str]:
        return [mark.id for _, series in shelves.ripe("a", Horizons([("s", 9 * SECOND), ("old", old)], other))
                for mark in series.settle(Horizons([("s", 9 * SECOND), ("old", old)], other), spec)]

    assert ripe(0, 0) == [f"{number:03}" for number in range(10) if number != 7]
    assert ripe(0, 0) == []
    assert ripe(0, 8 * SECOND) == ["007"]
    again = Shelves({"a": "a"}, ["a"])
    for place in range(len(shelves.held)):
        again.load(place, shelves.dump(place))
    assert [series.marks[0].id for _, series in again.ripe("a", None)] == [f"{number:03}" for number in range(10, 60)]


def test_what_is_filed_for_marks_that_are_gone_goes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves_module, "SLACK", 10)
    shelves, spec = Shelves({"a": "a"}, ["a"]), Spec("event_count", MINUTE, (("lt", 2),), 1)
    for number in range(200):
        shelves.add(("a", ("real", "", str(number))), Mark(number * SECOND, f"{number:03}", 0, 0, "s", ""), spec)
        while shelves.count > 20:
            shelves.shed()
        assert list(shelves.ripe("a", Horizons([("s", -1)], -1))) == []
        assert shelves.verdicts["a"].size <= 2 * 20 + 11
    assert {series.marks[0].at // SECOND for _, series in shelves.ripe("a", None)} == {
        series.marks[0].at // SECOND for _, series in shelves.items()}
    assert shelves.verdicts["a"].size == 0
