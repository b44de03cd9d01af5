"""Event-time windows of one key: which events complete a window, whatever the order in which they arrive.

An event completes when the window that ends with it, [t - span, t], is full; that is a property of the set of events,
so any order of arrival, any cut into batches and any restart give the same completed events. Completion is noticed as
soon as the last missing event arrives, be it late. Rules, by kind of Sigma correlation:

- event_count: at least `need` events.
- value_count, temporal: at least `need` different values (or rules).
- temporal_ordered: the event is of the last rule, and the others precede it in order.
- value_sum with a lower bound (negative numbers count as 0): the sum reaches it.

None of these can be undone by a later arrival. Every other condition can, and is judged when the watermark has passed
(`settle`).

Memory of a key is bounded: of each span-wide bucket only the events are kept that can still decide something. For
event_count that is the first and last `need`, which is exact. For the others thinning begins at CROWD events of one
key in one span; below it, and above it for records in order, it is exact too; above it a late record can no longer
complete every event of the crowd, and the alert's count may be short.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from soc_core.clock import Micros

CROWD = 1000  # marks of a bucket before they are thinned
MOST = 20_000  # marks of a bucket of a kind that cannot be thinned
OPS: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge, "eq": operator.eq, "neq": operator.ne,
}


@dataclass(slots=True)
class Mark:
    """One base match: event time, event id, which of the rules, the counted value, and what a finding will need."""

    at: Micros
    id: str
    slot: int
    value: Any
    source: str
    info: dict[str, Any] | None
    fired: bool = False

    def plain(self) -> list[Any]:
        return [self.at, self.id, self.slot, self.value, self.source, self.info, self.fired]


@dataclass(frozen=True, slots=True)
class Spec:
    """What fills a window. `slots`: how many rules are correlated."""

    kind: str
    span: Micros
    op: str
    count: float
    slots: int
    percentile: int = 50

    @property
    def need(self) -> int:
        """The smallest whole number that satisfies a lower bound."""
        return max(1, int(self.count // 1) + 1 if self.op == "gt" else -int(-self.count // 1))

    @property
    def waits(self) -> bool:
        """Whether only the watermark can decide."""
        if self.kind in ("value_avg", "value_percentile", "value_median"):
            return True
        return self.op not in ("gt", "gte") and self.kind != "temporal_ordered"


def order(mark: Mark) -> tuple[Micros, str, int]:
    return (mark.at, mark.id, mark.slot)


class Series:
    """The marks of one key, sorted by event time and id."""

    __slots__ = ("marks", "values")

    def __init__(self, marks: list[Mark] | None = None) -> None:
        self.keep(marks or [])

    def keep(self, marks: list[Mark]) -> None:
        """Hold these marks, sorted, and no others."""
        self.marks = marks
        self.values = Counter(mark.value for mark in marks)

    def add(self, mark: Mark, spec: Spec) -> list[Mark]:
        """Take a mark in; the marks that complete by it, in event time. One that is known already changes nothing."""
        marks = self.marks
        place = bisect_left(marks, order(mark), key=order)
        if place < len(marks) and order(marks[place]) == order(mark):
            return []
        marks.insert(place, mark)
        self.values[mark.value] += 1
        if spec.waits:
            self._cap(mark, spec)
            return []
        done = []
        few = spec.kind in ("value_count", "temporal") and len(self.values) < spec.need
        for at in range(place, place if few else len(marks)):
            other = marks[at]
            if other.at - mark.at > spec.span:
                break
            if not other.fired and _complete(marks, at, spec):
                other.fired = True
                done.append(other)
        self._thin(mark, spec)
        return done

    def settle(self, until: Micros, spec: Spec) -> list[Mark]:
        """For conditions that wait: judge each event not after `until` by the window that ends with it."""
        done = []
        for place, mark in enumerate(self.marks):
            if mark.at > until:
                break
            if not mark.fired and mark.info is not None:
                held = _measure(_window(self.marks, place, spec.span), spec)
                mark.fired = held is not None and OPS[spec.op](held, spec.count)
                if mark.fired:
                    done.append(mark)
                else:
                    mark.info = None  # judged for good
        return done

    def drop(self, useless: Callable[[Mark], bool]) -> None:
        """Forget marks that no window can need any more."""
        self.keep([mark for mark in self.marks if not useless(mark)])

    def _bucket(self, mark: Mark, span: Micros) -> tuple[int, int]:
        low = mark.at // span * span
        first = bisect_left(self.marks, low, key=lambda mark: mark.at)
        return first, bisect_left(self.marks, low + span, key=lambda mark: mark.at)

    def _thin(self, mark: Mark, spec: Spec) -> None:
        first, end = self._bucket(mark, spec.span)
        if spec.kind == "event_count":
            if end - first > 2 * spec.need:
                del self.marks[first + spec.need]
        elif spec.kind == "value_sum":
            self._cap(mark, spec)
        elif end - first > max(CROWD, 4 * spec.need):
            if spec.kind == "temporal_ordered":
                self._thin_runs(first, end)
            else:
                self._thin_values(first, end, spec.need)

    def _thin_values(self, first: int, end: int, need: int) -> None:
        """First and last of each value in a bucket; of many values the `need` earliest first and latest last ones."""
        group = self.marks[first:end]
        firsts: dict[Any, int] = {}
        lasts: dict[Any, int] = {}
        for at, each in enumerate(group):
            firsts.setdefault(each.value, at)
            lasts[each.value] = at
        keep = set(sorted(firsts.values())[:need]) | set(sorted(lasts.values())[-need:])
        self.keep(self.marks[:first] + [each for at, each in enumerate(group) if at in keep] + self.marks[end:])

    def _thin_runs(self, first: int, end: int) -> None:
        """Of a run of the same rule, the first and the last."""
        group = self.marks[first:end]
        kept = [
            mark for at, mark in enumerate(group)
            if at in (0, len(group) - 1) or not group[at - 1].slot == mark.slot == group[at + 1].slot
        ]
        self.keep(self.marks[:first] + kept + self.marks[end:])

    def _cap(self, mark: Mark, spec: Spec) -> None:
        first, end = self._bucket(mark, spec.span)
        if end - first > MOST:
            del self.marks[first]


def _window(marks: list[Mark], place: int, span: Micros) -> list[Mark]:
    low = bisect_left(marks, marks[place].at - span, key=lambda mark: mark.at)
    return marks[low : bisect_right(marks, order(marks[place]), key=order)]


def _complete(marks: list[Mark], place: int, spec: Spec) -> bool:
    if spec.kind == "event_count":
        start = place - spec.need + 1
        return start >= 0 and marks[place].at - marks[start].at <= spec.span
    if spec.kind == "temporal_ordered":
        return _ordered(marks, place, spec)
    if spec.kind == "value_sum":
        window = _window(marks, place, spec.span)
        return OPS[spec.op](sum(max(mark.value, 0) for mark in window if mark.value is not None), spec.count)
    return _different(marks, place, spec)


def _different(marks: list[Mark], place: int, spec: Spec) -> bool:
    mine, seen = marks[place], set()
    for at in range(place, -1, -1):
        other = marks[at]
        if mine.at - other.at > spec.span:
            break
        seen.add(other.value)
        if len(seen) >= spec.need:
            return True
    return False


def _ordered(marks: list[Mark], place: int, spec: Spec) -> bool:
    mine, want = marks[place], spec.slots - 2
    if mine.slot != spec.slots - 1:
        return False
    for at in range(place - 1, -1, -1):
        other = marks[at]
        if want < 0 or mine.at - other.at > spec.span:
            break
        if other.slot == want:
            want -= 1
    return want < 0


def _measure(window: list[Mark], spec: Spec) -> float | None:
    """The number that the condition is about; None where there is nothing to measure."""
    if spec.kind == "event_count":
        return len(window)
    if spec.kind in ("value_count", "temporal"):
        return len({mark.value for mark in window})
    numbers = sorted(mark.value for mark in window if mark.value is not None)
    if not numbers:
        return None
    if spec.kind == "value_sum":
        return float(sum(numbers))
    if spec.kind == "value_avg":
        return float(sum(numbers) / len(numbers))
    share = 50 if spec.kind == "value_median" else spec.percentile
    place = (len(numbers) - 1) * share / 100  # linear between neighbours
    low = int(place)
    high = min(low + 1, len(numbers) - 1)
    return float(numbers[low] + (numbers[high] - numbers[low]) * (place - low))
