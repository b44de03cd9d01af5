"""Secrets of machines: for the API and for taking in logs. Only their SHA-256 is kept; they are long and random."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from typing import Literal, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core.access import Role
from soc_core.clock import DAY, Micros, now
from soc_core.state.tables import TokenRow

Use = Literal["api", "ingest"]
LIFETIME = 365 * DAY


class Token(NamedTuple):
    """A token without its secret. `organisation` bounds what it may read, or whose logs it brings; "" is the city."""

    id: str
    name: str
    use: str
    roles: frozenset[Role]
    organisation: str
    creator: str
    created: Micros
    expires: Micros
    revoked: bool


def issue(session: Session, name: str, use: Use, creator: str, roles: Iterable[Role] = (), organisation: str = "",
          lifetime: Micros = LIFETIME) -> tuple[Token, str]:
    """A new token and its secret, which is shown this once. Raises ValueError on a lifetime that is not positive."""
    if lifetime <= 0:
        raise ValueError("a token must live for some time")
    at = now()
    secret = f"soc_{use}_{secrets.token_urlsafe(32)}"
    row = TokenRow(id=secrets.token_hex(8), digest=_digest(secret), name=name, use=use, creator=creator,
                   roles=sorted(Role(role) for role in roles), organisation=organisation, created=at,
                   expires=at + lifetime, revoked=False)
    session.add(row)
    session.flush()
    return _made(row), secret


def check(session: Session, secret: str, use: Use, at: Micros | None = None) -> Token | None:
    """The token of a secret, when it is for this use, not revoked and not past."""
    at = now() if at is None else at
    row = session.scalar(select(TokenRow).where(TokenRow.digest == _digest(secret)))
    if row is None or row.use != use or row.revoked or row.expires <= at:
        return None
    return _made(row)


def revoke(session: Session, token: str) -> None:
    """End a token. Raises LookupError."""
    row = session.get(TokenRow, token)
    if row is None:
        raise LookupError(f"no token {token!r}")
    row.revoked = True


def listing(session: Session) -> list[Token]:
    """All tokens, the latest first, ended ones included."""
    return [_made(row) for row in session.scalars(select(TokenRow).order_by(TokenRow.created.desc(), TokenRow.id))]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _made(row: TokenRow) -> Token:
    return Token(row.id, row.name, row.use, frozenset(map(Role, row.roles)), row.organisation, row.creator,
                 row.created, row.expires, row.revoked)
