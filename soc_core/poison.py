"""Records that make a step fail, whatever the defect: found by halving, so that they go to quarantine and the rest on.

A column is made when it is first read, which may be long after its lines were parsed; what fails there would fail
again after every start, and stop its partition for good.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from soc_core.protocols import Frame

Place = tuple[int, int]  # number of the frame, and of the record in it
Trial = Callable[[Sequence[Frame]], object]  # fails on them as the step did
TOGETHER = 16  # records that fail only beside others and are looked for


def culprits(frames: Sequence[Frame], trial: Trial) -> dict[Place, str]:
    """Records without which the trial passes, and why; none where it passes anyway, or never."""
    left = [(at, line) for at, frame in enumerate(frames) for line in range(len(frame.raws.lines))
            if line not in frame.raws.damaged]
    found: dict[Place, str] = {}

    def fails(some: Collection[Place]) -> str:
        try:
            trial(only(frames, some))
        except Exception as error:  # the very defect that is looked for
            return f"cannot be processed: {type(error).__name__}: {error}".split("\n")[0][:300]
        return ""

    def look(some: list[Place]) -> None:
        if some and (why := fails(some)):
            if len(some) == 1:
                found[some[0]] = why
                return
            middle = len(some) // 2
            look(some[:middle])
            look(some[middle:])

    look(left)
    for _ in range(TOGETHER):
        left = [place for place in left if place not in found]
        if not (why := fails(left)):
            return found
        if not left:
            break
        low, high = 0, len(left)  # the first so many pass, the first so many fail
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fails(left[:middle]) else (middle, high)
        found[left[high - 1]] = why
    return {}


def only(frames: Sequence[Frame], some: Collection[Place]) -> list[Frame]:
    """The frames, all other records set aside."""
    wanted = set(some)
    return without(frames, {(at, line): "set aside" for at, frame in enumerate(frames)
                            for line in range(len(frame.raws.lines)) if (at, line) not in wanted})


def without(frames: Sequence[Frame], some: Mapping[Place, str]) -> list[Frame]:
    """The frames, these records marked as damaged: they go to quarantine with the reason."""
    marks: dict[int, dict[int, str]] = {}
    for (at, line), why in some.items():
        marks.setdefault(at, {})[line] = why
    return [frame if at not in marks else
            frame._replace(raws=replace(frame.raws, damaged={**marks[at], **frame.raws.damaged}))
            for at, frame in enumerate(frames)]
