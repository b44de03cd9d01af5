"""Answers of the last moments, by question: many viewers of one thing ask for it once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Holds each answer for some seconds, and at most so many of them. The key must hold whatever the answer depends
    on, the asker's scope first of all."""

    def __init__(self, seconds: float, kept: int = 256) -> None:
        self._seconds, self._kept = seconds, kept
        self._held: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The held answer, else a new one. Two askers at once may both make it; both answers are true."""
        with self._lock:
            held = self._held.get(key)
        if held is not None and time.monotonic() - held[0] < self._seconds:
            return held[1]
        value = make()
        with self._lock:
            self._held[key] = (time.monotonic(), value)
            self._held.move_to_end(key)
            while len(self._held) > self._kept:
                self._held.popitem(last=False)
        return value
