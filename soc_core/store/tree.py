"""What a query text means, as a tree: the one form that the embedded store, Elasticsearch and tests evaluate.

Every leaf is two-valued: an event that lacks the field does not match, so `NOT` matches it. A field of several
values matches when any one of them does. Text compares by its lower-case form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Value = str | int | float | bool | Address


class Wild(Enum):
    """What may stand between the literal pieces of a pattern."""

    MANY = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Literal pieces and wildcards in turn; neighbouring literals are always joined into one."""

    pieces: tuple[str | Wild, ...]

    @property
    def literal(self) -> str | None:
        """The text, when there is no wildcard in it."""
        if not self.pieces:
            return ""
        only = self.pieces[0]
        return only if len(self.pieces) == 1 and isinstance(only, str) else None

    def stripped(self) -> Pattern:
        """Without leading and trailing `*`, which say nothing where the pattern may stand anywhere."""
        pieces = list(self.pieces)
        while pieces and pieces[0] is Wild.MANY:
            del pieces[0]
        while pieces and pieces[-1] is Wild.MANY:
            del pieces[-1]
        return Pattern(tuple(pieces))

    def regex(self) -> str:
        """A regular expression for the lower-case form of a text, without anchors."""
        kinds = {Wild.MANY: ".*", Wild.ONE: "."}
        return "(?s:" + "".join(
            kinds[piece] if isinstance(piece, Wild) else re.escape(piece.lower()) for piece in self.pieces
        ) + ")"


@dataclass(frozen=True, slots=True)
class Everything:
    """Every event."""


@dataclass(frozen=True, slots=True)
class And:
    """Events that match all the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Events that match at least one of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Events that do not match the part."""

    part: Node


@dataclass(frozen=True, slots=True)
class Contains:
    """The pattern stands anywhere in one of the text fields."""

    fields: tuple[str, ...]
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Equal:
    """The field holds the value: text whole and regardless of case, a number, a truth value, an IPv4 address."""

    field: str
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Like:
    """The whole value of a text field fits the pattern."""

    field: str
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Between:
    """The value lies between the bounds; None is no bound. Dates are microseconds, addresses compare by number."""

    field: str
    low: Value | None
    high: Value | None
    with_low: bool = True
    with_high: bool = True


@dataclass(frozen=True, slots=True)
class Inside:
    """The address belongs to the network (a whole IPv6 address is a network of one)."""

    field: str
    network: Network


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value (a list: at least one)."""

    field: str


Node = Everything | And | Or | Not | Contains | Equal | Like | Between | Inside | Exists


def fields(node: Node) -> frozenset[str]:
    """Names of all fields that the tree reads."""
    match node:
        case And(parts) | Or(parts):
            return frozenset().union(*(fields(part) for part in parts))
        case Not(part):
            return fields(part)
        case Contains(names, _):
            return frozenset(names)
        case Everything():
            return frozenset()
        case _:
            return frozenset([node.field])
