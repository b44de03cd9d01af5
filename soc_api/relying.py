"""Signing in by OpenID Connect: begin, and complete with the code that came back. The same for our own provider, asked
in this process, and for an outside one, asked over HTTPS.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from soc_api.provider import CONSOLE, Provider
from soc_core.config import Login

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
LEEWAY, TIMEOUT = 60, 10.0


class Failed(PermissionError):
    """The provider did not say who it is, or not to our satisfaction."""


class Begun(NamedTuple):
    """What must be remembered between leaving for the provider and coming back."""

    state: str
    nonce: str
    verifier: str


class Issuer(Protocol):
    """A provider, near or far."""

    issuer: str
    client: str
    redirect: str

    def authorize(self) -> str: ...
    def trade(self, form: Mapping[str, str]) -> dict[str, Any]: ...
    def keys(self) -> Any: ...


class Near:
    """Our own, in this process."""

    def __init__(self, provider: Provider) -> None:
        self.provider, self.issuer, self.client = provider, provider.issuer, CONSOLE
        self.redirect = provider.clients[CONSOLE].redirects[0]

    def authorize(self) -> str:
        return f"{self.issuer}/oidc/authorize"

    def trade(self, form: Mapping[str, str]) -> dict[str, Any]:
        return self.provider.token(form, {})[1]

    def keys(self) -> Any:
        return self.provider.jwks()


class Far:
    """An outside one, by its discovery document. Its redirects are not followed."""

    def __init__(self, login: Login) -> None:
        self.issuer, self.client, self.redirect = login.issuer, login.client, f"{login.address}/login/callback"
        self._secret = login.secret_file.read_text(encoding="utf-8").strip() if login.secret_file else ""
        self._found: dict[str, Any] = {}

    def authorize(self) -> str:
        return str(self.about()["authorization_endpoint"])

    def trade(self, form: Mapping[str, str]) -> dict[str, Any]:
        given = dict(form)
        auth = (self.client, self._secret) if self._secret else None
        return self._ask("POST", str(self.about()["token_endpoint"]), given, auth)

    def keys(self) -> Any:
        return self._ask("GET", str(self.about()["jwks_uri"]))

    def about(self) -> dict[str, Any]:
        """Its discovery document, read once. It must name the issuer that we asked."""
        if not self._found:
            found = self._ask("GET", f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.issuer:
                raise Failed(f"{self.issuer} says that it is {found.get('issuer')!r}")
            self._found = found
        return self._found

    def _ask(self, method: str, url: str, form: Mapping[str, str] | None = None,
             auth: tuple[str, str] | None = None) -> dict[str, Any]:
        try:
            with httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=False) as client:
                answer: dict[str, Any] = client.request(method, url, data=dict(form) if form else None,
                                                        auth=auth if auth else httpx.USE_CLIENT_DEFAULT).json()
        except (httpx.HTTPError, ValueError) as error:
            raise Failed(f"{self.issuer} does not answer as a provider does: {error}") from None
        if not isinstance(answer, dict):
            raise Failed(f"{self.issuer} does not answer as a provider does")
        return answer


def begin() -> Begun:
    return Begun(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))


def question(issuer: Issuer, begun: Begun) -> dict[str, str]:
    """The parameters of the authorization request."""
    challenge = urlsafe_b64encode(hashlib.sha256(begun.verifier.encode()).digest()).rstrip(b"=").decode()
    return {"response_type": "code", "client_id": issuer.client, "redirect_uri": issuer.redirect,
            "scope": "openid profile", "state": begun.state, "nonce": begun.nonce,
            "code_challenge": challenge, "code_challenge_method": "S256"}


def address(issuer: Issuer, begun: Begun) -> str:
    """Where the browser goes to sign in."""
    where = issuer.authorize()
    return f"{where}{'&' if '?' in where else '?'}{urlencode(question(issuer, begun))}"


def complete(issuer: Issuer, begun: Begun, code: str, state: str) -> dict[str, Any]:
    """The claims of the id_token for a code that came back. Raises Failed on anything that is not as it must be."""
    if not code or not hmac.compare_digest(state.encode(), begun.state.encode()):
        raise Failed("this sign-in was not begun here")
    answer = issuer.trade({
        "grant_type": "authorization_code", "code": code, "redirect_uri": issuer.redirect,
        "client_id": issuer.client, "code_verifier": begun.verifier})
    if "id_token" not in answer:
        raise Failed(f"the provider refused: {answer.get('error_description') or answer.get('error') or 'no id_token'}")
    try:
        held = jwt.decode(str(answer["id_token"]), KeySet.import_key_set(issuer.keys()), algorithms=ALGORITHMS)
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY, iss={"essential": True, "value": issuer.issuer}, exp={"essential": True},
            aud={"essential": True, "value": issuer.client}, sub={"essential": True},
            nonce={"essential": True, "value": begun.nonce}).validate(held.claims)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Failed(f"the id_token does not hold: {error}") from None
    authorized = held.claims.get("azp", issuer.client)
    if authorized != issuer.client:
        raise Failed("the id_token is for another client")
    return dict(held.claims)
