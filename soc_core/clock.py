"""Time, in one form: whole microseconds since the epoch, UTC. Text only at the edges."""

from __future__ import annotations

import time
from datetime import UTC, datetime

Micros = int

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 60 * MINUTE
DAY: Micros = 24 * HOUR


def now() -> Micros:
    """The wall clock in microseconds since the epoch."""
    return time.time_ns() // 1_000


def to_datetime(at: Micros) -> datetime:
    """An aware UTC datetime, exact to the microsecond."""
    seconds, rest = divmod(at, SECOND)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def to_text(at: Micros) -> str:
    """RFC 3339 in UTC with microseconds: `2026-11-23T01:00:00.000000Z`."""
    return to_datetime(at).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_datetime(at: datetime) -> Micros:
    """Microseconds of an aware datetime; a naive one is taken as UTC."""
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * DAY + delta.seconds * SECOND + delta.microseconds


def from_text(text: str) -> Micros:
    """Microseconds of an ISO 8601 / RFC 3339 text, or of a relative one (`15m`, `24h`, `7d` ago).

    Raises ValueError naming the text.
    """
    text = text.strip()
    units = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
    if text[:-1].isdigit() and text[-1:] in units:
        return now() - int(text[:-1]) * units[text[-1]]
    try:
        return from_datetime(datetime.fromisoformat(text))
    except ValueError:
        raise ValueError(f"not a time: {text!r} (give 2026-11-23T01:00:00Z, or 15m, 24h, 7d ago)") from None
