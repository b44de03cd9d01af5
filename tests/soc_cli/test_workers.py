"""Any number of workers, killed, thought dead, coming and going: what is found is what one sorted pass finds."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from bench._world import searchable
from detections.sigma.detector import build
from detections.sigma.share import Windows
from soc_cli.member import Member
from soc_cli.wiring import Platform
from soc_core import clock, lanes, worker
from soc_core.access import EVERYTHING
from soc_core.config import Settings
from soc_core.events import EventBatch
from soc_core.models import Finding
from soc_core.pipeline import Partition
from soc_core.protocols import Origin, Query, Raws
from soc_core.shares import Share
from soc_core.sharing import Partial
from soc_core.state import alerts, claims, commits
from soc_core.state.database import StateError

RULES = """
title: Failed logon
id: 00000000-0000-4000-8000-000000000001
status: test
logsource: {product: linux, service: auth}
detection: {one: {event.outcome: failure}, condition: one}
level: informational
---
title: Logon
id: 00000000-0000-4000-8000-000000000002
status: test
logsource: {product: linux, service: auth}
detection: {one: {event.outcome: success, user.name: root}, condition: one}
level: low
---
title: Guessing
id: 00000000-0000-4000-8000-000000000003
correlation:
  type: event_count
  rules: [00000000-0000-4000-8000-000000000001]
  group-by: [source.ip]
  timespan: 2m
  condition: {gte: 5}
level: medium
---
title: Many hosts
id: 00000000-0000-4000-8000-000000000004
correlation:
  type: value_count
  rules: [00000000-0000-4000-8000-000000000001]
  group-by: [source.ip]
  timespan: 10m
  condition: {gte: 3, field: host.name}
level: high
---
title: Guessed
id: 00000000-0000-4000-8000-000000000005
correlation:
  type: temporal_ordered
  rules: [00000000-0000-4000-8000-000000000003, 00000000-0000-4000-8000-000000000002]
  group-by: [source.ip]
  timespan: 10m
generate: true
level: critical
"""
SOURCES, LINES = 9, 300
START = 1_795_366_800


class Tally:
    """Counts the lines of each address, and says so at every tenth: what it is told twice, it counts twice."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def sift(self, batch: EventBatch) -> tuple[list[Finding], list[Partial]]:
        rows = zip(batch.column("source.ip").to_list(), batch.column("event.id").to_list(), strict=True)
        return [], [Partial(address, event, address) for address, event in rows]

    def keeper(self) -> Tally:
        return Tally()

    def take(self, bodies: Sequence[str]) -> list[Finding]:
        found = []
        for address in bodies:
            self.seen[address] += 1
            if self.seen[address] % 10 == 0:
                found.append(Finding("tally", f"{address}:{self.seen[address]}", START, "low", "tenth",
                                     (("source.ip", address),), (), (), "", "", "real", 0, 0))
        return found

    def detect(self, batch: EventBatch) -> list[Finding]:
        raise AssertionError("a sharing detector is only asked to sift")

    def tick(self, now: int, complete: int) -> list[Finding]:
        return []

    def snapshot(self) -> bytes:
        return json.dumps(self.seen).encode()

    def restore(self, state: bytes) -> None:
        self.seen = Counter(json.loads(state))


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a few rules of our own; detectors and inventory are the same for all platforms of a test."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "few.yml").write_text(RULES)
    made = [*build([tmp_path / "rules"], cache=tmp_path / "cache"), Tally()]
    monkeypatch.setattr(Platform, "detectors", lambda *_: made)
    inventory = Platform(Settings()).inventory
    monkeypatch.setattr(Platform, "inventory", inventory)
    monkeypatch.setattr(lanes, "LIMIT", 40)
    return Settings(data=tmp_path / "data", partitions=4)


def records(seed: int) -> list[tuple[str, bytes, int]]:
    """(source, line, position): three addresses guess at the hosts of all sources, and one of them gets in."""
    draw, found, places = random.Random(seed), [], Counter[str]()
    for number in range(LINES):
        host, address = f"host{draw.randrange(SOURCES)}", f"192.0.2.{draw.choice([7, 7, 8, 9, 9, 9])}"
        what = "Accepted" if address.endswith("7") and draw.random() < 0.05 else "Failed"
        at = clock.to_text((START + number * 2) * clock.SECOND)
        line = f"{at} {host} sshd[12]: {what} password for root from {address} port 51514 ssh2".encode()
        found.append((host, line, places[host]))
        places[host] += 100
    return found


def put(platform: Platform, some: Sequence[tuple[str, bytes, int]]) -> None:
    by_source: dict[str, list[tuple[bytes, int]]] = {}
    for source, line, place in some:
        by_source.setdefault(source, []).append((line, place))
    platform.journal.append([
        Raws(Origin(source=source, format="syslog"), [line for line, _ in held], (START + 3 * LINES) * clock.SECOND,
             np.array([place for _, place in held], dtype=np.int64))
        for source, held in by_source.items()
    ])


def outcome(platform: Platform) -> dict[str, Any]:
    ids = Counter[str]()
    with platform.state.read() as session:
        found, _ = alerts.find(session, EVERYTHING, limit=1000)
        fates = [row._replace(last_ingest=0) for row in commits.fates(session)]
    store = platform.store("real")
    searchable(store, sum(row.events for row in fates))
    for batch in store.scan(Query(), EVERYTHING):
        ids.update(batch.column("event.id").to_list())
    told = sorted((one.rule_id, sorted(one.group.items()), one.count, one.first_seen, one.last_seen,
                   sorted((name, sorted(values)) for name, values in one.entities.items())) for one in found)
    assert max(ids.values()) == 1
    return {"ids": set(ids), "alerts": told, "fates": fates}


class Crew:
    """Workers that come, go and die, in one process; each has a platform of its own."""

    def __init__(self, settings: Settings, draw: random.Random) -> None:
        self.settings, self.draw = settings, draw
        self.members: list[tuple[Member, ExitStack, Platform]] = []
        self.zombies: list[Member] = []
        self.graves = ExitStack()

    def join(self) -> None:
        stack = ExitStack()
        platform = stack.enter_context(Platform(self.settings))
        member = stack.enter_context(platform.member().working())
        self.members.append((member, stack, platform))

    def turn(self, number: int) -> int:
        member, _, _ = self.members[number]
        member.balance()
        return member.turn(patient=False)

    def leave(self, number: int) -> None:
        self.members.pop(number)[1].close()

    def vanish(self, number: int) -> None:
        """Others take it for dead; it goes on all the same, without a sign of life."""
        member, stack, platform = self.members.pop(number)
        member.silence()
        with platform.state.begin() as session:
            claims.leave(session, member.id)
        self.zombies.append(member)
        self.graves.callback(stack.close)

    def haunt(self) -> None:
        for member in self.zombies:
            member.worker.step()

    def close(self) -> None:
        while self.members:
            self.leave(0)
        self.graves.close()


@pytest.fixture
def crew(world: Settings) -> Iterator[Crew]:
    with closing(Crew(world, random.Random(date.today().toordinal()))) as made:
        yield made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every step saves a few pieces of a lane's memory. The offsets of the rows that were taken up again."""
    for name, value in (("CHECKPOINT_EVERY", -1), ("IDLE_EVERY", -1), ("REST", 0), ("PATIENCE", 0.0002)):
        monkeypatch.setattr(worker, name, value)
    taken: list[int] = []
    restore = lanes.Lane._restore

    def noted(self: lanes.Lane, row: commits.Checkpoint) -> None:
        taken.append(row.offset)
        restore(self, row)

    monkeypatch.setattr(lanes.Lane, "_restore", noted)
    return taken


def alone(world: Settings, some: Sequence[tuple[str, bytes, int]], tmp_path: Path) -> dict[str, Any]:
    """What one worker makes of it in one pass."""
    with Platform(world.model_copy(update={"data": tmp_path / "alone"})) as platform:
        put(platform, some)
        platform.worker().drain()
        return outcome(platform)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_finds_the_same(world: Settings, crew: Crew, tmp_path: Path, workers: int) -> None:
    some = records(workers)
    expected = alone(world, some, tmp_path)
    assert {rule[-1] for rule, *_ in expected["alerts"]} == set("2345y")
    with Platform(world) as platform:
        for _ in range(workers):
            crew.join()
        for at in range(0, LINES, 75):
            put(platform, some[at : at + 75])
            for number in crew.draw.sample(range(workers), workers):
                crew.turn(number)
        while sum(crew.turn(number) for number in range(workers)):
            continue
        assert outcome(platform) == expected


@pytest.mark.parametrize("leap", [0, 8 * clock.HOUR])
def test_a_partition_that_lags_by_hours_is_waited_for(world: Settings, tmp_path: Path, leap: int) -> None:
    """Seven hours of records; one partition is worked off when all others are, be it after the clock has leapt."""
    def record(number: int) -> Raws:
        at, host = START * clock.SECOND + number * clock.MINUTE, f"host{number % SOURCES}"
        line = f"{clock.to_text(at)} {host} sshd[12]: Failed password for root from 192.0.2.{number % 3} port 5"
        place, received = np.array([number], dtype=np.int64), at + (leap if number > LINES else 0)
        return Raws(Origin(source=host, format="syslog"), [line.encode()], received, place)

    with Platform(world.model_copy(update={"data": tmp_path / "alone"})) as platform:
        one = platform.worker()
        for at in range(0, LINES + 120, 15):
            platform.journal.append([record(number) for number in range(at, at + 15)])
            one.drain()
        expected = outcome(platform)
    assert {rule[-1] for rule, *_ in expected["alerts"]} >= {"4", "y"}
    with Platform(world) as platform:
        made, last = platform.worker(), platform.journal.partition_of("host1")
        made.drop([last])
        platform.journal.append([record(number) for number in range(LINES + 120)])
        made.drain()
        made.take([last])
        made.drain()
        assert outcome(platform)["alerts"] == expected["alerts"]


def test_workers_that_die_and_haunt_change_nothing(
    world: Settings, crew: Crew, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hasty: list[int]
) -> None:
    """Random joins, leaves, losses of lanes noticed too late, and deaths between what is sent and what is committed.

    Memory is saved all the time, a few pieces each: what is taken up is of many moments.
    """
    some, draw = records(7), crew.draw
    expected = alone(world, some, tmp_path)
    calm = False
    for lane in (Partition, Share):
        ordinary = lane._commit

        def fatal(self: Any, *given: Any, ordinary: Any = ordinary) -> None:
            if not calm and draw.random() < 0.15:
                raise draw.choice([Killed, StateError])("between what is sent and what is committed")
            ordinary(self, *given)

        monkeypatch.setattr(lane, "_commit", fatal)
    with Platform(world) as platform:
        at = deaths = failures = 0
        while at < LINES or draw.random() < 0.9:
            if at < LINES and draw.random() < 0.3:
                put(platform, some[at : at + 15])
                at += 15
            if len(crew.members) < 3 and draw.random() < 0.3:
                crew.join()
            for number in range(len(crew.members) - 1, -1, -1):
                try:
                    crew.turn(number)
                except StateError:
                    failures += 1
                except Killed:
                    crew.vanish(number)
                    crew.zombies.pop()  # it is dead indeed
                    deaths += 1
            if crew.members and draw.random() < 0.05:
                crew.leave(0)
            if crew.members and draw.random() < 0.05:
                crew.vanish(0)
            try:
                crew.haunt()
            except (Killed, StateError):
                crew.zombies.clear()
            crew.zombies = crew.zombies[-2:]
        calm = True
        crew.close()
        crew.join()
        while crew.turn(0):
            continue
        assert outcome(platform) == expected
        assert min(deaths, failures) > 0
        assert len(set(hasty)) > 10


def test_what_the_code_of_before_saved_is_taken_up(world: Settings, tmp_path: Path) -> None:
    """One row a lane, with all windows as one text."""
    some = records(9)
    expected = alone(world, some, tmp_path)
    with Platform(world) as platform:
        put(platform, some[: LINES // 2])
        platform.worker().drain()
        made = platform.worker()
        shares = [lane for lane in made.lanes.values() if isinstance(lane, Share)]
        with platform.state.begin() as session:
            for lane in shares:
                kept = {"known": lane.known.snapshot()}
                for name, keeper in lane.keepers.items():
                    kept[name] = orjson.dumps(keeper.correlator.state()) if isinstance(keeper, Windows) \
                        else keeper.snapshot()
                commits.save_checkpoint(session, lane.number, lane.cursor, lanes.pack(list(kept.items())))
        assert sum(keeper.correlator.count for lane in shares for keeper in lane.keepers.values()
                   if isinstance(keeper, Windows)) > 0
        put(platform, some[LINES // 2 :])
        platform.worker().drain()
        assert outcome(platform) == expected


def test_a_memory_that_was_never_saved_is_saved_while_it_is_small(world: Settings) -> None:
    with Platform(world) as platform:
        put(platform, records(4))
        made = platform.worker()
        made.step()
        shares = [lane for lane in made.lanes.values() if isinstance(lane, Share)]
        assert [{each.offset for each in lane.saved.values()} for lane in shares if lane.saved] == [
            {lane.cursor} for lane in shares if lane.saved]
        assert sum(bool(lane.saved) for lane in shares) == 1  # one a step


def test_records_that_the_journal_lost_stop_the_work_until_somebody_accepts_it(world: Settings) -> None:
    some = records(5)
    with Platform(world) as platform:
        put(platform, some[:100])
        platform.worker().drain()
        put(platform, some[100:300])
        ordinary, lost = platform.journal.read, 7
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(platform.journal, "read", lambda partition, offset, limit: [
                frame for frame in ordinary(partition, offset, limit) if frame.first >= marks[partition] + lost])
            with platform.state.read() as session:
                marks = {number: commits.mark(session, number) for number in platform.journal.partitions()}
            with pytest.raises(lanes.JournalLost):
                platform.worker().drain()
        with platform.state.begin() as session:
            for number in (number for number in marks if platform.journal.end(number) > marks[number] + lost):
                commits.skip(session, number, marks[number] + lost)
        platform.worker().drain()
        with platform.state.read() as session:
            stored = sum(row.stored for row in commits.fates(session))
        ends = {number: platform.journal.end(number) for number in marks}
    assert stored == 300 - lost * sum(ends[number] > marks[number] + lost for number in marks)
