"""A scenario made into native log lines and background, the same bytes for the same seed. Telemetry only.

Every step and every background source draws from a generator of its own, so that leaving the attack out (the
placebo) changes no other line, nor its position.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime
from ipaddress import ip_network
from itertools import groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from drills import scenario as scenarios
from drills.scenario import PLACEHOLDER, Draw, Feed, Scenario, Step, Template
from drills.truth import Fact, Truth
from soc_core.clock import DAY, HOUR, SECOND, Micros, from_datetime, to_datetime
from soc_core.protocols import Origin, Raws

# Exercises happen in these four weeks unless told otherwise: a fixed start is what makes equal seeds equal bytes.
FIRST_DAY = from_datetime(datetime(2026, 3, 2, tzinfo=ZoneInfo("Asia/Shanghai")))
SLICE: Micros = 10 * SECOND  # a source hands its lines over this often


class Line(NamedTuple):
    """One line as a source wrote it; `step` is "" for background."""

    at: Micros
    source: str
    position: int
    text: bytes
    step: str


class Recording(NamedTuple):
    """All lines in the order of time, and the scenario they tell. The steps' names leave it only as a Truth."""

    scenario: Scenario
    seed: int
    start: Micros
    lines: list[Line]

    def raws(self, attack: bool = True) -> list[Raws]:
        """What the sources deliver, oldest first; without `attack` the placebo: the rest, at the same positions."""
        hostile = set() if attack else {step.number for step in self.scenario.attacks}
        kept = [line for line in self.lines if line.step not in hostile]
        kept.sort(key=lambda line: (line.at // SLICE, line.source, line.position))
        batches = groupby(kept, key=lambda line: (line.at // SLICE, line.source))
        return [self._raws(source, list(lines)) for (_, source), lines in batches]

    def _raws(self, source: str, lines: list[Line]) -> Raws:
        feed = self.scenario.feeds[source]
        origin = Origin(source=source, format=feed.format, zone=feed.zone, timezone=feed.timezone)
        positions = np.array([line.position for line in lines], dtype=np.int64)
        return Raws(origin, [line.text for line in lines], lines[-1].at, positions)

    def truth(self) -> Truth:
        """Which lines belong to which step."""
        facts = []
        for step in self.scenario.steps:
            own = [line for line in self.lines if line.step == step.number]
            places: dict[str, tuple[int, ...]] = {}
            for line in own:
                places[line.source] = (*places.get(line.source, ()), line.position)
            facts.append(Fact(step.number, step.kind, tuple(step.techniques), own[0].at, own[-1].at, places))
        return Truth(self.scenario.id, self.seed, tuple(facts))


def record(scenario: Scenario, seed: int, start: Micros | None = None) -> Recording:
    """Every line of one run. `start` in microseconds; by default a working morning that the seed chooses."""
    if start is None:
        rng = _generator(scenario, seed, "start")
        start = FIRST_DAY + rng.randrange(4) * 7 * DAY + rng.randrange(5) * DAY + (9 * HOUR + rng.randrange(2 * HOUR))
        start -= start % SECOND
    cast = _cast(scenario.cast, _generator(scenario, seed, "cast"))
    written = [piece for step in scenario.steps for piece in _step(scenario, seed, step, cast, start)]
    end = max(at for at, _, _, _ in written) + int(scenario.tail * SECOND)
    for number, part in enumerate(scenario.background):
        written += _background(scenario, seed, number, part, start, end)
    written.sort(key=lambda piece: piece[0])  # stable: lines of one moment keep their order
    counters: dict[str, int] = {}
    lines = []
    for at, source, text, step in written:
        position = counters.get(source, 0)
        counters[source] = position + 1
        lines.append(Line(at, source, position, text, step))
    return Recording(scenario, seed, start, lines)


Piece = tuple[Micros, str, bytes, str]


def _generator(scenario: Scenario, seed: int, purpose: str) -> random.Random:
    return random.Random(f"{scenario.id}/{seed}/{purpose}")  # noqa: S311 - reproducible on purpose


def _cast(draws: Mapping[str, Draw], rng: random.Random) -> dict[str, str]:
    """Draw each once; no two get the same address, so that a decoy never wears the attacker's."""
    taken: set[str] = set()
    cast: dict[str, str] = {}
    for name, draw in draws.items():
        value = _draw(draw, rng)
        while draw.address and value in taken and len(taken) < ip_network(draw.address).num_addresses - 2:
            value = _draw(draw, rng)
        taken.add(value)
        cast[name] = value
    return cast


def _draw(draw: Draw, rng: random.Random) -> str:
    if draw.address:
        network = ip_network(draw.address)
        return str(network[rng.randrange(1, max(2, min(network.num_addresses - 1, 1 << 32)))])
    if draw.choice:
        return rng.choice(draw.choice)
    if draw.number:
        return str(rng.randint(*draw.number))
    return "".join(rng.choice("0123456789abcdef") for _ in range(draw.digits or 0))


def _step(scenario: Scenario, seed: int, step: Step, cast: Mapping[str, str], start: Micros) -> Iterator[Piece]:
    rng = _generator(scenario, seed, f"step {step.number}")
    for emission in step.emit:
        at = start + int((step.offset + emission.after) * SECOND)
        for _ in range(emission.repeat):
            own = {**cast, **_cast(emission.vary, rng)}
            for number, template in enumerate(emission.lines):
                moment = at + int(number * emission.gap * SECOND)
                text = render(template, own, scenario.feeds[emission.source], moment)
                yield moment, emission.source, text, step.number
            # a hand or a script is never quite regular
            at += int(emission.every * SECOND * rng.uniform(0.8, 1.2))


def _background(scenario: Scenario, seed: int, number: int, part: scenarios.Background,
                start: Micros, end: Micros) -> Iterator[Piece]:
    rng = _generator(scenario, seed, f"background {number}")
    mix = scenarios.mix(part.mix)
    cast = _cast(mix.cast, rng)
    weights = [kind.weight for kind in mix.kinds]
    at = start
    while (at := at + int(rng.expovariate(part.per_minute / 60) * SECOND)) < end:
        kind = rng.choices(mix.kinds, weights)[0]
        own = {**cast, **_cast(kind.vary, rng)}
        for template in kind.lines:
            yield at, part.source, render(template, own, scenario.feeds[part.source], at), ""


def render(template: Template, cast: Mapping[str, str], feed: Feed, at: Micros) -> bytes:
    """One line: text with its placeholders filled, or a mapping as one JSON object on the feed's base."""
    known = {**cast, **_times(at, feed.timezone), "host": feed.host}
    if isinstance(template, str):
        return _fill(template, known).encode()
    return orjson.dumps(_fill_all(_merge(feed.base, template), known))


def _times(at: Micros, timezone: str) -> dict[str, str]:
    utc = to_datetime(at)
    local = utc.astimezone(ZoneInfo(timezone))
    return {
        "clf": local.strftime("%d/%b/%Y:%H:%M:%S %z"),
        "bsd": f"{local:%b} {local.day:2d} {local:%H:%M:%S}",
        "iso": utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z",
        "rfc3339": local.isoformat(timespec="milliseconds"),
        "local": local.strftime("%Y-%m-%d %H:%M:%S"),
        "epoch": f"{at / SECOND:.3f}",
    }


def _fill(text: str, known: Mapping[str, str]) -> str:
    for _ in range(3):  # a drawn value may itself hold placeholders
        filled = PLACEHOLDER.sub(lambda match: known.get(match[1], match[0]), text)
        if filled == text:
            break
        text = filled
    return text


def _fill_all(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _fill(value, known)
    if isinstance(value, dict):
        return {key: _fill_all(item, known) for key, item in value.items()}
    return [_fill_all(item, known) for item in value] if isinstance(value, list) else value


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
