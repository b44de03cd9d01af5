"""Time, in one form: whole microseconds since the epoch, UTC. Text only at the edges."""

from __future__ import annotations

import time
from datetime import UTC, datetime

Micros = int

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR

# The years 2 to 9998. Beyond them Python's calendar ends, in some time zone or in all of them.
EARLIEST: Micros = -62_104_060_800_000_000
LATEST: Micros = 253_370_764_799_999_999


def now() -> Micros:
    """The wall clock in microseconds since the epoch."""
    return time.time_ns() // 1_000


def to_datetime(at: Micros) -> datetime:
    """An aware UTC datetime, exact to the microsecond."""
    seconds, rest = divmod(at, SECOND)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def to_text(at: Micros) -> str:
    """RFC 3339 in UTC with microseconds: `2026-11-23T01:00:00.000000Z`."""
    return to_datetime(at).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def from_datetime(at: datetime) -> Micros:
    """Microseconds of an aware datetime; a naive one is taken as UTC."""
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * DAY + delta.seconds * SECOND + delta.microseconds


def from_text(text: str) -> Micros:
    """Microseconds of an ISO 8601 / RFC 3339 text, or of a relative one (`15m`, `24h`, `7d` ago).

    What lies before EARLIEST or after LATEST comes as these. Raises ValueError naming the text.
    """
    text = text.strip()
    units = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
    try:
        relative = text[:-1].isdigit() and text[-1:] in units
        at = now() - int(text[:-1]) * units[text[-1]] if relative else from_datetime(datetime.fromisoformat(text))
        return min(max(at, EARLIEST), LATEST)
    except ValueError:
        raise ValueError(f"not a time: {text!r} (give 2026-11-23T01:00:00Z, or 15m, 24h, 7d ago)") from None
