"""Runs of the suite: kept one by one, gone on with, and what is told of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import flakes

PASSES = "def test_a():\n    assert True\n"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOC_FLAKES_STATE", str(tmp_path / "kept" / "flakes.json"))
    monkeypatch.setenv("SOC_FLAKES_ONLY", str(tmp_path / "test_one.py"))
    monkeypatch.setattr(flakes.os, "cpu_count", lambda: 1)
    return tmp_path / "kept" / "flakes.json"


def test_a_broken_off_series_goes_on(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_one.py").write_text(PASSES)
    monkeypatch.setenv("SOC_FLAKES", "1")
    first, length = flakes.figures()
    assert (first["value"], first["met"]) == (1, False)  # one run proves nothing
    assert length["value"] > 0
    (tmp_path / "test_one.py").write_text(PASSES + "\n\ndef test_b():\n    assert False\n")
    monkeypatch.setenv("SOC_FLAKES", "2")
    assert flakes.figures()[0]["value"] == 1
    runs = json.loads(kept.read_text())
    assert [each["seed"] for each in runs] == [1, 2]
    assert [len(each["failures"]) for each in runs] == [0, 1]
    assert runs[1]["failures"][0].endswith("test_one.py::test_b")
    assert all(each["commit"] and each["seconds"] > 0 for each in runs)


def test_a_run_that_cannot_begin_is_no_clean_one(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOC_FLAKES", "1")
    assert flakes.figures()[0]["value"] == 0


def test_ten_clean_runs_in_time_meet_the_promise() -> None:
    runs = [{"commit": "a", "seed": n, "seconds": 600.0 + n, "others": 0.01, "failures": []} for n in range(10)]
    assert [each["met"] for each in flakes.told(runs)] == [True, True]
    runs[3] |= {"failures": ["x"]}
    runs[4:] = [each | {"commit": "b"} for each in runs[4:]]
    for each in runs:
        each["seconds"] += 200
    clean, seconds = flakes.told(runs)
    assert (clean["value"], clean["unit"], clean["met"], seconds["met"]) == (9, "of 10 runs at 2 commits", False, False)
    runs[5] |= {"seconds": 700.0, "others": 0.1}
    for each in runs[:5] + runs[6:]:
        each["others"] = 0.5
    seconds = flakes.told(runs)[1]
    assert (seconds["value"], seconds["met"]) == (700.0, True)  # the others had half of the machine
    runs[5]["others"] = 0.5
    assert not flakes.told(runs)[1]["met"]


def test_who_else_works_is_known() -> None:
    busy, mine = flakes._busy(), flakes._mine()
    subprocess.run([sys.executable, "-c", "sum(range(30_000_000))"], check=True)
    assert 0 < flakes._mine() - mine <= flakes._busy() - busy + 0.1
