"""Second factors, by the test vectors of RFC 6238 and RFC 4226."""

from __future__ import annotations

import base64

import pytest

from soc_core.clock import SECOND
from soc_core.state import totp

KEY = b"12345678901234567890"


@pytest.mark.parametrize(("seconds", "sha1", "sha256", "sha512"), [  # RFC 6238, appendix B
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
])
def test_the_vectors_of_the_specification(seconds: int, sha1: str, sha256: str, sha512: str) -> None:
    step = totp.step_of(seconds * SECOND)
    assert totp.code(KEY, step, 8) == sha1
    assert totp.code(KEY + b"123456789012", step, 8, "sha256") == sha256
    assert totp.code((KEY * 4)[:64], step, 8, "sha512") == sha512


def test_by_count() -> None:  # RFC 4226, appendix D
    assert [totp.code(KEY, n) for n in range(5)] == ["755224", "287082", "359152", "969429", "338314"]


def test_a_code_is_good_for_its_time_and_once() -> None:
    secret, at = totp.fresh(), 1_000_000 * SECOND
    step = totp.step_of(at)
    given = totp.code(base64.b32decode(secret), step)
    assert totp.check(secret, f"{given[:3]} {given[3:]}", at) == step
    assert totp.check(secret, given, at, last=step) is None
    assert totp.check(secret, given, at + 30 * SECOND) == step
    assert totp.check(secret, given, at + 90 * SECOND) is None
    assert totp.check(secret, "", at) is None
    assert totp.check(secret, "１２３４５６", at) is None
    assert secret in totp.address(secret, "wang")
