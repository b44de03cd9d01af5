"""A golden set of events judged by two versions of a rule folder: which hits the new one gains and loses."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from detections.sigma import cache
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import files, load_rules
from detections.sigma.rule import RuleSet
from soc_cli import reading, rule_import, rule_tests
from soc_core import documents
from soc_core.events import EventBatch
from soc_core.models import Finding

Hits = dict[tuple[str, str], int]


def golden(folders: Sequence[Path], refused: list[str]) -> Iterator[EventBatch]:
    """The recordings below the folders; without any, the native lines of our own rules' tests."""
    if folders:
        yield from reading.read(folders, refused=refused)
        return
    from soc_cli.rule_report import ours

    for path in files(ours()):
        tests = rule_tests.tests_of(path)
        if tests.exists():
            document = documents.read(tests, rule_tests.RuleTests)
            for case in (*document.positive, *document.negative):
                yield reading.lines(rule_tests.repeated(case), case.format)


def hits(rules: RuleSet, folders: Sequence[Path], refused: list[str]) -> Hits:
    """(rule, event) → how often."""
    if not rules.items:
        return {}
    detector = SigmaDetector(rules, cache=cache.default())
    found: Counter[tuple[str, str]] = Counter()

    def count(findings: Sequence[Finding], number: int) -> None:
        found.update((finding.rule_id, f"{number}/{finding.event_id}") for finding in findings)

    for number, batch in enumerate(golden(folders, refused)):
        count(detector.detect(batch), number)
    count(detector.settle(), -1)
    return found


def compare(old: RuleSet, new: RuleSet, folders: Sequence[Path]) -> dict[str, Any]:
    """Hits gained and lost, by rule."""
    refused: list[str] = []
    before, after = hits(old, folders, refused), hits(new, folders, [])
    titles = {item.id: item.head.title for item in (*old.items, *new.items)}

    def listed(found: set[tuple[str, str]]) -> list[dict[str, Any]]:
        counts = Counter(rule for rule, _ in found)
        return [{"rule_id": rule, "title": titles[rule], "hits": n} for rule, n in counts.most_common()]

    return {"before": len(before), "after": len(after), "gained": listed(set(after) - set(before)),
            "lost": listed(set(before) - set(after)), "refused": refused}


def run(source: Path, into: Path, folders: Sequence[Path], dry: bool, as_json: bool) -> int:
    """Stage, report, replay, cut over; how many rules of the new folder cannot be used."""
    into = into.resolve()
    theirs = rule_import.release(source)
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{into.name}.", dir=into.parent) as scratch:
        staging = Path(scratch) / "new"
        changes = rule_import.stage(into, theirs, staging)
        old = load_rules([into], cache=cache.default()) if into.is_dir() else RuleSet()
        new = load_rules([staging], cache=cache.default())
        if not new.items:
            raise ValueError(f"no rule of {source} can be used: {new.failed[0].reason if new.failed else 'none there'}")
        failed = [{**each.as_dict(), "path": each.path.replace(str(staging), str(into)),
                   "error": each.reason.replace(str(staging), str(into))} for each in new.failed]
        report = {"changes": changes.as_dict(), "rules": len(new.items), "failed": failed,
                  "replay": compare(old, new, folders), "cut_over": not dry}
        show(report, as_json)
        if not dry:
            rule_import.cut_over(into, staging)
    return len(failed)


def show(report: dict[str, Any], as_json: bool) -> None:
    """In words, or as one line of JSON."""
    if as_json:
        print(orjson.dumps(report).decode())
        return
    for kind, paths in report["changes"].items():
        if isinstance(paths, list):
            for path in paths[:50]:
                print(f"{kind.replace('_', ' ')}: {path}")
            if len(paths) > 50:
                print(f"{kind.replace('_', ' ')}: {len(paths) - 50} more")
    for failure in report["failed"]:
        print(f"{failure['path']}:{failure['line']}: {failure['error']}", file=sys.stderr)
    replay = report["replay"]
    for kind, sign in (("gained", "+"), ("lost", "-")):
        for each in replay[kind]:
            print(f"{sign}{each['hits']} hits: {each['rule_id']} {each['title']}")
    counts = ", ".join(f"{len(v) if isinstance(v, list) else v} {k.replace('_', ' ')}"
                       for k, v in report["changes"].items())
    done = "now in place" if report["cut_over"] else "nothing was changed"
    print(f"{report['rules']} rules: {counts}; golden events: {replay['before']} hits before, {replay['after']} after; "
          f"{done}")
