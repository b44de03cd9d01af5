"""Who comes in: passwords, signed sessions, bearer tokens, throttling, CSRF. One place for the API and the console.

A session is a signed cookie that names the account and the version of its sessions; both are read again from the
state database at every use, so that a changed password or a disabled account ends every session at once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from itsdangerous import BadSignature, URLSafeTimedSerializer

from casework import account as own
from casework.services import Services
from soc_api import relying
from soc_api.provider import Provider, code_of
from soc_api.relying import Begun, Far, Issuer, Near
from soc_core import audit, clock, sealed
from soc_core.access import NOTHING, Actor
from soc_core.clock import Micros
from soc_core.state import factors, tokens, users
from soc_core.state.tables import UserRow
from soc_core.state.users import Account

COOKIE = "soc_session"
SESSION_SECONDS = 12 * 3600
BEGUN_SECONDS = 600
NAME_TRIES, NAME_SECONDS = 5, 900.0
PEER_TRIES, PEER_SECONDS = 30, 300.0


class Denied(PermissionError):
    """Not let in. `key` says why as a word (wrong, slow, weak), `wait` for how many seconds."""

    def __init__(self, key: str, text: str, wait: int = 0) -> None:
        super().__init__(text)
        self.key, self.wait = key, wait


class Entry(NamedTuple):
    """Somebody who is in. With `must_change` nothing but setting an own password is allowed; with `must_prove` nothing
    but setting up the second factor that the policy asks for, until `factor_due` (0: not asked) one may do without.

    `session` is the session's random id; "" for a machine's token, which has no session and needs no CSRF token.
    """

    actor: Actor
    display: str
    must_change: bool
    session: str
    must_prove: bool = False
    factor_due: Micros = 0

    @property
    def halted(self) -> bool:
        """In, but at the door: no data and no call before that is done."""
        return self.must_change or self.must_prove


class SignedIn(NamedTuple):
    """A fresh session: what the cookie (or the bearer header) carries, and until when."""

    token: str
    expires: Micros
    must_change: bool


@dataclass
class Throttle:
    """Failures by key within a window; in memory, bounded. `wait` is how long a key must wait, 0 for not at all."""

    tries: int
    seconds: float
    _failures: dict[str, list[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, key: str) -> int:
        at = time.monotonic()
        with self._lock:
            recent = [moment for moment in self._failures.get(key, ()) if at - moment < self.seconds]
            if recent:
                self._failures[key] = recent
            else:
                self._failures.pop(key, None)
            return max(1, int(recent[0] + self.seconds - at)) if len(recent) >= self.tries else 0

    def failed(self, key: str) -> None:
        with self._lock:
            if len(self._failures) > 10_000:
                self._failures.pop(next(iter(self._failures)))
            self._failures.setdefault(key, []).append(time.monotonic())

    def clear(self, key: str) -> None:
        with self._lock:
            self._failures.pop(key, None)


class Logins:
    """Lets people and machines in, and says who they are."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._key = sealed.key(services.settings.data / "keys" / "session.key")
        self._signer = URLSafeTimedSerializer(self._key, salt="soc-session-1")
        self._begun = URLSafeTimedSerializer(self._key, salt="soc-begun-1")
        self.provider = Provider(services)
        self.near = Near(self.provider)
        self.outside = Far(services.settings.login) if services.settings.login.issuer else None
        self._names = Throttle(NAME_TRIES, NAME_SECONDS)
        self._peers = Throttle(PEER_TRIES, PEER_SECONDS)

    # ---------------------------------------------------------------- coming in

    def sign_in(self, name: str, password: str, peer: str, code: str = "") -> SignedIn:
        """A session for the right password (and code). Raises Denied, in the same words whatever was wrong.

        The password is shown to our own provider; what lets somebody in is its id_token, as with any other provider.
        """
        if self.outside and not self.services.settings.login.also_local:
            raise Denied("outside", f"accounts sign in at {self.outside.issuer}")
        account, begun = self.check(name, password, peer, code), relying.begin()
        asked = relying.question(self.near, begun)
        return self.complete(self.near, begun, code_of(self.provider.authorize(asked, account)), begun.state, peer)

    def complete(self, issuer: Issuer, begun: Begun, code: str, state: str, peer: str) -> SignedIn:
        """A session for the code that a provider gave. Raises Denied, also for somebody without an account here."""
        try:
            claims = relying.complete(issuer, begun, code, state)
        except relying.Failed as error:
            raise Denied("outside", str(error)) from None
        claim = "sub" if issuer is self.near else self.services.settings.login.claim
        name = str(claims.get(claim, ""))
        with self.services.database.begin() as session:
            account = users.get(session, name)
            if account is None or account.disabled:
                audit.append(session, "", "account.refused", "account:", {"peer": peer, "issuer": issuer.issuer})
            else:
                audit.append(session, name, "account.sign_in", f"account:{name}",
                             {"peer": peer, "issuer": issuer.issuer})
        if account is None or account.disabled:
            raise Denied("wrong", "account or password is wrong")
        return self._issue(account, far=issuer is not self.near)

    def check(self, name: str, password: str, peer: str, code: str = "") -> Account:
        """The account for the right password (and code). Raises Denied."""
        name = name.strip()[:200]
        wait = max(self._names.wait(name), self._peers.wait(peer))
        if wait:
            raise Denied("slow", f"too many attempts; try again in {wait} seconds", wait)
        with self.services.database.begin() as session:
            account = users.check_password(session, name, password[:1000], code=code[:20], unseal=self._unseal)
            if account is None:  # a name that is none may be a password in the wrong field: it is not written down
                known = name if users.get(session, name) else ""
                audit.append(session, known, "account.refused", f"account:{known}", {"peer": peer})
        if account is None:
            self._names.failed(name)
            self._peers.failed(peer)
            raise Denied("wrong", "account or password is wrong")
        self._names.clear(name)
        return account

    def _unseal(self, sealed: str) -> str:
        return self.services.box.open(sealed)

    def _issue(self, account: Account, far: bool = False) -> SignedIn:
        """`far`: an outside provider let him in, whose second factor is its own."""
        made = self._signer.dumps({"n": account.name, "v": account.session_version, "s": secrets.token_hex(12)} | (
            {"f": 1} if far else {}))
        token = made if isinstance(made, str) else made.decode()
        return SignedIn(token, clock.now() + SESSION_SECONDS * clock.SECOND, account.must_change)

    def change_password(self, who: Entry, current: str, fresh: str, peer: str, code: str = "") -> SignedIn:
        """Set one's own password; other sessions end and a new one begins. Raises Denied."""
        self.check(who.actor.name, current, peer, code)
        try:
            with self.services.database.begin() as session:
                account = users.set_password(session, who.actor.name, fresh[:1000])
                audit.append(session, who.actor, "account.password", f"account:{account.name}", {"peer": peer})
        except ValueError as error:
            raise Denied("weak", str(error)) from None
        return self._issue(account)

    def prove_factor(self, who: Entry, code: str) -> SignedIn:
        """A second factor, proved by its first code; other sessions end and a new one begins. Raises ValueError."""
        self.account(who)
        return self._issue(own.confirm_factor(who.actor, self.services, code[:20]))

    def sign_out(self, who: Entry) -> None:
        """End every session of the account."""
        with self.services.database.begin() as session:
            row = session.get(UserRow, who.actor.name)
            if row is not None:
                row.session_version += 1
                audit.append(session, who.actor, "account.sign_out", f"account:{who.actor.name}")

    # ---------------------------------------------------------------- being in

    def entry(self, token: str) -> Entry | None:
        """Who a session stands for, by the account as it is now; None when it does not hold (any more)."""
        if not token:
            return None
        try:
            held = self._signer.loads(token, max_age=SESSION_SECONDS)
            name, version, session_id, far = str(held["n"]), int(held["v"]), str(held["s"]), bool(held.get("f"))
        except (BadSignature, KeyError, TypeError, ValueError):
            return None
        with self.services.database.read() as session:
            account = users.get(session, name)
            due = factors.due(session, account) if account and not far else None
        if account is None or account.disabled or account.session_version != version:
            return None
        actor = Actor(account.name, account.roles, self.services.seat(account.roles, account.organisation),
                      account.organisation)
        return Entry(actor, account.display, account.must_change, session_id, due is not None and due <= clock.now(),
                     due or 0)

    def bearer(self, secret: str) -> Entry | None:
        """Who a bearer token stands for: a machine's API token, or a session's own."""
        if not secret.startswith("soc_api_"):
            return self.entry(secret)
        with self.services.database.read() as session:
            token = tokens.check(session, secret, "api")
            maker = users.get(session, token.creator) if token else None
        if token is None or (maker is not None and maker.disabled):
            return None
        roles = token.roles if maker is None else token.roles & maker.roles  # what its maker lost, it lost
        scope = self.services.seat(token.roles, token.organisation)
        if maker is not None and not self.services.seat(maker.roles, maker.organisation).allows(token.organisation):
            scope = NOTHING
        actor = Actor(f"token:{token.name}", roles, scope, token.organisation)
        return Entry(actor, token.name, False, "")

    def account(self, who: Entry) -> Account:
        """The account behind a session. Raises Denied when it is none's (any more)."""
        with self.services.database.read() as session:
            found = users.get(session, who.actor.name)
        if found is None or not who.session:
            raise Denied("none", "sign in first")
        return found

    # ---------------------------------------------------------------- leaving for a provider and coming back

    def hold(self, begun: Begun) -> str:
        """What a cookie carries meanwhile."""
        made = self._begun.dumps(list(begun))
        return made if isinstance(made, str) else made.decode()

    def held(self, token: str) -> Begun:
        """Raises Denied when it was not begun here, or long ago."""
        try:
            return Begun(*self._begun.loads(token, max_age=BEGUN_SECONDS))
        except (BadSignature, TypeError, ValueError):
            raise Denied("outside", "this sign-in was not begun here") from None

    # ---------------------------------------------------------------- writes

    def csrf(self, who: Entry) -> str:
        """What a change from this session must carry: another site cannot know it."""
        return hmac.new(self._key.encode(), f"csrf:{who.session}".encode(), hashlib.sha256).hexdigest()

    def csrf_is_ours(self, who: Entry, given: str) -> bool:
        return hmac.compare_digest(self.csrf(who).encode(), given.encode())


def same_origin(origin: str, host: str) -> bool:
    """Browsers name the page that sends a change; one of another site is refused. Programs send no Origin."""
    return not origin or origin.partition("://")[2] == host
