"""Exceptions and overrides: outside the rule files, counted, expiring, and told with file and line when wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from detections.sigma import tuning
from detections.sigma.detector import build
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import parse
from soc_core.clock import SECOND
from soc_core.events import EventBatch
from soc_core.models import Finding

RULES = """title: failed logon
id: 00000000-0000-4000-8000-000000000001
name: failed
logsource: {product: linux}
detection: {s: {event.outcome: failure}, condition: s}
level: low
---
title: many failed logons
id: 00000000-0000-4000-8000-000000000002
correlation:
    type: event_count
    rules: [failed]
    group-by: [source.ip]
    timespan: 5m
    condition: {gte: 3}
    generate: true
level: high
"""
BASE, MANY = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
START = datetime(2026, 11, 23, 1, tzinfo=UTC)


def batch(addresses: str, start: datetime = START) -> EventBatch:
    """One failure a second from the documentation network, its last number a letter of the text."""
    return EventBatch.from_dicts([
        {"event.id": f"{number:032d}", "@timestamp": start + timedelta(seconds=number), "event.outcome": "failure",
         "source.ip": f"192.0.2.{letter}", "user.name": f"user{letter}", "sigma.logsource": ["linux//"]}
        for number, letter in enumerate(addresses)
    ])


def detector(folder: Path, text: str) -> SigmaDetector:
    (folder / "site.yml").write_text(text)
    rules = tuning.apply(parse(RULES), tuning.read(folder))
    assert rules.failed == []
    return SigmaDetector(rules)


def ids(found: list[Finding]) -> list[tuple[str, int]]:
    return [(finding.rule_id[-1], int(finding.event_id)) for finding in found]


EXCEPT = """exceptions:
  - rule: {rule}
    owner: 张三
    reason: the scanner of the monthly audit
    expires: 2026-11-30
    where: {where}
"""


def test_an_exception_takes_back_what_it_names_and_counts_it(tmp_path: Path) -> None:
    tuned = detector(tmp_path, EXCEPT.format(rule="failed", where="{source.ip|cidr: 192.0.2.8/30, user.name: USER9}"))
    assert ids(tuned.detect(batch("1999191"))) == [("1", 0), ("1", 4), ("1", 6), ("2", 6)]
    assert dict(tuned.suppressed) == {f"{tmp_path}/site.yml:2": 4}
    fresh = detector(tmp_path, (tmp_path / "site.yml").read_text())
    fresh.restore(tuned.snapshot())
    assert fresh.suppressed == tuned.suppressed


def test_it_ends_with_its_last_day_by_event_time(tmp_path: Path) -> None:
    tuned = detector(tmp_path, EXCEPT.format(rule=BASE, where="{source.ip: 192.0.2.9}"))
    assert ids(tuned.detect(batch("9", datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)))) == []
    assert ids(tuned.detect(batch("9", datetime(2026, 12, 1, tzinfo=UTC)))) == [("1", 0)]
    held = tuning.read(tmp_path)
    end = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * SECOND
    assert (held.expired(end - 1), len(held.ending(end - 1)), len(held.expired(end))) == ([], 1, 1)


def test_the_last_day_that_there_is_may_be_the_last(tmp_path: Path) -> None:
    """It ended every load with a traceback."""
    text = EXCEPT.format(rule=BASE, where="{source.ip: 192.0.2.9}").replace("2026-11-30", "9999-12-31")
    assert ids(detector(tmp_path, text).detect(batch("91"))) == [("1", 1)]
    assert len(tuning.read(tmp_path).expired(int(START.timestamp()) * SECOND)) == 0


def test_an_exception_of_a_correlation_leaves_its_rules_alone(tmp_path: Path) -> None:
    condition = """{a: {source.ip: 192.0.2.9}, b: {user.name: root}, condition: a and not b}"""
    text = EXCEPT.format(rule=MANY, where="{}").replace("where: {}", f"detection: {condition}")
    assert ids(detector(tmp_path, text).detect(batch("999111"))) == [*(("1", n) for n in range(6)), ("2", 5)]


def test_level_and_threshold(tmp_path: Path) -> None:
    tuned = detector(tmp_path, f"""overrides:
  - {{rule: {MANY}, owner: 李四, reason: a shared gateway, level: critical, threshold: 5}}
  - {{rule: failed, owner: 李四, reason: too loud, level: informational}}
""")
    found = tuned.detect(batch("11111"))
    assert [f.level for f in found] == ["informational"] * 5 + ["critical"]
    assert ids(found)[-1] == ("2", 4)
    assert all(f.building_block for f in found[:5])


def test_what_is_wrong_is_told_and_the_rest_holds(tmp_path: Path) -> None:
    rules, folder = tmp_path / "rules", tmp_path / "tuning"
    for each in (rules, folder):
        each.mkdir()
    (rules / "a.yml").write_text(RULES)
    wrong: dict[str, tuple[str, int, str]] = {
        "key.yml": (EXCEPT.format(rule="failed", where="{a: b}") + "    who: me\n", 7, "who"),
        "day.yml": (EXCEPT.format(rule="failed", where="{a: b}").replace("2026-11-30", "soon"), 5, "expires"),
        "nobody.yml": (EXCEPT.format(rule="failed", where="{a: b}").replace("张三", "''"), 3, "owner"),
        "blank.yml": (EXCEPT.format(rule="failed", where="{a: b}").replace("张三", "'  '"), 3, "owner"),
        "nan.yml": (f"overrides:\n  - {{rule: {MANY}, owner: a, reason: b, threshold: .nan}}\n", 2, "threshold"),
        "both.yml": (EXCEPT.format(rule="failed", where="{a: b}") + "    detection: {condition: s}\n", 2, "either"),
        "condition.yml": (
            EXCEPT.format(rule="failed", where="x").replace("where: x", "detection: {s: {a: b}, condition: gone}"),
            2, "gone",
        ),
        "modifier.yml": (EXCEPT.format(rule="failed", where="{a|soundslike: b}"), 2, "soundslike"),
        "twice.yml": (EXCEPT.format(rule="failed", where="{a: b, a: c}"), 6, "the key 'a' is there twice"),
        "values.yaml": (EXCEPT.format(rule="failed", where="{a|expand: '%b%'}"), 2, "no placeholders"),
        "count.yml": ("overrides:\n  - {rule: failed, owner: a, reason: b, threshold: 3}\n", 2, "threshold"),
        "nothing.yml": ("overrides:\n  - {rule: failed, owner: a, reason: b}\n", 2, "neither"),
    }
    for name, (text, _, _) in wrong.items():
        (folder / name).write_text(text)
    (folder / "good.yml").write_text("overrides:\n  - {rule: failed, owner: a, reason: b, level: medium}\n"
                                     "  - {rule: of the last release, owner: a, reason: b, level: medium}\n")
    found = tuning.apply(parse(RULES), tuning.read(folder))
    failed: dict[str, Any] = {Path(failure.path).name: failure for failure in found.failed}
    assert set(failed) == set(wrong)
    for name, (_, line, word) in wrong.items():
        assert word in failed[name].reason, failed[name]
        assert failed[name].line == line, failed[name]
    assert [(failure.line, failure.reason) for failure in found.warnings] == [
        (3, "no rule of the last release is loaded")
    ]
    assert [f.level for f in build([rules], tuned=folder)[0].detect(batch("1"))] == ["medium"]
    (rules / "a.yml").write_text(RULES.replace("level: low", "level: high\nauthor: of the next release"))
    assert [f.level for f in build([rules], tuned=folder)[0].detect(batch("1"))] == ["medium"]
