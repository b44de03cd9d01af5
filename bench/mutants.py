"""Mutants of the Sigma evaluator, the journal, the commit path and the access layer that their tests notice.

A seeded sample of SOC_MUTANTS mutants a module (8), drawn with SOC_MUTANTS_SEED (1); survivors are named. Resumable:
what was judged is kept in SOC_MUTANTS_STATE (default: data/mutants.json) until the module changes, and a second run
asks only the survivors again, once their tests were written. SOC_MUTANTS_ONLY names modules. Some 40 minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from soc_core.config import ROOT
from tests import mutate

SIGMA = "detections/sigma/"
AREAS = {
    "the Sigma evaluator": [SIGMA + name for name in (
        "evaluate.py", "modifiers.py", "judge.py", "condition.py", "terms.py", "patterns.py", "correlate.py",
        "windows.py")],
    "the journal": [f"soc_core/journal/{name}.py" for name in (
        "appender", "files", "frames", "reader", "shelf", "tails")],
    "the commit path": ["soc_core/pipeline.py", "soc_core/held.py", "soc_core/state/commits.py",
                        "soc_core/state/claims.py", "detections/triage.py"],
    "the access layer": ["soc_core/access.py", "casework/services.py", "casework/rights.py", "casework/masking.py",
                         "soc_api/auth.py"],
}
MUST = 85.0
Known = dict[str, dict[str, bool]]  # module and digest → mutant → killed


def key(mutant: mutate.Mutant) -> str:
    return hashlib.sha256(mutant.source.encode()).hexdigest()[:16]


def judge(module: str, seed: int, count: int, known: dict[str, bool], done: Any) -> tuple[int, int]:
    """How many of the sample were killed, of how many. What is known of them is only asked again where it survived."""
    chosen, _ = mutate.drawn(module, seed, count)
    asked = [mutant for mutant in chosen if not known.get(key(mutant))]
    for mutant, killed in mutate.judged(module, asked, mutate.killers(module)) if asked else ():
        known[key(mutant)] = killed
        done()
        if not killed:
            print(f"{module}:{mutant.line}: survives: {mutant.was}  →  {mutant.now}", flush=True)
    return sum(known[key(mutant)] for mutant in chosen), len(chosen)


def figures() -> list[dict[str, Any]]:
    place = Path(os.environ.get("SOC_MUTANTS_STATE") or ROOT / "data" / "mutants.json")
    seed, count = int(os.environ.get("SOC_MUTANTS_SEED") or 1), int(os.environ.get("SOC_MUTANTS") or 8)
    only = os.environ.get("SOC_MUTANTS_ONLY", "").split()
    kept: Known = json.loads(place.read_text()) if place.exists() else {}

    def keep() -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(kept))

    found, all_killed, all_made = [], 0, 0
    for area, modules in AREAS.items():
        killed = made = 0
        for module in [each for each in modules if not only or each in only]:
            digest = hashlib.sha256((ROOT / module).read_bytes()).hexdigest()[:16]
            one, of = judge(module, seed, count, kept.setdefault(f"{module} {digest}", {}), keep)
            print(f"{module}: {one} of {of} killed", flush=True)
            killed, made = killed + one, made + of
        if made:
            found.append(figure(f"mutants killed: {area}", killed, made))
        all_killed, all_made = all_killed + killed, all_made + made
    if not all_made:
        raise LookupError(f"no module that is sampled here is among {' '.join(only)}")
    return [figure("mutants killed", all_killed, all_made), *found]


def figure(name: str, killed: int, made: int) -> dict[str, Any]:
    share = 100 * killed / made
    return {"name": name, "value": round(share, 1), "unit": f"% of {made}", "target": MUST,
            "met": share >= MUST}
