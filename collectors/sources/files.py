"""Files and folders, as `./soc ingest` takes them: text, gzip, UTF-16, JSON documents and Windows event logs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from collectors.sources import _content, _evtx
from collectors.sources._content import Refused, Stream
from collectors.sources._framing import NONE, Elements, Framer, Lines, Recoded, Records, joined
from collectors.sources._header import Header
from collectors.sources._ledger import Ledger
from soc_core import clock
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

__all__ = ["Expanded", "FileSource", "Ledger", "Refused", "expand"]

Detect = Callable[[Sequence[bytes]], str]
BATCH_BYTES = 4 << 20
BATCH_RECORDS = 50_000
SAMPLE_LINES = 200
EVENTS = 1000  # of an event log at once


class Expanded(NamedTuple):
    """Files to read, in order, and what cannot be read: (path, one sentence)."""

    files: list[Path]
    refused: list[tuple[Path, str]]


def expand(paths: Iterable[Path]) -> Expanded:
    """Files under the paths, folders recursively and sorted, hidden ones left out unless named themselves.

    Raises FileNotFoundError for a path that is not there.
    """
    found = Expanded([], [])
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"there is no {path}")
        for file in _walk(path, found.refused) if path.is_dir() else [path]:
            try:
                if not file.is_file():
                    raise Refused(f"{file} is not a regular file")
                with file.open("rb") as opened:
                    opened.read(1)
                found.files.append(file)
            except Refused as error:
                found.refused.append((file, str(error)))
            except OSError as error:
                found.refused.append((file, f"{file} cannot be read: {error.strerror}"))
    return found


def _walk(folder: Path, refused: list[tuple[Path, str]]) -> Iterator[Path]:
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        refused.append((folder, f"{folder} cannot be read: {error.strerror}"))
        return
    for path in inside:
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, refused)
        elif not path.is_dir():
            yield path


class FileSource:
    """One file from its beginning to where it ended when it was opened; `done` then, and `next_batch` stays empty.

    The source id is `file:` and the ledger's id (below `source` where one is given, as several files may share
    one); positions are bytes of the uncompressed contents (of their UTF-8 form), or record numbers in an EVTX file.
    So the same file taken in again has the same ids, wherever it lies and after it has grown. With `tail` (a
    journal's) records that the journal holds are passed over. Raises Refused for a file of no known kind, OSError
    for one that cannot be read.
    """

    def __init__(
        self, path: Path, ledger: Ledger, detect: Detect, *, format: str = "", source: str = "", zone: str = "city",
        timezone: str = "Asia/Shanghai", encoding: str = "", realm: str = REAL,
        tail: Callable[[str], int] | None = None,
    ) -> None:
        self.path, self.done, self.read = path, False, 0
        self.size = path.stat().st_size
        self._detect, self._format = detect, format
        self._stream = Stream(path)
        try:
            self._kind, self._sample = self._look()
            self.id, self._length = self._identify(ledger)
        except BaseException:
            self._stream.close()
            raise
        name = f"file:{self.id}"
        self.source = f"{source}/{name}" if source else name
        self._after = tail(self.source) if tail else -1
        # Text that was UTF-16 is UTF-8 by the time it is a record.
        self._origin = {"source": self.source, "zone": zone, "timezone": timezone, "realm": realm,
                        "encoding": "utf-8" if self._kind == "utf-16" else encoding}
        self._known: Origin | None = None
        self._header = ""  # as it stands before the first record of the batch
        self._batches = self._group()

    def _look(self) -> tuple[_content.Kind, list[bytes]]:
        sample: list[bytes] = []
        while sum(map(len, sample)) < _content.SAMPLE and (piece := self._stream.read()):
            sample.append(piece)
        whole = b"".join(sample)
        if not whole and self._stream.fault:
            raise Refused(f"{self.path}: {self._stream.fault}")
        return _content.kind(whole, str(self.path)), sample

    def _identify(self, ledger: Ledger) -> tuple[str, int]:
        again = Stream(self.path)
        try:
            return ledger.identify(self.path.name, again)
        finally:
            again.close()

    @property
    def format(self) -> str:
        """As which it is read; "" before its first records, and where no format knows these."""
        return self._known.format if self._known else ""

    @property
    def taken(self) -> int:
        """Bytes of the file read so far, of `size`: for a progress bar."""
        return self.size if self.done else min(self._stream.taken, self.size)

    def next_batch(self) -> tuple[list[Raws], Any]:
        """Up to 4 MiB of records; ([], None) at the end of the file."""
        for found in self._batches:
            if found.lines:
                self.read += len(found.lines)
                raws = Raws(self._settle(found), found.lines, clock.now(), found.positions, found.damaged)
                return [raws], self.source
        self.done = True
        return [], None

    def _settle(self, found: Records) -> Origin:
        """The origin, its format found once a file from the first records; with the header that holds for these."""
        if self._known is None:
            sample = [line for index, line in enumerate(found.lines[:SAMPLE_LINES]) if index not in found.damaged]
            self._known = Origin(**self._origin, format=self._format or (self._detect(sample) if sample else ""))
        if self._known.header != self._header:
            self._known = self._known.model_copy(update={"header": self._header})
        return self._known

    def ack(self, position: Any) -> None:
        """Nothing to do: the journal itself remembers how far a file was taken."""

    def close(self) -> None:
        self._batches.close()
        self._stream.close()

    def _group(self) -> Generator[Records, None, None]:
        """Records in batches of a good size, those before the journal's tail left out."""
        held, size, header = NONE, 0, Header()
        for found in self._events() if self._kind == "evtx" else self._text():
            if self._after >= 0:
                every, found = found, _after(found, self._after)
                header.feed(every.lines[: len(every.lines) - len(found.lines)])
            if not held.lines:
                self._header = header.text
            header.feed(found.lines)
            held, size = joined(held, found) if held.lines else found, size + sum(map(len, found.lines))
            if size >= BATCH_BYTES or len(held.lines) >= BATCH_RECORDS:
                yield held
                held, size = NONE, 0
        yield held

    def _text(self) -> Iterator[Records]:
        sample = b"".join(self._sample)
        framer: Framer = Lines()
        if self._kind == "json":
            framer = Elements()
        elif self._kind == "utf-16":
            framer = Recoded(_content.utf16(sample))
        left = self._length  # what came later belongs to the next time
        for piece in chain(self._sample, self._stream):
            yield framer.feed(piece[:left])
            left -= min(left, len(piece))
            if not left:
                break
        if self._stream.compressed:
            self._stream.read()  # past the last byte only a fault can come
        last = framer.finish()
        yield _fault(last, self._stream) if self._stream.fault else last

    def _events(self) -> Iterator[Records]:
        with tempfile.NamedTemporaryFile(prefix="soc-", suffix=".evtx") as unpacked:
            path = self.path
            if self._stream.compressed:
                for piece in chain(self._sample, self._stream):
                    unpacked.write(piece)
                unpacked.flush()
                path = Path(unpacked.name)
            number, records = 0, _evtx.read(path)
            while some := list(islice(records, EVENTS)):
                damaged = {index: reason for index, (_, reason) in enumerate(some) if reason}
                yield Records([line for line, _ in some], np.arange(number, number + len(some)), damaged)
                number += len(some)
        if self._stream.fault:
            yield Records([b""], np.array([self._stream.given]), {0: self._stream.fault})


def _after(found: Records, tail: int) -> Records:
    """The records beyond a position."""
    cut = int(np.searchsorted(found.positions, tail, side="right"))
    damaged = {index - cut: reason for index, reason in found.damaged.items() if index >= cut}
    return Records(found.lines[cut:], found.positions[cut:], damaged)


def _fault(last: Records, stream: Stream) -> Records:
    """What the fault spoiled: the line in which it struck, else a record of its own at the end."""
    if not last.lines:
        return Records([b""], np.array([stream.given]), {0: stream.fault})
    return last._replace(damaged={**last.damaged, len(last.lines) - 1: stream.fault})
