"""Rules → numbered tests by field, condition trees over the numbers, and gates by log source.

A test that several rules share is one number. Each rule also gets an anchor: a small set of tests of which at least
one must be true wherever the rule is; rules are found through it. It may over-select, never omit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from detections.sigma.judge import Judge, Pairs
from detections.sigma.map import SEARCH, Mapping, Reader
from detections.sigma.multi import EngineName
from detections.sigma.rule import LogSource, Rule
from detections.sigma.terms import And, Leaf, Not, Test, Tree, leaves

Truth = frozenset[int]
WEAK = 1_000_000


class Every(NamedTuple):
    """All of these tests and all of these nodes."""

    tests: frozenset[int]
    nodes: tuple[Any, ...]


class Some(NamedTuple):
    """Any of these tests or any of these nodes."""

    tests: frozenset[int]
    nodes: tuple[Any, ...]


class Never(NamedTuple):
    """Not this node."""

    node: Any


Node = Every | Some | Never


def holds(node: Node, true: Truth) -> bool:
    """Whether a condition is met by the tests that are true."""
    if isinstance(node, Every):
        return node.tests <= true and all(holds(each, true) for each in node.nodes)
    if isinstance(node, Some):
        return not node.tests.isdisjoint(true) or any(holds(each, true) for each in node.nodes)
    return not holds(node.node, true)


class Key(NamedTuple):
    """What is judged together: one field's reader, or a pair of readers for field-to-field tests."""

    reader: Reader
    other: Reader | None = None

    @property
    def columns(self) -> frozenset[str]:
        """All columns that it reads."""
        return frozenset(self.reader.columns + (self.other.columns if self.other else ()))


@dataclass(slots=True)
class Compiled:
    """A rule ready to be judged. `keys` are the fields it reads; `anchor` may be None: always a candidate."""

    rule: Rule
    node: Node
    keys: tuple[Key, ...]
    tests: frozenset[int]
    anchor: frozenset[int] | None
    techniques: tuple[str, ...] = ()


@dataclass(slots=True)
class Program:
    """All rules compiled: tests by key, and the rules. Judges are made per key on first need."""

    rules: list[Compiled]
    tests: dict[Key, list[tuple[int, Test]]]
    owner: list[Key]
    engine: EngineName = "auto"
    folder: Path | None = None
    judges: dict[Key, Judge | Pairs] = field(default_factory=dict)
    finders: dict[tuple[str, ...], Any] = field(default_factory=dict)  # of literals: search.py

    def judge(self, key: Key) -> Judge | Pairs:
        """The judge of a key's tests, with their global numbers."""
        known = self.judges.get(key)
        if known is None:
            known = self.judges[key] = self._make(key)
        return known

    def _make(self, key: Key) -> Judge | Pairs:
        tests = self.tests[key]
        if key.other is not None:
            return Pairs([(number, test.value[1]) for number, test in tests])
        decode = key.reader.decode if key.reader.decode == "url" else ""
        return Judge(tests, self.engine, self.folder, decode)


class Compiler:
    """Numbers tests across all rules."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.numbers: dict[tuple[Key, Test], int] = {}
        self.tests: dict[Key, list[tuple[int, Test]]] = {}
        self.owner: list[Key] = []
        self.weights: list[int] = []

    def number(self, source: LogSource, leaf: Leaf) -> int:
        """The number of a leaf's test on the columns that its field is mapped to."""
        key, test = self.place(source, leaf)
        known = self.numbers.get((key, test))
        if known is None:
            known = self.numbers[key, test] = len(self.owner)
            self.owner.append(key)
            self.weights.append(weight(test))
            self.tests.setdefault(key, []).append((known, test))
        return known

    def place(self, source: LogSource, leaf: Leaf) -> tuple[Key, Test]:
        """Where a leaf is read, and its test with the values as they are written there."""
        if leaf.field is None:
            return Key(SEARCH), leaf.test
        reader, values = self.mapping.resolve(source, leaf.field)
        if leaf.test.kind == "same":
            return Key(reader, self.mapping.resolve(source, str(leaf.test.value[0])).reader), leaf.test
        return Key(reader), translated(leaf.test, values)

    def node(self, source: LogSource, tree: Tree) -> Node:
        if isinstance(tree, Leaf):
            return Every(frozenset([self.number(source, tree)]), ())
        if isinstance(tree, Not):
            return Never(self.node(source, tree.item))
        tests = frozenset(self.number(source, item) for item in tree.items if isinstance(item, Leaf))
        nodes = tuple(self.node(source, item) for item in tree.items if not isinstance(item, Leaf))
        return Every(tests, nodes) if isinstance(tree, And) else Some(tests, nodes)

    def anchor(self, node: Node) -> frozenset[int] | None:
        """Tests of which one must be true where the node is; the best such set, or None."""
        if isinstance(node, Never):
            return None
        inner = [self.anchor(each) for each in node.nodes]
        if isinstance(node, Some):
            if any(each is None for each in inner):
                return None
            return node.tests.union(*(each for each in inner if each is not None))
        choices = [each for each in inner if each is not None]
        choices += [frozenset([test]) for test in node.tests]
        return min(choices, key=self.cost, default=None)

    def cost(self, tests: frozenset[int]) -> tuple[int, int]:
        return (max((self.weights[test] for test in tests), default=0), len(tests))

    def compile(self, rule: Rule) -> Compiled:
        node = self.node(rule.logsource, rule.tree)
        numbers = tests_of(node)
        keys = tuple(dict.fromkeys(self.owner[number] for number in sorted(numbers)))
        return Compiled(rule, node, keys, numbers, self.anchor(node))


def tests_of(node: Node) -> frozenset[int]:
    """Every test that the node mentions."""
    if isinstance(node, Never):
        return tests_of(node.node)
    return node.tests.union(*(tests_of(each) for each in node.nodes))


def weight(test: Test) -> int:
    """How common a test is expected to be true: rare ones make good anchors. Heuristic; it only affects speed."""
    if test.kind in ("absent", "present", "compare", "time", "same"):
        return WEAK
    if test.kind in ("cidr", "regex"):
        return WEAK // 4
    letters = sum(len(part) for part in test.value if isinstance(part, str))
    exact = len(test.value) == 1
    if exact and letters and str(test.value[0]).isdigit():
        return 3000  # event codes, ports: common by themselves
    return (1000 if exact else 10_000) // max(1, letters) + (WEAK // 8 if letters < 3 else 0)


def translated(test: Test, values: dict[str, str]) -> Test:
    """A test with a rule's value replaced by how the column writes it."""
    if values and test.kind == "text" and len(test.value) == 1 and isinstance(test.value[0], str):
        return Test("text", (values.get(test.value[0].lower(), test.value[0]),))
    return test


def unfilled(rule: Rule) -> tuple[str, ...]:
    """Placeholders of the rule that have no values here."""
    names = [str(name) for leaf in leaves(rule.tree) if leaf.test.kind == "unfilled" for name in leaf.test.value]
    return tuple(dict.fromkeys(names))


def program(rules: Sequence[Rule], mapping: Mapping, engine: EngineName, folder: Path | None) -> Program:
    """All rules compiled; those with unfilled placeholders are left out (they are reported blind)."""
    compiler = Compiler(mapping)
    compiled = [compiler.compile(rule) for rule in rules if not unfilled(rule)]
    return Program(compiled, compiler.tests, compiler.owner, engine, folder)
