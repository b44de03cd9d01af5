"""Rules as queries of Elasticsearch, through pySigma's Lucene backend: the same (rule, event) pairs as the stream.

Fields are mapped, values changed, filters and placeholders applied as for the stream; what is handed to the backend
are conditions on the fields of our index (soc_core/store/mapping.py), chosen so that they mean there what they mean
here. Where the two must differ, and what a query cannot ask at all, is said in limits.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from sigma.conditions import ConditionNOT
from sigma.conversion.state import ConversionState

from detections.sigma import lucene
from detections.sigma import lucene_fields as fields
from detections.sigma.compile import translated, unfilled
from detections.sigma.gate import TAGS, Gate, Router
from detections.sigma.limits import INCONVERTIBLE
from detections.sigma.lucene import Inconvertible, literal
from detections.sigma.lucene_fields import Condition
from detections.sigma.map import Mapper, Mapping, Source
from detections.sigma.rule import LogSource, Rule
from detections.sigma.terms import And, Leaf, Not, Test, Tree

STATES = 1_000_000  # of the automaton that a pattern may become


class Pushed(NamedTuple):
    """A rule as query strings: which events it is for, and what it asks of them."""

    rule: Rule
    gate: str
    text: str

    @property
    def query(self) -> dict[str, Any]:
        """What is sent."""
        return {"bool": {"filter": [query(self.gate), query(self.text)]}}


class Pusher:
    """Turns rules into queries. One for a mapping; rules must come as load.py gives them."""

    def __init__(self, mapping: Mapping | None = None) -> None:
        self.mapping = mapping or Mapper()
        self.backend = lucene.Backend()
        self.gates = Router().gates
        self.gate = lru_cache(maxsize=4096)(self._gate)

    def push(self, rule: Rule) -> Pushed:
        """The query for one rule. Raises Inconvertible."""
        if unfilled(rule):
            raise Inconvertible(INCONVERTIBLE["placeholder"])
        return Pushed(rule, self.gate(rule.logsource), self._text(self._tree(rule.logsource, rule.tree)))

    def split(self, rules: Iterable[Rule]) -> tuple[list[Pushed], list[tuple[Rule, str]]]:
        """The rules that can be pushed down, and the others with the reason."""
        pushed, left = [], []
        for rule in rules:
            try:
                pushed.append(self.push(rule))
            except Inconvertible as error:
                left.append((rule, str(error)))
        return pushed, left

    def _text(self, condition: Condition) -> str:
        return str(self.backend.convert_condition(condition, ConversionState()))

    def _tree(self, source: LogSource, tree: Tree) -> Condition:
        if isinstance(tree, Leaf):
            return self._leaf(source, tree)
        if isinstance(tree, Not):
            return ConditionNOT([self._tree(source, tree.item)])
        items = [self._tree(source, item) for item in tree.items]
        return fields.both(items) if isinstance(tree, And) else fields.either(items)

    def _leaf(self, source: LogSource, leaf: Leaf) -> Condition:
        if leaf.field is None:
            return fields.keyword(leaf.test)
        reader, values = self.mapping.resolve(source, leaf.field)
        test = translated(leaf.test, values)
        if test.kind == "absent":
            named = [Source(column) for _, column in reader.labelled]
            return ConditionNOT([fields.either([fields.exists(each) for each in (*reader.sources, *named)])])
        if reader.decode == "url":
            return fields.either([fields.decoded(each, test) for each in reader.sources])
        found = [fields.column(each, test) for each in reader.sources]
        found += [each for label, column in reader.labelled for each in fields.labelled(label, Source(column), test)]
        return fields.either(found) if found else fields.never()

    # ------------------------------------------------------------ which events a rule is for

    def _gate(self, source: LogSource) -> str:
        """Events with a tag that the log source takes, and those without tags that a gate gives one."""
        parts = [f"({literal(part)}|\\*)" if part else "[^/]*" for part in source]
        stated = max((place + 1 for place, part in enumerate(source) if part), default=0)
        tagged = fields.eq(TAGS, fields.regex("/".join(parts[:stated]) + "(/.*)?|\\*" if stated else ".*"))
        open_ = [gate for gate in self.gates if any(source.takes(LogSource.parse(tag)) for tag in gate.tags)]
        if not open_:
            return self._text(tagged)
        bare = ConditionNOT([fields.exists(Source(TAGS))])
        return self._text(fields.either([tagged, fields.both([bare, fields.either([_met(gate) for gate in open_])])]))


def _met(gate: Gate) -> Condition:
    return fields.both([
        fields.either([fields.column(Source(name), Test("text", (value,))) for value in values])
        for name, values in gate.when.items()
    ])


def query(text: str) -> dict[str, Any]:
    """A query string as Elasticsearch takes it."""
    return {"query_string": {"query": text, "analyze_wildcard": True, "max_determinized_states": STATES}}


