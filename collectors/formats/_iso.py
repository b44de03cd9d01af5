"""ISO 8601 stamps that are all written alike, as one sensor or shipper writes them: read by position, not by pattern.

Columns in which a single stamp differs in form are not read here at all; `_times.iso` then goes by its expression.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from soc_core.protocols import Ints

SHORTEST, LONGEST = len("2026-11-23T01:00:00"), len("2026-11-23T01:00:00.123456789012+08:00")
DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18])
MONTH_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
FRACTION = 6  # digits of a microsecond


def uniform(text: pl.Series) -> tuple[Ints, str] | None:
    """(microseconds as written, what stands behind them in every row); None unless all rows are of one plain form."""
    if not len(text) or text.null_count():
        return None
    first = text[0]
    width = len(first)
    if not SHORTEST <= width <= LONGEST or not first.isascii():
        return None
    joined = "".join(text.to_list()).encode()
    if len(joined) != width * len(text) or not (text.str.len_bytes() == width).all():
        return None
    cells = np.frombuffer(joined, dtype=np.uint8).reshape(len(text), width)
    dot = SHORTEST + 1 if first[SHORTEST : SHORTEST + 1] in (".", ",") else SHORTEST
    end = next((at for at in range(dot, width) if not first[at].isdigit()), width)
    marks = [4, 7, 10, 13, 16, *([SHORTEST] if dot > SHORTEST else []), *range(end, width)]
    if (cells[:, marks] != cells[0, marks]).any() or _odd(first) or end - dot > 12 or (dot > SHORTEST) == (end == dot):
        return None
    numbers = (cells - np.uint8(48)).astype(np.int64)
    places = np.concatenate([DIGITS, np.arange(dot, end)])
    if (cells[:, places] < 48).any() or (cells[:, places] > 57).any():
        return None
    at = _seconds(numbers)
    if at is None:
        return None
    parts = numbers[:, dot : min(end, dot + FRACTION)]
    scale = 10 ** np.arange(FRACTION - 1, FRACTION - 1 - parts.shape[1], -1, dtype=np.int64)
    return at * 1_000_000 + parts @ scale, first[end:]


def _odd(first: str) -> bool:
    return not (first[4] in "-/" and first[7] in "-/" and first[10] in "T " and first[13] == first[16] == ":")


def _seconds(n: npt.NDArray[np.int64]) -> Ints | None:
    """Seconds since 1970 of the digits; None when one of the rows is no time of a calendar."""
    year = n[:, 0] * 1000 + n[:, 1] * 100 + n[:, 2] * 10 + n[:, 3]
    month, day, hour, minute, second = (n[:, at] * 10 + n[:, at + 1] for at in (5, 8, 11, 14, 17))
    if (year < 1).any() or (month < 1).any() or (month > 12).any() or (day < 1).any():
        return None
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    last = MONTH_DAYS[month] - ((month == 2) & ~leap)
    if (day > last).any() or (hour > 23).any() or (minute > 59).any() or (second > 60).any():
        return None
    shifted = year - (month < 3)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    found: Ints = days * 86_400 + hour * 3600 + minute * 60 + second
    return found
