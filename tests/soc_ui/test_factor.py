"""The page of one's own second factor: who must have one reaches it and nothing else, then comes in."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from casework import factors
from casework.services import Services
from soc_api import app as api
from soc_api.auth import COOKIE, Logins
from soc_core import clock
from soc_core.access import EVERYTHING, Actor, Role
from soc_core.state import totp, users
from soc_ui import factor, gate, live, runtime
from tests.soc_ui.prepared import PASSWORD

HTML = {"accept": "text/html"}
HEAD = Actor("head", frozenset({Role.SECURITY_ADMIN}), EVERYTHING)


@pytest.fixture
def client(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Signed in as a controller, of whom a second factor is asked from now on."""
    logins, name = Logins(services), f"controller-{clock.now()}"
    monkeypatch.setattr(runtime, "logins", lambda: logins)
    monkeypatch.setattr(runtime, "services", lambda: services)
    with services.database.begin() as session:
        users.create(session, name, PASSWORD, [Role.CONTROLLER])
    factors.demand(HEAD, services, [Role.CONTROLLER], grace_days=0)

    def inside(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("inside")

    app = Starlette(routes=[*gate.routes(), *factor.routes(), *live.routes(), Route("/{rest:path}", inside)],
                    middleware=gate.middleware())
    with TestClient(app, follow_redirects=False) as made:
        assert made.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
        yield made
    factors.waive(HEAD, services, [Role.CONTROLLER])


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))


def test_who_must_have_one_sets_it_up_and_comes_in(client: TestClient) -> None:
    assert client.get("/drill", headers=HTML).headers["location"] == "/factor"
    assert client.get("/live/queue").status_code == 401
    assert client.get("/oidc/authorize").status_code == 401
    first = client.get("/factor")
    assert "必须使用双因素认证" in first.text
    assert client.post("/factor", data={"csrf": "x"}).status_code == 403
    begun = client.post("/factor", data=hidden(first.text))
    secret = re.search(r'id="secret">([A-Z2-7 ]+)<', begun.text)
    assert secret
    given = hidden(begun.text)
    assert client.post("/factor", data={**given, "first_code": "000000"}).status_code == 400
    assert client.get("/drill", headers=HTML).headers["location"] == "/factor"
    key = base64.b32decode(secret[1].replace(" ", ""))
    before = client.cookies[COOKIE]
    done = client.post("/factor", data={**given, "first_code": totp.code(key, totp.step_of(clock.now()))})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert client.get("/drill", headers=HTML).text == "inside"
    assert runtime.logins().entry(before) is None
    assert client.post("/factor", data=hidden(client.get("/factor").text)).status_code == 409


def test_the_interface_leads_there_too(client: TestClient, services: Services) -> None:
    here = TestClient(api.create(services, services.settings))
    bearer = {"authorization": f"Bearer {client.cookies[COOKIE]}"}
    refused = here.get("/api/v1/drills", headers=bearer)
    assert (refused.status_code, "second factor" in refused.json()["error"]) == (403, True)
    assert here.get("/api/v1/me", headers=bearer).json()["must_prove"] is True
    assert "secret=" in here.post("/api/v1/account/factor", headers=bearer).json()["address"]
    assert here.post("/api/v1/account/tokens", headers=bearer, json={
        "name": "x", "roles": ["controller"]}).status_code == 403
