"""Attacks laid over ordinary traffic, as the native lines that they would leave; the truth of them is kept apart.

Techniques are data (simulate/techniques/*.yml); chains are the city's own attack paths (paths.yml of the pack).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from simulate import templates
from simulate.block import Array
from simulate.population import one
from simulate.traffic import Lines, Traffic
from soc_core import documents
from soc_core.clock import MINUTE, SECOND, Micros

FOLDER = Path(__file__).parent / "techniques"
# JNDI text has the very sign that marks a field in a template
BRACES = (("$LB", "\u0001"), ("RB", "\u0002"))


def duration(value: Any) -> Any:
    """`400ms`, `3s`, `5m` as microseconds."""
    found = re.fullmatch(r"(\d+)(ms|s|m)", str(value))
    return int(found[1]) * {"ms": 1000, "s": SECOND, "m": MINUTE}[found[2]] if found else value


Duration = Annotated[int, BeforeValidator(duration)]


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(Document):
    """`repeat` lines of one template, `every` apart, beginning `after` the last line of the step before."""

    line: str
    repeat: int = Field(default=1, ge=1)
    every: Duration = SECOND
    after: Duration = 0
    jitter: float = Field(default=0.3, ge=0, le=1)
    values: dict[str, str | list[str]] = {}


class Technique(Document):
    """One way of attack: which source of a system shows it (`code`, `kinds`), and what that source writes."""

    id: str
    technique: str = Field(pattern=r"^T\d{4}(\.\d{3})?$")
    name: str
    name_zh: str
    code: str
    kinds: list[str] = []
    actor: Literal["internet", "inside"] = "internet"
    demo: bool = False
    steps: list[Step]


class TechniqueFile(Document):
    techniques: list[Technique]


class AttackPath(Document):
    """A way through several systems: technique n is used against system min(n, last)."""

    id: str
    name: str
    name_en: str
    systems: list[str]
    techniques: list[str]


class PathFile(Document):
    paths: list[AttackPath]


@cache
def techniques() -> dict[str, Technique]:
    """All techniques by id."""
    files = [documents.read(path, TechniqueFile) for path in sorted(FOLDER.glob("*.yml"))]
    return {item.id: item for file in files for item in file.techniques}


def paths(city: Path) -> list[AttackPath]:
    """The city's attack paths; none where the pack has no paths.yml."""
    file = city / "paths.yml"
    return documents.read(file, PathFile).paths if file.exists() else []


@dataclass(frozen=True)
class Truth:
    """What really happened in one stage of an attack. No detector reads it; times in microseconds."""

    attack: str
    path: str
    stage: int
    id: str
    technique: str
    system: str
    organisation: str
    zone: str
    source: str
    host: str
    actor: str
    since: Micros
    until: Micros
    lines: int

    def row(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Strike:
    """The lines of one stage, and the truth of it."""

    lines: Lines
    truth: Truth


class Attacks:
    """Makes strikes against the systems of some traffic."""

    def __init__(self, traffic: Traffic, seed: int) -> None:
        self._traffic = traffic
        self._seed = seed
        self._targets = {item.id: self._streams(item) for item in techniques().values()}

    def _streams(self, item: Technique) -> list[int]:
        return [n for n, stream in enumerate(self._traffic.listed)
                if stream.code == item.code and (not item.kinds or stream.kind in item.kinds)]

    def possible(self) -> list[Technique]:
        """Techniques that some stream of this traffic can show."""
        return [item for item in techniques().values() if self._targets[item.id]]

    def strike(self, name: str, at: Micros, number: int, system: str = "", path: str = "", stage: int = 0,
               actor: str = "") -> Strike:
        """One technique from `at` on. Raises LookupError when no stream (of `system`) can show it."""
        item = techniques()[name]
        streams = [n for n in self._targets[name] if not system or self._traffic.listed[n].system == system]
        if not streams:
            raise LookupError(f"no source of {system or 'this city'} can show {name}: it needs {item.code}")
        rng = np.random.default_rng([self._seed, 6, number, stage])
        place = streams[int(rng.integers(0, len(streams)))]
        stream = self._traffic.listed[place]
        user = int(rng.integers(0, self._traffic.population.officials))
        address = actor or (self._traffic.population.clients[user] if item.actor == "inside" else outsider(rng))
        pieces: list[pl.Series] = []
        times: list[Array] = []
        for step in item.steps:
            start = (times[-1][-1] if times else at) + step.after
            gaps = step.every * (1 + step.jitter * (rng.random(step.repeat) - 0.5))
            gaps[0] = 0 if step.after or not times else gaps[0]
            moments = start + np.cumsum(gaps).astype(np.int64)
            block = one(self._traffic.population.cast, rng, moments, stream.host, user, user)
            values = {"client": address} | {key: guarded(value) for key, value in step.values.items()}
            pieces.append(templates.kind(stream.kind).render_named(step.line, block, values))
            times.append(moments)
        time = np.concatenate(times)
        text = pl.concat(pieces)
        for (_, mark), brace in zip(BRACES, ("${", "}"), strict=True):
            text = text.str.replace_all(mark, brace, literal=True)
        owner = self._traffic.inventory.systems[stream.system].owner
        host = str(self._traffic.population.hosts[stream.host])
        truth = Truth(f"a{number:04d}", path, stage, name, item.technique, stream.system, owner, stream.zone,
                      stream.source, host, address, int(time[0]), int(time[-1]), len(time))
        return Strike(Lines(text, time, np.full(len(time), place, dtype=np.int64)), truth)

    def chain(self, path: AttackPath, at: Micros, number: int, pause: Micros = 20 * MINUTE) -> list[Strike]:
        """A whole path, stage after stage. Raises LookupError where a stage has no source to show it."""
        rng = np.random.default_rng([self._seed, 7, number])
        strikes: list[Strike] = []
        outside = outsider(rng)
        for stage, technique in enumerate(path.techniques):
            system = path.systems[min(stage, len(path.systems) - 1)]
            name = self._way(technique, system)
            actor = outside if stage == 0 and techniques()[name].actor == "internet" else ""
            strikes.append(self.strike(name, at, number, system, path.id, stage, actor))
            at = strikes[-1].truth.until + int(pause * (0.3 + rng.random()))
        return strikes

    def _way(self, technique: str, system: str) -> str:
        for item in techniques().values():
            places = self._targets[item.id] if item.technique == technique else []
            if any(self._traffic.listed[n].system == system for n in places):
                return item.id
        raise LookupError(f"no way to show {technique} on {system}: add one to simulate/techniques")

    def campaign(self, city_paths: Sequence[AttackPath], count: int, since: Micros, until: Micros) -> list[Strike]:
        """`count` attacks over a span: every path once, then single techniques, each once before any twice."""
        rng = np.random.default_rng([self._seed, 8])
        singles = self.possible()
        room = max(until - since, 1)
        strikes: list[Strike] = []
        order: list[Technique] = []
        for number in range(count):
            if number < len(city_paths):
                at = since + int(rng.random() * room * 0.7)
                pause = min(20 * MINUTE, (until - at) // (2 * len(city_paths[number].techniques)))
                strikes += self.chain(city_paths[number], at, number, pause)
            elif singles:
                if not order:
                    order = [singles[n] for n in rng.permutation(len(singles))]
                strikes.append(self.strike(order.pop().id, since + int(rng.random() * room * 0.97), number))
        return strikes


def outsider(rng: np.random.Generator) -> str:
    """An attacker's address from the documentation ranges."""
    return f"{('198.51.100', '203.0.113', '192.0.2')[int(rng.integers(0, 3))]}.{int(rng.integers(100, 250))}"


def guarded(value: str | list[str]) -> str | list[str]:
    """$LB … RB in a technique's text stand for ${ … }, which in a template would be a field."""
    def swap(text: str) -> str:
        return text.replace(*BRACES[0]).replace(*BRACES[1]) if BRACES[0][0] in text else text

    return swap(value) if isinstance(value, str) else [swap(text) for text in value]
