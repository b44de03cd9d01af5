"""Our own OpenID Connect provider over the local accounts: code flow with PKCE (S256 alone), discovery, keys, id_token.

No word of HTTP but its parameters: the console serves it (soc_ui/oidc.py), and our own login asks it in the process.
OpenID Connect Core 1.0, RFC 6749, RFC 7636, built on Authlib.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc.jwk import RSAKey
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from casework.services import Services
from soc_core import clock, sealed
from soc_core.config import Client
from soc_core.state import factors, users
from soc_core.state.access_tables import CodeRow
from soc_core.state.users import Account

CONSOLE = "console"  # the client that our own console is
OURSELVES = "urn:citysoc"  # the issuer while we have no address
SCOPES = ("openid", "profile")
CODE_SECONDS, TOKEN_SECONDS = 60, 300


@dataclass
class Registered:
    """A client as Authlib asks for it."""

    id: str
    redirects: list[str]
    secret: str = ""
    id_token_signed_response_alg: str = "RS256"  # noqa: S105 - Authlib reads it by this name

    @property
    def client_id(self) -> str:
        return self.id

    def get_client_id(self) -> str:
        return self.id

    def get_default_redirect_uri(self) -> str:
        return self.redirects[0]

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(each for each in SCOPES if each in (scope or "").split())

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirects

    def check_client_secret(self, client_secret: str) -> bool:
        return bool(self.secret) and hmac.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in (("client_secret_basic", "client_secret_post") if self.secret else ("none",))

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code:
    """A code that was given out."""

    row: CodeRow

    def get_redirect_uri(self) -> str:
        return self.row.redirect

    def get_scope(self) -> str:
        return self.row.scope

    def get_nonce(self) -> str:
        return self.row.nonce

    def get_auth_time(self) -> int:
        return self.row.signed_in // clock.SECOND

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Grant(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
    """Codes live a minute in the state database, as their hash, and are taken once."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def save_authorization_code(self, code: str, request: Any) -> None:
        given: Account = request.user
        with self.server.services.database.begin() as session:
            session.execute(delete(CodeRow).where(CodeRow.expires < clock.now()))
            session.add(CodeRow(
                digest=_digest(code), client=request.client.id, redirect=request.payload.redirect_uri or "",
                scope=request.scope or "", nonce=request.payload.data.get("nonce") or "",
                challenge=request.payload.data.get("code_challenge") or "", account=given.name,
                version=given.session_version, signed_in=clock.now(),
                expires=clock.now() + CODE_SECONDS * clock.SECOND))

    def query_authorization_code(self, code: str, client: Registered) -> Code | None:
        """Taken out as it is read: a code that comes twice, or to the wrong client, is spent."""
        with self.server.services.database.begin() as session:
            row = session.scalar(select(CodeRow).where(CodeRow.digest == _digest(code)))
            if row is None:
                return None
            session.delete(row)
        return Code(row) if row.client == client.id and row.expires > clock.now() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Already gone."""

    def authenticate_user(self, authorization_code: Code) -> Account | None:
        row = authorization_code.row
        with self.server.services.database.read() as session:
            return standing(session, row.account, row.version)


class Challenge(CodeChallenge):  # type: ignore[misc]  # as above
    """PKCE is asked of every client, and only as S256."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        given = grant.request.payload.data
        if not given.get("code_challenge") or given.get("code_challenge_method") != "S256":
            raise InvalidRequestError("this provider asks for PKCE: code_challenge and code_challenge_method=S256")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge(self, authorization_code: Code) -> str:
        return authorization_code.row.challenge

    def get_authorization_code_challenge_method(self, authorization_code: Code) -> str:
        return "S256"


class Identity(OpenIDCode):  # type: ignore[misc]  # as above
    """What the id_token says."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=True)
        self.provider = provider

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return False  # codes are taken once; a nonce is the client's own to compare

    def resolve_client_private_key(self, client: Registered) -> RSAKey:
        return self.provider.key

    def get_client_claims(self, client: Registered) -> dict[str, Any]:
        return {"iss": self.provider.issuer, "aud": [client.id], "exp": int(time.time()) + TOKEN_SECONDS}

    def get_encode_header(self, client: Registered) -> dict[str, str]:
        return {"alg": "RS256", "kid": str(self.provider.key.kid)}

    def generate_user_info(self, user: Account, scope: str) -> UserInfo:
        return UserInfo(about(user, scope))


class Provider(AuthorizationServer):  # type: ignore[misc]  # as above
    """`issue` a code to somebody who is in, `token` for it, `userinfo` for that."""

    def __init__(self, services: Services) -> None:
        super().__init__(scopes_supported=list(SCOPES))
        settings = services.settings.login
        self.services, self.address = services, settings.address
        self.issuer = settings.address or OURSELVES
        self.key = private_key(services)
        self.clients = {each.id: registered(each) for each in settings.clients}
        self.clients[CONSOLE] = Registered(CONSOLE, [f"{self.issuer}/login/callback"])
        self._signer = URLSafeTimedSerializer(
            sealed.key(services.settings.data / "keys" / "session.key"), salt="soc-oidc-access-1")
        self.register_grant(Grant, [Challenge(required=True), Identity(self)])
        self.register_token_generator("default", self.access)

    # ---------------------------------------------------------------- asked by whoever serves it

    def discovery(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0. Raises LookupError while soc.yaml gives us no address."""
        if not self.address:
            raise LookupError("this is a provider once soc.yaml says `login: {address: …}`")
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.address}/oidc/authorize",
            "token_endpoint": f"{self.address}/oidc/token", "userinfo_endpoint": f"{self.address}/oidc/userinfo",
            "jwks_uri": f"{self.address}/oidc/jwks", "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": list(SCOPES),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        }

    def jwks(self) -> dict[str, Any]:
        """Our public keys (RFC 7517)."""
        return {"keys": [{**self.key.as_dict(private=False), "use": "sig", "alg": "RS256"}]}

    def authorize(self, asked: Mapping[str, str], account: Account) -> str:
        """Where the browser goes with a code (or a refusal that the client may know). Raises ValueError otherwise, and
        for an account without the second factor that it must have: our own console alone lets it in, to set one up."""
        if asked.get("client_id") != CONSOLE and self.overdue(account):
            raise ValueError("this account sets up a second factor first, at the console")
        request = self.create_oauth2_request(("GET", dict(asked), {}))
        try:
            grant = self.get_consent_grant(request, account)
        except OAuth2Error as error:
            if error.redirect_uri and self.knows(asked):
                return str(dict(error(None)[2])["Location"])
            raise ValueError(f"this request to sign in is refused: {error.description or error.error}") from None
        _, _, headers = self.create_authorization_response(request, account, grant)
        return str(dict(headers)["Location"])

    def overdue(self, account: Account) -> bool:
        with self.services.database.read() as session:
            due = factors.due(session, account)
        return due is not None and due <= clock.now()

    def knows(self, asked: Mapping[str, str]) -> bool:
        client = self.clients.get(asked.get("client_id", ""))
        return client is not None and client.check_redirect_uri(asked.get("redirect_uri", ""))

    def token(self, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """(status, answer) of the token endpoint."""
        status, answer, _ = self.create_token_response(("POST", dict(form), dict(headers)))
        return status, answer

    def userinfo(self, access_token: str) -> dict[str, Any] | None:
        """What an access token lets its client know; None for one that does not hold."""
        try:
            held = self._signer.loads(access_token, max_age=TOKEN_SECONDS)
        except BadSignature:
            return None
        with self.services.database.read() as session:
            account = standing(session, str(held["n"]), int(held["v"]))
        return about(account, str(held["s"])) if account else None

    # ---------------------------------------------------------------- asked by Authlib

    def access(self, grant_type: str, client: Registered, user: Account, scope: str, **_: Any) -> dict[str, Any]:
        held = {"n": user.name, "v": user.session_version, "s": scope, "r": secrets.token_hex(8)}
        made = self._signer.dumps(held)
        return {"token_type": "Bearer", "access_token": made if isinstance(made, str) else made.decode(),
                "expires_in": TOKEN_SECONDS, "scope": scope}

    def query_client(self, client_id: str) -> Registered | None:
        return self.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        """Access tokens are signed, not kept."""

    def create_oauth2_request(self, given: Any) -> OAuth2Request:
        if isinstance(given, OAuth2Request):
            return given
        return Asked(*given)

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, Any, Any]:
        return status, body, headers

    def send_signal(self, name: str, *args: Any, **named: Any) -> None:
        """Nobody listens."""


class Asked(OAuth2Request):  # type: ignore[misc]  # as above
    """Parameters as Authlib wants them. TLS is the door's, which is why the address here always says https."""

    def __init__(self, method: str, given: dict[str, str], headers: dict[str, str]) -> None:
        super().__init__(method, "https://here/", headers={name.title(): value for name, value in headers.items()})
        self.payload = BasicOAuth2Payload(given)
        self._given = given

    @property
    def args(self) -> dict[str, str]:
        return self._given if self.method == "GET" else {}

    @property
    def form(self) -> dict[str, str]:
        return self._given if self.method == "POST" else {}


def about(account: Account, scope: str) -> dict[str, Any]:
    told: dict[str, Any] = {"sub": account.name}
    if "profile" in scope.split():
        told |= {"name": account.display, "preferred_username": account.name}
    return told


def standing(session: Session, name: str, version: int) -> Account | None:
    """The account, if its sessions of that version still hold."""
    account = users.get(session, name)
    return account if account and not account.disabled and account.session_version == version else None


def registered(client: Client) -> Registered:
    secret = client.secret_file.read_text(encoding="utf-8").strip() if client.secret_file else ""
    return Registered(client.id, client.redirects, secret)


def private_key(services: Services) -> RSAKey:
    """Made once for the data directory; readable by its owner only."""
    path = services.settings.data / "keys" / "oidc.pem"
    text = sealed.once(path, lambda: RSAKey.generate_key(2048).as_pem(private=True).decode())
    key = RSAKey.import_key(text)
    key.ensure_kid()
    return key


def code_of(location: str) -> str:
    """The code in the address that a browser is sent to."""
    return parse_qs(urlsplit(location).query).get("code", [""])[0]


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
