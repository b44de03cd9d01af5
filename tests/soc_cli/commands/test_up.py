"""`./soc up` as its user meets it: a page, a first alert, real logs, Ctrl-C, and on from there."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import orjson
import pytest

from tests.running import Up, answer, soc

BRUTE = [
    f"<38>Nov 23 01:00:{second:02d} gate sshd[411]: Failed password for root from 203.0.113.77 port 40{second:02d} ssh2"
    for second in range(30)
]


@pytest.mark.timeout(280)
def test_up_shows_alerts_takes_logs_and_stops_cleanly(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Up(data) as up:
        assert up.password
        up.wait_for("the console", up.listening, 60)
        page = httpx.get(f"http://127.0.0.1:{up.port}/", follow_redirects=True, timeout=20)
        assert page.status_code == 200
        up.wait_for("the first alert", lambda: up.alerts(), 120)
        assert all(alert["realm"] == "demo" for alert in up.alerts())

        with socket.create_connection(("127.0.0.1", up.syslog)) as wire:
            wire.sendall("".join(line + "\n" for line in BRUTE).encode())
        token = (data / "secrets" / "ingest_token").read_text().strip()
        sent = httpx.post(f"http://127.0.0.1:{up.http}/ingest", headers={"Authorization": f"Bearer {token}"},
                          content=orjson.dumps({"@timestamp": "2026-11-23T01:00:00Z", "message": "hello"}), timeout=20)
        assert sent.status_code == 200, sent.text
        up.wait_for("the alert of real logs", lambda: [a for a in up.alerts() if a["realm"] == "real"], 60)
        log = tmp_path / "auth.log"
        log.write_text("\n".join(line[4:].replace(".77 ", ".78 ") for line in BRUTE) + "\n")
        summary = answer("ingest", log, "--data", data)  # beside the running platform
        assert (summary["read"], summary["stored"], summary["quarantined"]) == (30, 30, 0)
        named = orjson.dumps(summary["alerts"]).decode()
        assert "203.0.113.78" in named
        assert up.stop() == 0
    assert soc("status", "--data", data, "--json").returncode == 0
    before = {alert["id"]: alert["count"] for alert in up.alerts()}
    with Up(data) as again:  # goes on where the first stopped; real sources came, so no demo any more
        again.wait_for("the console", again.listening, 60)
        after = {alert["id"]: alert["count"] for alert in again.alerts()}
        assert {key: count for key, count in after.items() if key in before} == before
        second = soc("up", "--data", data, check=False)
        assert second.returncode == 2
        assert "already runs" in second.stderr


@pytest.mark.parametrize("port", ["0", "65535", "99999", "-1", "http"])
def test_a_port_that_is_none(tmp_path: Path, port: str) -> None:
    done = soc("up", "--data", tmp_path / "data", "--port", port, check=False)
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()
