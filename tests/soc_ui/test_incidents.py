"""The list of incidents and one incident, as an analyst, an agency and a regulator have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from casework import incidents
from casework.services import Services, open_services
from detections import triage
from soc_core import clock, config
from soc_core.access import EVERYTHING, Actor, Role
from soc_core.models import Finding
from soc_core.state import alerts as state
from soc_core.state import users
from soc_ui import text
from soc_ui.vm.incident import incident_page
from soc_ui.vm.incidents import incidents_page
from tests.soc_ui.prepared import EDU, PASSWORD, PAYLOAD, POLICE, Prepared
from tests.soc_ui.test_pages import Run, run

__all__ = ["run"]
T = clock.now() - 2 * clock.HOUR
WANG = Actor("wang", frozenset({Role.ANALYST}), EVERYTHING)


def story(services: Services, name: str, organisation: str = EDU) -> str:
    findings = [
        Finding(f"rule-{at}", f"{sum(map(ord, name)):016x}{at:016x}", T + at * clock.MINUTE, "high",
                f"第 {at} 步 {PAYLOAD}", (("n", name),), (("host.name", name), ("user.name", name + PAYLOAD)),
                (("T1110", "T1059", "T1041")[at],), organisation, "s1", "real", -1, -1) for at in range(3)]
    with services.database.begin() as session:
        raised = triage.apply(session, findings, T + clock.HOUR).raised
        return state.briefly(session, raised)[raised[0]].incident


@pytest.fixture
def on(tmp_path: Any, prepared: Prepared) -> Iterator[Services]:
    """A platform with two incidents of one agency and one of another."""
    opened = open_services(config.load(data=tmp_path, city=prepared.settings.city))
    with opened.database.begin() as session:
        users.create(session, "wang", PASSWORD, [Role.ANALYST], "")
        users.create(session, "edu-admin", PASSWORD, [Role.AGENCY_ADMIN], EDU)
    yield opened
    opened.close()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_list_and_one_of_it(run: Run, on: Services, language: str) -> None:
    mine, _, theirs = story(on, "one"), story(on, "two"), story(on, "three", POLICE)
    _, handed = run("incidents", language=language, on=on)
    rows = handed["incidents_table"]["rows"]
    assert {row["go"]["query"]["id"] for row in rows} >= {mine, theirs}
    assert len(handed["incidents_head"]["tiles"]) == 4
    test, handed = run("incident", language=language, on=on, query={"id": mine})
    assert handed["incident_head"]["headline"].startswith("第 0 步")
    reasons = [row["cells"][3] for row in handed["incident_chain"]["rows"]]
    assert reasons[0] == text.translate(language, "incident.began")
    assert all("one" in each for each in reasons[1:])
    assert [row["cells"][4] for row in handed["incident_chain"]["rows"]][1:] == [
        text.translate(language, "incident.against", before="TA0006", after="TA0002"),
        text.translate(language, "incident.in_order", before="TA0002", after="TA0010")]
    assert handed["incident_timeline"]["rows"]
    assert {button.key for button in test.button} >= {"incident_do_triage", "incident_mine", "incident_split"}


def test_a_step_is_taken_and_a_refusal_is_said(run: Run, on: Services) -> None:
    mine = story(on, "one")
    test, _ = run("incident", on=on, query={"id": mine})
    test.button(key="incident_do_triage").click().run()
    assert incidents.get(WANG, on, mine).status == "triaging"
    assert text.translate("zh", "incident.done") in [item.value for item in test.text]
    test.button(key="incident_do_dismiss").click().run()
    assert text.translate("zh", "incident.refused_note") in [item.value for item in test.text]
    test.text_input(key="incident_note").set_value("误报").run()
    test.button(key="incident_do_dismiss").click().run()
    assert text.translate("zh", "incident.refused_second") in [item.value for item in test.text]
    assert incidents.get(WANG, on, mine).status == "triaging"
    test.button(key="incident_comment").click().run()
    assert [each.note for each in incidents.detail(WANG, on, mine).history][-1] == "误报"


def test_an_agency_sees_its_own_and_changes_nothing(run: Run, on: Services) -> None:
    mine, theirs = story(on, "one"), story(on, "three", POLICE)
    _, handed = run("incidents", name="edu-admin", on=on)
    assert [row["go"]["query"]["id"] for row in handed["incidents_table"]["rows"]] == [mine]
    test, handed = run("incident", name="edu-admin", on=on, query={"id": mine})
    assert "incident_chain" in handed
    assert not [button for button in test.button if str(button.key).startswith("incident_")]
    for absent in (theirs, "none", ""):
        test, handed = run("incident", name="edu-admin", on=on, query={"id": absent})
        assert [item.value for item in test.text] == [text.translate("zh", "common.not_found")]
        assert "incident_head" not in handed


def test_what_the_pages_say(on: Services) -> None:
    assert incidents_page(WANG, on, "en").headline == text.translate("en", "incidents.none")
    mine, other = story(on, "one"), story(on, "two")
    found = incidents.split(WANG, on, mine, 1, incidents.get(WANG, on, mine).alerts[:1], "x")
    page = incident_page(WANG, on, "en", found.id)
    assert page.chain[0]["cells"][3] == text.translate("en", "incident.moved", who="wang")
    assert {each[0] for each in page.others} == {mine, other}
    assert page.kind == ""
    listed = incidents_page(WANG, on, "en", every=True, level="high")
    assert listed.headline == text.translate("en", "incidents.listed", n="3")
    assert {row["cells"][2]["text"] for row in listed.rows} == {"new"}
