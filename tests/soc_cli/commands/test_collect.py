"""./soc collect: the real process, with real senders, stopped, killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from soc_core.config import load
from soc_core.journal.files import FileJournal
from soc_core.state import collectors
from soc_core.state.database import Database
from tests.soc_core.journal.suite import lines_of

ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One data directory and the collector that runs on it."""

    def __init__(self, data: Path) -> None:
        self.data, self.log = data, data / "app.log"
        self.tcp, self.udp, self.http = free_port(), free_port(), free_port()
        data.mkdir()
        (data / "soc.yaml").write_text(
            f"listen: {{syslog_tcp: {self.tcp}, syslog_udp: {self.udp}, http: {self.http}}}\n"
            f"tails: [{{path: {self.log}, format: text}}]\npartitions: 2\n"
        )
        self.running: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.running = self.launch()
        until = time.monotonic() + 30
        while time.monotonic() < until and self.running.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.http)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(self.running.communicate()[1])

    def launch(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "soc_cli", "collect", "--data", str(self.data)], cwd=ROOT, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def stop(self, number: int = signal.SIGTERM) -> str:
        assert self.running is not None
        self.running.send_signal(number)
        out, err = self.running.communicate(timeout=30)
        assert self.running.returncode in (0, -signal.SIGKILL), err
        self.running = None
        return out + err

    def post(self, body: bytes) -> int:
        token = (self.data / "secrets" / "ingest_token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.post(f"http://127.0.0.1:{self.http}/ingest", content=body, headers=headers).status_code


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path / "data")
    yield made
    if made.running:
        made.running.kill()
        made.running.communicate()


def test_collects_from_every_door_and_stops_clean(process: Process) -> None:
    process.start()
    token = process.data / "secrets" / "ingest_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    with socket.create_connection(("127.0.0.1", process.tcp)) as peer, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for n in range(100):
            peer.sendall(b"<13>%d\n" % n)
            udp.sendto(b"<13>%d" % n, ("127.0.0.1", process.udp))
        process.log.write_text("one\ntwo\n")
        assert process.post(b"a\nb\n") == 200
        time.sleep(0.3)
        told = process.stop()
    assert str(token) in told
    journal = FileJournal(process.data / "journal")
    for kind, port in (("tcp", process.tcp), ("udp", process.udp)):
        assert lines_of(journal, f"syslog-{kind}:{port}/127.0.0.1") == [b"<13>%d" % n for n in range(100)]
    assert lines_of(journal, f"tail:{process.log}") == [b"one", b"two"]
    assert lines_of(journal, "http:default") == [b"a", b"b"]
    journal.close()
    assert (process.data / "run" / "real_seen").exists()
    state = Database(load(process.data).state_url)
    with state.read() as session:
        (known,) = collectors.listing(session)  # what status and metrics show, on whatever machine
    state.close()
    assert known.counts["running"] is False
    assert known.counts["sources"][f"syslog-udp:{process.udp}"]["committed"] == 100


def test_killed_and_started_again_it_goes_on(process: Process) -> None:
    acknowledged: list[bytes] = []
    with process.data.joinpath("app.log").open("a", buffering=1) as log:
        for round_ in range(3):
            process.start()
            for n in range(8):
                log.write(f"{round_} {n}\n")
                body = b"%d %d" % (round_, n)
                if process.post(body) == 200:
                    acknowledged.append(body)
            process.stop(signal.SIGKILL)
    process.start()
    time.sleep(0.3)
    assert str(process.data / "secrets") not in process.stop()  # the token is made once
    journal = FileJournal(process.data / "journal")
    assert lines_of(journal, f"tail:{process.log}") == [b"%d %d" % (k, n) for k in range(3) for n in range(8)]
    assert lines_of(journal, "http:default") == acknowledged
    assert len(acknowledged) == 24
    journal.close()


def test_a_taken_port_is_one_sentence_and_status_2(process: Process) -> None:
    with socket.create_server(("127.0.0.1", process.tcp)):
        other = process.launch()
        out, err = other.communicate(timeout=30)
    assert other.returncode == 2
    (line,) = [line for line in err.splitlines() if line.startswith("soc: ")]
    assert f"syslog TCP cannot listen on 127.0.0.1:{process.tcp}" in line
    assert "Traceback" not in err + out


def test_nothing_to_collect_and_a_second_collector_are_said(process: Process) -> None:
    process.start()
    second = process.launch()
    assert "another ./soc collect runs" in second.communicate(timeout=30)[1]
    assert second.returncode == 2
    process.stop()
    (process.data / "soc.yaml").write_text("listen: {syslog_tcp: 0, syslog_udp: 0, http: 0}\n")
    idle = process.launch()
    assert "nothing to collect" in idle.communicate(timeout=30)[1]
    assert idle.returncode == 2
