"""Signing in at an outside provider: another CitySOC in a process of its own, over HTTP, as a browser goes there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from casework.services import Services
from soc_api.auth import COOKIE, Logins
from soc_core import audit
from soc_core.access import Role
from soc_core.config import Login
from soc_core.state import users
from soc_core.state.database import Database
from soc_ui import gate, runtime
from soc_ui.oidc import BEGUN
from tests.running import ROOT, free_port
from tests.soc_ui.prepared import PASSWORD

HERE = "http://127.0.0.1:9"
SERVE = """
import sys, uvicorn
from starlette.applications import Starlette
from soc_ui import gate
uvicorn.run(Starlette(routes=gate.routes(), middleware=gate.middleware()), port=int(sys.argv[1]), log_level="error")
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the other instance, which knows wang and stranger."""
    folder, port = tmp_path_factory.mktemp("outside"), free_port()
    address = f"http://127.0.0.1:{port}"
    login = {"address": address, "clients": [{"id": "citysoc", "redirects": [f"{HERE}/login/callback"]}]}
    (folder / "soc.yaml").write_text(yaml.safe_dump({"login": login}))
    state = Database(f"sqlite:///{folder / 'state.db'}")
    state.migrate()
    with state.begin() as session:
        for name in ("wang", "stranger"):
            users.create(session, name, PASSWORD, [Role.RED])
    state.close()
    log = Path(folder / "log").open("wb")  # noqa: SIM115 - the process writes on
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(port)], cwd=ROOT, stdout=log, stderr=log,
                               env={**os.environ, "SOC_DATA": str(folder)})
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                httpx.get(f"{address}/oidc/jwks", timeout=5)
                break
            except httpx.HTTPError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.fixture
def client(services: Services, outside: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Our own console, whose accounts come from there."""
    settings = services.settings.model_copy(update={"login": Login(address=HERE, issuer=outside)})
    ours = replace(services, settings=settings)
    logins = Logins(ours)
    monkeypatch.setattr(runtime, "logins", lambda: logins)
    monkeypatch.setattr(runtime, "services", lambda: ours)

    def inside(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("inside")

    app = Starlette(routes=[*gate.routes(), Route("/{rest:path}", inside)], middleware=gate.middleware())
    with TestClient(app, base_url=HERE, follow_redirects=False) as made:
        yield made


def there(outside: str, name: str, to: str) -> str:
    """A browser at the other instance: the login page, the password, and where it is sent back to."""
    with httpx.Client(base_url=outside, follow_redirects=False, trust_env=False, timeout=30) as browser:
        first = browser.get(to, headers={"accept": "text/html"})
        assert first.status_code == 303
        wanted = parse_qs(urlsplit(first.headers["location"]).query)["next"][0]
        entered = browser.post("/login", data={"name": name, "password": PASSWORD, "next": wanted})
        assert entered.status_code == 303, entered.text
        back = browser.get(entered.headers["location"])
        assert back.status_code == 303, back.text
        return str(back.headers["location"])


def test_in_by_another_provider_with_our_own_roles(client: TestClient, services: Services, outside: str) -> None:
    assert outside.removeprefix("http://") in client.get("/login").text
    leaving = client.get("/login/outside")
    assert leaving.headers["location"].startswith(f"{outside}/oidc/authorize?")
    back = there(outside, "wang", leaving.headers["location"])
    assert back.startswith(f"{HERE}/login/callback?code=")
    done = client.get(back)
    assert done.status_code == 200
    assert "refresh" in done.text
    assert client.get("/").text == "inside"
    entry = runtime.logins().entry(client.cookies[COOKIE])
    assert entry is not None
    assert entry.actor.roles == {Role.ANALYST}  # ours, whatever wang is there
    with services.database.read() as session:
        last = audit.listing(session, "wang", limit=1)[0]
    assert (last.action, last.detail["issuer"]) == ("account.sign_in", outside)
    client.cookies.clear()
    assert client.get(back).headers["location"] == "/login?denied=outside"  # without what was remembered


def test_no_account_here_no_way_in(client: TestClient, outside: str) -> None:
    back = there(outside, "stranger", client.get("/login/outside").headers["location"])
    assert client.get(back).headers["location"] == "/login?denied=wrong"
    assert COOKIE not in client.cookies
    assert "role=\"alert\"" in client.get("/login?denied=wrong").text


def test_a_code_of_another_sign_in_is_refused(client: TestClient, outside: str) -> None:
    """Somebody else's code, slipped to a browser (login CSRF): the state is not its own."""
    back = there(outside, "wang", client.get("/login/outside").headers["location"])
    client.cookies.clear()
    client.get("/login/outside")
    assert BEGUN in client.cookies
    assert client.get(back).headers["location"] == "/login?denied=outside"
    assert COOKIE not in client.cookies


def test_passwords_are_not_taken_beside_it(client: TestClient) -> None:
    assert 'name="password"' not in client.get("/login").text
    answer = client.post("/login", data={"name": "wang", "password": PASSWORD})
    assert answer.status_code == 401
    assert COOKIE not in client.cookies


def test_discovery_and_userinfo(outside: str) -> None:
    with httpx.Client(base_url=outside, trust_env=False, timeout=30) as line:
        found = line.get("/.well-known/openid-configuration").json()
        assert found["issuer"] == outside
        assert found["code_challenge_methods_supported"] == ["S256"]
        assert line.get("/oidc/jwks").json()["keys"][0]["kty"] == "RSA"
        assert line.get("/oidc/userinfo").status_code == 401
        refused = line.post("/oidc/token", data={"grant_type": "authorization_code", "client_id": "citysoc"})
        assert refused.status_code == 400
        assert refused.headers["cache-control"] == "no-store"
