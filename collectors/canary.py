"""Sends a marked record through each of the collector's own doors, every few minutes (soc_core/canaries.py).

It goes in as a stranger's would: over the network, by the door's own protocol. What is fetched rather than sent
(files, queues, databases) has no door, and its silence is told by its habit alone.
"""

from __future__ import annotations

import http.client
import logging
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from soc_core import canaries, clock
from soc_core.state.canaries import Canary

log = logging.getLogger(__name__)
PATIENCE = 10.0  # seconds that a door may take
FIRST = 120.0  # seconds after the start


class Door(NamedTuple):
    """One door: kind is syslog-udp, syslog-tcp, syslog-tls, relp, relp-tls or http; `token` is the HTTP door's."""

    kind: str
    host: str
    port: int
    token: str = ""


def send(door: Door, line: bytes) -> None:
    """One record through a door. Raises OSError when the door does not take it."""
    if door.kind == "http":
        return _post(door, line)
    stream = socket.SOCK_DGRAM if door.kind == "syslog-udp" else socket.SOCK_STREAM
    family, _, _, _, place = socket.getaddrinfo(door.host, door.port, type=stream)[0]
    with socket.socket(family, stream) as link:
        link.settimeout(PATIENCE)
        if place[0] == "127.0.0.1":
            link.bind(("127.0.0.2", 0))  # not as a relay on this host would: its silence must not be covered up
        link.connect(place)
        if not door.kind.endswith("-tls"):
            return _speak(door, link, line)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # our own door, and a record that is no secret
        with context.wrap_socket(link) as safe:
            _speak(door, safe, line)


def _speak(door: Door, link: socket.socket, line: bytes) -> None:
    if door.kind == "syslog-udp":
        link.send(line)
    elif door.kind.startswith("syslog"):
        link.sendall(line + b"\n")
    else:
        _ask(link, b"1 open", b"relp_version=0\nrelp_software=citysoc\ncommands=syslog")
        _ask(link, b"2 syslog", line)
        link.sendall(b"3 close 0\n")


def _ask(link: socket.socket, head: bytes, data: bytes) -> None:
    """One RELP frame, and its answer."""
    link.sendall(b"%s %d %s\n" % (head, len(data), data))
    answer = link.recv(4096)
    if b" rsp " not in answer or b" 200" not in answer:
        raise OSError(f"RELP answered {answer[:80]!r}")


def _post(door: Door, line: bytes) -> None:
    link = http.client.HTTPConnection(door.host, door.port, timeout=PATIENCE)
    try:
        link.request("POST", "/ingest?source=canary&format=syslog", line + b"\n",
                     {"Authorization": f"Bearer {door.token}"})
        answer = link.getresponse()
        answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"HTTP: {type(error).__name__}") from None
    finally:
        link.close()
    if answer.status != 200:
        raise OSError(f"HTTP answered {answer.status}")


class Sender:
    """A thread that sends one canary a door and period, and tells what it sent.

    `tell` may raise OSError: the database's absence costs this round its record, not the thread its life.
    """

    def __init__(self, doors: Mapping[str, Door], key: bytes, every: float, tell: Callable[[list[Canary]], None],
                 first: float = FIRST) -> None:
        self._doors, self._key, self._every, self._tell, self._first = doors, key, every, tell, first
        self.collector = socket.gethostname()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="canaries", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        pause = self._first
        while not self._ended.wait(pause):
            pause = self._every
            try:
                self._tell(self.round())
            except OSError as error:
                log.warning("canaries could not be written down: %s", error)

    def round(self) -> list[Canary]:
        """One record through each door."""
        sent = []
        for name, door in self._doors.items():
            at, token, wrong = clock.now(), secrets.token_hex(12), ""
            try:
                send(door, canaries.line(self._key, token, at))
            except OSError as error:
                wrong = str(error)[:200] or type(error).__name__
            sent.append(Canary(token, self.collector, name, at, int(self._every * clock.SECOND), wrong))
        return sent

    def close(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(2 * PATIENCE)
