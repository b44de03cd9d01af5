"""Texts in a query as values of a column's type: numbers, truth values, moments, addresses.

Each function raises ValueError with one clause; the parser adds the place.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from soc_core import clock
from soc_core.clock import Micros
from soc_core.store.tree import Address, Network

MOMENT = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d))?)?"
    r"([T ](?P<hour>\d\d)(:(?P<minute>\d\d)(:(?P<second>\d\d)([.,](?P<fraction>\d{1,6})\d*)?)?)?)?"
    r"(?P<zone>Z|[+-]\d\d(:?\d\d)?)?"
)
RELATIVE = re.compile(r"now([+-]\d{1,9}[smhd])?")
OCTETS = re.compile(r"((?:\d{1,3}\.){1,3})\*(?:\.\*)*")


def whole(text: str) -> int:
    """A whole number of any size."""
    if not re.fullmatch(r"[+-]?\d{1,400}", text, re.ASCII):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def real(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number")
    return value


def truth(text: str) -> bool:
    """true or false."""
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def moment(text: str) -> tuple[Micros, Micros]:
    """The half-open span that a date or time names: `2026-11-23` a day, `…T01:00` a minute; UTC unless it says.

    `now`, `now-15m`, `now+1d` name one microsecond.
    """
    if RELATIVE.fullmatch(text):
        units = {"s": clock.SECOND, "m": clock.MINUTE, "h": clock.HOUR, "d": clock.DAY}
        at = clock.now() + (int(text[3:-1]) * units[text[-1]] if len(text) > 3 else 0)
        return at, at + 1
    found = MOMENT.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a time (write 2026-11-23, 2026-11-23T01:00:00Z or now-15m)")
    part = found.groupdict()
    try:
        start = datetime(
            int(part["year"]), int(part["month"] or 1), int(part["day"] or 1), int(part["hour"] or 0),
            int(part["minute"] or 0), int(part["second"] or 0), int((part["fraction"] or "0").ljust(6, "0")), UTC,
        )
        end = _after(start, part)
        shift = _shift(part["zone"])
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time that exists") from None
    return clock.from_datetime(start) - shift, clock.from_datetime(end) - shift


def _after(start: datetime, part: dict[str, str | None]) -> datetime:
    """The moment after the smallest unit that was written."""
    if part["fraction"]:
        return start + timedelta(microseconds=10 ** (6 - len(part["fraction"])))
    for name, unit in (("second", "seconds"), ("minute", "minutes"), ("hour", "hours"), ("day", "days")):
        if part[name]:
            return start + timedelta(**{unit: 1})
    if part["month"]:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start.replace(year=start.year + 1)


def _shift(zone: str | None) -> Micros:
    if not zone or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    if int(digits[2:]) > 59 or int(digits[:2]) > 23:
        raise ValueError(zone)
    return (-1 if zone[0] == "-" else 1) * (int(digits[:2]) * clock.HOUR + int(digits[2:]) * clock.MINUTE)


def address(text: str) -> Address:
    """One IPv4 or IPv6 address."""
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an address") from None


def network(text: str) -> Network:
    """A network in CIDR form (bits of the host part are ignored)."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network") from None


def octets(text: str) -> Network | None:
    """The network meant by `10.1.*`; None when the text is not of that form."""
    found = OCTETS.fullmatch(text)
    if not found or text.count(".") > 3:
        return None
    given = found[1].count(".")
    return network(found[1] + ".".join(["0"] * (4 - given)) + f"/{8 * given}")


def number(given: Address) -> int:
    """An address as a number of 128 bits, IPv4 mapped into IPv6 (RFC 4291 §2.5.5.2), so that all compare."""
    return int(given) + (0xFFFF << 32 if given.version == 4 else 0)
