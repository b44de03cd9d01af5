"""Text lines to columns: decoding, and tables of shapes whose pattern groups are named after columns.

The patterns run in Polars' own engine (linear time, no back-tracking), over whole columns.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from soc_core.protocols import Fault, Ints

BOM = codecs.BOM_UTF8
HEAD, MOST_HEADS = 6, 100  # characters, and how many different ones are worth comparing


def decode_line(line: bytes, encoding: str = "") -> str | None:
    """One line as text: the source's codec if it has one, else UTF-8, else GB18030; None when none fits."""
    for codec in (encoding, "utf-8", "gb18030") if encoding else ("utf-8", "gb18030"):
        try:
            return line.decode(codec)
        except (UnicodeDecodeError, LookupError):
            continue
    return None


def decode(lines: Sequence[bytes], encoding: str = "") -> tuple[pl.Series, list[Fault]]:
    """(text, faults): a String column as long as `lines`, null where a line is not text in any codec.

    Line ends are cut off, a byte order mark too; NUL and control characters are kept.
    """
    if encoding and _name(encoding) not in ("utf-8", "ascii"):
        text = pl.Series("text", [decode_line(line, encoding) for line in lines], dtype=pl.String)
    else:
        try:
            text = pl.Series("text", lines, dtype=pl.Binary).cast(pl.String)
        except pl.exceptions.PolarsError:  # some line is not UTF-8: then one by one
            text = pl.Series("text", [decode_line(line) for line in lines], dtype=pl.String)
    text = text.str.strip_chars_end("\r\n").str.strip_prefix("\ufeff")
    lost = np.flatnonzero(text.is_null().to_numpy()) if text.null_count() else ()
    return text, [Fault(int(i), "not text in UTF-8 or GB18030") for i in lost]


def _name(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return ""


@dataclass(frozen=True)
class Shape:
    """One kind of message: what it begins with, its pattern, and what is true of every such message.

    Groups of `pattern` are named after the columns that they fill; one that begins with an underscore is only
    for the format's own use. `start` is a literal prefix (or several) that spares the pattern most lines.
    """

    start: str | tuple[str, ...]
    pattern: str
    constants: Mapping[str, Any] = field(default_factory=dict)


def extract(text: pl.Series, pattern: str) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], pl.DataFrame]:
    """(matched, groups): which rows match, and the named groups as columns of all rows."""
    found = text.str.extract_groups("(?P<matched_>)" + pattern).struct.unnest()
    matched, *groups = found.iter_columns()
    return matched.is_not_null().to_numpy(), pl.DataFrame(groups) if groups else found.drop("matched_")


def match(text: pl.Series, shapes: Iterable[Shape]) -> Iterator[tuple[Shape | None, Ints, pl.DataFrame]]:
    """Give each row to the first shape that fits: (shape, rows, groups); at last (None, rows of no shape, …)."""
    left = np.arange(len(text), dtype=np.int64)
    heads = _heads(text)
    for shape in shapes:
        if not len(left):
            return
        if heads is not None and shape.start and not _among(heads, shape.start):
            continue
        rows = left[_begins(text, shape.start).to_numpy()] if shape.start else left
        if not len(rows):
            continue
        matched, groups = extract(text if len(rows) == len(text) else _pick(text, left, rows), shape.pattern)
        if matched.all():
            yield shape, rows, groups
        elif matched.any():
            rows = rows[matched]
            yield shape, rows, groups.filter(pl.Series(matched))
        else:
            continue
        keep = ~np.isin(left, rows, assume_unique=True)
        text, left = text.filter(pl.Series(keep)), left[keep]
    if len(left):
        yield None, left, pl.DataFrame()


def _heads(text: pl.Series) -> list[str] | None:
    """What the rows begin with, if that is little: it spares most shapes a look at all rows."""
    found = text.str.head(HEAD).unique()
    return found.drop_nulls().to_list() if len(found) <= MOST_HEADS else None


def _among(heads: Sequence[str], start: str | tuple[str, ...]) -> bool:
    wanted = (start[:HEAD],) if isinstance(start, str) else tuple(literal[:HEAD] for literal in start)
    return any(head.startswith(wanted) for head in heads)


def _begins(text: pl.Series, start: str | tuple[str, ...]) -> pl.Series:
    if isinstance(start, str):
        return text.str.starts_with(start)
    found = text.str.starts_with(start[0])
    for literal in start[1:]:
        found = found | text.str.starts_with(literal)
    return found


def _pick(text: pl.Series, left: Ints, rows: Ints) -> pl.Series:
    return text.gather(np.searchsorted(left, rows))
