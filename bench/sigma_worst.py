"""The Sigma engine on what suits it least: values that are all new, 32 KiB script blocks, ten times the rules.

Script blocks are seeded text of shell words, so that every cache misses and regular expressions find beginnings of
matches everywhere. Times are of the processor. The set of 40,000 rules (the public one with its values varied) takes
minutes to compile and runs where SOC_BENCH_MANY is set. Needs the corpus sigma-rules.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bench.sigma import BATCH, CORPORA, EVENTS, RULES, again, figure, lines, recordings, run
from detections.sigma import cache
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.load import load_rules
from detections.sigma.rule import Rule, RuleSet
from detections.sigma.terms import Leaf, Not, Test, Tree
from soc_core.events import EventBatch

SIZE, COUNT = 32 << 10, 64
TIMES = 10
TURNS = 4
WORDS = (
    "$env:", "IEX", "New-Object", "[char]", "-join", "'+'", "{0}{1}", "-f", "`", "FromBase64String", "((", "))",
    "\\..\\", "powershell", "cmd /c", "^", "%%", "http://", "Net.WebClient", "Invoke-", "-enc ", "AAAA", "\n",
    "set-", "{", "}",
)


def blocks(rnd: random.Random, size: int, count: int) -> list[str]:
    """Texts of about this size, no two alike."""
    out = []
    for _ in range(count):
        text = "".join(rnd.choice(WORDS) + rnd.choice("abcxyz0189 ") for _ in range(size // 4))
        out.append(text[:size])
    return out


def scripts(texts: Sequence[str]) -> EventBatch:
    """PowerShell's script block events with these texts."""
    return EventBatch.from_dicts(
        {"event.id": f"{n:032d}", "event.code": "4104",
         "sigma.logsource": ["windows/ps_script/", "windows//powershell"],
         "powershell.file.script_block_text": text, "winlog.event_data.ScriptBlockText": text, "event.original": text}
        for n, text in enumerate(texts)
    )


def programs(rnd: random.Random, count: int) -> EventBatch:
    """Process starts whose every value is new."""
    def word() -> str:
        return f"{rnd.choice(WORDS)}{rnd.getrandbits(64):x}"

    return EventBatch.from_dicts(
        {"event.id": f"{n:032d}", "sigma.logsource": ["windows/process_creation/"],
         "process.executable": f"C:\\Users\\{word()}\\{word()}.exe",
         "process.command_line": " ".join(word() for _ in range(12)),
         "process.parent.executable": f"C:\\{word()}.exe", "process.parent.command_line": word(),
         "process.working_directory": f"C:\\{word()}\\", "winlog.event_data.User": f"D\\{word()}"}
        for n in range(count)
    )


def seconds(detector: SigmaDetector, batch: EventBatch) -> float:
    began = time.process_time()
    detector.detect(batch)
    return time.process_time() - began


def figures() -> list[dict[str, Any]]:
    """Throughput at the worst, and whether cost is linear in the length of a value."""
    folder = CORPORA / "sigma-rules"
    if not folder.exists():
        return []
    rules = load_rules([folder / name for name in RULES], cache=cache.default())
    detector = SigmaDetector(rules, cache=cache.default())
    rnd = random.Random(7)
    seconds(detector, scripts(blocks(rnd, 64, 4)))  # compiles
    seconds(detector, programs(rnd, 4))
    per_byte = {}
    for size in (SIZE // 8, SIZE, SIZE * 8):
        count = COUNT * SIZE // size
        per_byte[size] = seconds(detector, scripts(blocks(rnd, size, count))) / (count * size)
    starts = 4 * BATCH // 8
    found = [
        figure("script blocks of 32 KiB, all new", 1 / per_byte[SIZE] / (1 << 20), "MiB/s"),
        figure(
            "cost of a byte, blocks of 256 KiB against 4 KiB", per_byte[SIZE * 8] / per_byte[SIZE // 8], "times", 1.5,
            less=True,
        ),
        figure("process starts, every value new", starts / seconds(detector, programs(rnd, starts)), "events/s"),
    ]
    if os.environ.get("SOC_BENCH_MANY"):
        found += many(rules, detector)
    return found


def many(rules: RuleSet, detector: SigmaDetector) -> list[dict[str, Any]]:
    """Ten times the rules on normalised recordings."""
    _, batches = run(detector, lines(recordings(), EVENTS))
    began = time.perf_counter()
    more = SigmaDetector(replace(rules, rules=list(varied(rules.rules))), cache=cache.default())
    for batch in batches:
        more.detect(batch)
    start = time.perf_counter() - began
    turns = [(again(detector, batches), again(more, batches)) for _ in range(TURNS)]  # both know all values after one
    few, rate = (max(rates) for rates in zip(*turns, strict=True))
    return [
        figure(
            f"cost of {len(more.program.rules)} rules against {len(rules.rules)}, normalised", few / rate, "times", 1.3,
            less=True,
        ),
        figure("first pass with these rules, compiling", start, "s"),
    ]


def varied(rules: Sequence[Rule]) -> Iterator[Rule]:
    """Each rule, and copies of it that look for other values."""
    yield from rules
    for number in range(1, TIMES):
        for rule in rules:
            yield replace(rule, head=replace(rule.head, id=f"{rule.id}-{number}"), tree=other(rule.tree, f"~{number}"))


def other(tree: Tree, mark: str) -> Tree:
    """The tree with each text longer by the mark. What is no text stays, and what a rule leaves out: a copy that finds
    all of it would measure how findings are made."""
    if isinstance(tree, Leaf):
        value = list(tree.test.value)
        at = max((n for n, part in enumerate(value) if isinstance(part, str)), default=-1)
        if tree.test.kind not in ("text", "cased") or at < 0:
            return tree
        value[at] += mark
        return Leaf(tree.field, Test(tree.test.kind, tuple(value)))
    if isinstance(tree, Not):
        return tree
    return type(tree)(tuple(other(item, mark) for item in tree.items))
