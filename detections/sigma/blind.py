"""Which rules cannot fire here, or only in part, because nobody fills a column they read, and which columns those are.

The files of produced/ declare, by log-source tag, what formats fill: a new format brings a new file. A test on a column
that is not filled is false (and a test for its absence true); a rule whose condition then cannot be met is blind, one
that has any such test partly. So is a correlation whose rules are, or have not what it groups or counts by.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from detections.sigma.bounds import TEMPORAL
from detections.sigma.compile import unfilled
from detections.sigma.map import SEARCH, Mapping
from detections.sigma.rule import Correlation, LogSource, Rule, RuleSet, read_as
from detections.sigma.terms import And, Leaf, Not, Tree, leaves
from soc_core import documents

PRODUCED = Path(__file__).with_name("produced")


class Produced(BaseModel):
    """Columns that events with this tag can have; `*` in a name stands for anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    logsource: str
    columns: list[str]
    without: list[str] = []


class Document(BaseModel):
    """A file of produced/: columns of every event, and by log source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    everywhere: list[str] = []
    sources: list[Produced]


class Verdict(NamedTuple):
    """What a rule lacks: `blind` wholly, else in part; `missing` names fields with their columns, or the log source."""

    rule: Rule | Correlation
    blind: bool
    missing: tuple[str, ...]


class Sight:
    """What is filled, and so what rules can see."""

    def __init__(self, mapping: Mapping, folder: Path = PRODUCED) -> None:
        self.mapping = mapping
        found = [documents.read(path, Document) for path in sorted(folder.glob("*.yml"))]
        self.everywhere = [column for document in found for column in document.everywhere]
        self.sources = [source for document in found for source in document.sources]
        self.filled = lru_cache(maxsize=65536)(self._filled)

    def verdict(self, rule: Rule) -> Verdict | None:
        """None for a rule that sees everything it asks for."""
        names = unfilled(rule)
        if names:
            return Verdict(rule, True, tuple(f"placeholder %{name}%" for name in names))
        feeding = [each for each in self.sources if rule.logsource.takes(LogSource.parse(each.logsource))]
        if not feeding:
            return Verdict(rule, True, (f"log source {rule.logsource}",))
        missing = {leaf: name for leaf in leaves(rule.tree) if (name := self._lacks(rule.logsource, leaf))}
        if not missing:
            return None
        can, _ = reach(rule.tree, missing)
        return Verdict(rule, not can, tuple(dict.fromkeys(missing.values())))

    def verdicts(self, rules: Sequence[Rule]) -> list[Verdict]:
        return [found for rule in rules if (found := self.verdict(rule)) is not None]

    def of(self, found: RuleSet) -> list[Verdict]:
        """Verdicts on everything that can fire."""
        known = {verdict.rule.id: verdict for verdict in self.verdicts(found.rules)}
        items: dict[str, Rule | Correlation] = {item.id: item for item in found.items}
        for c in found.correlations:
            self._correlation(c, items, known)
        return list(known.values())

    def _correlation(self, c: Correlation, items: dict[str, Rule | Correlation], known: dict[str, Verdict]) -> None:
        """Note in `known` what a correlation lacks, after those that it correlates."""
        feeding, missing = 0, []
        for base in dict.fromkeys(c.rules):
            item = items[base]
            if isinstance(item, Correlation) and base not in known:
                self._correlation(item, items, known)
            mine, keyless = known.get(base), [self._unkeyed(c, base, rule) for rule in _below(item, items)]
            missing += [name for lacks in keyless for name in lacks] + list(mine.missing if mine else ())
            feeding += not all(keyless) and not (mine and mine.blind)
        if missing:
            few = c.kind in TEMPORAL and c.expression is None and any(
                op in ("gt", "gte", "eq") and count + (op == "gt") > feeding for op, count in c.bounds)
            known[c.id] = Verdict(c, not feeding or few, tuple(dict.fromkeys(missing)))

    def _unkeyed(self, c: Correlation, base: str, rule: Rule) -> list[str]:
        """Of what a correlation groups and counts by, what a rule's events never have."""
        fields = [read_as(c, field, base, rule.id) for field in c.group_by] + list(c.fields)
        return [lack for field in fields if (lack := self._lack(rule.logsource, field))]

    def _lacks(self, source: LogSource, leaf: Leaf) -> str:
        """The field and columns that a leaf misses, or ""."""
        names = [leaf.field] if leaf.test.kind != "same" else [leaf.field, str(leaf.test.value[0])]
        return next((lack for name in names if (lack := self._lack(source, name))), "")

    def _lack(self, source: LogSource, name: str | None) -> str:
        """A field with its columns where none of them is filled, else ""."""
        reader = SEARCH if name is None else self.mapping.resolve(source, name).reader
        filled = any(self.filled(source, column) for column in reader.columns)
        return "" if filled else f"{name} ({', '.join(reader.columns)})"

    def _filled(self, source: LogSource, column: str) -> bool:
        if any(fnmatchcase(column, each) for each in self.everywhere):
            return True
        feeding = [each for each in self.sources if source.takes(LogSource.parse(each.logsource))]
        return any(
            any(fnmatchcase(column, each) for each in produced.columns)
            and not any(fnmatchcase(column, each) for each in produced.without)
            for produced in feeding
        )


def _below(item: Rule | Correlation, items: dict[str, Rule | Correlation]) -> list[Rule]:
    """The rules whose events reach a rule or correlation."""
    if isinstance(item, Rule):
        return [item]
    return [rule for base in dict.fromkeys(item.rules) for rule in _below(items[base], items)]


def reach(tree: Tree, missing: dict[Leaf, str]) -> tuple[bool, bool]:
    """(can be true, can be false), tests taken as independent of each other."""
    if isinstance(tree, Leaf):
        if tree not in missing:
            return True, True
        absent = tree.test.kind == "absent"
        return absent, not absent
    if isinstance(tree, Not):
        can, cannot = reach(tree.item, missing)
        return cannot, can
    inner = [reach(item, missing) for item in tree.items]
    if isinstance(tree, And):
        return all(can for can, _ in inner), any(cannot for _, cannot in inner)
    return any(can for can, _ in inner), all(cannot for _, cannot in inner)
