"""A random city for the walk of bench/access.py: data of every kind, owners known, and the slow oracle over all of it.

Whatever an agency owns carries its mark, so that an answer shows at once whose data it holds.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from argon2 import PasswordHasher
from sqlalchemy import select
from starlette.testclient import TestClient

from casework import evidence, holds, threats
from casework.services import Services
from soc_api import app as api
from soc_api.auth import Logins
from soc_core import clock, engines
from soc_core.access import EVERYTHING, PLATFORM, Role
from soc_core.config import Settings
from soc_core.events import EventBatch
from soc_core.models import DEMO, LEVELS, REAL
from soc_core.protocols import EventStore, Query
from soc_core.state import alerts, commits, drills, incidents, quarantine, sources, users
from soc_core.state.alerts import Episode
from soc_core.state.incidents import Link, Story

MARK = re.compile(rb"mk[0-9a-f]{10}z")
PHONE, PERSON = "13812345678", "欧阳某某"  # of a person: in all that is told of the world they are hidden

RULES = ("soc.ssh.guessed", "soc.web.injection", "soc.dns.tunnel", "soc.win.local_admin", "soc.net.scan")
Row = TypeVar("Row")


class Who(NamedTuple):
    """An account: one role at one place ("" is the city)."""

    name: str
    role: Role
    place: str
    header: dict[str, str]


@dataclass
class World:
    """The city. `events` is id → (owner, realm, row)."""

    services: Services
    client: TestClient
    random: random.Random
    owners: list[str]
    people: list[Who]
    events: dict[str, tuple[str, str, dict[str, Any]]]
    drills: list[str]
    indicators: list[str] = field(default_factory=list)

    def rows(self, table: type[Row]) -> list[Row]:
        """A whole table."""
        with self.services.database.read() as session:
            return list(session.scalars(select(table)))

    def sees(self, who: Who, owner: str) -> bool:
        """The oracle: up the tree from the owner, is there the account's place? One step at a time."""
        if not who.place:
            return who.role is not Role.AGENCY_ADMIN
        at, known = owner, self.services.inventory.organisations
        while at and at != who.place:
            at = known[at].parent if at in known else ""
        return bool(at)

    def leaks(self, who: Who, body: bytes) -> set[str]:
        """Owners whose marks are in an answer and who are not the account's to see."""
        marks = {mark(owner).encode(): owner for owner in self.owners}
        return {marks[found] for found in MARK.findall(body) if found in marks and not self.sees(who, marks[found])}


def mark(owner: str) -> str:
    return f"mk{hashlib.sha256(owner.encode()).hexdigest()[:10]}z"


def create(services: Services, settings: Settings, seed: int, agencies: int = 10, alerts_each: int = 8) -> World:
    """Fill an empty state database and the event stores."""
    rng = random.Random(seed)
    owners, places = chosen(services, rng, agencies)
    users.HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)  # nobody signs in by password here
    api.RATE = api.BURST = 1e9
    application = api.create(services, settings)
    people = accounts(services, application.state.logins, places)
    events = stored(services, settings, rng, owners)
    world = World(services, TestClient(application, raise_server_exceptions=False), rng, owners, people, events, [])
    episodes(world, alerts_each)
    surroundings(world)
    return world


def chosen(services: Services, rng: random.Random, agencies: int) -> tuple[list[str], list[str]]:
    """(owners of data, "" for the unknown; places of accounts): three below one district, the others anywhere."""
    inventory = services.inventory
    districts = [name for name, below in inventory.children.items() if name and len(below) >= 20
                 and inventory.organisations[name].parent]
    district = rng.choice(sorted(districts))
    below = rng.sample(sorted(inventory.children[district]), 3)
    others = rng.sample(sorted(set(inventory.organisations) - {district, *below}), agencies - 4)
    return ["", district, *below, *others], ["", district, below[0], others[0], others[1]]


def accounts(services: Services, logins: Logins, places: Iterable[str]) -> list[Who]:
    """One account for every role at every place, signed in."""
    made = []
    with services.database.begin() as session:
        for at, place in enumerate(places):
            for role in Role:
                name = f"{role}-{at}"  # unmarked: who worked on something is told to whom it is of
                account = users.create(session, name, "a lamp, an otter, a cable", [role], place)
                made.append((account, role, place))
    return [Who(account.name, role, place, {"authorization": f"Bearer {logins._issue(account).token}"})
            for account, role, place in made]


def stored(services: Services, settings: Settings, rng: random.Random, owners: list[str]) -> dict[
        str, tuple[str, str, dict[str, Any]]]:
    """Events of every owner in both realms."""
    found: dict[str, tuple[str, str, dict[str, Any]]] = {}
    at = clock.now() - clock.HOUR
    for realm in (REAL, DEMO):
        rows = []
        for number, owner in enumerate(owner for owner in owners for _ in range(rng.randint(2, 6))):
            moment = clock.to_datetime(at + number * clock.SECOND)
            line = f"Accepted password for ops from 203.0.113.{number % 250} on {mark(owner)} call {PHONE}"
            name = hashlib.sha256(f"{realm}{number}".encode()).hexdigest()[:32]
            row = {"event.id": name, "@timestamp": moment, "event.ingested": moment, "event.original": line,
                   "message": line, "soc.source": f"walk:{realm}:{mark(owner)}", "soc.realm": realm, "soc.zone": "city",
                   "soc.format": "syslog", "soc.partition": 0, "soc.offset": number, "organization.id": owner or None,
                   "soc.system.id": "", "event.module": rng.choice(["sso", "gate", "mail"]),
                   "host.name": mark(owner), "user.full_name": PERSON}
            rows.append(row)
            found[name] = (owner, realm, row)
        store = engines.open_store(settings, realm)
        store.write(EventBatch.from_dicts(rows))
        searchable(store, len(rows))
        store.close()
    return found


def searchable(store: EventStore, count: int, patience: float = 30.0) -> None:
    """Wait until all that was written is found: Elasticsearch shows it with its next refresh, not when it is durable.

    Raises TimeoutError when it is not within `patience` seconds.
    """
    until = time.monotonic() + patience
    while (found := store.search(Query(), EVERYTHING).total) != count:
        if time.monotonic() > until:
            raise TimeoutError(f"{found} of {count} events can be searched after {patience:.0f} s")
        time.sleep(0.1)


def episodes(world: World, each: int) -> None:
    """Alerts of every owner, most of them in incidents of their own."""
    rng, at = world.random, clock.now()
    by_owner: dict[tuple[str, str], list[str]] = {}
    for name, (owner, realm, _) in world.events.items():
        by_owner.setdefault((owner, realm), []).append(name)
    made: list[Episode] = []
    with world.services.database.begin() as session:
        for owner in world.owners:
            stories = [hashlib.sha256(f"i{owner}{n}".encode()).hexdigest()[:32] for n in range(3)]
            for n, story in enumerate(stories):
                incidents.begin(session, Story(story, f"incident {mark(owner)} {PHONE}", "high", owner, REAL,
                                               at - clock.HOUR, at - n), "", "", "triaging", "platform", at, "")
            for number in range(each):
                realm = rng.choice([REAL, REAL, DEMO])
                severity = rng.randrange(5)
                name = hashlib.sha256(f"a{owner}{number}".encode()).hexdigest()[:32]
                moment = at - rng.randrange(20 * clock.HOUR)
                made.append(Episode(
                    id=name, episode=name, rule_id=rng.choice(RULES), title=f"alert {mark(owner)} {PHONE}",
                    level=LEVELS[severity], severity=severity, count=3, first_seen=moment - clock.MINUTE,
                    last_seen=moment, raised=moment, group={"host.name": mark(owner)},
                    entities={"host.name": [mark(owner)], "user.full_name": [PERSON], "user.name": [PHONE]},
                    entities_cut=0, events=by_owner.get((owner, realm), [])[:3], organisation=owner, system="",
                    techniques=["T1110"], risk=severity * 20 + 5, realm=realm,
                    explanation=f"why {mark(owner)} {PHONE} {PERSON}",
                    incident=rng.choice([*stories, ""]) if realm == REAL else "", marks={"0": 1},
                    search=f"alert {mark(owner)}"))
        alerts.save(session, made, [])
        incidents.link(session, [Link(each.id, each.incident, "", "shared", "account", PHONE, 0, "", 45)
                                 for each in made if each.incident])


def surroundings(world: World) -> None:
    """Sources, quarantine, drills, indicators with sightings, evidence and holds."""
    services, at = world.services, clock.now()
    with services.database.begin() as session:
        for number, owner in enumerate(world.owners):
            name = f"walk:real:{mark(owner)}"
            sources.expect(session, name, clock.HOUR, REAL, owner, "")
            commits.add(session, [commits.FateDelta(name, REAL, 10, 9, 0, 0, 1, 9, at)])
            quarantine.add(session, [quarantine.Item(
                f"q{number}", name, REAL, "syslog", at, "no timestamp", f"garbled {mark(owner)} {PHONE}".encode(), 0,
                number)])
        for number in range(3):
            drills.save(session, drills.DrillResult(f"drill-{number}", "portal", at - number, 7, f"drill-{number}", {}))
    world.drills = [f"drill-{number}" for number in range(3)]
    threats.take(PLATFORM, services, "value\n203.0.113.77\n198.51.100.78\n", "csv", "walk")
    world.indicators = [row.id for row in threats.listing(PLATFORM, services).rows]
    for owner in world.owners:
        story = hashlib.sha256(f"i{owner}0".encode()).hexdigest()[:32]
        evidence.add(PLATFORM, services, story, f"{mark(owner)}.bin", mark(owner).encode(), note=mark(owner))
        holds.hold_incident(PLATFORM, services, story, f"because {mark(owner)}")
    sighted = hashlib.sha256(f"a{world.owners[1]}0".encode()).hexdigest()[:32]
    with services.database.begin() as session:
        from soc_core.state.tables import AlertRow

        row = session.get(AlertRow, sighted)
        if row is not None:
            row.rule_id = f"indicator:{world.indicators[0]}"
