"""Incidents by people's hands: the machine, the ledger, the audit chain, evidence, verdicts and times."""

from __future__ import annotations

from itertools import count, pairwise

import pytest
from sqlalchemy import select, update

from casework import alerts, evidence, holds, incidents, metrics, timeline, verdicts
from casework.machine import Machine, Undrawn, machine
from casework.services import Conflict, NotFound, Services
from detections import triage
from soc_core import audit, clock
from soc_core.access import EVERYTHING, Actor, Refused, Role, Scope
from soc_core.clock import HOUR, MINUTE
from soc_core.models import Finding, Incident, Level
from soc_core.state import alerts as alert_state
from soc_core.state.incidents import Filter
from soc_core.state.tables import AuditRow, IncidentRow
from tests.soc_ui.prepared import EDU, POLICE, Prepared

WANG = Actor("wang", frozenset({Role.ANALYST}), EVERYTHING)
LI = Actor("li", frozenset({Role.SHIFT_LEAD}), EVERYTHING)
AGENCY = Actor("edu-admin", frozenset({Role.AGENCY_ADMIN}), Scope(frozenset({EDU})), EDU)
NARROW = Actor("narrow", frozenset({Role.ANALYST}), Scope(frozenset({POLICE})), POLICE)
T = clock.now() - 6 * HOUR
numbers = count(1)


def story(services: Services, hosts: int = 1, level: Level = "medium", organisation: str = EDU, size: int = 3) -> str:
    """A fresh incident of `size` alerts, as triage makes it."""
    number = next(numbers)
    findings = [
        Finding(f"rule-{at}", f"{number:016x}{at:016x}", T + at * MINUTE, level, f"title {at}", (("n", str(number)),),
                (("host.name", f"host-{number}"),), (("T1110", "T1059", "T1041")[at % 3],), organisation, "s1", "real",
                -1, -1)
        for at in range(size)
    ]
    with services.database.begin() as session:
        triage.apply(session, findings, T + HOUR)
        found = alert_state.find(session, EVERYTHING, alert_state.Filter(text=f"host-{number}"))[0]
    (incident,) = {alert.incident for alert in found}
    assert incident
    return incident


def walk(services: Services, incident: str, *steps: str) -> Incident:
    """Take it through these steps, two people in turn."""
    found = incidents.get(WANG, services, incident)
    for actor, action in zip((WANG, LI) * len(steps), steps, strict=False):
        found = incidents.change(actor, services, incident, found.version, action, "because", "02")
    return found


def test_the_chain_has_a_reason_for_every_alert(services: Services) -> None:
    found = incidents.detail(WANG, services, story(services))
    assert [link.reason for link in found.chain] == ["began", "shared", "shared"]
    assert [link.alert for link in found.chain] == [row.alert.id for row in found.alerts] == found.incident.alerts
    assert {link.kind for link in found.chain[1:]} == {"host"}
    assert [link.stage for link in found.chain] == ["", "TA0006<TA0002", "TA0002>TA0010"]
    assert [link.other for link in found.chain] == ["", *found.incident.alerts[:2]]
    assert all(link.gap == MINUTE and 30 <= link.strength <= 100 for link in found.chain[1:])
    assert (found.incident.status, found.actions, found.kind) == ("new", ["triage", "dismiss"], "03")
    assert found.entities["host.name"]


@pytest.mark.parametrize("name", ["incident", "alert"])
def test_what_is_not_drawn_is_refused(name: str) -> None:
    drawn = machine(name)
    everybody = Actor("x", frozenset(Role), EVERYTHING)
    for state in drawn.states:
        for action, step in drawn.transitions.items():
            if state in step.origins:
                assert drawn.step(state, action, everybody) is step
                with pytest.raises(Refused):
                    drawn.step(state, action, AGENCY)
            else:
                with pytest.raises(Undrawn):
                    drawn.step(state, action, everybody)
        reached = {step.to for step in drawn.transitions.values() if state in step.origins}
        assert {each for each in drawn.states if each not in reached} == {
            to for to in drawn.states if not _between(drawn, state, to)}
    with pytest.raises(Undrawn, match="no action"):
        drawn.step(drawn.start, "fly", everybody)


def _between(drawn: Machine, state: str, to: str) -> bool:
    try:
        return bool(drawn.between(state, to))
    except Undrawn:
        return False


def test_a_life_from_new_to_closed(services: Services) -> None:
    incident = story(services)
    with pytest.raises(Undrawn, match="does not lead on from new"):
        incidents.change(WANG, services, incident, 1, "close", "x")
    incidents.change(WANG, services, incident, 1, "triage")
    with pytest.raises(Undrawn, match="needs the class"):
        incidents.change(WANG, services, incident, 2, "confirm")
    with pytest.raises(ValueError, match="no class '99'"):
        incidents.change(WANG, services, incident, 2, "confirm", kind="99")
    incidents.change(WANG, services, incident, 2, "confirm", kind="02")
    with pytest.raises(Conflict):
        incidents.change(WANG, services, incident, 2, "contain")
    found = walk(services, incident, "contain", "eradicate", "recover", "watch")
    with pytest.raises(Undrawn, match="needs a reason"):
        incidents.change(WANG, services, incident, found.version, "close", "  ")
    closed = incidents.change(WANG, services, incident, found.version, "close", "done")
    assert (closed.status, closed.kind, closed.version) == ("closed", "02", 8)
    with pytest.raises(Refused):
        incidents.change(WANG, services, incident, 8, "reopen", "again")
    assert incidents.change(LI, services, incident, 8, "reopen", "again").status == "triaging"
    ledger = [each for each in incidents.detail(WANG, services, incident).history if each.field == "status"]
    assert [each.after for each in ledger] == [
        "new", "triaging", "confirmed", "containing", "eradicating", "recovering", "monitoring", "closed", "triaging"]
    assert all(before.after == after.before for before, after in pairwise(ledger))
    with services.database.read() as session:
        entries = audit.listing(session, object=f"incident:{incident}")
        assert audit.verify(session) is None
    assert [each.action for each in reversed(entries)] == [f"incident.{name}" for name in (
        "triage", "confirm", "contain", "eradicate", "recover", "watch", "close", "reopen")]


def test_a_grave_incident_is_closed_by_a_second_person(services: Services) -> None:
    incident = story(services, level="critical")
    incidents.change(WANG, services, incident, 1, "triage")
    with pytest.raises(Undrawn, match="second person"):
        incidents.change(WANG, services, incident, 2, "dismiss", "nothing")
    assert incidents.change(LI, services, incident, 2, "dismiss", "nothing").status == "false_positive"


def test_out_of_scope_or_without_the_role_nothing_changes(services: Services) -> None:
    incident = story(services)
    for call in (
        lambda actor: incidents.change(actor, services, incident, 1, "triage"),
        lambda actor: incidents.assign(actor, services, incident, 1, "wang"),
        lambda actor: incidents.comment(actor, services, incident, "x"),
        lambda actor: incidents.split(actor, services, incident, 1, [], "x"),
        lambda actor: incidents.merge(actor, services, incident, 1, [("x", 1)], "x"),
        lambda actor: evidence.add(actor, services, incident, "a.txt", b"x"),
    ):
        with pytest.raises(NotFound):
            call(NARROW)
        with pytest.raises(Refused):
            call(AGENCY)
    for read in (incidents.get, incidents.detail, incidents.similar, timeline.timeline, evidence.listing):
        read(AGENCY, services, incident)
        with pytest.raises(NotFound, match=f"no incident {incident!r}"):
            read(NARROW, services, incident)
    assert incidents.get(WANG, services, incident).version == 1
    assert incident not in {line.incident.id for line in incidents.listing(NARROW, services, limit=500).rows}
    whole = incidents.listing(WANG, services).total
    assert incidents.listing(NARROW, services).hidden_by_scope == whole - incidents.listing(NARROW, services).total


def test_split_and_merge_lose_no_alert_and_say_who(services: Services) -> None:
    incident = story(services, size=4)
    every = incidents.get(WANG, services, incident).alerts
    for wrong in ([], every, ["none"], [*every[:1], "none"]):
        with pytest.raises(ValueError, match="some stay"):
            incidents.split(WANG, services, incident, 1, wrong, "x")
    fresh = incidents.split(WANG, services, incident, 1, every[2:], "another matter")
    assert (fresh.alerts, incidents.get(WANG, services, incident).alerts) == (every[2:], every[:2])
    assert {link.reason for link in incidents.detail(WANG, services, fresh.id).chain} == {"moved"}
    with pytest.raises(Conflict):
        incidents.merge(WANG, services, incident, 1, [(fresh.id, 1)], "the same after all")
    assert incidents.get(WANG, services, fresh.id).status == "new"
    whole = incidents.merge(WANG, services, incident, 2, [(fresh.id, 1)], "the same after all")
    assert whole.alerts == every
    gone = incidents.get(WANG, services, fresh.id)
    assert (gone.status, gone.merged, gone.alerts) == ("merged", incident, [])
    with pytest.raises(Undrawn):
        incidents.merge(WANG, services, fresh.id, gone.version, [(incident, whole.version)], "back")
    other = story(services, organisation=POLICE)
    with pytest.raises(ValueError, match="one organisation"):
        incidents.merge(WANG, services, incident, whole.version, [(other, 1)], "x")
    told = [each.field for each in incidents.detail(WANG, services, incident).history]
    assert told == ["status", "split", "merge"]


def test_bulk_answers_one_by_one(services: Services) -> None:
    mine = [story(services) for _ in range(3)]
    answers = incidents.bulk(WANG, services, "triage", "", [(mine[0], 1), (mine[1], 7), (mine[2], 1), ("none", 1)])
    assert [type(each) for each in answers] == [Incident, Conflict, Incident, NotFound]
    assert isinstance(incidents.bulk(WANG, services, "triage", "", [(mine[0], 2)])[0], Undrawn)
    with services.database.begin() as session:
        session.execute(update(IncidentRow).where(IncidentRow.id == mine[1]).values(status="closed"))
    refused = incidents.bulk(WANG, services, "reopen", "", [(mine[1], 1), (mine[2], 2)], "because")
    assert [type(each) for each in refused] == [Refused, Undrawn]  # a role that lacks one step leaves the others
    given = incidents.bulk(WANG, services, "assign", "wang", [(mine[0], 2)])[0]
    assert isinstance(given, Incident)
    assert given.assignee == "wang"
    assert {line.incident.id for line in incidents.listing(WANG, services, Filter(assignee="wang")).rows} == {mine[0]}


def test_pages_meet_each_incident_once(services: Services) -> None:
    for _ in range(4):
        story(services)
    seen, after = [], ""
    while True:
        page = incidents.listing(WANG, services, Filter(status="open"), after, 2)
        seen += [line.incident for line in page.rows]
        after = page.next
        if not after:
            break
    assert len({each.id for each in seen}) == len(seen) == page.total
    assert [each.risk for each in seen] == sorted((each.risk for each in seen), reverse=True)
    with pytest.raises(ValueError, match="not the key"):
        incidents.listing(WANG, services, after="x")


def test_evidence_is_kept_whole_and_every_hand_is_noted(services: Services, prepared: Prepared) -> None:
    incident = story(services)
    kept = evidence.add(WANG, services, incident, "C:\\tmp\\dump.bin", b"bytes", note="from the host")
    assert (kept.name, kept.size) == ("dump.bin", 5)
    assert evidence.read(LI, services, kept.id)[1] == b"bytes"
    evidence.hand_over(WANG, services, kept.id, "wang", "for the lab")
    with pytest.raises(ValueError, match="no account"):
        evidence.hand_over(WANG, services, kept.id, "nobody")
    assert evidence.verify(WANG, services, kept.id) == kept
    acts = [hand.act for hand in evidence.custody(WANG, services, kept.id)]
    assert acts == ["collected", "read", "handed", "verified"]
    evidence.path(services, kept.sha256).write_bytes(b"other")
    with pytest.raises(evidence.Tampered, match="not what was taken in"):
        evidence.verify(WANG, services, kept.id)
    assert evidence.custody(WANG, services, kept.id)[-1].sha256 != kept.sha256
    with pytest.raises(NotFound):
        evidence.read(NARROW, services, kept.id)
    with pytest.raises(ValueError, match="file name"):
        evidence.add(WANG, services, incident, "  ", b"x")
    entries = timeline.timeline(AGENCY, services, incident)
    assert [each.at for each in entries] == sorted(each.at for each in entries)
    assert {each.what for each in entries} >= {"seen", "raised", "status", "evidence", "collected", "handed"}


def test_events_of_an_incident_as_evidence(services: Services, prepared: Prepared) -> None:
    incident = story(services)
    with pytest.raises(ValueError, match="no event"):
        evidence.snapshot(WANG, services, incident)
    with services.database.begin() as session:
        alert_state.relate(session, [prepared.alerts[0]], incident)
    kept = evidence.snapshot(WANG, services, incident)
    assert b"Accepted password for deploy" in evidence.read(WANG, services, kept.id)[1]
    with services.database.begin() as session:
        alert_state.relate(session, [prepared.alerts[0]], "")


def test_holds_are_put_and_lifted_with_a_reason_and_seen_in_scope(services: Services) -> None:
    incident = story(services)
    with pytest.raises(Refused):
        holds.hold_incident(WANG, services, incident, "order 7")
    with pytest.raises(ValueError, match="reason"):
        holds.hold_incident(LI, services, incident, "")
    held = holds.hold_incident(LI, services, incident, "order 7")
    whole = holds.hold_events(LI, services, "", T, T + HOUR, "order 8")
    assert {each.id for each in holds.listing(LI, services)} >= {held.id, whole.id}
    assert {each.id for each in holds.listing(AGENCY, services)} == {held.id}
    assert holds.listing(NARROW, services) == []
    with pytest.raises(NotFound):
        holds.hold_events(NARROW._replace(roles=LI.roles), services, "", T, T + HOUR, "x")
    assert holds.lift(LI, services, held.id, "case closed").lifted_by == "li"
    with pytest.raises(NotFound):
        holds.lift(LI, services, held.id, "again")


@pytest.mark.parametrize(("hits", "n", "low", "high"), [
    (0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)])
def test_wilsons_interval(hits: int, n: int, low: float, high: float) -> None:
    """The last is the worked example of Newcombe (1998), table I."""
    assert verdicts.wilson(hits, n) == pytest.approx((low, high), abs=1e-4)


def test_verdicts_feed_each_rules_precision(services: Services) -> None:
    found = incidents.get(WANG, services, story(services, size=3)).alerts
    before = {each.rule_id: each for each in verdicts.precision(WANG, services)}
    for alert, verdict in zip(found, ("true", "false", "test"), strict=True):
        alerts.change(WANG, services, "verdict", verdict, [(alert, 1)])
    after = {each.rule_id: each for each in verdicts.precision(WANG, services)}
    for rule, field in (("rule-0", "true"), ("rule-1", "false"), ("rule-2", "test")):
        assert getattr(after[rule], field) == getattr(before[rule], field) + 1
    assert after["rule-0"].value == 1.0
    assert after["rule-0"].low < 0.5 < after["rule-0"].high
    assert (after["rule-1"].value, after["rule-2"].value) == (0.0, None)
    assert all(each.true == each.false == 0 for each in verdicts.precision(NARROW, services) if "rule" in each.rule_id)


def test_times_come_from_the_ledger() -> None:
    told = [(T, "platform", "new"), (T + 5, "wang", "triaging"), (T + 9, "wang", "confirmed"),
            (T + 20, "li", "containing"), (T + 50, "li", "eradicating"), (T + 70, "li", "containing"),
            (T + 90, "li", "eradicating"), (T + 100, "li", "recovering"), (T + 300, "li", "monitoring")]
    course = metrics.course(T - 40, T, told)
    assert course.took == {"detect": 40, "acknowledge": 5, "contain": 50, "recover": 300}
    early = metrics.course(T - 40, T, told[:4])
    assert early.took == {"detect": 40, "acknowledge": 5, "contain": None, "recover": None}
    dismissed = metrics.course(T, T, [*told[:2], (T + 6, "li", "false_positive")])
    assert dismissed.counts == {"detect", "acknowledge"}
    spans = metrics.summed("", "", [course, dismissed, metrics.course(T, T, [])])
    assert (spans.contain.n, spans.contain.open, spans.detect.n, spans.acknowledge.open) == (1, 1, 3, 1)


@pytest.mark.parametrize("by", ["all", "agency", "district", "rule", "kind"])
def test_times_by_everything_in_scope(services: Services, by: metrics.By) -> None:
    walk(services, story(services), "triage", "confirm", "contain", "eradicate")
    found = metrics.times(AGENCY, services, by)
    whole = incidents.listing(AGENCY, services, Filter(realm="real"), limit=500)
    if by == "rule":
        assert {each.key for each in found} >= {"rule-0", "rule-1", "rule-2"}
    else:
        assert sum(each.incidents for each in found) == whole.total
    if by == "agency":
        assert [each.key for each in found] == [EDU]
    assert all(each.detect.mean and each.detect.mean > 0 for each in found)
    assert any(each.contain.n for each in found)


def test_every_change_of_an_alert_is_in_the_audit_chain(services: Services) -> None:
    alert = incidents.get(WANG, services, story(services)).alerts[0]
    alerts.change(WANG, services, "assign", "wang", [(alert, 1)])
    alerts.change(WANG, services, "verdict", "true", [(alert, 2)], "seen")
    alerts.comment(WANG, services, alert, "更多")
    again, = alerts.change(WANG, services, "status", "closed", [(alert, 3)])
    assert not isinstance(again, NotFound)
    with services.database.read() as session:
        entries = session.scalars(select(AuditRow).where(AuditRow.object == f"alert:{alert}").order_by(AuditRow.id))
        assert [each.action for each in entries] == ["alert.assign", "alert.verdict", "alert.comment", "alert.status"]
        assert audit.verify(session) is None


def test_an_alert_does_not_become_what_it_is(services: Services) -> None:
    alert = incidents.get(WANG, services, story(services)).alerts[0]
    answer, = alerts.change(WANG, services, "status", "new", [(alert, 1)])
    assert isinstance(answer, Conflict)
    assert "nothing leads from new to new" in str(answer)
