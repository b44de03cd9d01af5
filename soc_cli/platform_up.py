"""What `./soc up` does: check the doors, make the first account, start the parts, say where to look, stop cleanly."""

from __future__ import annotations

import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from soc_cli.supervise import Child
from soc_cli.wiring import held
from soc_core.config import Settings
from soc_core.state import users
from soc_core.state.database import Database

API_ABOVE_CONSOLE = 1  # the API listens on the console's port + 1
FIRST_ACCOUNT = "soc"


def run(settings: Settings, port: int, demo: bool) -> int:
    """Run until SIGINT or SIGTERM. Returns the exit status."""
    (settings.data / "rules").mkdir(parents=True, exist_ok=True)  # so that there is where to put one's own
    with held(settings.data / "run" / "up.lock", "./soc up already runs on this data directory"):
        doors = [("console", "tcp", port), ("API", "tcp", port + API_ABOVE_CONSOLE)]
        listen = settings.listen
        doors += [("syslog UDP", "udp", listen.syslog_udp), ("syslog TCP", "tcp", listen.syslog_tcp)]
        doors += [("HTTP ingest", "tcp", listen.http)]
        refuse_busy(doors, listen.host)
        password = first_account(settings)
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        parts = children(settings, port, demo)
        for child in parts:
            child.start()
        announce(settings, port, password, demo)
        say_when_ready(port, parts, stopping)
        while not stopping.wait(0.3):
            for child in parts:
                if news := child.tend():
                    print(f"soc: {news}", file=sys.stderr, flush=True)
        print("\nsoc: stopping …", file=sys.stderr, flush=True)
        for child in parts:  # collectors first, so that the worker can finish what was taken in
            child.stop()
        print("soc: stopped; everything received is kept. ./soc up goes on from here.", file=sys.stderr, flush=True)
    return 0


def refuse_busy(doors: Sequence[tuple[str, str, int]], host: str) -> None:
    """Raise OSError naming the door whose port another program has."""
    for name, kind, port in doors:
        if not port:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as probe:
            if kind == "tcp":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                hint = "--port" if name in ("console", "API") else "listen: in soc.yaml"
                why = f"{name} cannot listen on {host}:{port} ({error.strerror}); choose another by {hint}"
                raise OSError(why) from None


def first_account(settings: Settings) -> str:
    """The one-time password of the first account, or "" once somebody has set their own."""
    state = Database(settings.state_url)
    state.migrate()
    with state.begin() as session:
        password = users.one_time_password(session)
    state.close()
    return password or ""


def children(settings: Settings, port: int, demo: bool) -> list[Child]:
    """The parts in the order in which they are stopped."""
    logs = settings.data / "logs"
    common = ["--data", str(settings.data), "--city", str(settings.city)]
    one_core = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    api_port = str(port + API_ABOVE_CONSOLE)

    def child(name: str, *command: str) -> Child:
        return Child(name, ["-m", *command, *common], logs / f"{name}.log", one_core)

    return [
        child("collect", "soc_cli", "collect", "--demo" if demo else "--no-demo"),
        child("console", "soc_ui.serve", "--port", str(port)),
        child("api", "soc_api.serve", "--port", api_port),
        child("work", "soc_cli", "work"),
    ]


def announce(settings: Settings, port: int, password: str, demo: bool) -> None:
    """Say where to look, how to get in, and how to stop."""
    listen = settings.listen
    doors = f"syslog {listen.host}:{listen.syslog_udp} (UDP, TCP) · HTTP {listen.host}:{listen.http}/ingest"
    lines = [
        "CitySOC 城市网络安全运营中心",
        f"  console 控制台   http://127.0.0.1:{port}",
        f"  account 账户     {FIRST_ACCOUNT}" + (f"   one-time password 一次性口令  {password}" if password else ""),
        f"  API              http://127.0.0.1:{port + API_ABOVE_CONSOLE}/api/v1 (docs at /docs)",
        f"  logs in 接入     {doors} · ./soc ingest FILE --data {shown(settings.data)}",
    ]
    if demo:
        lines.append("  demo 演示        invented traffic, marked as such, until the first real source sends")
    print("\n".join([*lines, "  stop 停止        Ctrl-C", ""]), flush=True)


def shown(path: Path) -> str:
    """A path as a shell takes it, relative to where the user stands when it lies below."""
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def say_when_ready(port: int, parts: Sequence[Child], stopping: threading.Event) -> None:
    """Wait until the console answers, and say so."""
    began = time.monotonic()
    while not stopping.wait(0.2):
        for child in parts:
            if news := child.tend():
                print(f"soc: {news}", file=sys.stderr, flush=True)
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                print(f"soc: ready after {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
                return
