"""Public rules that are fully evaluable, and those that an event of their own in native form fires.

For each rule a branch of its condition is chosen, written as its product writes it (Windows records, syslog, access
lines, CloudTrail, Zeek, …), read by the real parser and judged by the engine with all rules. Without the corpora
(SOC_CORPORA) there are no figures. Alone, with what does not fire: `python -m bench.native`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from detections.sigma.blind import Sight
from detections.sigma.cache import default
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules
from detections.sigma.map import Mapper
from soc_core.config import ROOT
from tests.detections.sigma.native.run import EXCEPTIONS, fired

CORPORA = Path(os.environ.get("SOC_CORPORA") or ROOT.parent / "shared" / "corpora")
FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
EVALUABLE = 3_745  # of 3,754


def figures() -> list[dict[str, Any]]:
    """Both counts; what does not fire is told on the console."""
    folders = [CORPORA / "sigma-rules" / name for name in FOLDERS]
    if not all(folder.is_dir() for folder in folders):
        return []
    found = load_rules(folders, cache=default())
    blind = Sight(Mapper()).verdicts(found.rules)
    started = time.process_time()
    done, left = fired(found.rules, SigmaDetector(found, cache=default()))
    took = time.process_time() - started
    for rule in found.rules:
        if rule.id not in done:
            print(f"{rule.head.path}: {EXCEPTIONS.get(rule.id) or left.get(rule.id) or 'no values found'}")
    for verdict in blind:
        print(f"{verdict.rule.head.path}: {'blind' if verdict.blind else 'partly blind'}: {', '.join(verdict.missing)}")
    total = len(found.rules)
    whole = total - len(blind)
    wanted = total - len(EXCEPTIONS)
    return [
        figure("public rules fully evaluable", whole, f"of {total} rules", EVALUABLE, whole >= EVALUABLE),
        figure("public rules fired by their own native event", len(done), f"of {total} rules", wanted,
               len(done) >= wanted),
        figure("native events made, parsed and judged", round(took, 1), "s of CPU", None, None),
    ]


def figure(name: str, value: float, unit: str, target: float | None, met: bool | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": None, "peer_value": None, "ratio": None,
            "target": target, "met": met}


if __name__ == "__main__":
    for each in figures():
        print(each)
