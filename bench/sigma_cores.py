"""The Sigma path on two cores: what two workers do beside one, against what pure computing does in the same run.

Each worker is a process of its own with one Polars thread, as the platform runs them: bytes → Format → EventBatch →
Detector over the recordings of bench/sigma.py, caches filled. The control counts in a loop of bytecode and touches no
memory worth naming. Turns of one and of two, of work and of control, follow each other in short rounds, so that
whatever else the machine does falls on all of them. Needs the corpora otrf and sigma-rules.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.sigma import BATCH, CORPORA, RULES, figure, lines, recordings, run

ROUNDS = int(os.environ.get("SOC_BENCH_ROUNDS") or 5)
SECONDS = 3.0  # of each turn
LINES = 2 * BATCH
WORK, SPIN = "work", "spin"


class Child:
    """One process that works or spins for a while when told, and says how much it did in a second."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.sigma_cores"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).resolve().parents[1], env={**os.environ, "POLARS_MAX_THREADS": "1"},
        )

    def hear(self) -> float:
        """Its next word: a rate, or 0 when it is ready. Raises OSError when it ended."""
        word = self.process.stdout.readline() if self.process.stdout else ""
        if not word:
            raise OSError(f"a worker of the bench ended with status {self.process.wait()}")
        return float(word)

    def tell(self, what: str) -> None:
        if self.process.stdin:
            print(what, file=self.process.stdin, flush=True)

    def close(self) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait()


def turn(children: list[Child], what: str) -> float:
    """What these children do together in a second, at the same time."""
    for child in children:
        child.tell(what)
    return sum(child.hear() for child in children)


def figures() -> list[dict[str, Any]]:
    """Scaling from one worker to two, of the path and of the control."""
    if not recordings() or not (CORPORA / "sigma-rules").exists():
        return []
    rates: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as opened:
        children = [Child() for _ in range(2)]
        for child in children:
            opened.callback(child.close)
        for child in children:
            child.hear()
        for _ in range(ROUNDS):
            for what in (WORK, SPIN):
                for count in (1, 2):
                    rates.setdefault((what, count), []).append(turn(children[:count], what))
    own, control = ([two / one for one, two in zip(rates[what, 1], rates[what, 2], strict=True)]
                    for what in (WORK, SPIN))
    share = statistics.median(own) / statistics.median(control)
    return [
        figure("sigma, one worker by the clock", statistics.median(rates[WORK, 1]), "events/s"),
        figure("sigma, two workers by the clock", statistics.median(rates[WORK, 2]), "events/s"),
        {**figure("sigma, two workers against one", 100 * statistics.median(own), "%"), "peer": "pure computing",
         "peer_value": round(100 * statistics.median(control), 1), "ratio": round(share, 2)},
        figure("of the control's scaling", 100 * share, "%", 90),
    ]


def serve() -> None:
    """A child: fill the caches, then work and spin as told."""
    from detections.sigma import cache
    from detections.sigma.evaluate import SigmaDetector
    from detections.sigma.load import load_rules

    folders = [CORPORA / "sigma-rules" / name for name in RULES]
    detector = SigmaDetector(load_rules(folders, cache=cache.default()), cache=cache.default())
    found = lines(recordings()[1::2], LINES)
    step = BATCH // 4
    pieces = [found[start : start + step] for start in range(0, len(found), step)]
    for piece in pieces:
        run(detector, piece)
    at = 0

    def work() -> int:
        nonlocal at
        at = (at + 1) % len(pieces)
        return run(detector, pieces[at])[0].events

    jobs: dict[str, Callable[[], int]] = {WORK: work, SPIN: lambda: len([n for n in range(100_000) if n & 1])}
    print(0, flush=True)
    for told in sys.stdin:
        began = time.perf_counter()
        done = 0
        while (passed := time.perf_counter() - began) < SECONDS:
            done += jobs[told.strip()]()
        print(done / passed, flush=True)


if __name__ == "__main__":
    serve()
