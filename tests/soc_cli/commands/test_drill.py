"""`./soc drill`: through the ordinary path, deterministic, kept for the console, with a clear word on bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from soc_cli.__main__ import main
from soc_core.state import drills
from soc_core.state.database import Database


def spoken(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_a_drill_from_lines_to_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "run", "D05", "--seed", "4", "--data", str(tmp_path), "--json"]) in (0, 1)
    whole = spoken(capsys)
    steps = {step["no"]: step for step in whole["steps"]}
    assert len(steps) >= 5
    assert steps["1.A"]["detected"] and steps["1.A"]["quality"] == "technique"  # noqa: PT018
    assert steps["1.A"]["rule_id"] and 0 <= steps["1.A"]["after_seconds"] < 300  # noqa: PT018
    assert whole["quarantined"] == 0
    assert whole["placebo_detected"] == 0
    assert whole["detected"] + len(whole["missed"]) == len(steps)
    state = Database(f"sqlite:///{tmp_path / 'state.db'}")
    with state.begin() as session:
        kept = drills.listing(session)
    state.close()
    assert [one.scenario for one in kept] == ["D05_extranet_ssh"]
    assert kept[0].result == whole
    # Only the result and compiled rules stay: the drill's events, and its truth, never meet the city's.
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} <= {"state.db", "cache"}
    assert "facts" not in json.dumps(whole)

    assert main(["drill", "run", "D05", "--seed", "4", "--data", str(tmp_path), "--json"]) in (0, 1)
    again = spoken(capsys)
    assert {**again, "seconds": 0} == {**whole, "seconds": 0}


def test_the_list_and_bad_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "list", "--data", str(tmp_path), "--json"]) == 0
    known = {one["id"] for one in spoken(capsys)["scenarios"]}
    assert {"D01_portal_web", "D05_extranet_ssh", "D06_bureau_windows"} <= known
    assert main(["drill", "run", "D77", "--data", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "no scenario named 'D77'" in told
    assert len(told.strip().splitlines()) == 1
    bad = tmp_path / "bad.yml"
    bad.write_text("id: D50\nwrong: 1\n")
    assert main(["drill", "run", str(bad), "--data", str(tmp_path)]) == 2
    assert "bad.yml:" in capsys.readouterr().err
