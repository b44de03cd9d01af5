"""Value modifiers where pySigma departs from the specification, put right and registered with its parser.

Sigma Modifiers Appendix 2.1: `utf16le` is missing in pySigma 1.5; `utf16` must prepend FF FE; the base64 family must
encode bytes, not escaped text; `windash` must treat all five dashes as one and is bounded here.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

from sigma.exceptions import SigmaValueError
from sigma.modifiers import SigmaValueModifier, modifier_mapping
from sigma.types import Placeholder, SigmaExpansion, SigmaString

DASHES = ("-", "/", "–", "—", "―")
MOST_VARIANTS = 20_000


class Encoded(SigmaString):
    """A string already turned into bytes: each character stands for one byte."""


def data(value: SigmaString) -> bytes:
    """The bytes that a plain value stands for. Raises SigmaValueError when it holds wildcards."""
    if value.contains_special():
        raise SigmaValueError("a value with wildcards cannot be encoded")
    text = "".join(part for part in value.s if isinstance(part, str))
    return text.encode("latin-1" if isinstance(value, Encoded) else "utf-8")


def _encoded(raw: bytes) -> Encoded:
    value = Encoded()
    value.s = [raw.decode("latin-1")] if raw else []
    return value


class Wide(SigmaValueModifier[SigmaString, SigmaString]):
    """utf16le and its alias wide."""

    def modify(self, val: SigmaString) -> SigmaString:
        return _encoded(data(val).decode("utf-8").encode("utf-16-le"))


class BigEndian(SigmaValueModifier[SigmaString, SigmaString]):
    """utf16be."""

    def modify(self, val: SigmaString) -> SigmaString:
        return _encoded(data(val).decode("utf-8").encode("utf-16-be"))


class Marked(SigmaValueModifier[SigmaString, SigmaString]):
    """utf16: little endian after the byte order mark FF FE."""

    def modify(self, val: SigmaString) -> SigmaString:
        return _encoded(b"\xff\xfe" + data(val).decode("utf-8").encode("utf-16-le"))


class Base64(SigmaValueModifier[SigmaString, SigmaString]):
    """base64."""

    def modify(self, val: SigmaString) -> SigmaString:
        return SigmaString.from_str(b64encode(data(val)).decode())


class Base64Offset(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """base64offset: what is fixed of the encoded value at each of the three places it may begin."""

    def modify(self, val: SigmaString) -> SigmaExpansion:
        raw = data(val)
        found: list[SigmaString] = []
        for shift in range(3):
            text = b64encode(b" " * shift + raw).decode()
            end = (None, -3, -2)[(len(raw) + shift) % 3]
            found.append(SigmaString.from_str(text[(0, 2, 3)[shift] : end]))
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
        return SigmaExpansion([*marked.replace_placeholders(each)])


def register() -> None:
    """Make pySigma's parser use these; safe to call again."""
    modifier_mapping.update(
        wide=Wide, utf16le=Wide, utf16be=BigEndian, utf16=Marked,
        base64=Base64, base64offset=Base64Offset, windash=WindowsDash,
    )
