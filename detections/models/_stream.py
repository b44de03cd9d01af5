"""What learned detectors share in the stream: facts of a row for a finding, a limit per entity, judging of texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import polars as pl

from detections.models import _text
from soc_core.clock import HOUR, Micros
from soc_core.events import EventBatch, distinct
from soc_core.models import REAL, Finding
from soc_core.protocols import Ints

CACHED = 65_536


class Limit:
    """At most `most` findings of one key in one `span` of event time; remembers the latest `size` keys."""

    def __init__(self, most: int, span: Micros = HOUR, size: int = 20_000) -> None:
        self.most, self.span, self.size = most, span, size
        self._seen: OrderedDict[str, list[int]] = OrderedDict()

    def allows(self, key: str, at: Micros) -> bool:
        """Whether one more may be told; counts it."""
        window = at // self.span
        known = self._seen.pop(key, None) or [window, 0]
        if window > known[0]:  # a late record counts to the window that is open
            known = [window, 0]
        known[1] += 1
        self._seen[key] = known
        if len(self._seen) > self.size:
            self._seen.popitem(last=False)
        return known[1] <= self.most

    def dump(self) -> list[tuple[str, list[int]]]:
        return list(self._seen.items())

    def load(self, pairs: Sequence[Any]) -> None:
        self._seen = OrderedDict((key, list(value)) for key, value in pairs)


class Facts(NamedTuple):
    """What a finding takes from its event."""

    event_id: str
    at: Micros
    organisation: str
    system: str
    realm: str
    partition: int
    offset: int


def facts(batch: EventBatch, rows: Ints) -> list[Facts]:
    """Facts of some rows, in their order."""

    def texts(name: str, missing: str = "") -> list[str]:
        return [missing if value is None else str(value) for value in batch.column(name).gather(rows).to_list()]

    def numbers(name: str) -> list[int]:
        return batch.column(name).gather(rows).cast(pl.Int64).fill_null(0).to_list()

    return [
        Facts(*row)
        for row in zip(texts("event.id"), numbers("@timestamp"), texts("organization.id"), texts("soc.system.id"),
                       texts("soc.realm", REAL), numbers("soc.partition"), numbers("soc.offset"), strict=True)
    ]


class TextDetector(ABC):
    """Scores the texts of one column and adds risk to who sent them. Subclasses name the column and the words.

    State is the limit alone: scores are a pure function of the text, so no cut into batches can change a finding.
    """

    rule_id = ""
    title = ""
    techniques: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()  # the first that the event has is read
    who = ("source.ip", "host.name")  # the first that the event has carries the risk
    risk = 15
    per_hour = 3

    def __init__(self, parameters: _text.Parameters) -> None:
        self.parameters = parameters
        self.threshold = float(parameters["threshold"][0])
        self.limit = Limit(self.per_hour)
        self._known: dict[str, tuple[float, str]] = {}

    @abstractmethod
    def pieces(self, value: str) -> list[str]:
        """The texts to score in one value of the column."""

    @abstractmethod
    def words(self, piece: str, score: float) -> str:
        """Why, for people."""

    def detect(self, batch: EventBatch) -> list[Finding]:
        present = [batch.column(name) for name in self.fields if name in batch.fields]
        if not present:
            return []
        column = present[0]
        for other in present[1:]:
            column = column.fill_null(other)
        codes, values = distinct(column)
        scores = self._judge([str(value) for value in values])
        hot = np.array([score >= self.threshold for score, _ in scores], dtype=bool)
        rows = np.flatnonzero((codes >= 0) & hot[codes]) if len(hot) else np.empty(0, np.int64)
        if not len(rows):
            return []
        owners = self._owners(batch, rows)
        found = []
        for row, fact, owner in zip(rows.tolist(), facts(batch, rows), owners, strict=True):
            score, piece = scores[codes[row]]
            if self.limit.allows("/".join((fact.realm, fact.organisation, *owner)), fact.at):
                found.append(self._finding(fact, owner, piece, score))
        return found

    def _owners(self, batch: EventBatch, rows: Ints) -> list[tuple[str, str]]:
        columns = [(name, batch.column(name).gather(rows).to_list()) for name in self.who]
        return [
            next(((name, str(column[at])) for name, column in columns if column[at]), ("", ""))
            for at in range(len(rows))
        ]

    def _finding(self, fact: Facts, owner: tuple[str, str], piece: str, score: float) -> Finding:
        who = (owner,) if owner[0] else ()
        return Finding(
            self.rule_id, fact.event_id, fact.at, "low", self.title, group=who, entities=who,
            techniques=self.techniques, organisation=fact.organisation, system=fact.system, realm=fact.realm,
            partition=fact.partition, offset=fact.offset, risk=self.risk, explanation=self.words(piece, score),
            building_block=True,
        )

    def _judge(self, values: list[str]) -> list[tuple[float, str]]:
        """(highest score, the piece that has it) of each value."""
        if len(self._known) > CACHED:
            self._known.clear()
        fresh = [value for value in values if value not in self._known]
        split = [self.pieces(value) for value in fresh]
        flat = [piece for pieces in split for piece in pieces]
        scores = iter(_text.score(self.parameters, flat).tolist())
        for value, pieces in zip(fresh, split, strict=True):
            judged = [(next(scores), piece) for piece in pieces]
            self._known[value] = max(judged, key=lambda pair: pair[0], default=(0.0, ""))
        return [self._known[value] for value in values]

    def tick(self, now: Micros) -> list[Finding]:
        return []

    def snapshot(self) -> bytes:
        return orjson.dumps(self.limit.dump())

    def restore(self, state: bytes) -> None:
        self.limit.load(orjson.loads(state))
