"""`./soc detect`: rules over files, hits to stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from detections.sigma import cache
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules
from detections.sigma.map import Verbatim
from soc_cli import reading
from soc_core import clock
from soc_core.config import Settings
from soc_core.models import Finding


def run(paths: Sequence[Path], rules: Sequence[Path], sigma: bool, format: str) -> int:
    """Print every hit; how many rules and files could not be used."""
    folder = cache.default()
    found = load_rules(rules or Settings().rules, cache=folder)
    for failure in found.failed:
        print(f"{failure.path}:{failure.line}: {failure.reason}", file=sys.stderr)
    detector = SigmaDetector(found, Verbatim() if sigma else None, cache=folder)
    refused: list[str] = []
    first = 0
    batches = reading.read_sigma(paths, refused) if sigma else reading.read(paths, format, refused)
    for batch in batches:
        show(detector.detect(reading.numbered(batch, first)))
        first += batch.height
    show(detector.settle())
    for reason in refused:
        print(reason, file=sys.stderr)
    return len(found.failed) + len(refused)


def show(findings: Sequence[Finding]) -> None:
    """One JSON object a line."""
    for finding in findings:
        hit = {"rule_id": finding.rule_id, "event_index": int(finding.event_id), "timestamp": clock.to_text(finding.at)}
        sys.stdout.write(orjson.dumps(hit).decode() + "\n")
