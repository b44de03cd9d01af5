"""The faults that bench/faults.py draws from. Each takes a city and random numbers, and is over when it returns."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

from bench._city import PATIENCE, City
from soc_core import clock, engines
from soc_core.config import load
from soc_core.protocols import Journal
from soc_core.state import commits
from soc_core.state.claims import SHARED
from soc_core.state.database import Database

Fault = Callable[[City, random.Random], None]
MINUTES = (3.0, 15.0, 75.0, 150.0)  # seconds that Elasticsearch is away


def collector_killed(city: City, draw: random.Random) -> None:
    city.kill(city.collector)


def worker_killed(city: City, draw: random.Random) -> None:
    city.kill(draw.choice(city.workers))


def all_killed(city: City, draw: random.Random) -> None:
    city.kill_all()


def rebalance(city: City, draw: random.Random) -> None:
    """One worker more, or one fewer."""
    if len(city.workers) < 3:
        city.work()
    else:
        city.workers.pop().terminate()


def worker_hangs(city: City, draw: random.Random) -> None:
    """A worker stands still until others think it dead, and goes on."""
    worker = draw.choice(city.workers)
    worker.send_signal(signal.SIGSTOP)
    time.sleep(draw.choice([1.0, 4.0, 18.0]))
    worker.send_signal(signal.SIGCONT)


def slow_disk(city: City, draw: random.Random) -> None:
    """Every sync takes long, ours and the servers'."""
    city.shim.set(city.jump, 0.3)
    city.theirs.set(0, 0.3)
    time.sleep(4)
    city.shim.set(city.jump, 0.0)
    city.theirs.set(0, 0.0)


def clock_jumps(city: City, draw: random.Random) -> None:
    """Back or forth by some minutes, from whatever time the clock showed."""
    city.jump += draw.choice([-1, 1]) * draw.randint(30, 1200)
    city.shim.set(city.jump, 0.0)


def midnight(city: City, draw: random.Random) -> None:
    """The clock stands shortly before the end of a day, and goes on into the next."""
    left = (clock.DAY - (clock.now() + city.jump * clock.SECOND) % clock.DAY) // clock.SECOND
    city.jump += left - draw.randint(2, 8)
    city.shim.set(city.jump, 0.0)
    time.sleep(10)


def disk_full(city: City, draw: random.Random) -> None:
    """The disk that all of it lies on; then there is room again, and the servers are started anew."""
    ballast = city.disk / "ballast"
    with ballast.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(1 << 16))
        except OSError:
            pass
    time.sleep(4)
    ballast.unlink()
    if city.form == "city":
        for server in (city.kafka, city.postgres, city.elastic):
            server.kill()
            server.start()


def kafka_killed(city: City, draw: random.Random) -> None:
    city.kafka.kill()
    time.sleep(draw.uniform(0, 8))
    city.kafka.start()


def elastic_killed(city: City, draw: random.Random) -> None:
    city.elastic.kill()
    time.sleep(draw.uniform(0, 8))
    city.elastic.start()


def elastic_away(city: City, draw: random.Random) -> None:
    """It does not answer for a while, or for minutes, and then goes on where it was."""
    os.killpg(city.elastic.process.pid, signal.SIGSTOP)
    until = time.monotonic() + draw.choice(MINUTES)
    while time.monotonic() < until:
        city.tend()
        time.sleep(0.5)
    os.killpg(city.elastic.process.pid, signal.SIGCONT)


def postgres_killed(city: City, draw: random.Random) -> None:
    city.postgres.kill()
    time.sleep(draw.uniform(0, 5))
    city.postgres.start()


def topic_remade(city: City, draw: random.Random) -> None:
    """A topic that was worked off is deleted, and made anew by whoever comes first; the operator accepts it."""
    from confluent_kafka.admin import AdminClient

    settings = load(city.data)
    admin = AdminClient({"bootstrap.servers": city.kafka.address})
    with city.door:
        opened = engines.open_journal(settings), engines.open_shared(settings)
        state = Database(settings.state_url)
        try:
            _worked_off(city, state, *opened)
        finally:
            for each in (*opened, state):
                each.close()
        assert settings.journal_engine.kafka, "the city's form alone has topics"
        base = settings.journal_engine.kafka.topic
        topic = draw.choice([base, f"{base}.shared"])
        for done in admin.delete_topics([topic, f"{topic}.tails"], operation_timeout=10).values():
            done.result(PATIENCE)
    until = time.monotonic() + draw.uniform(0, 5)
    while time.monotonic() < until:
        city.tend()
        time.sleep(0.2)
    city.accept()


def _worked_off(city: City, state: Database, journal: Journal, shared: Journal) -> None:
    """Wait until both journals are committed, and saved whole in the memory of their lanes. Raises TimeoutError."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        city.tend()
        ends = {base + number: each.end(number) for base, each in ((0, journal), (SHARED, shared))
                for number in each.partitions()}
        with state.read() as session:
            marks = commits.marks(session)
            saved = {lane: {row.offset for row in commits.checkpoints(session, lane)} or {0} for lane in ends}
        if all(marks.get(lane, 0) == end and saved[lane] == {end} for lane, end in ends.items()):
            return
        time.sleep(0.5)
    raise TimeoutError(f"not worked off: {city.said('work')}")


ANYWHERE: tuple[Fault, ...] = (collector_killed, worker_killed, all_killed, rebalance, worker_hangs)
SHIMMED: tuple[Fault, ...] = (slow_disk, clock_jumps, midnight)
SERVERS: tuple[Fault, ...] = (kafka_killed, elastic_killed, elastic_away, postgres_killed, topic_remade)


def possible(city: City) -> list[Fault]:
    """The faults that can be made here."""
    found = [*ANYWHERE, *(SHIMMED if city.shim.works else ())]
    if city.small:
        found.append(disk_full)
    return [*found, *(SERVERS if city.form == "city" else ())]
