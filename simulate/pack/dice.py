"""Seeded choice that gives the same result on every Python: only Random.random() is promised to stay the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Dice:
    """A stream of choices, named so that adding one elsewhere changes nothing here."""

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed}:{name}")

    def number(self, below: int) -> int:
        """0 … below - 1."""
        return int(self._random.random() * below)

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.number(len(items))]

    def weighted(self, items: Sequence[tuple[Item, float]]) -> Item:
        at = self._random.random() * sum(weight for _, weight in items)
        for item, weight in items:
            at -= weight
            if at < 0:
                return item
        return items[-1][0]
