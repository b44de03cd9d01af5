"""Python's collector of cycles held back while a batch is made: it would walk millions of values that hold none."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


def settle() -> None:
    """What is there now stays (rules, inventory): the collector need not look at it again."""
    gc.freeze()


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection of cycles meanwhile; may be nested."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Keeping:
    """Between steps of a process that does nothing else: what lived through a step is not walked again.

    Windows of correlations are millions of values: walking them took a second each time that they had grown by a
    quarter. They go by being counted, without a collector. Cycles that end later wait for `every` seconds, or six
    times that where there is no idle moment.
    """

    def __init__(self, every: float = 3600.0) -> None:
        self.every = every
        self._walked = time.monotonic()

    def step(self, idle: bool = False) -> None:
        """Call after each step, outside of it."""
        if time.monotonic() > self._walked + self.every * (1 if idle else 6):
            gc.unfreeze()
            gc.collect()
            self._walked = time.monotonic()
        else:
            gc.collect(1)
        gc.freeze()
