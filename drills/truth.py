"""What really happened: which lines, by source and position, belong to which step. Kept apart from all telemetry.

A truth lives in memory while a drill runs; nothing writes it where a detector reads. Its digest is fixed before
the run and told with the result, so that nobody can bend the truth to what was found.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from soc_core import identity
from soc_core.clock import Micros


class Fact(NamedTuple):
    """One step as it was carried out: its first and last moment, and its lines as source → positions."""

    no: str
    kind: str  # attack or decoy
    techniques: tuple[str, ...]
    start: Micros
    end: Micros
    lines: Mapping[str, tuple[int, ...]]


class Truth(NamedTuple):
    """Every step of one run of one scenario."""

    scenario: str
    seed: int
    facts: tuple[Fact, ...]

    def text(self) -> str:
        """The canonical JSON form: what `seal` signs and what an export writes."""
        facts = [{**fact._asdict(), "lines": {name: list(rows) for name, rows in fact.lines.items()}}
                 for fact in self.facts]
        return json.dumps({"scenario": self.scenario, "seed": self.seed, "facts": facts}, sort_keys=True,
                          ensure_ascii=False, separators=(",", ":"))

    def seal(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def lines(self) -> dict[tuple[str, int], Fact]:
        """(source key of the event id, position) → the step that wrote the line."""
        return {
            (identity.source_key(source), position): fact
            for fact in self.facts
            for source, positions in fact.lines.items()
            for position in positions
        }


def verify(truth: Truth, digest: str) -> None:
    """Raise ValueError when the truth is not the one that was sealed."""
    if truth.seal() != digest:
        raise ValueError("the truth of this drill was changed after it was sealed")
