"""Syslog over UDP: a datagram is a record, senders are told apart, and what the kernel dropped is counted."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from collectors.sources import _inbox
from collectors.sources.syslog_udp import SyslogUdp
from tests.collectors.sources.test_syslog_tcp import gather, lines


@pytest.fixture
def source() -> Iterator[SyslogUdp]:
    made = SyslogUdp(zone="dmz")
    yield made
    made.close()


def test_a_datagram_is_a_record(source: SyslogUdp) -> None:
    big = b"<13>" + b"x" * 60_000
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for data in (b"<13>one", b"<13>two\n", b"<13>three\r\n\0", b"", b"<13>in\nside", big):
            peer.sendto(data, ("127.0.0.1", source.port))
        found = gather(source, 5)
    assert lines(found) == [b"<13>one", b"<13>two", b"<13>three", b"<13>in\nside", big]
    (origin,) = {raws.origin for raws in found}
    assert (origin.source, origin.peer) == (f"syslog-udp:{source.port}/127.0.0.1", "127.0.0.1")
    assert (origin.format, origin.zone) == ("syslog", "dmz")
    assert source.counters() == {"received": 5, "shed": 0, "kernel_drops": 0}


def test_senders_are_told_apart_and_their_number_is_bounded(
    source: SyslogUdp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_inbox, "PEERS", 3)
    for host in range(1, 6):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind((f"127.0.0.{host}", 0))
            peer.sendto(b"<13>x", ("127.0.0.1", source.port))
    found = gather(source, 5)
    names = sorted(raws.origin.source.partition("/")[2] for raws in found)
    assert names == ["127.0.0.1", "127.0.0.2", "127.0.0.3", "other", "other"]
    assert {raws.origin.peer for raws in found} == {f"127.0.0.{host}" for host in range(1, 6)}


def test_what_the_kernel_dropped_is_counted(source: SyslogUdp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads for a while, then too little room: every datagram is handed over, shed or counted as dropped."""
    monkeypatch.setattr(_inbox, "CAPACITY", 3_000)
    source._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
    with monkeypatch.context() as held, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        held.setattr(source, "_burst", lambda: time.sleep(0.01))
        time.sleep(0.25)
        for n in range(3000):
            peer.sendto(b"<13>message %d" % n, ("127.0.0.1", source.port))
    drops = source.drops()
    assert drops > 0
    until = time.monotonic() + 5
    while source.counters()["received"] + drops < 3000 and time.monotonic() < until:
        time.sleep(0.01)
    seen = source.counters()
    assert seen["shed"] > 0
    assert len(lines(list(source.next_batch()[0]))) + seen["shed"] + drops == 3000


def test_stop_takes_what_the_kernel_holds(source: SyslogUdp) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for n in range(300):
            peer.sendto(b"<13>%d" % n, ("127.0.0.1", source.port))
    source.stop()
    assert len(lines(gather(source, 300))) == 300
    until = time.monotonic() + 5
    while not source.drained() and time.monotonic() < until:
        time.sleep(0.01)
    assert source.drained()


def test_a_busy_port_is_one_sentence(source: SyslogUdp) -> None:
    with pytest.raises(OSError, match=f"syslog UDP cannot listen on 127.0.0.1:{source.port}: Address already in use"):
        SyslogUdp(port=source.port)


def test_a_real_logger_is_heard(source: SyslogUdp) -> None:
    logger = shutil.which("logger")
    if logger is None:
        pytest.skip("logger is not installed")
    send = [logger, "--server", "127.0.0.1", "--port", str(source.port), "--udp", "--tag", "soc-test"]
    for form in ("--rfc3164", "--rfc5424"):
        subprocess.run([*send, form, f"message {form}"], check=True, timeout=10)
    got = lines(gather(source, 2))
    assert [line.rpartition(b"message ")[2] for line in got] == [b"--rfc3164", b"--rfc5424"]
    assert all(line.startswith(b"<") for line in got)
