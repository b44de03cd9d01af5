"""Where one partition lies: segment files named by their first record, and the mark up to which all is durable.

    p0003/00000000000000000000.seg   frames, the first of which tells the tails of all sources before it
    p0003/00000000000004194304.seg
    p0003/mark                       segment, bytes, next record: what has been fsynced; also the lock file

The mark is written after the fsync, so that no reader ever acts on records which a power cut could take back. It is
not itself fsynced: a stale one is repaired from the segment by the next process that takes the lock.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

MARK = struct.Struct("<QQQ")
SUFFIX = ".seg"


class Mark(NamedTuple):
    """The durable end of a partition: the last segment (by its first record), its bytes, the next record number."""

    segment: int
    size: int
    end: int


class Shelf:
    """The folder of one partition. Makes it where it is absent."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
        self.folder = folder
        self.lock_fd = os.open(folder / "mark", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._segments: list[int] = []

    def path(self, segment: int) -> Path:
        return self.folder / f"{segment:020d}{SUFFIX}"

    def segments(self, newest: int | None = None) -> list[int]:
        """First records of all segments, in order; looked up anew unless `newest` is already known."""
        if newest is None or newest not in self._segments[-1:]:
            names = os.listdir(self.folder)
            self._segments = sorted(int(name[: -len(SUFFIX)]) for name in names if name.endswith(SUFFIX))
        return self._segments

    def mark(self) -> Mark | None:
        """The mark, or None when there is none that can be trusted."""
        data = os.pread(self.lock_fd, MARK.size + 4, 0)
        body = data[: MARK.size]
        if len(data) != MARK.size + 4 or zlib.crc32(body).to_bytes(4, "little") != data[MARK.size :]:
            return None
        return Mark(*MARK.unpack(body))

    def publish(self, mark: Mark) -> None:
        body = MARK.pack(*mark)
        os.pwrite(self.lock_fd, body + zlib.crc32(body).to_bytes(4, "little"), 0)

    def create(self, segment: int, head: bytes) -> None:
        """A new segment that holds `head`: it appears whole or not at all."""
        draft = self.folder / f"{segment:020d}.new"
        with draft.open("wb") as out:
            out.write(head)
            out.flush()
            os.fsync(out.fileno())
        draft.rename(self.path(segment))
        sync_folder(self.folder)

    def drop(self, segment: int) -> None:
        self.path(segment).unlink(missing_ok=True)
        self._segments = []

    def close(self) -> None:
        os.close(self.lock_fd)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
