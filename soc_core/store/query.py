"""The query language of searches and hunts: a subset of Lucene's, read into a tree (tree.py).

    user.name:root                     the field holds the value (whole, regardless of case)
    user.name:adm*  url.original:*.php?id=*     wildcards: * any run of characters, ? any one; the whole value must fit
    message:"failed password"          phrase; in message, event.original and overflow a term or phrase stands anywhere
    failed "su root" 203.0.113.9       without a field: anywhere in message or event.original
    source.port:[1 TO 1023]  {1 TO *}  source.port:>=1024  @timestamp:>2026-11-23T01:00
    source.ip:10.0.0.0/8  source.ip:10.*        networks; ranges of addresses compare by number
    user.name:*  _exists_:user.name    the field has a value
    event.action:(logon OR "log off")  one field, several values
    a AND b   a OR b   NOT a   && || !   +a -a   ( … )

Terms side by side mean AND. AND binds tighter than OR; NOT, ! and - bind tightest; + changes nothing.
AND, OR, NOT and TO are written in capitals. A backslash takes its meaning from the space or the one of
+ - & | ! ( ) { } [ ] ^ " ~ * ? : / \\ that follows; before anything else it is plain, so C:\\Windows needs no care
(but C:\\\\* does).
A field that schema.yml does not declare is looked for as a dotted path in the `overflow` object, and its values
compare as text. A date stands for the whole span it names, in UTC: @timestamp:2026-11-23 is that day.
There are no regular expressions, no fuzzy terms and no boosts: / ~ ^ are plain characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from soc_core.protocols import QueryError
from soc_core.schema import SCHEMA
from soc_core.store import literals, tree

T = TypeVar("T")
ANYWHERE = ("message", "event.original")
TEXTS = ("text", "json")
MAX_DEPTH, MAX_TERMS, MAX_LENGTH = 40, 1024, 65536
SPECIAL = '+-&|!(){}[]^"~*?:/\\ '
FIELD = re.compile(r'((?:\\.|[^\W\d]|@)(?:\\.|[\w@.\-/])*):')
OPERATOR = re.compile(r"(AND|OR|NOT)(?=[\s()]|$)|&&|\|\|")
COMPARISON = re.compile(r"(>=|<=|>|<)\s*")
NAMES = {"&&": "AND", "||": "OR"}
WANTED = {"long": "whole numbers", "double": "numbers", "boolean": "true or false", "date": "times", "ip": "addresses"}


@lru_cache(maxsize=256)
def _parse(text: str) -> tree.Node:
    return Parser(text).whole()


def parse(text: str) -> tree.Node:
    """The tree of a query text; an empty text is everything. Raises QueryError with the place of the fault."""
    if "now" in text:  # means another moment each time
        return Parser(text).whole()
    return _parse(text)


def field_name(name: str) -> str:
    """The column that a name in a query means: `overflow.a.b` is the path a.b."""
    return name[len("overflow."):] if name.startswith("overflow.") else name


class Word:
    """A term as written: its pattern, where it began, and whether it was quoted."""

    __slots__ = ("at", "pattern", "quoted")

    def __init__(self, pattern: tree.Pattern, at: int, quoted: bool) -> None:
        self.pattern, self.at, self.quoted = pattern, at, quoted

    @property
    def unbounded(self) -> bool:
        return self.pattern.pieces == (tree.Wild.MANY,)


class Parser:
    """Recursive descent over the characters; `at` is the next one to read."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise QueryError(f"a query has at most {MAX_LENGTH} characters", MAX_LENGTH)
        self.text, self.at, self.depth, self.terms = text, 0, 0, 0

    def whole(self) -> tree.Node:
        self._space()
        if self.at == len(self.text):
            return tree.Everything()
        node = self._disjunction("")
        if self.at < len(self.text):
            raise QueryError('")" without "("', self.at)
        return node

    # ------------------------------------------------------------ operators

    def _disjunction(self, field: str) -> tree.Node:
        parts = [self._conjunction(field)]
        while self._take("OR"):
            parts.append(self._conjunction(field))
        return parts[0] if len(parts) == 1 else tree.Or(tuple(parts))

    def _conjunction(self, field: str) -> tree.Node:
        parts = [self._clause(field)]
        while self._take("AND") or not self._at_end_of_group():
            parts.append(self._clause(field))
        return parts[0] if len(parts) == 1 else tree.And(tuple(parts))

    def _clause(self, field: str) -> tree.Node:
        self._space()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise QueryError(f"nested more than {MAX_DEPTH} deep", self.at)
        operator = self._operator()
        if operator and operator != "NOT":
            raise QueryError(f"{operator} needs a term before it", self.at)
        if self._take("NOT") or self._prefix("!") or self._prefix("-"):
            node: tree.Node = tree.Not(self._clause(field))
        elif self._prefix("+"):
            node = self._clause(field)
        else:
            node = self._atom(field)
        self.depth -= 1
        return node

    def _atom(self, field: str) -> tree.Node:
        if self._peek() == "(":
            return self._group(field)
        found = None if field else FIELD.match(self.text, self.at)
        if found:
            name = field_name(re.sub(r"\\(.)", r"\1", found[1]))
            self.at = found.end()
            return self._value(name)
        if self.text.startswith("*:*", self.at):
            self.at += 3
            return tree.Everything()
        return self._term(field, self._word(bare=not field))

    def _group(self, field: str) -> tree.Node:
        opened = self.at
        self.at += 1
        self._space()
        if self._peek() == ")":
            raise QueryError("nothing between the parentheses", self.at)
        node = self._disjunction(field)
        if self._peek() != ")":
            raise QueryError('missing ")"', opened)
        self.at += 1
        return node

    # ------------------------------------------------------------ values

    def _value(self, field: str) -> tree.Node:
        self._space()
        first = self._peek()
        if self._operator():
            raise QueryError("missing a value", self.at)
        if first == "(":
            return self._group(field)
        if first in ("[", "{"):
            return self._range(field)
        found = COMPARISON.match(self.text, self.at)
        if found:
            self.at = found.end()
            word = self._word(bare=False)
            if found[1] in (">", ">="):
                return self._between(field, word, None, found[1] == ">=", True)
            return self._between(field, None, word, True, found[1] == "<=")
        return self._term(field, self._word(bare=False))

    def _range(self, field: str) -> tree.Node:
        opened = self.at
        with_low = self.text[opened] == "["
        self.at += 1
        low = self._word(bare=False, stops="]}", inside=opened)
        self._space()
        if not re.compile(r"TO\s").match(self.text, self.at):
            raise QueryError("a range is written [low TO high]", self.at)
        self.at += 2
        high = self._word(bare=False, stops="]}", inside=opened)
        self._space()
        closing = self._peek()
        if closing not in ("]", "}"):
            raise QueryError('missing "]" or "}"', opened)
        self.at += 1
        return self._between(
            field, None if low.unbounded else low, None if high.unbounded else high, with_low, closing == "]"
        )

    def _word(self, bare: bool, stops: str = "", inside: int = -1) -> Word:
        """A quoted phrase, or characters up to a space, a parenthesis, a quote or one of `stops`."""
        if inside >= 0:
            self._space()
        begin = self.at
        if self._peek() == '"':
            return self._phrase()
        pieces: list[str | tree.Wild] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char.isspace() or char in '()"' + stops:
                break
            follower = self.text[self.at + 1 : self.at + 2]
            if char == "\\" and follower and follower in SPECIAL:
                self.at += 1
                self._add(pieces, follower)
            elif char in "*?":
                pieces.append(tree.Wild(char))
            elif bare and char == ":" and any(isinstance(piece, tree.Wild) for piece in pieces):
                raise QueryError("a field name takes no wildcard", begin)
            else:
                self._add(pieces, char)
            self.at += 1
        if self.at == begin:
            raise QueryError("missing a term" if bare else "missing a value", begin)
        return Word(tree.Pattern(tuple(pieces)), begin, quoted=False)

    def _phrase(self) -> Word:
        begin = self.at
        text: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return Word(tree.Pattern(("".join(text),) if text else ()), begin, quoted=True)
            if char == "\\" and self.text[self.at + 1 : self.at + 2] in ('"', "\\"):
                self.at += 1
                char = self.text[self.at]
            text.append(char)
            self.at += 1
        raise QueryError('missing closing "', begin)

    # ------------------------------------------------------------ leaves

    def _term(self, field: str, word: Word) -> tree.Node:
        self._count(word)
        pattern = word.pattern
        if not field:
            return tree.Everything() if word.unbounded else tree.Contains(ANYWHERE, pattern.stripped())
        if field == "_exists_":
            if pattern.literal is None:
                raise QueryError("_exists_ takes the name of one field", word.at)
            return tree.Exists(field_name(pattern.literal))
        if word.unbounded:
            return tree.Exists(field)
        column = SCHEMA.get(field)
        kind = column.kind if column else "keyword"
        if kind in TEXTS:
            return tree.Contains((field,), pattern.stripped())
        if kind == "ip":
            return self._read(lambda text: _address_leaf(field, text), word, as_written(pattern))
        literal = pattern.literal
        if kind not in WANTED:
            return tree.Like(field, pattern) if literal is None else tree.Equal(field, literal)
        if literal is None:
            raise QueryError(f"{field} holds {WANTED[kind]}, which take no wildcard", word.at)
        if kind == "date":
            start, end = self._read(literals.moment, word, literal)
            return tree.Between(field, start, end, True, False)
        readers: dict[str, Callable[[str], int | float | bool]] = {
            "long": literals.whole, "double": literals.real, "boolean": literals.truth,
        }
        return tree.Equal(field, self._read(readers[kind], word, literal))

    def _between(self, field: str, low: Word | None, high: Word | None, with_low: bool, with_high: bool) -> tree.Node:
        if low is None and high is None:
            return tree.Exists(field)
        self._count(low or high)
        column = SCHEMA.get(field)
        kind = column.kind if column else "keyword"
        if kind in TEXTS or kind == "boolean":
            raise QueryError(f"{field} takes no range", (low or high).at)  # type: ignore[union-attr]  # one is there
        bounds: list[tree.Value | None] = []
        for word, inclusive, end in ((low, with_low, 0), (high, with_high, 1)):
            if word is None:
                bounds.append(None)
                continue
            literal = word.pattern.literal
            if literal is None:
                raise QueryError("a bound takes no wildcard", word.at)
            if kind == "date":
                span = self._read(literals.moment, word, literal)
                bounds.append(span[end] if inclusive else span[1 - end])
                continue
            readers: dict[str, Callable[[str], tree.Value]] = {
                "long": literals.whole, "double": literals.real, "ip": literals.address,
            }
            bounds.append(self._read(readers.get(kind, str), word, literal))
        if kind == "date":  # spans are half-open already
            return tree.Between(field, bounds[0], bounds[1], True, False)
        return tree.Between(field, bounds[0], bounds[1], with_low, with_high)

    def _read(self, reader: Callable[[str], T], word: Word, text: str) -> T:
        try:
            return reader(text)
        except ValueError as error:
            raise QueryError(str(error), word.at) from None

    def _count(self, word: Word | None) -> None:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise QueryError(f"more than {MAX_TERMS} terms", word.at if word else self.at)

    # ------------------------------------------------------------ characters

    def _space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _operator(self) -> str:
        """The name of the operator that stands here, "" for none."""
        found = OPERATOR.match(self.text, self.at)
        return NAMES.get(found[0], found[0]) if found else ""

    def _take(self, name: str) -> bool:
        self._space()
        if self._operator() != name:
            return False
        found = OPERATOR.match(self.text, self.at)
        self.at = found.end() if found else self.at
        self._space()
        if self.at == len(self.text):
            raise QueryError(f"{name} needs a term after it", self.at)
        return True

    def _prefix(self, sign: str) -> bool:
        """Take a sign that stands directly before a term."""
        after = self.text[self.at + 1 : self.at + 2]
        if self._peek() != sign or not after or after.isspace():
            return False
        self.at += 1
        return True

    def _at_end_of_group(self) -> bool:
        self._space()
        return self.at == len(self.text) or self._peek() == ")" or self._operator() == "OR"

    @staticmethod
    def _add(pieces: list[str | tree.Wild], char: str) -> None:
        last = pieces[-1] if pieces else tree.Wild.MANY
        if isinstance(last, str):
            pieces[-1] = last + char
        else:
            pieces.append(char)


def as_written(pattern: tree.Pattern) -> str:
    """The pattern with its wildcards as characters."""
    return "".join(piece.value if isinstance(piece, tree.Wild) else piece for piece in pattern.pieces)


def _address_leaf(field: str, text: str) -> tree.Node:
    """An address, a network in CIDR form, or whole octets (`10.1.*`)."""
    if "*" in text or "?" in text:
        meant = literals.octets(text)
        if meant is None:
            raise ValueError(f"{text!r} is not an address (wildcards stand for whole octets at the end: 10.1.*)")
        return tree.Inside(field, meant)
    if "/" in text:
        return tree.Inside(field, literals.network(text))
    given = literals.address(text)
    if given.version == 4:
        return tree.Equal(field, str(given))
    return tree.Inside(field, literals.network(text))
