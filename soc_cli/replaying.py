"""Quarantined records that are asked for go through the pipeline again: back into the journal, as they came first.

Each keeps its source, place and time of receipt, so its events have the ids that they would have had, and whatever of
it was stored already is a duplicate. It counts as received once more. One that fails again waits again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress

import numpy as np

from soc_cli.settling import Loop
from soc_cli.wiring import Busy, Platform
from soc_core import clock
from soc_core.protocols import Journal, Origin, Raws
from soc_core.state import outbox, quarantine
from soc_core.state.database import Database
from soc_core.state.quarantine import REPLAY, Item

CONSUMER = "quarantine-replay"
BATCH = 1_000
KEY = 16  # digits of an id that stand for its source (soc_core/identity.py)
PLACE = slice(KEY, KEY + 12)


def run_once(state: Database, journal: Journal, at: clock.Micros | None = None) -> int:
    """Take back everything that is asked for; how many records. Raises OSError while the journal's broker is away:
    nothing is lost, as what was claimed is due again soon, and nothing is doubled, as it is the same again."""
    total = 0
    while True:
        with state.begin() as session:
            outbox.watch(session, CONSUMER, REPLAY)
            items = outbox.claim(session, CONSUMER, [REPLAY], BATCH, at=at)
            found = [(str(item.body["format"]), known) for item in items
                     if (known := quarantine.get(session, item.body["id"]))]
        if not items:
            return total
        journal.append(list(raws(found)))
        with state.begin() as session:
            for item in items:
                outbox.done(session, CONSUMER, item.id)
        total += len(found)


def through(platform: Platform) -> None:
    """Take back everything that is asked for, and wait until it is committed."""
    run_once(platform.state, platform.journal)
    with ExitStack() as stack:
        loop = Loop(stack, platform)
        with suppress(Busy):  # then another process works here, and takes it
            loop.begin()
        loop.settle({number: platform.journal.end(number) for number in platform.journal.partitions()})


def raws(items: Sequence[tuple[str, Item]]) -> Iterator[Raws]:
    """(format, record) pairs as a collector gave them; a format that is named takes the place of the source's."""
    frames: dict[tuple[Origin, clock.Micros], list[Item]] = {}
    for format, item in sorted(items, key=lambda pair: pair[1].id):
        known = origin(item)
        came = known.model_copy(update={"identity": item.id[:KEY], "format": format or known.format})
        frames.setdefault((came, item.received), []).append(item)
    for (came, received), some in frames.items():
        places = np.array([int(item.id[PLACE], 16) for item in some], dtype=np.int64)
        yield Raws(came, [item.raw for item in some], received, places)


def origin(item: Item) -> Origin:
    """What was known of its source."""
    if item.origin:
        return Origin.model_validate_json(item.origin)
    return Origin(source=item.source, format=item.format, realm=item.realm)
