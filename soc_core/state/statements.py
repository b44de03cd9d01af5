"""What people declared for lines of the self-check that no query can prove; nothing is rewritten, the latest counts."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core.clock import Micros
from soc_core.state.agency_tables import StatementRow


class Statement(NamedTuple):
    """One declaration; `organisation` "" is the centre's own, `evidence` says where it can be looked at."""

    requirement: str
    organisation: str
    text: str
    evidence: str
    actor: str
    at: Micros
    valid_until: Micros | None


def add(session: Session, statement: Statement) -> None:
    session.add(StatementRow(**statement._asdict()))


def latest(session: Session, organisation: str) -> dict[str, Statement]:
    """Requirement → the last declaration of an organisation."""
    query = select(StatementRow).where(StatementRow.organisation == organisation).order_by(StatementRow.id)
    return {row.requirement: Statement(*(getattr(row, name) for name in Statement._fields))
            for row in session.scalars(query)}
