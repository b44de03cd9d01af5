"""kill -9 of every process at random moments during intake: nothing acknowledged is lost, nothing counts twice."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import orjson

from bench.ingest import sshd
from soc_core.config import ROOT

BATCH = 200
START_PATIENCE = 60.0


class Part:
    """The collector and the worker of one data directory, each in its own process."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1"}
        for command in (["collect", "--no-demo"], ["work"]):
            with (self.data / f"{command[0]}.log").open("ab") as log:
                self.running.append(subprocess.Popen(
                    [sys.executable, "-m", "soc_cli", *command, "--data", str(self.data)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
                ))

    def kill(self) -> None:
        for process in self.running:
            process.send_signal(signal.SIGKILL)
        for process in self.running:
            process.wait()
        self.running = []

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(60)
        self.running = []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare(folder: Path) -> Part:
    """A data directory of its own, whose only door is HTTP on a free port."""
    port = free_port()
    folder.mkdir(parents=True)
    (folder / "soc.yaml").write_text(f"listen: {{http: {port}, syslog_udp: 0, syslog_tcp: 0}}\npartitions: 2\n")
    return Part(folder, port)


def send(part: Part, key: str, body: bytes, until: float) -> bool:
    """Offer one batch until it is acknowledged (True) or the moment to die has come (False)."""
    token_file = part.data / "secrets" / "ingest_token"
    while time.monotonic() < until:
        try:
            token = token_file.read_text().strip()
            answer = httpx.post(
                f"http://127.0.0.1:{part.port}/ingest?format=syslog&source=kill-test", content=body, timeout=5,
                headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key},
            )
            if answer.status_code == 200:
                return True
        except (httpx.HTTPError, OSError):
            pass
        time.sleep(0.05)
    return False


def take_in(part: Part, batches: list[bytes], deaths: dict[int, float]) -> int:
    """Send every batch; `deaths[n]` seconds after the n-th acknowledgement kill everything and start again.

    Counting acknowledgements and not seconds of uptime makes each death fall into the work, not into the start.
    Returns the kills.
    """
    kills = 0
    part.start()
    for number, batch in enumerate(batches):
        if not send(part, f"batch-{number}", batch, time.monotonic() + START_PATIENCE):
            raise TimeoutError((part.data / "collect.log").read_text()[-2000:])
        if number in deaths:
            time.sleep(deaths[number])
            part.kill()
            kills += 1
            part.start()
    part.stop()
    return kills


def outcome(data: Path) -> dict[str, Any]:
    """What is held in the end: ids with their multiplicity, alerts with their counts, and the balance of fates."""
    from soc_cli.stages import stages
    from soc_cli.wiring import Platform
    from soc_core.access import EVERYTHING
    from soc_core.config import load
    from soc_core.protocols import Query

    settings = load(data)
    subprocess.run(
        [sys.executable, "-m", "soc_cli", "work", "--drain", "--data", str(data)],
        check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL,
    )
    listed = subprocess.run(
        [sys.executable, "-m", "soc_cli", "alerts", "--data", str(data), "--json"],
        check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout.splitlines()[-1]
    ids: Counter[str] = Counter()
    with Platform(settings) as platform:
        for batch in platform.store("real").scan(Query(), EVERYTHING):
            ids.update(batch.column("event.id").to_list())
    whole = stages(settings)
    return {
        "ids": ids,
        "alerts": sorted((alert["id"], alert["count"]) for alert in orjson.loads(listed)["alerts"]),
        "balanced": whole["balanced"],
        "totals": whole["totals"],
    }


def trial(rounds: int, seed: int, lines: int = 12_000) -> list[str]:
    """Run undisturbed once and disturbed `rounds` kills; return what differs, in words (empty: nothing)."""
    draw = random.Random(seed)
    text = list(sshd(lines, seed))
    batches = [b"\n".join(text[at : at + BATCH]) for at in range(0, lines, BATCH)]
    folder = Path(tempfile.mkdtemp(prefix="soc-kill-"))
    try:
        calm, wild = prepare(folder / "calm"), prepare(folder / "wild")
        take_in(calm, batches, {})
        moments = draw.sample(range(len(batches)), rounds)
        kills = take_in(wild, batches, {moment: draw.uniform(0.0, 1.5) for moment in moments})
        assert kills == rounds
        return compare(outcome(calm.data), outcome(wild.data), lines)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def compare(calm: dict[str, Any], wild: dict[str, Any], lines: int) -> list[str]:
    """The differences between an undisturbed and a disturbed run."""
    wrong = []
    for name, run in (("undisturbed", calm), ("disturbed", wild)):
        twice = sum(count - 1 for count in run["ids"].values())
        if twice:
            wrong.append(f"{name}: {twice} events stored twice")
        if len(run["ids"]) != lines:
            wrong.append(f"{name}: {len(run['ids'])} events of {lines} acknowledged records")
        if not run["balanced"] or run["totals"]["pending"]:
            wrong.append(f"{name}: the fates do not add up: {run['totals']}")
    if set(calm["ids"]) != set(wild["ids"]):
        wrong.append(f"{len(set(calm['ids']) ^ set(wild['ids']))} events differ")
    if not calm["alerts"]:
        wrong.append("the undisturbed run raised no alert: nothing was compared")
    if calm["alerts"] != wild["alerts"]:
        differing = set(calm["alerts"]) ^ set(wild["alerts"])
        wrong.append(f"{len(differing)} alerts differ: {sorted(differing)[:4]}")
    return wrong


def figures() -> list[dict[str, Any]]:
    rounds = int(os.environ.get("SOC_KILLS", "20"))
    wrong = trial(rounds, seed=int(time.strftime("%Y%m%d")))
    for line in wrong:
        print(line)
    return [{"name": f"kill -9 of every process, {rounds} times", "value": len(wrong), "unit": "differences",
             "target": 0, "met": not wrong}]
