"""Python's collector of cycles held back while a batch is made: it would walk millions of values that hold none."""

from __future__ import annotations

import gc
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
