"""Where HTTP requests of every dialect come in: who sends, how much there is room for, and when it is durable.

A sender may have so many times the room that is left, by its value: the less is left, the less may anybody have, so
whoever sends most is told first to come again, the least valued before others, and there is room for the quiet ones.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re
import threading
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from collectors.sources._content import SAMPLE, is_document
from collectors.sources._framing import LINE_LIMIT, TOO_LONG, Elements, Framer, Lines, Records, joined
from collectors.sources._inbox import PEERS, Value, alike, plain
from soc_core import clock
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

BODY = 16 << 20  # bytes of a request as sent
EXPANDED = 64 << 20  # and after decompression
QUEUE = 64 << 20  # bytes of accepted requests that wait for the journal; above it, 429
TIMES = 4  # the room that is left a sender of no value may have; as many more for each step of value
PATIENCE = 30.0  # seconds a request waits for the journal before it is told to come again
ODD = re.compile(r"[^\w.@+-]")

Detect = Callable[[Sequence[bytes]], str]


class Trouble(Exception):
    """An answer other than 200: its status, one sentence, and seconds to wait where that helps."""

    def __init__(self, status: int, sentence: str, wait: int = 0) -> None:
        super().__init__(sentence)
        self.status, self.wait = status, wait

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.wait)} if self.wait else {}


class Taken(NamedTuple):
    """What a request held, and what it is answered once that is durable."""

    raws: Sequence[Raws]
    answer: Response


class Waiting(NamedTuple):
    """A request whose records are on their way into the journal."""

    raws: Sequence[Raws]
    peer: str
    size: int
    done: asyncio.Future[None]


class Desk:
    """Tokens by name, the queue to the journal, and the counts of one HTTP port."""

    def __init__(self, tokens: Mapping[str, str], detect: Detect, zone: str, timezone: str, realm: str = REAL,
                 value: Value = alike) -> None:
        if not tokens or not all(tokens.values()):
            raise ValueError("HTTP ingest needs at least one token")
        self.detect = detect
        self.received = self.shed = self.refused = 0
        self.size = 0  # of what is read or queued, until it is acknowledged
        self._value, self._held = value, dict[str, int]()  # of that size, by peer
        self._tokens = dict(tokens)
        self._fixed = {"zone": zone, "timezone": timezone, "realm": realm}
        self._lock = threading.Lock()
        self._queue: list[Waiting] = []
        self._names: set[str] = set()

    # ------------------------------------------------------------ one request

    def who(self, request: Request, schemes: Collection[str] = ("bearer",)) -> str:
        """The name of the token, by any of the schemes (lower case). Raises Trouble 401.

        `Basic` and the encoded form of `ApiKey` carry it behind a colon. Every token is compared, in constant time.
        """
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        given = given.strip()
        offers = [given.encode("latin-1", "replace")]
        if kind.lower() in ("basic", "apikey"):
            with suppress(binascii.Error, ValueError):
                offers.append(base64.b64decode(given, validate=True).partition(b":")[2])
        found = ""
        for name, token in self._tokens.items():
            for offer in offers:
                if hmac.compare_digest(token.encode(), offer):
                    found = name
        if kind.lower() not in schemes or not found:
            self.refused += 1
            raise Trouble(401, "a valid bearer token is needed (Authorization: Bearer …)")
        return found

    async def take(self, request: Request, make: Callable[[bytes], Taken]) -> Response:
        """The answer that `make` has for the body, given when the journal holds its records. Raises Trouble."""
        reserved, peer = 0, peer_of(request)
        try:
            reserved = self._reserve(request, peer)
            body = await _body(request)
            encoding = request.headers.get("content-encoding", "")
            raws, answer = await asyncio.to_thread(lambda: make(decoded(body, encoding)))
            if not raws:
                return answer
            done = asyncio.get_running_loop().create_future()
            with self._lock:
                self._hold(peer, len(body) - reserved)
                self._queue.append(Waiting(raws, peer, len(body), done))
            reserved = 0  # given back when the journal has it
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(done)
            return answer
        except TimeoutError:
            self.refused += 1
            raise Trouble(503, "the journal cannot be written at present; send it again later", 5) from None
        except ClientDisconnect:
            self.refused += 1
            raise Trouble(400, "the request ended early") from None
        except Trouble as trouble:
            self.refused += trouble.status != 429
            raise
        finally:
            with self._lock:
                self._hold(peer, -reserved)

    def _hold(self, peer: str, size: int) -> None:
        """So much more, or less, is this sender's."""
        self.size += size
        self._held[peer] = self._held.get(peer, 0) + size
        if not self._held[peer]:
            del self._held[peer]

    def _reserve(self, request: Request, peer: str) -> int:
        """Room for the request; what is shed here was never acknowledged."""
        length = request.headers.get("content-length", "")
        size = int(length) if length.isdigit() else BODY // 16
        if size > BODY:
            raise Trouble(413, f"a request may hold {BODY >> 20} MiB at most; send several")
        with self._lock:
            left, most = QUEUE - self.size, TIMES * (1 + self._value(peer))
            if size > left or self._held.get(peer, 0) + size > most * left:
                self.shed += 1
                raise Trouble(429, "more arrives than can be written; send it again later", 1)
            self._hold(peer, size)
        return size

    def origin(self, request: Request, source: str, format: str, series: str = "") -> Origin:
        return Origin(source=source, format=format, peer=peer_of(request), series=series, **self._fixed)

    def source(self, name: str, part: str) -> str:
        """The source id of what a token's holder calls `part` (an index, a host); their number is bounded."""
        found = f"http:{name}" + (f"/{ODD.sub('_', part)[:128]}" if part else "")
        with self._lock:
            if len(self._names) >= PEERS and found not in self._names:
                return f"http:{name}/other"
            self._names.add(found)
        return found

    # ------------------------------------------------------------ to the journal

    @property
    def full(self) -> bool:
        return self.size >= QUEUE

    @property
    def empty(self) -> bool:
        return not self._queue

    def next_batch(self) -> list[Waiting]:
        with self._lock:
            taken, self._queue = self._queue, []
        return taken

    def ack(self, taken: Sequence[Waiting]) -> None:
        """Let the requests be answered whose records the journal now holds."""
        for waiting in taken:
            with self._lock:
                self.received += sum(len(raws.lines) for raws in waiting.raws)
                self._hold(waiting.peer, -waiting.size)
            with suppress(RuntimeError):  # the loop has ended, and with it everybody who waited
                waiting.done.get_loop().call_soon_threadsafe(_finish, waiting.done)


def peer_of(request: Request) -> str:
    """The address that a request came from."""
    return plain(request.client.host) if request.client else ""


def raws_of(origin: Origin, lines: Sequence[bytes]) -> Raws:
    """Records received now, those over the limit marked."""
    damaged = {index: TOO_LONG for index, line in enumerate(lines) if len(line) > LINE_LIMIT}
    return Raws(origin, lines, clock.now(), None, damaged)


def framed(data: bytes) -> Records:
    """Lines, or the elements of a JSON document."""
    framer: Framer = Elements() if is_document(data[:SAMPLE]) else Lines()
    return joined(framer.feed(data), framer.finish())


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


async def _body(request: Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > BODY:
            raise Trouble(413, f"a request may hold {BODY >> 20} MiB at most; send several")
        pieces.append(piece)
    return b"".join(pieces)


def decoded(body: bytes, encoding: str) -> bytes:
    """The body decompressed, never to more than EXPANDED bytes."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Trouble(400, f"Content-Encoding {encoding[:20]!r} is not understood; gzip is")
    pieces, left, rest = [], EXPANDED, body
    while rest:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            pieces.append(unpacker.decompress(rest, left + 1))
        except zlib.error as error:
            raise Trouble(400, f"the gzip data is damaged: {error}") from None
        left -= len(pieces[-1])
        if left < 0:
            raise Trouble(413, f"a request may expand to {EXPANDED >> 20} MiB at most; send several")
        if not unpacker.eof:
            raise Trouble(400, "the gzip data ends early")
        rest = unpacker.unused_data
    return b"".join(pieces)
