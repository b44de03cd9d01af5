"""The pipeline by stage: where every received record is. 流水线"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from casework import sources
from casework.rights import service
from casework.services import Services, now
from casework.sources import Source
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.state.tables import MarkRow


@dataclass(frozen=True)
class Totals:
    """Records by fate over the sources in scope; received is their sum when the equation holds."""

    received: int
    stored: int
    duplicate: int
    merged: int
    quarantined: int
    shed: int
    pending: int
    events: int


@dataclass(frozen=True)
class Partition:
    """How far the worker has come in one journal partition: the next record it will commit."""

    partition: int
    mark: int


@dataclass(frozen=True)
class Pipeline:
    """`broken` are the sources whose equation fails."""

    totals: Totals
    sources: list[Source]
    broken: list[Source]
    partitions: list[Partition]
    as_of: Micros


@service
def pipeline(actor: Actor, services: Services) -> Pipeline:
    """received = stored + duplicate + merged + quarantined + shed + pending, per source in scope.

    The journal's partitions belong to the whole city; an actor with a narrower scope sees none.
    """
    found = sources.rows(services, actor.scope)
    totals = Totals(**{
        name: sum(getattr(item, name) for item in found)
        for name in ("received", *sources.FATES, "pending", "events")
    })
    partitions: list[Partition] = []
    if actor.scope.organisations is None:
        with services.database.read() as session:
            marks = session.scalars(select(MarkRow).order_by(MarkRow.partition))
            partitions = [Partition(row.partition, row.offset) for row in marks]
    return Pipeline(totals, found, [item for item in found if item.off_by], partitions, now())
