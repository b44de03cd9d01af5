"""Our own rules: valid Sigma, current techniques, tested with native lines, blind nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from detections import attack
from detections.sigma.blind import Sight
from detections.sigma.load import files, load_rules
from detections.sigma.map import Mapper
from detections.sigma.rule import RuleSet
from soc_cli import rule_report, rule_tests
from soc_core.config import ROOT

RULES = ROOT / "detections" / "rules"


@pytest.fixture(scope="module")
def ours() -> RuleSet:
    return load_rules([RULES])


def test_every_rule_loads_with_chinese_and_english_titles(ours: RuleSet) -> None:
    assert ours.failed == []
    assert len(ours.rules) + len(ours.correlations) >= 40
    for item in (*ours.rules, *ours.correlations):
        assert item.head.title.isascii(), item.head.path
        for told in (item.head.title_zh, item.head.description):
            assert any("一" <= char <= "鿿" for char in told), item.head.path
        assert item.head.tags, item.head.path


def test_techniques_are_current(ours: RuleSet) -> None:
    odd = [
        (item.head.path, tag) for item in (*ours.rules, *ours.correlations) for tag in rule_report.odd_tags(item.head)
    ]
    assert odd == []
    names = {name.lower().replace(" ", "-") for name in attack.table().tactics.values()}
    tactics = {
        tag.removeprefix("attack.")
        for item in (*ours.rules, *ours.correlations)
        for tag in item.head.tags
        if tag.startswith("attack.") and not attack.is_technique_tag(tag)
    }
    assert tactics <= names


def test_no_rule_of_ours_is_blind(ours: RuleSet) -> None:
    assert [(v.rule.head.title, v.missing) for v in Sight(Mapper()).verdicts(ours.rules)] == []


def test_every_rule_has_tests_and_they_pass() -> None:
    assert rule_tests.untested([RULES]) == []
    outcomes = rule_tests.run([RULES])
    assert [outcome for outcome in outcomes if outcome.problem] == []
    assert len(outcomes) >= 2 * len(files([RULES]))


def test_a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    for path in (RULES / "ssh").glob("*.yml"):
        text = path.read_text()
        if path.name == "ssh_root_logon.test.yml":
            text = (
                text.replace("positive:", "swapped:").replace("negative:", "positive:").replace("swapped:", "negative:")
            )
        (tmp_path / path.name).write_text(text)
    problems = {outcome.problem for outcome in rule_tests.run([tmp_path]) if outcome.problem}
    assert problems == {"fired", "did not fire"}


def test_sigma_check_finds_no_issue() -> None:
    command = [
        Path(sys.executable).with_name("sigma"),
        "check",
        "-i",
        "-c",
        ROOT / "detections" / "sigma" / "check.yml",
        RULES,
    ]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found 0 errors, 0 condition errors and 0 issues" in done.stdout
