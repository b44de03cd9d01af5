"""The console as its own process: its log is ours, whatever Streamlit and uvicorn would write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import orjson

from tests.soc_api.test_serve import ROOT, free_port


def test_every_line_of_its_log_is_ecs(tmp_path: Path) -> None:
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "soc_ui.serve", "--data", str(tmp_path / "data"), "--port", str(port)], cwd=ROOT,
            stdout=log, stderr=log, env={**os.environ, "SOC_LOG": "json"})
    try:
        until, answer = time.monotonic() + 60, 0
        while answer != 200 and time.monotonic() < until and process.poll() is None:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/_stcore/health").status_code  # as compose.yaml asks
            except httpx.TransportError:
                time.sleep(0.1)
        assert answer == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    lines = [orjson.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert lines
    assert {line["service.node.roles"][0] for line in lines} == {"console"}
