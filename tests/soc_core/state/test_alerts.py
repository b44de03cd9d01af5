from __future__ import annotations

from dataclasses import replace

import pytest

from soc_core.access import EVERYTHING, NOTHING, Scope
from soc_core.models import LEVELS
from soc_core.state import alerts, entities, incidents
from soc_core.state.alerts import Conflict, Done, Episode, Filter
from soc_core.state.database import Database
from soc_core.state.entities import Entity
from soc_core.state.incidents import Story


def episode(n: int, **changes: object) -> Episode:
    level = LEVELS[n % 5]
    base = Episode(
        id=f"{n:032x}", episode=f"key{n % 3}", rule_id=f"rule-{n % 4}", title=f"暴力破解 Brute force {n}", level=level,
        severity=n % 5, count=n, first_seen=n * 10, last_seen=n * 10 + 5, raised=n, group={"source.ip": "192.0.2.1"},
        entities={"source.ip": ["192.0.2.1"]}, entities_cut=0, events=[f"{n:032x}"], organisation=f"c0{n % 2}",
        system=f"s{n % 2}", techniques=["T1110"], risk=n % 7, realm="demo" if n % 6 == 5 else "real", explanation="",
        incident="", marks={"0": n}, search=f"暴力破解 brute force {n}\n100%_sure",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture
def filled(database: Database) -> Database:
    with database.begin() as session:
        alerts.save(session, [episode(n) for n in range(20)], [])
    return database


def found(database: Database, wanted: Filter, scope: Scope = EVERYTHING) -> list[int]:
    with database.read() as session:
        rows, total = alerts.find(session, scope, wanted)
    assert total == len(rows)
    return sorted(int(row.id, 16) for row in rows)


@pytest.mark.parametrize(("wanted", "numbers"), [
    (Filter(), range(20)),
    (Filter(realm="demo"), [5, 11, 17]),
    (Filter(level="high"), [3, 4, 8, 9, 13, 14, 18, 19]),
    (Filter(rule="rule-1"), [1, 5, 9, 13, 17]),
    (Filter(organisation="c01", level="critical"), [9, 19]),
    (Filter(system="s0", rule="rule-2"), [2, 6, 10, 14, 18]),
    (Filter(since=185), [18, 19]),
    (Filter(since=175, until=185), [17]),
    (Filter(text="FORCE 19"), [19]),
    (Filter(text="破解 brute force 7"), [7]),
    (Filter(text="100%_sure"), range(20)),
    (Filter(text="1_0%"), []),
    (Filter(status="closed"), []),
    (Filter(status="waiting"), range(20)),
    (Filter(incident="x"), []),
])
def test_filters(filled: Database, wanted: Filter, numbers: object) -> None:
    assert found(filled, wanted) == list(numbers)  # type: ignore[call-overload]


def test_every_read_is_scoped(filled: Database) -> None:
    mine = Scope(frozenset({"c01", "c09"}))
    assert found(filled, Filter(), mine) == list(range(1, 20, 2))
    assert found(filled, Filter(organisation="c00"), mine) == []
    assert found(filled, Filter(), NOTHING) == []
    with filled.read() as session:
        assert alerts.get(session, f"{3:032x}", mine) is not None
        assert alerts.get(session, f"{4:032x}", mine) is None
        assert alerts.get(session, f"{4:032x}", NOTHING) is None
        assert alerts.counts(session, mine)["total"] == 10
        assert alerts.counts(session, NOTHING)["total"] == 0


@pytest.mark.parametrize("order", ["latest", "queue"])
def test_pages_hold_every_alert_once_in_order(filled: Database, order: alerts.Order) -> None:
    seen, after = [], ""
    with filled.read() as session:
        while True:
            rows, total = alerts.find(session, EVERYTHING, after=after, limit=7, order=order)
            assert total == 20
            if not rows:
                break
            seen += rows
            after = alerts.cursor(rows[-1], order)
    keys = [(row.last_seen,) if order == "latest" else (row.priority, row.last_seen) for row in seen]
    assert len({row.id for row in seen}) == 20
    assert keys == sorted(keys, reverse=True)
    with filled.read() as session, pytest.raises(ValueError, match="not the key of a page"):
        alerts.find(session, EVERYTHING, after="x:1")


def test_counts(filled: Database) -> None:
    with filled.begin() as session:
        alerts.set_status(session, f"{4:032x}", 1, "li", "closed")
        assert alerts.counts(session, EVERYTHING) == {
            "informational": 4, "low": 4, "medium": 4, "high": 4, "critical": 3, "waiting": 19, "total": 20}
        assert alerts.counts(session, EVERYTHING, "demo")["total"] == 3


def test_two_people_one_alert(filled: Database) -> None:
    known = f"{3:032x}"
    with filled.begin() as session:
        done = alerts.assign(session, known, 1, "li", "li")
        assert isinstance(done, Done)
        assert (done.alert.assignee, done.alert.status, done.alert.version) == ("li", "open", 2)
        late = alerts.set_verdict(session, known, 1, "wang", "false")
        assert isinstance(late, Conflict)
        assert (late.alert.assignee, late.alert.verdict, late.alert.version) == ("li", "", 2)
        closed = alerts.set_verdict(session, known, 2, "wang", "true", "看过日志")
        assert isinstance(closed, Done)
        assert (closed.alert.status, closed.alert.verdict, closed.alert.version) == ("closed", "true", 3)
        reopened = alerts.set_verdict(session, known, 3, "li", "")
        assert isinstance(reopened, Done)
        assert (reopened.alert.status, reopened.alert.verdict) == ("open", "")
        alerts.remark(session, known, "li", "再看")
        history = alerts.history(session, known)
        with pytest.raises(LookupError, match="no alert"):
            alerts.set_status(session, "none", 1, "li", "closed")
    assert [(c.actor, c.field, c.before, c.after, c.note) for c in history] == [
        ("li", "assignee", "", "li", ""), ("li", "status", "new", "open", ""),
        ("wang", "verdict", "", "true", "看过日志"), ("wang", "status", "open", "closed", "看过日志"),
        ("li", "verdict", "true", "", ""), ("li", "status", "closed", "open", ""), ("li", "note", "", "", "再看"),
    ]
    assert all(change.at > 0 for change in history)


def test_findings_do_not_undo_what_people_did(filled: Database) -> None:
    known = f"{3:032x}"
    with filled.begin() as session:
        (held,) = [each for each in alerts.episodes(session, ["key0"], 0, 1_000) if each.id == known]
        alerts.set_verdict(session, known, 1, "li", "benign")
        held.count, held.marks = 99, {"0": 77}
        alerts.save(session, [], [held])
        alerts.save(session, [episode(3)], [])  # an alert that exists already stays as it is
    with filled.read() as session:
        alert = alerts.get(session, known, EVERYTHING)
    assert alert is not None
    assert (alert.count, alert.verdict, alert.status, alert.version) == (99, "benign", "closed", 2)


def test_episodes_touching_a_span(filled: Database) -> None:
    with filled.read() as session:
        assert [each.count for each in alerts.episodes(session, ["key0", "key1"], 35, 60)] == [3, 4, 6]
        assert alerts.episodes(session, [], 0, 1_000) == []
        assert alerts.briefly(session, [f"{6:032x}"])[f"{6:032x}"].title == "暴力破解 Brute force 6"


def test_incidents_and_entities(filled: Database) -> None:
    story = Story("i1", "故事", "high", "c01", "real", 5, 9)
    with filled.begin() as session:
        incidents.save(session, [story], ["i1"], 20)
        incidents.save(session, [story._replace(level="critical", last_seen=12)], [], 30)
        alerts.relate(session, [f"{1:032x}", f"{3:032x}"], "i1")
        entity = Entity("e1", "real", "c01", "host", "web-1", 5.25, 9, {"0": 3}, "a", 9)
        entities.save(session, [entity])
        entities.save(session, [replace(entity, score=7.125, marks={"0": 4})])
    with filled.read() as session:
        incident = incidents.get(session, "i1", Scope(frozenset({"c01"})))
        assert incident is not None
        assert (incident.level, incident.opened, incident.alerts) == ("critical", 5, [f"{1:032x}", f"{3:032x}"])
        assert incidents.open_among(session, ["i1", "i2"])["i1"].last_seen == 12
        assert incidents.find(session, NOTHING) == ([], 0)
        assert incidents.find(session, EVERYTHING, incidents.Filter(status="closed")) == ([], 0)
        assert incident.raised == 20
        (began,) = incidents.history(session, "i1")
        assert (began.field, began.after, began.at, began.actor) == ("status", "new", 20, "platform")
        assert entities.load(session, ["e1", "e2"]) == {"e1": replace(entity, score=7.125, marks={"0": 4})}
        assert [each.id for each in entities.riskiest(session, EVERYTHING, "real")] == ["e1"]
        assert entities.riskiest(session, Scope(frozenset({"c00"})), "real") == []
