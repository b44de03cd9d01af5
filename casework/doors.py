"""Collectors' doors: whether what goes in comes out, by marked records that nobody else could send. 采集入口"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from casework.rights import service
from casework.services import Services, now
from soc_core import clock
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.state import canaries

WAIT = 5 * clock.MINUTE


@dataclass(frozen=True)
class Door:
    """One door of one collector: when a marked record was sent last, when the last that came out was sent, and how
    it stands: `waiting` has one on its way."""

    collector: str
    door: str
    sent: Micros
    well: Micros | None
    error: str
    state: Literal["proved", "waiting", "lost", "refused"]


@service
def listing(actor: Actor, services: Services) -> list[Door]:
    """Every door. They are the platform's own, of no agency: who sees less than the city sees none."""
    if actor.scope.organisations is not None:
        return []
    at = now()
    with services.database.read() as session:
        found = canaries.latest(session)
    return [Door(last.collector, last.door, last.sent, well, last.error, state(last, well, at))
            for last, well in found]


def state(last: canaries.Canary, well: Micros | None, at: Micros) -> Literal["proved", "waiting", "lost", "refused"]:
    """How a door stands by its last canary and the last that came out."""
    if last.error:
        return "refused"
    if at - last.sent > 3 * last.every + WAIT:
        return "lost"
    if well is not None and last.sent - well <= last.every + WAIT:
        return "proved" if well == last.sent else "waiting"
    return "lost" if well is not None or at - last.sent > WAIT else "waiting"
