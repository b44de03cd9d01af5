"""Syslog over UDP (RFC 5426): one datagram, one record. UDP promises nothing; what the kernel dropped is counted."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collectors.sources._doors import listen
from collectors.sources._inbox import Inbox, Value, alike, plain
from soc_core.models import REAL
from soc_core.protocols import Raws

BUFFER = 32 << 20  # of the kernel; less where it allows less
LARGEST = 65536
SO_RCVBUFFORCE = 33  # Linux, not in the socket module
BURST = 512  # datagrams between two handings over


class SyslogUdp:
    """A UDP port. Source ids are `syslog-udp:<port>/<peer>`; records have no position."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, zone: str = "city",
                 timezone: str = "Asia/Shanghai", realm: str = REAL, value: Value = alike) -> None:
        self._socket = listen(socket.SOCK_DGRAM, host, port, "syslog UDP")
        self.port: int = self._socket.getsockname()[1]
        self._grow()
        self._inode = os.fstat(self._socket.fileno()).st_ino
        self._inbox = Inbox(f"syslog-udp:{port or self.port}", zone, timezone, realm, value)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="syslog-udp", daemon=True)
        self._thread.start()

    def _grow(self) -> None:
        for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF):  # the first needs a privilege
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
                return
            except OSError:
                continue

    def _run(self) -> None:
        while True:
            ready = select.select([self._socket], [], [], 0.0 if self._stopping else 0.2)[0]
            if ready:
                self._burst()
            elif self._stopping:
                return

    def _burst(self) -> None:
        """Read what is there, gathered by peer."""
        found: dict[str, list[bytes]] = {}
        try:
            for _ in range(BURST):
                data, (peer, *_rest) = self._socket.recvfrom(LARGEST)
                if data := _unterminated(data):
                    found.setdefault(peer, []).append(data)
        except BlockingIOError:
            pass
        for peer, lines in found.items():
            self._inbox.put(plain(peer), lines)

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        return self._inbox.take(), None

    def ack(self, position: Any) -> None:
        """UDP has nobody to tell."""

    def stop(self) -> None:
        """Read what the kernel still holds, then no more."""
        self._stopping = True

    def drained(self) -> bool:
        return not self._thread.is_alive() and self._inbox.empty

    def counters(self) -> dict[str, int]:
        return {"received": self._inbox.received, "shed": self._inbox.shed, "kernel_drops": self.drops()}

    def drops(self) -> int:
        """Datagrams that the kernel dropped on this socket."""
        for table in ("/proc/net/udp", "/proc/net/udp6"):
            try:
                rows = Path(table).read_text().splitlines()[1:]
            except OSError:
                continue
            for row in rows:
                columns = row.split()
                if columns[9] == str(self._inode):
                    return int(columns[-1])
        return 0

    def close(self) -> None:
        self._stopping = True
        self._thread.join(5)
        self._socket.close()


def _unterminated(data: bytes) -> bytes:
    """Without the line end or NUL that some senders add."""
    data = data.removesuffix(b"\0").removesuffix(b"\n")
    return data.removesuffix(b"\r")
