"""The one table of columns: name → type → description, read from schema.yml.

ECS 9.4 fields (https://www.elastic.co/docs/reference/ecs/ecs-field-reference) and declared vendor namespaces.
Polars dtypes, Elasticsearch mappings and the documentation are all made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from soc_core import documents

Kind = Literal["keyword", "wildcard", "text", "ip", "long", "double", "boolean", "date", "json"]

DTYPES: dict[str, pl.DataType] = {
    "keyword": pl.String(),
    "wildcard": pl.String(),
    "text": pl.String(),
    "ip": pl.String(),
    "json": pl.String(),
    "long": pl.Int64(),
    "double": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Datetime("us", "UTC"),
}


class Column(BaseModel):
    """One row of schema.yml. `many` marks an array; `mask` marks personal data that views hide."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    about: str
    many: bool = False
    mask: Literal["", "name", "phone", "identity"] = ""

    @property
    def dtype(self) -> pl.DataType:
        inner = DTYPES[self.kind]
        return pl.List(inner) if self.many else inner


KNOWN = 65_536  # names of which the answer is remembered: senders make up their own
KEYWORD = Column(kind="keyword", about="")


class Schema:
    """All columns by name, and the namespaces below which any name is a keyword column."""

    def __init__(self, columns: dict[str, Column], namespaces: dict[str, str]) -> None:
        self.columns = columns
        self.namespaces = namespaces
        self._dtype = lru_cache(KNOWN)(self._find)
        self._free = lru_cache(KNOWN)(self._in_namespace)
        self.textual: Callable[[str], bool] = lru_cache(KNOWN)(self._is_text)  # whether a column is one of texts

    def get(self, name: str) -> Column | None:
        """The declared column, or a keyword one where a namespace allows any name, else None."""
        return self.columns.get(name) or self._free(name)

    def _in_namespace(self, name: str) -> Column | None:
        return KEYWORD if any(name.startswith(space + ".") for space in self.namespaces) else None

    def _find(self, name: str) -> pl.DataType:
        column = self.get(name)
        return column.dtype if column else pl.String()

    def _is_text(self, name: str) -> bool:
        return bool(self.dtype(name) == pl.String)

    def dtype(self, name: str) -> pl.DataType:
        """Polars dtype of a column; String for a name that nobody declared."""
        return self._dtype(name)


def load(path: Path) -> Schema:
    """Read schema.yml: `columns: {name: [kind, about, flags…]}`, `namespaces: {prefix: about}`.

    A flag is `many` or a mask (`name`, `phone`, `identity`). Raises ValueError naming file and column.
    """
    raw = documents.load(path.read_text(encoding="utf-8"), path)
    columns = {}
    for name, (kind, about, *flags) in raw["columns"].items():
        masks = [flag for flag in flags if flag != "many"]
        try:
            columns[name] = Column(kind=kind, about=about, many="many" in flags, mask=masks[0] if masks else "")
        except ValidationError as error:
            kinds = ", ".join(get_args(Kind))
            raise ValueError(f"{path}: column {name}: {error.errors()[0]['msg']} (kinds: {kinds})") from None
    return Schema(columns, raw["namespaces"])


SCHEMA = load(Path(__file__).with_name("schema.yml"))
PERSONAL = {name: column.mask for name, column in SCHEMA.columns.items() if column.mask}  # column → name, phone …
