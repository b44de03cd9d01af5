"""JSON lines to columns: reading, digging along paths for many records at once, and what is left over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
import polars as pl

from collectors.formats._text import BOM, decode_line
from soc_core.protocols import Fault
from soc_core.schema import SCHEMA

Record = dict[str, Any]
Path = tuple[str, ...]
NESTED = frozenset({dict, list})
LEVELS, CUT = 128, "…"  # levels of a value that are written, and what stands for those below


def records(lines: Sequence[bytes], encoding: str = "") -> tuple[list[Record | None], list[Fault]]:
    """(objects, faults): one JSON object a line, None where the line holds none."""
    try:
        whole = list(map(orjson.loads, lines))
        if not whole or set(map(type, whole)) == {dict}:
            return whole, []
    except orjson.JSONDecodeError:
        pass
    return _one_by_one(lines, encoding)


def _one_by_one(lines: Sequence[bytes], encoding: str) -> tuple[list[Record | None], list[Fault]]:
    found: list[Record | None] = []
    faults: list[Fault] = []
    for number, line in enumerate(lines):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            value = _again(line, encoding)
            if value is None:
                faults.append(Fault(number, f"not JSON: {error}"))
                found.append(None)
                continue
        if type(value) is dict:
            found.append(value)
        else:
            faults.append(Fault(number, "JSON, but not an object"))
            found.append(None)
    return found, faults


def _again(line: bytes, encoding: str) -> Any:
    """A second try: a byte order mark, a cookie before the brace, another codec, integers beyond 64 bits."""
    text = decode_line(line.removeprefix(BOM), encoding)
    if text is None or not (text := text.strip().removeprefix("@cee:").strip()):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def sample(lines: Sequence[bytes]) -> list[Record]:
    """The objects among the lines, for sniffing."""
    return [record for record in records(lines)[0] if record is not None]


class Digger:
    """Values along paths for a list of records, each step of a path taken once for all of them."""

    def __init__(self, rows: Sequence[Record]) -> None:
        self._known: dict[Path, Sequence[Any]] = {(): rows}
        self._plain: dict[Path, bool] = {(): True}
        self._keys: dict[Path, set[str]] = {}

    def values(self, path: Path) -> Sequence[Any]:
        """One value a record, None where the path leads nowhere. Steps through a list take its first item."""
        known = self._known.get(path)
        if known is None:
            above, key = path[:-1], path[-1]
            rows = self.values(above)
            if above not in self._plain:
                self._plain[above] = set(map(type, rows)) <= {dict}
            if self._plain[above]:
                try:
                    known = list(map(itemgetter(key), rows))
                except KeyError:
                    known = [row.get(key) for row in rows]
            else:
                known = [row.get(key) if type(row) is dict else _first(row, key) for row in rows]
            self._known[path] = known
        return known

    def keys(self, path: Path = ()) -> set[str]:
        """Every name that the objects at the path have."""
        known = self._keys.get(path)
        if known is None:
            known = self._keys[path] = set().union(*(row for row in self.values(path) if type(row) is dict))
        return known


class Flat(Digger):
    """A digger over records of one level, given as columns: names and values of each set of names that there is."""

    def __init__(self, kinds: Sequence[tuple[Sequence[str], Sequence[tuple[Any, ...]]]]) -> None:
        super().__init__(())
        self.kinds = [dict(zip(names, zip(*rows, strict=True), strict=True)) for names, rows in kinds]
        self._keys[()] = set().union(*self.kinds)
        heights = [len(rows) for _, rows in kinds]
        for name in self._keys[()]:
            if len(heights) == 1:
                self._known[(name,)] = self.kinds[0][name]
                continue
            whole: list[Any] = []
            for kind, height in zip(self.kinds, heights, strict=True):
                whole += kind.get(name) or [None] * height
            self._known[(name,)] = whole


def taken(rows: Sequence[Record], names: Sequence[str]) -> Iterator[tuple[str, Sequence[Any]]]:
    """The values of each name, None where a record lacks it; record by record, as each comes into the cache once."""
    if len(names) > 1:
        try:
            return zip(names, zip(*map(itemgetter(*names), rows), strict=True), strict=True)
        except KeyError:
            pass
    return zip(names, zip(*[tuple(map(row.get, names)) for row in rows], strict=True), strict=True)


def _first(row: Any, key: str) -> Any:
    return row[0].get(key) if type(row) is list and row and type(row[0]) is dict else None


def blank(values: Sequence[Any]) -> bool:
    """Whether there is no value at all."""
    return not len(values) or (values[0] is None and values.count(None) == len(values))


def series(name: str, values: Sequence[Any]) -> pl.Series | None:
    """A column of the schema's type made from JSON values; None when there is no value at all."""
    want = SCHEMA.dtype(name)
    if want == pl.String:
        made = strings(name, values)
    elif isinstance(want, pl.List):
        made = lists(name, [value if value is None or type(value) is list else [value] for value in values])
    elif want == pl.Int64:
        try:
            made = pl.Series(name, _unnested(values), dtype=pl.Int64)
        except (TypeError, OverflowError):
            made = pl.Series(name, [_whole(value) for value in values], dtype=pl.Int64)
    elif want == pl.Float64:
        made = pl.Series(name, [float(v) if isinstance(v, int | float) else None for v in values], dtype=pl.Float64)
    elif want == pl.Boolean:
        made = pl.Series(name, [_truth(value) for value in values], dtype=pl.Boolean)
    else:
        made = strings(name, values)
    return made if made.null_count() < len(made) else None


def strings(name: str, values: Sequence[Any]) -> pl.Series:
    """A text column of JSON values, each as `text` has it."""
    kinds = set(map(type, values))
    try:
        if NESTED.isdisjoint(kinds):
            return pl.Series(name, values, dtype=pl.String)
    except TypeError:
        if kinds <= {int, type(None)}:
            try:
                return pl.Series(name, values, dtype=pl.Int64).cast(pl.String)
            except (OverflowError, TypeError):
                pass  # a number beyond 64 bits among them: each is written out by itself
    return pl.Series(name, [text(value) for value in values], dtype=pl.String)


def _unnested(values: Sequence[Any]) -> Sequence[Any]:
    """Values without objects and lists: to find those of no use to it costs Polars the cube of their depth."""
    if NESTED.isdisjoint(map(type, values)):
        return values
    return [None if type(value) in NESTED else value for value in values]


def lists(name: str, values: Sequence[Sequence[Any] | None]) -> pl.Series:
    """A column of lists, null where None or empty: made flat, then grouped, as Polars is slow with Python's lists."""
    inner = SCHEMA.dtype(name).inner  # type: ignore[attr-defined]  # a list's
    flat = [item for value in values if value for item in value]
    lengths = np.fromiter((len(value) if value else 0 for value in values), dtype=np.int64, count=len(values))
    if inner == pl.String:
        held = strings("v", flat)
    else:
        flat = list(_unnested(flat))
        try:
            held = pl.Series("v", flat, dtype=inner)
        except TypeError:
            held = pl.Series("v", flat, dtype=inner, strict=False)
    if lengths.max(initial=0) < 2:
        grouped = held.reshape((-1, 1)).cast(pl.List(held.dtype))
    else:
        frame = pl.DataFrame({"n": np.repeat(np.arange(len(values)), lengths), "v": held})
        grouped = frame.group_by("n", maintain_order=True).agg("v")["v"]
    place = pl.Series(np.cumsum(lengths > 0) - 1).set(pl.Series(lengths == 0), None)
    return grouped.gather(place).alias(name)


def text(value: Any) -> str | None:
    """A JSON value as the text that a rule compares: numbers plain, truth in lower case, the rest as JSON."""
    if value is None or type(value) is str:
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return _dumped(value)


def _dumped(value: Any) -> str:
    """A value as JSON. What nests deeper than orjson writes, though it reads it, is cut; the line itself keeps it."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return orjson.dumps(_cut(value, LEVELS), option=orjson.OPT_NON_STR_KEYS).decode()


def _cut(value: Any, levels: int) -> Any:
    if type(value) is dict:
        return {name: _cut(held, levels - 1) for name, held in value.items()} if levels else CUT
    if type(value) is list:
        return [_cut(held, levels - 1) for held in value] if levels else CUT
    return value


def _whole(value: Any) -> int | None:
    if type(value) is int or type(value) is bool:  # as Polars has it
        return int(value) if -(1 << 63) <= value < 1 << 63 else None
    if type(value) is float:
        return int(value) if value == value and abs(value) < 1 << 62 else None
    if type(value) is str:
        try:
            found = int(value, 16 if value[:2].lower() == "0x" else 10)
        except ValueError:
            return None
        return found if -(1 << 63) <= found < 1 << 63 else None
    return None


def _truth(value: Any) -> bool | None:
    if type(value) is bool:
        return value
    return {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower())


def leftovers(rows: Iterable[Record | None]) -> pl.Series | None:
    """The overflow column: what is left of each record as JSON; None when nothing is left of any."""
    kept = [_dumped(row) if row else None for row in rows]
    return pl.Series("overflow", kept, dtype=pl.String) if any(kept) else None
