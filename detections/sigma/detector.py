"""The Sigma detector as the platform runs it: rule folders in, detectors out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detections.sigma import load, ready, tuning
from detections.sigma.map import of_site
from detections.sigma.share import SharingSigma
from soc_core.protocols import Detector


def build(
    rules: Sequence[Path], cache: Path | None = None, mapped: Path | None = None, tuned: Path | None = None
) -> list[Detector]:
    """Detectors for the rules below these folders, as a site wants them.

    `mapped` is its folder of field tables (map.py), `tuned` that of exceptions and overrides (tuning.py). What
    cannot be loaded is left out; `./soc rules check` names it.
    """
    ready.prepare()
    folder = cache / "sigma" if cache else None
    found = tuning.apply(load.load_rules(rules, cache=folder), tuning.read(tuned))
    return [SharingSigma(found, of_site(mapped), cache=folder)]
