"""One throw-away Elasticsearch node on 127.0.0.1, from Maven Central, shared by all workers of a test run.

The distribution is kept in a cache folder (SOC_SERVERS, else ~/.cache/citysoc/servers); data lies in a temporary
folder and goes with the node. The worker that started the node waits for the others before it stops it, and the
kernel ends the node with the worker. Licences: see elasticsearch.pom.xml.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.one import locked, shared

VERSIONS = {"es8": ("8.19.21", 17), "es9": ("9.5.3", 21)}  # Maven profile → version, oldest Java that starts it
HEAP = "1g"
START_SECONDS = 600  # of a busy machine; a process that ends is seen at once
CONFIG = """\
cluster.name: soc-test
node.name: n1
node.portsfile: true
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
transport.port: 0
path.data: {data}
path.logs: {run}/logs
xpack.security.enabled: false
xpack.security.enrollment.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
cluster.max_shards_per_node: 5000
"""


class Node:
    """A running node: its address and the process that holds it.

    `start` may be called again after `kill`; the address stays where a port was given. Its data lies in memory where
    there is plenty, unless a `disk` is named; `environment` is added to the little that its process has.
    """

    def __init__(self, run: Path, home: Path, java: Path, port: int = 0, disk: Path | None = None,
                 environment: Mapping[str, str] | None = None) -> None:
        self.run, self.home, self.java, self.environment = run, home, java, dict(environment or {})
        for name in ("logs", "tmp"):
            (run / name).mkdir(parents=True, exist_ok=True)
        self.data = Path(tempfile.mkdtemp(prefix="soc-elastic-", dir=disk or _quick_disk(run)))
        shutil.copytree(home / "config", run / "config", dirs_exist_ok=True)
        told = CONFIG.format(run=run, data=self.data, port=port)
        (run / "config" / "elasticsearch.yml").write_text(told, encoding="utf-8")
        options = run / "config" / "jvm.options"
        kept = [line for line in options.read_text(encoding="utf-8").splitlines()
                if not re.match(r"-Xlog:gc|.*HeapDumpOnOutOfMemory|-XX:ErrorFile|.*-Xlog:gc", line)]
        options.write_text("\n".join(kept), encoding="utf-8")
        self.start()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        run, home, java = self.run, self.home, self.java
        (run / "logs" / "http.ports").unlink(missing_ok=True)
        user = _unprivileged(run, self.data)
        command = ["setpriv", "--pdeathsig", "TERM", *user, "bash", str(home / "bin" / "elasticsearch")]
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(run), "LANG": "C.UTF-8", "ES_JAVA_HOME": str(java),
            "ES_PATH_CONF": str(run / "config"), "ES_TMPDIR": str(run / "tmp"),
            "ES_JAVA_OPTS": f"-Xms{HEAP} -Xmx{HEAP}", **self.environment,
        }
        with (run / "out").open("wb") as out:
            self.process = subprocess.Popen(command, cwd=run, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, start_new_session=True)
        self.url = self._wait()

    def _wait(self) -> str:
        """The address, as soon as the cluster answers."""
        end = time.monotonic() + START_SECONDS
        ports = self.run / "logs" / "http.ports"
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"Elasticsearch ended: {(self.run / 'out').read_text(errors='replace')[-2000:]}")
            if ports.exists():
                found = re.search(r"127\.0\.0\.1:\d+", ports.read_text(encoding="utf-8"))
                if found and _answers(f"http://{found[0]}"):
                    return f"http://{found[0]}"
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"Elasticsearch does not answer after {START_SECONDS} s")

    def kill(self) -> None:
        """kill -9 of the whole process group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End the node by its process group and take its data away."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_cluster/health?wait_for_status=yellow&timeout=5s", timeout=10) as answer:
            return not json.load(answer)["timed_out"]
    except OSError:
        return False


def _quick_disk(other: Path) -> Path:
    """Memory where there is plenty: a test makes many small indices, and each costs dozens of syncs on a disk."""
    memory = Path("/dev/shm")
    for left in memory.glob("soc-elastic-*"):  # by a run that was killed, hours ago
        if time.time() - left.stat().st_mtime > 6 * 3600:
            shutil.rmtree(left, ignore_errors=True)
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30 else other


def _unprivileged(run: Path, data: Path) -> list[str]:
    """Options of setpriv for who shall run the node: Elasticsearch refuses root."""
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    for path in (data, run, *run.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


# ---------------------------------------------------------------- what is on this machine


def _cache() -> Path:
    """Where distributions are kept; as root it must be a place that others can read."""
    given = os.environ.get("SOC_SERVERS")
    if given:
        return Path(given)
    home = Path.home()
    if os.geteuid() == 0 and home.stat().st_mode & 0o005 != 0o005:
        return Path("/var/cache/citysoc/servers")
    return home / ".cache" / "citysoc" / "servers"


def java_home(oldest: int) -> Path | None:
    """A Java of at least this version: JAVA_HOME, the one on the path, then Debian's folder."""
    places = [Path(os.environ[name]) for name in ("ES_JAVA_HOME", "JAVA_HOME") if os.environ.get(name)]
    if found := shutil.which("java"):
        places.append(Path(found).resolve().parent.parent)
    places += sorted(Path("/usr/lib/jvm").glob("*")) if Path("/usr/lib/jvm").is_dir() else []
    for place in places:
        if (place / "bin" / "java").exists() and _java_version(place) >= oldest:
            return place
    return None


def _java_version(home: Path) -> int:
    said = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=60)
    found = re.search(r'version "(\d+)', said.stderr + said.stdout)
    return int(found[1]) if found else 0


def distribution(profile: str) -> Path:
    """The unpacked server, brought at first use. Raises RuntimeError when it cannot be had."""
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"elasticsearch-{VERSIONS[profile][0]}"
    with locked(cache / "elasticsearch.lock"):
        if not (home / "bin" / "elasticsearch").exists():
            pom = Path(__file__).with_name("elasticsearch.pom.xml")
            command = ["mvn", "-q", "-B", "-f", str(pom), "-P", profile, f"-Des.dir={cache}", "generate-resources"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
            if done.returncode:
                raise RuntimeError(f"mvn cannot bring Elasticsearch: {(done.stdout + done.stderr)[-1000:]}")
    return home


# ---------------------------------------------------------------- one node a test run


@contextmanager
def running(profile: str = "es8") -> Iterator[str]:
    """The address of a node of this run: the first to come starts it, and stops it after the last has gone.

    Skips, saying so, where there is no Maven or no Java. SOC_TEST_ELASTIC names a node that runs already.
    SOC_TEST_ELASTIC_PROFILE=es9 asks for the newer version.
    """
    if given := os.environ.get("SOC_TEST_ELASTIC"):
        yield given
        return
    java = java_home(VERSIONS[profile][1])
    if java is None or shutil.which("mvn") is None or shutil.which("setpriv") is None:
        pytest.skip(f"cannot run here: Elasticsearch wants mvn, setpriv and Java {VERSIONS[profile][1]} or newer")

    def make(folder: Path) -> tuple[str, Node]:
        node = Node(folder, distribution(profile), java)
        return node.url, node

    with shared(profile, make) as url:
        yield url


@pytest.fixture(scope="session")
def elastic_url() -> Iterator[str]:
    """The address of the shared node; a conftest.py imports this fixture where it is wanted."""
    with running(os.environ.get("SOC_TEST_ELASTIC_PROFILE", "es8")) as url:
        yield url
