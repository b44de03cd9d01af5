"""The Sigma detector as the platform runs it: rule folders in, detectors out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detections.sigma import load
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.map import FOLDER, Mapper
from soc_core.protocols import Detector


def build(rules: Sequence[Path], cache: Path | None = None, mappings: Sequence[Path] = ()) -> list[Detector]:
    """Detectors for the rules below these folders; `mappings` are a site's own folders of field tables.

    Rules that cannot be loaded are left out; `./soc rules check` names them.
    """
    folder = cache / "sigma" if cache else None
    return [SigmaDetector(load.load_rules(rules, cache=folder), Mapper([FOLDER, *mappings]), cache=folder)]
