"""RELP, the reliable protocol of rsyslog: every message is answered, and here only once the journal holds it.

    action(type="omrelp" target="…" port="2514")

A frame is `TXNR COMMAND LENGTH[ DATA]` and a line feed. https://www.rsyslog.com/doc/relp.html
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from collectors.sources._inbox import CAPACITY
from collectors.sources._streams import DRAIN, Link, Streams, log
from collectors.sources.syslog_tcp import LIMIT, TOO_LONG
from soc_core import clock
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

FRAME = 16 << 20  # bytes of one frame's data; a longer one ends the connection
HELD = 256 << 20  # bytes of unfinished frames, all connections together
HEADER = re.compile(rb"([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})[ \n]")
OFFERS = b"200 OK\nrelp_version=0\nrelp_software=soc\ncommands=syslog"


class Frame(NamedTuple):
    number: int
    command: bytes
    data: bytes


class Frames:
    """One connection's bytes as frames. Raises ValueError where they are none."""

    def __init__(self) -> None:
        self.held = 0
        self._parts: list[bytes] = []
        self._need = 0

    def feed(self, data: bytes) -> list[Frame]:
        self._parts.append(data)
        self.held += len(data)
        if self.held < self._need:
            return []
        text, at = b"".join(self._parts), 0
        frames: list[Frame] = []
        self._need = 0
        while at < len(text):
            head = HEADER.match(text, at)
            if head is None:
                if len(text) - at > 64 or not re.fullmatch(rb"[0-9]*( [A-Za-z]*( [0-9]*)?)?", text[at:]):
                    raise ValueError(f"no RELP frame: {text[at : at + 40]!r}")
                break
            length = int(head[3])
            start = head.end() if length else head.end() - (text[head.end() - 1] == 10)
            if length > FRAME:
                raise ValueError(f"a RELP frame of {length} bytes")
            if len(text) <= start + length:
                self._need = start + length + 1 - at
                break
            if text[start + length] != 10 or (length and text[start - 1] == 10):
                raise ValueError("a RELP frame that is longer than it says")
            frames.append(Frame(int(head[1]), head[2], text[start : start + length]))
            at = start + length + 1
        self._parts, self.held = [text[at:]], len(text) - at
        return frames


class Talk:
    """One connection: who it is, and how many of its messages wait for the journal."""

    def __init__(self, link: Link, origin: Origin) -> None:
        self.link, self.origin, self.opened, self.waiting = link, origin, False, 0

    def respond(self, number: int, data: bytes) -> bytes:
        return b"%d rsp %d %s\n" % (number, len(data), data) if data else b"%d rsp 0\n" % number

    def write(self, data: bytes) -> None:
        if not self.link.writer.is_closing():
            self.link.writer.write(data)


class Waiting(NamedTuple):
    """Messages of one connection on their way into the journal, with their numbers."""

    talk: Talk
    lines: list[bytes]
    numbers: list[int]


class RelpSource(Streams):
    """A RELP port, over TLS where a context is given. Source ids are `relp:<port>/` and subject or address.

    Records have no position: a message that is sent again after a broken connection is a second record.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None, *,
                 zone: str = "city", timezone: str = "Asia/Shanghai", realm: str = REAL) -> None:
        super().__init__("RELP", host, port, tls)
        self._name = f"relp:{port or self.port}"
        self._fixed = {"format": "syslog", "zone": zone, "timezone": timezone, "realm": realm}
        self._lock = threading.Lock()
        self._queue: list[Waiting] = []
        self._size = self._held = self._received = 0
        self.start()

    async def serve(self, link: Link) -> None:
        frames = Frames()
        origin = Origin(source=f"{self._name}/{link.subject or link.peer}", peer=link.peer, **self._fixed)
        talk = Talk(link, origin)
        closing: int | None = None
        try:
            while closing is None and (data := await link.read()):
                before = frames.held
                closing = self._take(talk, frames.feed(data))
                self._held += frames.held - before
                if self._held > HELD and frames.held > LIMIT:
                    raise ValueError("too much of unfinished frames")
                while self._size > CAPACITY:
                    await asyncio.sleep(0.01)
        except ValueError as error:
            self.refused += 1
            log.warning("RELP: %s sent %s; the connection is ended", link.peer, error)
        self._held -= frames.held
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN - 1):
                while talk.waiting and not link.writer.is_closing():
                    await asyncio.sleep(0.005)
        talk.write((talk.respond(closing, b"") if closing is not None else b"") + b"0 serverclose 0\n")

    def _take(self, talk: Talk, frames: Sequence[Frame]) -> int | None:
        """Act on frames; the number of the peer's close where there is one."""
        lines: list[bytes] = []
        numbers: list[int] = []
        closing = None
        for number, command, data in frames:
            if command == b"syslog" and talk.opened:
                numbers.append(number)
                if line := data.removesuffix(b"\n"):
                    lines.append(line)
            elif command == b"open":
                talk.opened = True
                talk.write(talk.respond(number, OFFERS))
            elif command == b"close":
                closing = number
                break
            else:
                talk.write(talk.respond(number, b"500 not understood here"))
        if numbers:
            talk.waiting += len(numbers)
            with self._lock:
                self._size += sum(map(len, lines))
                self._queue.append(Waiting(talk, lines, numbers))
        return closing

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        with self._lock:
            taken, self._queue = self._queue, []
        if not any(waiting.lines for waiting in taken):  # empty messages are no records
            self.ack(taken)
            return [], None
        return [_raws(waiting) for waiting in taken if waiting.lines], taken

    def ack(self, position: Any) -> None:
        """Answer the messages that the journal now holds."""
        for waiting in position or ():
            with self._lock:
                self._size -= sum(map(len, waiting.lines))
            self._received += len(waiting.lines)
            with suppress(RuntimeError):  # the loop has ended, and with it everybody who waited
                self._loop.call_soon_threadsafe(_answer, waiting)

    def drained(self) -> bool:
        return self.ended() and not self._queue

    def counters(self) -> dict[str, int]:
        return {"received": self._received, "waiting_bytes": self._size, **self.connections}


def _raws(waiting: Waiting) -> Raws:
    damaged = {index: TOO_LONG for index, line in enumerate(waiting.lines) if len(line) > LIMIT}
    return Raws(waiting.talk.origin, waiting.lines, clock.now(), None, damaged)


def _answer(waiting: Waiting) -> None:
    talk = waiting.talk
    talk.waiting -= len(waiting.numbers)
    talk.write(b"".join([talk.respond(number, b"200 OK") for number in waiting.numbers]))
