"""Which file a followed path stood for: recognised by its contents, whatever its name, inode or disk.

A followed path has one generation after another (rotated, truncated, made anew). Their bytes are numbered on end:
a generation begins at `base`, so positions never meet. `head` (the first bytes) and `anchor` (the last bytes taken,
which end at `at`) tell a generation again in its rotated or copied file. Kept in journal/tails/, one file a path.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from collectors.sources._content import Stream
from soc_core.journal.shelf import sync_folder

SIGN = 1024  # bytes of head and anchor


class Generation(NamedTuple):
    """Where a generation begins, how far it was taken, and by what it is known."""

    base: int = 0
    at: int = 0
    head_size: int = 0
    head: str = ""
    anchor_size: int = 0
    anchor: str = ""
    changed: int = 0  # when the file last changed as far as we saw, ns: files changed later are newer generations

    def taken(self, fd: int, at: int) -> Generation:
        """The same, with the first `at` bytes taken."""
        size, changed = min(at, SIGN), os.fstat(fd).st_mtime_ns
        return Generation(self.base, at, size, _digest(fd, 0, size), size, _digest(fd, at - size, size), changed)

    def matches(self, fd: int) -> bool:
        """Whether an open file begins with all that was taken of this generation."""
        return (
            os.fstat(fd).st_size >= self.at
            and _digest(fd, 0, self.head_size) == self.head
            and _digest(fd, self.at - self.anchor_size, self.anchor_size) == self.anchor
        )


NOTHING = hashlib.blake2b(b"", digest_size=16).hexdigest()
FIRST = Generation(head=NOTHING, anchor=NOTHING)


def _digest(fd: int, at: int, size: int) -> str:
    return hashlib.blake2b(os.pread(fd, size, at), digest_size=16).hexdigest()


class Notes:
    """The file in which the current generation of one path, and the one before it, are written down."""

    def __init__(self, folder: Path, path: Path) -> None:
        key = hashlib.blake2b(str(path).encode(), digest_size=8).hexdigest()
        self.place = folder / f"{key}.json"

    def load(self) -> tuple[Generation, Generation | None]:
        """(the current generation, the one before); the first where nothing can be read."""
        try:
            noted = orjson.loads(self.place.read_bytes())
            return Generation(**noted["now"]), Generation(**noted["before"]) if noted["before"] else None
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return FIRST, None

    def save(self, now: Generation, before: Generation | None, durable: bool) -> None:
        """Write it down; `durable` before a new generation is used, so that its numbers are never used twice."""
        if not self.place.parent.is_dir():
            self.place.parent.mkdir(parents=True, exist_ok=True)
        draft = self.place.with_suffix(".new")
        with draft.open("wb") as out:
            out.write(orjson.dumps({"now": now._asdict(), "before": before and before._asdict()}))
            out.flush()
            if durable:
                os.fsync(out.fileno())
        draft.rename(self.place)
        if durable:
            sync_folder(self.place.parent)


def open_plain(path: Path) -> int | None:
    """The file opened for reading, unpacked if it is gzip; None where it is gone or no regular file."""
    try:
        if not path.is_file():
            return None
        stream = Stream(path)
    except FileNotFoundError:
        return None
    try:
        if not stream.compressed:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with tempfile.TemporaryFile() as unpacked:
            for piece in stream:
                unpacked.write(piece)
            unpacked.flush()
            fd = os.dup(unpacked.fileno())
        os.utime(fd, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        return fd
    except FileNotFoundError:
        return None
    finally:
        stream.close()


def siblings(path: Path, changed: int = -1) -> list[Path]:
    """Rotated files of a path (`name.1`, `name-20261123.gz`, `stem.2.log`, …) that changed later, oldest first."""
    stem, suffix, number = re.escape(path.stem), re.escape(path.suffix), r"[-._](?:\d[\d._-]*|old)"
    rotated = re.compile(rf"{stem}(?:{suffix}{number}|{number}{suffix})(?:\.gz)?")
    found = []
    with suppress(FileNotFoundError):
        for entry in os.scandir(path.parent):
            if rotated.fullmatch(entry.name):
                with suppress(FileNotFoundError):
                    status = entry.stat()
                    if status.st_mtime_ns > changed and stat.S_ISREG(status.st_mode):
                        found.append((status.st_mtime_ns, entry.path))
    return [Path(place) for _, place in sorted(found)]
