"""Records that wait for others: an audit event's first lines, a script's first part. They lie in the journal.

An assembler (collectors/assemble/) is a pure function of a step's records. Those it cannot judge yet are *held*: they
are committed as received, without a fate (pending), and stand before the new records of the next step, parsed again.
What must survive a crash is therefore only their offsets, saved in the transaction that moves the mark; the bytes are
read again from the journal, which keeps everything from the oldest held record on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import orjson
from sqlalchemy import delete
from sqlalchemy.orm import Session

from soc_core.clock import LATEST, Micros
from soc_core.identify import Records
from soc_core.protocols import Frame, Ints, Journal, Raws
from soc_core.state.database import insert
from soc_core.state.tables import MetaRow

NEVER = LATEST
PREFIX = "held:"


class Held(NamedTuple):
    """The held records of one partition as frames, in order, and when the first of them will wait no longer."""

    frames: tuple[Frame, ...] = ()
    due: Micros = NEVER

    @property
    def offsets(self) -> list[int]:
        return [offset for frame in self.frames for offset in range(frame.first, frame.first + len(frame.raws.lines))]


NOTHING = Held()


def pick(known: Records, rows: Ints) -> tuple[Frame, ...]:
    """Some records (ascending numbers) as frames of their own; neighbours stay together."""
    found = []
    for frame_no, run in _runs(known.frame[rows].tolist(), rows.tolist()):
        frame = known.frames[frame_no]
        start = run[0] - int(known.start[frame_no])
        raws, end = frame.raws, start + len(run)
        positions = None if raws.positions is None else raws.positions[start:end]
        damaged = {line - start: why for line, why in raws.damaged.items() if start <= line < end}
        part = Raws(raws.origin, list(raws.lines[start:end]), raws.received, positions, damaged)
        found.append(Frame(frame.partition, frame.first + start, part))
    return tuple(found)


def _runs(frames: Sequence[int], rows: Sequence[int]) -> Iterable[tuple[int, list[int]]]:
    """(frame, rows) of each run of neighbouring records of one frame."""
    numbered = enumerate(zip(frames, rows, strict=True))
    for (frame, _), run in groupby(numbered, lambda item: (item[1][0], item[1][1] - item[0])):
        yield frame, [row for _, (_, row) in run]


class Lost(RuntimeError):
    """The journal does not hold what waits."""


def read(journal: Journal, partition: int, offsets: Sequence[int]) -> Held:
    """Held records once more from the journal. Raises Lost."""
    frames: list[Frame] = []
    for _, run in groupby(enumerate(sorted(offsets)), lambda item: item[1] - item[0]):
        wanted = [offset for _, offset in run]
        at, end = wanted[0], wanted[-1] + 1
        while at < end:
            got = journal.read(partition, at, end - at)
            if not got or got[0].first != at:
                raise Lost(f"journal partition {partition} has lost record {at}, which waits for others")
            frames += got
            at = got[-1].first + len(got[-1].raws.lines)
    return Held(tuple(frames), 0) if frames else NOTHING


def load(session: Session, partition: int) -> list[int]:
    """The offsets that were held at the mark."""
    row = session.get(MetaRow, f"{PREFIX}{partition}")
    return unpack(row.value.encode()) if row else []


def save(session: Session, partition: int, offsets: Sequence[int]) -> None:
    """Keep the offsets as of the mark that the same transaction sets."""
    name = f"{PREFIX}{partition}"
    if not offsets:
        session.execute(delete(MetaRow).where(MetaRow.name == name))
        return
    value = pack(offsets).decode()
    statement = insert(session, MetaRow).values(name=name, value=value)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def pack(offsets: Sequence[int]) -> bytes:
    """Offsets as text, each as its distance from the one before."""
    return orjson.dumps(np.diff(np.array(offsets, dtype=np.int64), prepend=0).tolist())


def unpack(text: bytes) -> list[int]:
    """The offsets of `pack`."""
    found: list[int] = np.cumsum(np.array(orjson.loads(text or b"[]"), dtype=np.int64)).tolist()
    return found
