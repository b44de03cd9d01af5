"""The API from outside: who gets in, what each sees, and one sentence on every error."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from casework.services import Services
from soc_api.app import BODY_LIMIT, create
from soc_api.auth import COOKIE
from soc_core import sealed
from soc_core.access import Role
from soc_core.state import tokens, users
from tests.soc_ui.prepared import EDU, PASSWORD, Prepared, another

V1 = "/api/v1"
OPEN = {"/api/v1/health", "/api/v1/login"}


@pytest.fixture
def client(services: Services, prepared: Prepared) -> Iterator[TestClient]:
    with TestClient(create(services, prepared.settings), raise_server_exceptions=False) as made:
        yield made


def token(client: TestClient, name: str, password: str = PASSWORD) -> dict[str, str]:
    answer = client.post(f"{V1}/login", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    client.cookies.clear()
    return {"authorization": f"Bearer {answer.json()['token']}"}


def test_no_door_is_open_without_a_session_but_health_and_login(client: TestClient) -> None:
    paths = client.get(f"{V1}/openapi.json").json()["paths"]
    assert len(paths) > 20
    asked = 0
    for path, methods in paths.items():
        for method in methods:
            if path in OPEN:
                continue
            body = {"name": "x", "password": "y"} if path.endswith("login") else {
                "current": "a", "fresh": "b"} if path.endswith("password") else {
                "alerts": [{"id": "a", "version": 1}], "value": "false"} if method == "post" else None
            answer = client.request(method, re.sub(r"{\w+}", "x", path), json=body,
                                    params={"field": "a", "reason": "a", "source": "a"})
            assert (answer.status_code, set(answer.json())) == (401, {"error"}), (method, path, answer.text)
            asked += 1
    assert asked > 20
    assert client.get(f"{V1}/health").json() == {"status": "ok"}


def test_every_answer_carries_secure_headers_and_docs_ask_nothing_outside(client: TestClient) -> None:
    for path in (f"{V1}/health", f"{V1}/alerts", "/nothing", "/docs"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
    page = client.get("/docs").text
    assert "/api/v1/alerts/verdict" in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)


def test_each_actor_sees_his_own_and_nothing_else(client: TestClient, prepared: Prepared) -> None:
    own, foreign = prepared.alerts[0], prepared.alerts[2]
    admin, analyst = token(client, "edu-admin"), token(client, "wang")
    found = client.get(f"{V1}/alerts", headers=admin).json()
    assert {row["alert"]["organisation"] for row in found["rows"]} == {EDU}
    assert found["hidden_by_scope"] > 0
    assert client.get(f"{V1}/alerts/{own}", headers=admin).status_code == 200
    hidden, absent = (client.get(f"{V1}/alerts/{name}", headers=admin) for name in (foreign, "A0"))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["error"].replace(foreign, "A0") == absent.json()["error"]
    assert client.get(f"{V1}/alerts/{foreign}", headers=analyst).status_code == 200
    for path in ("agencies/cs-police", "agencies/none", "drills/drill-1", "incidents/none"):
        assert client.get(f"{V1}/{path}", headers=admin).status_code == 404
    assert client.get(f"{V1}/events?realm=demo", headers=admin).json()["total"] == 0
    assert client.get(f"{V1}/events?realm=demo", headers=analyst).json()["total"] == 3


def test_an_alert_over_the_api_leads_to_the_raw_line(client: TestClient, prepared: Prepared) -> None:
    found = client.get(f"{V1}/alerts/{prepared.alerts[0]}", headers=token(client, "wang")).json()
    assert found["detail"]["events"][0]["raw"].endswith("Accepted password for deploy from 203.0.113.9 port 51022 ssh2")


def test_bad_questions_get_one_sentence_and_a_position(client: TestClient) -> None:
    headers = token(client, "wang")
    answer = client.get(f"{V1}/events", params={"q": "a AND (b"}, headers=headers)
    assert (answer.status_code, answer.json()["position"]) == (422, 6)
    for path, status in (("alerts?level=loud", 422), ("alerts?after=xx", 422), ("alerts?since=never", 422),
                         ("alerts?limit=0", 422), ("events?realm=..%2F..", 422), ("events/aggregate", 422),
                         ("nothing", 404)):
        answer = client.get(f"{V1}/{path}", headers=headers)
        assert answer.status_code == status, (path, answer.text)
        assert isinstance(answer.json()["error"], str)
        assert "Traceback" not in answer.text
    assert client.delete(f"{V1}/alerts", headers=headers).status_code == 405
    big = client.post(f"{V1}/login", content=b"x" * (BODY_LIMIT + 1))
    assert big.status_code == 413


def test_a_defect_of_ours_is_a_number_not_a_traceback(
        client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = token(client, "wang")
    monkeypatch.setattr("casework.overview.overview", lambda *_: 1 / 0)
    answer = client.get(f"{V1}/overview", headers=headers)
    assert answer.status_code == 500
    assert answer.json()["number"] in answer.json()["error"]
    assert "ZeroDivision" not in answer.text


def test_a_verdict_over_the_api_is_written_once(client: TestClient, prepared: Prepared) -> None:
    alert = another(prepared.settings, "over the api")
    headers, body = token(client, "wang"), {"alerts": [{"id": alert, "version": 1}], "value": "benign", "note": "known"}
    assert client.post(f"{V1}/alerts/verdict", json=body, headers=headers).json()["results"][0]["result"] == "done"
    again = client.post(f"{V1}/alerts/verdict", json=body, headers=headers)
    assert (again.status_code, again.json()["current"]["alert"]["verdict"]) == (409, "benign")
    assert client.post(f"{V1}/alerts/verdict", json=body, headers=token(client, "auditor")).status_code == 403
    assert client.post(f"{V1}/alerts/verdict", json={**body, "more": 1}, headers=headers).status_code == 422


def test_a_change_by_cookie_needs_this_sessions_csrf_token_and_origin(client: TestClient, prepared: Prepared) -> None:
    alert = another(prepared.settings, "csrf")
    csrf = client.post(f"{V1}/login", json={"name": "wang", "password": PASSWORD}).json()["csrf"]
    body = {"alerts": [{"id": alert, "version": 1}], "value": "test"}
    for headers in ({}, {"x-csrf-token": "guess"}, {"x-csrf-token": csrf, "origin": "https://evil.example"}):
        assert client.post(f"{V1}/alerts/verdict", json=body, headers=headers).status_code == 403
    good = {"x-csrf-token": csrf, "origin": "http://testserver"}
    assert client.post(f"{V1}/alerts/verdict", json=body, headers=good).status_code == 200
    assert client.get(f"{V1}/me").json()["csrf"] == csrf


def test_the_cookie_is_for_the_server_alone(client: TestClient) -> None:
    answer = client.post(f"{V1}/login", json={"name": "wang", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert COOKIE in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get(f"{V1}/me").json()["name"] == "wang"
    client.cookies.clear()
    client.cookies.set(COOKIE, answer.json()["token"][:-3] + "abc")
    assert client.get(f"{V1}/me").status_code == 401


def test_a_one_time_password_opens_only_the_door_to_an_own_one(client: TestClient, services: Services) -> None:
    with services.database.begin() as session:
        users.create(session, "newcomer", "one-time-pass-1", [Role.ANALYST], must_change=True)
    first = client.post(f"{V1}/login", json={"name": "newcomer", "password": "one-time-pass-1"}).json()
    client.cookies.clear()
    headers = {"authorization": f"Bearer {first['token']}"}
    assert first["must_change"]
    assert client.get(f"{V1}/alerts", headers=headers).status_code == 403
    weak = client.post(f"{V1}/password", json={"current": "one-time-pass-1", "fresh": "short"}, headers=headers)
    assert weak.status_code == 401
    assert "12 characters" in weak.json()["error"]
    changed = client.post(f"{V1}/password", json={"current": "one-time-pass-1", "fresh": PASSWORD}, headers=headers)
    assert changed.status_code == 200
    client.cookies.clear()
    assert client.get(f"{V1}/me", headers=headers).status_code == 401, "the old session must have ended"
    fresh = {"authorization": f"Bearer {changed.json()['token']}"}
    assert client.get(f"{V1}/alerts", headers=fresh).status_code == 200
    with services.database.begin() as session:
        users.disable(session, "newcomer")
    assert client.get(f"{V1}/alerts", headers=fresh).status_code == 401


def test_signing_out_ends_the_session(client: TestClient, services: Services) -> None:
    with services.database.begin() as session:
        users.create(session, "leaver", PASSWORD, [Role.ANALYST])
    headers = token(client, "leaver")
    assert client.post(f"{V1}/logout", headers=headers).json() == {"signed_out": True}
    assert client.get(f"{V1}/me", headers=headers).status_code == 401


def test_guessing_is_slowed_and_names_are_not_told_apart(client: TestClient, services: Services) -> None:
    with services.database.begin() as session:
        users.create(session, "guessed", PASSWORD, [Role.ANALYST])
    told = {}
    for name in ("guessed", "no-such-account"):
        answers = [client.post(f"{V1}/login", json={"name": name, "password": f"wrong {n}"}) for n in range(6)]
        told[name] = [(answer.status_code, re.sub(r"\d+", "N", answer.text)) for answer in answers]
        assert [status for status, _ in told[name]] == [401] * 5 + [429]
    assert told["guessed"] == told["no-such-account"]
    right = client.post(f"{V1}/login", json={"name": "guessed", "password": PASSWORD})
    assert right.status_code == 429


def test_a_machines_token_reads_its_own_scope(client: TestClient, services: Services) -> None:
    with services.database.begin() as session:
        made, secret = tokens.issue(session, "edu reader", "api", "wang", [Role.ANALYST], EDU)
    headers = {"authorization": f"Bearer {secret}"}
    found = client.get(f"{V1}/alerts", headers=headers).json()["rows"]
    assert {row["alert"]["organisation"] for row in found} == {EDU}
    assert client.post(f"{V1}/password", json={"current": "a", "fresh": "b"}, headers=headers).status_code == 403
    with services.database.begin() as session:
        tokens.revoke(session, made.id)
    assert client.get(f"{V1}/alerts", headers=headers).status_code == 401


def test_an_agency_account_without_a_place_sees_nothing(client: TestClient, services: Services) -> None:
    with services.database.begin() as session:
        users.create(session, "unplaced", PASSWORD, [Role.AGENCY_ADMIN])
    headers = token(client, "unplaced")
    assert client.get(f"{V1}/alerts", headers=headers).json()["rows"] == []
    assert client.get(f"{V1}/events", headers=headers).json()["total"] == 0


def test_too_many_requests_are_told_to_wait(services: Services, prepared: Prepared,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soc_api.app.BURST", 3.0)
    monkeypatch.setattr("soc_api.app.RATE", 0.001)
    client = TestClient(create(services, prepared.settings))
    statuses = [client.get(f"{V1}/health").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_the_signing_key_is_made_once_and_private(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "keys" / "session.key"
    first = sealed.key(path)
    assert sealed.key(path) == first
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("x")
    with pytest.raises(OSError, match="is no key"):
        sealed.key(path)
