"""Syslog over TLS: RFC 5425's framing, mutual TLS, senders that wait, and a real rsyslog as peer."""

from __future__ import annotations

import random
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from collectors.sources import _inbox
from collectors.sources._streams import context
from collectors.sources.syslog_tcp import ENDED
from collectors.sources.syslog_tls import SyslogTls
from tests.collectors.sources.certificates import Authority
from tests.collectors.sources.test_syslog_tcp import gather, lines


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def source(authority: Authority) -> Iterator[SyslogTls]:
    made = SyslogTls(context(*authority.issue("server")), zone="dmz")
    yield made
    made.close()


@pytest.fixture
def mutual(authority: Authority) -> Iterator[SyslogTls]:
    made = SyslogTls(context(*authority.issue("server"), authority.ca))
    yield made
    made.close()


def connect(source: SyslogTls, authority: Authority, own: tuple[Path, Path] | None = None) -> ssl.SSLSocket:
    client = ssl.create_default_context(cafile=authority.ca)
    if own:
        client.load_cert_chain(*own)
    return client.wrap_socket(socket.create_connection(("127.0.0.1", source.port)), server_hostname="localhost")


def counted(text: bytes) -> bytes:
    return b"%d %s" % (len(text), text)


def test_counted_messages_and_lines(source: SyslogTls, authority: Authority) -> None:
    with connect(source, authority) as peer:
        for n in range(100):
            peer.sendall(counted(b"<13>1 - - - - - - line\nof %d" % n))
    with connect(source, authority) as peer:
        peer.sendall(b"<13>one\n<13>two\n")
    found = gather(source, 102)
    assert sorted(lines(found)) == sorted([b"<13>1 - - - - - - line\nof %d" % n for n in range(100)]
                                          + [b"<13>one", b"<13>two"])
    assert {(raws.origin.source, raws.origin.peer, raws.origin.format, raws.origin.zone) for raws in found} == {
        (f"syslog-tls:{source.port}/127.0.0.1", "127.0.0.1", "syslog", "dmz")}
    assert source.counters()["received"] == 102


def test_many_connections_at_once(source: SyslogTls, authority: Authority) -> None:
    def send(number: int) -> None:
        with connect(source, authority) as peer:
            peer.sendall(b"".join(counted(b"<13>%d/%d %s" % (number, n, b"x" * 500)) for n in range(200)))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    found = gather(source, 2000)
    for thread in threads:
        thread.join()
    assert len(set(lines(found))) == 2000


def test_the_certificate_names_the_source(mutual: SyslogTls, authority: Authority) -> None:
    with connect(mutual, authority, authority.issue("fw1")) as peer:
        peer.sendall(counted(b"<13>hello"))
    (raws,) = gather(mutual, 1)
    assert raws.origin.source == f"syslog-tls:{mutual.port}/CN=fw1,O=Example City"
    assert raws.origin.peer == "127.0.0.1"


@pytest.mark.parametrize("own", ["none", "strange"])
def test_without_a_certificate_of_the_authority_nothing_gets_in(
    mutual: SyslogTls, authority: Authority, own: str, tmp_path: Path
) -> None:
    given = Authority(tmp_path, "strange authority").issue("fw1") if own == "strange" else None
    with connect(mutual, authority, given) as peer, suppress(ConnectionError, ssl.SSLError):
        peer.sendall(counted(b"<13>hello"))
        assert peer.recv(1) == b""  # TLS 1.3 tells a client only after its own handshake
    assert gather(mutual, 1, 0.3) == []
    assert mutual.counters()["handshakes"] == 1


def test_plain_text_and_silence_do_not_hold_the_port(source: SyslogTls, authority: Authority) -> None:
    silent = socket.create_connection(("127.0.0.1", source.port))
    with socket.create_connection(("127.0.0.1", source.port)) as plain:
        plain.sendall(b"<13>in the clear\n")
        plain.settimeout(5)
        with suppress(ConnectionError):
            while plain.recv(100):
                pass
    with connect(source, authority) as peer:
        peer.sendall(counted(b"<13>after"))
    assert lines(gather(source, 1)) == [b"<13>after"]
    silent.close()


def test_an_old_protocol_is_refused(source: SyslogTls, authority: Authority) -> None:
    client = ssl.create_default_context(cafile=authority.ca)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", source.port)) as peer, pytest.raises((ssl.SSLError, ConnectionError)):
        client.wrap_socket(peer, server_hostname="localhost")


def test_half_a_message_is_kept_as_damaged(source: SyslogTls, authority: Authority) -> None:
    with connect(source, authority) as peer:
        peer.sendall(b"99 <13>half")
    (raws,) = gather(source, 1)
    assert (list(raws.lines), raws.damaged) == ([b"99 <13>half"], {0: ENDED})


def test_the_sender_waits_when_nobody_takes(
    source: SyslogTls, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_inbox, "CAPACITY", 100_000)
    message, total = counted(b"<13>" + b"x" * 1000), 20_000
    peer = connect(source, authority)
    sender = threading.Thread(target=peer.sendall, args=(message * total,))
    sender.start()
    sender.join(0.5)
    assert sender.is_alive()
    assert source._inbox._size < 2_000_000
    assert len(lines(gather(source, total, 20))) == total
    sender.join(10)
    peer.close()


def test_a_reset_keeps_what_had_come(source: SyslogTls, authority: Authority) -> None:
    peer = connect(source, authority)
    peer.sendall(counted(b"<13>x") * 2000)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.05)
    peer.close()  # RST
    assert len(lines(gather(source, 2000))) == 2000


def test_stop_takes_what_has_arrived(source: SyslogTls, authority: Authority) -> None:
    with connect(source, authority) as peer:
        peer.sendall(counted(b"<13>x") * 3000)
        time.sleep(0.05)
        source.stop()
        assert len(lines(gather(source, 3000))) == 3000
        until = time.monotonic() + 5
        while not source.drained() and time.monotonic() < until:
            time.sleep(0.01)
        assert source.drained()


def test_wrong_files_are_one_sentence(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("server")
    with pytest.raises(OSError, match="absent"):
        context(tmp_path / "absent", key)
    with pytest.raises(ValueError, match="no certificate and its key"):
        context(certificate, authority.issue("other")[1])
    with pytest.raises(ValueError, match="holds no CA"):
        context(certificate, key, key)


def test_a_real_rsyslog_sends_over_mutual_tls(mutual: SyslogTls, authority: Authority, tmp_path: Path) -> None:
    rsyslogd = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if rsyslogd is None or not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so")):
        pytest.skip("rsyslog-openssl is not installed")
    certificate, key = authority.issue("relay")
    log = tmp_path / "in.log"
    chance = random.Random(5)
    texts = [f"message {n} x{'z' * chance.randrange(400)}" for n in range(2000)]
    log.write_text("".join(f"{text}\n" for text in texts))
    config = tmp_path / "rsyslog.conf"
    config.write_text(f"""
global(workDirectory="{tmp_path}" DefaultNetstreamDriver="ossl" DefaultNetstreamDriverCAFile="{authority.ca}"
       DefaultNetstreamDriverCertFile="{certificate}" DefaultNetstreamDriverKeyFile="{key}")
module(load="imfile" PollingInterval="1")
input(type="imfile" File="{log}" Tag="app" readMode="0")
action(type="omfwd" target="127.0.0.1" port="{mutual.port}" protocol="tcp" TCP_Framing="octet-counted"
       StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid"
       template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="5")
""")
    daemon = subprocess.Popen([rsyslogd, "-n", "-f", str(config), "-i", str(tmp_path / "pid")],
                              stdout=subprocess.DEVNULL, stderr=(tmp_path / "err").open("w"))
    try:
        found = gather(mutual, len(texts), 20)
    finally:
        daemon.terminate()
        daemon.wait(10)
    got = ["message" + line.decode().rpartition("message")[2] for line in lines(found)]
    assert got == texts, (tmp_path / "err").read_text()
    assert {raws.origin.source for raws in found} == {f"syslog-tls:{mutual.port}/CN=relay,O=Example City"}
