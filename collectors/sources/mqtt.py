"""Messages of an MQTT broker (3.1.1), from cameras, sensors and gateways; each is acknowledged once it is durable.

The session is persistent: what is published while nobody listens waits in the broker, up to the broker's own limits.
Subscribed at QoS 1; a message published at QoS 0 has no acknowledgement to wait for. A message delivered again after
a broken connection may be a second record. https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from collectors.sources._framing import LINE_LIMIT, TOO_LONG
from collectors.sources._inbox import CAPACITY, PEERS
from soc_core import clock
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

log = logging.getLogger(__name__)
PORTS = {"mqtt": 1883, "mqtts": 8883}
ODD = re.compile(r"[^\w.@+/-]")
KEEPALIVE = 30
RETRY = (1, 60)  # seconds between attempts to connect: first, at most


class Message(NamedTuple):
    """One message on its way into the journal; its number means something within one life of the session."""

    topic: str
    payload: bytes
    number: int
    qos: int
    life: int


class MqttSource:
    """One subscription. Source ids are `mqtt:<name>/<topic>`; records have no position.

    `url` is mqtt://host[:port] or mqtts://; over TLS the broker's certificate is checked, by `authority` (a CA file)
    where given. A broker that is away is tried again for ever. Raises ValueError for a URL that is none.
    """

    def __init__(
        self, url: str, topics: Sequence[str], name: str = "", *, client: str = "citysoc", user: str = "",
        password: str = "", authority: Path | None = None, format: str = "", zone: str = "city",
        timezone: str = "Asia/Shanghai", realm: str = REAL, retry: tuple[int, int] = RETRY,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a broker: mqtt://host:1883 or mqtts://host:8883")
        self.name = f"mqtt:{name or parts.hostname}"
        self.received = self.reconnects = 0
        self.connected = False
        self._fixed = {"format": format, "zone": zone, "timezone": timezone, "realm": realm}
        self._topics = [(topic, 1) for topic in topics]
        self._room = threading.Condition()
        self._queue: list[Message] = []
        self._size = self._life = 0
        self._under_way: dict[int, bytes] = {}  # message number → payload, of what waits for its acknowledgement
        self._names: set[str] = set()
        self._ending = False
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client, clean_session=False, manual_ack=True)
        if user:
            self._client.username_pw_set(user, password)
        if parts.scheme == "mqtts":
            self._client.tls_set(str(authority) if authority else None)
        self._client.on_connect, self._client.on_disconnect = self._connect, self._disconnect
        self._client.on_message = self._message
        self._client.reconnect_delay_set(*retry)
        self._client.connect_async(parts.hostname, parts.port or PORTS[parts.scheme], KEEPALIVE)
        self._client.loop_start()

    # ------------------------------------------------------------ in the client's thread

    def _connect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            log.warning("%s: the broker refuses us: %s", self.name, reason)
            return
        if not flags.session_present:  # the broker numbers anew: an acknowledgement due would meet another message
            with self._room:
                self._life += 1
                self._under_way.clear()
        self.connected = True
        client.subscribe(self._topics)

    def _disconnect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self.connected and not self._ending:
            log.warning("%s: the connection has ended: %s; trying again", self.name, reason)
            self.reconnects += 1
        self.connected = False

    def _message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "unreadable"
        payload = bytes(message.payload)
        with self._room:
            if self._ending and message.qos:
                return  # the broker keeps it for the next time
            if message.qos and message.dup and self._under_way.get(message.mid) == payload:
                return  # delivered again while the first is still on its way: that one's acknowledgement serves both
            while self._size > CAPACITY and not self._ending:
                self._room.wait(0.5)  # the broker waits with us
            if message.qos:
                self._under_way[message.mid] = payload
            self._queue.append(Message(topic, payload, message.mid, message.qos, self._life))
            self._size += len(payload)

    # ------------------------------------------------------------ the protocol

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        with self._room:
            taken, self._queue = self._queue, []
        boxes: dict[str, list[bytes]] = {}
        for message in taken:
            if message.payload:
                boxes.setdefault(message.topic, []).append(message.payload)
        if not boxes:  # empty messages are no records
            self.ack(taken)
            return [], None
        now = clock.now()
        return [self._raws(topic, lines, now) for topic, lines in boxes.items()], taken

    def _raws(self, topic: str, lines: list[bytes], now: clock.Micros) -> Raws:
        name = ODD.sub("_", topic)[:128]
        if len(self._names) >= PEERS and name not in self._names:
            name = "other"
        self._names.add(name)
        damaged = {index: TOO_LONG for index, line in enumerate(lines) if len(line) > LINE_LIMIT}
        return Raws(Origin(source=f"{self.name}/{name}", **self._fixed), lines, now, None, damaged)

    def ack(self, position: Any) -> None:
        """PUBACK for what the journal now holds, also over a newer connection of the same session."""
        for message in position or ():
            with self._room:
                self._size -= len(message.payload)
                current = message.qos and message.life == self._life
                if current:
                    self._under_way.pop(message.number, None)
                self._room.notify()
            if current:
                self._client.ack(message.number, message.qos)
            self.received += bool(message.payload)

    def stop(self) -> None:
        """Take no more; what is not acknowledged the broker keeps."""
        self._ending = True

    def drained(self) -> bool:
        return not self._queue

    def counters(self) -> dict[str, int]:
        return {"received": self.received, "connected": int(self.connected), "reconnects": self.reconnects,
                "waiting_bytes": self._size}

    def close(self) -> None:
        self._ending = True
        if self._client.disconnect() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            log.info("%s was not connected", self.name)
        self._client.loop_stop()
