"""Where the time of a step goes: seconds by stage, the last steps and the slowest, each with an id. 追踪

A trace belongs to one step of one partition: its id is PARTITION:FIRST-END, the records it took, which also stand in
soc.partition and soc.offset of every event it made.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from soc_core import clock

log = logging.getLogger("soc.trace")
LAST, SLOWEST = 16, 8
RECENT = 10 * clock.MINUTE  # slower steps from before are forgotten


@runtime_checkable
class Costed(Protocol):
    """A detector that knows what each rule alone costs, beside what is looked for for all rules together."""

    def costs(self) -> Mapping[str, float]:
        """Seconds by rule, since the process began."""


@dataclass
class Trace:
    """One step under way, or done. Seconds of the wall; a stage may come several times."""

    partition: int
    first: int
    at: clock.Micros
    stages: dict[str, float] = field(default_factory=dict)
    end: int = 0
    records: int = 0
    events: int = 0
    findings: int = 0
    delay: float = 0.0  # of the oldest record, from its receipt to the commit
    seconds: float = 0.0
    began: float = field(default_factory=time.perf_counter)
    stir: Callable[[], None] = lambda: None  # says that something moves

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The block is this stage."""
        self.stir()
        began = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - began

    def told(self) -> dict[str, Any]:
        """As plain data; stages in milliseconds."""
        return {
            "id": f"{self.partition}:{self.first}-{self.end}", "at": clock.to_text(self.at), "records": self.records,
            "events": self.events, "findings": self.findings, "delay": round(self.delay, 3),
            "seconds": round(self.seconds, 4),
            "stages": {name: round(1000 * spent, 2) for name, spent in self.stages.items()},
        }


class Tracer:
    """What the steps of one process took. Safe to be read from another thread while steps go on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.last: deque[Trace] = deque(maxlen=LAST)
        self.slow: list[tuple[float, int, Trace]] = []
        self.stages: defaultdict[str, float] = defaultdict(float)  # seconds
        self.detectors: defaultdict[str, float] = defaultdict(float)  # seconds
        self.rules: Counter[str] = Counter()  # findings
        self.counts: Counter[str] = Counter()
        self.delay = 0.0
        self.moved = time.monotonic()

    def stir(self) -> None:
        """Something moves: a stage, a detector, a lane begins. Who stands still for long is taken for hanging."""
        self.moved = time.monotonic()

    def begin(self, partition: int, first: int) -> Trace:
        return Trace(partition, first, clock.now(), stir=self.stir)

    def finish(self, trace: Trace, end: int, records: int, events: int, rules: Counter[str], delay: float) -> None:
        """The step is committed."""
        trace.end, trace.records, trace.events, trace.delay = end, records, events, max(0.0, delay)
        trace.findings = rules.total()
        trace.seconds = time.perf_counter() - trace.began
        with self._lock:
            self.last.append(trace)
            self.slow = [each for each in self.slow if trace.at - each[2].at < RECENT]
            heapq.heapify(self.slow)
            item = (trace.seconds, self.counts["steps"], trace)
            (heapq.heappush if len(self.slow) < SLOWEST else heapq.heappushpop)(self.slow, item)
            for name, spent in trace.stages.items():
                self.stages[name] += spent
            self.rules.update(rules)
            self.counts.update({"steps": 1, "records": records, "events": events, "findings": trace.findings})
            self.delay = trace.delay
        if log.isEnabledFor(logging.DEBUG):
            log.debug("step %s", trace.told()["id"], extra={"ecs": {"soc.trace": trace.told()}})

    @contextmanager
    def detector(self, name: str) -> Iterator[None]:
        """The block is this detector's."""
        self.stir()
        began = time.perf_counter()
        try:
            yield
        finally:
            self.detectors[name] += time.perf_counter() - began

    def report(self, detectors: Iterable[object] = (), rules: int = 20) -> dict[str, Any]:
        """Everything as plain data: sums since the process began, the last steps and the slowest, the rules that find
        and that cost most."""
        costs: Counter[str] = Counter()
        for detector in detectors:
            if isinstance(detector, Costed):
                costs.update(detector.costs())
        with self._lock:
            return {
                "counts": dict(self.counts), "delay": round(self.delay, 3),
                "stages": {name: round(spent, 3) for name, spent in self.stages.items()},
                "detectors": {name: round(spent, 3) for name, spent in list(self.detectors.items())},
                "rules": dict(self.rules.most_common(rules)),
                "costs": {rule: round(spent, 4) for rule, spent in costs.most_common(rules)},
                "last": [each.told() for each in list(self.last)[-4:]],
                "slowest": [each.told() for _, _, each in sorted(self.slow, key=lambda item: -item[0])[:4]],
            }
