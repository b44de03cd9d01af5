"""The door of the console: no page, stream or data without a session, and no way around the password change."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from casework.services import Services
from soc_api.auth import COOKIE, Logins
from soc_core.access import Role
from soc_core.state import users
from soc_ui import gate, live, runtime
from tests.soc_ui.prepared import PASSWORD, Prepared

HTML = {"accept": "text/html"}


@pytest.fixture
def client(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    logins = Logins(services)
    monkeypatch.setattr(runtime, "logins", lambda: logins)
    monkeypatch.setattr(runtime, "services", lambda: services)

    def inside(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("inside")

    app = Starlette(routes=[*gate.routes(), *live.routes(), Route("/{rest:path}", inside)],
                    middleware=gate.middleware())
    with TestClient(app, follow_redirects=False) as made:
        yield made


def enter(client: TestClient, name: str = "wang", password: str = PASSWORD) -> None:
    answer = client.post("/login", data={"name": name, "password": password, "next": "/alerts?view=mine"})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] in ("/alerts?view=mine", "/password")


def test_without_a_session_pages_lead_to_the_login_and_data_is_refused(client: TestClient) -> None:
    answer = client.get("/alerts?view=mine", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Falerts%3Fview%3Dmine")
    for path in ("/live/queue", "/live/peek?id=A1", "/_stcore/upload_file/x", "/media/x", "/anything"):
        assert client.get(path).status_code == 401, path
    assert client.get("/_stcore/health").text == "inside"
    assert client.get("/alerts/_stcore/host-config").text == "inside"
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/_stcore/stream"):
        pass
    assert closed.value.code == 4401


def test_login_leads_back_and_never_elsewhere(client: TestClient) -> None:
    enter(client)
    assert client.get("/alerts", headers=HTML).text == "inside"
    assert client.get("/login").headers["location"] == "/"
    for to in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"):
        assert gate.local(to) == "/", to


def test_the_page_escapes_what_it_is_given(client: TestClient) -> None:
    answer = client.get('/login?next=/"><script>alert(1)</script>')
    assert "<script" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"


def test_wrong_and_foreign_logins_are_refused(client: TestClient) -> None:
    answer = client.post("/login", data={"name": "wang", "password": "wrong"})
    assert answer.status_code == 401
    assert "账号或口令不对" in answer.text
    foreign = client.post("/login", data={"name": "wang", "password": PASSWORD},
                          headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert COOKIE not in foreign.cookies


def test_a_one_time_password_leads_to_the_change_and_nowhere_else(client: TestClient, services: Services) -> None:
    with services.database.begin() as session:
        users.create(session, "fresh", "one-time-pass-1", [Role.ANALYST], must_change=True)
    enter(client, "fresh", "one-time-pass-1")
    assert client.get("/alerts", headers=HTML).headers["location"] == "/password"
    assert client.get("/live/queue").status_code == 401
    form = client.get("/password").text
    csrf = re.search(r'name="csrf" value="(\w+)"', form)
    assert csrf
    good = {"csrf": csrf[1], "current": "one-time-pass-1", "fresh": PASSWORD, "again": PASSWORD}
    for change, status in (({"csrf": "x"}, 403), ({"again": "other"}, 400), ({"fresh": "short", "again": "short"}, 400),
                           ({"current": "wrong"}, 400)):
        assert client.post("/password", data={**good, **change}).status_code == status, change
    assert client.post("/password", data=good).status_code == 303
    assert client.get("/alerts", headers=HTML).text == "inside"


def test_logout_needs_the_token_and_ends_the_session(client: TestClient, services: Services) -> None:
    with services.database.begin() as session:
        users.create(session, "goer", PASSWORD, [Role.ANALYST])
    enter(client, "goer")
    kept = client.cookies[COOKIE]
    who = runtime.logins().entry(kept)
    assert who
    assert client.post("/logout").status_code == 403
    assert client.post("/logout", headers={"x-csrf-token": runtime.logins().csrf(who)}).status_code == 200
    assert runtime.logins().entry(kept) is None


def test_the_live_queue_is_the_actors_own_and_says_when_nothing_changed(
        client: TestClient, prepared: Prepared) -> None:
    enter(client, "edu-admin")
    answer = client.get("/live/queue?limit=10")
    found = answer.json()
    assert {row["organisation"] for row in found["rows"]} == {"cs-edu"}
    again = client.get("/live/queue?limit=10", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert client.get(f"/live/peek?id={prepared.alerts[0]}").json()["event"]["raw"]
    assert client.get(f"/live/peek?id={prepared.alerts[2]}").status_code == 404
    assert client.get("/live/queue?after=xx").status_code == 422
    assert client.get("/live/queue?limit=ten").status_code == 422


def test_language_is_kept_and_leads_back(client: TestClient) -> None:
    answer = client.get("/language/en?next=/alerts")
    assert answer.headers["location"] == "/alerts"
    assert "Sign in" in client.get("/login").text
    assert client.get("/language/en?next=//evil.example").headers["location"] == "/"


def test_a_taken_port_is_one_sentence_and_status_2(prepared: Prepared) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "soc_ui.serve", "--data", str(prepared.settings.data), "--port",
             str(taken.getsockname()[1])],
            cwd=Path(gate.__file__).parents[1], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("soc: the console cannot listen on 127.0.0.1:")
    assert len(done.stderr.splitlines()) == 1
