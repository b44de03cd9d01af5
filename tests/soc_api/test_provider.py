"""Our own OpenID Connect provider: who gets a code, what a code is worth, and what the id_token says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from casework.services import Services
from soc_api import provider as module
from soc_api import relying
from soc_api.provider import Provider, code_of
from soc_api.relying import Near
from soc_core import clock
from soc_core.config import Client, Login
from soc_core.state import users
from soc_core.state.users import Account

HERE, THERE = "https://soc.example", "https://desk.example/back"


@pytest.fixture
def provider(services: Services, tmp_path: Path) -> Provider:
    secret = tmp_path / "secret"
    secret.write_text("a-shared-secret\n")
    login = Login(address=HERE, clients=[Client(id="desk", redirects=[THERE], secret_file=secret),
                                         Client(id="phone", redirects=[THERE])])
    settings = services.settings.model_copy(update={"login": login})
    return Provider(replace(services, settings=settings))


@pytest.fixture
def wang(services: Services) -> Account:
    with services.database.read() as session:
        found = users.get(session, "wang")
    assert found is not None
    return found


def asked(client: str, begun: relying.Begun, **other: str) -> dict[str, str]:
    class Here:
        issuer, redirect = HERE, THERE

    Here.client = client  # type: ignore[attr-defined]
    return {**relying.question(Here, begun), **other}  # type: ignore[arg-type]


def trade(provider: Provider, code: str, begun: relying.Begun, client: str = "phone", **other: str) -> tuple[int, Any]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": THERE, "client_id": client,
            "code_verifier": begun.verifier, **other}
    return provider.token({name: value for name, value in form.items() if value}, {})


def test_a_code_becomes_an_id_token_once(provider: Provider, wang: Account) -> None:
    begun = relying.begin()
    back = provider.authorize(asked("phone", begun), wang)
    assert back.startswith(f"{THERE}?")
    assert parse_qs(urlsplit(back).query)["state"] == [begun.state]
    status, answer = trade(provider, code_of(back), begun)
    assert status == 200, answer
    held = jwt.decode(answer["id_token"], KeySet.import_key_set(provider.jwks()), algorithms=["RS256"])
    assert held.header["kid"] == provider.jwks()["keys"][0]["kid"]
    assert (held.claims["iss"], held.claims["aud"], held.claims["sub"]) == (HERE, ["phone"], "wang")
    assert held.claims["nonce"] == begun.nonce
    assert held.claims["preferred_username"] == "wang"
    assert provider.userinfo(answer["access_token"]) == {"sub": "wang", "name": "wang", "preferred_username": "wang"}
    assert provider.userinfo(answer["access_token"] + "x") is None
    assert trade(provider, code_of(back), begun)[1]["error"] == "invalid_grant"  # taken once
    assert "d" not in provider.jwks()["keys"][0]  # the private part stays


@pytest.mark.parametrize("wrong", [
    {"code_verifier": "x" * 64}, {"code_verifier": ""}, {"client_id": "desk"}, {"client_id": "nobody"},
    {"redirect_uri": "https://elsewhere.example/"}, {"code": "made-up"}, {"grant_type": "password"},
])
def test_a_code_is_worth_nothing_to_others(provider: Provider, wang: Account, wrong: dict[str, str]) -> None:
    begun = relying.begin()
    code = code_of(provider.authorize(asked("phone", begun), wang))
    status, answer = trade(provider, wrong.pop("code", code), begun, wrong.pop("client_id", "phone"), **wrong)
    assert status in (400, 401)
    assert "id_token" not in answer


def test_a_client_with_a_secret_must_show_it(provider: Provider, wang: Account) -> None:
    begun = relying.begin()
    code = code_of(provider.authorize(asked("desk", begun), wang))
    assert trade(provider, code, begun, "desk")[0] == 401
    assert trade(provider, code, begun, "desk", client_secret="wrong")[0] == 401
    assert trade(provider, code, begun, "desk", client_secret="a-shared-secret")[0] == 200


@pytest.mark.parametrize("wrong", [
    {"client_id": "nobody"}, {"redirect_uri": "https://elsewhere.example/"}, {"redirect_uri": THERE + "/more"},
])
def test_nobody_is_sent_where_no_client_is(provider: Provider, wang: Account, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is refused"):
        provider.authorize(asked("phone", relying.begin(), **wrong), wang)


@pytest.mark.parametrize("wrong", [
    {"code_challenge": ""}, {"code_challenge_method": "plain"}, {"nonce": ""}, {"response_type": "token"},
])
def test_pkce_and_nonce_are_asked_of_everybody(provider: Provider, wang: Account, wrong: dict[str, str]) -> None:
    given = {name: value for name, value in asked("phone", relying.begin(), **wrong).items() if value}
    try:
        back = provider.authorize(given, wang)
    except ValueError:
        return
    assert "error=" in back
    assert not code_of(back)


def test_codes_end_with_their_minute_and_with_the_password(provider: Provider, services: Services,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    with services.database.begin() as session:
        someone = users.create(session, "oidc-someone", "cable-otter-seven-lamps", ["analyst"])
    begun = relying.begin()
    late, stale = (code_of(provider.authorize(asked("phone", begun), someone)) for _ in range(2))
    with monkeypatch.context() as patch:
        at = clock.now() + 61 * clock.SECOND
        patch.setattr(module.clock, "now", lambda: at)
        assert trade(provider, late, begun)[1]["error"] == "invalid_grant"
    with services.database.begin() as session:
        users.set_password(session, "oidc-someone", "otter-cable-lamps-seven")
    assert trade(provider, stale, begun)[0] == 400


def test_what_the_relying_side_refuses(provider: Provider, wang: Account) -> None:
    near, begun = Near(provider), relying.begin()
    code = code_of(provider.authorize(relying.question(near, begun), wang))
    with pytest.raises(relying.Failed, match="not begun here"):
        relying.complete(near, begun, code, "another state")
    other = begun._replace(nonce="another")
    with pytest.raises(relying.Failed, match="does not hold"):
        relying.complete(near, other, code, begun.state)
    code = code_of(provider.authorize(relying.question(near, begun), wang))
    assert relying.complete(near, begun, code, begun.state)["sub"] == "wang"
    with pytest.raises(relying.Failed, match="refused"):
        relying.complete(near, begun, code, begun.state)


def test_a_forged_id_token(provider: Provider, wang: Account) -> None:
    from joserfc.jwk import OctKey, RSAKey

    near, begun = Near(provider), relying.begin()
    claims = {"iss": HERE, "aud": [near.client], "sub": "wang", "exp": clock.now() // clock.SECOND + 60,
              "nonce": begun.nonce}
    shared = OctKey.import_key(provider.key.as_dict(private=False)["n"])  # the public key as a shared secret
    forged = [jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048)),
              jwt.encode({"alg": "HS256"}, claims, shared),
              jwt.encode({"alg": "RS256"}, {**claims, "aud": ["other"]}, provider.key),
              jwt.encode({"alg": "RS256"}, {**claims, "iss": "https://other.example"}, provider.key),
              jwt.encode({"alg": "RS256"}, {**claims, "exp": 1}, provider.key),
              jwt.encode({"alg": "RS256"}, {**claims, "azp": "other"}, provider.key)]
    for token in forged:
        near.trade = lambda form, token=token: {"id_token": token}  # type: ignore[method-assign,misc]
        with pytest.raises(relying.Failed):
            relying.complete(near, begun, "code", begun.state)
