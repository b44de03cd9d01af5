"""`./soc rules test`: what is wrong with one test stops no other; what only the end decides is decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc_cli.__main__ import main
from soc_cli.rule_tests import run

RULE = """title: failed {0}
id: 00000000-0000-4000-8000-00000000000{0}
name: failed_{0}
logsource: {{product: linux, service: sshd}}
detection: {{s: ['Failed password'], condition: s}}
"""
FEW = """---
title: few
id: 00000000-0000-4000-8000-00000000001{0}
correlation: {{type: event_count, rules: [failed_{0}], group-by: [source.ip], timespan: 1h, condition: {{lt: 2}}}}
"""
LINE = "Nov 23 10:00:{n:02d} web1 sshd[100]: Failed password for root from 192.0.2.7 port 4000 ssh2"
OTHER = LINE.replace("Failed", "Accepted")


def case(lines: str, times: int = 1, named: str = "syslog") -> str:
    return f"[{{about: x, format: {named}, times: {times}, lines: ['{lines}']}}]"


def document(positive: str, negative: str) -> str:
    return f"action: reset\npositive: {positive}\nnegative: {negative}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, text in enumerate([
        document(case(LINE), case(OTHER)), document(case(LINE), case(LINE)), "positive: [\n",
        document(case(LINE, named="nosuch"), case(OTHER)), document(case(LINE), case(OTHER)).replace("about", "abuot"),
    ], 1):
        (tmp_path / f"r{number}.yml").write_text(RULE.format(number))
        (tmp_path / f"r{number}.test.yml").write_text(text)
    (tmp_path / "r6.yml").write_text(RULE.format(6) + FEW.format(6))
    (tmp_path / "r6.test.yml").write_text(document(case(LINE), case(OTHER)))
    return tmp_path


def test_each_test_that_is_wrong_fails_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [(outcome.path.name[:2], outcome.about, outcome.problem) for outcome in run([folder])]
    assert [each for each in found if each[2]] == [
        ("r2", "x", "fired"), ("r3", "line 2", "did not find expected node content"),
        ("r4", "x", "no format named 'nosuch'"),
        ("r5", "line 2", "positive.0.about: Field required"),
    ]
    assert len(found) == 10
    assert main(["rules", "test", str(folder)]) == 1
    assert "r3.test.yml: line 2: did not find" in capsys.readouterr().out


def test_a_correlation_that_waits_for_the_end_fires_in_its_test(folder: Path) -> None:
    assert [outcome.problem for outcome in run([folder], folder / "r6.yml")] == ["", ""]
