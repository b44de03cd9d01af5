"""soc.yaml's sources, each opened by `./soc collect` and heard by its own protocol."""

from __future__ import annotations

import socket
import sqlite3
import ssl
import time
from pathlib import Path

import httpx
import pytest

from collectors.collect import Collector
from soc_cli.collecting import _shed, doors, ingest_token
from soc_cli.wiring import Platform
from soc_core import config
from soc_core.documents import DocumentError
from soc_core.protocols import Raws
from soc_core.state import commits
from tests.collectors.sources.certificates import Authority


def ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found


def settings(data: Path, text: str) -> config.Settings:
    data.mkdir(exist_ok=True)
    (data / "soc.yaml").write_text(text)
    return config.load(data)


def test_every_kind_of_source_into_one_journal(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    http, tls, relp = ports(3)
    with sqlite3.connect(tmp_path / "audit.db") as database:
        database.execute("CREATE TABLE audit (id INTEGER, text TEXT)")
        database.execute("INSERT INTO audit VALUES (1, 'row')")
    made = settings(tmp_path / "data", f"""
listen:
  {{syslog_udp: 0, syslog_tcp: 0, http: {http}, syslog_tls: {tls}, relp: {relp},
    tls: {{certificate: {certificate}, key: {key}}}}}
drops: [{{path: {tmp_path}/landing, name: sftp, quiet: 0}}]
databases: [{{name: audit, url: "sqlite:///{tmp_path}/audit.db", watermark: id, line: text,
              query: "SELECT * FROM audit WHERE id > :watermark ORDER BY id"}}]
mqtt: [{{url: "mqtt://127.0.0.1:9", topics: [city/#], name: iot}}]
""")
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "a.log").write_bytes(b"file\n")
    with Platform(made) as platform:
        opened = doors(made, platform)
        assert list(opened) == [f"http:{http}", f"relp:{relp}", f"syslog-tls:{tls}", "drop:sftp", "database:audit",
                                "mqtt:iot"]
        collector = Collector(platform.journal, opened)
        collector.start()
        client = ssl.create_default_context(cafile=authority.ca)
        with client.wrap_socket(socket.create_connection(("127.0.0.1", tls)), server_hostname="localhost") as peer:
            peer.sendall(b"9 <13>hello")
        with socket.create_connection(("127.0.0.1", relp)) as peer:
            peer.sendall(b"1 open 0\n2 syslog 8 <13>relp\n")
            answer = b""
            while b"2 rsp 6 200 OK\n" not in answer:
                answer += peer.recv(1000)
        headers = {"Authorization": f"Splunk {ingest_token(made.data)}"}
        assert httpx.post(f"http://127.0.0.1:{http}/services/collector", content=b'{"event":"hec"}',
                          headers=headers).status_code == 200
        until = time.monotonic() + 10
        while sum(counts["committed"] for counts in collector.counts()["sources"].values()) < 5:
            assert time.monotonic() < until
            time.sleep(0.02)
        collector.stop()
        assert collector.failure is None
        lines = {line for number in platform.journal.partitions() for frame in platform.journal.read(number, 0, 100)
                 for line in frame.raws.lines}
    assert lines == {b"<13>hello", b"<13>relp", b'{"message":"hec"}', b"file", b"row"}


@pytest.mark.parametrize(("text", "sentence"), [
    ("listen: {syslog_tls: 6514}", "need tls"),
    ("mqtt: [{url: 'mqtt://x', topics: []}]", "topics"),
    ("databases: [{name: 'a b', url: x, query: x, watermark: x}]", "name"),
    ("drops: [{path: x, colour: red}]", "unknown key"),
])
def test_a_source_that_is_written_wrong_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence):
        settings(tmp_path, text)


def test_a_name_given_twice(tmp_path: Path) -> None:
    made = settings(tmp_path, f"listen: {{syslog_udp: 0, syslog_tcp: 0, http: 0}}\n"
                              f"drops: [{{path: {tmp_path}/a, name: x}}, {{path: {tmp_path}/b, name: x}}]")
    with Platform(made) as platform, pytest.raises(ValueError, match="drop:x twice"):
        doors(made, platform)


def test_what_a_door_turns_away_is_counted_as_shed(tmp_path: Path) -> None:
    class Full:
        """A door that has turned three requests away."""

        def next_batch(self) -> tuple[list[Raws], None]:
            return [], None

        def ack(self, position: object) -> None:
            raise AssertionError("nothing was given")

        def close(self) -> None: ...
        def stop(self) -> None: ...

        def drained(self) -> bool:
            return True

        def counters(self) -> dict[str, int]:
            return {"received": 0, "shed": 2, "kernel_drops": 1}

    with Platform(settings(tmp_path / "data", "")) as platform:
        told = []

        def on_shed(door: str, count: int) -> None:
            told.append(count)
            if len(told) == 1:
                raise OSError("the state database is away")
            _shed(platform, door, count)

        collector = Collector(platform.journal, {"http:8514": Full()}, on_shed=on_shed)
        collector.start()
        collector.stop()
        collector._tell_shed()
        with platform.state.read() as session:
            (fates,) = commits.fates(session)
    assert (fates.source, fates.received, fates.shed, fates.pending) == ("http:8514", 3, 3, 0)
    assert set(told) == {3}
