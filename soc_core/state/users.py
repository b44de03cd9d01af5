"""Accounts: argon2id passwords, roles, place in the tree, lock-out, and the version of their sessions. 账户

三员分立: system, security and audit administration never meet in one account.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc_core.access import Role
from soc_core.clock import MINUTE, Micros, now
from soc_core.state import totp
from soc_core.state.tables import UserRow

FIRST = "soc"
FIRST_ROLES = (Role.ANALYST, Role.SHIFT_LEAD, Role.RULE_AUTHOR)
ADMINISTRATORS = frozenset({Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.SECURITY_AUDITOR})
FAILURES = 5  # wrong passwords in a row
LOCKED = 15 * MINUTE
SHORTEST = 12
PENDING = "?"  # before a second factor that was shown and not yet proved
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
    person: str = ""  # whose it is, as a staff number: one person may have several accounts
    second_factor: bool = False
    created: Micros = 0


def create(session: Session, name: str, password: str, roles: Iterable[Role], organisation: str = "",
           display: str = "", must_change: bool = False, person: str = "") -> Account:
    """A new account. Raises ValueError on a name in use, a short password, or administrators in one hand."""
    name, wanted = name.strip(), _checked(roles)
    apart(session, name, wanted, person)
    known = session.get(UserRow, name)
    if known or not name:
        raise ValueError(f"the account name {name!r} is empty or in use")
    row = UserRow(name=name, display=display or name, password=_hash(name, password), roles=wanted,
                  organisation=organisation, created=now(), must_change=must_change, person=person.strip())
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
    password = drawn()
    if row is None:
        create(session, FIRST, password, FIRST_ROLES, display="值班", must_change=True)
    else:
        row.password, row.failures, row.locked_until = HASHER.hash(password), 0, 0
        row.session_version += 1
    return password


def drawn() -> str:
    """A password to be used once: 80 bits, easy to read out."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def check_password(session: Session, name: str, password: str, at: Micros | None = None, code: str = "",
                   unseal: Callable[[str], str] | None = None) -> Account | None:
    """The account when the password is right and it is neither disabled nor locked; needs a write transaction.

    With a second factor the code must be right, too, and none is taken twice. Five wrong ones in a row lock it for a
    quarter of an hour. An unknown name costs the same time as a known one.
    """
    at = now() if at is None else at
    row = session.get(UserRow, name)
    right = _verify(row.password if row else _nobody(), password)
    if row is None or row.disabled or row.locked_until > at:
        return None
    if right and row.totp and not row.totp.startswith(PENDING):
        step = totp.check(unseal(row.totp), code, at, row.totp_step) if unseal else None
        right, row.totp_step = step is not None, step or row.totp_step
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
    apart(session, name, row.roles, row.person)
    row.organisation = row.organisation if organisation is None else organisation
    row.session_version += 1
    return _made(row)


def disable(session: Session, name: str, disabled: bool = True) -> Account:
    """Shut the account out (or let it in again); its sessions end. Raises LookupError."""
    row = _row(session, name)
    row.disabled = disabled
    row.session_version += 1
    return _made(row)


def reset_password(session: Session, name: str) -> str:
    """A one-time password in place of the account's own, shown once; locks and sessions end. Raises LookupError."""
    row, password = _row(session, name), drawn()
    row.password, row.must_change, row.failures, row.locked_until = HASHER.hash(password), True, 0, 0
    row.session_version += 1
    return password


def begin_factor(session: Session, name: str, sealed: str) -> None:
    """Remember a second factor's secret, sealed, until the account proves that it has it. Raises LookupError."""
    _row(session, name).totp = PENDING + sealed


def confirm_factor(session: Session, name: str, code: str, unseal: Callable[[str], str], at: Micros) -> Account:
    """From now on the account needs its codes; its sessions end. Raises ValueError on a wrong code."""
    row = _row(session, name)
    step = totp.check(unseal(row.totp.removeprefix(PENDING)), code, at) if row.totp.startswith(PENDING) else None
    if step is None:
        raise ValueError("that is not the code of now")
    row.totp, row.totp_step = row.totp.removeprefix(PENDING), step
    row.session_version += 1
    return _made(row)


def drop_factor(session: Session, name: str) -> None:
    """Without a second factor again (a lost phone); its sessions end. Raises LookupError."""
    row = _row(session, name)
    row.totp, row.totp_step = "", 0
    row.session_version += 1


def apart(session: Session, name: str, roles: Iterable[str], person: str) -> None:
    """三员分立 in one hand, not only in one account: raises ValueError when a person would be two administrators."""
    mine = {Role(role) for role in roles} & ADMINISTRATORS
    if not mine or not person.strip():
        return
    for other in session.scalars(select(UserRow).where(UserRow.person == person.strip(), UserRow.name != name)):
        if both := {Role(role) for role in other.roles} & ADMINISTRATORS - mine:
            raise ValueError(f"this person is {sorted(both)[0]} already: the administrators are three people")


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
                   row.disabled, row.locked_until, row.last_login, row.session_version, row.person,
                   bool(row.totp) and not row.totp.startswith(PENDING), row.created)
