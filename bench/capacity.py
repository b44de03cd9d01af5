"""How large a city's machines must be: a model of our own measurements, and a day simulated at each peak factor.

Costs are read from docs/benchmarks.json; where a bench was not recorded yet, the figure in ASSUMED stands, and the page
says so. `python -m bench.capacity` writes docs/capacity.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from simulate.streams import UNIT
from soc_core import inventory
from soc_core.config import ROOT

RECORDS, PAGE = ROOT / "docs" / "benchmarks.json", ROOT / "docs" / "capacity.md"
CITY = ROOT / "cities" / "changsha"
LOADS = {
    "2,600 systems at 5 a second": 13_000, "by kind of organisation": 25_400, "2,600 systems at 50 a second": 130_000}
PEAKS = (3, 4, 5)
DAYS = 190
BUSY = 0.7  # of a core that is planned with
FULL = 0.8  # of a disk
SHARD = 50e9  # bytes of a shard, at most
SETS = 52  # data sets that a city's formats make; each has an index of its own a day, however little there is of it
NODE_SHARDS = 1000  # of a node, as Elasticsearch has it unless cluster.max_shards_per_node says otherwise
MACHINE = {"cores": 32, "disk": 30e12}  # what is bought: 32 cores, 30 TB of flash
REPLICAS = 1
JOURNAL_HOURS, JOURNAL_COPIES = 24, 3
CATCHES = {  # raw bytes of an event by the mix of bench/mix.yml
    "syslog": (0.40, 250), "web": (0.25, 350), "windows": (0.15, 2100), "eve": (0.10, 900), "application": (0.10, 400)}


class Cost(NamedTuple):
    """A figure, and where it comes from."""

    value: float
    source: str


ASSUMED = {
    "elastic_us": Cost(163.0, "30,000 events of bench/search.py into one node, its whole process, on a busy machine"),
    "elastic_ratio": Cost(465 / 250, "one index of 50,000 events, 465 bytes each of 250 raw; bench/search.py's events"),
    "embedded_ratio": Cost(68 / 250, "68 bytes an event of 250 raw: bench make-store"),
    "worker_us": Cost(124.0, "assumed"),
    "journal_mb": Cost(450.0, "assumed"),
}


def costs(known: dict[str, dict[str, Any]]) -> dict[str, Cost]:
    """Measured where recorded: µs of processor time an event, bytes kept of a byte received, MB/s of the journal."""
    found = dict(ASSUMED)

    def value(name: str) -> float | None:
        return float(known[name]["value"]) if name in known else None

    if (spent := value("flow: workers' processor time")) is not None:
        found["worker_us"] = Cost(spent, "bench flow: workers' processor time")
    else:
        slow = value("ingest syslog sshd, journal to store")
        fast = value("ingest Windows event JSON 2 KB, journal to store")
        if slow and fast:
            windows = CATCHES["windows"][0]
            found["worker_us"] = Cost(1e6 * (windows / fast + (1 - windows) / slow),
                                      "bench ingest, syslog standing for all that is not Windows")
    if rate := value("journal append, fsynced"):
        found["journal_mb"] = Cost(rate, "bench journal")
    if kept := value("make-store: bytes an event, filters included"):
        found["embedded_ratio"] = Cost(kept / 250, "bench make-store, 250 raw bytes an event")
    if spent := value("elastic: node's processor time"):
        found["elastic_us"] = Cost(spent, "bench elastic")
    return found


def raw() -> float:
    """Mean bytes of a record."""
    return sum(share * size for share, size in CATCHES.values())


def shards_a_day(kept: float) -> int:
    """Primary shards for so many bytes a day: those of the mix as many as they fill, one for every other data set."""
    full = sum(math.ceil(kept * share * size / raw() / SHARD) for share, size in CATCHES.values())
    return full + SETS - len(CATCHES)


def by_kind() -> list[tuple[str, int, float]]:
    """Kinds of organisation, how many there are, and events a second of each of them."""
    found = inventory.load(CITY).organisations.values()
    return [(kind, sum(one.kind == kind for one in found), each) for kind, each in UNIT.items()]


@dataclass(frozen=True)
class Plan:
    """What a load wants at a peak factor. Cores are busy ones over BUSY; disks hold what is kept over FULL."""

    rate: int
    peak: int
    worker_cores: int
    elastic_cores: int
    journal_mb: float
    journal_disk: float
    elastic_disk: float
    embedded_disk: float
    shards_a_day: int
    shards: int
    machines: int
    bound_by: str


def plan(rate: int, peak: int, cost: dict[str, Cost]) -> Plan:
    """Sized so that the peak itself is kept up with: nothing waits, and delays stay as measured."""
    top, received = rate * peak, rate * raw() * 86_400
    workers = math.ceil(top * cost["worker_us"].value / 1e6 / BUSY)
    nodes = math.ceil(top * cost["elastic_us"].value * (1 + REPLICAS) / 1e6 / BUSY)
    primary = received * cost["elastic_ratio"].value
    disk = primary * DAYS * (1 + REPLICAS) / FULL
    day = shards_a_day(primary)
    by_cores = math.ceil(nodes / MACHINE["cores"])
    by_disk = math.ceil(disk / MACHINE["disk"])
    by_shards = math.ceil(day * DAYS * (1 + REPLICAS) / NODE_SHARDS)
    needs = {"processor": by_cores, "disk": by_disk, "shards of a node": by_shards}
    bound = max(needs, key=lambda name: needs[name])
    machines = max(3, needs[bound]) + math.ceil(workers / MACHINE["cores"])
    return Plan(rate, peak, workers, nodes, top * raw() / 1e6,
                rate * raw() * 3600 * JOURNAL_HOURS * JOURNAL_COPIES / FULL, disk,
                received * cost["embedded_ratio"].value * DAYS / FULL, day,
                day * DAYS * (1 + REPLICAS), machines, bound)


class Day(NamedTuple):
    """The longest wait of an event, how many waited at most, and hours until none did, after the peak."""

    wait: float
    waiting: float
    recovery: float


def simulate(rate: int, peak: int, cores: int, us: float, step: float = 60.0) -> Day:
    """A day minute by minute with a peak of two hours and ramps of a quarter; workers fully busy."""
    capacity, queue, worst, most, clear = cores * 1e6 / us, 0.0, 0.0, 0.0, 0.0
    low = (24 - 2.5 * peak) / 21.5 if peak < 9 else 0.0  # the day's mean stays the rate
    begin, end = 9.0, 11.5
    hour = 0.0
    while hour < 48:
        at = hour % 24
        shape = min(1.0, (at - begin) / 0.25, (end - at) / 0.25) if hour < 24 and begin < at < end else 0.0
        queue = max(0.0, queue + step * (rate * (low + (peak - low) * shape) - capacity))
        most, worst = max(most, queue), max(worst, queue / capacity)
        if queue and hour > end:
            clear = hour - end
        hour += step / 3600
    return Day(worst, most, clear)


def breaks_first(rate: int, cost: dict[str, Cost], cores: int, disk: float) -> list[tuple[str, float]]:
    """Of one machine: what gives way at how many events a second, the first first."""
    size = raw()
    kept = disk * FULL / (DAYS * 86_400 * size)
    return sorted([
        ("its processor, workers and embedded store", cores * BUSY * 1e6 / cost["worker_us"].value),
        ("its processor, Elasticsearch alone", cores * BUSY * 1e6 / cost["elastic_us"].value),
        ("its disk, Elasticsearch without replicas, 190 days", kept / cost["elastic_ratio"].value),
        ("its disk, embedded store, 190 days", kept / cost["embedded_ratio"].value),
        ("fsync of the journal", cost["journal_mb"].value * 1e6 / size),
    ], key=lambda item: item[1])


def known() -> dict[str, dict[str, Any]]:
    return dict(orjson.loads(RECORDS.read_bytes())) if RECORDS.exists() else {}


def figures() -> list[dict[str, Any]]:
    """The plans as figures; nothing is measured here."""
    cost = costs(known())
    rows = []
    for rate in LOADS.values():
        for peak in PEAKS:
            made = plan(rate, peak, cost)
            rows += [_row(f"capacity: {rate:,} events/s, peak {peak}, worker cores", made.worker_cores, "cores"),
                     _row(f"capacity: {rate:,} events/s, peak {peak}, machines", made.machines, "machines")]
    return rows


def _row(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": None, "peer_value": None, "ratio": None,
            "target": None, "met": None}


def page() -> str:
    """docs/capacity.md."""
    cost = costs(known())
    out = [
        "# Capacity", "",
        "Made by `python -m bench.capacity` from docs/benchmarks.json: a model, not a test at this size. Nothing of "
        "what follows was run on more than one machine of two cores; what is assumed is named as such. The containers "
        "of compose.yaml were never started: the same processes were, with one real node of each engine "
        "(architecture.md, Engines beside the embedded ones).", "",
        "## Costs of one event", "", "| what | value | from |", "|---|---:|---|",
        f"| mean size of a record (bench/mix.yml) | {raw():,.0f} bytes | the mix |",
    ]
    units = {"worker_us": "worker, journal to store and alert, µs of a core", "journal_mb": "journal, MB/s of one disk",
             "elastic_us": "Elasticsearch, µs of a core for each copy",
             "elastic_ratio": "Elasticsearch, bytes kept of a byte received, one copy",
             "embedded_ratio": "embedded store, bytes kept of a byte received"}
    out += [f"| {about} | {cost[name].value:,.2f} | {cost[name].source} |" for name, about in units.items()]
    out += ["", "## The city's form", "",
            f"Elasticsearch with {REPLICAS} replica for {DAYS} days, Kafka with {JOURNAL_COPIES} copies of "
            f"{JOURNAL_HOURS} hours; cores planned to {BUSY:.0%}, disks to {FULL:.0%}, machines of {MACHINE['cores']} "
            f"cores and {MACHINE['disk'] / 1e12:.0f} TB; sized for the peak, disks for the mean.", "",
            "| load | peak | worker cores | Elasticsearch cores | into the journal | Kafka disk | Elasticsearch disk | "
            "shards a day, in all | machines | bound by |", "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|"]
    for name, rate in LOADS.items():
        for peak in PEAKS:
            made = plan(rate, peak, cost)
            out.append(
                f"| {rate:,}/s ({name}) | {peak} | {made.worker_cores} | {made.elastic_cores} | "
                f"{made.journal_mb:,.0f} MB/s | {made.journal_disk / 1e12:,.1f} TB | "
                f"{made.elastic_disk / 1e12:,.0f} TB | {made.shards_a_day}, {made.shards:,} | "
                f"{made.machines} | {made.bound_by} |")
    out += ["", *_parts(), "", "Tiers: days that are read daily (a week) on flash, the rest may lie on spinning disks; "
            "the embedded store keeps the same events in the disks below, on one machine.", "",
            "| load | embedded store, 190 days |", "|---|---:|"]
    out += [f"| {rate:,}/s | {plan(rate, 3, cost).embedded_disk / 1e12:,.1f} TB |" for rate in LOADS.values()]
    out += ["", "## A day with fewer cores, simulated", "",
            "Workers for twice the mean only, a peak of two hours, ramps of a quarter: nothing is lost, as the journal "
            "holds it; alerts come later. What waits must fit the journal.", "",
            "| load | peak | cores | longest wait | most waiting | in the journal | caught up after |",
            "|---|---:|---:|---:|---:|---:|---:|"]
    for rate in LOADS.values():
        for peak in PEAKS:
            cores = math.ceil(2 * rate * cost["worker_us"].value / 1e6)
            day = simulate(rate, peak, cores, cost["worker_us"].value)
            held = day.waiting * raw() / 1e9
            out.append(f"| {rate:,}/s | {peak} | {cores} | {day.wait / 60:,.0f} min | {day.waiting / 1e6:,.0f} M | "
                       f"{held:,.0f} GB | {day.recovery:.1f} h |")
    out += ["", "## What breaks first on one machine", ""]
    for cores, disk in ((2, 1e12), (8, 4e12), (32, 30e12)):
        out += [f"{cores} cores, {disk / 1e12:.0f} TB, in events a second (mean for disks, peak for the rest):", "",
                *(f"{place}. {what}: {most:,.0f}/s" for place, (what, most) in
                  enumerate(breaks_first(1, cost, cores, disk), 1)), ""]
    out += ["After these: one partition's worker (a partition is worked off by one core, so no source may send more "
            "than one core takes: spread it over several source names), then the state database, which takes one "
            "transaction a step, some tens a second for each worker. A single Elasticsearch node holds "
            f"{NODE_SHARDS // SETS} days of {SETS} data sets before its limit of shards, whatever the rate: events "
            "then wait in the journal, and doctor and status say so.", ""]
    return "\n".join(out)


def _parts() -> list[str]:
    """What the city's form consists of: data sets, and kinds of organisation."""
    return [
        f"Shards: {SETS} data sets, each an index a day, and {NODE_SHARDS:,} shards of a node as Elasticsearch has it "
        "by itself; where they bind, fewer nodes do with a higher cluster.max_shards_per_node and heap for it "
        "(operate.md).",
        "", "The 25,400 by kind of organisation:", "", "| kind | how many | events/s of each | of all |",
        "|---|---:|---:|---:|",
        *(f"| {kind} | {count:,} | {each:g} | {count * each:,.0f} |" for kind, count, each in by_kind()),
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
