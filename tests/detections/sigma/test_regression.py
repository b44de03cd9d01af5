"""Every public rule that comes with a recording fires on it: as EVTX and as JSON, through the real parser."""

from __future__ import annotations

import yaml

from detections.sigma.evaluate import SigmaDetector
from detections.sigma.rule import RuleSet
from soc_cli import reading
from tests.corpora import corpus
from tests.detections.sigma.conftest import fired


def test_every_public_rule_loads(public: RuleSet) -> None:
    assert public.failed == []
    assert len(public.rules) >= 3754


def test_named_rules_fire_on_their_recordings(fast: SigmaDetector) -> None:
    root = corpus("sigma-regression")
    missed, cases = [], 0
    for info in sorted(root.rglob("info.yml")):
        wanted = {each["id"] for each in yaml.safe_load(info.read_text())["rule_metadata"]}
        for path in sorted(info.parent.iterdir()):
            if path.name != "info.yml":
                cases += 1
                hits = [ids for batch in reading.read([path]) for ids in fired(fast, batch).values()]
                if not wanted <= set().union(*hits):
                    missed.append(str(path.relative_to(root)))
    assert missed == []
    assert cases >= 190


def test_brute_force_in_a_real_log_names_its_source() -> None:
    from detections.sigma.detector import build
    from soc_core.config import Settings

    path = corpus("beats-oss-modules") / "system" / "auth" / "secure-rhel7.log.gz"
    detector = build(Settings().rules)[0]
    findings = [finding for batch in reading.read([path]) for finding in detector.detect(batch)]
    brute = [finding for finding in findings if "T1110.001" in finding.techniques]
    assert ("source.ip", "202.196.224.106") in brute[0].entities
    assert len({finding.group for finding in brute if ("source.ip", "202.196.224.106") in finding.entities}) == 1
