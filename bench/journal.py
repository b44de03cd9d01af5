"""Intake: syslog over TCP on loopback into the durable journal, beside rsyslog writing a file; and the journal alone.

rsyslog (where installed) takes the same messages from the same sender and appends them to a file without fsync, as
it does by default; ours are fsynced before they count.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from collectors.collect import Collector
from collectors.sources.syslog_tcp import SyslogTcp
from soc_core.journal.files import FileJournal
from soc_core.protocols import Origin, Raws

MESSAGES, CONNECTIONS = 400_000, 4
LINE = (
    "<38>1 2026-11-23T01:00:00.000000Z gw-{n:05d}.example sshd {n} - - Failed password for invalid user admin "
    "from 192.0.2.{m} port 51514 ssh2 " + "x" * 60
)
SENDER = """
import socket, sys
port, count, line = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
data = "".join(line.format(n=n, m=n % 250) + "\\n" for n in range(1000)).encode()
with socket.create_connection(("127.0.0.1", port)) as peer:
    for _ in range(count // 1000):
        peer.sendall(data)
"""


def figures() -> list[dict[str, Any]]:
    ours, theirs = collected(), rsyslog()
    append, read = alone()
    return [
        {"name": "syslog TCP into the durable journal", "value": round(ours), "unit": "messages/s",
         "peer": "rsyslog into a file, no fsync" if theirs else None, "peer_value": round(theirs) if theirs else None,
         "ratio": round(ours / theirs, 2) if theirs else None},
        {"name": "journal append, fsynced", "value": round(append), "unit": "MB/s"},
        {"name": "journal read", "value": round(read), "unit": "records/s"},
    ]


def timed(port: int, arrived: Callable[[], int]) -> float:
    """Messages a second from the first sent to the last arrived."""
    began = time.monotonic()
    share = MESSAGES // CONNECTIONS
    command = [sys.executable, "-c", SENDER, str(port), str(share), LINE]
    senders = [subprocess.Popen(command) for _ in range(CONNECTIONS)]
    while arrived() < MESSAGES:
        if time.monotonic() - began > 120:
            raise TimeoutError(f"{arrived()} of {MESSAGES} messages arrived")
        time.sleep(0.01)
    seconds = time.monotonic() - began
    for sender in senders:
        sender.wait()
    return MESSAGES / seconds


def collected() -> float:
    with tempfile.TemporaryDirectory() as folder:
        journal, source = FileJournal(Path(folder) / "journal"), SyslogTcp()
        collector = Collector(journal, {"tcp": source})
        collector.start()
        try:
            return timed(source.port, lambda: sum(journal.end(partition) for partition in journal.partitions()))
        finally:
            collector.stop()
            journal.close()


def rsyslog() -> float | None:
    """The same into rsyslog; None where it is not installed."""
    program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        out, config = place / "out.log", place / "rsyslog.conf"
        config.write_text(f"""
global(workDirectory="{place}")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{out}" template="RSYSLOG_SyslogProtocol23Format")
""")
        command = [program, "-n", "-f", str(config), "-i", str(place / "pid")]
        daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            return timed(port, Lines(out))
        finally:
            daemon.terminate()
            daemon.wait()


class Lines:
    """Lines in a growing file."""

    def __init__(self, path: Path) -> None:
        self.path, self.at, self.count = path, 0, 0

    def __call__(self) -> int:
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self.at)
                while data := file.read(1 << 22):
                    self.at += len(data)
                    self.count += data.count(b"\n")
        return self.count


def alone() -> tuple[float, float]:
    """(MB/s appended with positions in batches of 4 MB, records/s read back)."""
    lines = [LINE.format(n=n, m=n % 250).encode() for n in range(20_000)]
    size, batches = sum(map(len, lines)), 60
    with tempfile.TemporaryDirectory() as folder:
        journal = FileJournal(Path(folder) / "journal")
        began = time.monotonic()
        for number in range(batches):
            positions = np.arange(len(lines), dtype=np.int64) + number * len(lines)
            journal.append([Raws(Origin(source=f"source-{number % 16}"), lines, number, positions)])
        appended = size * batches / 1e6 / (time.monotonic() - began)
        began, count = time.monotonic(), 0
        for partition in journal.partitions():
            at = 0
            while frames := journal.read(partition, at, 50_000):
                at = frames[-1].first + len(frames[-1].raws.lines)
                count += sum(len(frame.raws.lines) for frame in frames)
        read = count / (time.monotonic() - began)
        journal.close()
    return appended, read
