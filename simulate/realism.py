"""Is the simulated city easier than reality? The same measures on its lines and on public recordings of the kind.

What is measured, on equally many lines: length; how many different words there are; how evenly the templates are
mixed (entropy of lines whose rare words are blanked); the share of words never seen in the half before; burstiness of
arrival, (s - m) / (s + m) of the gaps (Goh and Barabási 2008, https://doi.org/10.1209/0295-5075/81/48002).
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from simulate.streams import Streams
from simulate.traffic import Traffic
from soc_core import inventory as inventories
from soc_core.clock import HOUR, SECOND, from_text
from soc_core.inventory import Inventory

WORD = re.compile(r"[A-Za-z0-9_.:/@%+-]+")
RARE = 0.01
OFF = 6 * 3600.0
LINES = 1000
START = "2026-11-23T00:00:00+08:00"


class Sample(NamedTuple):
    """Lines of one kind, and their times in seconds."""

    lines: list[str]
    times: list[float]


class Measures(NamedTuple):
    """See the module's text. Lengths in characters, entropy in bits, the others shares."""

    length_median: float
    length_p95: float
    words: float
    entropy: float
    unseen: float
    burstiness: float


class Row(NamedTuple):
    """One kind beside one recording. `harder_or_equal` is false where the simulated lines are easier."""

    kind: str
    recording: str
    lines: int
    ours: Measures
    theirs: Measures
    harder_or_equal: bool

    def record(self) -> dict[str, object]:
        """As plain data, for --json."""
        return self._asdict() | {"ours": self.ours._asdict(), "theirs": self.theirs._asdict()}


def measure(sample: Sample) -> Measures:
    """The measures of a sample of at least ten lines."""
    words = [WORD.findall(line) for line in sample.lines]
    spread = Counter(word for line in words for word in set(line))
    common = {word for word, n in spread.items() if n >= RARE * len(words)}
    shapes = Counter(tuple(word if word in common else "*" for word in line) for line in words)
    share = np.array(list(shapes.values())) / len(words)
    half = len(words) // 2
    known = {word for line in words[:half] for word in line}
    later = [word for line in words[half:] for word in line]
    lengths = np.array([len(line) for line in sample.lines])
    return Measures(float(np.median(lengths)), float(np.percentile(lengths, 95)),
                    len(spread) / max(sum(map(len, words)), 1), float(-(share * np.log2(share)).sum()),
                    sum(word not in known for word in later) / max(len(later), 1), burstiness(sample.times))


def burstiness(times: Sequence[float]) -> float:
    """-1 for a clock, 0 for chance, towards 1 for bursts. Gaps of hours, when the machine was off, do not count."""
    gaps = np.diff(np.sort(np.array(times, dtype=float)))
    gaps = gaps[gaps < OFF]
    total = gaps.std() + gaps.mean() if len(gaps) else 0.0
    return float((gaps.std() - gaps.mean()) / total) if total else 0.0


def easier(ours: Measures, theirs: Measures) -> list[str]:
    """What makes ours easier: less than half the variety, far from the length, or much smoother in time."""
    found = [name for name in ("words", "entropy", "unseen") if getattr(ours, name) < 0.5 * getattr(theirs, name)]
    if not 0.5 <= ours.length_median / theirs.length_median <= 2.0:
        found.append("length_median")
    if not 0.4 <= ours.length_p95 / theirs.length_p95 <= 3.0:
        found.append("length_p95")
    if ours.burstiness < theirs.burstiness - 0.35:
        found.append("burstiness")
    return found


# ---------------------------------------------------------------- ours


def simulated(inventory: Inventory, kind: str, streams: Streams, lines: int = LINES, seed: int = 3) -> Sample:
    """A day of one kind from one host that writes it, thinned to about `lines` lines at its own rhythm.

    Taken from the system of `streams` in which this kind has the largest part.
    """
    system = max(streams.by_system, key=lambda name: _part(streams, name, kind))
    traffic = Traffic(inventory, seed, 1.0, frozenset([system]), faults=False)
    candidates = [n for n, stream in enumerate(traffic.listed) if stream.kind == kind]
    place = max(candidates, key=lambda n: traffic.listed[n].weight)
    share = float(traffic.streams.weight[place])
    traffic.rate = lines / (24 * 3600 * share)
    start = from_text(START)
    texts: list[str] = []
    times: list[float] = []
    for hour in range(0, 24):
        block = traffic.lines(start + hour * HOUR, start + (hour + 1) * HOUR)
        mine = np.flatnonzero(block.stream == place)
        texts += block.text.gather(mine).to_list()
        times += (block.time[mine] / SECOND).tolist()
    return Sample(texts[:lines], times[:lines])


def _part(streams: Streams, system: str, kind: str) -> float:
    weights = [(streams.weight[n], streams.listed[n].kind == kind) for n in streams.by_system[system]]
    return float(sum(w for w, same in weights if same) / sum(w for w, _ in weights))


# ---------------------------------------------------------------- recordings


def opened(path: Path) -> list[str]:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", "replace").splitlines()


def _times(lines: Sequence[str], pattern: str, form: str) -> list[float]:
    found = [re.search(pattern, line) for line in lines]
    return [datetime.strptime(m[1], form).timestamp() for m in found if m]


def syslog(path: Path) -> Sample:
    lines = opened(path)
    dated = ["2017 " + line for line in lines]
    return Sample(lines, _times(dated, r"^(\d{4} \w{3} +\d+ [\d:]{8})", "%Y %b %d %H:%M:%S"))


def access(path: Path) -> Sample:
    lines = opened(path)
    return Sample(lines, _times(lines, r"\[([^\]]+)\]", "%d/%b/%Y:%H:%M:%S %z"))


def windows(path: Path) -> Sample:
    """Security events of one recording."""
    events = [(orjson.loads(line), line) for line in opened(path)]
    found = [(_seconds(event["@timestamp"]), line) for event, line in events if event.get("Channel") == "Security"]
    return Sample([line for _, line in found], [at for at, _ in found])


def names(path: Path) -> Sample:
    """Names asked for, from Zeek's dns.log with tabs."""
    rows = [line.split("\t") for line in opened(path) if not line.startswith("#")]
    return Sample([row[9] for row in rows], [float(row[0]) for row in rows])


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


WINDOWS = "otrf/atomic/windows/defense_evasion/host/empire_monologue_netntlm_downgrade.jsonl.gz"
PAIRS: tuple[tuple[str, str, Callable[[Path], Sample]], ...] = (
    ("linux", "beats-oss-modules/system/auth/auth-ubuntu1204.log.gz", syslog),
    ("linux", "beats-oss-modules/system/auth/secure-rhel7.log.gz", syslog),
    ("apache", "elastic-examples/apache_logs.gz", access),
    ("winflat", WINDOWS, windows),
    ("eve_dns", "slips-scenarios/test10-mixed-zeek-dir/dns.log", names),
)


def comparison(corpora: Path, city: Path) -> list[Row]:
    """Every pair whose recording is here. Raises LookupError when none is."""
    inventory = inventories.load(city)
    streams = Streams(inventory, 3)
    rows = []
    for kind, place, reader in PAIRS:
        path = corpora / place
        if not path.exists():
            continue
        theirs = reader(path)
        ours = simulated(inventory, kind, streams)
        if kind == "eve_dns":
            ours = Sample([str(orjson.loads(line)["dns"]["rrname"]) for line in ours.lines], ours.times)
        count = min(len(theirs.lines), len(ours.lines), LINES)
        pair = [measure(Sample(s.lines[:count], s.times[:count])) for s in (ours, theirs)]
        rows.append(Row(kind, place, count, pair[0], pair[1], not easier(*pair)))
    if not rows:
        raise LookupError(f"no recordings under {corpora} (set SOC_CORPORA)")
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """The comparison as a table: simulated / recorded."""
    heads = ["kind", "recording", "lines", *Measures._fields, "not easier"]
    table = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [f"{a:.3g} / {b:.3g}" for a, b in zip(row.ours, row.theirs, strict=True)]
        table.append("| " + " | ".join([row.kind, row.recording, str(row.lines), *cells,
                                        "yes" if row.harder_or_equal else "no"]) + " |")
    return "\n".join(table)
