"""Every (rule, event) pair of the public recordings: the engine against the reference evaluator of the tests.

Resumable: what was compared is kept, file by file, in SOC_BENCH_DIR (default: a folder of the user's cache), and holds
until the engine, its field tables or the rules change. A call goes on for SOC_BENCH_SECONDS (default 60). Without the
corpora (SOC_CORPORA) there are no figures. SOC_EQUAL_SHARE takes a share (percent) of each corpus's recordings, drawn
by SOC_EQUAL_SEED. Alone: `python -m bench.equal --work DIR --seconds N [--corpus NAME] [--share N --seed TEXT]
[--report docs/equality.md]`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import yaml

from bench._reading import Column, Plain, columns
from detections.sigma import cache
from detections.sigma.compile import unfilled
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules
from detections.sigma.map import Mapper
from detections.sigma.rule import Rule
from soc_cli import reading
from soc_core.config import ROOT
from soc_core.documents import LOADER
from soc_core.events import EventBatch
from tests.detections.sigma import events

CORPORA = Path(os.environ.get("SOC_CORPORA") or ROOT.parent / "shared" / "corpora")
RECORDINGS = {
    "evtx-attack-samples": ["*.evtx.gz"],
    "evtx-to-mitre": ["*.evtx.gz"],
    "panther-cloud": ["cases.jsonl.gz"],
    "zeek-zed-sample": ["*.json.gz"],
    "stratosphere-zeek-labelled": ["*.log", "*.log.gz", "*.log.labeled", "*.log.labeled.gz"],
    "zeek-btest": ["*.log", "*.log.gz"],
    "otrf": ["*.jsonl.gz", "*.json.gz", "*.log.gz"],
}
FORMATS = {"evtx-attack-samples": "windows_event", "evtx-to-mitre": "windows_event"}  # saves finding out
STEP = 16_384  # events compared at a time
SHOWN = 20  # differences told in full


WITHOUT = ("push", "lucene", "limits", "correlate", "windows", "bounds", "share", "tuning", "hunt", "detector")


class Outcome(NamedTuple):
    """What comparing some events gave."""

    pairs: int
    fired: int
    differences: list[str]


class Equal:
    """The engine and the plain reading, on the same events."""

    def __init__(self, folders: Sequence[Path]) -> None:
        found = load_rules(folders, cache=cache.default())
        self.detector = SigmaDetector(found, cache=cache.default())
        self.mapper = Mapper()
        written = [(rule, document(rule)) for rule in found.rules if not unfilled(rule)]
        self.plain = {rule.id: Plain(each) for rule, each in written if each}
        self.rules = [rule for rule, each in written if each]
        self.skipped = len(found.rules) - len(self.rules)
        self.gated: dict[tuple[str, ...], list[Rule]] = {}

    def compare(self, batch: EventBatch) -> Outcome:
        """Every pair of the batch."""
        fired: dict[str, set[int]] = defaultdict(set)
        for part, hits in self.detector.hits(batch):
            for hit in hits:
                for number in hit.rules:
                    rule_id = self.detector.program.rules[number].rule.id
                    if rule_id in self.plain:
                        fired[rule_id].add(int(part.rows[hit.row]))
        wanted: dict[str, set[int]] = defaultdict(set)
        pairs = 0
        rows = events.rows(batch)
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, row in enumerate(rows):
            groups[tuple(row.get("sigma.logsource") or ())].append(number)
        for tags, places in groups.items():
            rules = self.rules_for(tags)
            pairs += len(rules) * len(places)
            held = [rows[place] for place in places]
            known: dict[Any, Column] = {}
            for rule in rules:
                read = columns(held, self.mapper, rule.logsource, known)
                wanted[rule.id].update(places[at] for at in self.plain[rule.id].rows(read, len(held)))
        different = [
            f"{rule}: row {row}, {'the engine alone' if row in fired[rule] else 'the reference alone'}"
            for rule in fired.keys() | wanted.keys() for row in sorted(fired[rule] ^ wanted[rule])
        ]
        return Outcome(pairs, sum(map(len, wanted.values())), different)

    def rules_for(self, tags: tuple[str, ...]) -> list[Rule]:
        """The rules whose log source one of the tags has."""
        if tags not in self.gated:
            row = {"sigma.logsource": list(tags)}
            self.gated[tags] = [rule for rule in self.rules if events.gated(row, rule.logsource)]
        return self.gated[tags]


def document(rule: Rule) -> dict[str, Any] | None:
    """The rule as it is written; None for one that several documents of a file make up together."""
    found = list(yaml.load_all(Path(rule.head.path).read_text(), Loader=LOADER))
    return found[0] if len(found) == 1 else None


def recordings(names: Sequence[str], share: int = 100, seed: str = "") -> Iterator[tuple[str, Path]]:
    """(corpus, file) of all that is compared, small corpora first; of a share, at least one recording a corpus."""
    for name in names:
        paths = {path for pattern in RECORDINGS[name] for path in (CORPORA / name).rglob(pattern)}
        drawn = sorted(paths, key=lambda path: hashlib.sha256(f"{seed}/{path.relative_to(CORPORA)}".encode()).digest())
        for path in sorted(paths if share >= 100 else drawn[: max(1, len(drawn) * share // 100)]):
            yield name, path


def batches(name: str, path: Path, work: Path) -> Iterator[EventBatch]:
    """The events of one file; of labelled cases, the log that each is about."""
    if name == "panther-cloud":
        lines = [orjson.loads(line)["log"] for line in gzip.decompress(path.read_bytes()).splitlines()]
        path = work / "panther.jsonl"
        path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    for batch in reading.read([path], FORMATS.get(name, "")):
        places = np.arange(batch.height)
        for start in range(0, batch.height, STEP):
            yield batch.take((places >= start) & (places < start + STEP))


def state_of(folders: Sequence[Path]) -> str:
    """A name for the engine, its tables and the rules as they are now: other results are compared anew."""
    engine = (path for path in (ROOT / "detections" / "sigma").rglob("*.py") if not path.stem.startswith(WITHOUT))
    sources = [*engine, *(ROOT / "detections" / "sigma").rglob("*.yml"),
               *(ROOT / "tests" / "detections" / "sigma").glob("[er]*.py"), *ROOT.glob("bench/_reading.py")]
    digest = hashlib.sha256()
    for path in [*sorted(sources), *sorted(path for folder in folders for path in folder.rglob("*.yml"))]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def run(
    work: Path, seconds: float, names: Sequence[str], tell: bool = False, share: int = 100, seed: str = ""
) -> dict[str, Any]:
    """Go on comparing for so long; what is known by then, over all calls."""
    folders = [path for path in sorted((CORPORA / "sigma-rules").iterdir()) if path.is_dir()]
    work.mkdir(parents=True, exist_ok=True)
    progress = work / f"equal-{state_of(folders)}.jsonl"
    done: dict[str, dict[str, Any]] = {}
    if progress.exists():
        done = {row["path"]: row for row in map(orjson.loads, progress.read_bytes().splitlines())}
    began = time.perf_counter()
    todo = list(recordings(names, share, seed))
    rest = [(name, path) for name, path in todo if str(path.relative_to(CORPORA)) not in done]
    equal = Equal(folders) if rest else None
    with progress.open("ab") as out:
        for name, path in rest:
            if equal is None or time.perf_counter() - began > seconds:
                break
            started = time.perf_counter()
            row: dict[str, Any] = {"corpus": name, "path": str(path.relative_to(CORPORA)), "events": 0, "pairs": 0,
                                   "fired": 0, "rules": len(equal.rules), "skipped": equal.skipped, "differences": []}
            for batch in batches(name, path, work):
                found = equal.compare(batch)
                row["events"] += batch.height
                row["pairs"] += found.pairs
                row["fired"] += found.fired
                row["differences"] += found.differences
            row["seconds"] = round(time.perf_counter() - started, 2)
            done[row["path"]] = row
            out.write(orjson.dumps(row) + b"\n")
            out.flush()
            if tell:
                print(f"{row['path']}: {row['events']:,} events, {row['pairs']:,} pairs, {row['fired']:,} fire, "
                      f"{len(row['differences'])} differ, {row['seconds']:.1f} s", flush=True)
    mine = [done[str(path.relative_to(CORPORA))] for _, path in todo if str(path.relative_to(CORPORA)) in done]
    return summary(todo, mine)


def summary(todo: Sequence[tuple[str, Path]], done: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Coverage by corpus, and the differences."""
    return {
        "files": len(todo), "files_done": len(done),
        "events": sum(row["events"] for row in done), "pairs": sum(row["pairs"] for row in done),
        "fired": sum(row["fired"] for row in done),
        "differences": [f"{row['path']}: {text}" for row in done for text in row["differences"]],
        "corpora": {
            name: [sum(row["corpus"] == name for row in done), sum(each == name for each, _ in todo)]
            for name in dict.fromkeys(name for name, _ in todo)
        },
        "by_corpus": {
            name: {key: sum(row[key] for row in done if row["corpus"] == name) for key in ("events", "pairs", "fired")}
            for name in dict.fromkeys(name for name, _ in todo)
        },
        "rules": max((row["rules"] for row in done), default=0),
    }


def figures() -> list[dict[str, Any]]:
    """Pairs compared so far, and how many differ."""
    if not (CORPORA / "sigma-rules").exists():
        return []
    work = Path(os.environ.get("SOC_BENCH_DIR") or cache.default().parent / "bench")
    names = [name for name in RECORDINGS if (CORPORA / name).exists()]
    part = int(os.environ.get("SOC_EQUAL_SHARE", "100"))
    found = run(work, float(os.environ.get("SOC_BENCH_SECONDS", "60")), names, share=part,
                seed=os.environ.get("SOC_EQUAL_SEED", ""))
    for text in found["differences"][:SHOWN]:
        print(text)
    share = 100 * found["files_done"] / max(1, found["files"])
    return [
        figure("rules compared", found["rules"], "rules"),
        figure("events compared", found["events"], "events"),
        figure("pairs compared (rule applies to the event)", found["pairs"], "pairs"),
        figure("pairs that fire", found["fired"], "pairs"),
        figure("recordings compared", round(share, 1), "%", 100, share >= 100),
        figure("pairs that differ", len(found["differences"]), "pairs", 0, not found["differences"]),
    ]


def figure(name: str, value: float, unit: str, target: float | None = None, met: bool | None = None) -> dict[str, Any]:
    """One row of `./soc bench`."""
    return {"name": name, "value": value, "unit": unit, "peer": None, "peer_value": None, "ratio": None,
            "target": target, "met": met}


def report(found: dict[str, Any], command: str) -> str:
    """What was compared, for docs/equality.md."""
    lines = [
        "# The engine and a plain reading of the standard", "",
        "Every (rule, event) pair for which the rule's log source is the event's: the engine beside the evaluator of "
        "the tests, which is written straight from the specification and shares no code with it. Made by:", "",
        f"    {command}", "",
        f"{datetime.now(UTC):%Y-%m-%d}: {found['files_done']:,} of {found['files']:,} recordings, {found['events']:,} "
        f"events, {found['rules']:,} rules, {found['pairs']:,} pairs, of which {found['fired']:,} fire; "
        f"**{len(found['differences'])} differ**.", "",
        "| recordings | compared | of | events | pairs | fire |", "|---|---:|---:|---:|---:|---:|",
    ]
    for name, (done, whole) in found["corpora"].items():
        mine = found["by_corpus"][name]
        lines.append(f"| {name} | {done:,} | {whole:,} | {mine['events']:,} | {mine['pairs']:,} | {mine['fired']:,} |")
    if found["differences"]:
        lines += ["", "Differences:", "", *(f"- {text}" for text in found["differences"])]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--corpus", action="append", choices=list(RECORDINGS))
    parser.add_argument("--share", type=int, default=100)
    parser.add_argument("--seed", default="")
    parser.add_argument("--report", type=Path)
    given = parser.parse_args()
    names = given.corpus or [name for name in RECORDINGS if (CORPORA / name).exists()]
    found = run(given.work, given.seconds, names, tell=True, share=given.share, seed=given.seed)
    if given.report:
        part = f" SOC_EQUAL_SHARE={given.share} SOC_EQUAL_SEED={given.seed}" if given.share < 100 else ""
        given.report.write_text(report(found, f"{part} ./soc bench equal".strip()), encoding="utf-8")
    for text in found["differences"][:SHOWN]:
        print(text)
    found["differences"] = len(found["differences"])
    print(orjson.dumps(found).decode())


if __name__ == "__main__":
    main()
