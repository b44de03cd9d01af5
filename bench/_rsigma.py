"""rsigma (https://github.com/timescale/rsigma) as a peer process: the same rules, events and log-source routing.

It reads an event's log source from three fields that are added to each line here, from the tags that our format
gives. Its time is processor time, less that of a run over one event: loading rules is not what is compared.

The one that counts: `cargo +nightly install rsigma@0.26.0 --features daachorse-index` (0.23.0, the last that a stable
compiler of early 2026 builds, is a quarter slower).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

FIELDS = {"product": "soc_product", "service": "soc_service", "category": "soc_category"}


class Peer(NamedTuple):
    """What a run of the peer gave: events per second of processor time, and how often each rule fired."""

    name: str
    rate: float
    hits: Counter[str]

    @property
    def found(self) -> int:
        return self.hits.total()


def binary() -> str | None:
    """The program: SOC_RSIGMA, or rsigma on the PATH."""
    named = os.environ.get("SOC_RSIGMA")
    return named if named and Path(named).exists() else shutil.which("rsigma")


def routed(lines: Sequence[bytes], tags: Sequence[Sequence[str]]) -> list[bytes]:
    """The lines with their log source in fields of their own; of several tags, what the first states of each part."""
    out = []
    for line, own in zip(lines, tags, strict=True):
        parts: dict[str, str] = {}
        for tag in own:
            for name, part in zip(("product", "category", "service"), tag.split("/"), strict=False):
                if part:
                    parts.setdefault(FIELDS[name], part)
        out.append(orjson.dumps(orjson.loads(line) | parts))
    return out


def run(program: str, rules: Sequence[Path], lines: Sequence[bytes], work: Path) -> Peer:
    """Judge the lines. Raises OSError when the program fails."""
    many, one = work / "rsigma.jsonl", work / "rsigma-one.jsonl"
    many.write_bytes(b"\n".join(lines) + b"\n")
    one.write_bytes(lines[0] + b"\n")
    start, _ = _timed(program, rules, one)
    seconds, found = _timed(program, rules, many)
    return Peer(version(program), len(lines) / max(seconds - start, 1e-6), found)


def version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split()[:2])


def _timed(program: str, rules: Sequence[Path], events: Path) -> tuple[float, Counter[str]]:
    """(seconds of processor time, hits by rule)."""
    fields = ",".join(f"{name}={field}" for name, field in FIELDS.items())
    command = [program, "engine", "eval"]
    for folder in rules:
        command += ["-r", str(folder)]
    command += ["--logsource-routing", "--logsource-field-map", fields, "-e", f"@{events}", "--output-format", "ndjson"]
    out = events.with_suffix(".out")
    with out.open("wb") as opened:
        child = subprocess.Popen(command, stdout=opened, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise OSError(f"{program} ended with status {child.returncode}")
    with out.open("rb") as opened:
        return usage.ru_utime + usage.ru_stime, Counter(str(orjson.loads(line).get("rule_id")) for line in opened)
