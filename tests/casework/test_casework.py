"""Services: every read in scope, every change by version, every number countable again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from casework import agency, alerts, drills, events, incidents, overview, pipeline, quarantine, sources
from casework.rules import about
from casework.services import Conflict, NotFound, Services, open_services
from soc_core import clock
from soc_core.access import EVERYTHING, NOTHING, Actor, Refused, Role, Scope
from soc_core.events import EventBatch
from soc_core.models import DEMO, REAL
from soc_core.protocols import Page, Query
from soc_core.state.alerts import Filter
from soc_core.store.embedded import EmbeddedStore
from soc_ui.vm.unowned import unowned_page
from tests.soc_ui.prepared import DATA, EDU, POLICE, STORY, Prepared, another, event, prepare

ROOT = Path(__file__).resolve().parents[2]

CENTRE = Actor("wang", frozenset({Role.ANALYST}), EVERYTHING)
OTHER = Actor("li", frozenset({Role.ANALYST}), EVERYTHING)
NOBODY = Actor("nobody", frozenset({Role.ANALYST}), NOTHING)


def agency_of(*organisations: str) -> Actor:
    return Actor("admin", frozenset({Role.AGENCY_ADMIN}), Scope(frozenset(organisations)), organisations[0])


ACTORS = {"centre": CENTRE, "one": agency_of(EDU), "two": agency_of(POLICE, DATA), "nobody": NOBODY}


@pytest.mark.parametrize("actor", ACTORS.values(), ids=ACTORS.keys())
def test_the_queue_holds_what_the_scope_holds_and_says_what_it_hides(
        actor: Actor, services: Services, prepared: Prepared) -> None:
    found = alerts.queue(actor, services, Filter(realm=REAL), limit=500)
    mine = {row.alert.id for row in found.rows}
    expected = {alert for alert, item in zip(prepared.alerts, STORY, strict=False)
                if item[5] == REAL and actor.scope.allows(item[3])}
    assert expected <= mine
    assert all(actor.scope.allows(row.alert.organisation) for row in found.rows)
    whole = alerts.queue(CENTRE, services, Filter(realm=REAL), limit=500).total
    assert found.total == len(mine) == whole - found.hidden_by_scope


def test_what_nobody_owns_lies_in_an_inbox_of_the_whole_city(tmp_path: Path) -> None:
    made = prepare(tmp_path, ROOT / "cities" / "changsha", fill=0)
    rows = [{**event("test:odd", at, clock.now(), "", "", REAL, f"<86>odd {at} tel 13812345678", {}),
             "organization.id": None} for at in range(3)]
    with EmbeddedStore(made.settings.events(REAL)) as store:
        store.write(EventBatch.from_dicts(rows))
    with closing(open_services(made.settings)) as own:
        found = events.unowned(CENTRE, own)
        assert {row["event.id"] for row in found.rows} == {row["event.id"] for row in rows}
        assert (found.total, [(each.key, each.n) for each in found.sources]) == (3, [("test:odd", 3)])
        assert "13812345678" not in repr(found)
        for other in (SEAT, agency_of(EDU)):
            with pytest.raises(Refused):
                events.unowned(other, own)
        page = unowned_page(CENTRE, own, "en")
        assert page.headline == "3 events are of no known agency."
        assert page.sources[0]["cells"] == ["test:odd", 3]


SEAT = Actor("kaifu", frozenset({Role.ANALYST}), Scope(frozenset({POLICE, DATA})), POLICE)  # of the centre, of a part


def test_the_centres_people_are_told_how_much_lies_beyond_their_seat(services: Services) -> None:
    whole = events.search(CENTRE, services, Query(), REAL)
    found = events.search(SEAT, services, Query(), REAL)
    assert 0 < found.total == whole.total - found.hidden_by_scope < whole.total
    assert whole.hidden_by_scope == 0
    assert quarantine.groups(SEAT, services).hidden_by_scope == quarantine.groups(CENTRE, services).total > 0
    assert drills.listing(SEAT, services).hidden_by_scope == drills.listing(CENTRE, services).total > 0


def test_a_count_tells_no_agency_and_answers_no_question(services: Services) -> None:
    for actor in (agency_of(DATA), SEAT._replace(roles=frozenset({Role.JUDGE})), NOBODY):
        assert drills.listing(actor, services).hidden_by_scope == 0
    for actor in (agency_of(DATA), NOBODY):
        assert events.search(actor, services, Query(), REAL).hidden_by_scope == 0
        assert quarantine.groups(actor, services).hidden_by_scope == 0
    assert events.search(SEAT, services, Query(text="source.ip:203.0.113.9"), REAL).hidden_by_scope == 0


def test_pages_of_the_queue_meet_each_row_once_and_in_order(services: Services) -> None:
    seen, after = [], ""
    while True:
        page = alerts.queue(CENTRE, services, Filter(realm=DEMO), after, limit=7)
        seen += [row.alert for row in page.rows]
        after = page.next
        if not after:
            break
    assert len({item.id for item in seen}) == len(seen) == page.total
    assert seen == sorted(seen, key=lambda item: (item.priority, item.last_seen, item.id), reverse=True)
    for before, item, following in zip(seen, seen[1:], seen[2:], strict=False):
        assert alerts.neighbours(CENTRE, services, item, Filter(realm=DEMO)) == (before.id, following.id)


def test_out_of_scope_answers_exactly_as_not_there(services: Services, prepared: Prepared) -> None:
    foreign, absent = prepared.alerts[2], "A" + "0" * 16
    for ask in (alerts.get, alerts.detail):
        texts = []
        for alert in (foreign, absent):
            with pytest.raises(NotFound) as refused:
                ask(agency_of(EDU), services, alert)
            texts.append(str(refused.value).replace(alert, "ID"))
        assert texts[0] == texts[1]
    for organisation in (POLICE, "no-such-agency"):
        with pytest.raises(NotFound, match="no such organisation"):
            agency.status(agency_of(EDU), services, organisation)


def test_an_alert_leads_down_to_its_raw_record(services: Services, prepared: Prepared) -> None:
    found = alerts.detail(CENTRE, services, prepared.alerts[0])
    assert [event.raw for event in found.events] == [STORY[0][8]]
    assert found.events[0].fields["source.ip"] == "203.0.113.9"
    assert {match.value for match in found.matches} >= {"203.0.113.9", "deploy"}


def test_events_of_an_alert_are_read_in_the_readers_own_scope(services: Services, prepared: Prepared) -> None:
    row = alerts.get(CENTRE, services, prepared.alerts[2])
    assert alerts.events(CENTRE, services, row.alert)
    assert not alerts.events(agency_of(EDU), services, row.alert)
    raw = events.search(agency_of(EDU), services, Query(), DEMO, Page(100))
    assert raw.total == 0
    assert events.search(agency_of(POLICE), services, Query(), DEMO).total == 2
    assert events.aggregate(agency_of(POLICE), services, Query(), "organization.id", DEMO)[0].key == POLICE


def test_a_verdict_counts_once_and_the_second_hand_gets_the_conflict(services: Services, prepared: Prepared) -> None:
    alert = another(prepared.settings, "verdict twice")
    first, = alerts.change(CENTRE, services, "verdict", "false", [(alert, 1)])
    assert not isinstance(first, Exception)
    assert (first.alert.status, first.alert.verdict, first.alert.version) == ("closed", "false", 2)
    second, = alerts.change(OTHER, services, "verdict", "true", [(alert, 1)])
    assert isinstance(second, Conflict)
    history = alerts.detail(CENTRE, services, alert).history
    assert [(item.actor, item.field, item.after) for item in history] == [
        ("wang", "verdict", "false"), ("wang", "status", "closed")]


def test_undo_restores_unless_somebody_came_between(services: Services, prepared: Prepared) -> None:
    alert = another(prepared.settings, "undo me")
    before = alerts.get(CENTRE, services, alert).alert
    done, = alerts.change(CENTRE, services, "verdict", "test", [(alert, 1)])
    assert not isinstance(done, Exception)
    back = alerts.restore(CENTRE, services, before, done.alert.version)
    assert not isinstance(back, Exception)
    assert (back.alert.status, back.alert.verdict) == ("new", "")
    assert isinstance(alerts.restore(CENTRE, services, before, done.alert.version), Conflict)


def test_changes_are_refused_without_role_scope_or_sense(services: Services, prepared: Prepared) -> None:
    alert = another(prepared.settings, "leave me alone", POLICE)
    with pytest.raises(Refused):
        alerts.change(agency_of(POLICE), services, "verdict", "false", [(alert, 1)])
    narrow = Actor("narrow", frozenset({Role.ANALYST}), Scope(frozenset({EDU})), EDU)
    answer, = alerts.change(narrow, services, "verdict", "false", [(alert, 1)])
    assert isinstance(answer, NotFound)
    for op, value in (("verdict", "maybe"), ("status", "gone"), ("assign", "no-such-account")):
        with pytest.raises(ValueError, match=value):
            alerts.change(CENTRE, services, op, value, [(alert, 1)])  # type: ignore[arg-type]
    assert alerts.get(CENTRE, services, alert).alert.version == 1


def test_every_number_of_the_overview_is_counted_by_its_list(services: Services) -> None:
    for actor in (CENTRE, agency_of(EDU), agency_of(POLICE, DATA)):
        found = overview.overview(actor, services)
        listed = lambda **more: alerts.queue(actor, services, Filter(**more), limit=1).total  # noqa: B023, E731
        assert found.open == listed(status="waiting")
        assert found.open_high == listed(status="waiting", level="high")
        assert found.open_critical == listed(status="waiting", level="critical")
        assert found.real_open_high == listed(status="waiting", level="high", realm=REAL)
        assert found.mine == listed(status="waiting", assignee=actor.name)
        assert found.sources == sources.listing(actor, services).total
        assert found.sources_silent == sources.listing(actor, services, "silent").total
        assert found.quarantined == sum(item.count for item in quarantine.groups(actor, services).rows)
        assert sum(item.n for item in found.by_organisation) == found.open
        assert all(actor.scope.allows(item.key) for item in found.by_organisation)
        assert len(found.hours) == 24
        assert sum(some + rest for _, some, rest in found.hours) == found.today


def test_fates_add_up_and_sources_belong_to_their_owner(services: Services) -> None:
    found = pipeline.pipeline(CENTRE, services)
    assert not found.broken
    for item in [*found.sources, found.totals]:
        assert item.received == sum(getattr(item, name) for name in (*sources.FATES, "pending"))
    health = {item.source: item.health for item in found.sources}
    assert health == {"test:real:campus_safety": "alive", "test:demo:skynet_video": "alive",
                      "test:demo:egov_extranet": "unknown", "test:silent": "silent"}
    assert {item.organisation for item in sources.listing(agency_of(EDU), services).rows} == {EDU}
    assert not pipeline.pipeline(agency_of(EDU), services).partitions


def test_quarantine_is_seen_by_its_owner_alone(services: Services) -> None:
    for actor, count in ((CENTRE, 1), (agency_of(EDU), 1), (agency_of(POLICE), 0)):
        assert quarantine.total(actor, services) == quarantine.groups(actor, services).total == count
        found = quarantine.samples(actor, services, "no timestamp in the header", "test:real:campus_safety")
        assert len(found) == count
    assert "garbled" in quarantine.samples(CENTRE, services, "no timestamp in the header",
                                           "test:real:campus_safety")[0].raw


def test_an_agency_reads_what_it_must_do_now(services: Services) -> None:
    found = agency.status(agency_of(EDU), services, EDU)
    assert found.tasks[0].kind == "alert"
    assert found.tasks[0].alert is not None
    assert found.tasks[0].alert.level == "critical"
    assert 0 < found.connected < found.expected == len(found.sources)
    assert found.last_event > 0
    heard = [item for item in found.sources if item.state in ("heard", "late")]
    assert {item.system for item in heard} == {"campus_safety"}
    silent = agency.status(CENTRE, services, "cs-urban")
    assert (silent.connected, silent.last_event, silent.open_alerts) == (0, 0, 0)


def test_choices_are_the_subtree_own_agency_first(services: Services) -> None:
    scope = services.inventory.scope_of("yuelu")
    district = Actor("d", frozenset({Role.AGENCY_ADMIN}), scope, "yuelu")
    found = agency.choices(district, services, limit=5_000)
    assert found[0].id == "yuelu"
    assert {item.id for item in found} == scope.organisations


def test_drills_and_incidents(services: Services) -> None:
    assert drills.get(CENTRE, services, "drill-1").result["detected"] == 4
    assert drills.listing(agency_of(EDU), services).rows == []
    with pytest.raises(NotFound):
        drills.get(agency_of(EDU), services, "drill-1")
    assert incidents.listing(NOBODY, services).rows == []
    with pytest.raises(NotFound):
        incidents.get(CENTRE, services, "none")


def test_a_rule_says_what_it_looks_for() -> None:
    found = about({"id": "x", "title": "t", "falsepositives": ["backup"], "detection": {
        "selection": [{"Image|endswith": "\\cmd.exe", "CommandLine|contains|all": ["whoami", "/all"]}],
        "keywords": ["evil"], "filter_main": {"User": "SYSTEM"}, "condition": "selection or keywords"}})
    assert {(item.field, item.op, item.value) for item in found.conditions} == {
        ("Image", "endswith", "\\cmd.exe"), ("CommandLine", "contains", "whoami"), ("CommandLine", "contains", "/all"),
        ("", "contains", "evil")}
