"""RELP: answered only when durable, in frames however they are cut, and a real rsyslog as peer."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.sources._streams import context
from collectors.sources.relp import Frame, Frames, RelpSource
from soc_core.journal.files import FileJournal
from tests.collectors.sources.batches import take
from tests.collectors.sources.certificates import Authority
from tests.soc_core.journal.suite import lines_of

OPEN = b"1 open 50 relp_version=0\nrelp_software=test\ncommands=syslog\n\n"


@pytest.fixture
def source() -> Iterator[RelpSource]:
    made = RelpSource(zone="dmz")
    yield made
    made.close()


class Client:
    """A sender that speaks byte by byte."""

    def __init__(self, source: RelpSource) -> None:
        self.socket = socket.create_connection(("127.0.0.1", source.port))
        self.socket.settimeout(0.3)
        self.got = b""

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear(self, size: int, patience: float = 5.0) -> bytes:
        """At least so many bytes, or what came until the end or in time."""
        until = time.monotonic() + patience
        while len(self.got) < size and time.monotonic() < until:
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                break
            self.got += data
        heard, self.got = self.got, b""
        return heard


def syslog(number: int, text: bytes) -> bytes:
    return b"%d syslog %d %s\n" % (number, len(text), text)


def test_a_session(source: RelpSource) -> None:
    client = Client(source)
    client.say(OPEN)
    heard = client.hear(20)
    assert heard.startswith(b"1 rsp ")
    assert b" 200 OK\nrelp_version=0\n" in heard
    assert heard.endswith(b"commands=syslog\n")
    client.say(syslog(2, b"<13>one\nand more") + syslog(3, b"<13>two\n") + b"4 syslog 0\n")
    found, positions = take(source, 2)
    assert client.hear(1, 0.3) == b""  # nothing is durable yet
    (raws,) = found
    assert list(raws.lines) == [b"<13>one\nand more", b"<13>two"]
    assert (raws.origin.source, raws.origin.format, raws.origin.zone) == (
        f"relp:{source.port}/127.0.0.1", "syslog", "dmz")
    for position in positions:
        source.ack(position)
    assert client.hear(45) == b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n"
    client.say(b"5 close 0\n")
    assert client.hear(100) == b"5 rsp 0\n0 serverclose 0\n"
    assert source.counters()["received"] == 2


def test_close_waits_for_what_is_under_way(source: RelpSource) -> None:
    client = Client(source)
    client.say(OPEN + syslog(2, b"<13>one") + b"3 close 0\n")
    found, positions = take(source, 1)
    assert len(found) == 1
    assert b"serverclose" not in client.hear(200, 0.3)
    source.ack(positions[0])
    assert client.hear(200) == b"2 rsp 6 200 OK\n3 rsp 0\n0 serverclose 0\n"


@pytest.mark.parametrize("bad", [b"GET / HTTP/1.1\r\n", b"1 open 5 abcdefgh\n", b"x", b"1 syslog 99999999 x",
                                 b"1 syslog 3\nabc\n", b"1234567890 open 0\n"])
def test_who_speaks_otherwise_is_shown_out(source: RelpSource, bad: bytes) -> None:
    client = Client(source)
    client.say(OPEN + syslog(2, b"<13>one"))
    found, positions = take(source, 1)
    client.hear(10)
    source.ack(positions[0])
    client.hear(10)
    client.say(bad)
    assert client.hear(200) == b"0 serverclose 0\n"
    assert len(found) == 1
    assert source.counters()["refused"] == 1


def test_other_commands_are_answered(source: RelpSource) -> None:
    client = Client(source)
    client.say(syslog(1, b"<13>before open"))
    assert client.hear(10) == b"1 rsp 23 500 not understood here\n"
    client.say(b"2 starttls 0\n")
    assert client.hear(10) == b"2 rsp 23 500 not understood here\n"
    assert source.next_batch() == ([], None)


def test_what_is_over_the_limit_is_marked(source: RelpSource) -> None:
    client = Client(source)
    text = b"<13>" + b"x" * (1 << 20)
    client.say(OPEN + syslog(2, text))
    found, _ = take(source, 1)
    assert (list(found[0].lines), list(found[0].damaged)) == ([text], [0])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 999_999_999), st.sampled_from([b"syslog", b"open"]), st.binary(max_size=30)),
                min_size=1, max_size=8), st.lists(st.integers(0, 300), max_size=8))
def test_frames_do_not_depend_on_how_the_bytes_came(told: list[tuple[int, bytes, bytes]], cuts: list[int]) -> None:
    data = b"".join(b"%d %s %d %s\n" % (n, name, len(text), text) if text else b"%d %s 0\n" % (n, name)
                    for n, name, text in told)
    frames, found = Frames(), list[Frame]()
    for start, stop in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
        found += frames.feed(data[start:stop])
    assert [tuple(frame) for frame in found] == told
    assert frames.held == 0


def pump(source: RelpSource, journal: FileJournal, count: int, patience: float = 20.0) -> int:
    """Take, write, acknowledge, as the collector does."""
    done, until = 0, time.monotonic() + patience
    while done < count and time.monotonic() < until:
        raws, position = source.next_batch()
        if raws:
            journal.append(raws)
            source.ack(position)
            done += sum(len(one.lines) for one in raws)
        time.sleep(0.002)
    return done


@pytest.mark.parametrize("secure", [False, True])
def test_a_real_rsyslog_sends_everything_and_hears_of_it(secure: bool, tmp_path: Path) -> None:
    rsyslogd = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if rsyslogd is None or not list(Path("/usr/lib").glob("*/rsyslog/omrelp.so")):
        pytest.skip("rsyslog-relp is not installed")
    tls: ssl.SSLContext | None = None
    options = ""
    if secure:
        authority = Authority(tmp_path)
        tls = context(*authority.issue("server"), authority.ca)
        certificate, key = authority.issue("relay")
        options = (f'tls="on" tls.cacert="{authority.ca}" tls.mycert="{certificate}" tls.myprivkey="{key}" '
                   'tls.authmode="certvalid"')
    source, journal = RelpSource(tls=tls), FileJournal(tmp_path / "j", partitions=1)
    log = tmp_path / "in.log"
    texts = [f"message {n} 城" for n in range(1500)]
    log.write_text("".join(f"{text}\n" for text in texts))
    config = tmp_path / "rsyslog.conf"
    config.write_text(f"""
global(workDirectory="{tmp_path}")
module(load="imfile" PollingInterval="1")
module(load="omrelp" {'tls.tlslib="openssl"' if secure else ''})
module(load="impstats" interval="1" log.file="{tmp_path}/stats" log.syslog="off" format="json")
input(type="imfile" File="{log}" Tag="app" readMode="0")
action(type="omrelp" name="relp" target="127.0.0.1" port="{source.port}" template="RSYSLOG_SyslogProtocol23Format"
       {options} action.resumeRetryCount="5")
""")
    daemon = subprocess.Popen([rsyslogd, "-n", "-f", str(config), "-i", str(tmp_path / "pid")],
                              stdout=subprocess.DEVNULL, stderr=(tmp_path / "err").open("w"))
    try:
        done = pump(source, journal, len(texts))
        time.sleep(0.2)
    finally:
        daemon.terminate()
        daemon.wait(10)  # it closes the session, and would send again what was not answered
        again = pump(source, journal, 1, 0.3)
        source.close()
    who = "CN=relay,O=Example City" if secure else "127.0.0.1"
    got = lines_of(journal, f"relp:{source.port}/{who}")
    journal.close()
    assert ["message" + line.decode().rpartition("message")[2] for line in got] == texts, (tmp_path / "err").read_text()
    assert (done, again) == (len(texts), 0)
