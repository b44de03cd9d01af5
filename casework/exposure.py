"""Exposure: what scanners, certificate lists and account reviews say, joined to systems by zone and address. 暴露面"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import polars as pl

from casework import scans
from casework.rights import service
from casework.scans import Fault, Found
from casework.services import Listing, Services, now, told_of_others, within
from soc_core import audit, clock
from soc_core.access import EVERYTHING, Actor
from soc_core.clock import Micros
from soc_core.models import LEVELS, Level
from soc_core.personal import masked
from soc_core.state import exposures as state
from soc_core.state.exposures import Exposure

SOON, VERY_SOON = 30 * clock.DAY, 7 * clock.DAY  # before a certificate's end


@dataclass(frozen=True)
class Taken:
    """What became of a document. `unowned` are of addresses that nobody registered: the centre's; `foreign` were left
    out because they belong to others than the actor's; `informative` say nothing of a weakness."""

    scanner: str
    new: int
    again: int
    resolved: int
    unowned: int
    foreign: int
    informative: int
    faults: list[Fault]


@dataclass(frozen=True)
class Weakness:
    """One line of the list: what it is, how bad it is now, whose."""

    exposure: Exposure
    level: Level
    days_left: int | None
    organisation_name: str
    system_name: str


@service
def take(actor: Actor, services: Services, body: bytes, zone: str = "city") -> Taken:
    """A scanner's document in. Of hosts that it looked at, what it no longer finds is resolved.

    Raises ValueError on a document that cannot be read, and on a zone that the city does not have.
    """
    if zone not in {each.id for each in services.inventory.city.zones}:
        raise ValueError(f"no zone {zone!r}; there are: "
                         f"{', '.join(each.id for each in services.inventory.city.zones)}")
    at = now()
    scan = scans.read(body)
    placed = place(services, scan.found, zone, at)
    mine = [item for item in placed if actor.scope.allows(item.organisation)]
    made = [item._replace(id=identity(scan.scanner, item), scanner=scan.scanner) for item in mine]
    looked_at = {(held or zone, address) for held, address in scan.hosts if address}
    with services.database.begin() as session:
        saved = state.save(session, made, looked_at, scan.scanner, actor.scope, at)
        audit.append(session, actor, "exposure.take", f"scanner:{scan.scanner}",
                     {**saved._asdict(), "foreign": len(placed) - len(mine), "faults": len(scan.faults)})
    return Taken(scan.scanner, saved.new, saved.again, saved.resolved, sum(not item.organisation for item in made),
                 len(placed) - len(mine), scan.informative, scan.faults)


def place(services: Services, found: list[Found], zone: str, at: Micros) -> list[Exposure]:
    """Whose each is: by the system that it names, else by zone with host name or address, now."""
    inventory, placed = services.inventory, list[Exposure]()
    for where in {item.zone or zone for item in found}:
        some = [item for item in found if (item.zone or zone) == where]
        codes = inventory.resolve(where, pl.Series([item.address or None for item in some], dtype=pl.String),
                                  pl.Series([item.host or None for item in some], dtype=pl.String), at)
        for item, code in zip(some, codes.tolist(), strict=True):
            owner, named = inventory.owner(code), inventory.systems.get(item.system)
            organisation = named.owner if named else owner.organisation if owner else ""
            placed.append(Exposure(
                "", item.kind, "", where, item.address, item.host, item.port, item.name, item.level,
                list(item.references), item.detail, organisation, named.id if named else owner.system if owner else "",
                item.expires, at, at))
    return placed


def identity(scanner: str, item: Exposure) -> str:
    """The same weakness of the same host has one id, whoever imports it and whenever."""
    what = (item.kind, scanner, item.zone, item.address, item.host, item.port, item.name, item.system)
    return hashlib.sha256("\0".join(what).encode()).hexdigest()[:32]


def level_of(item: Exposure, at: Micros) -> Level:
    """How bad it is now: a certificate gets worse as its end comes near."""
    if item.expires is None:
        return LEVELS[item.severity]
    left = item.expires - at
    return "high" if left <= 0 else "medium" if left <= VERY_SOON else "low" if left <= SOON else "informational"


@service
def listing(actor: Actor, services: Services, organisation: str = "", kind: str = "", open_only: bool = True,
            after: str = "", limit: int = 100) -> Listing[Weakness]:
    """A page of the weaknesses in the actor's scope, or of one organisation in it, the worst first.

    Raises NotFound for an organisation that is not his to see, ValueError on a key that is not of this list.
    """
    if after and not after.isdecimal():
        raise ValueError(f"not the key of a page of this list: {after!r}")
    limit, start, at = max(1, min(limit, 500)), int(after or 0), now()
    scope = within(actor, organisation) if organisation else actor.scope
    with services.database.read() as session:
        rows, total = state.listing(session, scope, kind, open_only, limit, start)
        hidden = 0
        if told_of_others(actor) and not organisation:
            hidden = state.listing(session, EVERYTHING, kind, open_only, 0)[1] - total
    found = [
        Weakness(row._replace(name=masked(row.name), detail=masked(row.detail)), level_of(row, at),
                 None if row.expires is None else (row.expires - at) // clock.DAY,
                 services.organisation_name(row.organisation), services.system_name(row.system)) for row in rows
    ]
    following = str(start + limit) if start + limit < total else ""
    return Listing(found, total, True, following, hidden, at)
