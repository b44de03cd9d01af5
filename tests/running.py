"""A running `./soc up` for tests: started on free ports of 127.0.0.1, stopped whatever happens."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import orjson

ROOT = Path(__file__).resolve().parent.parent


def free_port(pair: bool = False) -> int:
    """A port that is free now; with `pair` the one above it too."""
    while True:
        with socket.socket() as probe, socket.socket() as above:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if not pair:
                return port
            try:
                above.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


def soc(*arguments: str | Path, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """One command of ours in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "soc_cli", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
        timeout=timeout, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if check and done.returncode:
        asked = " ".join(map(str, arguments))
        raise AssertionError(f"soc {asked} gave {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def answer(*arguments: str | Path, timeout: float = 120) -> dict[str, object]:
    """The JSON object that a command prints last."""
    found: dict[str, object] = orjson.loads(soc(*arguments, "--json", timeout=timeout).stdout.splitlines()[-1])
    return found


class Up:
    """`with Up(folder) as up:` the platform runs; `up.port`, `up.password`, `up.started`."""

    def __init__(self, data: Path, demo: bool = True) -> None:
        self.data, self.demo = data, demo
        self.port = free_port(pair=True)
        self.http, self.syslog = free_port(), free_port()
        self.password = ""
        self.process: subprocess.Popen[str] | None = None
        self.started = 0.0

    def __enter__(self) -> Up:
        self.data.mkdir(parents=True, exist_ok=True)
        doors = f"listen: {{http: {self.http}, syslog_udp: {self.syslog}, syslog_tcp: {self.syslog}}}\n"
        (self.data / "soc.yaml").write_text(doors)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "soc_cli", "up", "--data", str(self.data), "--port", str(self.port),
             "--demo" if self.demo else "--no-demo"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=(self.data / "up.err").open("w"), text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout
        for line in self.process.stdout:
            if found := re.search(r"one-time password \S+\s+(\S+)", line):
                self.password = found.group(1)
            if "Ctrl-C" in line:
                return self
        raise AssertionError((self.data / "up.err").read_text())

    def wait_for(self, what: str, condition: object, seconds: float) -> float:
        """Wait until `condition()` is true; the seconds since the start, or AssertionError with the logs."""
        assert callable(condition)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if condition():
                return time.monotonic() - self.started
            time.sleep(0.2)
        logs = "\n".join(f"--- {p.name}\n{p.read_text()[-1500:]}" for p in sorted((self.data / "logs").glob("*.log")))
        raise AssertionError(f"{what}: not within {seconds} s\n{logs}\n{(self.data / 'up.err').read_text()}")

    def listening(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def alerts(self, *more: str) -> list[dict[str, object]]:
        found = answer("alerts", "--data", self.data, *more)["alerts"]
        assert isinstance(found, list)
        return found

    def stop(self) -> int:
        """Ctrl-C, and the exit status."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
