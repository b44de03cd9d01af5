"""Syslog over TLS (RFC 5425): octet counting, and lines too, as many senders know nothing else. Mutual where asked for.

https://www.rfc-editor.org/rfc/rfc5425
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

from collectors.sources._inbox import Inbox
from collectors.sources._streams import Link, Streams
from collectors.sources.syslog_tcp import HELD, Framing
from soc_core.models import REAL
from soc_core.protocols import Raws


class SyslogTls(Streams):
    """A TLS port. Source ids are `syslog-tls:<port>/` and the subject of the peer's certificate, else its address.

    Records have no position. When the journal falls behind, reading stops and the senders' windows close.
    """

    def __init__(self, tls: ssl.SSLContext, host: str = "127.0.0.1", port: int = 0, *, zone: str = "city",
                 timezone: str = "Asia/Shanghai", realm: str = REAL) -> None:
        super().__init__("syslog TLS", host, port, tls)
        self._inbox = Inbox(f"syslog-tls:{port or self.port}", zone, timezone, realm)
        self._held = 0
        self.start()

    async def serve(self, link: Link) -> None:
        framing = Framing()
        while data := await link.read():
            before = framing.held
            self._inbox.put(link.peer, *framing.feed(data), link.subject)
            self._held += framing.held - before
            if self._held > HELD and framing.held:
                self._held -= framing.held
                self._inbox.put(link.peer, *framing.cut(), link.subject)
            while not self._inbox.open.is_set():
                await asyncio.sleep(0.01)
        self._held -= framing.held
        self._inbox.put(link.peer, *framing.finish(), link.subject)

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        return self._inbox.take(), None

    def ack(self, position: Any) -> None:
        """Syslog has no way to tell the sender."""

    def drained(self) -> bool:
        return self.ended() and self._inbox.empty

    def counters(self) -> dict[str, int]:
        return {"received": self._inbox.received, **self.connections}
