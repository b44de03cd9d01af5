"""Incidents and indicators over HTTP: what the services do, with their errors as status codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from casework.services import Services
from detections import triage
from soc_api.app import create
from soc_core import clock
from soc_core.access import Role
from soc_core.models import Finding
from soc_core.state import alerts, users
from tests.soc_api.test_api import token
from tests.soc_ui.prepared import EDU, PASSWORD, POLICE, Prepared

V1 = "/api/v1"
T = clock.now() - 3 * clock.HOUR


@pytest.fixture(scope="module")
def _lead(services: Services) -> None:
    with services.database.begin() as session:
        users.create(session, "lead", PASSWORD, (Role.SHIFT_LEAD,), "")


@pytest.fixture
def client(services: Services, prepared: Prepared, _lead: None) -> Iterator[TestClient]:
    with TestClient(create(services, prepared.settings), raise_server_exceptions=False) as made:
        yield made


def story(services: Services, name: str, organisation: str = EDU) -> str:
    findings = [Finding(f"api-{at}", f"{abs(hash(name)):016x}{at:016x}", T + at, "medium", f"{name} {at}",
                        (("n", name),), (("host.name", name),), ("T1059",), organisation, "s1", "real", -1, -1)
                for at in range(4)]
    with services.database.begin() as session:
        raised = triage.apply(session, findings, T).raised
        return alerts.briefly(session, raised)[raised[0]].incident


def test_one_incident_from_new_to_evidence(client: TestClient, services: Services) -> None:
    incident = story(services, "api-one")
    wang, lead, edu = token(client, "wang"), token(client, "lead"), token(client, "edu-admin")
    place = f"{V1}/incidents/{incident}"

    def post(path: str, who: dict[str, str] = wang, **body: Any) -> Any:
        return client.post(f"{place}/{path}", headers=who, json=body)

    assert post("step", version=1, action="triage").json()["status"] == "triaging"
    assert post("step", version=1, action="confirm", kind="02").status_code == 409
    assert post("step", version=2, action="close", note="x").status_code == 422
    assert post("step", edu, version=2, action="confirm", kind="02").status_code == 403
    assert post("assign", version=2, assignee="lead").json()["assignee"] == "lead"
    assert post("assign", version=3, assignee="nobody").status_code == 422
    assert post("comment", note="看过").json() == {"noted": True}
    found = client.get(place, headers=edu).json()
    assert [link["reason"] for link in found["chain"]] == ["began", "shared", "shared", "shared"]
    assert found["incident"]["version"] == 3
    halves = post("split", version=3, alerts=found["incident"]["alerts"][2:], note="two")
    fresh = halves.json()
    assert len(fresh["alerts"]) == 2
    both = post("merge", lead, version=4, others=[{"id": fresh["id"], "version": 1}], note="one")
    assert len(both.json()["alerts"]) == 4
    kept = client.post(f"{place}/evidence", headers=wang, params={"name": "a.txt"}, content=b"body").json()
    assert client.get(f"{place}/evidence", headers=edu).json()["evidence"] == [kept]
    read = client.get(f"{V1}/evidence/{kept['id']}/content", headers=lead)
    assert (read.content, kept["sha256"] in read.headers["digest"]) == (b"body", True)
    assert client.post(f"{V1}/evidence/{kept['id']}/verify", headers=lead).status_code == 200
    handed = client.post(f"{V1}/evidence/{kept['id']}/hand", headers=wang, json={"to": "lead"}).json()
    assert [each["act"] for each in handed["custody"]] == ["collected", "read", "verified", "handed"]
    assert client.get(f"{V1}/evidence/{kept['id']}/custody", headers=edu).status_code == 200
    assert client.post(f"{place}/evidence/events", headers=wang).status_code == 422
    told = client.get(f"{place}/timeline", headers=edu).json()["entries"]
    assert {each["kind"] for each in told} >= {"alert", "incident", "evidence"}
    assert client.get(f"{place}/similar", headers=edu).status_code == 200


def test_lists_bulk_holds_and_figures(client: TestClient, services: Services) -> None:
    mine, theirs = story(services, "api-two"), story(services, "api-three", POLICE)
    wang, lead, edu = token(client, "wang"), token(client, "lead"), token(client, "edu-admin")
    listed = client.get(f"{V1}/incidents", headers=edu, params={"status": "open", "limit": 500}).json()
    assert mine in {row["incident"]["id"] for row in listed["rows"]}
    assert theirs not in {row["incident"]["id"] for row in listed["rows"]}
    assert listed["hidden_by_scope"] >= 1
    answer = client.post(f"{V1}/incidents/bulk", headers=wang, json={"action": "triage", "incidents": [
        {"id": mine, "version": 1}, {"id": theirs, "version": 9}, {"id": "none", "version": 1}]}).json()
    assert [each["result"] for each in answer["results"]] == ["done", "conflict", "not found"]
    assert client.get(f"{V1}/incidents/machine", headers=edu).json()["machine"]["start"] == "new"
    held = client.post(f"{V1}/holds", headers=lead, json={"incident": mine, "reason": "order"}).json()
    assert client.get(f"{V1}/holds", headers=edu).json()["holds"] == [held]
    assert client.post(f"{V1}/holds", headers=wang, json={"incident": mine, "reason": "x"}).status_code == 403
    assert client.post(f"{V1}/holds", headers=lead, json={"reason": "x"}).status_code == 422
    assert client.post(f"{V1}/holds/{held['id']}/lift", headers=lead, json={"reason": "done"}).status_code == 200
    for by in ("all", "agency", "district", "rule", "kind"):
        assert client.get(f"{V1}/metrics/times", headers=edu, params={"by": by}).json()["rows"]
    assert client.get(f"{V1}/metrics/precision", headers=edu).json()["rows"]
    alert = client.get(f"{V1}/incidents/{mine}", headers=edu).json()["incident"]["alerts"][0]
    assert client.post(f"{V1}/alerts/{alert}/comment", headers=wang, json={"note": "x"}).status_code == 200


def test_feeds(client: TestClient) -> None:
    wang, edu = token(client, "wang"), token(client, "edu-admin")
    given = {"feed": "api", "form": "csv", "body": "value\n203.0.113.200\nbad value\n"}
    taken = client.post(f"{V1}/indicators", headers=wang, json=given).json()
    assert (taken["new"], [each["where"] for each in taken["refused"]]) == (1, ["line 3"])
    assert client.post(f"{V1}/indicators", headers=edu, json=given).status_code == 403
    assert client.post(f"{V1}/indicators", headers=wang, json=given | {"body": "x"}).status_code == 422
    (one,) = client.get(f"{V1}/indicators", headers=wang, params={"feed": "api"}).json()["rows"]
    assert client.get(f"{V1}/indicators", headers=edu).status_code == 403
    assert client.get(f"{V1}/indicators/{one['id']}/sightings", headers=wang).json() == {"alerts": []}
    assert client.post(f"{V1}/indicators/revoke", headers=wang, json={"ids": [one["id"]]}).json() == {"revoked": 1}
    assert client.post(f"{V1}/indicators/revoke", headers=wang, json={"ids": [one["id"]]}).status_code == 404
