"""Ten recorded attacks at once in ten agencies, in ordinary traffic: what is told as one incident, and what is not.

Recordings of the corpus otrf, one drawn from each part of the sorted list (SOC_BENCH_SEED), begin within HOURS of each
other; each comes from one host of one agency, whose other systems send what simulate/ makes of an ordinary day. All
rules of sigma-rules and ours judge them in the real worker. The truth is the source of each alert's events.
"""

from __future__ import annotations

import gzip
import os
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from simulate.run import Simulation
from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.clock import HOUR, SECOND, Micros
from soc_core.config import Settings
from soc_core.identity import source_key
from soc_core.inventory import Inventory
from soc_core.models import Alert, Finding
from soc_core.protocols import Origin, Raws
from soc_core.state import alerts

CORPORA = Path(os.environ.get("SOC_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")
SEED = int(os.environ.get("SOC_BENCH_SEED") or 1)
LINES = int(os.environ.get("SOC_BENCH_LINES") or 100_000)  # of ordinary traffic
ATTACKS, HOURS = 10, 2
MOMENT = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
BACKGROUND = ""


@dataclass
class Outcome:
    """What came out: alerts as stored, findings as judged, and whose each event was."""

    alerts: list[Alert]
    findings: int
    truth: dict[str, str]  # key of a source → recording; others are background
    began: dict[str, int] = field(default_factory=dict)

    def of(self, alert: Alert) -> str:
        """The recording that most of an alert's events are from, BACKGROUND for ordinary traffic."""
        return Counter(self.truth.get(event[:16], BACKGROUND) for event in alert.events).most_common(1)[0][0]


def chosen(seed: int, count: int) -> list[Path]:
    """One recording from each of `count` parts of the sorted list, so that every tactic has its share."""
    found = sorted((CORPORA / "otrf").rglob("*.jsonl.gz"))
    rng = np.random.default_rng([seed, 1])
    return [part[int(rng.integers(0, len(part)))] for part in np.array_split(np.array(found, dtype=object), count)]


def shifted(path: Path, start: Micros) -> list[bytes]:
    """A recording's lines with every moment in them moved, so that the first is at `start`; pauses stay."""
    with gzip.open(path) as opened:
        found = opened.read().splitlines()
    first = min(moment(match[0]) for line in found for match in [MOMENT.search(line)] if match)
    by = clock.to_datetime(start).replace(tzinfo=UTC) - first
    return [MOMENT.sub(lambda match: moved(match[0], by), line) for line in found]


def moment(text: bytes) -> datetime:
    return datetime.fromisoformat(text.decode().replace(" ", "T")).replace(tzinfo=UTC)


def moved(text: bytes, by: timedelta) -> bytes:
    found = moment(text) + by
    return found.strftime(f"%Y-%m-%d{text[10:11].decode()}%H:%M:%S").encode()


def agencies(inventory: Inventory, count: int, seed: int) -> list[tuple[str, str, str]]:
    """(organisation, zone, address) of one host each in different agencies."""
    rng = np.random.default_rng([seed, 2])
    by: dict[str, tuple[str, str, str]] = {}
    for host in inventory.hosts:
        system = inventory.systems.get(host.system)
        if system is not None and host.address:
            by.setdefault(system.owner, (system.owner, host.zone, str(host.address).split("/")[0]))
    owners = sorted(by)
    return [by[owners[n]] for n in rng.permutation(len(owners))[:count].tolist()]


def attack(path: Path, place: tuple[str, str, str], start: Micros, number: int) -> list[Raws]:
    """A recording as an agency's forwarder would send it."""
    lines = shifted(path, start)
    origin = Origin(source=f"bench/attack-{number}", format="windows_event", zone=place[1], peer=place[2])
    return [
        Raws(origin, lines[at : at + 5000], start + HOUR, np.arange(at, min(at + 5000, len(lines)), dtype=np.int64))
        for at in range(0, len(lines), 5000)
    ]


def ordinary(inventory: Inventory, owners: Sequence[str], start: Micros, lines: int, seed: int) -> Iterator[Raws]:
    """The other systems of these agencies on an ordinary day."""
    systems = frozenset(each.id for owner in owners for each in inventory.systems_of(owner) if each.listed)
    made = Simulation(inventory, seed, start, lines, lines / (HOURS + 1) / 3600, attacks=0, systems=systems, gaps=False)
    sent: Counter[str] = Counter()
    for block in made.blocks():
        for part in block.parts(50_000):
            by: dict[int, list[bytes]] = defaultdict(list)
            for text, code in zip(part.lines.text.to_list(), part.lines.stream.tolist(), strict=True):
                by[code].append(text.encode())
            received = int(part.lines.time[-1]) + SECOND
            for code, texts in by.items():
                stream = made.traffic.listed[code]
                at = sent[stream.source]
                sent[stream.source] += len(texts)
                origin = Origin(source=f"bench/{stream.source}", zone=stream.zone, peer=stream.peer)
                yield Raws(origin, texts, received, np.arange(at, at + len(texts), dtype=np.int64))


def run(folder: Path, rules: Sequence[Path], recordings: Sequence[Path], lines: int, seed: int) -> Outcome:
    """Everything through the worker into a data directory of its own."""
    from soc_cli.wiring import Platform

    start = clock.now() // HOUR * HOUR - 6 * HOUR
    rng = np.random.default_rng([seed, 3])
    count = 0
    with Platform(Settings(data=folder)) as platform:
        places = agencies(platform.inventory, len(recordings), seed)
        truth = {source_key(f"bench/attack-{n}"): f"{n} {path.name}" for n, path in enumerate(recordings)}
        raws = [each for n, path in enumerate(recordings)
                for each in attack(path, places[n], start + int(rng.random() * HOURS * HOUR), n)]
        raws += ordinary(platform.inventory, [place[0] for place in places], start, lines, seed)
        worker = platform.worker(rules)
        usual = worker.parts.triage

        def listen(session: Session, found: Sequence[Finding], at: Micros) -> Any:
            nonlocal count
            count += sum(not each.building_block for each in found)
            return usual(session, found, at)

        worker.parts.triage = listen
        for at in range(0, len(raws), 64):
            platform.journal.append(raws[at : at + 64])
            worker.drain()
        if worker.detector_errors:
            raise RuntimeError(f"detectors failed: {dict(worker.detector_errors)}")
        with platform.state.read() as session:
            return Outcome(list(everything(session)), count, truth)


def everything(session: Session) -> Iterator[Alert]:
    after = ""
    while page := alerts.find(session, EVERYTHING, after=after, limit=500)[0]:
        yield from page
        after = alerts.cursor(page[-1])


def judged(found: Outcome) -> dict[str, float]:
    """Purity, background, merged attacks, incidents an attack, and findings for each thing shown.

    `own`: of each incident that holds any attack's alerts, the share of its attack alerts that are of the commonest.
    """
    by: dict[str, Counter[str]] = defaultdict(Counter)
    alone = 0
    for alert in found.alerts:
        if alert.incident:
            by[alert.incident][found.of(alert)] += 1
        else:
            alone += 1
    told = {name: counts for name, counts in by.items() if set(counts) - {BACKGROUND}}
    owned = [max(n for name, n in counts.items() if name) / (counts.total() - counts[BACKGROUND])
             for counts in told.values()]
    noise = [counts[BACKGROUND] / counts.total() for counts in told.values()]
    spread = Counter(name for counts in told.values() for name in counts if name)
    return {
        "own": min(owned, default=0.0), "background": max(noise, default=0.0),
        "merged": sum(len(set(counts) - {BACKGROUND}) > 1 for counts in told.values()),
        "spread": max(spread.values(), default=0), "attacks": len(spread), "incidents": len(by),
        "alone": alone, "shown": len(by) + alone, "alerts": len(found.alerts), "findings": found.findings,
        "fewer": found.findings / max(1, len(by) + alone),
    }


def figures() -> list[dict[str, Any]]:
    """The figures of one run; none without the corpora."""
    if not (CORPORA / "otrf").exists() or not (CORPORA / "sigma-rules").exists():
        return []
    rules = [CORPORA / "sigma-rules" / "rules", *Settings().rules]
    with tempfile.TemporaryDirectory(prefix="soc-bench-") as folder:
        found = judged(run(Path(folder), rules, chosen(SEED, ATTACKS), LINES, SEED))
    return [
        {"name": f"Incidents: {name}", "value": round(found[key], 3), "unit": unit, "target": target,
         "met": None if met is None else met(found[key])}
        for name, key, unit, target, met in (
            ("alerts from one attack, worst incident", "own", "share", "≥ 0.95", lambda v: v >= 0.95),
            ("background alerts, worst incident", "background", "share", "≤ 0.10", lambda v: v <= 0.10),
            ("with two attacks merged", "merged", "incidents", "0", lambda v: v == 0),
            ("of one attack, most", "spread", "incidents", "≤ 2", lambda v: v <= 2),
            ("attacks told", "attacks", "of 10", None, None),
            ("findings for each alert or incident shown", "fewer", "x", "≥ 20", lambda v: v >= 20),
            ("findings", "findings", "", None, None), ("alerts", "alerts", "", None, None),
            ("incidents in all", "incidents", "", None, None), ("alerts outside incidents", "alone", "", None, None),
        )
    ]
