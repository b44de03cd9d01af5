"""Columns for the fields of templates that any kind may use: times, names, addresses, numbers.

Each is a gather from a table or a number written out, never a format call a row. Times are shown in UTC+8, the one
zone of the country, except where a name says `z`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

import numpy as np
import polars as pl

from simulate.block import Array, Block
from soc_core.clock import SECOND

Column = Callable[..., pl.Series]
LOCAL = timezone(timedelta(hours=8))
COLUMNS: dict[str, Column] = {}


def column(field: tuple[str, ...], block: Block) -> pl.Series:
    """The column of a field with its arguments. Raises LookupError on an unknown name."""
    if field[0] not in COLUMNS:
        raise LookupError(f"no value named {field[0]!r}; there are: {', '.join(sorted(COLUMNS))}")
    return COLUMNS[field[0]](block, *field[1:])


def value(make: Column) -> Column:
    """Makes a function below known under its own name."""
    COLUMNS[make.__name__.rstrip("_")] = make
    return make


@cache
def hex_table() -> pl.Series:
    return pl.Series([f"{n:04x}" for n in range(65536)])


@cache
def digits_table(width: int) -> pl.Series:
    return pl.Series([f"{n:0{width}d}" for n in range(10**width)])


def written(times: Array, pattern: str, zone: timezone | None = None) -> pl.Series:
    """Times to whole seconds in a strftime pattern: each distinct second is written once."""
    seconds = times // SECOND
    distinct, codes = np.unique(seconds, return_inverse=True)
    table = [datetime.fromtimestamp(s, zone or LOCAL).strftime(pattern) for s in distinct.tolist()]
    return pl.Series(table, dtype=pl.String).gather(codes)


def _joined(*parts: pl.Series | str) -> pl.Series:
    columns = {f"c{n}": part for n, part in enumerate(parts) if isinstance(part, pl.Series)}
    exprs = [pl.col(f"c{n}") if isinstance(part, pl.Series) else pl.lit(part) for n, part in enumerate(parts)]
    return pl.DataFrame(columns).select(pl.concat_str(exprs)).to_series()


def _milli(times: Array) -> pl.Series:
    return digits_table(3).gather(times // 1000 % 1000)


# ---------------------------------------------------------------- times


@value
def ts3164(block: Block) -> pl.Series:
    return written(block.shown, "%b %e %H:%M:%S")


@value
def ts5424(block: Block) -> pl.Series:
    return _joined(written(block.shown, "%Y-%m-%dT%H:%M:%S."), _milli(block.shown),
                   digits_table(3).gather(block.shown % 1000), "+08:00")


@value
def clf(block: Block) -> pl.Series:
    return written(block.shown, "%d/%b/%Y:%H:%M:%S +0800")


@value
def isoz(block: Block) -> pl.Series:
    return _joined(written(block.shown, "%Y-%m-%dT%H:%M:%S.", UTC), _milli(block.shown), "Z")


@value
def eve(block: Block) -> pl.Series:
    return _joined(written(block.shown, "%Y-%m-%dT%H:%M:%S."), _milli(block.shown),
                   digits_table(3).gather(block.shown % 1000), "+0800")


@value
def plain(block: Block) -> pl.Series:
    return written(block.shown, "%Y-%m-%d %H:%M:%S")


@value
def log4j(block: Block) -> pl.Series:
    return _joined(written(block.shown, "%Y-%m-%d %H:%M:%S,"), _milli(block.shown))


@value
def epoch_ms(block: Block) -> pl.Series:
    return pl.Series(block.shown // 1000).cast(pl.String)


# ---------------------------------------------------------------- who and where


@value
def host(block: Block) -> pl.Series:
    return block.cast.hosts.gather(block.host)


@value
def address(block: Block) -> pl.Series:
    return block.cast.addresses.gather(block.host)


@value
def user(block: Block) -> pl.Series:
    return block.cast.users.gather(block.user)


@value
def client(block: Block) -> pl.Series:
    return block.cast.clients.gather(block.client)


@value
def uid(block: Block) -> pl.Series:
    return pl.Series(block.user % 64000 + 1000).cast(pl.String)


@value
def trace(block: Block) -> pl.Series:
    return _joined(*(hex_table().gather(block.trace >> shift & 0xFFFF) for shift in (48, 32, 16, 0)))


@value
def peer(block: Block) -> pl.Series:
    """Some other host of the city."""
    return block.cast.addresses.gather(_skewed(block, len(block.cast.addresses)))


# ---------------------------------------------------------------- numbers


def _skewed(block: Block, below: int) -> Array:
    """Whole numbers under `below`, small ones far more often: few favourites and a long tail."""
    drawn: Array = (np.exp(block.rng.random(block.height) * np.log(below + 1)) - 1).astype(np.int64)
    return drawn


@value
def int_(block: Block, low: str, high: str) -> pl.Series:
    return pl.Series(block.rng.integers(int(low), int(high) + 1, block.height)).cast(pl.String)


@value
def skewed(block: Block, below: str) -> pl.Series:
    return pl.Series(_skewed(block, int(below))).cast(pl.String)


@value
def size(block: Block, middle: str = "4000") -> pl.Series:
    """Bytes and durations: log-normal around a middle."""
    drawn = np.exp(block.rng.standard_normal(block.height) * 1.3) * int(middle)
    return pl.Series(drawn.astype(np.int64)).cast(pl.String)


@value
def dec(block: Block, low: str, high: str) -> pl.Series:
    """A number with three decimals between two whole ones."""
    drawn = block.rng.integers(int(low) * 1000, int(high) * 1000 + 1, block.height)
    return _joined(pl.Series(drawn // 1000).cast(pl.String), ".", digits_table(3).gather(drawn % 1000))


@value
def port(block: Block) -> pl.Series:
    return pl.Series(block.rng.integers(32768, 61000, block.height)).cast(pl.String)


@value
def pid(block: Block) -> pl.Series:
    return pl.Series(block.trace % 29000 + 900).cast(pl.String)


@value
def hex_(block: Block, digits: str) -> pl.Series:
    tables = [hex_table().gather(block.rng.integers(0, 65536, block.height)) for _ in range(int(digits) // 4)]
    return _joined(*tables) if len(tables) > 1 else tables[0]


@value
def digits(block: Block, count: str) -> pl.Series:
    parts = []
    left = int(count)
    while left:  # from tables of at most a thousand entries
        width = min(left, 3)
        parts.append(digits_table(width).gather(block.rng.integers(0, 10**width, block.height)))
        left -= width
    return _joined(*parts) if len(parts) > 1 else parts[0]


@value
def token(block: Block, length: str) -> pl.Series:
    """Text as in keys and fingerprints: letters and digits, in steps of four."""
    table = token_table()
    parts = [table.gather(block.rng.integers(0, len(table), block.height)) for _ in range(int(length) // 4)]
    return _joined(*parts) if len(parts) > 1 else parts[0]


@cache
def token_table() -> pl.Series:
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
    drawn = np.random.default_rng(64).integers(0, 64, (32768, 4))
    return pl.Series(["".join(row) for row in letters[drawn].tolist()])


@value
def sid(block: Block) -> pl.Series:
    return _joined("S-1-5-21-", pl.Series(block.host * 7919 + 1004336348).cast(pl.String), "-1177238915-682003330-",
                   pl.Series(block.user % 9000 + 1000).cast(pl.String))


@value
def guid(block: Block) -> pl.Series:
    parts = [hex_(block, size) for size in ("8", "4", "4", "4", "12")]
    return _joined(parts[0], "-", parts[1], "-", parts[2], "-", parts[3], "-", parts[4])


@value
def camera(block: Block) -> pl.Series:
    """A GB/T 28181 device code of 20 digits: area, type, number."""
    number = block.rng.integers(0, 272_000, block.height)
    head, tail = digits_table(3).gather(number // 1000), digits_table(3).gather(number % 1000)
    return _joined("4301", digits_table(2).gather(number % 9 + 2), "00001320", head, tail)


@value
def domain(block: Block) -> pl.Series:
    """Names that office networks ask for: few favourites, a long tail, all under reserved names."""
    words = domain_table()
    return words.gather(_skewed(block, len(words)))


@cache
def domain_table() -> pl.Series:
    """Six thousand names below .example and .test (RFC 6761), in falling order of use."""
    rng = np.random.default_rng(53)
    heads = ["www", "api", "cdn", "img", "static", "oa", "mail", "update", "ntp", "push", "login", "s3", "m", "map"]
    syllables = ["xing", "yun", "tong", "hui", "an", "bao", "da", "fu", "hai", "jia", "ke", "lian", "ming", "ping"]
    names = []
    for _ in range(6000):
        middle = "".join(rng.choice(syllables, rng.integers(2, 4)))
        tail = str(rng.choice(["example", "com.example", "gov.example", "net.example", "test"]))
        number = str(rng.integers(1, 40)) if rng.random() < 0.2 else ""
        names.append(f"{rng.choice(heads)}{number}.{middle}.{tail}")
    return pl.Series(names)
