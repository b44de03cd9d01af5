"""The public rules, loaded and compiled once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules
from detections.sigma.rule import RuleSet
from tests.corpora import corpus
from tests.servers.elastic import elastic_url

__all__ = ["elastic_url"]
PUBLIC = ("rules", "rules-emerging-threats", "rules-threat-hunting")


@pytest.fixture(scope="session")
def public() -> RuleSet:
    """All public detection rules."""
    root = corpus("sigma-rules")
    return load_rules([root / name for name in PUBLIC])


@pytest.fixture(scope="session")
def fast(public: RuleSet, tmp_path_factory: pytest.TempPathFactory) -> SigmaDetector:
    """The engine with all public rules."""
    return SigmaDetector(public, cache=tmp_path_factory.mktemp("cache"))


def fired(detector: SigmaDetector, batch: object) -> dict[int, set[str]]:
    """Row of the batch → ids of the rules that fire on it."""
    out: dict[int, set[str]] = {}
    for part, hits in detector.hits(batch):  # type: ignore[arg-type]
        for hit in hits:
            out[int(part.rows[hit.row])] = {detector.program.rules[n].rule.id for n in hit.rules}
    return out


def some(path: Path, pattern: str) -> list[Path]:
    return sorted(path.rglob(pattern))
