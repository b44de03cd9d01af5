"""Evidence of incidents: bytes kept under their own hash, and every hand they went through. 证据

The file lies at data/evidence/ab/abcd…, named by its SHA-256, written and synced before its row is. Reading it checks
the hash; each reading, checking and handing over is a line of custody and a link of the audit chain.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from casework import incidents
from casework.rights import service
from casework.services import NotFound, Services, now
from soc_core import audit
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.state import incidents as state
from soc_core.state.case_tables import CustodyRow, EvidenceRow
from soc_core.state.tables import UserRow

LARGEST = 256 << 20


class Tampered(OSError):
    """What lies on disk is not what was taken in."""


@dataclass(frozen=True)
class Hand:
    """A line of custody: collected, read, verified or handed, and the hash that was found."""

    at: Micros
    actor: str
    act: str
    sha256: str
    note: str


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence."""

    id: int
    incident: str
    name: str
    media: str
    size: int
    sha256: str
    at: Micros
    actor: str
    note: str


def path(services: Services, sha256: str) -> Path:
    return services.settings.data / "evidence" / sha256[:2] / sha256


@service
def add(actor: Actor, services: Services, incident: str, name: str, body: bytes,
        media: str = "application/octet-stream", note: str = "") -> Evidence:
    """Take a file in. Raises ValueError on one without a name or too large, NotFound."""
    name = name.strip().replace("\\", "/").rsplit("/", 1)[-1]
    if not name.isprintable() or not name:
        raise ValueError("evidence has a file name of printable characters")
    if len(body) > LARGEST:
        raise ValueError(f"evidence of {len(body)} bytes is larger than {LARGEST}")
    incidents.get(actor, services, incident)
    sha256 = keep(services, body)
    with services.database.begin() as session:
        incidents.seen(session, actor, incident)
        row = EvidenceRow(incident=incident, name=name, media=media, size=len(body), sha256=sha256, at=now(),
                          actor=actor.name, note=note)
        session.add(row)
        session.flush()
        hand(session, actor, row, "collected", sha256, note)
        state.remark(session, incident, actor.name, row.at, note, "evidence", after=f"{name} {sha256}")
        return shown(row)


@service
def snapshot(actor: Actor, services: Services, incident: str, note: str = "") -> Evidence:
    """The records of the incident's alerts, as they came in, as one file of NDJSON. Raises ValueError without any."""
    found = incidents.detail(actor, services, incident)
    store = services.stores.get(found.incident.realm)
    ids = list(dict.fromkeys(event for row in found.alerts for event in row.alert.events))
    rows = store.get(ids, actor.scope) if store is not None else []
    if not rows:
        raise ValueError("no event of this incident is stored (any more)")
    lines = [orjson.dumps(row, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS) for row in rows]
    return add(actor, services, incident, f"events-{incident[:8]}.ndjson", b"\n".join(lines) + b"\n",
               "application/x-ndjson", note or f"{len(rows)} events")


def keep(services: Services, body: bytes) -> str:
    """Write bytes under their hash, once; durable when it returns."""
    sha256 = hashlib.sha256(body).hexdigest()
    place = path(services, sha256)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{sha256}.{os.getpid()}.part")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.rename(place)
        folder = os.open(place.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    return sha256


@service
def listing(actor: Actor, services: Services, incident: str) -> list[Evidence]:
    """What an incident has, oldest first. Raises NotFound."""
    with services.database.read() as session:
        incidents.seen(session, actor, incident)
        rows = session.scalars(select(EvidenceRow).where(EvidenceRow.incident == incident).order_by(EvidenceRow.id))
        return [shown(row) for row in rows]


@service
def read(actor: Actor, services: Services, evidence: int, note: str = "") -> tuple[Evidence, bytes]:
    """The bytes, checked against their hash; a line of custody. Raises Tampered, NotFound."""
    return look(services, actor, evidence, "read", note)


@service
def verify(actor: Actor, services: Services, evidence: int) -> Evidence:
    """Check it, and say so in its custody. Raises Tampered, which is noted too; NotFound."""
    return look(services, actor, evidence, "verified", "")[0]


def look(services: Services, actor: Actor, evidence: int, act: str, note: str) -> tuple[Evidence, bytes]:
    with services.database.begin() as session:
        row = one(session, actor, evidence)
        found = shown(row)
        try:
            body = path(services, row.sha256).read_bytes()
        except FileNotFoundError:
            body = b""
        sha256 = hashlib.sha256(body).hexdigest()
        hand(session, actor, row, act, sha256, note)
    if sha256 != found.sha256:
        raise Tampered(f"evidence {evidence} is not what was taken in: its hash is {sha256}, not {found.sha256}")
    return found, body


@service
def hand_over(actor: Actor, services: Services, evidence: int, to: str, note: str = "") -> None:
    """It goes into another account's hands. Raises ValueError on an unknown one, NotFound."""
    with services.database.begin() as session:
        row = one(session, actor, evidence)
        if session.get(UserRow, to) is None:
            raise ValueError(f"no account {to!r}")
        hand(session, actor, row, "handed", row.sha256, f"{to}: {note}" if note else to)


@service
def custody(actor: Actor, services: Services, evidence: int) -> list[Hand]:
    """Every hand it went through, oldest first. Raises NotFound."""
    with services.database.read() as session:
        one(session, actor, evidence)
        rows = session.scalars(select(CustodyRow).where(CustodyRow.evidence == evidence).order_by(CustodyRow.id))
        return [Hand(row.at, row.actor, row.act, row.sha256, row.note) for row in rows]


def one(session: Session, actor: Actor, evidence: int) -> EvidenceRow:
    row = session.get(EvidenceRow, evidence)
    if row is None or state.get(session, row.incident, actor.scope) is None:
        raise NotFound(f"no evidence {evidence}")
    return row


def hand(session: Session, actor: Actor, row: EvidenceRow, act: str, sha256: str, note: str) -> None:
    session.add(CustodyRow(evidence=row.id, at=now(), actor=actor.name, act=act, sha256=sha256, note=note))
    audit.append(session, actor, f"evidence.{act}", f"evidence:{row.id}",
                 {"incident": row.incident, "sha256": sha256, "note": note})


def shown(row: EvidenceRow) -> Evidence:
    return Evidence(row.id, row.incident, row.name, row.media, row.size, row.sha256, row.at, row.actor, row.note)
