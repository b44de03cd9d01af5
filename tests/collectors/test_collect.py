"""Collector: one fsync for all, acknowledgement after it, patience with the disk, and nothing lost on the way out."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors import collect
from collectors.collect import Collector
from collectors.sources.http import HttpSource
from collectors.sources.syslog_tcp import SyslogTcp
from collectors.sources.syslog_udp import SyslogUdp
from collectors.sources.tail import TailSource
from soc_core.journal.files import FileJournal
from soc_core.models import DEMO, REAL
from soc_core.protocols import Offset, Origin, Raws
from tests.soc_core.journal.suite import lines_of


class Feed:
    """A source that gives `total` records one at a time and remembers what was acknowledged."""

    def __init__(self, name: str, total: int = 0, realm: str = REAL, broken: bool = False) -> None:
        self.name, self.total, self.realm, self.broken = name, total, realm, broken
        self.given = self.acked = 0
        self.closed = False

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        if self.broken:
            raise RuntimeError("broken source")
        if self.given >= self.total:
            return [], None
        self.given += 1
        return [Raws(Origin(source=self.name, realm=self.realm), [b"%d" % self.given], 1)], self.given

    def ack(self, position: Any) -> None:
        self.acked = position

    def close(self) -> None:
        self.closed = True


class Watched:
    """A journal that counts appends and can refuse them."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal
        self.sizes: list[int] = []
        self.full = False

    def append(self, raws: Sequence[Raws]) -> list[Offset]:
        if self.full:
            raise OSError(errno.ENOSPC, "the journal cannot be written: No space left on device")
        self.sizes.append(len(raws))
        return self._journal.append(raws)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Watched]:
    made = FileJournal(tmp_path / "journal", partitions=2)
    yield Watched(made)
    made.close()


def wait(what: Callable[[], bool], patience: float = 10.0) -> None:
    until = time.monotonic() + patience
    while not what() and time.monotonic() < until:
        time.sleep(0.005)
    assert what()


def test_many_sources_share_an_append_and_are_acknowledged_after_it(journal: Watched) -> None:
    feeds = {f"s{n}": Feed(f"s{n}", 20) for n in range(8)}
    collector = Collector(journal, feeds)
    collector.start()
    wait(lambda: all(feed.acked == 20 for feed in feeds.values()))
    collector.stop()
    for name, feed in feeds.items():
        assert lines_of(journal, name) == [b"%d" % n for n in range(1, 21)]
        assert feed.closed
    assert sum(journal.sizes) == 160
    assert len(journal.sizes) < 100
    assert collector.failure is None


def test_nothing_is_acknowledged_while_the_disk_is_full(journal: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "RETRY", (0.01, 0.05))
    feed, journal.full = Feed("s", 5), True
    collector = Collector(journal, {"s": feed})
    collector.start()
    wait(lambda: "No space left" in collector.counts()["stalled"])
    time.sleep(0.05)
    assert (feed.given, feed.acked) == (1, 0)
    journal.full = False
    wait(lambda: feed.acked == 5)
    assert collector.counts()["stalled"] == ""
    collector.stop()
    assert lines_of(journal, "s") == [b"1", b"2", b"3", b"4", b"5"]


def test_a_stop_on_a_full_disk_ends(journal: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "RETRY", (0.01, 0.05))
    feed, journal.full = Feed("s", 5), True
    collector = Collector(journal, {"s": feed})
    collector.start()
    wait(lambda: bool(collector.counts()["stalled"]))
    collector.stop()
    assert feed.acked == 0


def test_a_broken_source_ends_the_collector_loudly(journal: Watched) -> None:
    good, bad = Feed("good", 3), Feed("bad", broken=True)
    collector = Collector(journal, {"good": good, "bad": bad})
    collector.start()
    assert collector.ended.wait(5)
    collector.stop()
    assert str(collector.failure) == "broken source"
    assert bad.closed
    assert lines_of(journal, "good") == [b"1", b"2", b"3"]


def test_the_demonstration_ends_with_the_first_real_record(journal: Watched) -> None:
    real, demo, told = Feed("real"), Feed("demo", 1_000_000, realm=DEMO), threading.Event()
    collector = Collector(journal, {"real": real}, {"demo": demo}, on_real=told.set)
    collector.start()
    wait(lambda: demo.acked > 3)
    assert not told.is_set()
    real.total = 1
    assert told.wait(5)
    wait(lambda: demo.closed)
    given = demo.given
    collector.stop()
    assert demo.given == given < 1_000_000
    counts = collector.counts()
    assert counts["sources"]["real"]["committed"] == 1
    assert counts["sources"]["demo"]["committed"] == given
    assert (counts["running"], counts["stalled"]) == (False, "")


def test_how_it_stands_is_told_now_and_then_and_at_the_end(journal: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "TELL", 0.0)
    told: list[dict[str, Any]] = []

    def away(counts: dict[str, Any]) -> None:
        told.append(counts)
        raise OSError("the state database is away")

    feed = Feed("some", 5)
    collector = Collector(journal, {"some": feed}, on_counts=away)
    collector.start()
    wait(lambda: len(told) > 1 and feed.acked == 5)
    collector.stop()
    assert (told[0]["running"], told[-1]["running"]) == (True, False)
    assert told[-1]["sources"]["some"]["committed"] == 5


def test_all_doors_at_once_and_a_clean_stop(journal: Watched, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    udp, tcp = SyslogUdp(), SyslogTcp()
    http = HttpSource({"default": "secret"}, lambda sample: "text")
    tail = TailSource(log, journal.tail, tmp_path / "tails", lambda sample: "text")
    collector = Collector(journal, {"udp": udp, "tcp": tcp, "http": http, "tail": tail})
    collector.start()
    assert http.ready()
    with socket.create_connection(("127.0.0.1", tcp.port)) as peer, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for n in range(500):
            peer.sendall(b"<13>tcp %d\n" % n)
            datagrams.sendto(b"<13>udp %d" % n, ("127.0.0.1", udp.port))
        log.write_text("".join(f"tail {n}\n" for n in range(500)))
        answer = httpx.post(
            f"http://127.0.0.1:{http.port}/ingest", content=b"\n".join(b"http %d" % n for n in range(500)),
            headers={"Authorization": "Bearer secret"},
        )
        assert answer.json() == {"accepted": 500}
        wait(lambda: tail.received == 500)
    collector.stop()
    assert lines_of(journal, f"syslog-tcp:{tcp.port}/127.0.0.1") == [b"<13>tcp %d" % n for n in range(500)]
    assert lines_of(journal, f"syslog-udp:{udp.port}/127.0.0.1") == [b"<13>udp %d" % n for n in range(500)]
    assert lines_of(journal, "http:default") == [b"http %d" % n for n in range(500)]
    assert lines_of(journal, tail.source) == [b"tail %d" % n for n in range(500)]
    sources = collector.counts()["sources"]
    assert {name: counts["received"] for name, counts in sources.items()} == dict.fromkeys(sources, 500)
    assert {name: counts["committed"] for name, counts in sources.items()} == dict.fromkeys(sources, 500)
    assert sources["udp"]["kernel_drops"] == 0
