"""Event-time windows of one key: which events complete a window, whatever the order in which they arrive.

An event completes when the window that ends with it, [t - span, t], is full; that is a property of the set of events,
so any order of arrival, any cut into batches and any restart give the same completed events. Completion is noticed as
soon as the last missing event arrives, be it late. Rules, by kind of Sigma correlation, under lower bounds:

- event_count: at least `need` events.
- value_count, temporal: at least `need` different values (or rules).
- temporal_ordered: `need` different rules in their order, the event the last of them.
- value_sum (negative numbers count as 0): the sum reaches the bound.
- an expression over rules without `not`: the rules seen meet it; ordered: they appear as they are written.

None of these can be undone by a later arrival. Every other condition can, and is judged when nothing in time can come
any more (`settle`).

Memory of a key is bounded: of each span-wide bucket only the events are kept that can still decide something. For
event_count that is the first and last `need`, which is exact. For the others thinning begins at CROWD events of one
key in one span; below it, and above it for records in order, it is exact too; above it a late record can no longer
complete every event of the crowd, and the alert's count may be short. Kinds that need every event keep MOST of a
bucket, and count what they `lost`.
"""

from __future__ import annotations

import operator
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from detections.sigma import bounds
from detections.sigma.bounds import Bound, Expression
from soc_core.clock import Micros

CROWD = 1000  # marks of a bucket before they are thinned
MOST = 20_000  # marks of a bucket of a kind that cannot be thinned
NEVER = -(1 << 62)
DIFFERENT = ("value_count", "temporal")
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
    info: dict[str, Any] | str | None  # or its JSON
    fired: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is still to be judged, where only time can decide."""
        return not self.fired and self.info is not None

    def plain(self) -> list[Any]:
        return [self.at, self.id, self.slot, self.value, self.source, self.info, self.fired]


@dataclass(frozen=True, slots=True)
class Spec:
    """What fills a window. `slots`: how many rules are correlated; `expression` is over their places."""

    kind: str
    span: Micros
    bounds: tuple[Bound, ...]
    slots: int
    percentile: float | None = None
    expression: Expression = None
    need: int = field(init=False)  # the smallest whole number that satisfies the lower bounds
    waits: bool = field(init=False)  # whether only time can decide
    ordered: bool = field(init=False)  # whether rules must follow each other, so many of them

    def __post_init__(self) -> None:
        lowest = [int(count // 1) + 1 if op == "gt" else -int(-count // 1) for op, count in self.bounds]
        object.__setattr__(self, "need", max(1, *lowest) if lowest else 1)  # read for every mark
        object.__setattr__(self, "waits", self._waits())
        object.__setattr__(self, "ordered", self.kind == "temporal_ordered" and self.expression is None)

    def _waits(self) -> bool:
        if self.kind in ("value_avg", "value_percentile", "value_median"):
            return True
        if self.expression is not None:
            return not bounds.grows(self.expression)
        return any(op not in ("gt", "gte") for op, _ in self.bounds)

    @property
    def share(self) -> bool:
        """Whether the share of the event's own value among all values is measured: percentile without a number."""
        return self.kind == "value_percentile" and self.percentile is None

    @property
    def numeric(self) -> bool:
        """Whether the values must be numbers."""
        return self.kind in ("value_sum", "value_avg", "value_median", "value_percentile") and not self.share

    def meets(self, measured: float | None) -> bool:
        """Whether a measure is within all bounds."""
        return measured is not None and all(OPS[op](measured, count) for op, count in self.bounds)


order: Callable[[Mark], tuple[Micros, str, int]] = operator.attrgetter("at", "id", "slot")
moment: Callable[[Mark], Micros] = operator.attrgetter("at")


class Series:
    """The marks of one key, sorted by event time and id."""

    __slots__ = ("lost", "marks", "runs", "values")

    def __init__(self, marks: list[Mark] | None = None) -> None:
        self.lost = 0
        self.keep(marks or [])

    def keep(self, marks: list[Mark]) -> None:
        """Hold these marks, sorted, and no others."""
        self.marks = marks
        self.values: set[Any] | None = None  # made where it is asked for: most keys have a mark or two
        self.runs: list[list[Micros]] | None = None

    def add(self, mark: Mark, spec: Spec) -> list[Mark]:
        """Take a mark in; the marks that complete by it, in event time. One that is known already changes nothing."""
        place = self._insert(mark)
        if place < 0:
            return []
        if spec.waits:
            self._cap(mark, spec)
            return []
        marks, done = self.marks, []
        if spec.ordered and place == len(marks) - 1:
            if self._follows(mark, spec):
                mark.fired = True
                done.append(mark)
            self._thin(mark, spec)
            return done
        self.runs = None
        few = spec.expression is None and spec.kind in DIFFERENT and self._few(spec.need)
        for at in range(place, place if few else len(marks)):
            other = marks[at]
            if other.at - mark.at > spec.span:
                break
            if not other.fired and _complete(marks, at, spec):
                other.fired = True
                done.append(other)
        self._thin(mark, spec)
        return done

    def _insert(self, mark: Mark) -> int:
        """Where the mark stands now; -1 where it stood already."""
        marks, mine = self.marks, order(mark)
        place = len(marks)
        if marks and order(marks[-1]) >= mine:
            place = bisect_left(marks, mine, key=order)
            if order(marks[place]) == mine:
                return -1
        marks.insert(place, mark)
        if self.values is not None:
            self.values.add(mark.value)
        return place

    def _few(self, need: int) -> bool:
        """Whether there are fewer different values than that, whenever they were."""
        if len(self.marks) < need:
            return True
        if self.values is None:
            self.values = {mark.value for mark in self.marks}
        return len(self.values) < need

    def _follows(self, mark: Mark, spec: Spec) -> bool:
        """Whether enough different rules in their order end with the latest mark, within the span.

        `runs[slot][n]`: the latest beginning of n + 1 rules in their order that end with this one.
        """
        known = self.runs
        if known is None:
            known = self.runs = [[NEVER] * spec.slots for _ in range(spec.slots)]
            for each in self.marks[:-1]:
                _extend(known, each)
        _extend(known, mark)
        return max(known[mark.slot][spec.need - 1 :], default=NEVER) >= mark.at - spec.span

    def settle(self, until: Mapping[str, Micros] | None, spec: Spec) -> list[Mark]:
        """For conditions that wait: judge each event by the window that ends with it, once nothing in time can come.

        `until`: by source, the latest event that may be judged; None judges all.
        """
        done = []
        for place, mark in enumerate(self.marks):
            if not mark.waits or (until is not None and mark.at > until[mark.source]):
                continue
            mark.fired = _judged(self.marks, place, spec)
            if mark.fired:
                done.append(mark)
            else:
                mark.info = None  # judged for good
        return done

    def drop(self, useless: Callable[[Mark], bool]) -> None:
        """Forget marks that no window can need any more."""
        kept = [mark for mark in self.marks if not useless(mark)]
        if len(kept) < len(self.marks):
            self.keep(kept)

    def _bucket(self, mark: Mark, span: Micros) -> tuple[int, int]:
        low = mark.at // span * span
        first = bisect_left(self.marks, low, key=moment)
        return first, bisect_left(self.marks, low + span, key=moment)

    def _thin(self, mark: Mark, spec: Spec) -> None:
        if len(self.marks) <= (2 * spec.need if spec.kind == "event_count" else CROWD):
            return
        first, end = self._bucket(mark, spec.span)
        if spec.kind == "event_count":
            if end - first > 2 * spec.need:
                del self.marks[first + spec.need]
        elif spec.kind == "value_sum" or spec.expression is not None:
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
        if len(self.marks) <= MOST:
            return
        first, end = self._bucket(mark, spec.span)
        if end - first > MOST:
            del self.marks[first]
            self.lost += 1


def _extend(runs: list[list[Micros]], mark: Mark) -> None:
    mine = runs[mark.slot]
    mine[0] = mark.at
    for size in range(1, mark.slot + 1):
        mine[size] = max(run[size - 1] for run in runs[: mark.slot])


def _window(marks: list[Mark], place: int, span: Micros) -> list[Mark]:
    low = bisect_left(marks, marks[place].at - span, key=moment)
    return marks[low : bisect_right(marks, order(marks[place]), key=order)]


def _complete(marks: list[Mark], place: int, spec: Spec) -> bool:
    if spec.expression is not None:
        return _judged(marks, place, spec)
    if spec.kind == "event_count":
        start = place - spec.need + 1
        return start >= 0 and marks[place].at - marks[start].at <= spec.span
    if spec.kind == "temporal_ordered":
        if marks[place].slot < spec.need - 1:
            return False
        return _ordered(_window(marks, place, spec.span), spec.slots) >= spec.need
    if spec.kind == "value_sum":
        window = _window(marks, place, spec.span)
        return spec.meets(sum(max(mark.value, 0) for mark in window if mark.value is not None))
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


def _judged(marks: list[Mark], place: int, spec: Spec) -> bool:
    """Whether the window that ends with a mark meets the condition."""
    window = _window(marks, place, spec.span)
    if spec.expression is None:
        return spec.meets(_measure(window, spec))
    if spec.kind == "temporal":
        return bounds.holds(spec.expression, {mark.slot for mark in window})
    return _begin([mark.slot for mark in window], spec.expression, len(window) - 1, True) is not None


def _ordered(window: list[Mark], slots: int) -> int:
    """How many different rules appear in their order, the last event the last of them."""
    longest = [0] * slots
    for mark in window[:-1]:
        longest[mark.slot] = max(longest[mark.slot], 1 + max(longest[: mark.slot], default=0))
    return 1 + max(longest[: window[-1].slot], default=0)


def _begin(slots: list[int], node: Expression, last: int, exact: bool) -> int | None:
    """Where the latest run of rules that meets an expression as it is written begins; it ends with event `last`,
    exactly so if `exact`. `not` means: nowhere in the window."""
    match node:
        case ("not", item):
            return last + 1 if _begin(slots, item, len(slots) - 1, False) is None else None
        case ("or", items):
            return max((at for each in items if (at := _begin(slots, each, last, exact)) is not None), default=None)
        case ("and", items):
            for each in reversed(items):
                at = _begin(slots, each, last, exact)
                if at is None:
                    return None
                exact, last = exact and at > last, at - 1
            return last + 1
    places = (last,) if exact else range(last, -1, -1)
    return next((at for at in places if at >= 0 and slots[at] == node), None)


def _measure(window: list[Mark], spec: Spec) -> float | None:
    """The number that the condition is about; None where there is nothing to measure."""
    if spec.kind == "event_count":
        return len(window)
    if spec.kind in DIFFERENT:
        return len({mark.value for mark in window})
    if spec.kind == "temporal_ordered":
        return _ordered(window, spec.slots)
    if spec.share:
        return 100 * [mark.value for mark in window].count(window[-1].value) / len(window)
    numbers = sorted(mark.value for mark in window if mark.value is not None)
    if not numbers:
        return None
    if spec.kind == "value_sum":
        return float(sum(numbers))
    if spec.kind == "value_avg":
        return float(sum(numbers) / len(numbers))
    place = (len(numbers) - 1) * (50 if spec.percentile is None else spec.percentile) / 100  # linear between neighbours
    low = int(place)
    high = min(low + 1, len(numbers) - 1)
    return float(numbers[low] + (numbers[high] - numbers[low]) * (place - low))
