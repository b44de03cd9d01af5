"""Linux syslog and audit lines, macOS Endpoint Security messages, applications' traces."""

from __future__ import annotations

from typing import Any

import orjson

from detections.sigma.rule import LogSource
from tests.detections.sigma.native.solve import Found

Line = tuple[str, list[str]]
PROGRAMS = {"sshd": "sshd[811]", "auth": "su[811]", "cron": "CRON[811]", "clamav": "clamd[811]", "vsftpd":
    "vsftpd[811]", "guacamole": "guacd[811]", "syslog": "systemd[1]", "sudo": "sudo"}
QUOTED = ("name", "exe", "comm", "key", "cwd")


def syslog(source: LogSource, values: Found, text: str | None) -> Line:
    """A line of the service's own program."""
    program = PROGRAMS.get(source.service, "app[811]")
    said = text or "nothing"
    if source.service == "sudo":
        said = f"demo : TTY=pts/0 ; PWD=/home/demo ; USER={values.get('USER', 'root')} ; COMMAND=/usr/bin/id"
    return "syslog", [f"Nov 23 10:03:04 web-1 {program}: {said}"]


def auditd(source: LogSource, values: Found, text: str | None) -> Line:
    """Records of one audit event: each field in the record that bears it."""
    kind = values.get("type", "SYSCALL")
    head = "audit(1795399384.123:4411)"
    if "unit" in values:
        return "auditd", [f"type={kind} msg={head}: pid=1 uid=0 auid=4294967295 ses=4294967295 "
                          f"msg='unit={values['unit']} comm=\"systemd\" exe=\"/usr/lib/systemd/systemd\" res=success'"]
    call = {"arch": "c000003e", "syscall": values.get("SYSCALL", "59"), "success": "yes", "exit": "0"}
    own = {name: value for name, value in values.items() if name not in ("type", "SYSCALL")}
    if kind == "SYSCALL" or "SYSCALL" in values:
        own = call | own
    told = " ".join(f'{name}={_written(name, value)}' for name, value in own.items())
    return "auditd", [f"type={kind} msg={head}: {told}{' ' + text if text else ''}"]


def _written(name: str, value: str) -> str:
    """As the kernel writes it: in quotes, in hexadecimal where these would not do."""
    if name in QUOTED or (name[:1] == "a" and name[1:].isdigit()):
        plain = value.isprintable() and '"' not in value and " " not in value and value.isascii()
        return f'"{value}"' if plain else value.encode().hex().upper()
    return value


def endpoint_security(source: LogSource, values: Found, text: str | None) -> Line:
    """An eslogger message: exec, or the creation of a file."""
    record: dict[str, Any] = {"schema_version": 1, "mach_time": 1, "time": "2026-11-23T02:03:04.123Z", "version": 7,
        "event_type": 9, "process": {"executable": {"path": values.get("ParentImage", "/bin/zsh")},
        "audit_token": {"pid": 612, "euid": 501}, "ppid": 1}}
    if source.category == "process_creation":
        image = values.get("Image", "/usr/bin/true")
        record["event"] = {"exec": {"target": {"executable": {"path": image}, "audit_token": {"pid": 613, "euid": 501},
            "ppid": 612}, "args": values.get("CommandLine", image).split(" "), "cwd": {"path": "/Users/demo"}}}
    else:
        record["process"]["executable"]["path"] = values.get("Image", "/usr/bin/touch")
        folder, _, name = values["TargetFilename"].rpartition("/")
        record["event"] = {"create": {"destination_type": 1, "destination": {"new_path": {
            "dir": {"path": folder}, "filename": name, "mode": 420}}}}
    return "eslogger", [orjson.dumps(record).decode()]


def application(source: LogSource, values: Found, text: str | None) -> Line:
    """An error with its trace, in the layout of the framework."""
    said = text or "failed"
    stamp = "2026-11-23 10:03:04"
    java = ["\tat cn.gov.hall.Desk.open(Desk.java:12)", "\tat org.apache.velocity.Template.merge(Template.java:1)"]
    return "application", {
        "jvm": [f"{stamp}.123 ERROR [main] cn.gov.hall.Desk - {said}", java[0]],
        "velocity": [f"{stamp}.123 ERROR [main] cn.gov.hall.Desk - org.apache.velocity.exception.{said}: x", *java],
        "spring": [f"{stamp}.123 ERROR 4411 --- [nio-8080-exec-1] c.g.hall.Desk    : {said}", java[0]],
        "python": ["Traceback (most recent call last):", '  File "/srv/app.py", line 12, in get', f"{said}: x"],
        "django": [f"{stamp},123 - django.request - ERROR - Bad Request: /", "Traceback (most recent call last):",
                   '  File "/srv/app.py", line 12, in get', f"django.core.exceptions.{said}: x"],
        "ruby_on_rails": [f"E, [{stamp.replace(' ', 'T')}.123456 #812] ERROR -- : {said} (x):"],
        "nodejs": ["Error: spawn id ENOENT", f"    at ChildProcess.onexit ({said}:284:19)"],
        "sql": [f"{stamp}.123 ERROR [main] cn.gov.hall.Desk - java.sql.SQLException: {said} near 'x'", java[0]],
    }[source.product]


RENDERERS = (
    (LogSource("linux", "", "auditd"), auditd), (LogSource("linux"), syslog), (LogSource("macos"), endpoint_security),
    *((LogSource(name, "application"), application) for name in (
        "jvm", "velocity", "spring", "python", "django", "ruby_on_rails", "nodejs", "sql")),
)
