"""The query tree as a Polars expression: true or false for every row, never null.

Columns that a segment lacks must stand in the frame as nulls of the schema's type (segments.scan sees to it).
`reference.py` beside the tests says the same slowly; the two are held together there.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from functools import lru_cache, reduce
from ipaddress import ip_address
from typing import Any

import orjson
import polars as pl

from soc_core import clock
from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.schema import SCHEMA
from soc_core.store import tree
from soc_core.store.literals import number

OWNER, TIME, ID, OVERFLOW = "organization.id", "@timestamp", "event.id", "overflow"
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 and 9999
INT64 = (-(1 << 63), (1 << 63) - 1)
Leaf = Callable[[pl.Expr], pl.Expr]


def columns(node: tree.Node) -> set[str]:
    """Columns that the expression of this tree reads."""
    names = set(tree.fields(node))
    return names | {OVERFLOW} if any(SCHEMA.get(name) is None for name in names) else names


def predicate(node: tree.Node) -> pl.Expr:
    """The tree as one boolean expression."""
    match node:
        case tree.Everything():
            return pl.lit(True)
        case tree.And(parts):
            return reduce(operator.and_, map(predicate, parts))
        case tree.Or(parts):
            return reduce(operator.or_, _alternatives(parts))
        case tree.Not(part):
            return ~predicate(part)
        case tree.Contains(names, pattern):
            return reduce(operator.or_, (_on(name, _containing(pattern)) for name in names))
        case tree.Exists(name):
            return _exists(name)
        case _:
            return _on(node.field, _test(node))


def within(since: Micros | None, until: Micros | None) -> pl.Expr | None:
    """@timestamp in [since, until)."""
    at = pl.col(TIME)
    parts = []
    if since is not None:
        parts.append(at >= moment(since))
    if until is not None:
        parts.append(at < moment(until))
    return reduce(operator.and_, parts) if parts else None


def owned(scope: Scope) -> pl.Expr | None:
    """organization.id in the scope; None when the scope is everything. Events without owner are the city's alone."""
    if scope.organisations is None:
        return None
    owner = pl.col(OWNER)
    return owner.is_in(sorted(scope.organisations)).fill_null(False)


def moment(at: Micros) -> pl.Expr:
    """A literal that compares with date columns; what no calendar holds becomes its nearest end."""
    return pl.lit(clock.to_datetime(min(max(at, EARLIEST), LATEST)), dtype=pl.Datetime("us", "UTC"))


def _alternatives(parts: Iterable[tree.Node]) -> list[pl.Expr]:
    """Expressions of the parts of an OR; many values of one text column become one set."""
    sets: dict[str, list[str]] = {}
    rest = []
    for part in parts:
        if isinstance(part, tree.Equal) and isinstance(part.value, str):
            sets.setdefault(part.field, []).append(part.value.lower())
        else:
            rest.append(predicate(part))
    for name, values in sets.items():
        if len(values) == 1:
            rest.append(predicate(tree.Equal(name, values[0])))
        else:
            rest.append(_on(name, _among(values)))
    return rest


def _among(values: list[str]) -> Leaf:
    plain = all(_caseless(value) for value in values)
    return lambda text: (text if plain else text.str.to_lowercase()).is_in(values)


def _on(name: str, leaf: Leaf) -> pl.Expr:
    """The leaf on a column: on any element of a list, and on the overflow path where nobody declared the name."""
    column = pl.col(name)
    known = SCHEMA.get(name)
    if known is not None and known.many:
        return column.list.eval(leaf(pl.element())).list.any().fill_null(False)
    found = leaf(column).fill_null(False)
    if known is not None:
        return found

    def judge(overflow: pl.Series) -> pl.Series:
        rows, values = path_values(overflow, name)
        hits = pl.DataFrame({"row": rows, "value": values}).filter(leaf(pl.col("value")).fill_null(False))["row"]
        return pl.Series(range(len(overflow)), dtype=pl.UInt32).is_in(hits.implode())

    return found | pl.col(OVERFLOW).map_batches(judge, return_dtype=pl.Boolean(), is_elementwise=True)


def _exists(name: str) -> pl.Expr:
    known = SCHEMA.get(name)
    if known is not None and known.many:
        return (pl.col(name).list.drop_nulls().list.len() > 0).fill_null(False)
    return _on(name, lambda value: value.is_not_null())


def _test(node: tree.Equal | tree.Like | tree.Between | tree.Inside) -> Leaf:
    column = SCHEMA.get(node.field)
    kind = column.kind if column else "keyword"
    match node:
        case tree.Like(_, pattern):
            return _fitting(pattern)
        case tree.Inside(_, network):
            first, last = number(network.network_address), number(network.broadcast_address)
            return _addresses(lambda at: first <= at <= last)
        case tree.Equal(_, value):
            return _same(value, kind)
        case tree.Between() if kind == "ip":
            return _address_range(node)
        case tree.Between():
            return _range(node, kind)


def _same(value: tree.Value, kind: str) -> Leaf:
    if isinstance(value, str):
        return _same_text(value.lower())
    if kind == "long" and not INT64[0] <= int(value) <= INT64[1]:
        return lambda column: column.is_null() & column.is_not_null()
    return lambda column: column.eq(value)


def _caseless(text: str) -> bool:
    return text.isascii() and text.upper() == text.lower()


def _same_text(value: str) -> Leaf:
    """Equality regardless of case, with a plain comparison beside it that row-group statistics can judge."""
    if _caseless(value):
        return lambda text: text == value
    if not value.isascii():
        return lambda text: text.str.to_lowercase() == value
    # The Kelvin sign is the only other character whose lower-case form is ASCII; it sorts after all of them.
    kelvin = value.find("k")
    above = value[:kelvin] + "\u212b" if kelvin >= 0 else value + "\0"
    return lambda text: (text >= value.upper()) & (text < above) & (text.str.to_lowercase() == value)


def _fitting(pattern: tree.Pattern) -> Leaf:
    """The whole text fits the pattern."""
    literal = pattern.literal
    if literal is not None:
        return _same_text(literal.lower())
    pieces = pattern.pieces
    texts = [piece.lower() for piece in pieces if isinstance(piece, str)]
    stars = [getattr(piece, "value", "text") for piece in pieces]
    match stars:
        case ["*"]:
            return lambda text: text.is_not_null()
        case ["text", "*"]:
            return lambda text: text.str.to_lowercase().str.starts_with(texts[0])
        case ["*", "text"]:
            return lambda text: text.str.to_lowercase().str.ends_with(texts[0])
        case ["*", "text", "*"]:
            return lambda text: text.str.to_lowercase().str.contains(texts[0], literal=True)
    return lambda text: text.str.to_lowercase().str.contains(f"^{pattern.regex()}$")


def _containing(pattern: tree.Pattern) -> Leaf:
    """The pattern stands anywhere in the text."""
    literal = pattern.literal
    if literal is None:
        return lambda text: text.str.to_lowercase().str.contains(pattern.regex())
    if literal and literal.isascii():
        return lambda text: text.str.contains(_any_case(literal))
    return lambda text: text.str.to_lowercase().str.contains(literal.lower(), literal=True)


def _any_case(literal: str) -> str:
    """A regular expression for an ASCII text in any case, faster than to make every text lower-case.

    Only two other characters have an ASCII one in their lower-case form: the Kelvin sign is k, and İ begins with i.
    """
    last = len(literal) - 1
    return "".join(
        "[kKK]" if char in "kK" else "[iIİ]" if char in "iI" and at == last else f"(?i-u:{re.escape(char)})"
        for at, char in enumerate(literal)
    )


def _range(node: tree.Between, kind: str) -> Leaf:
    low, high = node.low, node.high

    def bound(value: tree.Value) -> pl.Expr:
        if kind == "date":
            return moment(int(value))
        if kind == "long" and not INT64[0] <= int(value) <= INT64[1]:
            return pl.lit(min(max(int(value), -(1 << 100)), 1 << 100), dtype=pl.Int128())
        return pl.lit(value.lower() if isinstance(value, str) else value)

    def leaf(column: pl.Expr) -> pl.Expr:
        if kind not in ("date", "long", "double"):
            column = column.str.to_lowercase()
        parts = []
        if low is not None:
            parts.append(column >= bound(low) if node.with_low else column > bound(low))
        if high is not None:
            parts.append(column <= bound(high) if node.with_high else column < bound(high))
        return reduce(operator.and_, parts)

    return leaf


def _address_range(node: tree.Between) -> Leaf:
    low = -1 if node.low is None else number(node.low) + (not node.with_low)  # type: ignore[arg-type]  # numbers, as asked
    high = 1 << 128 if node.high is None else number(node.high) - (not node.with_high)  # type: ignore[arg-type]  # numbers, as asked
    return _addresses(lambda at: low <= at <= high)


@lru_cache(maxsize=262_144)
def address_number(text: str) -> int | None:
    """The address as a number (IPv4 mapped into IPv6); None for what is no address."""
    try:
        return number(ip_address(text))
    except ValueError:
        return None


def _addresses(test: Callable[[int], bool]) -> Leaf:
    """Judge each distinct address once."""

    def judge(texts: pl.Series) -> pl.Series:
        hits = [
            text for text in texts.unique().drop_nulls().to_list()
            if (at := address_number(text)) is not None and test(at)
        ]
        return texts.is_in(hits)

    return lambda column: column.map_batches(judge, return_dtype=pl.Boolean(), is_elementwise=True)


def path_values(overflow: pl.Series, name: str) -> tuple[pl.Series, pl.Series]:
    """(rows, texts) of every value at a dotted path; keys join by dots at any level, arrays give each element."""
    last = name.rpartition(".")[2]
    rows = pl.Series("row", range(len(overflow)), dtype=pl.UInt32)
    if last.isascii() and last.replace("_", "").isalnum():  # no encoder escapes such a key
        keep = overflow.str.contains(last, literal=True).fill_null(False)
        rows, overflow = rows.filter(keep), overflow.filter(keep)
    places: list[int] = []
    texts: list[str] = []
    for row, text in zip(rows.to_list(), overflow.to_list(), strict=True):
        if text is not None:
            for value in values_at(text, name):
                places.append(row)
                texts.append(value)
    return pl.Series("row", places, dtype=pl.UInt32), pl.Series("value", texts, dtype=pl.String)


def values_at(overflow: str, name: str) -> list[str]:
    """Texts of the leaves at a dotted path of one overflow object; what is not JSON has none."""
    try:
        whole = orjson.loads(overflow)
    except orjson.JSONDecodeError:
        return []
    found: list[str] = []
    _descend(whole, name, found)
    return found


def _descend(value: Any, rest: str | None, found: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _descend(item, rest, found)
    elif isinstance(value, dict):
        for key, item in value.items():
            if rest == key:
                _descend(item, None, found)
            elif rest is not None and rest.startswith(key + "."):
                _descend(item, rest[len(key) + 1 :], found)
    elif rest is None and value is not None:
        found.append(value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value))
