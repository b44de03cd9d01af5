"""Syslog over TCP (RFC 6587): octet counting and lines, told apart connection by connection."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from collectors.sources._doors import listen
from collectors.sources._inbox import Inbox, plain
from soc_core.models import REAL
from soc_core.protocols import Raws

PIECE = 1 << 18
LIMIT = 1 << 20  # bytes of one message
DIGITS = 9
CONNECTIONS = 10_000  # or half of the files that we may open: the journal needs some too
HELD = 256 << 20  # bytes of unfinished messages, all connections together
DRAIN = 3.0  # seconds that senders get to pause after stop()
TOO_LONG = "message over 1 MiB, in pieces"
UNCOUNTED = "no octet count where one was due"
ENDED = "connection ended within a message"


class Framing:
    """One connection's bytes as messages, each given as (messages, damaged: index → reason).

    What has not ended is at most LIMIT bytes, and is looked at again only when it may have.
    """

    def __init__(self) -> None:
        self.held = 0  # bytes of a message that has not ended
        self._parts: list[bytes] = []
        self._rest = b""
        self._counted: bool | None = None
        self._need = 0  # bytes to have before a counted message is whole
        self._left = 0  # bytes of an oversized counted message still to come
        self._why = ""  # what is wrong with the line that comes next

    def feed(self, data: bytes) -> tuple[list[bytes], dict[int, str]]:
        self._parts.append(data)
        self.held += len(data)
        if self._counted and self.held < self._need:
            return [], {}
        if self._counted is False and self.held <= LIMIT and b"\n" not in data:
            return [], {}
        self._join()
        if self._counted is None:
            self._counted = self._guess()
        found: tuple[list[bytes], dict[int, str]] = ([], {})
        if self._counted is not None:
            found = self._by_count() if self._counted else self._by_line()
        self._keep()
        return found

    def _join(self) -> None:
        self._rest, self._parts = b"".join(self._parts), []

    def _keep(self) -> None:
        self._parts, self.held, self._rest = [self._rest], len(self._rest), b""

    def cut(self) -> tuple[list[bytes], dict[int, str]]:
        """Give up what is held although it has not ended; what follows of it comes as damaged too."""
        self._join()
        piece, self._rest = self._rest, b""
        if self._counted:
            count, _, piece = piece.partition(b" ")
            self._left = int(count) - len(piece)
        else:
            self._counted, self._why = False, TOO_LONG
        self._need = 0
        self._keep()
        return ([piece], {0: TOO_LONG}) if piece else ([], {})

    def finish(self) -> tuple[list[bytes], dict[int, str]]:
        """What is left when the connection ends."""
        self._join()
        line, self._rest = self._rest.removesuffix(b"\r"), b""
        self._keep()
        if self._counted and (line or self._left):
            return [line], {0: ENDED}
        return ([line], {0: self._why} if self._why else {}) if line else ([], {})

    def _guess(self) -> bool | None:
        """Counted when it begins with a number, a blank and a priority; None until that can be told."""
        head = self._rest[: DIGITS + 2]
        digits = len(head) - len(head.lstrip(b"0123456789"))
        if not digits or head[:1] == b"0" or digits > DIGITS:
            return False
        after = head[digits : digits + 2]
        return after == b" <" if len(after) == 2 or not b" <".startswith(after) else None

    def _by_line(self) -> tuple[list[bytes], dict[int, str]]:
        *lines, self._rest = self._rest.split(b"\n")
        damaged: dict[int, str] = {}
        if self._why and lines:
            damaged[0], self._why = self._why, ""
        if len(self._rest) > LIMIT:
            damaged[len(lines)] = TOO_LONG
            lines.append(self._rest)
            self._rest, self._why = b"", TOO_LONG
        for index, line in enumerate(lines):
            if len(line) > LIMIT:
                damaged[index] = TOO_LONG
            if line.endswith(b"\r"):
                lines[index] = line[:-1]
        if b"" in lines:
            kept = [index for index, line in enumerate(lines) if line]
            damaged = {at: damaged[index] for at, index in enumerate(kept) if index in damaged}
            lines = [lines[index] for index in kept]
        return lines, damaged

    def _by_count(self) -> tuple[list[bytes], dict[int, str]]:
        data, at = self._rest, 0
        self._need = 0
        messages: list[bytes] = []
        damaged: dict[int, str] = {}
        while at < len(data):
            if self._left:  # the rest of an oversized message
                piece = data[at : at + self._left]
                self._left -= len(piece)
                at += len(piece)
                damaged[len(messages)] = TOO_LONG
                messages.append(piece)
                continue
            blank = data.find(b" ", at, at + DIGITS + 1)
            count = data[at:blank] if blank > at else b""
            if not count.isdigit():
                if blank < 0 and len(data) - at <= DIGITS and data[at:].isdigit():
                    break  # the number is not whole yet
                return self._uncounted(data[at:], messages, damaged)
            end = blank + 1 + int(count)
            if end > len(data):
                if int(count) <= LIMIT:
                    self._need = end - at
                    break
                at, self._left = blank + 1, int(count)
                continue
            if int(count) > LIMIT:
                damaged[len(messages)] = TOO_LONG
            if message := data[blank + 1 : end].removesuffix(b"\n"):
                messages.append(message)
            at = end
        self._rest = data[at:]
        return messages, damaged

    def _uncounted(
        self, rest: bytes, messages: list[bytes], damaged: dict[int, str]
    ) -> tuple[list[bytes], dict[int, str]]:
        """A sender that lost count: from here on its lines are taken, the first one as damaged."""
        self._counted, self._rest, self._why = False, rest.lstrip(b"\n"), UNCOUNTED
        lines, marks = self._by_line()
        return messages + lines, damaged | {index + len(messages): why for index, why in marks.items()}


class SyslogTcp:
    """A TCP port for many connections. Source ids are `syslog-tcp:<port>/<peer>`; records have no position.

    When the journal falls behind, reading stops and the senders' windows close: nothing is dropped here.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, zone: str = "city",
                 timezone: str = "Asia/Shanghai", realm: str = REAL) -> None:
        self._door = listen(socket.SOCK_STREAM, host, port, "syslog TCP")
        self.port: int = self._door.getsockname()[1]
        self._inbox = Inbox(f"syslog-tcp:{port or self.port}", zone, timezone, realm)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._door, selectors.EVENT_READ)
        self._open: dict[socket.socket, tuple[str, Framing]] = {}
        self._most = min(CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._refused = self._held = 0
        self._stopping, self._until = False, 0.0
        self._thread = threading.Thread(target=self._run, name="syslog-tcp", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            if not self._inbox.open.wait(0.2):
                continue
            ready = self._selector.select(0.0 if self._stopping else 0.2)
            for key, _ in ready:
                if key.fileobj is self._door:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)
            if self._stopping and (not ready or time.monotonic() > self._until):
                for connection in list(self._open):
                    self._end(connection)
                return

    def _accept(self) -> None:
        try:
            while True:
                connection, (peer, *_rest) = self._door.accept()
                if len(self._open) >= self._most:
                    self._refused += 1
                    connection.close()
                    continue
                connection.setblocking(False)
                self._open[connection] = (plain(peer), Framing())
                self._selector.register(connection, selectors.EVENT_READ)
        except BlockingIOError:
            return
        except OSError:  # no file handle left, or the peer is gone already
            self._refused += 1
            time.sleep(0.05)

    def _read(self, connection: socket.socket) -> None:
        peer, framing = self._open[connection]
        try:
            data = connection.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:  # reset by the peer
            data = b""
        if data:
            before = framing.held
            self._inbox.put(peer, *framing.feed(data))
            self._held += framing.held - before
            if self._held > HELD and framing.held:
                self._held -= framing.held
                self._inbox.put(peer, *framing.cut())
        else:
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        peer, framing = self._open.pop(connection)
        self._held -= framing.held
        self._inbox.put(peer, *framing.finish())
        self._selector.unregister(connection)
        connection.close()

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        return self._inbox.take(), None

    def ack(self, position: Any) -> None:
        """Plain TCP syslog has no way to tell the sender."""

    def stop(self) -> None:
        """Take what has arrived, then close every connection."""
        self._until = time.monotonic() + DRAIN
        self._stopping = True

    def drained(self) -> bool:
        return not self._thread.is_alive() and self._inbox.empty

    def counters(self) -> dict[str, int]:
        return {"received": self._inbox.received, "connections": len(self._open), "refused": self._refused}

    def close(self) -> None:
        self._stopping = True
        self._thread.join(5)
        self._selector.close()
        self._door.close()
