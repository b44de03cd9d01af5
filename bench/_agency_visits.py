"""The places of the walk that are about the agencies' status: retention, scores, exposure, doors, the self-check."""

from __future__ import annotations

from bench._visits import Ask, Visit, ids, listed, may, mine, organisations, single, unseen
from bench._world import PHONE, Who, World, mark
from casework.compliance import requirements
from soc_core.models import REAL
from soc_core.state.agency_tables import ExposureRow
from soc_core.state.tables import SourceRow


def planted(world: World) -> list[ExposureRow]:
    """Weaknesses of every owner, named by his mark."""
    if not world.rows(ExposureRow):
        with world.services.database.begin() as session:
            for number, owner in enumerate(world.owners):
                session.add(ExposureRow(
                    id=f"exposure-{number}", kind="service", scanner="nmap", zone="city", address="192.0.2.1", host="",
                    port="23/tcp", name=mark(owner), severity=2, references=[], detail=PHONE, organisation=owner,
                    system="", expires=None, first_seen=1, last_seen=1, resolved=None))
    return world.rows(ExposureRow)


def exposures(world: World, who: Who) -> object:
    open_ = [(row.id, row.organisation) for row in planted(world) if row.resolved is None]
    return mine(world, who, open_), unseen(world, who, open_)


def card(world: World, who: Who) -> Ask:
    row = world.random.choice([each for each in world.rows(SourceRow) if each.realm == REAL])
    params = {"source": row.source}
    if not may(who, "sources.card"):
        return Ask("/sources/card", (403,), params=params)
    return Ask("/sources/card", (200,) if world.sees(who, row.organisation) else (404,), params=params)


def report(world: World, who: Who) -> Ask:
    """What is sent here is no report: it is refused to who may not, and unreadable to who may."""
    return Ask("/exposures", (422,) if may(who, "exposure.take") else (403,), body={"no": "report"})


def declared(world: World, who: Who) -> Ask:
    owner = world.random.choice([name for name in world.owners if name])
    body = {"requirement": "vendor-duty", "text": "walk", "evidence": "a walk", "organisation": owner}
    if not may(who, "compliance.declare"):
        return Ask("/compliance", (403,), body=body)
    return Ask("/compliance", (200,) if world.sees(who, owner) else (404,), body=body)


READS: dict[str, Visit] = {
    "/agencies/{organisation}/retention": single("retention.kept", "/agencies/{}/retention", organisations),
    "/agencies/{organisation}/score": single("score.score", "/agencies/{}/score", organisations),
    "/compliance": listed("compliance.check", "/compliance", lambda *_: [each.id for each in requirements()],
                          lambda told: [line["requirement"]["id"] for line in told["lines"]]),
    "/doors": listed("doors.listing", "/doors", lambda *_: [], lambda told: told["rows"]),
    "/exposures": listed("exposure.listing", "/exposures", exposures,
                         lambda told: (ids(told["rows"], "exposure", "id"), told["hidden_by_scope"]), {"limit": 500}),
    "/sources/card": card,
}
CHANGES: dict[str, Visit] = {"/compliance": declared, "/exposures": report}
