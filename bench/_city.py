"""A whole platform for the benches, each part a process or a server of its own, and everything in it may be killed.

The form `local` is one machine's: files, SQLite, the embedded store. The form `city` is Kafka, PostgreSQL and
Elasticsearch. Engines bind 127.0.0.1 or a socket in a temporary folder. What all of them keep lies on one small disk.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import httpx

from bench._shim import Shim
from soc_core.config import ROOT

Form = Literal["local", "city"]
PATIENCE = 600.0  # seconds: a machine may be busy, and starting takes as long as it takes
SMALL_DISK: dict[Form, str] = {"local": "192m", "city": "1g"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class City:
    """One collector and any number of workers over one data directory, with their engines."""

    def __init__(self, form: Form, workers: int, cache: Path | None = None) -> None:
        self.form, self.port = form, free_port()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="soc-faults-"))
        self.folder.chmod(0o755)
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.disk = self._place("disk")
        self.small = self._small_disk()
        self.data = self._place("disk/data")
        if cache is not None:
            (self.data / "cache").symlink_to(cache)
        self.shim, self.theirs = Shim(self.folder / "ours"), Shim(self.folder / "theirs", jumps=False)
        self.jump = 0
        self.door = threading.Lock()  # who holds it lets nobody send
        try:
            self.engines()
        except BaseException:
            self.close()
            raise
        self.collector: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.stack.callback(self.kill_all)
        self.collect()
        for _ in range(workers):
            self.work()

    def _small_disk(self) -> bool:
        """Data on a disk that can be filled. Needs the right to mount."""
        options = f"size={SMALL_DISK[self.form]},mode=755"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "soc", str(self.disk)], capture_output=True)
        if done.returncode == 0:
            self.stack.callback(subprocess.run, ["umount", "-l", str(self.disk)], check=False)
        return done.returncode == 0

    def engines(self) -> None:
        """Start the servers, and write soc.yaml."""
        said = f"listen: {{http: {self.port}, syslog_udp: 0, syslog_tcp: 0}}\npartitions: 4\n"
        if self.form == "city":
            from tests.servers import elastic, kafka, postgres

            slow = self.theirs.environment
            self.kafka = kafka.new_broker(self._place("disk/kafka"), environment=slow)
            self.stack.callback(self.kafka.stop)
            server = postgres.new_server(self._place("disk/postgres"), slow)
            if isinstance(server, str):
                raise OSError(server)
            self.postgres = server
            self.stack.callback(self.postgres.stop)
            java = elastic.java_home(elastic.VERSIONS["es8"][1])
            if java is None:
                raise OSError("Elasticsearch wants Java")
            self.elastic = elastic.Node(self._place("elastic"), elastic.distribution("es8"), java, free_port(),
                                        self.disk, slow)
            self.stack.callback(self.elastic.stop)
            url = server.url("shared")
            said += (f"events: {{elastic: {{urls: ['{self.elastic.url}'], replicas: '0', patience: 3}}}}\n"
                     f"journal: {{kafka: {{servers: '{self.kafka.address}', patience: 5}}}}\nstate: {url}\n")
        (self.data / "soc.yaml").write_text(said)

    def _place(self, name: str) -> Path:
        place = self.folder / name
        place.mkdir(mode=0o755)
        return place

    # ------------------------------------------------------------ processes

    def soc(self, log: str, *command: str) -> subprocess.Popen[bytes]:
        """A process of ours, under the shim's clock and disk."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1", **self.shim.environment}
        setpriv = shutil.which("setpriv")  # so that they end with us, whatever happens to us
        dying = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        with (self.folder / f"{log}.log").open("ab") as out:
            return subprocess.Popen([*dying, sys.executable, "-m", "soc_cli", *command, "--data", str(self.data)],
                                    stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)

    def collect(self) -> None:
        self.collector = self.soc("collect", "collect", "--no-demo")

    def work(self) -> None:
        self.workers.append(self.soc("work", "work"))

    def accept(self) -> None:
        """What an operator does after a journal was made anew. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE
        while self.soc("accept", "work", "--accept-journal", "--drain").wait(PATIENCE):
            if time.monotonic() > until:
                raise TimeoutError(self.said("accept"))

    def said(self, log: str) -> str:
        """The last words of a process."""
        return (self.folder / f"{log}.log").read_text(errors="replace")[-3000:]

    def tend(self) -> None:
        """What has ended is started again, as a supervisor does."""
        if self.collector is None or self.collector.poll() is not None:
            self.collect()
        count, self.workers = len(self.workers), [each for each in self.workers if each.poll() is None]
        for _ in range(count - len(self.workers)):
            self.work()

    def kill(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def kill_all(self) -> None:
        for process in (self.collector, *self.workers):
            self.kill(process)

    def stop(self) -> None:
        """End everything of ours in order."""
        for process in (self.collector, *self.workers):
            if process is not None and process.poll() is None:
                process.terminate()
        for process in (self.collector, *self.workers):
            if process is not None:
                process.wait(PATIENCE)

    def close(self) -> None:
        self.stack.close()

    # ------------------------------------------------------------ the door

    def send(self, source: str, key: str, body: bytes) -> None:
        """Offer one batch until it is acknowledged. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE
        token = self.data / "secrets" / "ingest_token"
        said = "no answer"
        while time.monotonic() < until:
            try:
                headers = {"Authorization": f"Bearer {token.read_text().strip()}", "Idempotency-Key": key}
                url = f"http://127.0.0.1:{self.port}/ingest?format=syslog&source={source}"
                answer = httpx.post(url, content=body, timeout=10, headers=headers)
                if answer.status_code == 200:
                    return
                said = answer.text
            except (httpx.HTTPError, OSError) as error:
                said = str(error)
            time.sleep(0.1)
        raise TimeoutError(f"{said}: {self.said('collect')}")
