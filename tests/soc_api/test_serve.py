"""The API as its own process: it starts, answers on loopback, and ends cleanly on SIGTERM."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.soc_ui.prepared import Prepared

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_serves_and_stops(prepared: Prepared) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "soc_api.serve", "--data", str(prepared.settings.data), "--port", str(port),
         "--city", str(ROOT / "cities" / "changsha")], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        answer = None
        while answer is None and time.monotonic() < until and process.poll() is None:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/health")
            except httpx.TransportError:
                time.sleep(0.1)
        assert answer is not None
        assert answer.json() == {"status": "ok"}
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_taken_port_is_one_sentence_and_status_2(prepared: Prepared) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "soc_api.serve", "--data", str(prepared.settings.data), "--port",
             str(taken.getsockname()[1]), "--city", str(ROOT / "cities" / "changsha")],
            cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("soc:")]) == 1
