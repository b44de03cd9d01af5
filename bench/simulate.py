"""The simulated city: lines a second on one core, and a compressed day with 60 attacks given back to its systems."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.inventory import row
from simulate import attacks
from simulate.attribution import attribution
from simulate.run import Simulation
from soc_core import clock, inventory
from soc_core.config import ROOT

CITY = ROOT / "cities" / "changsha"
LINES = 2_000_000
DAY_LINES = 200_000


def figures() -> list[dict[str, Any]]:
    """Wall-clock speed of the command itself with one Polars thread; attribution through the real parsers."""
    alone = simulate("--lines", str(LINES))
    with tempfile.TemporaryDirectory() as folder:
        files = simulate("--lines", str(LINES), "--out", str(Path(folder) / "out"))
        day = simulate("--lines", str(DAY_LINES), "--span", "1d", "--out", str(Path(folder) / "day"))
        truth = [json.loads(line) for line in Path(day["truth"]).read_text(encoding="utf-8").splitlines()]
    told = sum(len(stage["line_numbers"]) == stage["lines"] for stage in truth)
    share = given_back()
    return [
        row("simulated lines", alone["lines_per_second"], "lines/s", target=200_000,
            met=alone["lines_per_second"] >= 200_000),
        row("simulated lines into files", files["lines_per_second"], "lines/s", target=200_000,
            met=files["lines_per_second"] >= 200_000),
        row("attacks in a compressed day", day["attacks"], "attacks", target=60, met=day["attacks"] >= 60),
        row("stages whose every line is in the truth file", round(told / len(truth), 4), "share", target=1.0,
            met=told == len(truth)),
        row("lines given back to their system", round(share, 5), "share", target=0.999, met=share >= 0.999),
    ]


def simulate(*arguments: str) -> dict[str, Any]:
    """One run of ./soc city simulate in a process of its own."""
    command = [sys.executable, "-m", "soc_cli", "city", "simulate", "--json", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"POLARS_MAX_THREADS": "1"}, check=True,
                          capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def given_back() -> float:
    """Share of a compressed day's lines that parsing and enrichment give to the right system."""
    city = inventory.load(CITY)
    start = clock.from_text("2026-11-23T00:00:00+08:00")
    run = Simulation(city, 1, start, DAY_LINES, DAY_LINES / 86400, attacks.paths(CITY), 60)
    found = [attribution(block, run.traffic.streams, city) for block in run.blocks()]
    return sum(part.right for part in found) / sum(part.lines for part in found)
