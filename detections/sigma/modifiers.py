"""Value modifiers where pySigma departs from the specification, put right and registered with its parser.

Sigma Modifiers Appendix 2.1: `utf16le` is missing in pySigma 1.5; `utf16` must prepend FF FE; the base64 family must
encode bytes, not escaped text; `windash` must treat all five dashes as one and is bounded here. `cased` holds wherever
it stands in the chain. Parts of a time may be compared. What pySigma takes in silence and cannot mean is refused.
"""

from __future__ import annotations

import operator
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from sigma.exceptions import SigmaValueError
from sigma.modifiers import (
    SigmaEndswithModifier,
    SigmaFieldReferenceModifier,
    SigmaStartswithModifier,
    SigmaValueModifier,
    modifier_mapping,
)
from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaCasedString,
    SigmaCompareExpression,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
)

Text = SigmaString | SigmaRegularExpression | SigmaFieldReference
DASHES = ("-", "/", "–", "—", "―")
MOST_VARIANTS = 20_000
# What a part of a time can be; years as far as systems count them.
PARTS = {"minute": range(60), "hour": range(24), "day": range(1, 32), "week": range(1, 54), "month": range(1, 13),
         "year": range(1601, 2400)}


class Encoded(SigmaString):
    """A string already turned into bytes: each character stands for one byte."""


class CasedEncoded(Encoded, SigmaCasedString):
    """The same, case-sensitive."""


def like(value: SigmaString, made: SigmaString) -> SigmaString:
    """What was made of a value, case-sensitive where the value is."""
    if not isinstance(value, SigmaCasedString):
        return made
    cased = CasedEncoded() if isinstance(made, Encoded) else SigmaCasedString()
    cased.s = made.s
    return cased


def data(value: SigmaString) -> bytes:
    """The bytes that a plain value stands for. Raises SigmaValueError when it holds wildcards or placeholders."""
    if value.contains_special():
        raise SigmaValueError("a value with wildcards cannot be encoded")
    if value.contains_placeholder():
        raise SigmaValueError("a value with placeholders cannot be encoded")
    text = "".join(part for part in value.s if isinstance(part, str))
    return text.encode("latin-1" if isinstance(value, Encoded) else "utf-8")


def _encoded(val: SigmaString, raw: bytes) -> SigmaString:
    value = Encoded()
    value.s = [raw.decode("latin-1")] if raw else []
    return like(val, value)


class Wide(SigmaValueModifier[SigmaString, SigmaString]):
    """utf16le and its alias wide."""

    def modify(self, val: SigmaString) -> SigmaString:
        return _encoded(val, data(val).decode("utf-8").encode("utf-16-le"))


class BigEndian(SigmaValueModifier[SigmaString, SigmaString]):
    """utf16be."""

    def modify(self, val: SigmaString) -> SigmaString:
        return _encoded(val, data(val).decode("utf-8").encode("utf-16-be"))


class Marked(SigmaValueModifier[SigmaString, SigmaString]):
    """utf16: little endian after the byte order mark FF FE."""

    def modify(self, val: SigmaString) -> SigmaString:
        return _encoded(val, b"\xff\xfe" + data(val).decode("utf-8").encode("utf-16-le"))


class Base64(SigmaValueModifier[SigmaString, SigmaString]):
    """base64."""

    def modify(self, val: SigmaString) -> SigmaString:
        return like(val, SigmaString.from_str(b64encode(data(val)).decode()))


class Base64Offset(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """base64offset: what is fixed of the encoded value at each of the three places it may begin."""

    def modify(self, val: SigmaString) -> SigmaExpansion:
        raw = data(val)
        found: list[SigmaString] = []
        for shift in range(3):
            text = b64encode(b" " * shift + raw).decode()
            end = (None, -3, -2)[(len(raw) + shift) % 3]
            found.append(like(val, SigmaString.from_str(text[(0, 2, 3)[shift] : end])))
        return SigmaExpansion([*found])


class WindowsDash(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """windash: any of the five dashes where one introduces a parameter, in all permutations."""

    places = re.compile(rf"\B[{''.join(DASHES)}]\b")

    def modify(self, val: SigmaString) -> SigmaExpansion:
        def each(found: Placeholder) -> Iterator[str | Placeholder]:
            yield from DASHES if found.name == "_windash" else (found,)

        marked = val.replace_with_placeholder(self.places, "_windash")
        count = sum(isinstance(part, Placeholder) and part.name == "_windash" for part in marked.s)
        if len(DASHES) ** count > MOST_VARIANTS:
            raise SigmaValueError(f"windash with {count} dashes in one value makes too many variants")
        return SigmaExpansion([like(val, made) for made in marked.replace_placeholders(each)])


class Compare(SigmaValueModifier[SigmaNumber, SigmaCompareExpression | SigmaExpansion]):
    """A number's lt, lte, gt, gte; of a part of a time (`hour|gte: 20`), all parts that are so."""

    op: ClassVar[CompareOperators]
    holds: ClassVar[Callable[[float, float], bool]]

    def modify(self, val: SigmaNumber) -> SigmaCompareExpression | SigmaExpansion:
        if not isinstance(val, SigmaTimestampPart):
            return SigmaCompareExpression(val, self.op, self.source)
        part = val.timestamp_part
        found = [SigmaTimestampPart(part, n) for n in PARTS[part.name.lower()] if type(self).holds(n, val.number)]
        if not found:
            raise SigmaValueError(f"no {part.name.lower()} is {self.op.name.lower()} {val.number}")
        return SigmaExpansion([*found])


def _compare(name: str) -> type[Compare]:
    how = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}[name]
    return type(f"Compare_{name}", (Compare,), {"op": CompareOperators[name.upper()], "holds": staticmethod(how)})


class FieldReference(SigmaFieldReferenceModifier):
    """fieldref: two fields are compared as all values are, without regard to case."""

    def modify(self, val: SigmaString) -> SigmaFieldReference:
        if isinstance(val, SigmaCasedString):
            raise SigmaValueError("cased does not go with fieldref")
        return super().modify(val)


def _plain(theirs: type[SigmaStartswithModifier | SigmaEndswithModifier]) -> type[SigmaValueModifier[Any, Any]]:
    """pySigma's modifier, refused for a regular expression, which it would leave to match anywhere."""

    def modify(self: SigmaValueModifier[Any, Any], val: Text) -> Text:
        if isinstance(val, SigmaRegularExpression):
            raise SigmaValueError("a regular expression begins and ends with ^ and $ of its own")
        return theirs.modify(self, val)  # type: ignore[arg-type]  # self is one of theirs

    return type(theirs.__name__, (theirs,), {"modify": modify})


def register() -> None:
    """Make pySigma's parser use these; safe to call again."""
    modifier_mapping.update(
        wide=Wide, utf16le=Wide, utf16be=BigEndian, utf16=Marked,
        base64=Base64, base64offset=Base64Offset, windash=WindowsDash, fieldref=FieldReference,
        startswith=_plain(SigmaStartswithModifier), endswith=_plain(SigmaEndswithModifier),
        **{name: _compare(name) for name in ("lt", "lte", "gt", "gte")},
    )
