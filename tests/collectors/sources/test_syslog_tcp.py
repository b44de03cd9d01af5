"""Syslog over TCP: framing by RFC 6587, many connections, back-pressure, and a real rsyslog as peer."""

from __future__ import annotations

import random
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.sources import _inbox, syslog_tcp
from collectors.sources.syslog_tcp import ENDED, TOO_LONG, UNCOUNTED, Framing, SyslogTcp
from soc_core.protocols import Raws

MIB = 1 << 20


@pytest.fixture
def source() -> Iterator[SyslogTcp]:
    made = SyslogTcp(zone="dmz")
    yield made
    made.close()


def gather(source: object, count: int, patience: float = 10.0) -> list[Raws]:
    """Batches until `count` records are there."""
    found: list[Raws] = []
    until = time.monotonic() + patience
    while sum(len(raws.lines) for raws in found) < count and time.monotonic() < until:
        found += source.next_batch()[0]  # type: ignore[attr-defined]
        time.sleep(0.002)
    return found


def lines(found: list[Raws]) -> list[bytes]:
    return [line for raws in found for line in raws.lines]


def framed(data: bytes, cuts: list[int] | None = None) -> tuple[list[bytes], dict[int, str]]:
    framing = Framing()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts or []), len(data)]
    messages: list[bytes] = []
    damaged: dict[int, str] = {}
    for start, stop in pairwise(edges):
        for some, marks in [framing.feed(data[start:stop])] if stop > start else []:
            damaged |= {index + len(messages): why for index, why in marks.items()}
            messages += some
    some, marks = framing.finish()
    return messages + some, damaged | {index + len(messages): why for index, why in marks.items()}


@pytest.mark.parametrize(
    ("data", "messages", "damaged"),
    [
        (b"<13>one\n<13>two\r\n\n<13>last", [b"<13>one", b"<13>two", b"<13>last"], {}),
        (b"7 <13>one8 <13>t\nwo9 <13>last\n", [b"<13>one", b"<13>t\nwo", b"<13>last"], {}),
        (b"2026-11-23 a plain line\n12 more words\n", [b"2026-11-23 a plain line", b"12 more words"], {}),
        (b"0 <13>zero\n", [b"0 <13>zero"], {}),
        (b"12345678901 <1>x\n", [b"12345678901 <1>x"], {}),
        (b"9 <13>cut", [b"9 <13>cut"], {0: ENDED}),
        (b"7 <13>one<13>oops\n<13>more\n", [b"<13>one", b"<13>oops", b"<13>more"], {1: UNCOUNTED}),
        (b"7", [b"7"], {}),
        (b"", [], {}),
    ],
)
def test_framing(data: bytes, messages: list[bytes], damaged: dict[int, str]) -> None:
    assert framed(data) == (messages, damaged)
    assert framed(data, list(range(len(data)))) == (messages, damaged)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=20).map(lambda tail: b"<13>" + tail.replace(b"\n", b" ").replace(b"\r", b" ")),
             min_size=1, max_size=10),
    st.booleans(), st.lists(st.integers(0, 250), max_size=6),
)
def test_framing_does_not_depend_on_how_the_bytes_came(texts: list[bytes], counted: bool, cuts: list[int]) -> None:
    data = b"".join(b"%d %s" % (len(text), text) if counted else text + b"\n" for text in texts)
    assert framed(data, cuts) == (texts, {})


@pytest.mark.parametrize("counted", [False, True])
def test_messages_over_the_limit_are_marked_and_whole(counted: bool) -> None:
    texts = [b"<13>short", b"<13>" + b"x" * (3 * MIB), b"<13>after"]
    data = b"".join(b"%d %s" % (len(text), text) if counted else text + b"\n" for text in texts)
    messages, damaged = framed(data, list(range(0, len(data), 100_000)))
    assert messages[0] == texts[0]
    assert messages[-1] == texts[2]
    assert b"".join(messages[1:-1]) == texts[1]
    assert damaged == dict.fromkeys(range(1, len(messages) - 1), TOO_LONG)
    assert max(map(len, messages)) <= MIB + 100_000


@pytest.mark.parametrize("counted", [False, True])
def test_what_is_cut_for_want_of_memory_is_marked_and_whole(counted: bool) -> None:
    text = b"<13>" + b"x" * 500_000
    data = (b"%d %s" % (len(text), text) if counted else text + b"\n") + (b"8 <13>next" if counted else b"<13>next\n")
    framing = Framing()
    assert framing.feed(data[:200_000]) == ([], {})
    first, marks = framing.cut()
    assert (marks, framing.held) == ({0: TOO_LONG}, 0)
    rest, marks = framing.feed(data[200_000:])
    assert marks == {0: TOO_LONG}
    assert first[0] + rest[0] == text
    assert rest[1:] == [b"<13>next"]


def test_many_connections_of_both_kinds(source: SyslogTcp) -> None:
    def send(number: int) -> None:
        with socket.create_connection(("127.0.0.1", source.port)) as peer:
            for n in range(50):
                text = b"<13>from %d: %d" % (number, n)
                peer.sendall(b"%d %s" % (len(text), text) if number % 2 else text + b"\n")

    threads = [threading.Thread(target=send, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    found = gather(source, 2000)
    for thread in threads:
        thread.join()
    assert sorted(lines(found)) == sorted(b"<13>from %d: %d" % (k, n) for k in range(40) for n in range(50))
    assert {(raws.origin.source, raws.origin.peer, raws.origin.format, raws.origin.zone) for raws in found} == {
        (f"syslog-tcp:{source.port}/127.0.0.1", "127.0.0.1", "syslog", "dmz")
    }
    assert all(raws.positions is None for raws in found)
    assert source.counters()["received"] == 2000


def test_the_sender_waits_when_nobody_takes(source: SyslogTcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_inbox, "CAPACITY", 100_000)
    line, total, sent = b"<13>" + b"x" * 996 + b"\n", 30_000, 0
    with socket.create_connection(("127.0.0.1", source.port)) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        peer.settimeout(0.5)
        data = memoryview(line * total)
        with suppress(TimeoutError):
            while sent < len(data):
                sent += peer.send(data[sent:])
        assert sent < len(data)
        assert source._inbox._size < 2_000_000
        peer.settimeout(None)
        pusher = threading.Thread(target=peer.sendall, args=(data[sent:],))
        pusher.start()
        found = gather(source, total, 20)
        pusher.join()
    assert lines(found) == [line[:-1]] * total


def test_a_reset_keeps_what_had_come(source: SyslogTcp) -> None:
    peer = socket.create_connection(("127.0.0.1", source.port))
    peer.sendall(b"<13>whole\n<13>half")
    assert lines(gather(source, 1)) == [b"<13>whole"]
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()  # RST
    assert lines(gather(source, 1)) == [b"<13>half"]


def test_stop_takes_what_has_arrived(source: SyslogTcp) -> None:
    with socket.create_connection(("127.0.0.1", source.port)) as peer:
        peer.sendall(b"<13>x\n" * 5000)
        time.sleep(0.05)
        source.stop()
        found = gather(source, 5000)
        assert len(lines(found)) == 5000
    until = time.monotonic() + 5
    while not source.drained() and time.monotonic() < until:
        time.sleep(0.01)
    assert source.drained()


def test_a_busy_port_is_one_sentence(source: SyslogTcp) -> None:
    with pytest.raises(OSError, match=f"syslog TCP cannot listen on 127.0.0.1:{source.port}: Address already in use"):
        SyslogTcp(port=source.port)


def test_memory_of_unfinished_messages_is_bounded(source: SyslogTcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog_tcp, "HELD", 1_000_000)
    peers = [socket.create_connection(("127.0.0.1", source.port)) for _ in range(8)]
    for peer in peers:
        peer.sendall(b"<13>" + b"y" * 400_000)
    found = gather(source, 6)
    time.sleep(0.1)
    assert source._held <= 1_400_000
    for peer in peers:
        peer.close()
    found += gather(source, 1)
    time.sleep(0.1)
    found += source.next_batch()[0]
    assert sum(map(len, lines(found))) == 8 * 400_004


@pytest.mark.parametrize("framing", ["traditional", "octet-counted"])
def test_a_real_rsyslog_sends_everything(source: SyslogTcp, framing: str, tmp_path: Path) -> None:
    rsyslogd = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if rsyslogd is None:
        pytest.skip("rsyslogd is not installed")
    log = tmp_path / "in.log"
    chance = random.Random(5)
    texts = [f"message {n} x{'z' * chance.randrange(400)}" for n in range(3000)]
    log.write_text("".join(f"{text}\n" for text in texts))
    config = tmp_path / "rsyslog.conf"
    config.write_text(f"""
global(workDirectory="{tmp_path}" maxMessageSize="64k")
module(load="imfile" PollingInterval="1")
input(type="imfile" File="{log}" Tag="app" readMode="0" reopenOnTruncate="on")
action(type="omfwd" target="127.0.0.1" port="{source.port}" protocol="tcp" TCP_Framing="{framing}"
       template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="5")
""")
    daemon = subprocess.Popen(
        [rsyslogd, "-n", "-f", str(config), "-i", str(tmp_path / "pid")],
        stdout=subprocess.DEVNULL, stderr=(tmp_path / "err").open("w"),
    )
    try:
        found = gather(source, len(texts), 20)
    finally:
        daemon.terminate()
        daemon.wait(10)
    got = lines(found)
    assert ["message" + line.decode().rpartition("message")[2] for line in got] == texts, (tmp_path / "err").read_text()
    assert all(line.startswith(b"<") for line in got)
    assert not any(raws.damaged for raws in found)


def test_senders_leave_files_for_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (8, 8))
    source = SyslogTcp()
    opened = [socket.create_connection(("127.0.0.1", source.port)) for _ in range(7)]
    try:
        until = time.monotonic() + 10
        while source.counters()["refused"] < 3 and time.monotonic() < until:
            time.sleep(0.01)
        assert (source.counters()["connections"], source.counters()["refused"]) == (4, 3)
    finally:
        for connection in opened:
            connection.close()
        source.close()
