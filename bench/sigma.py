"""All public Sigma rules on public Windows recordings as NDJSON: events/s on one core, with each stage's share.

Cold: every cache empty. Warm: caches filled by the other recordings; no cache is keyed by a whole record. Needs the
corpora otrf and sigma-rules (SOC_CORPORA); without them there are no figures. Times are those of the processor, all
threads together: a rate is that of one core, whatever else runs. Where rsigma is installed (on the PATH, or SOC_RSIGMA)
it judges the same lines in the same run.
"""

from __future__ import annotations

import gzip
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bench import _rsigma
from collectors.parse import parse
from detections.sigma import cache, ready
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules
from soc_core import garbage
from soc_core.events import EventBatch, Part
from soc_core.garbage import uncollected
from soc_core.identify import identify, records
from soc_core.protocols import Frame, Origin, Raws

CORPORA = Path(os.environ.get("SOC_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
EVENTS = int(os.environ.get("SOC_BENCH_EVENTS") or 60_000)  # per half
PLANNED = 3_000  # records of each half whose log sources are known beforehand
BATCH = 16_384  # records a step, as the worker takes them
RULES = ("rules",)


class Times(NamedTuple):
    """Seconds of each stage over so many events."""

    events: int
    parse: float
    identify: float
    detect: float
    hits: Counter[str]  # by rule

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
    """Bytes → Format → EventBatch → Detector, as the worker does it; and the batches as a store has them."""
    spent = (0.0, 0.0, 0.0)
    hits, events = Counter[str](), 0
    batches: list[EventBatch] = []
    origin = Origin(source="bench", format="windows_event")
    for start in range(0, len(found), BATCH):
        with uncollected():
            t0 = time.process_time()
            frame = Frame(0, start, Raws(origin, found[start : start + BATCH], 1_800_000_000_000_000))
            parsed = parse([frame])
            t1 = time.process_time()
            batch, _ = identify(parsed, records([frame], "bench"))
            t2 = time.process_time()
            hits.update(finding.rule_id for finding in detector.detect(batch))
            t3 = time.process_time()
        spent = (spent[0] + t1 - t0, spent[1] + t2 - t1, spent[2] + t3 - t2)
        events += batch.height
        batches.append(EventBatch(batch.height, [Part(part.rows, part.frame) for part in batch.parts]))
        del parsed, batch  # as the worker lets go of one before it takes the next
    return Times(events, *spent, hits), batches


def normalised(found: Sequence[bytes]) -> Iterator[EventBatch]:
    """The batches that the worker would make of the lines."""
    origin = Origin(source="bench", format="windows_event")
    for start in range(0, len(found), BATCH):
        frame = Frame(0, start, Raws(origin, found[start : start + BATCH], 1_800_000_000_000_000))
        yield identify(parse([frame]), records([frame], "bench"))[0]


def again(detector: SigmaDetector, batches: Sequence[EventBatch]) -> float:
    """Events/s on batches that are normalised already: in whole columns, as a store gives them back."""
    whole = [EventBatch(each.height, [Part(part.rows, part.frame) for part in each.parts]) for each in batches]
    began = time.process_time()
    with uncollected():
        for batch in whole:
            detector.detect(batch)
    return sum(batch.height for batch in batches) / (time.process_time() - began)


def figures() -> list[dict[str, Any]]:
    """Rates, shares, start-up time and memory."""
    paths = recordings()
    folder = CORPORA / "sigma-rules"
    if not paths or not folder.exists():
        return []
    rules = [folder / name for name in RULES]
    SigmaDetector(load_rules(rules, cache=cache.default()), cache=cache.default())
    began = time.process_time()
    detector = SigmaDetector(load_rules(rules, cache=cache.default()), cache=cache.default())
    ready.prepare()
    start = time.process_time() - began
    garbage.settle()  # as the worker does
    detector.plan(("windows/process_creation/", "windows//", "windows//sysmon"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before the recordings are held
    halves = lines(paths[::2], EVENTS), lines(paths[1::2], EVENTS)
    for batch in normalised([line for half in halves for line in half[:: max(1, len(half) // PLANNED)]]):
        for part in batch.parts:
            for group in detector.router.groups(part):
                detector.plan(group.tags)  # rules are loaded, as they are before the peer's time begins
    cold, first = run(detector, halves[0])
    cold_peer = peer(rules, halves[0], first)
    del first
    warm, batches = run(detector, halves[1])
    warm_peer = peer(rules, halves[1], batches)
    if warm_peer is not None:
        tell(warm.hits, warm_peer)
    stored = again(detector, batches)
    whole = warm.parse + warm.identify + warm.detect
    return [
        beside(figure("sigma, caches empty", cold.rate, "events/s"), cold_peer, 1.5),
        beside(figure("sigma, caches filled by other recordings", warm.rate, "events/s"), warm_peer, 3),
        figure("sigma, normalised already", stored, "events/s", 150_000),
        figure("share of parsing", 100 * warm.parse / whole, "%"),
        figure("share of identity", 100 * warm.identify / whole, "%"),
        figure("share of detecting", 100 * warm.detect / whole, "%"),
        beside(figure("findings in the filled half", warm.hits.total(), "findings"), warm_peer, None, "found"),
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


def peer(rules: Sequence[Path], found: Sequence[bytes], batches: Sequence[EventBatch]) -> _rsigma.Peer | None:
    """rsigma on the same lines, with the log sources that our format found; None where it is not installed.

    Lines that gave no event, or several, are left out.
    """
    program = _rsigma.binary()
    if program is None:
        return None
    kept: list[bytes] = []
    tags: list[list[str]] = []
    for start, batch in zip(range(0, len(found), BATCH), batches, strict=True):
        offsets = batch.column("soc.offset").to_list()
        listed = batch.column("sigma.logsource").to_list()
        once = Counter(offsets)
        for offset, own in zip(offsets, listed, strict=True):
            if once[offset] == 1 and start <= offset < len(found):
                kept.append(found[offset])
                tags.append(own or [])
    with tempfile.TemporaryDirectory(prefix="soc-bench-") as work:
        return _rsigma.run(program, rules, _rsigma.routed(kept, tags), Path(work))


def tell(ours: Counter[str], other: _rsigma.Peer) -> None:
    """Rules that fire more often here or there. It reads native names alone; our tables map more of them."""
    for rule in sorted(ours.keys() | other.hits.keys()):
        if ours[rule] != other.hits[rule]:
            print(f"{rule}: {ours[rule]} findings, {other.name} {other.hits[rule]}")


def beside(
    row: dict[str, Any], other: _rsigma.Peer | None, times: float | None, what: Literal["rate", "found"] = "rate"
) -> dict[str, Any]:
    """The figure with the peer's, and the target as so many times the peer's."""
    if other is None:
        return row
    value = float(getattr(other, what))
    ratio = round(row["value"] / value, 2) if value else None
    row |= {"peer": other.name, "peer_value": round(value, 1), "ratio": ratio}
    if times is not None:
        row |= {"target": round(times * value, 1), "met": row["value"] >= times * value}
    return row
