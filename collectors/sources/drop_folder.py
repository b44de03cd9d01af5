"""A folder into which others put whole files, over SFTP for one: each is taken in once, then moved to `done`.

    landing/agency/today.log.part → landing/agency/today.log → landing/done/agency/today.log

A file is complete when it has got its name by renaming (seen before as hidden, or as .part, .tmp, …), or has not
changed for `quiet` seconds. What is no log goes to `done/refused`. Only regular files are taken: a link could lead
anywhere. A file that is being taken stands in `done/.taking`, so keep `done` on the same file system, and out of the
uploaders' reach where they are not to be trusted.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from collectors.sources.files import Detect, FileSource, Ledger, Refused
from soc_core.models import REAL
from soc_core.protocols import Raws

log = logging.getLogger(__name__)
UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".swp", "~")
TAKING, REFUSED = ".taking", "refused"
QUIET = 10.0
LOOK = 1.0  # seconds between looks at the folder


class Seen(NamedTuple):
    """A file as it was last seen, and since when it has been so."""

    size: int
    changed: int
    since: float


class DropSource:
    """One landing folder. Source ids are `drop:<name>/file:<id>` as of FileSource, so equal contents are stored once.

    `ledger` and `tail` are the journal's. Raises OSError with one sentence when the folders cannot be used.
    """

    def __init__(
        self, folder: Path, ledger: Ledger, tail: Callable[[str], int], detect: Detect, *, name: str = "",
        done: Path | None = None, quiet: float = QUIET, format: str = "", encoding: str = "", zone: str = "city",
        timezone: str = "Asia/Shanghai", realm: str = REAL,
    ) -> None:
        self.folder = Path(os.path.abspath(folder))
        self.source = f"drop:{name or self.folder.name}"
        self.received = self.files = self.refused = 0
        self._done = Path(os.path.abspath(done)) if done else self.folder / "done"
        self._ledger, self._quiet = ledger, quiet
        self._options: dict[str, Any] = {"format": format, "encoding": encoding, "zone": zone, "timezone": timezone,
                                         "realm": realm, "tail": tail, "source": self.source}
        self._detect = detect
        self._seen: dict[Path, Seen] = {}
        self._growing: set[tuple[int, int]] = set()  # (device, inode) of what was met under an unfinished name
        self._looked = 0.0
        self._stopping = False
        self._now: FileSource | None = None
        self._place = self.folder  # of the file under way, in `.taking`
        for place in (self.folder, self._taking):
            place.mkdir(parents=True, exist_ok=True)
        if self.folder.stat().st_dev != self._taking.stat().st_dev:
            raise OSError(f"{self._done} and {self.folder} must be on one file system, as files are moved between them")

    @property
    def _taking(self) -> Path:
        return self._done / TAKING

    # ------------------------------------------------------------ the protocol

    def next_batch(self) -> tuple[list[Raws], Any]:
        if self._now is None and not self._stopping:
            self._open()
        if self._now is None:
            return [], None
        try:
            raws, position = self._now.next_batch()
        except OSError as error:
            self._later(self._place, error)
            self.close()
            return [], None
        if not raws:  # everything before it was acknowledged: the next batch is asked for after that
            self._finish()
        return raws, position

    def ack(self, position: Any) -> None:
        """Nothing to do: the journal itself remembers how far a file was taken."""

    def stop(self) -> None:
        """Begin no further file."""
        self._stopping = True

    def drained(self) -> bool:
        return self._now is None

    def counters(self) -> dict[str, int]:
        return {"received": self.received + (self._now.read if self._now else 0), "files": self.files,
                "refused": self.refused}

    def close(self) -> None:
        if self._now is not None:
            self._now.close()
            self._now = None

    # ------------------------------------------------------------ one file

    def _later(self, place: Path, error: OSError) -> None:
        log.warning("%s: %s: %s; trying again later", self.source, place, error.strerror)
        self._looked = time.monotonic()

    def _open(self) -> None:
        """Begin the next file that is complete; one that an earlier run had begun comes first."""
        if time.monotonic() - self._looked < LOOK:
            return
        for place in [*sorted(_files(self._taking, hidden=True)), *self._claimed()]:
            try:
                if not place.is_file() or place.is_symlink():
                    raise Refused(f"{place} is not a regular file")
                self._now = FileSource(place, self._ledger, self._detect, **self._options)
            except Refused as error:
                log.warning("%s: %s", self.source, error)
                self.refused += 1
                self._move(place, self._done / REFUSED)
            except OSError as error:
                self._later(place, error)
            else:
                self._place = place
                return
        self._looked = time.monotonic()

    def _claimed(self) -> Iterator[Path]:
        """Complete files, each moved to where its uploader no longer is."""
        for path in self._complete():
            place = self._taking / path.relative_to(self.folder)
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                path.rename(place)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._later(path, error)
                continue
            self._seen.pop(path, None)
            yield place

    def _complete(self) -> list[Path]:
        """Files that are complete by now, the oldest first."""
        now, seen, found = time.monotonic(), dict[Path, Seen](), list[tuple[int, Path]]()
        growing: set[tuple[int, int]] = set()
        for path in _files(self.folder):
            if path.is_relative_to(self._done):
                continue
            try:
                state = path.lstat()
            except FileNotFoundError:
                continue
            key = state.st_dev, state.st_ino
            if path.name.startswith(".") or path.name.lower().endswith(UNFINISHED):
                growing.add(key)
                continue
            before = self._seen.get(path)
            same = before is not None and before[:2] == (state.st_size, state.st_mtime_ns)
            since = before.since if before is not None and same else now
            seen[path] = Seen(state.st_size, state.st_mtime_ns, since)
            if now - since >= self._quiet or key in self._growing:
                found.append((state.st_mtime_ns, path))
        self._seen, self._growing = seen, growing
        return [path for _, path in sorted(found)]

    def _finish(self) -> None:
        """The journal holds all of the file."""
        if self._now is None:
            return
        size, self.received = self._now.size, self.received + self._now.read
        self.close()
        if os.path.lexists(self._place) and self._place.lstat().st_size == size:  # else what came is taken next
            self.files += 1
            self._move(self._place, self._done)

    def _move(self, place: Path, folder: Path) -> None:
        """Out of the way, under a name that is free there."""
        target = folder / place.relative_to(self._taking)
        number = 0
        while os.path.lexists(target):
            number += 1
            target = target.with_name(f"{place.name}.{number}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            place.rename(target)
        except OSError as error:
            self._later(place, error)


def _files(folder: Path, hidden: bool = False) -> Iterator[Path]:
    """All that is no folder below a folder, hidden folders left out unless asked for; links are not followed."""
    for place, folders, names in os.walk(folder):
        if not hidden:
            folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            yield Path(place, name)
        for name in folders:
            if (link := Path(place, name)).is_symlink():
                yield link
