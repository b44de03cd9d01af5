"""TCP connections served by one event loop in a thread of its own, over TLS where a context is given."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from pathlib import Path

from collectors.sources._doors import listen
from collectors.sources._inbox import plain

log = logging.getLogger(__name__)
PIECE = 1 << 18
CONNECTIONS = 10_000  # or half of the files that we may open: the journal needs some too
HANDSHAKE = 10.0  # seconds
PAUSE = 0.3  # seconds after stop() in which what is on its way still arrives
DRAIN = 5.0  # seconds that connections get to finish after stop()


def context(certificate: Path, key: Path, clients: Path | None = None) -> ssl.SSLContext:
    """A server's side of TLS 1.2 and 1.3; with `clients` (a CA file) only peers with its certificates get in.

    Raises OSError or ValueError with one sentence.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.num_tickets = 0  # senders never read: a ticket left unread would make their close a reset
    for path in filter(None, (certificate, key, clients)):
        with path.open("rb"):
            pass  # the library's own errors do not name the file
    try:
        made.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise ValueError(f"{certificate} and {key} are no certificate and its key: {error.reason}") from None
    if clients is not None:
        try:
            made.load_verify_locations(clients)
        except ssl.SSLError as error:
            raise ValueError(f"{clients} holds no CA certificate: {error.reason}") from None
        made.verify_mode = ssl.CERT_REQUIRED
    return made


class Reader(asyncio.StreamReader):
    """A reader that gives what had come before the peer reset the connection."""

    def set_exception(self, exc: BaseException) -> None:
        self.feed_eof()


class Link:
    """One connection: its streams, the peer's address, and the subject of the peer's certificate, if it showed one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        address = writer.get_extra_info("peername")
        self.peer = plain(address[0]) if address else ""
        self.subject = subject(writer.get_extra_info("peercert"))

    async def read(self) -> bytes:
        """The next bytes; empty at the end, however it came."""
        return await self.reader.read(PIECE)


class Streams(ABC):
    """A TCP port. What a connection says is for `serve`, which is called once for each, in the loop's thread."""

    def __init__(self, what: str, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._door = listen(socket.SOCK_STREAM, host, port, what)
        self.port: int = self._door.getsockname()[1]
        self.refused = 0
        self._tls = tls
        self._most = min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._links: dict[asyncio.Task[None], Link] = {}
        self._opened = self._begun = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=what, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @abstractmethod
    async def serve(self, link: Link) -> None:
        """Read until the peer or stop() ends it."""

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()

    async def _main(self) -> None:
        def protocol() -> asyncio.StreamReaderProtocol:
            self._opened += 1
            reader = Reader(limit=PIECE, loop=self._loop)
            return asyncio.StreamReaderProtocol(reader, self._connected)

        server = await self._loop.create_server(
            protocol, sock=self._door, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE if self._tls else None,
        )
        await self._stop.wait()
        server.close()
        await asyncio.sleep(PAUSE)
        for link in self._links.values():
            transport = link.writer.transport
            if isinstance(transport, asyncio.Transport) and not link.reader.at_eof() and not transport.is_closing():
                transport.pause_reading()
                link.reader.feed_eof()
        if self._links:
            _, late = await asyncio.wait(list(self._links), timeout=DRAIN)
            for task in late:
                task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._begun += 1
        task = asyncio.current_task()
        if task is None or len(self._links) >= self._most:
            self.refused += 1
            writer.close()
            return
        link = self._links[task] = Link(reader, writer)
        try:
            await self.serve(link)
        except asyncio.CancelledError:
            log.warning("%s: the connection of %s did not end in time", self._thread.name, link.peer)
        finally:
            del self._links[task]
            writer.close()

    @property
    def connections(self) -> dict[str, int]:
        """Counts of connections; those whose handshake failed (or still runs) are `handshakes`."""
        return {"connections": len(self._links), "refused": self.refused, "handshakes": self._opened - self._begun}

    def stop(self) -> None:
        """Take no more connections, and end those there are once what was under way has arrived."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        self.stop()
        self._thread.join(PAUSE + DRAIN + 1)
        self._door.close()


def subject(certificate: object) -> str:
    """The subject of a certificate as `CN=fw1,O=City`; empty without one."""
    if not isinstance(certificate, dict):
        return ""
    short = {"commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C",
             "localityName": "L", "stateOrProvinceName": "ST"}
    parts = [f"{short.get(name, name)}={value}" for level in certificate.get("subject", ()) for name, value in level]
    return ",".join(reversed(parts))
