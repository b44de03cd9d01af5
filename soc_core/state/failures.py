"""Detectors that failed: how often, when last and on what. Their silence is not the absence of attacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from soc_core.clock import Micros, now
from soc_core.state.database import insert
from soc_core.state.tables import MetaRow

PREFIX = "failed:"


class Failure(NamedTuple):
    """One detector, how many times; `why` is the last error in one line."""

    name: str
    times: int
    last: Micros
    why: str


def note(session: Session, found: Mapping[str, tuple[int, str]]) -> None:
    """Add to the counts: detector → (how often, why the last time)."""
    for name, (times, why) in found.items():
        known = session.get(MetaRow, PREFIX + name)
        before = int(orjson.loads(known.value)["times"]) if known else 0
        value = orjson.dumps({"times": before + times, "last": now(), "why": why[:1000]}).decode()
        statement = insert(session, MetaRow).values(name=PREFIX + name, value=value)
        session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def listing(session: Session) -> list[Failure]:
    """All of them, by name."""
    rows = session.scalars(select(MetaRow).where(MetaRow.name.startswith(PREFIX)).order_by(MetaRow.name))
    return [Failure(row.name.removeprefix(PREFIX), **orjson.loads(row.value)) for row in rows]


def clear(session: Session) -> None:
    """Begin to count anew: somebody has seen to it."""
    session.execute(delete(MetaRow).where(MetaRow.name.startswith(PREFIX)))
