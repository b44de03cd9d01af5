"""Shelves of windows: what stands on one, and that one is taken up as it was saved."""

from __future__ import annotations

from typing import Any

import pytest

from detections.sigma.rule import Correlation, Head
from detections.sigma.shelves import PIECES, Shelves, families
from detections.sigma.windows import Mark


def test_what_feeds_each_other_is_kept_by_key_where_the_keys_are_the_same() -> None:
    def made(name: str, bases: tuple[str, ...], fields: tuple[str, ...], **more: Any) -> Correlation:
        return Correlation(Head(name, name, "low", ""), "event_count", bases, 60, fields, **more)

    alone = made("alone", ("base",), ("user.name",))
    inner, outer = made("inner", ("base",), ("source.ip",)), made("outer", ("inner", "base"), ("source.ip",))
    top = made("top", ("outer",), ("user.name",))
    renamed = made("top", ("outer",), ("source.ip",), aliases={"source.ip": {"outer": "host.ip"}})
    assert families([alone, inner, outer]) == {"alone": "alone", "inner": "inner", "outer": "inner"}
    for last in (top, renamed):
        assert families([alone, last, inner, outer]) == {"alone": "alone", "inner": "", "outer": "", "top": ""}


def test_a_shelf_is_taken_up_as_it_was() -> None:
    shelves = Shelves({"a": "a", "b": "b"})
    for number in range(300):
        name = "ab"[number % 2], ("real", "", f"192.0.2.{number}")
        shelves.put(name, [Mark(number, f"{number:04}", 0, value, "s", info, value is None)
                           for value, info in ((None, None), (1.5, '{"owner":[]}'), ("x", {"owner": []}))])
    assert sum(count > 0 for count in shelves.counts) > PIECES // 2
    other = Shelves({"a": "a"})
    for place in range(PIECES):
        other.load(place, shelves.dump(place))
    assert {name: [mark.plain() for mark in series.marks] for name, series in other.items()} == {
        name: [mark.plain() for mark in series.marks] for name, series in shelves.items() if name[0] == "a"}
    assert other.count == 450
    assert Shelves({}).dump(0) == b""
    other.load(0, b"")
    assert not other.held[0]
    assert other.count == 450 - 3 * sum(name[0] == "a" for name in shelves.held[0])
    with pytest.raises(ValueError, match="not a shelf"):
        other.load(0, b"{}")
