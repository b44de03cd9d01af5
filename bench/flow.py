"""The whole flow: mixed records → durable journal → ECS → all rules and correlations → embedded store, as in a city.

bench/mix.yml says what is sent. A generator writes into the journal as a collector does; workers (a process each) take
the records through the real loop. First as much as they can take (the sustained rate), then at SOC_BENCH_RATE a second
(12,000), when each alert's delay from the receipt of its event is taken,
and what the slowest waited for. Rules: sigma-rules of SOC_CORPORA, where it
is, and ours. SOC_BENCH_SECONDS is the length of each half (15; the full form: 600), SOC_BENCH_WORKERS the processes.
"""

from __future__ import annotations

import bisect
import gc
import multiprocessing
import os
import queue
import random
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import _mix
from bench.inventory import row
from soc_core import clock, garbage
from soc_core.access import EVERYTHING
from soc_core.config import Settings
from soc_core.protocols import Frame, Origin, Raws
from soc_core.state.claims import SHARED

CORPORA = Path(os.environ.get("SOC_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
SECONDS = float(os.environ.get("SOC_BENCH_SECONDS") or 15)
RATE = int(os.environ.get("SOC_BENCH_RATE") or 12_000)
WORKERS = int(os.environ.get("SOC_BENCH_WORKERS") or 2)
SLICE = 0.1  # seconds between appends
AHEAD = 60_000  # records that may wait in the journal while the rate is taken
NEEDED, GOAL = 12_000, 25_400


class Shared(NamedTuple):
    """What the processes tell each other."""

    ready: Any  # barrier of all
    made: Any  # records in the journal
    done: list[Any]  # by worker: records committed
    half: Any
    stop: Any
    told: Any  # queue: (who, facts)


def settings(folder: Path) -> Settings:
    public = [CORPORA / "sigma-rules" / name for name in ("rules", "correlation")]
    plain = Settings(data=folder, partitions=2 * WORKERS)
    return plain.model_copy(update={"rules": [*plain.rules, *(path for path in public if path.exists())]})


# ---------------------------------------------------------------- the sender


def generate(folder: Path, shared: Shared) -> None:
    """Write records until both halves are over; tell how many, and the processor time of making and of writing."""
    from soc_cli.wiring import Platform

    spent: dict[str, float] = defaultdict(float)
    with Platform(settings(folder)) as platform:
        sender = Sender(random.Random(7))
        shared.ready.wait()
        facts = {}
        for half, rate in (("full", None), ("paced", RATE)):
            began, first = time.monotonic(), shared.made.value
            before = sum(done.value for done in shared.done)
            while (passed := time.monotonic() - began) < SECONDS:
                if rate is None:
                    room = AHEAD - shared.made.value + sum(done.value for done in shared.done)
                else:
                    room = int(rate * passed) - (shared.made.value - first)
                if room > 0:
                    t0 = time.process_time()
                    raws = sender.some(min(room, 4 * RATE))
                    t1 = time.process_time()
                    platform.journal.append(raws)
                    spent["making"] += t1 - t0
                    spent["appending"] += time.process_time() - t1
                    shared.made.value += sum(len(each.lines) for each in raws)
                time.sleep(SLICE)
            seconds = time.monotonic() - began
            facts[half] = {"sent": (shared.made.value - first) / seconds,
                           "done": (sum(done.value for done in shared.done) - before) / seconds}
            while half == "full" and sum(done.value for done in shared.done) < shared.made.value:
                time.sleep(SLICE)
            shared.half.set()
        shared.told.put(("sender", {**facts, "cpu": dict(spent), "records": shared.made.value}))
    shared.stop.set()


class Sender:
    """Makes records by bench/mix.yml, each source with positions of its own."""

    def __init__(self, draw: random.Random) -> None:
        self.draw, self.mix = draw, _mix.mix()
        self.at: dict[str, int] = defaultdict(int)

    def some(self, count: int) -> list[Raws]:
        """So many records, those of one source together."""
        now, stamp = clock.now(), datetime.now(_mix.CHINA)
        found = []
        for name, kind in self.mix.items():
            each = max(1, count * kind.share // 100 // kind.sources)
            make = _mix.MAKERS[name]
            for number in range(kind.sources):
                lines = [make(self.draw, stamp, number).encode() for _ in range(each)]
                source = f"bench:{name}:{number}"
                start = self.at[source]
                self.at[source] += each
                places = np.arange(start, start + each, dtype=np.int64)
                found.append(Raws(Origin(source=source, format=kind.format), lines, now, places))
        return found


# ---------------------------------------------------------------- the workers


class Delay(NamedTuple):
    """When the record was received, what it led to was sent to a share (0: was not), was read, was committed."""

    event: str
    received: int
    sent: int
    read: int
    done: int

    @property
    def parts(self) -> dict[str, float]:
        """Seconds by what they were spent on."""
        if not self.sent:
            return {"waiting in the journal": (self.read - self.received) / 1e6,
                    "the step that found it": (self.done - self.read) / 1e6}
        return {"until sent to a share": (self.sent - self.received) / 1e6,
                "waiting for the share": (self.read - self.sent) / 1e6,
                "the share's step": (self.done - self.read) / 1e6}


class Watch:
    """Processor time by stage, and the delay of each finding from the receipt of its record."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.inner = 0.0
        self.frames: dict[int, list[tuple[Frame, int]]] = defaultdict(list)  # by lane: the last ones, and when read
        self.waiting: list[Any] = []
        self.delays: list[Delay] = []
        self.pause = self._collecting = 0.0
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting = time.perf_counter()
        else:
            self.pause = max(self.pause, time.perf_counter() - self._collecting)

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call with its own time noted, without that of stages inside it."""
        def timed(*args: Any, **kwargs: Any) -> Any:
            outer, self.inner = self.inner, 0.0
            began = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                whole = time.process_time() - began
                self.spent[stage] += whole - self.inner
                self.inner = outer + whole

        return timed

    def over(self, stage: str, owner: object, name: str) -> None:
        """Time a method of one object from now on."""
        setattr(owner, name, self.timed(stage, getattr(owner, name)))

    def settle(self) -> None:
        """What was found in the last step is committed now."""
        now = clock.now()
        for finding in self.waiting:
            frame, read = self._frame(finding)
            if frame is None:
                self.delays.append(Delay(finding.event_id, int(finding.at), now, now, now))
            elif finding.partition >= SHARED:
                self.delays.append(Delay(finding.event_id, int(finding.at), frame.raws.received, read, now))
            else:
                self.delays.append(Delay("", frame.raws.received, 0, read, now))
        self.waiting.clear()

    def _frame(self, finding: Any) -> tuple[Frame | None, int]:
        mine = self.frames[finding.partition]
        at = bisect.bisect_right([frame.first for frame, _ in mine], finding.offset) - 1
        if at < 0 or finding.offset >= mine[at][0].first + len(mine[at][0].raws.lines):
            return None, 0
        return mine[at]

    def resolved(self, store: Any) -> list[Delay]:
        """With the receipt of the events that correlations found, which the store knows."""
        ids = sorted({delay.event for delay in self.delays if delay.event})
        rows = [row for at in range(0, len(ids), 1000) for row in store.get(ids[at : at + 1000], EVERYTHING)]
        known = {row["event.id"]: int(row["event.ingested"]) for row in rows}
        return [delay._replace(received=known.get(delay.event, delay.received)) for delay in self.delays]


def work(number: int, folder: Path, shared: Shared) -> None:
    """Take this worker's lanes through the loop until told to stop and nothing is left."""
    from soc_cli.wiring import Platform
    from soc_core import pipeline
    from soc_core.pipeline import Partition

    watch = Watch()
    with Platform(settings(folder)) as platform:
        worker = platform.worker(lanes=())
        worker.take([lane for lane in worker.all_lanes() if lane % WORKERS == number])
        parts = worker.parts
        lanes = [lane for lane in worker.lanes.values() if isinstance(lane, Partition)]
        vars(pipeline)["identify"] = watch.timed("identity", vars(pipeline)["identify"])
        parts.parse = watch.timed("parse", parts.parse)
        parts.assemble = watch.timed("assemble", parts.assemble)
        parts.triage = _listening(watch, watch.timed("triage", parts.triage))
        for lane in worker.lanes.values():
            stage = "the rest of a step" if lane in lanes else "shared memory"
            watch.over(stage, lane, "run")
            watch.over("read", lane, "read")
            vars(lane)["read"] = _reading(watch, lane.number, lane.read)
            if isinstance(lane, Partition):
                for enricher in lane.enrichers:
                    watch.over("enrich", enricher, "enrich")
                for part in ("store", "detect", "commit"):
                    watch.over(part, lane, f"_{part}")
        watch.over("checkpoint", worker, "_save")
        if worker.outlet:
            watch.over("sharing", worker.outlet, "send")
        garbage.settle()
        keeping, watch.pause = garbage.Keeping(), 0.0
        shared.ready.wait()
        began = time.process_time()
        halves: list[int] = []
        while True:
            stopping = shared.stop.is_set()
            done = worker.step()
            watch.settle()
            keeping.step(idle=not done)
            shared.done[number].value = sum(lane.cursor for lane in lanes)
            if not halves and shared.half.is_set():
                halves.append(len(watch.delays))
            if not done:
                if stopping:
                    break
                time.sleep(0.02)
        worker.drain()
        shared.done[number].value = sum(lane.cursor for lane in lanes)
        facts = {"spent": dict(watch.spent), "cpu": time.process_time() - began,
                 "delays": watch.resolved(platform.store("real"))[halves[0] if halves else 0 :], "pause": watch.pause,
                 "errors": dict(worker.detector_errors), "slow": parts.tracer.report()}
        shared.told.put((number, facts))


def _listening(watch: Watch, triage: Callable[..., Any]) -> Callable[..., Any]:
    def listening(session: Any, findings: Sequence[Any], at: int, **more: Any) -> Any:
        watch.waiting += findings
        return triage(session, findings, at, **more)

    return listening


def _reading(watch: Watch, lane: int, read: Callable[[], list[Frame]]) -> Callable[[], list[Frame]]:
    def reading() -> list[Frame]:
        found = read()
        now = clock.now()
        watch.frames[lane] = [*watch.frames[lane][-64:], *((frame, now) for frame in found)]
        return found

    return reading


# ---------------------------------------------------------------- the figures


def figures() -> list[dict[str, Any]]:
    """Rates of both halves, delays, and what each stage and the sender cost."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    folder = Path(tempfile.mkdtemp(prefix="soc-flow-"))
    try:
        told = _run(context, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sender = told.pop("sender")
    cpu: dict[str, float] = defaultdict(float)
    for facts in told.values():
        for stage, spent in facts["spent"].items():
            cpu[stage] += spent
    told_delays = [delay for facts in told.values() for delay in facts["delays"]]
    delays = [sum(delay.parts.values()) for delay in told_delays]
    records, whole = sender["records"], sum(cpu.values())
    rate = sender["full"]["done"]
    missing = records - sum(facts["done"] for facts in told.values())
    late = float(np.percentile(delays, 99)) if delays else 0.0
    return [
        row("flow: records a second, sustained", round(rate), "records/s", target=NEEDED, met=rate >= NEEDED),
        row("flow: records a second when so many are sent", round(sender["paced"]["done"]), "records/s",
            target=min(RATE, NEEDED), met=sender["paced"]["done"] >= 0.98 * min(RATE, NEEDED)),
        row("flow: receipt of an event to its alert, 99th of 100", round(late, 2), "s", target=2, met=late <= 2),
        row("flow: records not committed at the end", missing, "records", target=0, met=missing == 0),
        row("flow: findings timed", len(delays), "findings"),
        *_slowest(told_delays),
        row("flow: longest pause of Python's collector", round(max(facts["pause"] for facts in told.values()), 3), "s"),
        row("flow: records a second that the processor time of two cores allows",
            round(2 * records / (whole + sum(sender["cpu"].values()))), "records/s", target=GOAL),
        row("flow: workers' processor time", round(1e6 * whole / records, 1), "µs a record"),
        *(row(f"flow: share of {stage}", round(100 * spent / whole, 1), "%")
          for stage, spent in sorted(cpu.items(), key=lambda pair: -pair[1])),
        row("flow: sender's processor time, making", round(1e6 * sender["cpu"]["making"] / records, 1), "µs a record"),
        row("flow: sender's processor time, journal", round(1e6 * sender["cpu"]["appending"] / records, 1),
            "µs a record"),
    ]


def _slowest(delays: list[Delay]) -> list[dict[str, Any]]:
    """What the slowest fiftieth of alerts, at least ten, waited for: means, of plain and of correlated ones."""
    found = []
    for name, kind in (("rules", False), ("correlations", True)):
        mine = [delay for delay in delays if bool(delay.sent) == kind]
        mine.sort(key=lambda delay: delay.received - delay.done)
        slow = [delay.parts for delay in mine[: max(10, len(mine) // 50)]]
        for part in slow[0] if slow else ():
            mean = float(np.mean([parts[part] for parts in slow]))
            found.append(row(f"flow: slowest {name}, {part}", round(mean, 2), "s"))
    return found


def _run(context: SpawnContext, folder: Path) -> dict[Any, Any]:
    """All processes; what each told."""
    from soc_cli.wiring import Platform

    with Platform(settings(folder)) as platform:  # journal and databases are there before anybody opens them
        platform.state.migrate()
        platform.journal.partitions()
        platform.shared.partitions()
        platform.detectors()
    shared = Shared(context.Barrier(WORKERS + 1), context.Value("q", 0, lock=False),
        [context.Value("q", 0, lock=False) for _ in range(WORKERS)], context.Event(), context.Event(), context.Queue())
    each = [context.Process(target=work, args=(number, folder, shared)) for number in range(WORKERS)]
    each.append(context.Process(target=generate, args=(folder, shared)))
    for process in each:
        process.start()
    told: dict[Any, Any] = {}
    try:
        while len(told) < len(each):
            try:
                who, facts = shared.told.get(timeout=1)
                told[who] = facts
            except queue.Empty:
                if any(process.exitcode for process in each):
                    raise RuntimeError("a process of the bench failed") from None
        for number in range(WORKERS):
            told[number]["done"] = shared.done[number].value
    finally:
        for process in each:
            process.join(5)
            process.kill()
    return told
