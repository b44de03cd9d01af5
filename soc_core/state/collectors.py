"""What collectors say of themselves, wherever they run: doors and counts, for `./soc status` and the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from soc_core.clock import DAY, Micros
from soc_core.state.database import insert
from soc_core.state.tables import MetaRow

PREFIX = "collector:"
KEPT = DAY  # after which one that says nothing more is forgotten


class Collector(NamedTuple):
    """One of them, when it last said something, and what (collectors/collect.py, `counts`)."""

    name: str
    seen: Micros
    counts: dict[str, Any]


def tell(session: Session, name: str, counts: Mapping[str, Any], at: Micros) -> None:
    """Write down what a collector says, and forget those that said nothing for KEPT."""
    value = orjson.dumps({"seen": at, "counts": counts}).decode()
    statement = insert(session, MetaRow).values(name=PREFIX + name, value=value)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
    gone = [PREFIX + each.name for each in listing(session) if each.seen < at - KEPT]
    if gone:
        session.execute(delete(MetaRow).where(MetaRow.name.in_(gone)))


def listing(session: Session) -> list[Collector]:
    """All that are known, by name."""
    rows = session.scalars(select(MetaRow).where(MetaRow.name.startswith(PREFIX)).order_by(MetaRow.name))
    return [Collector(row.name.removeprefix(PREFIX), told["seen"], told["counts"])
            for row in rows for told in [orjson.loads(row.value)]]
