"""Status of agencies over HTTP: a report in, the list out, the self-check as JSON and CSV."""

from __future__ import annotations

from starlette.testclient import TestClient

from casework.services import Services
from soc_api.app import create
from tests.soc_ui.prepared import EDU, PASSWORD

REPORT = b"system,account,weakness\ncampus_safety,a,weak\nskynet_video,b,weak\n"


def test_an_agency_brings_its_report_and_sees_its_own(services: Services) -> None:
    client = TestClient(create(services, services.settings))
    token = client.post("/api/v1/login", json={"name": "edu-admin", "password": PASSWORD}).json()["token"]
    head = {"authorization": f"Bearer {token}"}
    taken = client.post("/api/v1/exposures", content=REPORT, headers=head).json()
    assert (taken["new"], taken["foreign"]) == (1, 1)
    rows = client.get("/api/v1/exposures", headers=head).json()["rows"]
    assert [(row["exposure"]["name"], row["exposure"]["organisation"]) for row in rows] == [("a", EDU)]
    assert client.post("/api/v1/exposures", content=b"<x/>", headers=head).status_code == 422
    assert client.get(f"/api/v1/agencies/{EDU}/score", headers=head).json()["formula"].startswith("100 × (")
    assert client.get("/api/v1/agencies/cs-police/score", headers=head).status_code == 404
    sheet = client.get("/api/v1/compliance", params={"organisation": EDU, "form": "csv"}, headers=head)
    assert sheet.headers["content-type"].startswith("text/csv")
    assert len(sheet.text.strip().splitlines()) == 10
    said = {"requirement": "vendor-duty", "text": "t", "evidence": "file 7", "valid_until": "2999-01-01T00:00:00Z"}
    assert client.post("/api/v1/compliance", json=said, headers=head).json() == {"noted": True}
    assert client.get("/api/v1/doors", headers=head).status_code == 403
