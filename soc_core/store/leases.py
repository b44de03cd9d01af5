"""Readers tell a store's writer which generation they read, so that no file goes away under them.

A lease is a file named after the generation and locked (flock) as long as its reader lives: the kernel lets go of
the lock when the process dies, so no clock or heartbeat decides. One host; not for network file systems.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Lease:
    """One reader's hold on a generation and all later ones, until `release`."""

    __slots__ = ("_handle", "_path")

    def __init__(self, folder: Path, generation: int) -> None:
        self._path = folder / f"{generation}-{secrets.token_hex(8)}"
        while True:
            self._handle = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            if os.fstat(self._handle).st_nlink:  # else swept away between the two calls
                return
            os.close(self._handle)

    def release(self) -> None:
        """Give up the hold; more than once does no harm."""
        if self._handle >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1


def oldest(folder: Path) -> int | None:
    """The lowest generation that a living reader holds; None when there is no reader. Removes dead leases."""
    lowest: int | None = None
    for path in folder.iterdir():
        generation = int(path.name.partition("-")[0])
        if not _dead(path) and (lowest is None or generation < lowest):
            lowest = generation
    return lowest


def _dead(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)  # while the lock is held: a reader about to lock it sees that it is gone
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(handle)


class Turn:
    """A lock file that writers of one store, in whatever process, hold in turn; the kernel frees it with its holder."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait until it is ours, and hold it for the block."""
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold it for the block beside others who share it; nobody has it `taken` meanwhile."""
        fcntl.flock(self._handle, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    @contextmanager
    def tried(self) -> Iterator[bool]:
        """Hold it for the block if it is free; says whether it is."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """More than once does no harm."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
