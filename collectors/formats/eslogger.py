"""macOS Endpoint Security as `eslogger` writes it: one JSON message a line (exec, create, write, rename, unlink, …).

https://developer.apple.com/documentation/endpointsecurity and man eslogger(1). An exec message names the process
that called exec in `process` (after a fork or spawn that is the parent's image) and the new image in `target`.
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping, Sequence
from typing import Any

from collectors.formats._document import Event, at, parse_records, share
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

# event → (action, category, types, Sigma category)
KINDS: dict[str, tuple[str, str, tuple[str, ...], str]] = {
    "exec": ("exec", "process", ("start",), "process_creation"), "fork": ("fork", "process", ("start",), ""),
    "exit": ("exit", "process", ("end",), ""), "signal": ("signal", "process", ("info",), ""),
    "create": ("file-created", "file", ("creation",), "file_event"),
    "write": ("file-written", "file", ("change",), "file_event"),
    "close": ("file-closed", "file", ("access",), ""), "open": ("file-opened", "file", ("access",), ""),
    "rename": ("file-renamed", "file", ("change",), "file_event"),
    "clone": ("file-cloned", "file", ("creation",), "file_event"),
    "copyfile": ("file-copied", "file", ("creation",), "file_event"),
    "link": ("file-linked", "file", ("creation",), "file_event"),
    "unlink": ("file-deleted", "file", ("deletion",), ""),
    "mount": ("volume-mounted", "host", ("info",), ""),
    "kextload": ("kernel-extension-loaded", "driver", ("start",), ""),
    "login_login": ("logged-in", "authentication", ("start",), ""),
    "openssh_login": ("logged-in", "authentication", ("start",), ""),
    "btm_launch_item_add": ("launch-item-added", "configuration", ("creation",), ""),
    "xp_malware_detected": ("malware-found", "malware", ("info",), ""),
}
LEAST = {"event_type", "event", "process", "time"}
LONGEST = 10_000  # arguments that are joined


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each message is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, {}, "macos.endpoint_security", _wrong, _made)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the names of Endpoint Security's messages."""
    return 0.98 * share(sample(lines), lines, lambda record: not _wrong(record))


def _wrong(record: Record) -> str:
    mine = record.keys() >= LEAST and type(record["event"]) is dict and len(record["event"]) == 1
    return "" if mine and type(record["process"]) is dict else "no message of Endpoint Security's (event_type, process)"


def _made(event: Event) -> Mapping[str, Any]:
    record, found = event.record, event.found
    (name, said), = record["event"].items()
    for key in ("time", "process", "event", "schema_version", "mach_time"):
        event.rest.pop(key, None)
    event.rest[name] = said
    found["@timestamp"] = record["time"]
    found["message"] = name
    action, category, types, sigma = KINDS.get(name, (name, "host", ("info",), ""))
    found["event.action"], found["event.category"], found["event.type"] = action, [category], list(types)
    if category in ("authentication", "malware") and type(at(said, "success")) is bool:
        found["event.outcome"] = "success" if said["success"] else "failure"
    if name == "exec":
        _run(found, at(said, "target"), record["process"], said)
    else:
        _process(found, "process.", record["process"])
    if category == "file" and (path := _path(name, said)):
        found["file.path"], found["file.name"] = path, os.path.basename(path)
    return {
        "event.kind": "alert" if category == "malware" else "event", "event.module": "macos",
        "event.dataset": f"macos.{name}" if name in KINDS else "macos.other", "host.os.type": "macos",
        "sigma.logsource": [*([f"macos/{sigma}/"] if sigma else []), "macos//endpointsecurity", "macos//"],
    }


def _process(found: Record, prefix: str, held: Any) -> None:
    """Path, numbers and signer of a process."""
    path = at(held, "executable", "path")
    if type(path) is str:
        found[prefix + "executable"], found[prefix + "name"] = path, os.path.basename(path)
    if type(pid := at(held, "audit_token", "pid")) is int:
        found[prefix + "pid"] = pid
    if prefix == "process." and type(uid := at(held, "audit_token", "euid")) is int:
        found["user.id"] = str(uid)


def _run(found: Record, target: Any, caller: Any, said: Any) -> None:
    """The new image, its command line, and whose child it is."""
    _process(found, "process.", target)
    _process(found, "process.parent.", caller)
    arguments = at(said, "args")
    if type(arguments) is list:
        words = [str(one) for one in arguments[:LONGEST]]
        found["process.args"] = words
        found["process.command_line"] = " ".join(words)
    if type(where := at(said, "cwd", "path")) is str:
        found["process.working_directory"] = where
    if type(parent := at(target, "ppid")) is int:
        found["process.parent.pid"] = parent


def _path(name: str, said: Any) -> str:
    """The file that an event makes, changes or takes away."""
    there = at(said, "destination")
    made = at(there, "new_path")
    target = None
    if type(made) is dict:
        target = os.path.join(str(at(made, "dir", "path") or ""), str(made.get("filename") or ""))
    target = target or at(there, "existing_file", "path") or at(said, "target", "path") or at(said, "file", "path")
    if name in ("clone", "copyfile", "link"):
        folder = at(said, "target_dir", "path")
        leaf = said.get("target_name", said.get("target_filename"))
        if type(folder) is str and type(leaf) is str:
            target = os.path.join(folder, leaf)
    return target if type(target) is str else ""
