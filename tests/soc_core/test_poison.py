"""Whatever combination of records fails: without those that are named the rest passes, and few are named."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc_core import poison
from soc_core.protocols import Frame, Origin, Raws


def frames(*sizes: int) -> list[Frame]:
    return [Frame(0, 0, Raws(Origin(source="s"), [b"%d" % n for n in range(size)], 0)) for size in sizes]


def kept(some: Sequence[Frame]) -> set[tuple[int, int]]:
    return {(at, line) for at, frame in enumerate(some) for line in range(len(frame.raws.lines))
            if line not in frame.raws.damaged}


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4),
       st.sets(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=6),
       st.lists(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=3), max_size=3))
def test_the_rest_passes(sizes: list[int], alone: set[tuple[int, int]], together: list[set[tuple[int, int]]]) -> None:
    given_ = frames(*sizes)

    def trial(some: Sequence[Frame]) -> None:
        there = kept(some)
        if there & alone or any(each <= there for each in together):
            raise KeyError("no")

    found = poison.culprits(given_, trial)
    trial(poison.without(given_, found))
    there = kept(given_)
    broken = [each for each in together if each <= there and not each & alone]
    assert alone & there <= set(found)
    assert len(found) <= len(alone & there) + len(broken)
    assert set(found.values()) <= {"cannot be processed: KeyError: 'no'"}


def test_nothing_is_named_where_nothing_helps() -> None:
    def trial(some: Sequence[Frame]) -> None:
        raise ValueError("always")

    assert poison.culprits(frames(3), trial) == {}
    assert poison.culprits(frames(3), lambda some: None) == {}


@pytest.mark.parametrize("size", [1, 1000])
def test_one_of_many_is_found_in_few_trials(size: int) -> None:
    calls = []

    def trial(some: Sequence[Frame]) -> None:
        calls.append(len(kept(some)))
        if (0, size - 1) in kept(some):
            raise ValueError

    assert set(poison.culprits(frames(size), trial)) == {(0, size - 1)}
    assert sum(calls) <= 4 * size
