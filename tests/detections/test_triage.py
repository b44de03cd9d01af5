from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from detections import risk, triage
from detections.triage import EPISODE_GAP, EVENTS_KEPT, LONGEST, VALUES_KEPT, apply
from soc_core.access import EVERYTHING
from soc_core.clock import DAY, HOUR, MINUTE, SECOND
from soc_core.models import LEVELS, Alert, Finding, Level
from soc_core.state import alerts, commits, entities, incidents, outbox
from soc_core.state.database import Database
from soc_core.state.tables import AlertRow, EntityRow, IncidentRow

T = 1_700_000_000 * SECOND
NOW = T + 30 * DAY


def finding(n: int, at: int = 0, *, rule: str = "r1", group: str = "198.51.100.7", level: Level = "medium",
            organisation: str = "c01", system: str = "s1", realm: str = "real", partition: int = 0,
            offset: int | None = None, block: bool = False, points: int = 0,
            named: Sequence[tuple[str, str]] | None = None) -> Finding:
    return Finding(
        rule_id=rule, event_id=f"{n:032x}", at=T + at, level=level, title=f"title of {rule}",
        group=(("source.ip", group),), entities=tuple(named) if named is not None else (("source.ip", group),),
        techniques=("T1110",), organisation=organisation, system=system, realm=realm, partition=partition,
        offset=n if offset is None else offset, risk=points, building_block=block,
    )


def take(database: Database, *findings: Finding) -> triage.Changes:
    with database.begin() as session:
        return apply(session, findings, NOW)


def all_alerts(database: Database) -> list[Alert]:
    with database.read() as session:
        found, total = alerts.find(session, EVERYTHING, limit=10_000)
    assert total == len(found)
    return sorted(found, key=lambda alert: (alert.first_seen, alert.id))


def one(database: Database) -> Alert:
    (alert,) = all_alerts(database)
    return alert


def test_an_episode_counts_its_findings(database: Database) -> None:
    changes = take(database, finding(1, 5 * MINUTE), finding(2, 0), finding(3, 20 * MINUTE))
    more = take(database, finding(4, 20 * MINUTE + EPISODE_GAP))
    alert = one(database)
    assert changes == ([alert.id], [])
    assert more == ([], [alert.id])
    assert alert.count == 4
    assert (alert.first_seen, alert.last_seen, alert.raised) == (T, T + 20 * MINUTE + EPISODE_GAP, NOW)
    assert alert.events == [finding(n).event_id for n in (1, 2, 3, 4)]
    assert alert.entities == {"source.ip": ["198.51.100.7"]}
    assert alert.group == {"source.ip": "198.51.100.7"}
    assert (alert.status, alert.verdict, alert.version, alert.techniques) == ("new", "", 1, ["T1110"])


@pytest.mark.parametrize("other", [
    {"rule": "r2"}, {"group": "198.51.100.8"}, {"organisation": "c02"}, {"system": "s2"}, {"realm": "demo"},
    {"at": EPISODE_GAP + 1}, {"at": -EPISODE_GAP - 1},
])
def test_what_begins_another_episode(database: Database, other: dict[str, object]) -> None:
    take(database, finding(1), finding(2, **other))  # type: ignore[arg-type]
    assert [alert.count for alert in all_alerts(database)] == [1, 1]


def test_an_episode_ends_after_a_day(database: Database) -> None:
    step = EPISODE_GAP - MINUTE
    findings = [finding(n, n * step) for n in range(1, 60)]
    for each in findings:
        take(database, each)
    found = all_alerts(database)
    assert sum(alert.count for alert in found) == 59
    assert len(found) == 3
    assert all(alert.last_seen - alert.first_seen <= LONGEST for alert in found)


def test_a_replay_counts_nothing_twice(database: Database) -> None:
    findings = [finding(n, n * MINUTE, offset=n // 2, block=n % 5 == 0) for n in range(1, 40)]
    take(database, *findings[:30])
    before, scores = all_alerts(database), scored(database)
    assert take(database, *findings[:30]) == ([], [])
    assert take(database, *findings[3:20]) == ([], [])
    assert (all_alerts(database), scored(database)) == (before, scores)
    take(database, *findings[10:])
    assert one(database).count == len([each for each in findings if not each.building_block])


def test_partitions_have_their_own_marks(database: Database) -> None:
    take(database, finding(1, partition=0, offset=100))
    take(database, finding(2, partition=1, offset=5))
    assert one(database).count == 2
    take(database, finding(1, partition=0, offset=100), finding(2, partition=1, offset=5))
    assert one(database).count == 2


def test_the_records_of_a_journal_made_anew_count_from_its_first(database: Database) -> None:
    with database.begin() as session:
        commits.adopt_epoch(session, "one")
        assert commits.epoch(session) == "one"
        assert commits.epoch(session, commits.SHARED_EPOCH) == ""
    take(database, finding(1, offset=500), finding(9, rule="r9", offset=500, block=True, points=10))
    take(database, finding(2, offset=3))
    assert one(database).count == 1, "behind the mark: a replay"
    with database.begin() as session:
        assert [score.marks for score in session.scalars(select(EntityRow))] == [{"0": 500}]
        commits.replace_epoch(session, "two")
        session.expire_all()
        assert [score.marks for score in session.scalars(select(EntityRow))] == [{}]
    take(database, finding(3, offset=3))
    assert one(database).count == 2


def test_many_events_of_one_record_count_each_once(database: Database) -> None:
    take(database, finding(1, offset=7), finding(2, offset=7), finding(2, offset=7))
    assert one(database).count == 2


def test_a_finding_without_a_journal_record_counts_once(database: Database) -> None:
    for _ in range(3):
        take(database, finding(1, partition=-1, offset=-1))
    take(database, finding(2, partition=-1, offset=-1))
    assert one(database).count == 2


def test_the_highest_level_stays_and_a_rise_is_told(database: Database) -> None:
    take(database, finding(1, level="low"))
    take(database, finding(2, level="high"), finding(3, level="medium"))
    take(database, finding(4, level="high"))
    assert one(database).level == "high"
    with database.begin() as session:
        told = outbox.claim(session, "x", ["alert.raised", "alert.updated"])
    alert = one(database)
    assert [(item.topic, item.key, item.body["level"]) for item in told] == [
        ("alert.raised", alert.id, "low"), ("alert.updated", f"{alert.id}:high", "high")]


def test_bounds_and_what_they_cut(database: Database) -> None:
    number = VALUES_KEPT + 30
    findings = [finding(n, n, named=[("destination.ip", f"10.0.{n // 250}.{n % 250}")]) for n in range(1, number + 1)]
    take(database, *findings[:100])
    take(database, *findings[100:])
    alert = one(database)
    assert alert.count == number
    assert len(alert.entities["destination.ip"]) == VALUES_KEPT
    assert alert.entities_cut == 30
    half = EVENTS_KEPT // 2
    ids = [each.event_id for each in findings]
    assert alert.events == ids[:half] + ids[-half:]


def test_building_blocks_add_risk_and_raise_nothing(database: Database) -> None:
    take(database, *[finding(n, n, block=True, points=40) for n in range(1, 6)])
    assert all_alerts(database) == []
    assert round(sum(scored(database).values())) == 200
    take(database, finding(9, 10))
    take(database, finding(10, 10, group="198.51.100.99"))
    hot, cold = sorted(all_alerts(database), key=lambda alert: -alert.risk)
    assert hot.group["source.ip"] == "198.51.100.7"
    assert cold.risk < hot.risk <= cold.risk + risk.FROM_ENTITY


def test_risk_decays_and_is_one_organisations_own(database: Database) -> None:
    take(database, finding(1, block=True, points=80), finding(2, 2 * risk.HALF_LIFE, block=True, points=10),
         finding(3, 0, block=True, points=8, organisation="c02"))
    assert sorted(round(each) for each in scored(database).values()) == [8, 30]


def test_an_alert_brings_an_entity_its_points_once(database: Database) -> None:
    take(database, *[finding(n, 0) for n in range(1, 50)])
    assert list(scored(database).values()) == [risk.POINTS["medium"]]
    take(database, finding(60, 0, level="high"))
    assert list(scored(database).values()) == [risk.POINTS["high"]]


def test_criticality_weighs(database: Database) -> None:
    with database.begin() as session:
        apply(session, [finding(1), finding(2, system="s2")], NOW, {"s2": 2.0})
    risks = {alert.system: alert.risk for alert in all_alerts(database)}
    assert risks["s2"] - risks["s1"] >= risk.POINTS["medium"] - risk.FROM_ENTITY


@pytest.mark.parametrize(("verdict", "level", "found"), [
    ("false", "medium", 1), ("benign", "low", 1), ("test", "medium", 1), ("false", "high", 2), ("true", "medium", 1),
    ("true", "high", 2)])
def test_closing_does_not_end_suppression_and_hides_nothing_higher(
        database: Database, verdict: str, level: Level, found: int) -> None:
    take(database, finding(1))
    with database.begin() as session:
        alerts.set_verdict(session, one_id(session), 1, "li", verdict)  # type: ignore[arg-type]
    take(database, finding(2, MINUTE, level=level))
    take(database, finding(3, MINUTE, level=level))
    take(database, finding(1), finding(2, MINUTE, level=level))
    assert len(all_alerts(database)) == found
    assert sum(alert.count for alert in all_alerts(database)) == 3


@pytest.mark.parametrize(("verdict", "found"), [("false", 1), ("true", 2)])
def test_whom_a_confirmed_alert_had_not_named_begins_another(database: Database, verdict: str, found: int) -> None:
    take(database, finding(1))
    with database.begin() as session:
        alerts.set_verdict(session, one_id(session), 1, "li", verdict)  # type: ignore[arg-type]
    take(database, finding(2, MINUTE, named=[("source.ip", "198.51.100.7"), ("user.name", "mallory")]))
    assert len(all_alerts(database)) == found
    assert sum(alert.count for alert in all_alerts(database)) == 2


def one_id(session: alerts.Session) -> str:
    return session.scalars(select(AlertRow.id)).one()


def scored(database: Database) -> dict[tuple[str, str, str], float]:
    with database.read() as session:
        rows = session.scalars(select(EntityRow).order_by(EntityRow.id))
        return {(row.organisation, row.kind, row.value): row.score for row in rows}


# ---------------------------------------------------------------- incidents


def test_alerts_that_share_an_entity_make_an_incident(database: Database) -> None:
    host = ("host.name", "web-1")
    take(database, finding(1, 0, rule="scan", named=[host, ("source.ip", "198.51.100.7")]))
    assert {alert.incident for alert in all_alerts(database)} == {""}
    take(database, finding(2, HOUR, rule="shell", level="high", named=[host]),
         finding(3, HOUR, rule="low-one", level="low", named=[host]),
         finding(4, HOUR, rule="elsewhere", organisation="c02", named=[host]))
    take(database, finding(5, 2 * HOUR, rule="exfil", level="critical", named=[("source.ip", "198.51.100.7")]))
    found = {alert.rule_id: alert.incident for alert in all_alerts(database)}
    story = found["scan"]
    assert story
    assert found == {"scan": story, "shell": story, "exfil": story, "low-one": story, "elsewhere": ""}
    with database.read() as session:
        incident = incidents.get(session, story, EVERYTHING)
        assert incident is not None
        assert (incident.level, incident.organisation, incident.status) == ("critical", "c01", "new")
        assert len(incident.alerts) == 4
        assert incidents.find(session, EVERYTHING, incidents.Filter(realm="real")) == ([incident], 1)
        assert incidents.find(session, alerts.Scope(frozenset({"c02"}))) == ([], 0)
        assert incidents.get(session, story, alerts.Scope(frozenset({"c02"}))) is None


@pytest.mark.parametrize("named", [("user.name", "root"), ("source.ip", "127.0.0.1"), ("process.name", "sh")])
def test_what_everybody_has_ties_nothing(database: Database, named: tuple[str, str]) -> None:
    take(database, finding(1, rule="a", named=[named]), finding(2, rule="b", named=[named]))
    assert {alert.incident for alert in all_alerts(database)} == {""}
    assert scored(database) == {}


def test_a_closed_incident_takes_nothing_more(database: Database) -> None:
    host = [("host.name", "web-1")]
    take(database, finding(1, rule="a", named=host), finding(2, rule="b", named=host))
    with database.begin() as session:
        session.scalars(select(IncidentRow)).one().status = "closed"
    take(database, finding(3, rule="c", named=host))
    take(database, finding(4, rule="d", named=host))
    found = {alert.rule_id: alert.incident for alert in all_alerts(database)}
    assert found["a"] == found["b"] != found["c"] == found["d"] != ""


# ---------------------------------------------------------------- any cut gives the same


def state(database: Database) -> object:
    with database.read() as session:
        known = [entities.load(session, list(session.scalars(select(EntityRow.id).order_by(EntityRow.id))))]
        stories = session.execute(select(*IncidentRow.__table__.columns).order_by(IncidentRow.id)).all()
        marks = session.execute(select(AlertRow.id, AlertRow.marks, AlertRow.search).order_by(AlertRow.id)).all()
        raised = [item.key for item in outbox.claim(session, "x", ["alert.raised"], limit=10_000)]
    return all_alerts(database), known, [tuple(row) for row in stories], [tuple(row) for row in marks], sorted(raised)


@contextmanager
def fresh(folder: Path, name: str) -> Iterator[Database]:
    from tests.states import _template

    path = folder / f"{name}.db"
    shutil.copy(_template(), path)
    database = Database(f"sqlite:///{path}", synchronous="NORMAL")
    yield database
    database.close()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


HOSTS = ["web-1", "web-2", "db-1"]
DRAWN = st.fixed_dictionaries({
    "at": st.integers(0, 60).map(lambda n: n * 11 * MINUTE),
    "rule": st.sampled_from(["r1", "r2"]),
    "group": st.sampled_from(["198.51.100.7", "198.51.100.8"]),
    "level": st.sampled_from(LEVELS),
    "organisation": st.sampled_from(["c01", "c02"]),
    "block": st.booleans(),
    "hosts": st.lists(st.sampled_from(HOSTS), max_size=2),
    "same": st.booleans(),  # of the same record as the one before
})


def made(drawn: Sequence[dict[str, object]]) -> list[Finding]:
    """Findings of two partitions, several of some records, offsets rising in each."""
    offsets: Counter[int] = Counter()
    partition, out = 0, []
    for n, each in enumerate(drawn):
        if not each["same"] or not out:
            partition = n % 2
            offsets[partition] += 1
        group = str(each["group"])
        named = [("source.ip", group), *(("host.name", str(host)) for host in each["hosts"])]  # type: ignore[attr-defined]
        out.append(finding(
            n + 1, each["at"], rule=each["rule"], group=group, level=each["level"],  # type: ignore[arg-type]
            organisation=each["organisation"], block=each["block"], partition=partition,  # type: ignore[arg-type]
            offset=offsets[partition], named=named,
        ))
    return out


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(DRAWN, min_size=2, max_size=30), cuts=st.sets(st.integers(1, 29)), back=st.integers(0, 6))
def test_any_cut_and_any_replay_give_the_same(
    tmp_path: Path, drawn: list[dict[str, object]], cuts: set[int], back: int
) -> None:
    findings = made(drawn)
    with fresh(tmp_path, "whole") as database:
        take(database, *findings)
        expected = state(database)
    # A batch never splits a record.
    edges = [n for n in sorted(cuts) if n < len(findings)
             and (findings[n].partition, findings[n].offset) != (findings[n - 1].partition, findings[n - 1].offset)]
    with fresh(tmp_path, "cut") as database:
        for start, end in zip([0, *edges], [*edges, len(findings)], strict=True):
            take(database, *findings[start:end])
            if back:  # as after a crash: some of what was committed comes again
                take(database, *findings[max(0, end - back):end])
        assert state(database) == expected
