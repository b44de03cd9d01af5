"""A rule's field names → columns of the schema, by the rule's log source, from the tables in mapping/*.yml.

The laws and traps behind the tables: categories read ECS columns, services read native names, verbatim beats
normalised. A site adds tables in a folder of its own (`mapping` in the data directory); they are laid over ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from detections.sigma.rule import Failure, LogSource
from soc_core import documents
from soc_core.documents import DocumentError
from soc_core.schema import SCHEMA

FOLDER = Path(__file__).with_name("mapping")
OVERFLOW = "overflow"


class Source(NamedTuple):
    """A column, or the values at a dotted path inside a column that holds JSON text."""

    column: str
    path: str = ""


class Reader(NamedTuple):
    """Where a field's values come from: all sources together; `labelled` adds `LABEL=value` texts of columns.

    `decode`: "url" also tries the text decoded; "search" is the whole event's text, for keywords.
    """

    sources: tuple[Source, ...]
    decode: str = ""
    labelled: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([s.column for s in self.sources] + [column for _, column in self.labelled]))


SEARCH = Reader((Source("event.original"), Source("message")), "search")


class Entry(BaseModel):
    """One field: columns (`column` or `column#path`), and how values differ between rule and column."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: list[str]
    values: dict[str, str] = {}
    labelled: dict[str, str] = {}
    decode: Literal["", "url"] = ""


class Where(BaseModel):
    """The log sources that a table is for; a list means any of them, nothing means all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    product: str | list[str] = ""
    category: str | list[str] = ""
    service: str | list[str] = ""

    def takes(self, source: LogSource) -> bool:
        wants = (self.product, self.category, self.service)
        return all(
            not want or have == want or (isinstance(want, list) and have in want)
            for want, have in zip(wants, source, strict=True)
        )

    @property
    def weight(self) -> int:
        return sum(bool(part) for part in (self.product, self.category, self.service))


class Table(BaseModel):
    """Fields of some log sources; `otherwise` is the column of every other field, with {field} in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    logsource: Where
    fields: dict[str, str | Entry] = {}
    otherwise: str = ""


class Document(BaseModel):
    """One file of tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    tables: list[Table]


class Resolved(NamedTuple):
    """A field resolved: where to read it, and how the rule's values are written there."""

    reader: Reader
    values: dict[str, str]


class Mapping(Protocol):
    """How a rule set's fields are found in events."""

    def resolve(self, source: LogSource, field: str) -> Resolved: ...


class Mapper:
    """The tables of one or more folders; later ones and more specific ones win. A file that is wrong is `failed`."""

    def __init__(self, folders: Sequence[Path] = (FOLDER,)) -> None:
        self.tables: list[Table] = []
        self.failed: list[Failure] = []
        for path in (path for folder in folders for path in sorted(folder.glob("*.y*ml"))):
            try:
                self.tables += documents.read(path, Document).tables
            except DocumentError as error:
                self.failed.append(Failure(error.path, error.line, error.reason))
        self.tables.sort(key=lambda table: table.logsource.weight)
        self.merged = lru_cache(maxsize=1024)(self._merge)
        self.resolved = lru_cache(maxsize=32_768)(self._resolve)  # correlations ask for each match

    def _merge(self, source: LogSource) -> tuple[dict[str, str | Entry], str]:
        fields: dict[str, str | Entry] = {}
        otherwise = ""
        for table in self.tables:
            if table.logsource.takes(source):
                fields.update(table.fields)
                otherwise = table.otherwise or otherwise
        return fields, otherwise

    def resolve(self, source: LogSource, field: str) -> Resolved:
        """Where a field of a rule of this log source is read; a name nobody maps is looked for in the overflow."""
        return self.resolved(source, field)

    def _resolve(self, source: LogSource, field: str) -> Resolved:
        fields, otherwise = self.merged(source)
        entry = fields.get(field)
        if isinstance(entry, str):
            return Resolved(Reader((_source(entry),)), {})
        if entry is not None:
            reader = Reader(tuple(map(_source, entry.columns)), entry.decode, tuple(entry.labelled.items()))
            return Resolved(reader, {key.lower(): value for key, value in entry.values.items()})
        if SCHEMA.get(field) is not None:
            return Resolved(Reader((Source(field),)), {})
        if otherwise:
            return Resolved(Reader((Source(otherwise.format(field=field.replace(" ", ""))),)), {})
        return Resolved(Reader((Source(OVERFLOW, field),)), {})


def of_site(folder: Path | None) -> Mapper:
    """Our tables, and a site's own over them; the folder may be none, or not be there."""
    return Mapper([FOLDER, folder] if folder else [FOLDER])


class Verbatim:
    """Taxonomy `sigma`: events already carry the rule's own field names as columns."""

    def resolve(self, source: LogSource, field: str) -> Resolved:
        return Resolved(Reader((Source(field),)), {})


def _source(text: str) -> Source:
    column, _, path = text.partition("#")
    return Source(column, path)
