"""Accounts: argon2id passwords, roles, place in the tree, lock-out, and the version of their sessions. 账户

三员分立: system, security and audit administration never meet in one account.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc_core.access import Role
from soc_core.clock import MINUTE, Micros, now
from soc_core.state.tables import UserRow

FIRST = "soc"
FIRST_ROLES = (Role.ANALYST, Role.SHIFT_LEAD, Role.RULE_AUTHOR)
ADMINISTRATORS = frozenset({Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.SECURITY_AUDITOR})
FAILURES = 5  # wrong passwords in a row
LOCKED = 15 * MINUTE
SHORTEST = 12
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that reads like something else

HASHER = PasswordHasher()  # RFC 9106, second recommendation: 64 MiB, 3 passes


class Account(NamedTuple):
    """An account without its secret. `organisation` is the node whose subtree it may read; "" is the city."""

    name: str
    display: str
    roles: frozenset[Role]
    organisation: str
    must_change: bool
    disabled: bool
    locked_until: Micros
    last_login: Micros
    session_version: int


def create(session: Session, name: str, password: str, roles: Iterable[Role], organisation: str = "",
           display: str = "", must_change: bool = False) -> Account:
    """A new account. Raises ValueError on a name in use, a short password, or administrators in one."""
    name = name.strip()
    known = session.get(UserRow, name)
    if known or not name:
        raise ValueError(f"the account name {name!r} is empty or in use")
    row = UserRow(name=name, display=display or name, password=_hash(name, password), roles=_checked(roles),
                  organisation=organisation, created=now(), must_change=must_change)
    session.add(row)
    session.flush()
    return _made(row)


def one_time_password(session: Session) -> str | None:
    """Make the first account, or give it another password while its first was never changed; None otherwise.

    The password is shown once and kept nowhere: whoever lost it starts again and gets a new one.
    """
    row = session.get(UserRow, FIRST)
    if row is None and session.scalar(select(func.count()).select_from(UserRow)):
        return None
    if row is not None and not row.must_change:
        return None
    password = "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))
    if row is None:
        create(session, FIRST, password, FIRST_ROLES, display="值班", must_change=True)
    else:
        row.password, row.failures, row.locked_until = HASHER.hash(password), 0, 0
        row.session_version += 1
    return password


def check_password(session: Session, name: str, password: str, at: Micros | None = None) -> Account | None:
    """The account when the password is right and it is neither disabled nor locked; needs a write transaction.

    Five wrong ones in a row lock it for a quarter of an hour. An unknown name costs the same time as a known one.
    """
    at = now() if at is None else at
    row = session.get(UserRow, name)
    right = _verify(row.password if row else _nobody(), password)
    if row is None or row.disabled or row.locked_until > at:
        return None
    if not right:
        row.failures += 1
        if row.failures >= FAILURES:
            row.failures, row.locked_until = 0, at + LOCKED
        return None
    row.failures, row.locked_until, row.last_login = 0, 0, at
    if HASHER.check_needs_rehash(row.password):
        row.password = HASHER.hash(password)
    return _made(row)


def set_password(session: Session, name: str, password: str) -> Account:
    """Set the account's own password; its sessions end. Raises LookupError, ValueError."""
    row = _row(session, name)
    if _verify(row.password, password):
        raise ValueError("the new password is the old one")
    row.password, row.must_change = _hash(name, password), False
    row.failures, row.locked_until = 0, 0
    row.session_version += 1
    return _made(row)


def set_roles(session: Session, name: str, roles: Iterable[Role], organisation: str | None = None) -> Account:
    """Change roles (and place); the account's sessions end. Raises LookupError, ValueError."""
    row = _row(session, name)
    row.roles = _checked(roles)
    row.organisation = row.organisation if organisation is None else organisation
    row.session_version += 1
    return _made(row)


def disable(session: Session, name: str, disabled: bool = True) -> Account:
    """Shut the account out (or let it in again); its sessions end. Raises LookupError."""
    row = _row(session, name)
    row.disabled = disabled
    row.session_version += 1
    return _made(row)


def get(session: Session, name: str) -> Account | None:
    """One account by name."""
    row = session.get(UserRow, name)
    return _made(row) if row else None


def listing(session: Session) -> list[Account]:
    """All accounts by name."""
    return [_made(row) for row in session.scalars(select(UserRow).order_by(UserRow.name))]


def _checked(roles: Iterable[Role]) -> list[str]:
    wanted = {Role(role) for role in roles}
    if not wanted:
        raise ValueError("an account needs at least one role")
    if len(both := wanted & ADMINISTRATORS) > 1:
        raise ValueError(f"one account cannot be {' and '.join(sorted(both))}: the administrators are three people")
    return sorted(wanted)


def _hash(name: str, password: str) -> str:
    if len(password) < SHORTEST:
        raise ValueError(f"a password needs at least {SHORTEST} characters")
    if password.lower() == name.lower() or len(set(password)) < 4:
        raise ValueError("that password is too easy to guess")
    return HASHER.hash(password)


def _verify(known: str, password: str) -> bool:
    try:
        return HASHER.verify(known, password)
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return HASHER.hash(secrets.token_urlsafe())


def _row(session: Session, name: str) -> UserRow:
    row = session.get(UserRow, name)
    if row is None:
        raise LookupError(f"no account {name!r}")
    return row


def _made(row: UserRow) -> Account:
    return Account(row.name, row.display, frozenset(map(Role, row.roles)), row.organisation, row.must_change,
                   row.disabled, row.locked_until, row.last_login, row.session_version)
