"""Mutated real lines into every parser: no exception out, every line one fate, no hang over a second, memory bounded.

    ./soc bench fuzz                      100,000 inputs a parser, each parser in a process of its own
    SOC_FUZZ=5000 SOC_FUZZ_ONLY=nginx,cef ./soc bench fuzz

Input n of a parser is a function of (parser, n), so a finding is repeated by its number. Where a run was stopped the
next one goes on (SOC_FUZZ_STATE, a file; it is removed when all is done).
"""

from __future__ import annotations

import json
import os
import random
import resource
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from soc_core import clock, registry
from soc_core.config import ROOT
from soc_core.protocols import Context

PACKAGE = "collectors.formats"
FIXTURES = ROOT / "tests" / "collectors" / "formats"
CONTEXT = Context(clock.from_text("2026-11-23T00:00:00Z"), "Asia/Shanghai")
INPUTS = 100_000
BATCH = 50
HANG = 1.0  # seconds of CPU that one line may take
MEMORY = 4 << 30  # address space of one parser's process
GROWTH = 300 << 20  # bytes that it may grow by after its first inputs
SILENCE = 300  # seconds without a word after which a parser is given up
SLICE = 5_000
SPLICES = (
    b"", b"\x00", b"\xff\xfe", b'"', b"'", b"\\", b"[", b"]", b"{", b"}", b"(", b")", b"<", b">", b": ", b"=", b",",
    b"|", b"\t", b"\x1d", b"%", b"%ff", b"\\u0000", b"\\ud800", b"-", b"-1", b"0", b"1e999", b"NaN", b"null", b"true",
    b"[]", b"{}", b"99999999999999999999", b"2026-13-45T99:99:99Z", b"9999-12-31T23:59:59Z", b"0000-00-00", b"::",
    b"0x", b"\xe9\x95", b"10.0.0.1", b"999.999.999.999", b"fe80::1%eth0", b" from 10.0.0.1 port 1 ssh2",
    "长沙".encode("gb18030"), "长沙".encode(), b"\xef\xbb\xbf", b"\r\n", b"\n", b"<13>", b"CEF:0|", b"LEEF:2.0|",
    b"type=EOE msg=audit(1.1:1):", b"@cee:{",
)


class Finding(NamedTuple):
    """A defect: what went wrong with which input."""

    format: str
    number: int
    why: str
    line: bytes


def seeds(name: str) -> list[bytes]:
    """The format's own fixture lines, or those of all where it has none."""
    logs = sorted((FIXTURES / name).glob("*.log")) or sorted(FIXTURES.glob("*/*.log"))
    lines = [line for log in logs for line in log.read_bytes().split(b"\n") if line]
    return lines or [b"a line"]


def mutated(lines: Sequence[bytes], name: str, number: int) -> bytes:
    """Input `number` of a parser: a real line, cut, doubled, spliced, swollen."""
    draw = random.Random(f"{name}:{number}")
    line = draw.choice(lines)
    for _ in range(draw.choice((1, 1, 2, 3, 6))):
        at = draw.randrange(len(line) + 1)
        width = draw.choice((0, 1, 1, 3, 20))
        kind = draw.randrange(8)
        if kind < 3:
            middle = draw.choice(SPLICES)
        elif kind == 3:
            middle = line[at : at + width] * 2
        elif kind == 4:
            other = draw.choice(lines)
            middle, width = other[draw.randrange(len(other) + 1) :], draw.choice((0, len(line)))
        elif kind == 5:
            middle = bytes(draw.randrange(256) for _ in range(draw.randint(1, 6)))
        elif kind == 6:
            middle = (draw.choice(SPLICES) or b" ") * draw.choice((2, 10, 100, 1000))
        else:
            middle, width = b"", draw.choice((1, 5, len(line)))
        line = line[:at] + middle + line[at + width :]
    return line[:200_000]


def attack(name: str, start: int, count: int) -> list[Finding]:
    """Inputs start … start + count - 1 into one parser, in this process."""
    lines = seeds(name)
    found = []
    for at in range(start, start + count, BATCH):
        inputs = [mutated(lines, name, number) for number in range(at, min(at + BATCH, start + count))]
        began = time.process_time()
        why = judged(name, inputs)
        if why or time.process_time() - began > HANG:
            found += [Finding(name, at + place, said, line) for place, line in enumerate(inputs)
                      if (said := _alone(name, line))] or ([Finding(name, at, f"together: {why}", b"")] if why else [])
    return found


def _alone(name: str, line: bytes) -> str:
    began = time.process_time()
    why = judged(name, [line])
    taken = time.process_time() - began
    return why or (f"takes {taken:.1f} s" if taken > HANG else "")


def judged(name: str, lines: Sequence[bytes]) -> str:
    """What is wrong with the parser's answer, or ""."""
    module = registry.get(PACKAGE, name)
    try:
        parsed = module.parse(lines, CONTEXT)
        score = module.sniff(lines)
        parsed.batch.frame()
    except BaseException as error:  # a panic of a library below Python is one, too
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}"[:300]
    fates = sorted([*set(parsed.line_no.tolist()), *(fault.line for fault in parsed.faults), *parsed.merged])
    if fates != list(range(len(lines))):
        return f"lines without exactly one fate: {sorted(set(range(len(lines))) ^ set(fates))[:5]}"
    if not 0.0 <= score <= 1.0:
        return f"sniff says {score}"
    return ""


def child(name: str, start: int, count: int) -> None:
    """One parser: a JSON line after each slice with the next number, defects and the greatest memory so far."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for at in range(start, start + count, SLICE):
        found = attack(name, at, min(SLICE, start + count - at))
        told = {
            "next": min(at + SLICE, start + count), "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
            "found": [{"number": one.number, "why": one.why, "line": repr(one.line[:300])} for one in found],
        }
        print(json.dumps(told), flush=True)


def run(name: str, start: int, inputs: int, note: Any) -> tuple[list[str], int]:
    """One parser in its own process: (defects in words, bytes it grew by)."""
    command = [sys.executable, "-m", "bench.fuzz", name, str(start), str(inputs - start)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1"}
    wrong: list[str] = []
    memories: list[int] = []
    reached = start
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        while select.select([process.stdout], [], [], SILENCE)[0] and (line := process.stdout.readline()):
            told = json.loads(line)
            reached = told["next"]
            memories.append(told["memory"])
            wrong += [f"{name} input {one['number']}: {one['why']}: {one['line']}" for one in told["found"]]
            note(name, reached)
        process.kill()
    if reached < inputs:
        wrong.append(f"{name}: hung or ended (status {process.returncode}) within inputs {reached} … {reached + SLICE}")
    grown = max(memories, default=0) - min(memories, default=0)
    if grown > GROWTH:
        wrong.append(f"{name}: grew by {grown >> 20} MiB")
    return wrong, grown


def figures() -> list[dict[str, Any]]:
    inputs = int(os.environ.get("SOC_FUZZ", str(INPUTS)))
    only = [name for name in os.environ.get("SOC_FUZZ_ONLY", "").split(",") if name]
    place = Path(os.environ.get("SOC_FUZZ_STATE", ROOT / "data" / "fuzz.json"))
    done: dict[str, int] = json.loads(place.read_text()) if place.exists() else {}

    def note(name: str, reached: int) -> None:
        done[name] = reached
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(done))

    names = only or list(registry.names(PACKAGE))
    wrong: list[str] = []
    grown = 0
    for name in names:
        if done.get(name, 0) < inputs:
            said, more = run(name, done.get(name, 0), inputs, note)
            wrong, grown = wrong + said, max(grown, more)
            print(f"{name}: {inputs:,} inputs, {len(said)} defects", flush=True)
    for line in wrong:
        print(line)
    place.unlink(missing_ok=True)
    return [
        {"name": f"fuzz: defects of {len(names)} parsers, {inputs:,} inputs each", "value": len(wrong),
         "unit": "defects", "target": 0, "met": not wrong},
        {"name": "fuzz: growth of a parser's process", "value": grown >> 20, "unit": "MiB", "target": GROWTH >> 20,
         "met": grown <= GROWTH},
    ]


if __name__ == "__main__":
    child(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
