"""Findings beside the truth: who is credited, who is blamed, and a wrong detector caught by the placebo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drills import report, scenario
from drills.emulate import record
from drills.match import Outcome, match, quality
from drills.run import Result, run
from drills.score import overall, score, wilson
from drills.truth import Fact, Truth
from soc_core import identity
from soc_core.clock import SECOND
from soc_core.models import Finding, Level
from soc_core.protocols import Raws

TACTICS = {"T1110": {"TA0006"}, "T1003": {"TA0006"}, "T1078": {"TA0001"}, "T1505": {"TA0003"}}
START = 1_772_000_000 * SECOND
FACTS = (
    Fact("1.A", "attack", ("T1110.003",), START, START + 60 * SECOND, {"web": (1, 2, 3)}),
    Fact("1.B", "attack", ("T1505.003",), START + 100 * SECOND, START + 110 * SECOND, {"web": (7,), "auth": (4,)}),
    Fact("D.1", "decoy", (), START + 50 * SECOND, START + 50 * SECOND, {"auth": (2,)}),
)
TRUTH = Truth("D99", 1, FACTS)


def tactics(technique: str) -> frozenset[str]:
    return frozenset(TACTICS.get(technique.partition(".")[0], ()))


def finding(rule: str, source: str, position: int, at: int, *techniques: str, group: str = "x",
            level: Level = "high", quiet: bool = False) -> Finding:
    keys = np.array([identity.source_number(source)], dtype=np.uint64)
    event = identity.event_ids(keys, np.array([position]), np.array([0]))[0]
    return Finding(rule, event, START + at * SECOND, level, rule.title(), (("k", group),), (), techniques, "", "",
                   "real", 0, position, risk=9, building_block=quiet)


def outcome(*findings: Finding) -> Outcome:
    return Outcome([], findings)


def test_a_step_is_credited_to_what_rests_on_its_lines() -> None:
    found = match(TRUTH, outcome(
        finding("vague", "web", 1, 5), finding("exact", "web", 3, 30, "T1110"),
        finding("other", "web", 9, 31, "T1505.003"), finding("learned", "auth", 4, 101, "T1505.003", quiet=True),
        finding("whisper", "auth", 4, 101, level="informational"),
    ), outcome(), tactics)
    first, second = found.steps
    assert (first.rule_id, first.quality, first.rules) == ("exact", "technique", ("exact", "vague"))
    assert first.after_seconds == 5.0
    assert (second.detected, second.after_seconds, second.risk) == (False, None, 9)
    assert [episode.rule_id for episode in found.false_alerts] == ["other"]
    assert found.alerts == 3


def test_decoys_and_episodes() -> None:
    found = match(TRUTH, outcome(
        finding("flags", "auth", 2, 50, group="a"), finding("flags", "auth", 2, 50, group="b"),
        finding("same", "web", 40, 1), finding("same", "web", 2, 10), finding("noise", "web", 50, 11),
    ), outcome(), tactics)
    assert found.decoys == found.decoys_flagged == ("D.1",)
    # An alert that any line of the attack feeds is no false one, whatever else it gathered.
    assert [episode.rule_id for episode in found.false_alerts] == ["noise"]


@pytest.mark.parametrize(("wanted", "named", "expected"), [
    ("T1110.003", "T1110.003", "technique"), ("T1110.003", "T1110", "technique"), ("T1110", "T1110.001", "technique"),
    ("T1110.003", "T1110.001", "tactic"), ("T1110.003", "T1003.001", "tactic"), ("T1110", "T1078", "general"),
    ("T1110", "", "general"),
])
def test_the_ladder(wanted: str, named: str, expected: str) -> None:
    assert quality([wanted], [named] if named else [], tactics) == expected


def test_the_placebo_catches_a_rule_that_always_speaks() -> None:
    wrong = finding("always", "web", 20, 12)
    attack = outcome(finding("always", "web", 2, 10), finding("sound", "auth", 4, 104), wrong)
    quiet = outcome(wrong, finding("sound", "auth", 2, 50), finding("late", "web", 90, 5000))
    found = match(TRUTH, attack, quiet, tactics)
    # `sound` took the decoy for an attack: that is counted as the decoy's, not as speaking without cause.
    assert [step.placebo for step in found.steps] == [True, False]
    assert found.placebo_alerts == 3


class Everything:
    """A wrong detector: it finds an attack in every tenth line, whatever it says."""

    def __call__(self, raws: list[Raws], data: Path) -> Outcome:
        found = []
        for one in raws:
            assert one.positions is not None
            found += [finding("wrong", one.origin.source, position, 0)._replace(at=one.received)
                      for position in one.positions.tolist() if position % 10 == 0]
        return Outcome([], found, sum(len(one.lines) for one in raws))


def test_a_wrong_detector_does_not_pass() -> None:
    for name in scenario.listed():
        result = run(scenario.load(name), 3, Everything(), tactics)  # type: ignore[arg-type]
        seen = [step for step in result.matched.steps if step.detected]
        assert seen
        assert all(step.placebo for step in seen)
        assert report.as_object(result)["placebo_detected"] == len(seen)


def test_a_deaf_platform_misses_everything_and_says_so() -> None:
    result: Result = run(scenario.load("D01"), 1, lambda raws, data: Outcome([], []), tactics)
    whole = report.as_object(result)
    assert whole["detected"] == whole["technique_level"] == 0
    assert whole["step_recall"] == 0.0
    assert whole["missed"] == [step.number for step in result.scenario.attacks]
    assert whole["precision"] is None
    assert "漏报" in report.as_text(result)
    assert "MISSED" in report.as_text(result, "en")
    sums = report.nightly([result, result])
    assert sums["scenarios"][0]["steps"] == len(result.scenario.attacks)
    assert (sums["step_recall"], sums["technique_quality"]) == (0.0, 0.0)


def test_scores() -> None:
    found = match(TRUTH, outcome(finding("a", "web", 1, 5, "T1003"), finding("b", "auth", 2, 50)), outcome(), tactics)
    sums = score(found)
    assert (sums.detected, sums.steps, sums.technique_level, sums.step_recall) == (1, 2, 0, 0.5)
    assert sums.detection == 0.375  # tactic 0.75 and nothing, over two steps
    assert sums.precision == pytest.approx(1 / 3, abs=1e-4)  # a flagged decoy counts double
    assert overall([sums, sums]) == (0.5, 0.0)


@given(st.integers(0, 200), st.integers(0, 200))
def test_wilson_holds_the_share(hits: int, more: int) -> None:
    low, high = wilson(hits, hits + more)
    assert 0 <= low <= high <= 1
    if hits + more:
        assert low - 1e-4 <= hits / (hits + more) <= high + 1e-4


def test_nothing_of_the_truth_reaches_the_runner(tmp_path: Path) -> None:
    """What a runner is given is telemetry and an empty place; drills write nothing of their own there."""
    seen: list[Path] = []

    def runner(raws: object, data: Path) -> Outcome:
        seen.append(data)
        assert not data.exists()
        assert list(data.parent.iterdir()) == [path for path in data.parent.iterdir() if path in seen]
        data.mkdir()
        return Outcome([], [])

    run(scenario.load("D05"), 1, runner, tactics)
    assert [path.name for path in seen] == ["run", "placebo"]
    assert not seen[0].exists()
    assert record(scenario.load("D05"), 1).truth().text().count("1.A") == 1
