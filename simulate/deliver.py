"""Where simulated lines go: files by source, syslog over TCP or UDP, HTTP, Kafka, or nowhere (to measure)."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import numpy as np
import polars as pl

from simulate import templates
from simulate.attacks import Strike
from simulate.block import Array
from simulate.run import Marked
from simulate.streams import Streams

BROKEN = "\ufffd".encode()  # stands for bytes that are no UTF-8, and is sent as such
INVALID = b"\xff\xfe\xff"
BUFFER = 64 << 20
HTTP_LINES = 5000


class Delivery(Protocol):
    """`send` takes a block; `close` says what was done and where, for --json."""

    def send(self, block: Marked) -> None: ...
    def close(self, strikes: Sequence[Strike]) -> dict[str, str]: ...


def joined(text: pl.Series) -> tuple[bytearray, Array]:
    """All lines as one bytes object, each with its newline; and where each begins (one more entry than lines).

    Broken characters become bytes that no decoder accepts, as they would arrive.
    """
    lines = pl.DataFrame({"t": text}).select(pl.concat_str("t", pl.lit("\n"))).to_series()
    held = lines.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = held.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[held.offset : held.offset + len(held) + 1]
    whole = bytearray(memoryview(data)[int(ends[0]) : int(ends[-1])])
    ends = ends - ends[0]
    for row in text.str.contains(BROKEN.decode(), literal=True).arg_true().to_list():
        at = whole.find(BROKEN, ends[row])
        whole[at : at + len(BROKEN)] = INVALID  # of equal length, so that the places stay
    return whole, ends


class Nowhere:
    """Renders to bytes and drops them."""

    def __init__(self) -> None:
        self.bytes = 0

    def send(self, block: Marked) -> None:
        self.bytes += len(joined(block.lines.text)[0])

    def close(self, strikes: Sequence[Strike]) -> dict[str, str]:
        return {}


class Files:
    """OUT/lines/ZONE/KIND[/HOST].log by source, OUT/sources.json saying what each is, OUT/truth.jsonl kept apart."""

    def __init__(self, out: Path, streams: Streams) -> None:
        if out.exists() and any(out.iterdir()):
            raise ValueError(f"{out} is not empty: simulated lines go to a folder of their own")
        self._out, self._streams = out, streams
        self._held: dict[int, list[bytearray]] = {}
        self._size = 0
        self._count = np.zeros(len(streams.sources), dtype=np.int64)
        self._places: dict[int, list[int]] = {}
        out.mkdir(parents=True, exist_ok=True)

    def path(self, source: str) -> Path:
        return self._out / "lines" / f"{source}.log"

    def send(self, block: Marked) -> None:
        source = self._streams.source[block.lines.stream]
        order = np.argsort(source, kind="stable")
        ordered = source[order]
        data, ends = joined(block.lines.text.gather(order))
        cuts = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(ordered)]
        marks = block.strike[order]
        for low, high in itertools.pairwise(cuts):
            if low < high:
                place = int(ordered[low])
                self._held.setdefault(place, []).append(data[ends[low] : ends[high]])
                for row in (np.flatnonzero(marks[low:high] >= 0)).tolist():
                    self._places.setdefault(int(marks[low + row]), []).append(int(self._count[place]) + row + 1)
                self._count[place] += high - low
        self._size += len(data)
        if self._size > BUFFER:
            self._flush()

    def _flush(self) -> None:
        for place, pieces in self._held.items():
            path = self.path(self._streams.sources[place])
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.writelines(pieces)
        self._held.clear()
        self._size = 0

    def close(self, strikes: Sequence[Strike]) -> dict[str, str]:
        self._flush()
        known = {stream.source: stream for stream in self._streams.listed}
        described = [
            {"file": str(self.path(name).relative_to(self._out)), "source": name, "zone": known[name].zone,
             "peer": known[name].peer, "format": templates.kind(known[name].kind).document.format, "lines": int(count)}
            for name, count in zip(self._streams.sources, self._count, strict=True) if count
        ]
        (self._out / "sources.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        with (self._out / "truth.jsonl").open("w", encoding="utf-8") as file:
            for n, strike in enumerate(strikes):
                where = {"file": str(self.path(strike.truth.source).relative_to(self._out)),
                         "line_numbers": self._places.get(n, [])}
                file.write(json.dumps(strike.truth.row() | where, ensure_ascii=False) + "\n")
        return {"folder": str(self._out / "lines"), "sources": str(self._out / "sources.json"),
                "truth": str(self._out / "truth.jsonl")}


class Syslog:
    """Lines as they are to a syslog door: one a datagram over UDP, newline framing over TCP."""

    def __init__(self, host: str, port: int, udp: bool) -> None:
        self._udp = udp
        kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.connect((host, port))

    def send(self, block: Marked) -> None:
        data = joined(block.lines.text)[0]
        if not self._udp:
            self._socket.sendall(data)
            return
        for line in data.split(b"\n")[:-1]:
            self._socket.send(line[:65000])

    def close(self, strikes: Sequence[Strike]) -> dict[str, str]:
        self._socket.close()
        return {}


class Http:
    """Lines in bodies of some thousands to an HTTP door, with a bearer token; stops on the first refusal."""

    def __init__(self, url: str, token: str) -> None:
        import httpx

        self._url = url
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"} if token else {}, timeout=60)

    def send(self, block: Marked) -> None:
        lines = joined(block.lines.text)[0].split(b"\n")[:-1]
        for body in batched(lines, HTTP_LINES):
            answer = self._client.post(self._url, content=b"\n".join(body) + b"\n",
                                       headers={"Content-Type": "text/plain; charset=utf-8"})
            if answer.status_code >= 300:
                raise ValueError(f"{self._url} answered {answer.status_code}: {answer.text[:200]}")

    def close(self, strikes: Sequence[Strike]) -> dict[str, str]:
        self._client.close()
        return {}


class Kafka:
    """Lines to a topic, the source as key; needs the extra `kafka`."""

    def __init__(self, servers: str, topic: str, streams: Streams) -> None:
        try:
            from confluent_kafka import Producer
        except ImportError:
            raise ValueError("kafka:// needs the package confluent-kafka "
                             "(SOC_LOCK=deploy/requirements.lock ./soc doctor installs it)") from None
        self._producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "enable.idempotence": True})
        self._topic, self._streams = topic, streams

    def send(self, block: Marked) -> None:
        lines = joined(block.lines.text)[0].split(b"\n")[:-1]
        for line, source in zip(lines, self._streams.source[block.lines.stream].tolist(), strict=True):
            while True:
                try:
                    self._producer.produce(self._topic, bytes(line), key=self._streams.sources[source])
                    break
                except BufferError:  # the client's queue is full: let it send
                    self._producer.poll(0.1)
        self._producer.flush(60)

    def close(self, strikes: Sequence[Strike]) -> dict[str, str]:
        if left := self._producer.flush(60):
            raise ValueError(f"{left} lines could not be delivered to Kafka within 60 s")
        return {}


def to(target: str, token: str, streams: Streams) -> Delivery:
    """A delivery from an address: tcp://H:P, udp://H:P (syslog), http(s)://…, kafka://H:P/TOPIC."""
    url = urlsplit(target)
    if url.scheme in ("tcp", "udp") and url.hostname and url.port:
        return Syslog(url.hostname, url.port, url.scheme == "udp")
    if url.scheme in ("http", "https"):
        return Http(target, token)
    if url.scheme == "kafka" and url.netloc and url.path.strip("/"):
        return Kafka(url.netloc, url.path.strip("/"), streams)
    raise ValueError(f"cannot send to {target!r}: give tcp://host:port, udp://host:port, http://… or kafka://host:port/topic")


def batched(lines: Sequence[bytearray], count: int) -> Iterator[Sequence[bytearray]]:
    for at in range(0, len(lines), count):
        yield lines[at : at + count]
