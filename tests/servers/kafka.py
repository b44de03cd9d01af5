"""A real Kafka broker for tests: one KRaft node on free ports of 127.0.0.1, its jars from Maven Central.

The jars are kept in ~/.cache/citysoc/servers (SOC_SERVERS names another place) and brought once. Licence: Apache-2.0.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.servers.one import locked, shared

VERSION = "4.2.0"
HEAP = "512m"
OLDEST_JAVA = 17
SESSION_MS = 1000  # without a sign of life until a broker counts as dead
START_SECONDS = 600  # of a busy machine; a process that ends is seen at once
HERE = Path(__file__).parent


class Broker:
    """A broker: its address, and the process that holds it. `start` may be called again after `kill`.

    `environment` is what the process has beside ours; with one, the machine is thought to be slow.
    """

    def __init__(self, run: Path, home: Path, java: Path, quick: bool = True,
                 environment: Mapping[str, str] | None = None) -> None:
        self.run, self.home, self.java, self.quick = run, home, java, quick
        self.environment = {**os.environ, **(environment or {})}
        broker, controller = _free_ports(2)
        self.address = f"127.0.0.1:{broker}"
        self.properties = _properties(run, broker, controller, 20 * SESSION_MS if environment else SESSION_MS)
        shutil.copytree(home / "formatted", run / "data")
        self.start()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        # For minutes on few cores the quick compiler alone is the cheapest; a bench wants the good one.
        tuning = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] if self.quick else ["-XX:+UseG1GC"]
        log = f"-Dlog4j2.configurationFile={HERE / 'kafka.log4j2.yaml'}"
        command = [str(self.java / "bin" / "java"), f"-Xms{HEAP}", f"-Xmx{HEAP}", *tuning, log,
                   "-cp", f"{self.home / 'libs'}/*", "kafka.Kafka", str(self.properties)]
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with (self.run / "out").open("ab") as out:
            self.process = subprocess.Popen(command, cwd=self.run, env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        admin = AdminClient({"bootstrap.servers": self.address, "reconnect.backoff.max.ms": 200, "log_level": 0})
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"Kafka ended: {(self.run / 'out').read_text(errors='replace')[-2000:]}")
            try:
                if admin.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"Kafka does not answer after {START_SECONDS} s")

    def kill(self) -> None:
        """kill -9: nothing is written any more."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End the broker and take its data away: nothing in it is wanted again, so nothing need be closed."""
        self.kill()
        shutil.rmtree(self.run, ignore_errors=True)


def _properties(run: Path, broker: int, controller: int, session: int = SESSION_MS) -> Path:
    text = (HERE / "kafka.properties").read_text(encoding="utf-8")
    for name, value in (("run", run), ("broker", broker), ("controller", controller), ("session", session)):
        text = text.replace("{" + name + "}", str(value))
    place = run / "server.properties"
    place.write_text(text, encoding="utf-8")
    return place


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


# ---------------------------------------------------------------- what is on this machine


def java_home() -> Path | None:
    """A Java that is new enough: JAVA_HOME, the one on the path, then Debian's folder."""
    places = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if found := shutil.which("java"):
        places.append(Path(found).resolve().parent.parent)
    places += sorted(Path("/usr/lib/jvm").glob("*")) if Path("/usr/lib/jvm").is_dir() else []
    return next((place for place in places if _java_version(place) >= OLDEST_JAVA), None)


def _java_version(home: Path) -> int:
    release = home / "release"  # says what `java -version` says, without starting one
    if not (home / "bin" / "java").exists() or not release.exists():
        return 0
    for line in release.read_text(encoding="utf-8").splitlines():
        if line.startswith("JAVA_VERSION="):
            return int(line.split('"')[1].split(".")[0].split("-")[0].split("+")[0])
    return 0


def distribution(java: Path) -> Path:
    """The broker's jars (libs) and an empty data folder (formatted), brought and made at first use.

    Raises RuntimeError when they cannot be had.
    """
    cache = Path(os.environ.get("SOC_SERVERS") or Path.home() / ".cache" / "citysoc" / "servers")
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"kafka-{VERSION}"
    with locked(cache / "kafka.lock"):
        if not (home / "complete").exists():
            _run("be brought", "mvn", "-q", "-B", "-f", str(HERE / "kafka.pom.xml"), "dependency:copy-dependencies",
                 "-DincludeScope=runtime", f"-DoutputDirectory={home / 'libs'}")
            with tempfile.TemporaryDirectory() as folder:
                cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
                _run("be formatted", str(java / "bin" / "java"), "-cp", f"{home / 'libs'}/*",
                     "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(_properties(Path(folder), 1, 2)))
                shutil.copytree(Path(folder) / "data", home / "formatted", dirs_exist_ok=True)
            (home / "complete").touch()
    return home


def _run(what: str, *command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"Kafka cannot {what}: {(done.stdout + done.stderr)[-1000:]}")


# ---------------------------------------------------------------- one broker a test run


def new_broker(folder: Path, quick: bool = True, environment: Mapping[str, str] | None = None) -> Broker:
    """A broker of one's own, to be killed and stopped by its owner. Skips, saying so, without Maven or Java."""
    java = java_home()
    if java is None or shutil.which("mvn") is None:
        pytest.skip(f"cannot run here: Kafka wants mvn and Java {OLDEST_JAVA} or newer")
    return Broker(folder, distribution(java), java, quick, environment)


@contextmanager
def running() -> Iterator[str]:
    """The address of a broker of this run: the first to come starts it, and stops it after the last has gone.

    SOC_TEST_KAFKA names a broker that runs already.
    """
    if given := os.environ.get("SOC_TEST_KAFKA"):
        yield given
        return

    def make(folder: Path) -> tuple[str, Broker]:
        broker = new_broker(folder)
        return broker.address, broker

    with shared("kafka", make) as address:
        yield address


@pytest.fixture(scope="session")
def kafka_address() -> Iterator[str]:
    """The address of the shared broker; import this fixture where it is wanted."""
    with running() as address:
        yield address
