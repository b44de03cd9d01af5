"""How two workers do beside one, over a topic that was filled before, and beside pure computing in the same run.

Each partition holds as much as any other, so that neither worker runs out of work before the other. Measured is the
middle part, when caches are warm and every worker still has records. The broker works on the same cores: what it
takes is shown, and how two workers do on the rest.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka.admin import AdminClient

from bench import _mix
from soc_core import clock
from soc_core.config import ROOT, Settings, load
from soc_core.journal.kafka import KafkaJournal
from soc_core.protocols import Origin, Raws
from soc_core.state import claims, commits
from soc_core.state.claims import SHARED
from soc_core.state.database import Database

CORPORA = Path(os.environ.get("SOC_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
RECORDS = int(os.environ.get("SOC_BENCH_RECORDS", "600000"))
PARTITIONS, APPEND = 8, 2000
WARM, DONE = 0.3, 0.85  # of all records: where measuring begins and ends
PATIENCE = 900.0
TICKS = os.sysconf("SC_CLK_TCK")
SPIN = """
import time
end, n = time.monotonic() + 8, 0
while time.monotonic() < end:
    sum(range(20000))
    n += 1
print(n)
"""


class Run(NamedTuple):
    """Records a second (of the wall and of the workers' processors), and the broker's share of one processor."""

    rate: float
    of_cpu: float
    broker: float


def figures(address: str, broker: int | None) -> list[dict[str, Any]]:
    """`broker` is the process id of the broker, where it is ours."""
    with tempfile.TemporaryDirectory(prefix="soc-workers-") as folder:
        topic = f"bench-{os.getpid()}"
        fill(address, topic)
        (cache := Path(folder) / "cache").mkdir()
        pure = [(spin(1), spin(2))]
        one, two = (run(Path(folder), cache, address, topic, count, broker) for count in (1, 2))
        pure.append((spin(1), spin(2)))  # before and after: the machine may have other work
    control = sum(both for _, both in pure) / sum(alone for alone, _ in pure)
    scaling, rest = two.rate / one.rate, max(1.0, control - two.broker)
    return [
        {"name": "Kafka path, 1 worker", "value": round(one.rate), "unit": "records/s"},
        {"name": "Kafka path, 2 workers", "value": round(two.rate), "unit": "records/s"},
        {"name": "Kafka path, workers 1 → 2", "value": round(scaling, 2), "unit": "times",
         "peer": "pure computing, processes 1 → 2", "peer_value": round(control, 2),
         "ratio": round(scaling / control, 2), "target": 0.8, "met": scaling >= 0.8 * control},
        {"name": "Kafka path, workers 1 → 2, on what the broker leaves", "value": round(scaling, 2), "unit": "times",
         "peer": "pure computing less the broker's CPU", "peer_value": round(rest, 2),
         "ratio": round(scaling / rest, 2)},
        {"name": "Kafka path, records a second of the workers' CPU, 1 → 2", "value": round(two.of_cpu),
         "unit": "records/s of CPU", "peer": "1 worker", "peer_value": round(one.of_cpu),
         "ratio": round(two.of_cpu / one.of_cpu, 2)},
        {"name": "Kafka path, the broker's CPU beside 2 workers", "value": round(100 * two.broker),
         "unit": "% of a core", "peer": "beside 1 worker", "peer_value": round(100 * one.broker)},
    ]


def rules() -> list[Path]:
    """Ours, and the public ones where they are."""
    public = [CORPORA / "sigma-rules" / name for name in ("rules", "correlation")]
    return [*Settings().rules, *(path for path in public if path.exists())]


def fill(address: str, topic: str) -> None:
    """RECORDS as bench/mix.yml mixes them into the topic, as many of each kind into each partition."""
    journal = KafkaJournal(address, topic, PARTITIONS)
    kinds = _mix.mix()
    homes = {name: at_home(journal, name) for name in kinds}
    draw, at = random.Random(7), dict.fromkeys(kinds, 0)
    for _ in range(RECORDS // (APPEND * PARTITIONS)):
        for partition in range(PARTITIONS):
            stamp = datetime.now(_mix.CHINA)
            found = []
            for name, kind in kinds.items():
                lines = [_mix.MAKERS[name](draw, stamp, partition).encode() for _ in range(APPEND * kind.share // 100)]
                origin = Origin(source=homes[name][partition], format=kind.format)
                found.append(Raws(origin, lines, clock.now(), np.arange(len(lines), dtype=np.int64) + at[name]))
            journal.append(found)
        at = {name: start + APPEND * kinds[name].share // 100 for name, start in at.items()}
    journal.close()


def at_home(journal: KafkaJournal, kind: str) -> list[str]:
    """A source of this kind for each partition."""
    found: dict[int, str] = {}
    for name in map(f"bench:{kind}:{{}}".format, count()):
        found.setdefault(journal.partition_of(name), name)
        if len(found) == PARTITIONS:
            return [found[partition] for partition in range(PARTITIONS)]
    raise AssertionError("unreachable")


def run(folder: Path, cache: Path, address: str, topic: str, size: int, broker: int | None) -> Run:
    """So many workers over the whole topic, measured over its middle part."""
    data = folder / f"workers-{size}"
    data.mkdir()
    (data / "cache").symlink_to(cache)
    (data / "soc.yaml").write_text(f"journal: {{kafka: {{servers: '{address}', topic: {topic}, keep: true}}}}\n"
                                   f"partitions: {PARTITIONS}\nrules: [{', '.join(map(str, rules()))}]\n")
    settings = load(data)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with (data / "log").open("wb") as out:
        command = [sys.executable, "-m", "soc_cli", "work", "--data", str(data)]
        workers = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
                   for _ in range(size)]
    try:
        state = Database(settings.state_url)
        state.migrate()
        began = next(each for each in watched(state) if each[1] == size and each[0] >= WARM * RECORDS)
        at, used, spent = time.monotonic(), sum(cpu(each.pid) for each in workers), cpu(broker)
        done = next(each for each in watched(state) if each[0] >= DONE * RECORDS)
        seconds = time.monotonic() - at
        used = sum(cpu(each.pid) for each in workers) - used
        spent = cpu(broker) - spent
        state.close()
        records = done[0] - began[0]
        return Run(records / seconds, records / used, spent / seconds)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(PATIENCE)
        forget(address, f"{topic}.shared")
        shutil.rmtree(data, ignore_errors=True)


def forget(address: str, topic: str) -> None:
    """Delete what the workers of one run told each other: the next run's state knows nothing of it."""
    admin = AdminClient({"bootstrap.servers": address})
    for done in admin.delete_topics([topic, f"{topic}.tails"], operation_timeout=10).values():
        done.result(30)
    while topic in admin.list_topics(timeout=10).topics:
        time.sleep(0.1)


def watched(state: Database) -> Iterator[tuple[int, int]]:
    """(records committed, workers that have their part of the lanes), again and again."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with state.read() as session:
            done = sum(mark for lane, mark in commits.marks(session).items() if lane < SHARED)
            held = [sum(0 <= lane < SHARED for lane in each.lanes) for each in claims.listing(session)]
        yield done, len(held) if held and min(held) >= PARTITIONS // len(held) and done else 0
        time.sleep(0.1)
    raise TimeoutError("the workers did not get through the topic")


def cpu(process: int | None) -> float:
    """Seconds of processor time that a process has used."""
    if process is None:
        return 0.0
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def spin(processes: int) -> float:
    """What so many processes that only compute get done together."""
    running = [subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) for _ in range(processes)]
    return float(sum(int(each.communicate()[0]) for each in running))
