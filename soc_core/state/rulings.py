"""What the engine says of its rules: the report of their loading, and how often each exception held."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core.state.database import insert
from soc_core.state.tables import MetaRow

REPORT = "rules"
PREFIX = "suppressed:"


def note(session: Session, report: Mapping[str, Any]) -> None:
    """Put the report in place of the one before."""
    _put(session, REPORT, orjson.dumps(report).decode())


def report(session: Session) -> dict[str, Any]:
    """The last report; empty before any worker ran."""
    known = session.get(MetaRow, REPORT)
    return dict(orjson.loads(known.value)) if known else {}


def suppress(session: Session, counts: Mapping[str, int]) -> None:
    """Add to how often each exception (file:line) held."""
    for name, count in counts.items():
        known = session.get(MetaRow, PREFIX + name)
        _put(session, PREFIX + name, str(count + (int(known.value) if known else 0)))


def suppressed(session: Session) -> dict[str, int]:
    """Exception (file:line) → matches that it passed over."""
    rows = session.scalars(select(MetaRow).where(MetaRow.name.startswith(PREFIX)).order_by(MetaRow.name))
    return {row.name.removeprefix(PREFIX): int(row.value) for row in rows}


def _put(session: Session, name: str, value: str) -> None:
    statement = insert(session, MetaRow).values(name=name, value=value)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
