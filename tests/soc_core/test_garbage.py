"""What lives on is not walked again; what ends is gone, sooner or later."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from soc_core.garbage import Keeping, uncollected


class Ring:
    """Holds itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    gc.collect()
    yield
    gc.unfreeze()


def test_what_ends_within_a_step_goes_and_what_lives_on_is_left_alone() -> None:
    keeping = Keeping()
    with uncollected():
        ended, living = weakref.ref(Ring()), Ring()
        assert ended() is not None
    before = gc.get_freeze_count()
    keeping.step()
    assert ended() is None
    assert gc.get_freeze_count() > before
    assert not any(each is living for each in gc.get_objects())


@pytest.mark.parametrize(("idle", "every", "gone"), [(True, 60.0, False), (True, -1.0, True), (False, 60.0, False),
                                                     (False, -1.0, True)])
def test_a_cycle_that_ends_later_is_found_when_all_is_walked(idle: bool, every: float, gone: bool) -> None:
    ring: Ring | None = Ring()
    ended, keeping = weakref.ref(ring), Keeping(every)
    Keeping().step()
    ring = None
    keeping.step(idle)
    assert (ended() is None) == gone
