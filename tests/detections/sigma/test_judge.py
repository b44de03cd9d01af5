"""One field's judge: what of a value is read beside its text: lists, URLs decoded once and twice, typed values."""

from __future__ import annotations

import pytest

from detections.sigma import terms
from detections.sigma.judge import Judge
from detections.sigma.terms import ANY

TESTS = [
    (0, terms.Test("text", (ANY, "../etc", ANY))), (1, terms.Test("cased", (ANY, "A b", ANY))),
    (2, terms.Test("absent", ())), (3, terms.Test("present", ())), (4, terms.Test("compare", ("gte", 10))),
    (5, terms.Test("cidr", ("10.0.0.0/8",))), (6, terms.Test("regex", ("^x{2}$", ""))),
]


@pytest.mark.parametrize(("value", "plain", "url"), [
    (None, {2}, {2}),
    ("", {3}, {3}),
    ("/a/../ETC/b", {0, 3}, {0, 3}),
    ("/a/..%2fetc/b", {3}, {0, 3}),  # encoded once
    ("/a/..%252fetc/b", {3}, {0, 3}),  # and twice
    ("/a/..%25252fetc/b", {3}, {3}),  # three times is not looked at
    ("q=A+b", {3}, {1, 3}),
    ("q=A%2Bb", {3}, {3}),  # an encoded plus is a plus
    (("no", "q=A b"), {1, 3}, {1, 3}),
    ("10", {3, 4}, {3, 4}),
    ("9.5", {3}, {3}),
    ("10.1.2.3", {3, 5}, {3, 5}),
    ("11.1.2.3", {3}, {3}),
    ("xx", {3, 6}, {3, 6}),
    ("%78x", {3}, {3, 6}),
])
def test_a_value_is_read_in_every_form_that_it_may_have(
    value: str | tuple[str, ...] | None, plain: set[int], url: set[int]
) -> None:
    assert Judge(TESTS, "re2", None).judge(value) == plain
    assert Judge(TESTS, "re2", None, "url").judge(value) == url
