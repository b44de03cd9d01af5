"""Second factors: codes by time (RFC 6238: HMAC-SHA-1, six digits, thirty seconds), as authenticators make them."""

from __future__ import annotations

import base64
import hmac
import secrets
from urllib.parse import quote, urlencode

from soc_core.clock import SECOND, Micros

STEP = 30  # seconds
DIGITS = 6
DRIFT = 1  # steps before and after: clocks of phones differ


def fresh() -> str:
    """A new secret of 160 bits, in base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code(secret: bytes, step: int, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """The code of a step: HOTP (RFC 4226) of the step's number."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), algorithm)
    at = digest[-1] & 15
    number = int.from_bytes(digest[at:at + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_of(at: Micros) -> int:
    return at // SECOND // STEP


def check(secret: str, given: str, at: Micros, last: int = 0) -> int | None:
    """The step whose code was given, later than the last one that was taken; None for a wrong or a used one."""
    key, now = base64.b32decode(secret), step_of(at)
    given = "".join(given.split())
    for step in range(now - DRIFT, now + DRIFT + 1):
        if step > last and hmac.compare_digest(code(key, step).encode(), given.encode()):
            return step
    return None


def address(secret: str, account: str, issuer: str = "CitySOC") -> str:
    """What an authenticator scans: otpauth://totp/…"""
    return f"otpauth://totp/{quote(f'{issuer}:{account}')}?{urlencode({'secret': secret, 'issuer': issuer})}"
