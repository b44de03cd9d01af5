"""What a site changes of rules without touching their files: exceptions, levels, thresholds.

Files of YAML in a folder (`tuning` in the data directory). They name rules by id or name, so they outlive any update
of the rules. An exception is a condition in Sigma's own words on the fields of the rule it is for; a match that meets
it is counted, raises nothing and feeds no correlation. It ends with the day in `expires` (UTC, by event time).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, FiniteFloat, StringConstraints, model_validator
from sigma.rule import SigmaRule

from detections.sigma import convert
from detections.sigma.compile import unfilled
from detections.sigma.load import BAD
from detections.sigma.rule import Correlation, Exemption, Failure, Head, LogSource, Rule, RuleSet
from detections.sigma.terms import And, Tree
from soc_core import documents
from soc_core.clock import DAY, Micros
from soc_core.documents import DocumentError
from soc_core.models import Level

ENDINGS = (".yml", ".yaml")
EPOCH = date(1970, 1, 1).toordinal()
Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Entry(BaseModel):
    """What every change states: the rule, who answers for it, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Words
    owner: Words
    reason: Words


class Except(Entry):
    """Matches to pass over: `where` is a selection (fields and values), or `detection` selections with a condition."""

    expires: date
    where: dict[str, Any] | list[Any] | None = None
    detection: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one(self) -> Except:
        if (self.where is None) == (self.detection is None):
            raise ValueError("say either where or detection")
        return self

    @property
    def until(self) -> Micros:
        """The first moment after it."""
        return (self.expires.toordinal() + 1 - EPOCH) * DAY


class Override(Entry):
    """Another level; for a correlation, another threshold too."""

    level: Level | None = None
    threshold: FiniteFloat | None = None

    @model_validator(mode="after")
    def _some(self) -> Override:
        if self.level is None and self.threshold is None:
            raise ValueError("says neither level nor threshold")
        return self


class Document(BaseModel):
    """One file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exceptions: list[Except] = []
    overrides: list[Override] = []


class Placed(NamedTuple):
    """An entry and where it stands."""

    path: str
    line: int
    entry: Except | Override


class Tuning(NamedTuple):
    """All entries of a folder, and the files that cannot be used."""

    entries: list[Placed]
    failed: list[Failure]

    def expired(self, now: Micros) -> list[Placed]:
        """Exceptions that hold no longer."""
        return [each for each in self.entries if isinstance(each.entry, Except) and each.entry.until <= now]

    def ending(self, now: Micros, days: int = 14) -> list[Placed]:
        """Exceptions that will soon hold no longer."""
        late = {id(each) for each in self.expired(now)}
        return [each for each in self.expired(now + days * DAY) if id(each) not in late]


def read(folder: Path | None) -> Tuning:
    """Every file of the folder; one that is wrong is left out whole, with line and reason."""
    found = Tuning([], [])
    for path in sorted(path for path in folder.glob("*.y*ml") if path.suffix in ENDINGS) if folder else ():
        try:
            document = documents.read(path, Document)
        except DocumentError as error:
            found.failed.append(Failure(error.path, error.line, error.reason))
            continue
        text = path.read_text(encoding="utf-8")
        kinds: dict[str, Sequence[Except | Override]] = {
            "exceptions": document.exceptions, "overrides": document.overrides,
        }
        for name, entries in kinds.items():
            for number, entry in enumerate(entries):
                found.entries.append(Placed(str(path), documents.line_of(text, (name, number)), entry))
    return found


def apply(rules: RuleSet, tuning: Tuning) -> RuleSet:
    """The rule set with the changes made. What does not fit goes to `failed`, an unknown rule to `warnings`."""
    failed, warnings = [*rules.failed, *tuning.failed], list(rules.warnings)
    names = {item.head.name: item.id for item in rules.items if item.head.name} | {i.id: i.id for i in rules.items}
    known: dict[str, Rule | Correlation] = {item.id: item for item in rules.items}
    exemptions: list[Exemption] = []
    for each in tuning.entries:
        path, line, entry = each
        item = known.get(names.get(entry.rule, ""))
        if item is None:
            warnings.append(Failure(path, line, f"no rule {entry.rule} is loaded"))
            continue
        try:
            if isinstance(entry, Except):
                exemptions += _exemptions(each, entry, item, rules)
            else:
                known[item.id] = _overridden(item, entry)
        except BAD as error:
            failed.append(Failure(path, line, str(error) or type(error).__name__))
    return replace(
        rules,
        rules=[now for item in rules.rules if isinstance(now := known[item.id], Rule)],
        correlations=[now for item in rules.correlations if isinstance(now := known[item.id], Correlation)],
        exemptions=exemptions, failed=failed, warnings=warnings,
    )


def _overridden(item: Rule | Correlation, entry: Override) -> Rule | Correlation:
    head = replace(item.head, level=entry.level or item.head.level)
    if entry.threshold is None:
        return replace(item, head=head)
    if not isinstance(item, Correlation):
        raise ValueError(f"{entry.rule} counts nothing: only a correlation has a threshold")
    if len(item.bounds) != 1 or item.expression is not None:
        raise ValueError(f"{entry.rule} has no threshold of its own: its condition is a range or an expression")
    return replace(item, head=head, bounds=((item.bounds[0][0], entry.threshold),))


def _exemptions(placed: Placed, entry: Except, item: Rule | Correlation, rules: RuleSet) -> list[Exemption]:
    """An exception of a correlation keeps the matches of its rules out of that correlation alone."""
    def of(rule: Rule, correlation: str) -> Exemption:
        name = f"{placed.path}:{placed.line}"
        tree = And((rule.tree, _tree(entry, rule.logsource)))
        hidden = Rule(Head(f"{name} {rule.id}", entry.reason, "informational", placed.path, placed.line),
                      rule.logsource, tree, quiet=True)
        return Exemption(name, rule.id, correlation, hidden, entry.until)

    if isinstance(item, Rule):
        return [of(item, "")]
    bases = {rule.id: rule for rule in rules.rules}
    if any(base not in bases for base in item.rules):
        raise ValueError(f"{entry.rule} correlates correlations: except the rules that these correlate")
    return [of(bases[base], item.id) for base in dict.fromkeys(item.rules)]


def _tree(entry: Except, source: LogSource) -> Tree:
    """The exception's own condition. Raises what pySigma raises on a bad one."""
    detection = entry.detection or {"selection": entry.where, "condition": "selection"}
    stated = {name: part for name, part in source._asdict().items() if part}
    document = {"title": "exception", "logsource": stated or {"product": "any"}, "detection": detection}
    parsed = SigmaRule.from_dict(document)
    found = convert.rule(parsed, convert.head(parsed, "", 1, "exception"), {})
    if names := unfilled(found):
        raise ValueError(f"an exception has no placeholders: %{names[0]}%")
    return found.tree
