"""Random faults under load: nothing acknowledged lost, nothing stored twice, no alert doubled, fates exact.

Rounds of TURNS faults each, half of them on one machine's form and half on the city's; SOC_FAULTS says how many faults
in all (200). Each round's outcome is kept in SOC_FAULTS_DIR (a temporary folder otherwise): a bench that is broken
off goes on with the next round. SOC_FAULTS_FORM=local leaves the servers out, SOC_FAULTS_FORM=city takes them alone.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from bench._city import City, Form
from soc_core import clock, identity
from soc_core.access import EVERYTHING
from soc_core.config import Settings, load
from soc_core.protocols import Origin, Query, Raws
from soc_core.state import alerts, commits

FORMS: tuple[Form, ...] = ("local", "city")
PROMISED = 200  # faults; fewer without a difference do not meet the promise
TURNS = 10
HOSTS, BATCH, ENOUGH = 6, 60, 8
SETTLED = 300.0  # seconds that may pass after the last fault without anything being worked off
DOOR = "http:default/"  # before the names of sources; canaries come in by it too
Batch = tuple[str, str, list[bytes]]  # source, idempotency key, lines
Fault = Callable[[City, random.Random], None]


class Load:
    """Logons of a few hosts, sent batch by batch from a thread of its own; each until it is acknowledged."""

    def __init__(self, city: City, seed: int) -> None:
        self.city, self.draw = city, random.Random(seed)
        self.sent: list[Batch] = []
        self.trouble: BaseException | None = None
        self.began = clock.now() - 10 * clock.MINUTE
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                batch = self._batch(len(self.sent))
                self.city.send(batch[0], batch[1], b"\n".join(batch[2]))
                self.sent.append(batch)
                time.sleep(0.05)
        except BaseException as error:
            self.trouble = error

    def _batch(self, number: int) -> Batch:
        host = f"host{number % HOSTS}"
        lines = []
        for n in range(BATCH):
            at = clock.to_text(self.began + (number * BATCH + n) * clock.SECOND // 10)
            address = f"192.0.2.{self.draw.choice([7, 7, 8, *range(20, 60)])}"
            what = "Accepted" if self.draw.random() < 0.1 else "Failed"
            user = self.draw.choice(["root", "admin", f"user{n}"])
            lines.append(f"<38>1 {at} {host} sshd 12 - - {what} password for {user} from {address} port 51514 ssh2"
                         .encode())
        return f"fault/{host}", f"batch-{number}", lines

    def stop(self) -> None:
        """Send no more; what is under way is still acknowledged. Raises what went wrong."""
        self._ended.set()
        self._thread.join()
        if self.trouble:
            raise self.trouble


# ---------------------------------------------------------------- faults


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
    city.shim.set(_jump(city), 0.3)
    time.sleep(4)
    city.shim.set(_jump(city), 0.0)


def clock_jumps(city: City, draw: random.Random) -> None:
    """Back or forth, with midnight between."""
    _JUMPS[city.port] = _to_midnight() + draw.randint(-1200, 1200)
    city.shim.set(_jump(city), 0.0)


def disk_full(city: City, draw: random.Random) -> None:
    ballast = city.data / "ballast"
    with ballast.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(1 << 16))
        except OSError:
            pass
    time.sleep(4)
    ballast.unlink()


def kafka_killed(city: City, draw: random.Random) -> None:
    city.kafka.kill()
    time.sleep(draw.uniform(0, 8))
    city.kafka.start()


def elastic_killed(city: City, draw: random.Random) -> None:
    city.elastic.kill()
    time.sleep(draw.uniform(0, 8))
    city.elastic.start()


def elastic_away(city: City, draw: random.Random) -> None:
    """It does not answer, and then goes on where it was."""
    os.killpg(city.elastic.process.pid, signal.SIGSTOP)
    time.sleep(draw.uniform(2, 15))
    os.killpg(city.elastic.process.pid, signal.SIGCONT)


def postgres_killed(city: City, draw: random.Random) -> None:
    city.postgres.kill()
    time.sleep(draw.uniform(0, 5))
    city.postgres.start()


_JUMPS: dict[int, int] = {}
ANYWHERE: tuple[Fault, ...] = (collector_killed, worker_killed, all_killed, rebalance, worker_hangs)
SHIMMED: tuple[Fault, ...] = (slow_disk, clock_jumps)
SERVERS: tuple[Fault, ...] = (kafka_killed, elastic_killed, elastic_away, postgres_killed)


def _jump(city: City) -> int:
    return _JUMPS.get(city.port, 0)


def _to_midnight() -> int:
    """Seconds to the next midnight of UTC."""
    return (clock.DAY - clock.now() % clock.DAY) // clock.SECOND


def possible(city: City) -> list[Fault]:
    """The faults that can be made here."""
    found = [*ANYWHERE, *(SHIMMED if city.shim.works else ())]
    if city.small:
        found.append(disk_full)
    return [*found, *(SERVERS if city.form == "city" else ())]


# ---------------------------------------------------------------- one round


def trial(form: Form, faults: int, seed: int, pause: float = 1.5, cache: Path | None = None,
          workers: int = 2) -> dict[str, Any]:
    """So many random faults under load; what they were, how much was sent, and what is wrong (in words)."""
    draw = random.Random(seed)
    city = City(form, workers, cache)
    try:
        load_ = Load(city, seed)
        done: Counter[str] = Counter()
        deck: list[Fault] = []
        flow(city, load_, pause)
        for _ in range(faults):
            deck = deck or draw.sample(possible(city), len(possible(city)))  # each kind before any comes again
            fault = deck.pop()
            fault(city, draw)
            done[fault.__name__] += 1
            flow(city, load_, pause)
        load_.stop()
        settings = load(city.data)
        seconds = settle(city, settings, len(load_.sent) * BATCH)
        city.stop()
        wrong = differences(settings, load_.sent)
        return {"form": form, "seed": seed, "faults": dict(done), "records": len(load_.sent) * BATCH,
                "settled": round(seconds, 1), "wrong": wrong}
    finally:
        city.close()


def flow(city: City, load_: Load, pause: float) -> None:
    """Let some batches be acknowledged: a fault is to fall into the work, not into the start."""
    began, before = time.monotonic(), len(load_.sent)
    while not load_.trouble and (len(load_.sent) < before + ENOUGH or time.monotonic() < began + pause):
        city.tend()
        time.sleep(0.05)


def settle(city: City, settings: Settings, records: int) -> float:
    """Wait until every lane is worked off; how long it took. Raises TimeoutError with the workers' last words once
    nothing moves any more: how quick it is depends on the machine."""
    from soc_cli.stages import stages

    began = moved = time.monotonic()
    before: object = None
    while time.monotonic() < moved + SETTLED:
        city.tend()
        whole = stages(settings)
        behind = whole["lag"] + whole["totals"]["pending"] + sum(each["lag"] for each in whole["shared"].values())
        if not behind and whole["totals"]["stored"] >= records:
            return time.monotonic() - began
        if before != (before := (behind, whole["totals"])):
            moved = time.monotonic()
        time.sleep(1.0)
    said = (city.folder / "work.log").read_text()[-3000:]
    raise TimeoutError(f"{behind} records behind, {whole['totals']}: {said}")


def differences(settings: Settings, sent: list[Batch]) -> list[str]:
    """What is not as it was acknowledged, in words."""
    from soc_cli.stages import stages
    from soc_cli.wiring import Platform

    wrong = []
    with Platform(settings) as platform:
        ids: Counter[str] = Counter()
        for batch in platform.store("real").scan(Query(), EVERYTHING):
            ids.update(batch.column("event.id").to_list())
        with platform.state.read() as session:
            fates = [row for row in commits.fates(session) if row.source.startswith(f"{DOOR}fault/")]
        found = told(platform)
    expected = {event for batch in sent for event in ids_of(batch)}
    if lost := expected - set(ids):
        wrong.append(f"{len(lost)} acknowledged records are lost")
    if odd := set(ids) - expected:
        wrong.append(f"{len(odd)} events that nobody sent")
    if twice := sum(count - 1 for count in ids.values()):
        wrong.append(f"{twice} events are stored twice")
    if sum(row.stored for row in fates) != len(expected):
        wrong.append(f"{sum(row.stored for row in fates)} records count as stored, {len(expected)} are")
    whole = stages(settings)
    if not whole["balanced"] or whole["totals"]["pending"] or whole["totals"]["quarantined"]:
        wrong.append(f"the fates do not add up: {whole['totals']}")
    with tempfile.TemporaryDirectory(prefix="soc-calm-") as folder:
        calm = undisturbed(settings.model_copy(update={
            "data": Path(folder), "state": "", "event_engine": Settings().event_engine,
            "journal_engine": Settings().journal_engine}), sent)
    if not calm:
        wrong.append("the undisturbed run raised no alert: nothing was compared")
    if differing := set(calm) ^ set(found):
        wrong.append(f"{len(differing)} alerts differ: {sorted(differing)[:4]}")
    return wrong


def ids_of(batch: Batch) -> list[str]:
    """The ids of the events of one batch, which follow from its source, key and lines alone."""
    source, key, lines = batch
    number = identity.source_number(f"{DOOR}{source}:{key}")
    positions = np.arange(len(lines), dtype=np.int64)
    return identity.event_ids(np.full(len(lines), number), positions, np.zeros(len(lines), dtype=np.int64)).to_list()


def undisturbed(settings: Settings, sent: list[Batch]) -> list[str]:
    """The alerts that one worker raises on the same records in one pass."""
    from soc_cli.wiring import Platform

    with Platform(settings) as platform:
        for source, key, lines in sent:
            origin = Origin(source=f"{DOOR}{source}", format="syslog", series=key)
            platform.journal.append([Raws(origin, lines, clock.now(), np.arange(len(lines), dtype=np.int64))])
        platform.worker().drain()
        return told(platform)


def told(platform: Any) -> list[str]:
    """Every alert as one text: rule, group, count, times and entities."""
    with platform.state.read() as session:
        found, _ = alerts.find(session, EVERYTHING, limit=100_000)
    return sorted(orjson.dumps([
        one.rule_id, sorted(one.group.items()), one.count, one.first_seen, one.last_seen,
        {name: sorted(values) for name, values in one.entities.items()},
    ], option=orjson.OPT_SORT_KEYS).decode() for one in found)


def figures() -> list[dict[str, Any]]:
    wanted = int(os.environ.get("SOC_FAULTS", PROMISED))
    only = os.environ.get("SOC_FAULTS_FORM")
    forms = [form for form in FORMS if only in (None, "", form)]
    if not forms:
        raise ValueError(f"SOC_FAULTS_FORM is {' or '.join(FORMS)}, not {only}")
    place = Path(os.environ.get("SOC_FAULTS_DIR") or tempfile.mkdtemp(prefix="soc-faults-kept-"))
    cache, kept = place / "cache", place / "rounds.jsonl"
    cache.mkdir(parents=True, exist_ok=True)
    rounds = [orjson.loads(line) for line in kept.read_bytes().splitlines()] if kept.exists() else []
    while sum(sum(each["faults"].values()) for each in rounds) < wanted:
        done = Counter(each["form"] for each in rounds)
        form = min(forms, key=lambda form: done[form])
        seed = len(FORMS) * done[form] + FORMS.index(form) + 1
        rounds.append(trial(form, TURNS, seed, cache=cache))
        with kept.open("ab") as out:
            out.write(orjson.dumps(rounds[-1]) + b"\n")
        print(rounds[-1], flush=True)
    return [figure(rounds)]


def figure(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """What was done and what was wrong, in one line; kind by kind it is printed."""
    kinds = {form: sum((Counter(each["faults"]) for each in rounds if each["form"] == form), Counter[str]())
             for form in FORMS}
    wrong = [line for each in rounds for line in each["wrong"]]
    print(*(f"{form}: {dict(found)}" for form, found in kinds.items()), *wrong, sep="\n")
    counts = " + ".join(f"{found.total()} {form}" for form, found in kinds.items())
    return {"name": "faults: lost, stored twice, alerts or fates that differ", "value": len(wrong),
            "unit": f"in {counts} faults, {sum(each['records'] for each in rounds):,} records",
            "target": 0, "met": not wrong and sum(found.total() for found in kinds.values()) >= PROMISED}
