"""Personal data is found by its check character, not by its length, and masked whole in tagged columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc_core import schema
from soc_core.personal import CHECKS, PERSONAL, WEIGHTS, find, is_identity, masked, without

INVENTED = "11010519491231002X"  # the example of the standard itself
PHONE = "13800138000"  # an operator's service number


@pytest.mark.parametrize(("number", "right"), [
    (INVENTED, True), (INVENTED.lower(), True), ("110105194912310021", False), ("11010519491331002X", False),
    ("1101051949123100", False), ("１１010519491231002X", False),
])
def test_the_check_character_decides(number: str, right: bool) -> None:
    assert is_identity(number) is right


@given(st.integers(0, 10**6 - 1), st.dates(), st.integers(0, 999))
def test_any_number_made_by_the_rule_is_found_and_one_digit_off_is_not(region: int, born: object, turn: int) -> None:
    body = f"{region:06d}{str(born).replace('-', '')}{turn:03d}"
    check = CHECKS[sum(weight * int(digit) for weight, digit in zip(WEIGHTS, body, strict=True)) % 11]
    year = int(body[6:10])
    assert is_identity(body + check) is (year >= 1900)
    other = CHECKS[(CHECKS.index(check) + 1) % 11]
    assert not is_identity(body + other)


@pytest.mark.parametrize(("text", "shown"), [
    (f"用户身份证{INVENTED}登录", "用户身份证110105********002X登录"),
    (f"tel={PHONE}, +86 {PHONE}", "tel=138****8000, +86 138****8000"),
    ("138-0013-8000", "138-0****8000"),
    ("at 1700000000000 pid 13800138000123 v1.13800138000", "at 1700000000000 pid 13800138000123 v1.13800138000"),
    ("nothing here", "nothing here"),
])
def test_free_text(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert len(masked(text)) == len(text)


def test_tagged_columns_are_masked_whole() -> None:
    assert PERSONAL["user.full_name"] == "name"
    assert schema.PERSONAL == PERSONAL
    row = {"user.full_name": "张三丰", "message": f"call {PHONE}", "source.port": 13800138000,
           "overflow": {"a": [PHONE]}}
    assert without(row) == {"user.full_name": "张**", "message": "call 138****8000", "source.port": 13800138000,
                            "overflow": {"a": ["138****8000"]}}


def test_spans_are_places_in_the_text() -> None:
    text = f"a {PHONE} b {INVENTED}"
    assert [(text[start:end], kind) for start, end, kind in find(text)] == [(PHONE, "phone"), (INVENTED, "identity")]
