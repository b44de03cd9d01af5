"""One exercise from its scenario to its result: record, seal the truth, replay twice, compare.

The recording goes through the ordinary path twice in fresh data directories: whole, and as a placebo without the
attack. The path itself is a callable given from above, so that a drill measures the platform and not a copy of it.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from drills import truth as truths
from drills.emulate import record
from drills.match import Matched, Runner, Tactics, match
from drills.scenario import Scenario
from drills.score import Score, score
from soc_core.clock import Micros


class Result(NamedTuple):
    """What a drill found. `started` is event time; `faults` counts lines that no format could read."""

    scenario: Scenario
    seed: int
    started: Micros
    matched: Matched
    score: Score
    records: int
    faults: int
    seal: str
    seconds: float


def run(scenario: Scenario, seed: int, runner: Runner, tactics: Tactics, start: Micros | None = None) -> Result:
    """Carry a scenario out. `runner` puts records through the platform in an empty directory and says what came of it.

    `tactics` gives the ATT&CK tactics of a technique id. Raises ValueError when the truth was tampered with.
    """
    began = time.monotonic()
    recording = record(scenario, seed, start)
    truth = recording.truth()
    seal = truth.seal()  # fixed before anything is judged
    with tempfile.TemporaryDirectory(prefix="soc-drill-") as folder:
        raws = recording.raws()
        outcome = runner(raws, Path(folder) / "run")
        placebo = runner(recording.raws(attack=False), Path(folder) / "placebo")
    truths.verify(truth, seal)
    matched = match(truth, outcome, placebo, tactics)
    return Result(
        scenario, seed, recording.start, matched, score(matched),
        records=sum(len(one.lines) for one in raws), faults=outcome.faults, seal=seal,
        seconds=round(time.monotonic() - began, 3),
    )
