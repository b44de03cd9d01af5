"""The whole test suite again and again: runs without a flake, of SOC_FLAKES (10), and how long one takes.

Each run has a seed of its own, for hypothesis, for the order of sets and for that of the test files. Resumable: a run
is kept when it ends, with commit, seed, seconds and failures, in SOC_FLAKES_STATE (default: data/flakes.json; take it
away to begin anew), and a later call goes on. The figures are of the latest runs; how long one takes is told by those
that had the machine to themselves. Some twelve minutes a run.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from soc_core.config import ROOT

MINUTES = 12 * 60.0
ALONE = 0.15  # of the processors' time that others may have
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
Run = dict[str, Any]


def run(seed: int, tests: list[str]) -> Run:
    """One run over all cores, as `./soc test` does it."""
    ordered = tests or sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py"))
    random.Random(seed).shuffle(ordered)
    command = [sys.executable, "-m", "pytest", "-n", str(os.cpu_count() or 1), "--dist", "worksteal", "-rfE",
               f"--hypothesis-seed={seed}", *ordered]
    began, busy, mine = time.monotonic(), _busy(), _mine()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(seed)})
    seconds = time.monotonic() - began
    others = (_busy() - busy - _mine() + mine) / (os.cpu_count() or 1) / seconds
    failed = sorted(set(FAILED.findall(done.stdout)))
    if done.returncode and not failed:  # broken off, or nothing could be collected
        failed = [f"pytest ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}"]
    return {"commit": commit(), "seed": seed, "seconds": round(seconds, 1), "others": round(others, 3),
            "failures": failed}


def _busy() -> float:
    """Seconds that all processors have worked since the machine started, or were kept from it.

    https://docs.kernel.org/filesystems/proc.html#miscellaneous-kernel-statistics-in-proc-stat
    """
    user, nice, system, _, _, *interrupts = Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    return sum(map(int, (user, nice, system, *interrupts))) / os.sysconf("SC_CLK_TCK")


def _mine() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def commit() -> str:
    """What was tested; with + where files differ from it."""
    said = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True)
    return said.stdout.strip()


def figures() -> list[dict[str, Any]]:
    wanted = int(os.environ.get("SOC_FLAKES") or 10)
    place = Path(os.environ.get("SOC_FLAKES_STATE") or ROOT / "data" / "flakes.json")
    tests = os.environ.get("SOC_FLAKES_ONLY", "").split()
    runs: list[Run] = json.loads(place.read_text()) if place.exists() else []
    while len(runs) < wanted:
        runs.append(run(len(runs) + 1, list(tests)))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(runs, indent=1))
        print(f"run {len(runs)} of {wanted}: {runs[-1]['seconds']:.0f} s, {runs[-1]['commit']}, "
              f"{' '.join(runs[-1]['failures']) or 'all passed'}", flush=True)
    return told(runs[-wanted:])


def told(runs: list[Run]) -> list[dict[str, Any]]:
    """The figures of some runs."""
    clean = sum(not each["failures"] for each in runs)
    alone = [each["seconds"] for each in runs if each.get("others", 1.0) <= ALONE]
    seconds = statistics.median(alone or [each["seconds"] for each in runs])
    commits = len({each["commit"] for each in runs})
    return [
        {"name": "tests: runs without a flake", "value": clean, "unit": f"of {len(runs)} runs at {commits} commits",
         "target": len(runs), "met": clean == len(runs) and len(runs) >= 10},
        {"name": "tests: one run of all, median", "value": seconds, "unit": f"s, of {len(alone)} runs alone",
         "target": MINUTES, "met": bool(alone) and seconds <= MINUTES},
    ]
