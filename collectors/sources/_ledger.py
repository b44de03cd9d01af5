"""Which file is which: a file keeps its identity when it is renamed, moved, compressed, copied, or grows.

    {"id": "9f…", "size": 5120, "digest": "…", "head_size": 256, "head": "…", "name": "auth.log", "time": "…"}

One line a state in which a file was met (journal/files.jsonl, append-only): the digest (BLAKE2b-128) of all its
contents, uncompressed, and of their first 256 bytes. A file that equals a state is that file; one that begins with
the newest state of a file is that file, grown. The id is made of the contents at first sight.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

from soc_core import clock

HEAD = 256


class State(NamedTuple):
    """A file as it was once met."""

    id: str
    size: int
    digest: str
    head_size: int
    head: str
    name: str
    time: str


class Ledger:
    """The states known, shared with other processes through one file. Lines that cannot be read are passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self._heads: dict[tuple[int, str], list[State]] = defaultdict(list)
        self._newest: dict[str, int] = {}  # id → size of its longest state

    def identify(self, name: str, contents: Iterable[bytes]) -> tuple[str, int]:
        """(id, bytes) of a file with these contents; a state not met before is written down, durably."""
        self._load()
        whole = hashlib.blake2b(digest_size=16)
        known: dict[int, list[State]] | None = None
        head, size, matches = b"", 0, list[State]()
        for piece in contents:
            if known is None:
                head += piece[: HEAD - len(head)]
                if len(head) == HEAD or size + len(piece) > HEAD:
                    known = self._candidates(head)
            for at in sorted(at for at in known or () if size < at <= size + len(piece)):
                part = whole.copy()
                part.update(piece[: at - size])
                matches += [state for state in (known or {})[at] if state.digest == part.hexdigest()]
            whole.update(piece)
            size += len(piece)
        if known is None:  # shorter than a head
            for at, states in self._candidates(head).items():
                matches += [state for state in states if state.digest == _digest(head[:at])]
        return self._settle(name, head, size, whole.hexdigest(), matches), size

    def _settle(self, name: str, head: bytes, size: int, digest: str, matches: list[State]) -> str:
        for state in matches:
            if state.size == size:
                return state.id
        grown = [state for state in matches if self._newest[state.id] == state.size]
        found = max(grown, key=lambda state: state.size, default=None)
        state = State(
            found.id if found else digest[:16], size, digest, len(head), _digest(head), name, clock.to_text(clock.now())
        )
        if size:
            self._append(state)
        return state.id

    def _candidates(self, head: bytes) -> dict[int, list[State]]:
        """States that begin as the file does, by size."""
        found: dict[int, list[State]] = defaultdict(list)
        for length in {length for length, _ in self._heads if length <= len(head)}:
            for state in self._heads.get((length, _digest(head[:length])), ()):
                found[state.size].append(state)
        return found

    def _load(self) -> None:
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            try:
                self._take(State(**orjson.loads(line)))
            except (ValueError, TypeError):
                continue

    def _take(self, state: State) -> None:
        self._heads[state.head_size, state.head].append(state)
        self._newest[state.id] = max(state.size, self._newest.get(state.id, 0))

    def _append(self, state: State) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            torn = file.tell() > 0 and _last_byte(self.path) != b"\n"
            file.write((b"\n" if torn else b"") + orjson.dumps(state._asdict()) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._load()


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
