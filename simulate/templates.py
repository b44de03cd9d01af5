"""Native log lines from templates, whole columns at a time.

A kind of source (simulate/kinds/NAME.yml) is a list of weighted templates in the words of the product. `$name` and
`${name:arg:arg}` are filled from the kind's own pools, else from simulate/values.py. The same templates render one
line or a million; nothing is formatted line by line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from simulate import values as common
from simulate.block import Block
from soc_core import documents

FIELD = re.compile(r"\$(?:(\w+)|\{(\w+)((?::[^:}]*)*)\})")
FOLDER = Path(__file__).parent / "kinds"
Values = Mapping[str, str | Sequence[str]]


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Line(Document):
    """One template: how often it is chosen among its fellows (0: only by name), and a name attacks may ask for."""

    text: str
    weight: float = Field(default=1.0, ge=0)
    name: str = ""


class KindDocument(Document):
    """simulate/kinds/NAME.yml. `format` is the parser's name to give with the source, "" to have it found by content.

    `parser` is the one that reads these lines as events of their own, "" while none does (they are carried as text
    or as bare JSON); `names_host` says that lines name their host.

    `pools` are values for `$name`: a list in falling order of use (Zipf's law), itself of templates. `escape: json`
    escapes pools and given values for a place inside a JSON string.
    """

    format: str = ""
    parser: str = ""
    carrier: Literal["syslog", "lines"] = "syslog"
    names_host: bool = True
    escape: Literal["", "json"] = ""
    head: str = ""
    lines: list[Line]
    pools: dict[str, list[str]] = {}


class Template:
    """A text with fields. Rendering asks `kind` for the columns."""

    def __init__(self, text: str) -> None:
        self.parts: list[str | tuple[str, ...]] = []
        at = 0
        for found in FIELD.finditer(text):
            if found.start() > at:
                self.parts.append(text[at : found.start()])
            self.parts.append((found[1] or found[2], *(found[3] or "").split(":")[1:]))
            at = found.end()
        if at < len(text):
            self.parts.append(text[at:])

    def column(self, block: Block, kind: Kind, values: Values) -> pl.Series:
        """Rendered texts of the whole block."""
        columns: list[pl.Series] = []
        pieces: list[pl.Expr] = []
        for part in self.parts:
            if isinstance(part, str):
                pieces.append(pl.lit(part))
            else:
                name = f"c{len(columns)}"
                columns.append(kind.value(part, block, values).alias(name))
                pieces.append(pl.col(name))
        if not columns:
            return pl.repeat("".join(map(str, self.parts)), block.height, eager=True, dtype=pl.String)
        return pl.DataFrame(columns).select(pl.concat_str(pieces)).to_series()


class Choice:
    """Templates of which each row takes one."""

    def __init__(self, texts: Sequence[str], weights: Sequence[float]) -> None:
        self.templates = [Template(text) for text in texts]
        self.cumulative = np.cumsum(np.array(weights, dtype=float) / sum(weights))
        plain = all(isinstance(part, str) for template in self.templates for part in template.parts)
        self.pool = pl.Series(texts, dtype=pl.String) if plain else None

    def column(self, block: Block, kind: Kind, values: Values) -> pl.Series:
        codes = self.draw(block)
        if self.pool is not None:
            return self.pool.gather(codes)
        return grouped(codes, block, lambda code, rows: self.templates[code].column(rows, kind, values))

    def draw(self, block: Block) -> npt.NDArray[np.int64]:
        return np.minimum(np.searchsorted(self.cumulative, block.rng.random(block.height), side="right"),
                          len(self.templates) - 1)


class Kind:
    """A kind of source, ready to render."""

    def __init__(self, name: str, document: KindDocument) -> None:
        self.name, self.document = name, document
        self.pools = {key: _zipf([self.escape(v) for v in values]) for key, values in document.pools.items()}

    @cached_property
    def lines(self) -> Choice:
        chosen = [line for line in self.document.lines if line.weight]
        return Choice([self.document.head + line.text for line in chosen], [line.weight for line in chosen])

    @cached_property
    def by_name(self) -> dict[str, Template]:
        return {line.name: Template(self.document.head + line.text) for line in self.document.lines if line.name}

    def escape(self, text: str) -> str:
        return orjson.dumps(text).decode()[1:-1] if self.document.escape == "json" else text

    def value(self, field: tuple[str, ...], block: Block, values: Values) -> pl.Series:
        """One column: from given values (a list goes round), the kind's pools, or the common values."""
        name = field[0]
        if name in values:
            given = values[name]
            texts = [given] if isinstance(given, str) else given
            round_ = pl.Series([self.escape(text) for text in texts], dtype=pl.String)
            if "$" in "".join(texts):
                codes = np.arange(block.height, dtype=np.int64) % len(texts)
                return grouped(codes, block, lambda code, rows: Template(round_[code]).column(rows, self, {}))
            return round_.gather(np.arange(block.height) % len(texts))
        if name in self.pools:
            return self.pools[name].column(block, self, values)
        return common.column(field, block)

    def render(self, block: Block) -> pl.Series:
        """Ordinary lines, one a row."""
        return self.lines.column(block, self, {})

    def render_named(self, name: str, block: Block, values: Values) -> pl.Series:
        """Lines of one template with values of the caller's. Raises LookupError on an unknown name."""
        if name not in self.by_name:
            raise LookupError(f"kind {self.name} has no template {name!r}; there are: {', '.join(self.by_name)}")
        return self.by_name[name].column(block, self, values)


def grouped(codes: npt.NDArray[np.int64], block: Block, render: Callable[[int, Block], pl.Series]) -> pl.Series:
    """Render each group of equal codes at once and put the rows back in order."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    cuts = np.flatnonzero(np.diff(ordered)) + 1
    pieces = [render(int(codes[rows[0]]), block.take(rows)) for rows in np.split(order, cuts) if len(rows)]
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    whole = pl.concat(pieces) if pieces else pl.Series([], dtype=pl.String)
    return whole.gather(back)


def _zipf(texts: Sequence[str]) -> Choice:
    return Choice(texts, [1.0 / (rank + 2.0) for rank in range(len(texts))])


@cache
def kind(name: str) -> Kind:
    """A kind by name. Raises LookupError with the names there are, DocumentError on a bad file."""
    path = FOLDER / f"{name}.yml"
    if not path.exists():
        raise LookupError(f"no kind of source named {name!r}; there are: {', '.join(kinds())}")
    return Kind(name, documents.read(path, KindDocument))


@cache
def kinds() -> tuple[str, ...]:
    """Names of all kinds."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yml")))
