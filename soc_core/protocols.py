"""Every seam on one page. A part that keeps its protocol can be replaced without any other part knowing.

Both event stores pass one shared test suite, and so do both journals and both state databases (tests/soc_core/).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict

from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.events import EventBatch
from soc_core.models import REAL, Finding

if TYPE_CHECKING:
    from soc_core.table import Table

Ints = npt.NDArray[np.int64]

# ---------------------------------------------------------------- source → journal


class Origin(BaseModel):
    """What is known of a source before anything is parsed; travels with its records in the journal.

    `format` is a name in collectors/formats, or "" to be found by content line by line. `zone` is the collector
    zone (private address ranges overlap between agencies); `peer` the sender's address where there is one;
    `timezone` an IANA name for times without one; `encoding` a Python codec name or "" to detect. `header` is what a
    file says of its own lines before them (Zeek's and the W3C's `#fields`), as a batch is only a cut of the file.
    `series` is what the positions are counted within where one source has many such (idempotency keys). `identity` is
    set where a record comes again, out of quarantine: the key of the source its event ids began with (identity.py).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    format: str = ""
    zone: str = "city"
    peer: str = ""
    timezone: str = "Asia/Shanghai"
    encoding: str = ""
    header: str = ""
    realm: str = REAL
    series: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Raws:
    """Records as received, not yet parsed: one frame in the journal, all of one origin and one moment.

    `positions` are the source's own places (byte offsets, record numbers; ascending), or None where it has none
    (UDP): then identity comes from the place in the journal. `damaged` names records that the transport could
    not read whole: index in `lines` → reason; they go to quarantine with what was read.
    """

    origin: Origin
    lines: Sequence[bytes]
    received: Micros
    positions: Ints | None = None
    damaged: dict[int, str] = field(default_factory=dict)

    @property
    def top(self) -> int:
        """The place that its source has come to with these; -1 where it has none, or where they come again."""
        if self.positions is None or not len(self.positions) or self.origin.identity:
            return -1
        return int(self.positions[-1])


class Offset(NamedTuple):
    """A place in the journal: the number of the *next* record after what was appended."""

    partition: int
    offset: int


class Frame(NamedTuple):
    """Raws as read back: records `first` … `first + len(raws.lines) - 1` of the partition."""

    partition: int
    first: int
    raws: Raws


class Source(Protocol):
    """Bytes in. `next_batch` returns ([], None) when idle; `ack` after the journal made them durable."""

    def next_batch(self) -> tuple[Sequence[Raws], Any]: ...
    def ack(self, position: Any) -> None: ...
    def close(self) -> None: ...


class Journal(Protocol):
    """Durable, append-only, partitioned by source. After `append` returns, the records survive kill -9 and power.

    `epoch` is a token that changes when the journal is made anew. `tail` is the highest position that the journal
    holds of a source (-1: none): a positioned source resumes after it. `end` is the next record number.
    `release` lets the journal drop what lies wholly before an offset. `pending` counts the records from an offset on
    by source: source → (realm, records). `partition_of` says which partition holds all records of a source.
    """

    epoch: str

    def append(self, raws: Sequence[Raws]) -> list[Offset]: ...
    def read(self, partition: int, offset: int, limit: int) -> list[Frame]: ...
    def partitions(self) -> list[int]: ...
    def end(self, partition: int) -> int: ...
    def tail(self, source: str) -> int: ...
    def release(self, partition: int, offset: int) -> None: ...
    def pending(self, partition: int, offset: int) -> dict[str, tuple[str, int]]: ...
    def partition_of(self, source: str) -> int: ...
    def close(self) -> None: ...


# ---------------------------------------------------------------- lines → events


@dataclass(frozen=True, slots=True)
class Context:
    """What a format may know beside the lines: receipt time (for the year of RFC 3164), zone of time, codec, header."""

    received: Micros
    timezone: str = "Asia/Shanghai"
    encoding: str = ""
    header: str = ""


class Fault(NamedTuple):
    """A line that the format could not read, and one clause why. It goes to quarantine whole."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """Events and where they came from: event i came from line `line_no[i]`; several may share a line.

    Every line is in exactly one of: `line_no`, `faults`, `merged` (absorbed into another line's event), `held`
    (kept by an assembler until more comes). The pipeline adds identity, receipt, original, zone and owner.
    """

    batch: EventBatch
    line_no: Ints
    faults: list[Fault] = field(default_factory=list)
    merged: list[int] = field(default_factory=list)


class FrameFault(NamedTuple):
    """A line of one of several frames that no format could read."""

    frame: int
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedFrames:
    """What collectors/parse.py makes of many frames at once, whatever their formats.

    Event i came from line `line_no[i]` of frame `frame_no[i]`; the batch has the column soc.format. `merged` holds
    (frame, line). Events stand in the order of (frame, line), several of one line side by side.
    """

    batch: EventBatch
    frame_no: Ints
    line_no: Ints
    faults: list[FrameFault] = field(default_factory=list)
    merged: list[tuple[int, int]] = field(default_factory=list)
    joined: list[tuple[tuple[int, int], ...]] = field(default_factory=list)  # lines of one event, its own first


Parse = Callable[[Sequence[Frame]], ParsedFrames]


class Assembled(NamedTuple):
    """What assemblers made of a step: events joined, and the lines (frame, line) that wait for more.

    No event, fault or merged line stands for a held one. `due` is when the first of them waits no longer.
    """

    parsed: ParsedFrames
    held: list[tuple[int, int]]
    due: Micros


# now: the clock where the frames reach the journal's end (silence then ends a wait), 0 where more lies behind them,
# clock.LATEST to end every wait
Assemble = Callable[[ParsedFrames, Sequence[Frame], Micros], Assembled]


class Format(Protocol):
    """A module collectors/formats/NAME.py: pure functions, no state, no clock, no I/O.

    `sniff` says how sure it is that a sample of lines is of this format, 0 … 1. It must not raise.
    """

    @staticmethod
    def parse(lines: Sequence[bytes], ctx: Context) -> Parsed: ...
    @staticmethod
    def sniff(lines: Sequence[bytes]) -> float: ...


class Links(NamedTuple):
    """How rows of one shape hang together, row by row; rows of different sources never do.

    Rows with equal `key` may be of one event; None belongs to none. A row that `joins` continues the key's open group,
    any other ends it; one that `opens` begins a group where none is open; one that `ends` completes it. A `void` row
    (an end mark) adds nothing and is merged. `order` (audit serial, record number) ends groups that lie far behind;
    a group of `total` different `part`s is complete. Empty: not used.
    """

    key: Sequence[str | None]
    opens: Sequence[bool]
    joins: Sequence[bool]
    ends: Sequence[bool]
    void: Sequence[bool] = ()
    order: Sequence[int | None] = ()
    part: Sequence[int | None] = ()
    total: Sequence[int | None] = ()


class Assembler(Protocol):
    """A module collectors/assemble/NAME.py: pure functions that join events that are parts of one.

    `mine` tells the shapes that it knows, and is cheap; `links` says how their rows hang together; `join` makes one row
    of each group: `frame` holds the rows of all groups in order, with `group` (0 … n - 1) and `original` (the line)
    beside. What none of them knows costs nothing.
    """

    @staticmethod
    def mine(table: Table) -> bool: ...
    @staticmethod
    def links(frame: pl.DataFrame) -> Links: ...
    @staticmethod
    def join(frame: pl.DataFrame) -> pl.DataFrame: ...


class Enricher(Protocol):
    """Adds columns to a whole batch (agency and system by zone, address and host). Adds, never removes."""

    def enrich(self, batch: EventBatch) -> EventBatch: ...


# ---------------------------------------------------------------- events → findings


class Detector(Protocol):
    """Judges batches. State must be a function of the records seen, not of how they were cut into batches.

    `tick` is called with the event-time watermark (microseconds), for what only passing time decides.
    """

    def detect(self, batch: EventBatch) -> list[Finding]: ...
    def tick(self, now: Micros) -> list[Finding]: ...
    def snapshot(self) -> bytes: ...
    def restore(self, state: bytes) -> None: ...


# ---------------------------------------------------------------- events → store → questions


class Rejected(NamedTuple):
    """An event that the store refused: row in the batch, and the reason (other content under a known id, …)."""

    row: int
    reason: str


class WriteResult(NamedTuple):
    """Rows of the written batch by fate: each row is in exactly one list.

    A row met again from the same journal record (same soc.partition and soc.offset: our own replay after a crash)
    counts as stored; met again from another record with equal content it is a duplicate.
    """

    stored: Ints
    duplicate: Ints
    rejected: list[Rejected]


class Query(BaseModel):
    """A question: Lucene-style text, and a half-open span of event time [since, until) in microseconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = ""
    since: Micros | None = None
    until: Micros | None = None


class Page(NamedTuple):
    """How much to return and from where: `after` is the `next` of the page before."""

    limit: int = 100
    after: str = ""
    newest_first: bool = True


class Hits(NamedTuple):
    """Rows as dotted-name dictionaries without nulls, the total that matched in scope, and the next page's key."""

    rows: list[dict[str, Any]]
    total: int
    next: str


class Bucket(NamedTuple):
    """One value (or the start of one interval, in microseconds) and its count."""

    key: Any
    n: int


class QueryError(ValueError):
    """A query text that cannot be read; `position` is where, counted from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} (at character {position + 1})")
        self.position = position


class Sieve(NamedTuple):
    """Which events of a scan are wanted: `rows` gives their places in a batch that has at least `fields`, ascending."""

    fields: frozenset[str]
    rows: Callable[[EventBatch], Ints]


class EventStore(Protocol):
    """Holds events. Every read takes the caller's scope, and the scope is part of the query itself.

    `compact` and `expire` are upkeep: merge what is small, and delete what was *received* before a moment.
    `write` is idempotent by event.id and durable when it returns. Ids have the form made by identity.py, so a
    store can tell new records from old by the source's position alone. Raises QueryError on a bad query.
    `scan` reads only `fields` (None: all) and @timestamp, and these only of the events that pass all sieves.
    """

    def write(self, batch: EventBatch) -> WriteResult: ...
    def get(self, ids: Sequence[str], scope: Scope) -> list[dict[str, Any]]: ...
    def search(self, query: Query, scope: Scope, page: Page = Page()) -> Hits: ...  # noqa: B008 - frozen
    def aggregate(self, query: Query, scope: Scope, field: str, limit: int = 10) -> list[Bucket]: ...
    def histogram(self, query: Query, scope: Scope, buckets: int = 60) -> list[Bucket]: ...
    def scan(
        self, query: Query, scope: Scope, fields: Collection[str] | None = None, sieves: Sequence[Sieve] = ()
    ) -> Iterator[EventBatch]: ...
    def prune(self, before: Micros, held: Sequence[tuple[Micros, Micros]] = ()) -> int: ...
    def expire(self, before: Micros, held: Sequence[tuple[Micros, Micros]] = ()) -> int: ...
    def compact(self, now: Micros | None = None) -> int: ...
    def close(self) -> None: ...


# ---------------------------------------------------------------- alerts → response


class Preview(NamedTuple):
    """What an action would do, in one sentence, and whether a person must approve it first."""

    summary: str
    needs_approval: bool = False


class Result(NamedTuple):
    """What an action did. `output` is for later steps and for `undo`."""

    ok: bool
    summary: str
    output: dict[str, Any]


Probe = Literal["done", "not done", "unknown"]


class Action(Protocol):
    """A module playbooks/actions/NAME.py. `probe` says whether an interrupted run took effect; asked before a rerun."""

    @staticmethod
    def plan(ctx: dict[str, Any], args: dict[str, Any]) -> Preview: ...
    @staticmethod
    def run(ctx: dict[str, Any], args: dict[str, Any]) -> Result: ...
    @staticmethod
    def probe(ctx: dict[str, Any], intent: dict[str, Any]) -> Probe: ...
    @staticmethod
    def undo(ctx: dict[str, Any], result: dict[str, Any]) -> Result: ...
