"""String patterns with wildcards against a regular expression made of each, one pattern and one text at a time."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detections.sigma.patterns import Glob, Patterns, Shape
from detections.sigma.terms import ANY, ONE

WORDS = ["a", "ab", "ba", "aba", "中", "\\", ".", "a.b", "abcdefgh", "abcdefghi"]
PIECES = st.lists(st.one_of(st.sampled_from([ANY, ONE]), st.sampled_from(WORDS)), max_size=5)
TEXTS = st.lists(st.sampled_from([*WORDS, "b", "\n", ""]), max_size=5).map("".join)


def tidy(parts: list[int | str]) -> Glob:
    """As the loader makes them: no wildcard * twice, neighbouring literals as one."""
    out: list[int | str] = []
    for part in parts:
        if out and isinstance(part, str) and isinstance(out[-1], str):
            out[-1] = f"{out[-1]}{part}"
        elif not (out and part == out[-1] == ANY):
            out.append(part)
    return tuple(out)


def holds(glob: Glob, text: str) -> bool:
    body = "".join(".*" if part == ANY else "." if part == ONE else re.escape(str(part)) for part in glob)
    return re.fullmatch(body, text, re.DOTALL) is not None


@settings(deadline=None, max_examples=300)
@given(globs=st.lists(PIECES.map(tidy), min_size=1, max_size=6), texts=st.lists(TEXTS, min_size=1, max_size=6))
@example(globs=[("a", ANY, "a"), ("ab", ANY, "ba"), ("a", ANY, "b", ANY)], texts=["a", "aa", "aba", "abba", "ab", ""])
@example(globs=[(ANY, "a", ANY, "b"), ("a", ANY, "b", ANY, "a")], texts=["ab", "aab", "aba", "a", "b", "ba", "abab"])
def test_the_patterns_that_hold_are_found(globs: list[Glob], texts: list[str]) -> None:
    made = Patterns(list(enumerate(globs)), "auto", None)
    for text in texts:
        out: list[int] = []
        made.find(text, text.encode(), out)
        assert sorted(out) == [number for number, glob in enumerate(globs) if holds(glob, text)]


@settings(deadline=None, max_examples=300)
@given(glob=PIECES.map(tidy).filter(lambda glob: any(isinstance(part, str) for part in glob)), text=TEXTS)
def test_a_shape_is_judged_whole(glob: Glob, text: str) -> None:
    assert Shape(glob).holds(text) == holds(glob, text)


@pytest.mark.parametrize(("glob", "text", "found"), [
    (("ab", ANY, "ba"), "aba", False),  # what stands at both ends may not overlap
    (("ab", ANY, "ba"), "abba", True),
    ((ANY, "a", ANY), "xax", True),
    (("a", ANY, "b", ANY, "c"), "abc", True),
    (("a", ANY, "c", ANY, "b", ANY, "d"), "a-b-c-d", False),
    (("a", ANY, "b", ANY, "b"), "ab", False),  # nor what stands between them and the last
    (("a",), "ab", False),
])
def test_ends_and_order(glob: Glob, text: str, found: bool) -> None:
    assert Shape(glob).holds(text) is found
