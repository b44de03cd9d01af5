"""XML of strangers, read as a stream: no entity is ever declared or fetched, and size, depth and width have bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

LARGEST = 256 << 20  # bytes of a document
DEEPEST = 64
WIDEST = 500_000  # elements within one that is handed over
STEP = 1 << 16


class Unsafe(ValueError):
    """A document that is not read; the text says why in one sentence."""


class _Reader:
    def __init__(self, wanted: frozenset[str]) -> None:
        self.root, self.done = "", list[Element]()
        self._wanted, self._depth, self._inside, self._count = wanted, 0, 0, 0
        self._builder = TreeBuilder()
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self.start, self.end
        parser.CharacterDataHandler = self.data
        parser.EntityDeclHandler = refuse
        parser.ExternalEntityRefHandler = refuse
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self.root = self.root or tag
        if self._depth > DEEPEST:
            raise Unsafe(f"the document is nested deeper than {DEEPEST}")
        if not self._inside and tag not in self._wanted:
            return
        self._inside += 1
        self._count += 1
        if self._count > WIDEST:
            raise Unsafe(f"one {tag} or what holds it has more than {WIDEST} elements")
        self._builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        if self._inside:
            self._builder.end(tag)
            self._inside -= 1
            if not self._inside:
                self.done.append(self._builder.close())
                self._builder, self._count = TreeBuilder(), 0

    def data(self, text: str) -> None:
        if self._inside:
            self._builder.data(text)


def refuse(*_: object) -> int:
    """What a document may not do."""
    raise Unsafe("the document declares entities; no scanner's report does")


def root_of(body: bytes) -> str:
    """The name of the outermost element; "" where the beginning is no XML. Raises Unsafe."""
    reader = _Reader(frozenset())
    with suppress(expat.ExpatError):  # whether the rest is well formed is said when it is read
        reader.parser.Parse(body[:STEP], False)
    return reader.root


def elements(body: bytes, wanted: frozenset[str]) -> Iterator[Element]:
    """Each outermost element of these names, whole, one at a time. Raises Unsafe."""
    if len(body) > LARGEST:
        raise Unsafe(f"the document has more than {LARGEST >> 20} MiB")
    reader = _Reader(wanted)
    try:
        for at in range(0, len(body) + 1, STEP):
            reader.parser.Parse(body[at : at + STEP], at + STEP > len(body))
            yield from reader.done
            reader.done.clear()
    except expat.ExpatError as error:
        raise Unsafe(f"the XML cannot be read: {error}") from None
