"""The query language: what it accepts, where it says a fault is, and Polars held to the slow reference."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soc_core import clock
from soc_core.protocols import QueryError
from soc_core.schema import SCHEMA
from soc_core.store import _polars, literals
from soc_core.store.query import ANYWHERE, MAX_DEPTH, MAX_TERMS, parse
from soc_core.store.tree import (
    And,
    Between,
    Contains,
    Equal,
    Everything,
    Exists,
    Inside,
    Like,
    Node,
    Not,
    Or,
    Pattern,
    Wild,
)
from tests.soc_core.store.reference import matches

FAULTS = [
    ("a AND (b", 6, 'missing ")"'),
    ("((a)", 0, 'missing ")"'),
    ("a)", 1, '")" without "("'),
    ("()", 1, "nothing between"),
    ("a AND", 5, "AND needs a term after it"),
    ("a OR ", 5, "OR needs a term after it"),
    ("a NOT", 5, "NOT needs a term after it"),
    ("AND a", 0, "AND needs a term before it"),
    ("a OR OR b", 5, "OR needs a term before it"),
    ("(a OR )", 6, "missing a term"),
    ('x "open', 2, 'missing closing "'),
    ("user.name:", 10, "missing a value"),
    ("user.name: AND b", 11, "missing a value"),
    ("user.name:[a b]", 13, "[low TO high]"),
    ("user.name:[a TO b", 10, 'missing "]"'),
    ("user.name:[a* TO b]", 11, "no wildcard"),
    ("x process.*:y", 2, "field name takes no wildcard"),
    ("source.port:abc", 12, "whole number"),
    ("source.port:2*", 12, "no wildcard"),
    ("source.port:[1 TO x]", 18, "whole number"),
    ("source.port:1_0", 12, "whole number"),
    ("source.ip:10.0.0.256", 10, "not an address"),
    ("source.ip:10.0.0.0/33", 10, "not a network"),
    ("source.ip:*.1", 10, "whole octets"),
    ("@timestamp:yesterday", 11, "not a time"),
    ("@timestamp:2026-02-30", 11, "not a time that exists"),
    ("@timestamp:9999", 11, "not a time that exists"),
    ("message:[a TO b]", 9, "takes no range"),
    ("_exists_:a*", 9, "name of one field"),
    ("(" * (MAX_DEPTH + 1) + "a", MAX_DEPTH, "nested"),
    ("!" * 5000 + "a", MAX_DEPTH, "nested"),
    ("a " * (MAX_TERMS + 1), MAX_TERMS * 2, "terms"),
    ("x" * 70000, 65536, "characters"),
]


@pytest.mark.parametrize(("text", "position", "says"), FAULTS, ids=[text[:30] for text, _, _ in FAULTS])
def test_a_fault_names_its_place(text: str, position: int, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert caught.value.position == position
    assert says in str(caught.value)
    assert f"character {position + 1}" in str(caught.value)


def words(*pieces: str | Wild) -> Contains:
    return Contains(ANYWHERE, Pattern(pieces))


A, B, C = words("a"), words("b"), words("c")
MEANINGS: list[tuple[str, Node]] = [
    ("  ", Everything()),
    ("*:*", Everything()),
    ("a b c", And((A, B, C))),
    ("a OR b c", Or((A, And((B, C))))),
    ("a b OR c", Or((And((A, B)), C))),
    ("NOT a b", And((Not(A), B))),
    ("NOT (a b)", Not(And((A, B)))),
    ("-a !b +c", And((Not(A), Not(B), C))),
    ("a&&b", words("a&&b")),
    ("a && b || c", Or((And((A, B)), C))),
    ("and or not", And((words("and"), words("or"), words("not")))),
    ("ANDROID ORacle", And((words("ANDROID"), words("ORacle")))),
    ("*a*", A),
    ("a*b", words("a", Wild.MANY, "b")),
    (r"a\*b", words("a*b")),
    (r"\AND", words(r"\AND")),
    ('"a AND b"', words("a AND b")),
    (r'"a\"b\\c\d"', words(r'a"b\c\d')),
    ("10:30:00", words("10:30:00")),
    ("/etc/passwd", words("/etc/passwd")),
    ("user.name: root", Equal("user.name", "root")),
    (r"process.executable:C:\Windows\a.exe", Equal("process.executable", r"C:\Windows\a.exe")),
    ("user.name:-x", Equal("user.name", "-x")),
    ("user.name:(a -b)", And((Equal("user.name", "a"), Not(Equal("user.name", "b"))))),
    ("user.name:(a OR (b c*))", Or((Equal("user.name", "a"), And((Equal("user.name", "b"),
                                    Like("user.name", Pattern(("c", Wild.MANY)))))))),
    ("source.ip:(10.0.0.1 OR 2001:db8::1)", Or((Equal("source.ip", "10.0.0.1"),
                                                Inside("source.ip", ip_network("2001:db8::1/128"))))),
    ("source.ip:10.9.8.7/8", Inside("source.ip", ip_network("10.0.0.0/8"))),
    ("source.ip:10.1.2.*", Inside("source.ip", ip_network("10.1.2.0/24"))),
    ("source.ip:10.*.*.*", Inside("source.ip", ip_network("10.0.0.0/8"))),
    ("source.ip:*", Exists("source.ip")),
    ('user.name:"*"', Equal("user.name", "*")),
    ("source.port:{1 TO *]", Between("source.port", 1, None, False, True)),
    ("source.port:>= 5", Between("source.port", 5, None, True, True)),
    ("user.name:[a TO \"b c\"}", Between("user.name", "a", "b c", True, False)),
    ("overflow.x.y:1", Equal("x.y", "1")),
    (r"a\:b:c", Equal("a:b", "c")),
    ("@timestamp:2026-12", Between("@timestamp", 1796083200000000, 1798761600000000, True, False)),
    ("@timestamp:<=2026-12-31", Between("@timestamp", None, 1798761600000000, True, False)),
    ("@timestamp:[2026-12-01 TO 2026-12-01}", Between("@timestamp", 1796083200000000, 1796083200000000, True, False)),
]


@pytest.mark.parametrize(("text", "meaning"), MEANINGS, ids=[text for text, _ in MEANINGS])
def test_what_a_text_means(text: str, meaning: Node) -> None:
    assert parse(text) == meaning


def test_now_moves() -> None:
    tree = parse("@timestamp:>=now-15m")
    assert isinstance(tree, Between)
    assert isinstance(tree.low, int)
    assert abs(clock.now() - 15 * clock.MINUTE - tree.low) < clock.MINUTE


@pytest.mark.parametrize(("text", "width"), [
    ("2026", 365 * clock.DAY), ("2024-02", 29 * clock.DAY), ("2026-11-23", clock.DAY), ("2026-11-23T01", clock.HOUR),
    ("2026-11-23T01:02", clock.MINUTE), ("2026-11-23 01:02:03+08:00", clock.SECOND),
    ("2026-11-23T01:02:03.5Z", 100_000), ("2026-11-23T01:02:03.000001Z", 1),
])
def test_a_date_is_the_span_it_names(text: str, width: int) -> None:
    start, end = literals.moment(text)
    assert end - start == width


@pytest.mark.parametrize("literal", ["i", "ii", "ix", "k", "kk", "Ki", "a.i"])
def test_characters_that_become_ascii_in_lower_case(literal: str) -> None:
    middles = ("", "i", "İ", "\u0307", "x", "\u212a", ".i")
    held = [first + middle + last for first in "iİkK\u212ax" for middle in middles for last in ("", "x", "i")]
    tree = Contains(("message",), Pattern((literal,)))
    got = pl.DataFrame({"message": held}).select(_polars.predicate(tree))["message"].to_list()
    assert got == [literal.lower() in text.lower() for text in held]


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet='ab:."*?\\()[]{}<>=!-+&|/ ANDORT10', max_size=30))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    place = 0
    try:
        parse(text)
    except QueryError as error:
        place = error.position
    assert 0 <= place <= len(text)


@pytest.mark.parametrize("value", ["ok", "OK", "o\u212a", "O\u212a", "kk", "system-k1"])
def test_case_is_of_no_account_wherever_a_segment_may_be_skipped(value: str) -> None:
    held = [value.upper(), value.lower(), value, value.replace("k", "\u212a"), value + "x", "a"]
    frame = pl.DataFrame({"user.name": held})
    got = frame.select(_polars.predicate(Equal("user.name", value)))["user.name"].to_list()
    assert got == [name.lower() == value.lower() for name in held]


# ---------------------------------------------------------------- trees to text and back, and against the reference

LETTERS = "aAbKk\u212aİſßéÉ京0.*?-_ \\/:\"(\n"
TEXT = st.text(alphabet=LETTERS, max_size=4)
ADDRESS = st.sampled_from(["10.0.0.1", "10.0.0.200", "10.1.0.1", "192.0.2.1", "2001:db8::1", "::1", "no address", ""])
FIELDS = {
    "keyword": ("user.name", "tags", "winlog.event_data.A", "own.path"), "long": ("source.port",),
    "ip": ("source.ip", "related.ip"), "text": ("message",),
}
KEYS = st.sampled_from(["own", "path", "own.path", "x"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2), max_leaves=4,
)


def value_of(kind: str) -> st.SearchStrategy[Any]:
    return {"keyword": TEXT, "text": TEXT, "long": st.integers(-2, 3) | st.just(-(1 << 63)), "ip": ADDRESS}[kind]


def row_of() -> st.SearchStrategy[dict[str, Any]]:
    columns: dict[str, st.SearchStrategy[Any]] = {"event.original": TEXT | st.none()}
    for kind, names in FIELDS.items():
        for name in names:
            known = SCHEMA.get(name)
            one = value_of(kind) | st.none()
            columns[name] = st.lists(one, max_size=3) | st.none() if known and known.many else one
    columns["overflow"] = st.none() | st.dictionaries(KEYS, JSON, max_size=2).map(lambda d: orjson.dumps(d).decode())
    return st.fixed_dictionaries(columns)


@st.composite
def patterns(draw: st.DrawFn) -> Pattern:
    pieces: list[str | Wild] = []
    for piece in draw(st.lists(st.sampled_from(list(Wild)) | TEXT.filter(bool), max_size=4)):
        if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return Pattern(tuple(pieces))


NETWORKS = st.sampled_from([ip_network(text) for text in (
    "10.0.0.0/8", "10.0.0.0/25", "10.0.0.1/32", "2001:db8::/64", "::/0",
)])
WORD = st.sampled_from(FIELDS["keyword"])
BIG = st.integers(-2, 3) | st.sampled_from([1 << 63, -(1 << 63) - 1, 1 << 200, (1 << 63) - 1])
LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.builds(Equal, WORD, TEXT),
    st.builds(Equal, st.just("source.port"), BIG),
    st.builds(Equal, st.sampled_from(FIELDS["ip"]), st.sampled_from(["10.0.0.1", "192.0.2.1"])),
    st.builds(Like, WORD, patterns().filter(lambda p: p.literal is None and p.pieces != (Wild.MANY,))),
    st.builds(Contains, st.sampled_from([ANYWHERE, ("message",)]), patterns().map(Pattern.stripped)),
    st.builds(Exists, st.sampled_from([name for names in FIELDS.values() for name in names])),
    st.builds(Inside, st.sampled_from(FIELDS["ip"]), NETWORKS),
    st.builds(Between, WORD, TEXT, TEXT | st.none(), st.booleans(), st.booleans()),
    st.builds(Between, st.just("source.port"), BIG | st.none(), BIG, st.booleans(), st.booleans()),
    st.builds(Between, st.sampled_from(FIELDS["ip"]), NETWORKS.map(lambda n: n[0]),
              NETWORKS.map(lambda n: n[-1]) | st.none(), st.booleans(), st.booleans()),
)


def branches(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, min_size=2, max_size=4).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, inner))


TREES = st.recursive(LEAVES, branches, max_leaves=6)


def framed(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([pl.Series(name, [r[name] for r in rows], dtype=SCHEMA.dtype(name)) for name in rows[0]])


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(row_of(), min_size=1, max_size=6), TREES)
def test_polars_agrees_with_the_reference(rows: list[dict[str, Any]], tree: Node) -> None:
    got = framed(rows).lazy().select(hit=_polars.predicate(tree), row=pl.int_range(pl.len())).collect()
    assert got["hit"].to_list() == [matches(tree, row) for row in rows]


SPECIAL = '+-&|!(){}[]^"~*?:/\\ '


def escaped(text: str) -> str:
    return "".join("\\" + char if char in SPECIAL else char for char in text)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(node: Node) -> str:
    """A text that means the tree."""
    def word(pattern: Pattern) -> str:
        if pattern.literal is not None:
            return quoted(pattern.literal)
        return "".join(p.value if isinstance(p, Wild) else escaped(p) for p in pattern.pieces)

    def bound(value: Any) -> str:
        return "*" if value is None else quoted(str(value))

    match node:
        case And(parts) | Or(parts):
            return "(" + (" AND " if isinstance(node, And) else " OR ").join(map(written, parts)) + ")"
        case Not(part):
            return f"NOT {written(part)}"
        case Contains(fields, pattern):
            return word(pattern) if fields == ANYWHERE else f"message:{word(pattern)}"
        case Equal(field, value):
            return f"{field}:{quoted(str(value))}"
        case Like(field, pattern):
            return f"{field}:{word(pattern)}"
        case Exists(field):
            return f"_exists_:{field}"
        case Inside(field, network):
            return f"{field}:{network}"
        case Between(field, low, high, with_low, with_high):
            return f"{field}:{'[' if with_low else '{'}{bound(low)} TO {bound(high)}{']' if with_high else '}'}"
    return "*:*"


def readable(node: Node) -> bool:
    """A space that cannot be escaped in a wildcard word, or a pattern that is no wildcard any more."""
    if isinstance(node, And | Or):
        return all(map(readable, node.parts))
    if isinstance(node, Not):
        return readable(node.part)
    if isinstance(node, Like | Contains):
        return "\n" not in "".join(piece for piece in node.pattern.pieces if isinstance(piece, str))
    return not (isinstance(node, Between) and node.low is None and node.high is None)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(TREES.filter(readable))
def test_a_tree_written_down_is_read_back(tree: Node) -> None:
    assert parse(written(tree)) == tree
