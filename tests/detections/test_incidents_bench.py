"""The small form of `./soc bench incidents`: three recordings, some hundred lines of ordinary traffic, fewer rules."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from bench.incidents import Outcome, chosen, judged, run
from soc_core.config import Settings
from tests.corpora import corpus
from tests.detections.test_triage import T
from tests.soc_ui.prepared import episode


def test_attacks_at_once_in_several_agencies_are_told_apart(tmp_path: Path) -> None:
    corpus("otrf")
    rules = [corpus("sigma-rules") / "rules" / "windows" / "process_creation", *Settings().rules]
    seed = int(datetime.now(UTC).strftime("%Y%m%d"))
    recordings = [path for path in chosen(seed, 12) if path.stat().st_size < 700_000][:4]
    found = judged(run(tmp_path, rules, recordings, 1_500, seed))
    assert found["findings"] > 0
    assert (found["merged"], found["spread"] <= 2) == (0, True), found
    assert found["own"] in (0.0, 1.0), found  # 0: none of today's recordings tells a story to these rules
    assert found["background"] <= 0.10, found


def test_what_the_figures_are_made_of() -> None:
    made = []
    for number, (incident, source) in enumerate([
            ("i1", "a" * 16), ("i1", "a" * 16), ("i1", "b" * 16), ("i1", "c" * 16), ("i2", "a" * 16), ("", "c" * 16)]):
        row = episode(f"t{number}", "r", "high", "c01", "s", "real", 10, {}, [source + "0" * 16], T)
        row.incident = incident
        made.append(row)
    found = judged(Outcome(made, 60, {"a" * 16: "A", "b" * 16: "B"}))  # type: ignore[arg-type]  # of rows what it reads
    assert found["own"] == pytest.approx(2 / 3)
    assert found["background"] == 0.25
    assert {name: found[name] for name in ("merged", "spread", "attacks", "incidents", "alone", "fewer")} == {
        "merged": 1, "spread": 2, "attacks": 2, "incidents": 2, "alone": 1, "fewer": 20.0}
    assert np.isclose(found["shown"], 3)
