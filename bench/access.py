"""Every endpoint as every role at every place over a random city, against an oracle that filters all data by hand.

An answer must be exactly what is theirs: nothing of another agency (by id, and by the mark in everything it owns), all
that is allowed. SOC_BENCH_CALLS calls (10,000) on each of SQLite and PostgreSQL with the embedded store and
Elasticsearch, as far as their servers can be had here; SOC_BENCH_ONLY=sqlite-embedded names one of the four.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from bench import _agency_visits, _world
from bench._changes import CHANGES, HOOK
from bench._visits import READS, Ask, Visit
from bench._world import Who, World
from casework.services import Services, open_services
from soc_core.config import Events, Settings
from soc_core.models import REAL
from soc_core.state.tables import AlertRow, AuditRow, IncidentRow
from soc_core.store.elastic_settings import ElasticSettings

CALLS = int(os.environ.get("SOC_BENCH_CALLS") or 10_000)
ONLY = os.environ.get("SOC_BENCH_ONLY", "")
VERBATIM = {"POST /events/{event}/reveal", "GET /evidence/{number}/content"}  # for a reason, and as proof
DOORS = {"GET /health", "POST /login", "POST /logout", "POST /password"}  # before anybody is somebody: test_api.py
PLACES: dict[str, Visit] = {**{f"GET {path}": visit for path, visit in {**READS, **_agency_visits.READS}.items()},
                            **{f"POST {path}": visit for path, visit in {**CHANGES, **_agency_visits.CHANGES}.items()}}


@dataclass
class Walked:
    """What the walk met. `differences` are sentences, empty for a walk without fault."""

    calls: int = 0
    cpu: float = 0.0
    by_place: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def differences(self) -> list[str]:
        return [*self.leaks, *self.missing, *self.wrong]


def endpoints(world: World) -> set[str]:
    """Every "METHOD /path" of version 1 that the application has."""
    prefix = "/api/v1"
    paths = world.client.get(f"{prefix}/openapi.json").json()["paths"]
    return {f"{method.upper()} {path.removeprefix(prefix)}" for path, methods in paths.items() for method in methods}


def walk(world: World, calls: int) -> Walked:
    """Each endpoint in turn, as a random account. Every place is met before any is met again."""
    walked, began = Walked(), time.process_time()
    names = sorted(PLACES)
    for number in range(calls):
        if number % len(names) == 0:
            world.random.shuffle(names)
        step(world, walked, names[number % len(names)], world.random.choice(world.people))
    walked.cpu = time.process_time() - began
    walked.wrong += trespasses(world)
    return walked


def step(world: World, walked: Walked, place: str, who: Who) -> None:
    """One call and its judgement."""
    ask = PLACES[place](world, who)
    method = place.partition(" ")[0]
    answer = world.client.request(method, f"/api/v1{ask.path}", headers=who.header, params=ask.params, json=ask.body)
    walked.calls += 1
    walked.by_place[place] += 1
    walked.by_status[answer.status_code] += 1
    said = f"{place} as {who.name}: {ask.path} {ask.params or ''}"
    if foreign := world.leaks(who, answer.content) - named(ask, world):
        walked.leaks.append(f"{said} tells of {sorted(foreign)}")
    if place not in VERBATIM and any(each.encode() in answer.content for each in (_world.PHONE, _world.PERSON)):
        walked.leaks.append(f"{said} tells what is personal: {answer.text[:200]}")
    if answer.status_code not in ask.status:
        walked.wrong.append(f"{said} answered {answer.status_code}, not {ask.status}: {answer.text[:200]}")
    elif answer.status_code == 200 and ask.found is not None:
        found = ask.found(answer.json())
        if found != ask.expect:
            compare(walked, said, found, ask.expect)


def named(ask: Ask, world: World) -> set[str]:
    """Owners whose marks the caller himself wrote into the question."""
    text = repr((ask.path, ask.params, ask.body))
    return {owner for owner in world.owners if _world.mark(owner) in text}


def compare(walked: Walked, said: str, found: Any, expect: Any) -> None:
    """Where an answer differs, in which way."""
    try:
        more, less = list(Counter(found) - Counter(expect)), list(Counter(expect) - Counter(found))
    except TypeError:
        more, less = [found], [expect]
    if more:
        walked.leaks.append(f"{said} tells more: {more[:3]}")
    if less:
        walked.missing.append(f"{said} hides: {less[:3]}")


def trespasses(world: World) -> list[str]:
    """Changes of alerts and incidents in the audit chain by people who may not even see them."""
    owners = {f"alert:{row.id}": row.organisation for row in world.rows(AlertRow)}
    owners |= {f"incident:{row.id}": row.organisation for row in world.rows(IncidentRow)}
    people = {who.name: who for who in world.people}
    return [f"{row.actor} did {row.action} to {row.object}" for row in world.rows(AuditRow)
            if row.object in owners and row.actor in people and not world.sees(people[row.actor], owners[row.object])]


# ---------------------------------------------------------------- where


@contextmanager
def city(state: str, store: str, seed: int, agencies: int = 10) -> Iterator[World]:
    """A world on one of the two state databases and one of the two event stores."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="soc-access-")))
        settings = Settings(data=folder, webhooks=[HOOK])
        if state == "postgresql":
            from tests.servers.postgres import postgres

            settings = settings.model_copy(update={"state": held.enter_context(postgres().database())})
        if store == "elastic":
            from tests.servers.elastic import running

            found = ElasticSettings(urls=[held.enter_context(running())], replicas="0",
                                    prefix=f"walk_{os.getpid()}_{seed % 10_000}_{state[:2]}")
            settings = settings.model_copy(update={"event_engine": Events(elastic=found)})
        services: Services = open_services(settings)
        held.callback(services.close)
        world = _world.create(services, settings, seed, agencies)
        if store == "elastic":
            held.callback(forget, services)
        yield world


def forget(services: Services) -> None:
    """Take the walk's indices off the node."""
    store: Any = services.stores.get(REAL)
    pattern = store.indices.replace(REAL, "*", 1)
    names = list(store.client.indices.get(index=pattern, expand_wildcards="all"))
    if names:
        store.client.indices.delete(index=names)


def figures() -> list[dict[str, Any]]:
    """Differences, both ways, on each pair of engines; the seed is the day's."""
    told = []
    for state in ("sqlite", "postgresql"):
        for store in ("embedded", "elastic"):
            if ONLY and f"{state}-{store}" != ONLY:
                continue
            seed = date.today().toordinal() * 10 + random.SystemRandom().randrange(10)
            try:
                with city(state, store, seed) as world:
                    walked = walk(world, CALLS)
                    places = len(walked.by_place)
            except (OSError, LookupError) as error:
                print(f"access on {state} and {store}: not run here: {error}")
                continue
            for line in walked.differences[:20]:
                print(f"access on {state} and {store}, seed {seed}: {line}")
            where, made = f"({state}, {store})", f"of {walked.calls:,} calls over {places} endpoints, seed {seed}"
            told += [row(f"differences {where}", len(walked.differences), made, True),
                     row(f"told of another agency or a person {where}", len(walked.leaks), made, True),
                     row(f"allowed and not told {where}", len(walked.missing), made, True),
                     row(f"otherwise wrong {where}", len(walked.wrong), made, True),
                     row(f"CPU a call {where}", round(1000 * walked.cpu / walked.calls, 1), "ms", False)]
    return told


def row(name: str, value: float, unit: str, none: bool) -> dict[str, Any]:
    return {"name": f"access: {name}", "value": value, "unit": unit, "peer": None, "peer_value": None, "ratio": None,
            "target": "0" if none else None, "met": value == 0 if none else None}
