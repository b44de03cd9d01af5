"""notify_file: append a line of JSON to a file in the data directory, for people and programs that follow it.

args: `message`; `file`, a .jsonl below the data directory. Each line has key, at, message and the alert; a key is
written once.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict

from soc_core import clock
from soc_core.protocols import Preview, Probe, Result


class Args(BaseModel):
    model_config = ConfigDict(extra="forbid")

    message: str
    file: str = "notifications.jsonl"


def plan(ctx: dict[str, Any], args: dict[str, Any]) -> Preview:
    """Raises ValueError on a file that is not a .jsonl below the data directory."""
    return Preview(f"append a line to {_path(ctx, Args(**args)).name}")


def run(ctx: dict[str, Any], args: dict[str, Any]) -> Result:
    wanted = Args(**args)
    path = _path(ctx, wanted)
    line = orjson.dumps({"key": ctx["key"], "at": clock.to_text(clock.now()), "message": wanted.message,
                         "playbook": ctx["playbook"], "alert": ctx["alert"]})
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if not _written(file.fileno(), size, ctx["key"]):
            torn = size and os.pread(file.fileno(), 1, size - 1) != b"\n"  # a line that a crash left unfinished
            file.write((b"\n" if torn else b"") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    return Result(True, f"written to {path.name}", {"file": wanted.file})


def probe(ctx: dict[str, Any], intent: dict[str, Any]) -> Probe:
    """The file itself knows."""
    path = _path(ctx, Args(**intent["args"]))
    if not path.exists():
        return "not done"
    with path.open("rb") as file:
        return "done" if _written(file.fileno(), path.stat().st_size, ctx["key"]) else "not done"


def undo(ctx: dict[str, Any], result: dict[str, Any]) -> Result:
    """A line once read cannot be unread."""
    return Result(False, "a notification cannot be taken back", {})


def _path(ctx: dict[str, Any], args: Args) -> Path:
    data = Path(ctx["settings"].data).resolve()
    path = (data / args.file).resolve()
    if not path.is_relative_to(data) or path.suffix != ".jsonl":
        raise ValueError(f"file must be a .jsonl in the data directory, not {args.file!r}")
    return path


def _written(descriptor: int, size: int, key: str) -> bool:
    """Whether a whole line with this key is there."""
    if not size:
        return False
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as held:
        place = held.rfind(b'{"key":' + orjson.dumps(key))
        return place >= 0 and held.find(b"\n", place) >= 0
