"""The query tree (tree.py) as Elasticsearch's query DSL, with the meaning that it has in the embedded store.

Text of users goes into terms and regular expressions that are built here piece by piece, never into a
query language of the server. Which field answers for a column is said in mapping.py.
https://www.elastic.co/guide/en/elasticsearch/reference/8.19/query-dsl.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from soc_core.access import Scope
from soc_core.protocols import QueryError
from soc_core.schema import SCHEMA
from soc_core.store import elastic_leaf, tree
from soc_core.store.elastic_leaf import NUL, WHOLE
from soc_core.store.literals import number
from soc_core.store.mapping import LEAF, LONGEST, LONGEST_REGEX, MICROS, ODD, searched_whole

Dsl = dict[str, Any]
TIME, OWNER = "@timestamp", "organization.id"
INT64 = (-(1 << 63), (1 << 63) - 1)
DEEPEST = 24  # the server refuses boolean queries nested more than 30 deep
LONGEST_PATTERN = 1000  # characters: as a regular expression at most LONGEST_REGEX, or some odd letters more
MANY_STATES = 1_000_000  # of the automaton that a pattern with many ? becomes
ALL: Dsl = {"match_all": {}}
NONE: Dsl = {"match_none": {}}


def question(node: tree.Node, since: int | None, until: int | None, scope: Scope) -> Dsl:
    """Time, scope and text as one query. Raises QueryError where the tree is nested too deep for the server."""
    if depth(node) > DEEPEST:
        raise QueryError(f"nested more than {DEEPEST} deep, which Elasticsearch does not take", 0)
    parts = [owned(scope)]
    if since is not None or until is not None:
        low, high = (None if end is None else min(max(end, INT64[0]), INT64[1]) for end in (since, until))
        parts.append(_range(MICROS + TIME, gte=low, lt=high))
    parts.append(query(node))
    return _all(parts)


def owned(scope: Scope) -> Dsl:
    """organization.id in the scope, exactly as written; events without owner are the city's alone."""
    if scope.organisations is None:
        return ALL
    if not scope.organisations:
        return NONE
    return {"terms": {f"{OWNER}.raw": sorted(scope.organisations)}}


def query(node: tree.Node) -> Dsl:
    """The query of one tree."""
    match node:
        case tree.Everything():
            return ALL
        case tree.And(parts):
            return _all(map(query, parts))
        case tree.Or(parts):
            return _any(_alternatives(parts))
        case tree.Not(part):
            return {"bool": {"must_not": [query(part)]}}
        case tree.Contains(names, pattern):
            return _any(_contains(name, pattern) for name in names)
        case tree.Exists(name):
            return _exists(name)
        case tree.Equal(name, value):
            return _same(name, [value.lower()]) if isinstance(value, str) else _number(name, value)
        case tree.Like(name, pattern):
            return _like(name, pattern)
        case tree.Inside(name, network):
            return _addresses(name, number(network.network_address), number(network.broadcast_address))
        case tree.Between():
            return _between(node)


def depth(node: tree.Node) -> int:
    """How many boolean queries stand within each other."""
    match node:
        case tree.And(parts) | tree.Or(parts):
            return 1 + max(depth(part) for part in parts)
        case tree.Not(part):
            return 1 + depth(part)
    return 1


def _alternatives(parts: Iterable[tree.Node]) -> list[Dsl]:
    """Queries of the parts of an OR; many values of one column become one set."""
    sets: dict[str, list[str]] = {}
    rest = []
    for part in parts:
        if isinstance(part, tree.Equal) and isinstance(part.value, str):
            sets.setdefault(part.field, []).append(part.value.lower())
        else:
            rest.append(query(part))
    return [*(_same(name, values) for name, values in sets.items()), *rest]


# ---------------------------------------------------------------- leaves of text


def _with_leaf(name: str, own: Dsl, leaf: Dsl) -> Dsl:
    """A column's own field decides, but for the events that have its value in LEAF."""
    if name not in SCHEMA.columns:
        return leaf
    odd = {"bool": {"filter": [_term(ODD, name), leaf]}}
    return _any([{"bool": {"filter": [own], "must_not": [_term(ODD, name)]}}, odd])


def _same(name: str, values: list[str]) -> Dsl:
    """One of the texts, given in lower case, is a value."""
    leaf = _terms(LEAF, elastic_leaf.equal(name, values))
    column = SCHEMA.columns.get(name)
    if column is None:
        return leaf
    values = [value for value in values if len(value) <= LONGEST]
    if not values:
        return leaf
    if not searched_whole(name, column):
        return _with_leaf(name, _any(_regexp(name, classes(value)) for value in values), leaf)
    return _with_leaf(name, _terms(f"{name}.raw" if column.kind == "ip" else name, values), leaf)


def _contains(name: str, pattern: tree.Pattern) -> Dsl:
    """The pattern stands anywhere in the text; the fields that this is asked of are not indexed as a whole."""
    if not pattern.pieces:
        return _exists(name)
    leaf = _regexp(LEAF, f"{literal(name + NUL)}..*{_expression(pattern, literal)}.*")
    return _with_leaf(name, _regexp(name, f".*{_expression(pattern, classes)}.*"), leaf)


def _like(name: str, pattern: tree.Pattern) -> Dsl:
    """The whole value fits the pattern."""
    first, last = pattern.pieces[0], pattern.pieces[-1]
    begin = "." if first is tree.Wild.MANY else WHOLE  # a piece from within a long text has another mark
    end = "" if last is tree.Wild.MANY else NUL
    leaf = _regexp(LEAF, f"{literal(name + NUL)}{begin}{_expression(pattern, literal)}{end}")
    column = SCHEMA.columns.get(name)
    lowered = column is None or searched_whole(name, column)
    return _with_leaf(name, _regexp(name, _expression(pattern, literal if lowered else classes)), leaf)


def _exists(name: str) -> Dsl:
    column = SCHEMA.columns.get(name)
    if column is None:
        return _prefix(LEAF, name + NUL)
    field = {"date": MICROS + name, "ip": f"{name}.raw"}.get(column.kind, name)
    own: Dsl = {"exists": {"field": field}}
    if column.kind in ("date", "long", "double", "boolean"):
        return own
    return _any([own, _term(ODD, name)])


# ---------------------------------------------------------------- leaves of numbers, times and addresses


def _number(name: str, value: int | float | bool) -> Dsl:
    if isinstance(value, int) and not INT64[0] <= value <= INT64[1]:
        return NONE
    return _term(name, value)


def _between(node: tree.Between) -> Dsl:
    name, low, high = node.field, node.low, node.high
    column = SCHEMA.get(name)
    kind = column.kind if column else "keyword"
    if kind == "ip":
        first = 0 if low is None else number(_address(low)) + (not node.with_low)
        last = (1 << 128) - 1 if high is None else number(_address(high)) - (not node.with_high)
        return _addresses(name, first, last)
    below, above = ("lte" if node.with_high else "lt"), ("gte" if node.with_low else "gt")
    if kind in ("date", "long", "double"):
        for bound, outside in ((low, INT64[1]), (high, INT64[0])):
            if isinstance(bound, int) and (bound > outside if outside > 0 else bound < outside):
                return NONE
        bounds = {above: low, below: high}
        held = {side: bound for side, bound in bounds.items()
                if not (isinstance(bound, int) and not INT64[0] <= bound <= INT64[1])}
        return _range(MICROS + name if kind == "date" else name, **held) if any(
            bound is not None for bound in held.values()) else _exists(name)
    start, end = f"{name}{NUL}{WHOLE}", f"{name}{NUL}{chr(ord(WHOLE) + 1)}"
    leaf_low = {"gte": start} if low is None else {above: start + str(low).lower() + NUL}
    leaf_high = {"lt": end} if high is None else {below: start + str(high).lower() + NUL}
    leaf = _range(LEAF, **leaf_low, **leaf_high)
    lowered = {above: None if low is None else str(low).lower(), below: None if high is None else str(high).lower()}
    if name in SCHEMA.columns and not searched_whole(name, SCHEMA.columns[name]):
        raise QueryError(f"{name} takes no range", 0)
    return _with_leaf(name, _range(name, **lowered), leaf)


def _address(value: Any) -> IPv4Address | IPv6Address:
    assert isinstance(value, IPv4Address | IPv6Address)  # as the parser makes them for columns of addresses
    return value


def _addresses(name: str, first: int, last: int) -> Dsl:
    """Addresses whose number lies between two, both included."""
    if first > last or first >= 1 << 128 or last < 0:
        return NONE
    own = _range(name, gte=str(IPv6Address(first)), lte=str(IPv6Address(last)))
    return _with_leaf(name, own, _range(
        LEAF, gte=elastic_leaf.numbered(name, first), lte=elastic_leaf.numbered(name, last)))


# ---------------------------------------------------------------- patterns


def _expression(pattern: tree.Pattern, form: Callable[[str], str]) -> str:
    """A pattern as a regular expression (Lucene's), its texts written by `literal` or `classes`."""
    if sum(len(piece) if isinstance(piece, str) else 1 for piece in pattern.pieces) > LONGEST_PATTERN:
        raise QueryError(f"a pattern has at most {LONGEST_PATTERN} characters in Elasticsearch", 0)
    kinds = {tree.Wild.MANY: ".*", tree.Wild.ONE: "."}
    return "".join(kinds[p] if isinstance(p, tree.Wild) else form(p.lower()) for p in pattern.pieces)


def literal(text: str) -> str:
    """A regular expression for the text itself."""
    return "".join(char if char.isalnum() or not char.isascii() else "\\" + char for char in text)


def classes(text: str) -> str:
    """A regular expression for the texts whose lower-case form is this one."""
    return "".join(_class(char) for char in text)


@lru_cache(maxsize=4096)
def _class(char: str) -> str:
    forms = sorted({char, *_upper_forms().get(char, ())})
    quoted = [literal(form) for form in forms]
    return quoted[0] if len(quoted) == 1 else f"[{''.join(quoted)}]"


@lru_cache(maxsize=1)
def _upper_forms() -> dict[str, list[str]]:
    """Character → the other characters whose lower-case form it is (k → K and the Kelvin sign)."""
    forms: dict[str, list[str]] = {}
    for code in range(0x1FFFF):
        char = chr(code)
        lower = char.lower()
        if lower != char and len(lower) == 1:
            forms.setdefault(lower, []).append(char)
    return forms


# ---------------------------------------------------------------- the server's words


def _all(parts: Iterable[Dsl]) -> Dsl:
    """All of the queries; those within each other become one."""
    flat: list[Dsl] = []
    for part in parts:
        inner = part.get("bool", {})
        flat += inner["filter"] if set(inner) == {"filter"} else [] if part == ALL else [part]
    if len(flat) == 1:
        return flat[0]
    return {"bool": {"filter": flat}} if flat else ALL


def _any(parts: Iterable[Dsl]) -> Dsl:
    listed = list(parts)
    return listed[0] if len(listed) == 1 else {"bool": {"should": listed, "minimum_should_match": 1}}


def _term(field: str, value: Any) -> Dsl:
    return {"term": {field: {"value": value}}}


def _terms(field: str, values: list[str]) -> Dsl:
    return _term(field, values[0]) if len(values) == 1 else {"terms": {field: sorted(set(values))}}


def _prefix(field: str, text: str) -> Dsl:
    return {"prefix": {field: {"value": text}}}


def _regexp(field: str, expression: str) -> Dsl:
    if len(expression) > LONGEST_REGEX:
        raise QueryError(f"a text to look for in {field} has at most {LONGEST_PATTERN} characters in Elasticsearch", 0)
    return {"regexp": {field: {"value": expression, "flags": "NONE", "max_determinized_states": MANY_STATES}}}


def _range(field: str, **bounds: Any) -> Dsl:
    return {"range": {field: {side: bound for side, bound in bounds.items() if bound is not None}}}
