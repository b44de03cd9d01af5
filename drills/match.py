"""Findings beside the truth: steps seen or missed, by which rule, how late, how exactly; and false alarms.

A pure function. A step is detected when a finding that raises an alert rests on one of the step's own lines. The
ladder of quality follows the ATT&CK evaluations: the alert names the technique (or its parent or child), at least
the tactic, or only that something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from drills.truth import Fact, Truth
from soc_core import identity
from soc_core.clock import SECOND, Micros
from soc_core.models import LEVELS, Alert, Finding, Level
from soc_core.protocols import Raws

Quality = Literal["technique", "tactic", "general", ""]
LADDER: tuple[Quality, ...] = ("technique", "tactic", "general", "")
Tactics = Callable[[str], frozenset[str]]
GRACE: Micros = 900 * SECOND


class Outcome(NamedTuple):
    """What the pipeline made of a recording: its alerts, and every finding behind them.

    `received` and `stored` count records; `faults` those that no format could read (0 in a sound scenario).
    """

    alerts: Sequence[Alert]
    findings: Sequence[Finding]
    received: int = 0
    stored: int = 0
    faults: int = 0


Runner = Callable[[Sequence[Raws], Path], Outcome]


class StepResult(NamedTuple):
    """One attack step and what was seen of it. `after_seconds` is event time from the step's first line."""

    no: str
    techniques: tuple[str, ...]
    detected: bool
    rule: str = ""
    rule_id: str = ""
    after_seconds: float | None = None
    quality: Quality = ""
    rules: tuple[str, ...] = ()
    risk: int = 0  # from learned detectors, which raise no alert themselves
    placebo: bool = False  # a rule that saw it speaks without any attack, too


class Episode(NamedTuple):
    """Findings that one alert gathers: what an analyst sees as one."""

    rule_id: str
    group: tuple[tuple[str, str], ...]
    organisation: str
    system: str


class Matched(NamedTuple):
    """The whole comparison."""

    steps: tuple[StepResult, ...]
    decoys: tuple[str, ...]
    decoys_flagged: tuple[str, ...]
    false_alerts: tuple[Episode, ...]
    alerts: int
    placebo_alerts: int


def match(truth: Truth, outcome: Outcome, placebo: Outcome, tactics: Tactics,
          bar: Level = "low", grace: Micros = GRACE) -> Matched:
    """Compare a run and its placebo with the truth. Findings below `bar` raise nobody and count as nothing."""
    index = truth.lines()
    loud = _loud(outcome.findings, bar)
    touched = [(finding, _fact(finding, index)) for finding in loud]
    attacks = [fact for fact in truth.facts if fact.kind == "attack"]
    decoys = [fact.no for fact in truth.facts if fact.kind == "decoy"]
    flagged = {fact.no for _, fact in touched if fact and fact.kind == "decoy"}
    known: dict[Episode, bool] = {}
    for finding, fact in touched:
        episode = _episode(finding)
        known[episode] = known.get(episode, False) or fact is not None
    quiet = _loud(placebo.findings, bar)
    # A rule that takes a decoy for an attack is counted there, once.
    noise = [(finding.rule_id, finding.at) for finding in quiet if _fact(finding, index) is None]
    steps = []
    for fact in attacks:
        own = [finding for finding, seen in touched if seen is fact]
        risk = sum(f.risk for f in outcome.findings if f.building_block and _fact(f, index) is fact)
        steps.append(_judge(fact, own, risk, noise, tactics, grace))
    false = tuple(episode for episode, explained in known.items() if not explained)
    return Matched(tuple(steps), tuple(decoys), tuple(no for no in decoys if no in flagged), false, len(known),
                   len({_episode(finding) for finding in quiet}))


def _judge(fact: Fact, own: Sequence[Finding], risk: int, noise: Sequence[tuple[str, Micros]], tactics: Tactics,
           grace: Micros) -> StepResult:
    if not own:
        return StepResult(fact.no, fact.techniques, detected=False, risk=risk)
    first = min(own, key=lambda finding: finding.at)
    # The rule to name is the one that says most; among equals the earliest.
    best = min(own, key=lambda finding: (LADDER.index(quality(fact.techniques, finding.techniques, tactics)),
                                         finding.at, finding.rule_id))
    rules = tuple(sorted({finding.rule_id for finding in own}))
    echoed = any(rule in rules and fact.start <= at <= fact.end + grace for rule, at in noise)
    return StepResult(
        fact.no, fact.techniques, True, best.title, best.rule_id,
        after_seconds=round(max(0, first.at - fact.start) / SECOND, 3),
        quality=quality(fact.techniques, best.techniques, tactics), rules=rules, risk=risk, placebo=echoed,
    )


def quality(wanted: Sequence[str], named: Sequence[str], tactics: Tactics) -> Quality:
    """How exactly an alert that names techniques speaks of a step with these techniques."""
    mine, theirs = {_parent(one) for one in wanted}, {_parent(one) for one in named}
    # Same, parent or child: T1110 for T1110.003 and the other way round, but not T1110.001 for T1110.003.
    if any(a == b or a == _parent(b) or b == _parent(a) for a in wanted for b in named):
        return "technique"
    if any(tactics(a) & tactics(b) for a in mine for b in theirs):
        return "tactic"
    return "general"


def _parent(technique: str) -> str:
    return technique.partition(".")[0]


def _loud(findings: Sequence[Finding], bar: Level) -> list[Finding]:
    least = LEVELS.index(bar)
    return [one for one in findings if not one.building_block and LEVELS.index(one.level) >= least]


def _fact(finding: Finding, index: dict[tuple[str, int], Fact]) -> Fact | None:
    place = identity.split(finding.event_id)
    return index.get((place.source, place.position)) if place else None


def _episode(finding: Finding) -> Episode:
    return Episode(finding.rule_id, finding.group, finding.organisation, finding.system)
