"""Keeps a handful of child processes alive: starts, restarts with back-off, and stops them in order."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
STEADY = 30.0  # seconds a child must live for its next failure to count as the first
PATIENCE = 15.0  # seconds a child gets to finish after SIGTERM


def _die_with_parent() -> None:
    """In the child: be killed when the supervisor is, even by kill -9 (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Child:
    """One program to keep running. Its output goes to `log`."""

    name: str
    command: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    due: float = 0.0

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, *self.command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the children in order
                preexec_fn=_die_with_parent,  # this process starts no threads
            )
        self.started = time.monotonic()

    def tend(self) -> str:
        """Restart it if it has ended and its time has come. Returns what to tell the user, if anything."""
        if self.process is None or self.process.poll() is None:
            return ""
        now = time.monotonic()
        if not self.due:
            self.failures = 1 if now - self.started > STEADY else self.failures + 1
            self.due = now + min(0.5 * 2**self.failures, 30.0)
            wait = self.due - now
            return f"{self.name} ended with {self.process.returncode}; again in {wait:.0f} s (see {self.log})"
        if now >= self.due:
            self.due = 0.0
            self.start()
        return ""

    def ended(self) -> int | None:
        """Its exit status, None while it runs."""
        return self.process.poll() if self.process else None

    def ask(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> None:
        """Ask it to end, wait, and only then insist."""
        if self.process is None or self.process.poll() is not None:
            return
        self.ask()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
