"""Rows of a database table that grows, asked for again and again from where the last answer ended.

    url: postgresql+psycopg://reader@10.1.2.3/bastion
    query: SELECT id, at, account, command FROM audit WHERE id > :watermark ORDER BY id
    watermark: id

The watermark is a column that only grows: a number that is never used twice, or a time (`kind: time`; give the order
within one second a second column, `ORDER BY at, id`, and leave the last seconds out where writers may be late). The
source's position is made of it, so the journal's tail is all that is to be remembered. Nothing is ever written there.
"""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
import orjson
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from collectors.sources._framing import LINE_LIMIT, TOO_LONG
from collectors.sources.files import Detect
from soc_core import clock
from soc_core.identity import POSITION_LIMIT
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

log = logging.getLogger(__name__)
ROWS = 5000  # of one batch
EVERY = 10.0
SAMPLE_LINES = 200
EPOCH = datetime(2010, 1, 1)  # where times begin, naive as UTC
A_SECOND = 1 << 18  # rows that one second may hold: 30 bits of seconds and 18 of these make a position

Kind = Literal["number", "time"]


class Unusable(ValueError):
    """An answer that cannot be taken: one sentence."""


class DatabaseSource:
    """One query. The source id is `database:<name>`; positions come from the watermark column.

    A row is one record: a JSON object of its columns, or the text of column `line` where that is named. `tail` is the
    journal's. A database that is away is asked again later. Raises ValueError for a URL or query that is none.
    """

    def __init__(
        self, name: str, url: str, query: str, watermark: str, tail: Callable[[str], int], detect: Detect, *,
        kind: Kind = "number", line: str = "", every: float = EVERY, password: str = "", format: str = "",
        zone: str = "city", timezone: str = "Asia/Shanghai", realm: str = REAL,
    ) -> None:
        if ":watermark" not in query:
            raise ValueError(f"database {name}: the query must hold :watermark")
        self.source = f"database:{name}"
        self.received = self.failures = 0
        self._engine = _engine(name, url, password)
        self._query, self._column, self._line, self._kind = text(query), watermark, line, kind
        self._every, self._detect, self._tail = every, detect, tail
        self._origin = {"source": self.source, "zone": zone, "timezone": timezone, "realm": realm}
        self._format = format
        self._next = 0.0
        self._stopping = False

    # ------------------------------------------------------------ the protocol

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        if self._stopping or time.monotonic() < self._next:
            return [], None
        self._next = time.monotonic() + self._every
        try:
            with self._engine.connect().execution_options(stream_results=True) as connection:
                lines, places = self._take(connection)
        except (SQLAlchemyError, Unusable) as error:
            self._complain(error)
            return [], None
        if not lines:
            return [], None
        if len(lines) == ROWS:  # there may be more: ask at once, in a transaction as short as this one
            self._next = 0.0
        damaged = {index: TOO_LONG for index, line in enumerate(lines) if len(line) > LINE_LIMIT}
        origin = Origin(**self._origin, format=self._format or self._detect(lines[:SAMPLE_LINES]))
        return [Raws(origin, lines, clock.now(), np.array(places, dtype=np.int64), damaged)], len(lines)

    def ack(self, position: Any) -> None:
        """The journal's tail is what is remembered."""
        self.received += position

    def stop(self) -> None:
        """Ask no more."""
        self._stopping = True

    def drained(self) -> bool:
        return True

    def counters(self) -> dict[str, int]:
        return {"received": self.received, "failures": self.failures}

    def close(self) -> None:
        self._engine.dispose()

    # ------------------------------------------------------------ one answer

    def _complain(self, error: Exception) -> None:
        self.failures += 1
        log.warning("%s: %s; asking again in %g s", self.source, _sentence(error), self._every)

    def _take(self, connection: Connection) -> tuple[list[bytes], list[int]]:
        """Up to ROWS rows beyond the journal's tail, and their positions. Raises Unusable, SQLAlchemyError."""
        last = self._tail(self.source)
        answer = connection.execute(self._query, {"watermark": self._since(last)})
        for wanted in filter(None, (self._column, self._line)):
            if wanted not in answer.keys():  # noqa: SIM118 - not a mapping
                raise Unusable(f"the query gives no column {wanted!r}")
        lines: list[bytes] = []
        places: list[int] = []
        number = self._number if self._kind == "number" else Seconds(self._column).number
        before = last if self._kind == "number" else -1
        for row in answer.mappings():
            try:
                place = number(row[self._column])
                if place <= before:
                    raise Unusable(f"{self._column} is {row[self._column]} where more is due: order by it, each once")
            except Unusable as error:
                if not lines:
                    raise
                self._complain(error)
                break  # those before it are fine
            before = place
            if place > last:  # else of the last second, and in the journal already
                places.append(place)
                lines.append(_text(row[self._line]) if self._line else _json(row))
                if len(lines) == ROWS:
                    break
        answer.close()
        return lines, places

    def _since(self, last: int) -> Any:
        """What :watermark stands for: below it nothing is wanted any more."""
        if self._kind == "number":
            return last
        # The whole last second once more, as its rows are numbered from its beginning.
        since = EPOCH + timedelta(seconds=max(last, 0) // A_SECOND) - timedelta(microseconds=1)
        return str(since) if self._engine.dialect.name == "sqlite" else since

    def _number(self, value: Any) -> int:
        if not isinstance(value, int | Decimal) or value != int(value) or not 0 <= value < POSITION_LIMIT:
            raise Unusable(f"{self._column} holds {value!r}, which is no whole number below 2^48")
        return int(value)


class Seconds:
    """Positions of rows that come in the order of a time: its second, and the row's number within that."""

    def __init__(self, column: str) -> None:
        self._column, self._second, self._n = column, -1, 0

    def number(self, value: Any) -> int:
        second = (_naive(value, self._column) - EPOCH) // timedelta(seconds=1)
        self._n = self._n + 1 if second == self._second else 0
        self._second = second
        if self._n >= A_SECOND or not 0 <= second < POSITION_LIMIT // A_SECOND:
            raise Unusable(f"{self._column} holds {value}, more often than can be told apart or before 2010")
        return second * A_SECOND + self._n


def _engine(name: str, url: str, password: str) -> Engine:
    try:
        made = make_url(url)
        if password:
            made = made.set(password=password)
        if made.get_backend_name() == "sqlite":
            place = f"file:{quote(made.database or '')}?mode=ro"  # else it would make the file that is not there
            return create_engine(made, poolclass=NullPool,
                                 creator=lambda: sqlite3.connect(place, uri=True, check_same_thread=False))
        options: dict[str, Any] = {}
        if made.get_backend_name() == "postgresql":
            options = {"options": "-c default_transaction_read_only=on -c timezone=UTC", "connect_timeout": 10}
        return create_engine(made, connect_args=options, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise ValueError(f"database {name}: the driver {error.name} is not installed") from None
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ValueError(f"database {name}: {_sentence(error)}") from None


def _naive(value: Any, column: str) -> datetime:
    """A time as UTC without a zone; one that comes without stays as it is."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Unusable(f"{column} holds {value[:40]!r}, which is no time") from None
    if not isinstance(value, datetime):
        raise Unusable(f"{column} holds {value!r}, which is no time")
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _json(row: Any) -> bytes:
    try:
        return orjson.dumps(dict(row), default=_plain)
    except TypeError:  # an integer over 64 bits
        return json.dumps(dict(row), default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return value.isoformat() if isinstance(value, date) else str(value)


def _text(value: Any) -> bytes:
    if value is None:
        return b""
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode("utf-8", "replace")


def _sentence(error: Exception) -> str:
    """The first line of what a driver says, without the statement."""
    return " ".join(str(getattr(error, "orig", None) or error).split("\n")[0].split())[:300]
