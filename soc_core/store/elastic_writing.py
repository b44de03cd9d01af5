"""Writing to Elasticsearch: bulk requests of `create` by event.id, and the fate of every row.

The index of an event is a function of the event: realm, data set, retention class, UTC day of receipt. `_id` is
unique only within one index, so an event that may be known already (its position is not above the highest one held
of its source, identity.py) is looked for in all indices of the realm first; `create` is the guard behind that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from elasticsearch import ApiError, Elasticsearch

from soc_core import clock
from soc_core.events import EventBatch
from soc_core.protocols import Ints, Rejected, WriteResult
from soc_core.store import elastic_documents, fates, segments
from soc_core.store.elastic_client import BUSY, Patience, StoreUnavailable, ask
from soc_core.store.elastic_settings import ElasticSettings, plain, series_of
from soc_core.store.fates import OFFSET, PARTITION
from soc_core.store.manifest import Segment
from soc_core.store.segments import DATASET, FILE, ID, TIME

Mask = npt.NDArray[np.bool_]
RECEIVED = "event.ingested"
LONGEST_ID = 512  # bytes of an _id
IDS_A_REQUEST = 5000
ROWS_A_SLICE = 4096
MARK_SECONDS = 300  # how long a source's mark is trusted without asking again: another writer may have had the source
CREATED, CONFLICT = 201, 409
# What is no fault of a document, though it is told of each: the cluster has as many shards as it may have, we may not
# write the index, nobody may make it.
REFUSED = re.compile(r"validation_exception:.* shards open|security_exception:|index_not_found_exception:", re.S)
ANSWER = "items.create.status,items.create.error.type,items.create.error.reason,items.create.error.caused_by.reason"


class Known(fates.Known):
    """What the indices of a realm hold, asked for as `fates.judge` asks the embedded store's segments."""

    def __init__(self, client: Elasticsearch, indices: str, patience: float) -> None:
        self._client, self._indices, self._patience = client, indices, patience
        self._marks: dict[str, tuple[int, clock.Micros]] = {}

    def forget(self) -> None:
        """Ask for every mark anew."""
        self._marks.clear()

    def marks(self, sources: Sequence[str]) -> dict[str, int]:
        """Highest position held of each source; -1 is left out."""
        stale = clock.now() - MARK_SECONDS * clock.SECOND
        unknown = [source for source in sources if self._marks.get(source, (0, 0))[1] < stale]
        if unknown:
            self.refresh()
        for at in range(0, len(unknown), 500):
            self._ask_marks(unknown[at : at + 500])
        return {source: self._marks[source][0] for source in sources}

    def _ask_marks(self, sources: list[str]) -> None:
        searches: list[dict[str, Any]] = []
        for source in sources:
            found: dict[str, Any] = {"regexp": {f"{ID}.raw": {"value": f"{source}[0-9a-f]{{16}}"}}}
            if source == segments.FOREIGN:  # ids of another make have no position: any of them may be known
                self._marks[source] = 0, clock.now()
                continue
            searches += [{"index": self._indices}, {
                "query": found, "size": 1, "track_total_hits": False, "_source": [ID],
                "sort": [{f"{ID}.raw": {"order": "desc", "unmapped_type": "keyword"}}],
            }]
        if not searches:
            return
        answer = ask(lambda: self._client.msearch(searches=searches, ignore_unavailable=True), self._wait())
        wanted = [source for source in sources if source != segments.FOREIGN]
        for source, response in zip(wanted, answer["responses"], strict=True):
            if "error" in response:
                raise StoreUnavailable(f"Elasticsearch cannot say what it holds: {response['error'].get('reason')}")
            hits = response["hits"]["hits"]
            self._marks[source] = int(hits[0]["_source"][ID][16:28], 16) if hits else -1, clock.now()

    def raise_marks(self, ids: pl.Series) -> None:
        """Note what was just written."""
        for source, (_, high) in segments.spans(ids).items():
            self._marks[source] = max(high, self._marks.get(source, (-1, 0))[0]), clock.now()

    def refresh(self) -> None:
        """Let searches see everything written so far."""
        ask(lambda: self._client.indices.refresh(index=self._indices, ignore_unavailable=True), self._wait())

    def covering(self, suspects: pl.DataFrame) -> list[Segment]:
        return []

    def find(self, suspects: pl.DataFrame, held: Sequence[Segment]) -> pl.DataFrame:
        """Of the suspects those that any index holds: ID, PARTITION, OFFSET, FILE (the index)."""
        self.refresh()
        ids = suspects[ID].unique().to_list()
        rows = [
            (hit["_id"], hit["_source"].get(PARTITION), hit["_source"].get(OFFSET), hit["_index"])
            for hit in self._hits(ids, {"includes": [PARTITION, OFFSET]})
        ]
        schema = {ID: pl.String(), PARTITION: pl.Int64(), OFFSET: pl.Int64(), FILE: pl.String()}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def content(self, known: pl.DataFrame, held: Sequence[Segment]) -> pl.DataFrame:
        """The whole stored rows of `known`, in its order."""
        rows = [elastic_documents.row(hit["_source"]) for hit in self._hits(known[ID].unique().to_list(), True)]
        return known.select(ID).join(elastic_documents.frame(rows), on=ID, how="left", maintain_order="left")

    def _hits(self, ids: list[str], source: dict[str, Any] | bool) -> Iterator[dict[str, Any]]:
        for at in range(0, len(ids), IDS_A_REQUEST):
            some = ids[at : at + IDS_A_REQUEST]
            answer = ask(lambda some=some: self._client.search(  # type: ignore[misc]  # bound now
                index=self._indices, query={"ids": {"values": some}}, size=len(some), source=source,
                track_total_hits=False, ignore_unavailable=True), self._wait())
            yield from answer["hits"]["hits"]

    def _wait(self) -> Patience:
        return Patience(self._patience)


class Lines(NamedTuple):
    """Documents of some rows of a batch: row numbers, the action line and the document of each."""

    rows: Ints
    texts: pl.Series

    def body(self) -> bytes:
        """The request; texts never become Python's, which for Chinese ones would cost as much as all the rest."""
        return b"\n".join(self.texts.cast(pl.Binary).to_list()) + b"\n"


class Writer:
    """Writes the events of one realm. One process writes a source at a time; several may write the realm."""

    def __init__(self, client: Elasticsearch, settings: ElasticSettings, realm: str) -> None:
        self._client, self._settings, self._realm = client, settings, realm
        self.indices = f"{settings.prefix}-{plain(realm)}-*"
        self.known = Known(client, self.indices, settings.patience)

    def write(self, batch: EventBatch) -> WriteResult:
        """The fates of the rows; durable when it returns. Raises StoreUnavailable when patience ends."""
        parts, faults = conformed(batch)
        fate = Marked(np.zeros(batch.height, dtype=np.bool_), np.zeros(batch.height, dtype=np.bool_), faults)
        fresh = np.zeros(batch.height, dtype=np.bool_)
        sound = np.setdiff1d(np.arange(batch.height), np.fromiter(faults, dtype=np.int64, count=len(faults)))
        if len(sound):
            found = self._judge(batch, sound)
            fate.note(sound, found)
            fresh[sound[found.fresh]] = True
        if fresh.any():
            done = self._send(self._chunks(parts, fresh))
            fate.stored[done.created] = True
            faults.update(done.faults)
            if done.created:
                self.known.raise_marks(batch.column(ID).gather(sorted(done.created)))
            if done.conflicts:
                self._settle(batch, done.conflicts, fate)
        refused = [Rejected(row, reason) for row, reason in sorted(faults.items())]
        return WriteResult(np.flatnonzero(fate.stored), np.flatnonzero(fate.duplicate), refused)

    def _judge(self, batch: EventBatch, rows: Ints) -> fates.Fates:
        """Which rows are new; contents are only looked at where an event may be known."""
        ids = batch.column(ID).gather(rows)
        parts = pl.select(segments.taken_apart(ids)).unnest("parts")
        sources = parts["source"].unique().to_list()
        marks = self.known.marks(sources)
        mark = parts["source"].replace_strict(list(marks), list(marks.values()), return_dtype=pl.Int64)
        if not (parts["position"] <= mark).any() and ids.n_unique() == len(ids):
            nothing = np.empty(0, dtype=np.int64)
            return fates.Fates(np.arange(len(rows)), nothing, nothing, [])
        whole, _ = segments.gather(batch)
        return fates.judge(whole if len(rows) == batch.height else whole[rows], self.known)

    def _chunks(self, parts: Iterable[tuple[Ints, pl.DataFrame]], fresh: Mask) -> Iterator[Lines]:
        """The fresh rows as lines, in requests of bounded size."""
        waiting: list[Lines] = []
        held = 0
        for rows, frame in sliced(parts):
            keep = fresh[rows]
            if not keep.any():
                continue
            chosen = frame if keep.all() else segments.conform(frame.filter(pl.Series(keep)))[0]
            texts = pl.select(pl.concat_str(
                [pl.lit(self._actions(chosen)), pl.lit(elastic_documents.texts(chosen))], separator="\n"))
            lines = Lines(rows[keep], texts.to_series())
            for piece in cut(lines, self._settings.bulk_bytes):
                size = int(piece.texts.str.len_bytes().sum())
                if waiting and held + size > self._settings.bulk_bytes:
                    yield joined(waiting)
                    waiting, held = [], 0
                waiting.append(piece)
                held += size
        if waiting:
            yield joined(waiting)

    def _actions(self, frame: pl.DataFrame) -> pl.Series:
        """The action line of each row: create this id in this index."""
        received = frame[RECEIVED] if RECEIVED in frame.columns else pl.Series([None] * frame.height, dtype=pl.Datetime)
        datasets = frame[DATASET] if DATASET in frame.columns else pl.Series([None] * frame.height, dtype=pl.String)
        at = received.dt.epoch("us").fill_null(frame[TIME].dt.epoch("us"))
        day = pl.Series("day", at // clock.DAY * clock.DAY).cast(pl.Datetime("us")).dt.strftime("%Y.%m.%d")
        names = {name: series_of(self._settings, self._realm, name) for name in datasets.unique().to_list()}
        series = datasets.replace_strict(list(names), list(names.values()), return_dtype=pl.String)
        action = pl.struct(pl.struct((pl.lit(series) + pl.lit(day)).alias("_index"), pl.lit(frame[ID]).alias("_id"))
                           .alias("create"))
        return pl.select(action.struct.json_encode()).to_series()

    # ------------------------------------------------------------ one request

    def _send(self, chunks: Iterator[Lines]) -> Answered:
        """All requests, one at a time; while the server works on one, the next is made."""
        done = Answered([], [], {})
        with ThreadPoolExecutor(1, "elastic-bulk") as sender:
            sent: Future[Answered] | None = None
            for chunk in chunks:
                if sent is not None:
                    done.add(sent.result())
                sent = sender.submit(self._bulk, chunk)
            if sent is not None:
                done.add(sent.result())
        return done

    def _bulk(self, lines: Lines) -> Answered:
        """Send, and send again what the cluster had no room for."""
        done = Answered([], [], {})
        patience = Patience(self._settings.patience)
        while len(lines.rows):
            body = lines.body()
            try:
                answer = ask(lambda body=body: self._client.bulk(  # type: ignore[misc]  # bound now
                    operations=body, filter_path=ANSWER), patience)
            except ApiError as error:
                if len(lines.rows) == 1:
                    done.faults[int(lines.rows[0])] = f"Elasticsearch: {error.message}"
                    return done
                half = len(lines.rows) // 2  # the request as a whole was refused: find who is to blame
                for some in (slice(0, half), slice(half, None)):
                    done.add(self._bulk(Lines(lines.rows[some], lines.texts[some])))
                return done
            again, why = done.note(lines.rows, [item["create"] for item in answer["items"]])
            if len(again) and not patience.pause():
                raise StoreUnavailable(f"Elasticsearch does not take {len(again)} events: {why}")
            lines = Lines(lines.rows[again], lines.texts.gather(again))
        return done

    def _settle(self, batch: EventBatch, conflicts: list[int], fate: Marked) -> None:
        """Rows whose id was there after all (our own request that timed out, another writer): compare."""
        rows = np.array(sorted(conflicts), dtype=np.int64)
        frame = segments.gather(batch)[0][rows]
        self.known.raise_marks(frame[ID])  # makes each of them a suspect
        found = fates.judge(frame, self.known)
        fate.note(rows, found)
        for row in found.fresh:
            fate.faults[int(rows[row])] = "its id was refused as known, and then not found"


class Marked(NamedTuple):
    """The fates of the rows of a batch so far."""

    stored: Mask
    duplicate: Mask
    faults: dict[int, str]

    def note(self, rows: Ints, found: fates.Fates) -> None:
        """Take over what was found out about some rows."""
        self.stored[rows[found.replayed]] = True
        self.duplicate[rows[found.duplicate]] = True
        self.faults.update((int(rows[row]), reason) for row, reason in found.rejected)


class Answered(NamedTuple):
    """Rows by what became of them in bulk requests."""

    created: list[int]
    conflicts: list[int]
    faults: dict[int, str]

    def note(self, rows: Ints, items: Sequence[dict[str, Any]]) -> tuple[list[int], str]:
        """File each row; returns the places of those to send again, and why the last of them was not taken."""
        statuses = np.fromiter((item["status"] for item in items), dtype=np.int64, count=len(items))
        self.created.extend(rows[statuses == CREATED].tolist())
        again, why = [], ""
        for place in np.flatnonzero(statuses != CREATED).tolist():
            row, item = int(rows[place]), items[place]
            if item["status"] == CONFLICT:
                self.conflicts.append(row)
            elif item["status"] in BUSY or REFUSED.match(f"{item['error']['type']}: {item['error'].get('reason')}"):
                again.append(place)
                why = _reason(item["error"])
            else:
                self.faults[row] = f"Elasticsearch: {_reason(item['error'])}"
        return again, why

    def add(self, other: Answered) -> None:
        self.created.extend(other.created)
        self.conflicts.extend(other.conflicts)
        self.faults.update(other.faults)


def _reason(error: dict[str, Any]) -> str:
    cause = error.get("caused_by", {}).get("reason")
    return f"{error.get('reason', error.get('type'))}" + (f" ({cause})" if cause else "")


def conformed(batch: EventBatch) -> tuple[list[tuple[Ints, pl.DataFrame]], dict[int, str]]:
    """The parts in the schema's types, and row → reason for what cannot be stored at all."""
    parts, faults = [], {}
    for rows, part in batch.parts:
        frame, wrong = segments.conform(part)
        faults.update({int(rows[row]): reason for row, reason in wrong.items()})
        parts.append((rows, frame))
        for name in (TIME, ID):
            if name not in frame.columns:
                faults.update((row, f"no {name}") for row in rows.tolist())
            elif frame[name].null_count():
                faults.update((row, f"no {name}") for row in rows[frame[name].is_null().to_numpy()].tolist())
        if ID in frame.columns:
            size = frame[ID].str.len_bytes()
            wrong_ids = ((size == 0) | (size > LONGEST_ID)).fill_null(False).to_numpy()
            faults.update((row, f"{ID} must have 1 to {LONGEST_ID} bytes") for row in rows[wrong_ids].tolist())
    return parts, faults


def sliced(parts: Iterable[tuple[Ints, pl.DataFrame]]) -> Iterator[tuple[Ints, pl.DataFrame]]:
    """The parts in slices, small enough for one to be made ready while another is sent."""
    for rows, frame in parts:
        for at in range(0, frame.height, ROWS_A_SLICE):
            yield rows[at : at + ROWS_A_SLICE], frame[at : at + ROWS_A_SLICE]


def cut(lines: Lines, size: int) -> Iterator[Lines]:
    """Lines in runs of at most so many bytes (or one line)."""
    ends = lines.texts.str.len_bytes().cum_sum().to_numpy()
    at = 0
    while at < len(lines.rows):
        before = int(ends[at - 1]) if at else 0
        end = max(at + 1, int(np.searchsorted(ends, before + size, side="right")))
        yield Lines(lines.rows[at:end], lines.texts[at:end])
        at = end


def joined(pieces: Sequence[Lines]) -> Lines:
    if len(pieces) == 1:
        return pieces[0]
    return Lines(np.concatenate([piece.rows for piece in pieces]), pl.concat([piece.texts for piece in pieces]))
