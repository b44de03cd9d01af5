"""The policy of second factors: which roles must have one, from when, and how long after that one may still be without.

It says nothing of accounts of an outside provider: who signs in there shows it there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core.access import Role
from soc_core.clock import Micros
from soc_core.state.access_tables import FactorRow
from soc_core.state.users import Account


class Demand(NamedTuple):
    """What is asked of one role; `grace` in microseconds, `actor` and `at`: who said so, and when."""

    role: Role
    since: Micros
    grace: Micros
    actor: str
    at: Micros


def put(session: Session, demand: Demand) -> None:
    """In place of what was asked of the role before."""
    session.merge(FactorRow(role=demand.role.value, since=demand.since, grace=demand.grace, actor=demand.actor,
                            at=demand.at))


def drop(session: Session, role: Role) -> bool:
    """Whether anything was asked of the role."""
    row = session.get(FactorRow, role.value)
    if row is not None:
        session.delete(row)
    return row is not None


def listing(session: Session) -> list[Demand]:
    """By role."""
    return [Demand(Role(row.role), row.since, row.grace, row.actor, row.at)
            for row in session.scalars(select(FactorRow).order_by(FactorRow.role))]


def due(session: Session, account: Account) -> Micros | None:
    """The moment from which the account comes in no more without a second factor; None for one that has it, and where
    none of its roles asks. The strictest of its roles counts."""
    return None if account.second_factor else latest(account, listing(session))


def latest(account: Account, demands: Iterable[Demand]) -> Micros | None:
    """The same, of demands that were read before."""
    return min((max(each.since, account.created) + each.grace for each in demands if each.role in account.roles),
               default=None)
