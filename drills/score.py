"""Figures of a drill, all from the truth and none from essays: recall, quality, delay, precision, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, median
from typing import NamedTuple

from drills.match import Matched, Quality

WORTH: dict[Quality, float] = {"technique": 1.0, "tactic": 0.75, "general": 0.5, "": 0.0}


class Interval(NamedTuple):
    """A 95 % Wilson interval of a share, both ends in 0 … 1."""

    low: float
    high: float


class Score(NamedTuple):
    """`step_recall` = detected of the attack steps; `technique_quality` = those named by their technique, of the
    detected ones; `detection` = mean worth on the ladder over all steps. Delays in seconds over detected steps only,
    so they are always told together with `detected` of `steps`. `precision` counts a flagged decoy double.
    """

    steps: int
    detected: int
    technique_level: int
    step_recall: float
    step_recall_interval: Interval
    technique_quality: float
    detection: float
    delay_mean: float | None
    delay_median: float | None
    precision: float | None


def score(matched: Matched) -> Score:
    """The figures of one comparison."""
    seen = [step for step in matched.steps if step.detected]
    exact = sum(step.quality == "technique" for step in seen)
    delays = [step.after_seconds for step in seen if step.after_seconds is not None]
    wrong = len(matched.false_alerts) + 2 * len(matched.decoys_flagged)
    total = len(seen) + wrong
    return Score(
        steps=len(matched.steps),
        detected=len(seen),
        technique_level=exact,
        step_recall=share(len(seen), len(matched.steps)),
        step_recall_interval=wilson(len(seen), len(matched.steps)),
        technique_quality=share(exact, len(seen)),
        detection=round(mean(WORTH[step.quality] for step in matched.steps), 4) if matched.steps else 0.0,
        delay_mean=round(mean(delays), 3) if delays else None,
        delay_median=round(median(delays), 3) if delays else None,
        precision=round(len(seen) / total, 4) if total else None,
    )


def share(part: int, whole: int) -> float:
    """part / whole to four places; 0 of nothing is 0."""
    return round(part / whole, 4) if whole else 0.0


def wilson(hits: int, n: int, z: float = 1.959964) -> Interval:
    """Wilson's score interval (https://doi.org/10.1080/01621459.1927.10502953); (0, 1) when nothing was tried."""
    if n == 0:
        return Interval(0.0, 1.0)
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(round(max(0.0, centre - half), 4), round(min(1.0, centre + half), 4))


def overall(scores: Sequence[Score]) -> tuple[float, float]:
    """(step recall, technique quality) over several drills, every step counting once."""
    detected = sum(one.detected for one in scores)
    return (
        share(detected, sum(one.steps for one in scores)),
        share(sum(one.technique_level for one in scores), detected),
    )
