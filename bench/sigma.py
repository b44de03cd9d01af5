"""All public Sigma rules on public Windows recordings as NDJSON: events/s on one core, with each stage's share.

Cold: every cache empty. Warm: caches filled by the other recordings; no cache is keyed by a whole record. Needs the
corpora otrf and sigma-rules (SOC_CORPORA); without them there are no figures.
"""

from __future__ import annotations

import gzip
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from collectors.parse import parse
from detections.sigma import cache
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules
from soc_core.events import EventBatch
from soc_core.identify import identify, records
from soc_core.protocols import Frame, Origin, Raws

CORPORA = Path(os.environ.get("SOC_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
EVENTS = 60_000  # per half
BATCH = 16_384  # records a step, as the worker takes them
RULES = ("rules",)


class Times(NamedTuple):
    """Seconds of each stage over so many events."""

    events: int
    parse: float
    identify: float
    detect: float
    hits: int

    @property
    def rate(self) -> float:
        return self.events / (self.parse + self.identify + self.detect)


def recordings() -> list[Path]:
    """Host recordings as NDJSON, sorted."""
    return sorted((CORPORA / "otrf").rglob("*.jsonl.gz"))


def lines(paths: Sequence[Path], most: int) -> list[bytes]:
    """Up to `most` lines, as many from each recording."""
    share = max(1, most // max(1, len(paths)))
    out: list[bytes] = []
    for path in paths:
        with gzip.open(path) as opened:
            out += [line.rstrip(b"\n") for line, _ in zip(opened, range(share), strict=False)]
    return out


def run(detector: SigmaDetector, found: Sequence[bytes]) -> tuple[Times, list[EventBatch]]:
    """Bytes → Format → EventBatch → Detector, as the worker does it; and the batches, for another pass."""
    spent = [0.0, 0.0, 0.0]
    hits, events, batches = 0, 0, []
    origin = Origin(source="bench", format="windows_event")
    for start in range(0, len(found), BATCH):
        t0 = time.perf_counter()
        frame = Frame(0, start, Raws(origin, found[start : start + BATCH], 1_800_000_000_000_000))
        parsed = parse([frame])
        t1 = time.perf_counter()
        batch, _ = identify(parsed, records([frame], "bench"))
        t2 = time.perf_counter()
        hits += len(detector.detect(batch))
        t3 = time.perf_counter()
        spent = [spent[0] + t1 - t0, spent[1] + t2 - t1, spent[2] + t3 - t2]
        events += batch.height
        batches.append(batch)
    return Times(events, *spent, hits), batches


def again(detector: SigmaDetector, batches: Sequence[EventBatch]) -> float:
    """Events/s on batches that are normalised already."""
    began = time.perf_counter()
    for batch in batches:
        detector.detect(batch)
    return sum(batch.height for batch in batches) / (time.perf_counter() - began)


def figures() -> list[dict[str, Any]]:
    """Rates, shares, start-up time and memory."""
    paths = recordings()
    folder = CORPORA / "sigma-rules"
    if not paths or not folder.exists():
        return []
    rules = [folder / name for name in RULES]
    SigmaDetector(load_rules(rules, cache=cache.default()), cache=cache.default())
    began = time.perf_counter()
    detector = SigmaDetector(load_rules(rules, cache=cache.default()), cache=cache.default())
    start = time.perf_counter() - began
    detector.plan(("windows/process_creation/", "windows//", "windows//sysmon"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cold, _ = run(detector, lines(paths[::2], EVENTS))
    warm, batches = run(detector, lines(paths[1::2], EVENTS))
    ready = again(detector, batches)
    whole = warm.parse + warm.identify + warm.detect
    return [
        figure("sigma, caches empty", cold.rate, "events/s"),
        figure("sigma, caches filled by other recordings", warm.rate, "events/s"),
        figure("sigma, normalised already", ready, "events/s", 150_000),
        figure("share of parsing", 100 * warm.parse / whole, "%"),
        figure("share of identity", 100 * warm.identify / whole, "%"),
        figure("share of detecting", 100 * warm.detect / whole, "%"),
        figure("findings in the filled half", warm.hits, "findings"),
        figure("start with rules in the cache", start, "s", 2, less=True),
        figure("resident memory with all rules", memory, "MiB", 500, less=True),
    ]


def figure(name: str, value: float, unit: str, target: float | None = None, less: bool = False) -> dict[str, Any]:
    """One row of `./soc bench`."""
    met = None if target is None else value <= target if less else value >= target
    return {
        "name": name, "value": round(value, 1), "unit": unit, "peer": None, "peer_value": None, "ratio": None,
        "target": target, "met": met,
    }
