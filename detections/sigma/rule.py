"""The nouns of a loaded rule set: rules, correlations, global filters, and what could not be loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from detections.sigma.bounds import Bound, Expression
from detections.sigma.terms import Tree
from soc_core.clock import Micros
from soc_core.models import Level

ANY = "*"


class LogSource(NamedTuple):
    """What a rule applies to; an empty part means any. Of an event, a part that is `*` is not known: any may apply."""

    product: str = ""
    category: str = ""
    service: str = ""

    @classmethod
    def parse(cls, tag: str) -> LogSource:
        """From an event's tag `product/category/service`; parts at the end may be left out."""
        parts = [*tag.split("/"), "", "", ""]
        return cls(parts[0], parts[1], parts[2])

    def takes(self, other: LogSource) -> bool:
        """Whether every part that this one states is the same in the other, or not known there."""
        return all(not mine or mine == theirs or theirs == ANY for mine, theirs in zip(self, other, strict=True))

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True, slots=True)
class Head:
    """What rules and correlations share. `path` and `line` say where the document begins."""

    id: str
    title: str
    level: Level
    path: str
    line: int = 1
    name: str = ""
    title_zh: str = ""
    status: str = ""
    description: str = ""
    author: str = ""
    license: str = ""
    tags: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()  # custom key citysoc.group_by: what makes an alert of its own


@dataclass(frozen=True, slots=True)
class Rule:
    """A detection rule. `quiet`: it only serves correlations and raises nothing itself."""

    head: Head
    logsource: LogSource
    tree: Tree
    quiet: bool = False

    @property
    def id(self) -> str:
        return self.head.id


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation rule: how many, how many different, or which together, within a span, by key.

    `rules` are ids after loading. `aliases`: name → rule id → field. `bounds` are the condition, all of them to be
    met, or `expression` is (bounds.py); `fields` what is counted or measured. `percentile` None: of value_percentile,
    the share of an event's own value among all.
    """

    head: Head
    kind: str
    rules: tuple[str, ...]
    span: Micros
    group_by: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = (("gte", 1),)
    fields: tuple[str, ...] = ()
    percentile: float | None = None
    expression: Expression = None
    aliases: dict[str, dict[str, str]] = field(default_factory=dict)
    generate: bool = False

    @property
    def id(self) -> str:
        return self.head.id


def read_as(c: Correlation, field: str, base: str, rule: str) -> str:
    """What a group-by field is called in a rule's events: an alias names what is correlated, or the rule below it."""
    alias = c.aliases.get(field, {})
    return alias.get(base) or alias.get(rule, field)


@dataclass(frozen=True, slots=True)
class Filter:
    """A global filter: `rules` (ids or names; empty: all of the log source) fire only where its tree holds too."""

    head: Head
    logsource: LogSource
    rules: tuple[str, ...]
    tree: Tree


class Exemption(NamedTuple):
    """A site's exception to a rule (tuning.py): `hidden` fires where the rule does and the exception holds.

    `correlation` is the id of the one correlation that it keeps the rule's matches from, or "": the rule itself.
    """

    name: str
    rule: str
    correlation: str
    hidden: Rule
    until: Micros


class Failure(NamedTuple):
    """A document that was set aside, alone, with the reason."""

    path: str
    line: int
    reason: str

    def as_dict(self) -> dict[str, Any]:
        return {"path": self.path, "line": self.line, "error": self.reason}


@dataclass(slots=True)
class RuleSet:
    """What loading gives: everything usable, everything set aside, and what is odd but usable."""

    rules: list[Rule] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    warnings: list[Failure] = field(default_factory=list)
    documents: int = 0
    exemptions: list[Exemption] = field(default_factory=list)

    @property
    def items(self) -> list[Rule | Correlation]:
        """Whatever can fire."""
        return [*self.rules, *self.correlations]

    def warn(self, head: Head, reason: str) -> None:
        """Tell what is odd of a document that is used all the same."""
        self.warnings.append(Failure(head.path, head.line, reason))

    def head(self, rule_id: str) -> Head:
        """Head of a rule or correlation. Raises LookupError."""
        for item in self.items:
            if item.id == rule_id:
                return item.head
        raise LookupError(f"no rule with id {rule_id!r}")
