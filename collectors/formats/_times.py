"""Times written in logs to UTC microseconds, whole columns at once; null where the text is no time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from collectors.formats import _iso
from collectors.formats._frames import by_value
from soc_core.clock import DAY, MINUTE, SECOND, Micros, to_datetime

STAMP = pl.Datetime("us", "UTC")
MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS = {name: n for n, name in enumerate(MONTH_NAMES, 1)}
MONTHS |= {name.upper(): n for name, n in MONTHS.items()} | {name.lower(): n for name, n in MONTHS.items()}
ISO = (
    r"^(?P<day>\d{4}[-/]\d\d[-/]\d\d)[T ](?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<part>\d{1,12}))?"
    r"\s?(?P<zone>[Zz]|UTC|[+-]\d\d(?::?\d\d)?)?$"
)


def iso(text: pl.Series, timezone: str) -> pl.Series:
    """ISO 8601 and RFC 3339, with `T` or a space, `-` or `/`; a time without an offset is of `timezone`."""
    plain = _iso.uniform(text)
    if plain is not None:
        naive, zone = plain
        offset = _offset(zone) if zone else None
        if zone and offset is not None:
            return pl.Series("@timestamp", naive - offset).cast(STAMP)
        if not zone:
            return local(pl.Series(naive), timezone)
    parts = text.str.extract_groups(ISO).struct.unnest()
    days = _mapped(parts["day"], _ymd)
    fraction = parts["part"].str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    return _joined(days, parts["clock"], fraction, parts["zone"], timezone)


def clf(text: pl.Series) -> pl.Series:
    """The access log's `10/Oct/2000:13:55:36 -0700`."""
    return _joined(
        _mapped(text.str.slice(0, 11), _dmy), text.str.slice(12, 8), None, text.str.slice(21), "UTC"
    )


def clf_local(text: pl.Series, timezone: str) -> pl.Series:
    """The access log's stamp with a fraction and without an offset: `06/Feb/2009:12:14:14.655`, of `timezone`."""
    fraction = text.str.slice(21).str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64, strict=False).fill_null(0)
    return _joined(_mapped(text.str.slice(0, 11), _dmy), text.str.slice(12, 8), fraction, None, timezone)


def offsets(text: pl.Series) -> pl.Series:
    """`+08:00`, `-0700` and `Z` as microseconds; null where there is none."""
    return _mapped(text, _offset)


def rfc3164(day: pl.Series, clock: pl.Series, received: Micros, timezone: str,
    part: pl.Series | None = None) -> pl.Series:
    """`Feb 21` and `21:54:44`: the latest year in which that day is not more than one day after receipt.

    `day` may carry a year of its own (`Feb 21 2026`); then that is it. `part` holds fractions of a second.
    """
    zone = ZoneInfo(timezone)
    last = (to_datetime(received).astimezone(zone) + timedelta(days=1)).date()
    days = _mapped(day, lambda text: _month_day(text, last))
    fraction = None if part is None else part.str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0)
    return _joined(days, clock, fraction, None, timezone)


def epoch(seconds: pl.Series) -> pl.Series:
    """Seconds since 1970, whole or with a fraction, as numbers."""
    return (seconds.cast(pl.Float64, strict=False) * SECOND).round().cast(pl.Int64, strict=False).cast(STAMP)


def _joined(
    days: pl.Series, clock: pl.Series, fraction: pl.Series | None, zone: pl.Series | None, timezone: str
) -> pl.Series:
    hour, minute, second = (clock.str.slice(at, 2).cast(pl.Int64, strict=False) for at in (0, 3, 6))
    sane = (hour < 24) & (minute < 60) & (second < 61)
    at = days * DAY + (hour * 3600 + minute * 60 + second) * SECOND
    if fraction is not None:
        at = at + fraction
    offset = _mapped(zone, _offset) if zone is not None else None
    frame = pl.DataFrame({"at": at, "sane": sane})
    naive = pl.when(pl.col("sane")).then(pl.col("at"))
    if offset is None or offset.null_count() == len(offset):
        return frame.select(_local(naive, timezone).alias("@timestamp")).to_series()
    frame = frame.with_columns(offset=offset)
    absolute = (naive - pl.col("offset")).cast(STAMP)
    if not offset.null_count():
        return frame.select(absolute.alias("@timestamp")).to_series()
    local = pl.when(pl.col("offset").is_null()).then(_local(naive, timezone)).otherwise(absolute)
    return frame.select(local.alias("@timestamp")).to_series()


def local(naive: pl.Series, timezone: str) -> pl.Series:
    """Microseconds since 1970 by the clock on the wall there, as moments."""
    return pl.DataFrame({"at": naive}).select(_local(pl.col("at"), timezone).alias("@timestamp")).to_series()


def _local(naive: pl.Expr, timezone: str) -> pl.Expr:
    """Local time to UTC. The hour that a clock change skips is read as if the change had been made."""
    if timezone == "UTC":
        return naive.cast(STAMP)
    wall = naive.cast(pl.Datetime("us"))
    there = wall.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    later = wall.dt.offset_by("1h").dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return there.fill_null(later).dt.convert_time_zone("UTC").cast(STAMP)


def _mapped(text: pl.Series, read: Callable[[str], int | None]) -> pl.Series:
    """`read` (text → whole number or None) applied once to each distinct value."""
    return by_value(text, read, pl.Int64)


def _days(year: int, month: int, day: int) -> int | None:
    try:
        return (date(year, month, day) - date(1970, 1, 1)).days
    except ValueError:
        return None


def _ymd(text: str) -> int | None:
    return _days(int(text[:4]), int(text[5:7]), int(text[8:10]))


def _dmy(text: str) -> int | None:
    if len(text) != 11 or not (text[:2].isdecimal() and text[7:].isdecimal()):
        return None
    return _days(int(text[7:]), MONTHS.get(text[3:6], 0), int(text[:2]))


def _month_day(text: str, last: date) -> int | None:
    month, day, *year = text.split()
    if year:
        return _days(int(year[0]), MONTHS.get(month[:3], 0), int(day))
    for back in range(9):  # eight years may pass between two 29th of February
        days = _days(last.year - back, MONTHS.get(month[:3], 0), int(day))
        if days is not None and days <= (last - date(1970, 1, 1)).days:
            return days
    return None


def _offset(text: str) -> int | None:
    if text in ("Z", "z", "UTC"):
        return 0
    digits = text[1:].replace(":", "")
    if text[:1] not in ("+", "-") or not digits.isdecimal() or len(digits) not in (2, 4):
        return None
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return (-1 if text[0] == "-" else 1) * minutes * MINUTE
