"""The journal of one machine: append-only files, fsynced in groups, shared by any number of processes.

    journal/journal.json             epoch and number of partitions, made once
    journal/p0000/…                  see shelf.py; frames in frames.py
"""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soc_core.identity import source_key
from soc_core.journal.appender import Appender
from soc_core.journal.reader import Reader
from soc_core.journal.shelf import Mark, Shelf, sync_folder
from soc_core.journal.tails import Tails
from soc_core.protocols import Frame, Offset, Raws

SEGMENT_BYTES = 128 << 20


class Charter(BaseModel):
    """journal.json: what is fixed when a journal is made."""

    model_config = ConfigDict(extra="forbid")

    epoch: str = Field(min_length=16)
    partitions: int = Field(ge=1, le=256)


class Partition:
    """One partition with its two sides."""

    def __init__(self, folder: Path, number: int, epoch: str, segment_bytes: int) -> None:
        marker = blake2b(f"{epoch}:{number}".encode(), digest_size=8).digest()
        self.shelf = Shelf(folder)
        self.tails = Tails(self.shelf, marker)
        self.appender = Appender(self.shelf, marker, segment_bytes, self.tails)
        self.reader = Reader(self.shelf, number, epoch, marker)
        with self.appender.locked():
            pass  # what a dead writer left is repaired now

    def mark(self) -> Mark:
        """The durable end. A mark caught half written is read again under the lock."""
        mark = self.shelf.mark()
        if mark is None:
            with self.appender.locked():
                mark = self.appender.mark
        return mark

    def close(self) -> None:
        self.appender.close()
        self.reader.close()
        self.shelf.close()


class FileJournal:
    """protocols.Journal over files. Open it in as many processes as you like; each call is safe from any thread.

    `append` returns after one fsync a touched partition, and appends all of its batches or, raising OSError, none.
    `read` gives at most `limit` records; records below the oldest kept are passed over (`first` shows it), and
    records which the disk damaged come as damaged ones, to be quarantined. Opening makes the journal where there is
    none (then `partitions` counts), and repairs what a killed writer left. Raises OSError or ValueError with one
    sentence.
    """

    def __init__(self, path: Path, partitions: int = 4, segment_bytes: int = SEGMENT_BYTES) -> None:
        charter = _charter(path, partitions)
        self.path, self.epoch = path, charter.epoch
        self._partitions = [
            Partition(path / f"p{number:04d}", number, charter.epoch, segment_bytes)
            for number in range(charter.partitions)
        ]
        self._syncers = ThreadPoolExecutor(min(8, charter.partitions), thread_name_prefix="journal-fsync")

    def partition_of(self, source: str) -> int:
        """The partition that holds all records of a source."""
        return int(source_key(source), 16) % len(self._partitions)

    def append(self, raws: Sequence[Raws]) -> list[Offset]:
        groups: dict[int, list[int]] = defaultdict(list)
        for index, batch in enumerate(raws):
            groups[self.partition_of(batch.origin.source)].append(index)
        offsets: dict[int, Offset] = {}
        writers = [(number, self._partitions[number].appender) for number in sorted(groups)]  # one order: no deadlock
        with ExitStack() as stack:
            for _, writer in writers:
                stack.enter_context(writer.locked())
            try:
                for number, writer in writers:
                    ends = writer.write([raws[index] for index in groups[number]])
                    for index, end in zip(groups[number], ends, strict=True):
                        offsets[index] = Offset(number, end)
                self._sync([writer for _, writer in writers])
            except BaseException as error:
                for _, writer in writers:
                    writer.undo()
                if isinstance(error, OSError):
                    why = f"the journal cannot be written: {error.strerror or error}"
                    raise OSError(error.errno, why, str(self.path)) from error
                raise
            for _, writer in writers:
                writer.publish()
        return [offsets[index] for index in range(len(raws))]

    def _sync(self, writers: Sequence[Appender]) -> None:
        if len(writers) == 1:
            writers[0].sync()
        else:  # the file system commits them together
            list(self._syncers.map(Appender.sync, writers))

    def read(self, partition: int, offset: int, limit: int) -> list[Frame]:
        held = self._partitions[partition]
        return held.reader.read(offset, limit, held.mark())

    def partitions(self) -> list[int]:
        return list(range(len(self._partitions)))

    def end(self, partition: int) -> int:
        return self._partitions[partition].mark().end

    def tail(self, source: str) -> int:
        held = self._partitions[self.partition_of(source)]
        return held.tails.get(source, held.mark())

    def pending(self, partition: int, offset: int) -> dict[str, tuple[str, int]]:
        """source → (realm, records) from `offset` on, without reading the records."""
        held = self._partitions[partition]
        return held.reader.pending(offset, held.mark())

    @property
    def unreadable(self) -> int:
        """Records met so far which the disk damaged."""
        return sum(held.reader.unreadable for held in self._partitions)

    def release(self, partition: int, offset: int) -> None:
        held = self._partitions[partition]
        for segment, following in pairwise(list(held.shelf.segments())):
            if following <= offset:
                held.shelf.drop(segment)
                held.reader.forget(segment)

    def close(self) -> None:
        self._syncers.shutdown()
        for held in self._partitions:
            held.close()


def _charter(path: Path, partitions: int) -> Charter:
    """The journal's charter; drawn up where there is none, by exactly one of those who try."""
    path.mkdir(parents=True, exist_ok=True)
    place = path / "journal.json"
    if not place.exists():
        fresh = Charter(epoch=secrets.token_hex(16), partitions=partitions)
        draft = path / f".journal.{secrets.token_hex(4)}"
        with draft.open("w") as out:
            out.write(fresh.model_dump_json())
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, place)
        except FileExistsError:
            pass  # another process was first, and its charter holds
        finally:
            draft.unlink()
        sync_folder(path)
    try:
        return Charter.model_validate_json(place.read_text())
    except ValidationError as error:
        raise ValueError(f"{place}: {error.errors()[0]['msg']}") from None
