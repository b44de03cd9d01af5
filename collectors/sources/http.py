"""Logs over HTTP: `POST /ingest` with lines, NDJSON or a JSON array, acknowledged once the journal holds them.

    curl -H "Authorization: Bearer $(cat data/secrets/ingest_token)" --data-binary @auth.log \
         "http://127.0.0.1:8514/ingest?source=gateway&format=syslog"

200 {"accepted": n}, else one sentence: {"error": …} with 400 (what was sent), 401 (token), 413 (too large), 429 (too
much at once; Retry-After), 503 (the journal cannot be written). With an `Idempotency-Key` header the records are
numbered under that key, so that a request which is sent again is stored once.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from collectors.sources._content import SAMPLE, is_document
from collectors.sources._doors import listen
from collectors.sources._framing import Elements, Framer, Lines, Records, joined
from collectors.sources._inbox import plain
from soc_core import clock, registry
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

BODY = 16 << 20  # bytes of a request as sent
EXPANDED = 64 << 20  # and after decompression
QUEUE = 64 << 20  # bytes of accepted requests that wait for the journal; above it, 429
PATIENCE = 30.0  # seconds a request waits for the journal before it is told to come again
SAMPLE_LINES = 200
NAME = re.compile(r"[\w.@:+/-]{1,128}")
KEY = re.compile(r"[!-~]{1,200}")


class Trouble(Exception):
    """An answer other than 200: its status, one sentence, and seconds to wait where that helps."""

    def __init__(self, status: int, sentence: str, wait: int = 0) -> None:
        super().__init__(sentence)
        self.status, self.wait = status, wait


class Waiting(NamedTuple):
    """A request whose records are on their way into the journal."""

    raws: Raws
    size: int
    done: asyncio.Future[None]


class HttpSource:
    """An HTTP port. Source ids are `http:<token's name>`, with `/<?source=>` and `:<Idempotency-Key>` where given.

    `tokens` are bearer tokens by name; `detect` names the format of a sample of lines.
    """

    def __init__(self, tokens: Mapping[str, str], detect: Callable[[Sequence[bytes]], str], host: str = "127.0.0.1",
                 port: int = 0, *, zone: str = "city", timezone: str = "Asia/Shanghai", realm: str = REAL) -> None:
        if not tokens or not all(tokens.values()):
            raise ValueError("HTTP ingest needs at least one token")
        self._socket = listen(socket.SOCK_STREAM, host, port, "HTTP ingest")
        self.port: int = self._socket.getsockname()[1]
        self.received = self.shed = self.refused = 0
        self._tokens, self._detect = dict(tokens), detect
        self._fixed = {"zone": zone, "timezone": timezone, "realm": realm}
        self._lock = threading.Lock()
        self._queue: list[Waiting] = []
        self._size = 0  # of what is read or queued, until it is acknowledged
        app = Starlette(routes=[Route("/ingest", self._ingest, methods=["POST"])],
                        exception_handlers={404: _no_such, 405: _no_such})
        self._server = uvicorn.Server(uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", proxy_headers=False,
            server_header=False, timeout_graceful_shutdown=10,
        ))
        self._thread = threading.Thread(target=self._run, name="http-ingest", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    # ------------------------------------------------------------ one request

    async def _ingest(self, request: Request) -> JSONResponse:
        reserved = 0
        try:
            name = self._who(request)
            reserved = self._reserve(request)
            body = await _body(request)
            raws = await asyncio.to_thread(self._records, request, name, body)
            done = asyncio.get_running_loop().create_future()
            with self._lock:
                self._size += len(body) - reserved
                self._queue.append(Waiting(raws, len(body), done))
            reserved = 0  # given back when the journal has it
            async with asyncio.timeout(PATIENCE):
                await asyncio.shield(done)
            return JSONResponse({"accepted": len(raws.lines)})
        except TimeoutError:
            return _answer(Trouble(503, "the journal cannot be written at present; send it again later", 5))
        except ClientDisconnect:
            return _answer(Trouble(400, "the request ended early"))
        except Trouble as trouble:
            self.refused += trouble.status != 429
            return _answer(trouble)
        finally:
            with self._lock:
                self._size -= reserved

    def _who(self, request: Request) -> str:
        """The name of the bearer token. Every token is compared, each in constant time."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        found = ""
        for name, token in self._tokens.items():
            if hmac.compare_digest(token.encode(), given.strip().encode("latin-1", "replace")):
                found = name
        if kind.lower() != "bearer" or not found:
            raise Trouble(401, "a valid bearer token is needed (Authorization: Bearer …)")
        return found

    def _reserve(self, request: Request) -> int:
        """Room for the request; what is shed here was never acknowledged."""
        length = request.headers.get("content-length", "")
        size = int(length) if length.isdigit() else BODY // 16
        if size > BODY:
            raise Trouble(413, f"a request may hold {BODY >> 20} MiB at most; send several")
        with self._lock:
            if self._size + size > QUEUE:
                self.shed += 1
                raise Trouble(429, "more arrives than can be written; send it again later", 1)
            self._size += size
        return size

    def _records(self, request: Request, name: str, body: bytes) -> Raws:
        source, key = request.query_params.get("source", ""), request.headers.get("idempotency-key", "")
        format_ = request.query_params.get("format", "")
        if source and not NAME.fullmatch(source):
            raise Trouble(400, "source may hold letters, digits and . @ : + / - _, 128 at most")
        if key and not KEY.fullmatch(key):
            raise Trouble(400, "Idempotency-Key may hold 200 visible ASCII characters at most")
        if format_ and format_ not in registry.names("collectors.formats"):
            raise Trouble(400, f"no format named {format_[:40]!r}; leave it out to have it found by content")
        found = _framed(_plain(body, request.headers.get("content-encoding", "")))
        if not found.lines:
            raise Trouble(400, "the body holds no records")
        origin = Origin(
            source=f"http:{name}" + (f"/{source}" if source else "") + (f":{key}" if key else ""),
            format=format_ or self._detect(found.lines[:SAMPLE_LINES]),
            peer=plain(request.client.host) if request.client else "", **self._fixed,
        )
        positions = np.arange(len(found.lines), dtype=np.int64) if key else None
        return Raws(origin, found.lines, clock.now(), positions, found.damaged)

    # ------------------------------------------------------------ the protocol

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        with self._lock:
            taken, self._queue = self._queue, []
        return [waiting.raws for waiting in taken], taken or None

    def ack(self, position: Any) -> None:
        """Answer the requests whose records the journal now holds."""
        for waiting in position or ():
            self.received += len(waiting.raws.lines)
            with self._lock:
                self._size -= waiting.size
            with suppress(RuntimeError):  # the loop has ended, and with it everybody who waited
                waiting.done.get_loop().call_soon_threadsafe(_finish, waiting.done)

    def stop(self) -> None:
        """Take no more connections; requests that are under way are still answered."""
        self._server.should_exit = True

    def drained(self) -> bool:
        return not self._thread.is_alive() and not self._queue

    def counters(self) -> dict[str, int]:
        return {"received": self.received, "shed": self.shed, "refused": self.refused, "waiting_bytes": self._size}

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(1)
        self._server.force_exit = True
        self._thread.join(5)
        self._socket.close()

    def ready(self, patience: float = 10.0) -> bool:
        """Wait until requests are answered."""
        until = time.monotonic() + patience
        while not self._server.started and time.monotonic() < until:
            time.sleep(0.01)
        return bool(self._server.started)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _answer(trouble: Trouble) -> JSONResponse:
    headers = {"Retry-After": str(trouble.wait)} if trouble.wait else {}
    if trouble.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": str(trouble)}, trouble.status, headers)


async def _no_such(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": "only POST /ingest is served here"}, getattr(error, "status_code", 404))


async def _body(request: Request) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > BODY:
            raise Trouble(413, f"a request may hold {BODY >> 20} MiB at most; send several")
        pieces.append(piece)
    return b"".join(pieces)


def _plain(body: bytes, encoding: str) -> bytes:
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


def _framed(data: bytes) -> Records:
    framer: Framer = Elements() if is_document(data[:SAMPLE]) else Lines()
    return joined(framer.feed(data), framer.finish())
