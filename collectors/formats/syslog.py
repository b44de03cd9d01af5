"""Syslog: RFC 3164, RFC 5424, rsyslog's file format and plain /var/log lines, with what Linux programs say in them.

https://www.rfc-editor.org/rfc/rfc3164 and https://www.rfc-editor.org/rfc/rfc5424. Each line is an event; a line
without any syslog header is a fault. The header's columns are made once, then each program's messages go through
its table of shapes (_sshd.py, _pam.py, _accounts.py) and payloads of other formats through _payload.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import polars as pl

from collectors.formats import _accounts, _pam, _payload, _sshd, _times
from collectors.formats._frames import Piece, by_value, endpoints, finish, gather, integers
from collectors.formats._text import Shape, decode, match
from soc_core.protocols import Context, Fault, Ints, Parsed

PRI = r"^(?:<(?P<pri>\d{1,3})>)?"
DAY = r"(?P<day>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d{1,2}(?: \d{4})?)"
CLOCK = r" (?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<part>\d{1,9}))?"
ISO = r"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)"
HOST = r"(?: {1,2}(?P<host.hostname>[^\s\[\]]*[^\s\[\]:]))?"
TAG = r" +\[?(?P<log.syslog.appname>[^\s:\[\]]+)\]?(?:\[(?P<log.syslog.procid>[^\]\s]*)\])?: ?(?P<message>(?s:.*))$"
PLAIN = r" (?:(?P<host.hostname>\S+) +)?(?P<message>(?s:.+))$"
DATA = r'(?P<data>-|(?:\[(?:[^\]"]|"(?:[^"\\]|(?s:\\.))*")*\])+)'
HEADERS = (
    Shape("", PRI + DAY + CLOCK + HOST + TAG),
    Shape("<", r"^<(?P<pri>\d{1,3})>(?P<log.syslog.version>[1-9]\d{0,2}) (?P<stamp>\S+) (?P<host.hostname>\S+) "
          r"(?P<log.syslog.appname>\S+) (?P<log.syslog.procid>\S+) "
          r"(?P<log.syslog.msgid>\S+) " + DATA + r"(?: \x{feff}?(?P<message>(?s:.*)))?$"),
    Shape("", PRI + ISO + HOST + TAG),
    Shape("", PRI + DAY + CLOCK + PLAIN),
    Shape("", PRI + ISO + PLAIN),
    Shape("", PRI + r"(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?[+-]\d\d:?\d\d)" + HOST  # macOS
          + r" +(?P<log.syslog.appname>[^\s:\[\]]+)\[(?P<log.syslog.procid>\d{1,10})\]: (?P<message>(?s:.*))$"),
    Shape("", PRI + r"(?P<host.hostname>[A-Za-z0-9][A-Za-z0-9_.-]*) (?P<log.syslog.appname>[A-Za-z][A-Za-z0-9_./-]*)"
          r"\[(?P<log.syslog.procid>\d{1,10})\]: (?P<message>(?s:.*))$"),
    Shape("<",
        r"^<(?P<pri>\d{1,3})>(?:(?P<log.syslog.appname>[^\s:\[\]]+)(?:\[(?P<log.syslog.procid>[^\]\s]*)\])?: )"
        r"?(?P<message>(?s:.+))$"),
)
FACILITIES = (
    "kernel", "user-level", "mail", "daemon", "auth", "syslogd", "lpr", "news", "uucp", "clock", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)
SEVERITIES = ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"]
# network and security devices: Cisco's %FACILITY-SEVERITY-MNEMONIC, ArcSight's and QRadar's forms, FortiGate's pairs
DEVICE = r"^.{0,80}?%[A-Z0-9_]+-\d-[A-Z0-9_]+:|^(?:CEF|LEEF):\d|\bdevname=\S+ devid="
DEVICE_TAGS = ["CEF", "LEEF"]
SD_ELEMENT = r'\[([^\s=\]"]+)((?: [^\s=\]"]+="(?:[^"\\]|\\.)*")*)\]'


class Family(NamedTuple):
    """Programs that share a table of shapes, their data set and the Sigma log sources beside linux//syslog."""

    shapes: tuple[Shape, ...] = ()
    dataset: str = "system.syslog"
    tags: tuple[str, ...] = ()


AUTH = "system.auth"
SSHD = Family(_sshd.SHAPES + _pam.SHAPES, AUTH, ("linux//auth", "linux//sshd"))
SUDO = Family(_pam.SHAPES + _accounts.SUDO, AUTH, ("linux//auth", "linux//sudo"))
SU = Family(_accounts.SU + _pam.SHAPES, AUTH, ("linux//auth",))
TOOLS = Family(_accounts.ACCOUNTS + _accounts.LOGIN + _accounts.LOGIND + _pam.SHAPES, AUTH, ("linux//auth",))
CRON = Family(_accounts.CRON + _pam.SHAPES, tags=("linux//cron",))
OTHER = Family(_pam.SHAPES)
TOOL_NAMES = (
    "useradd", "groupadd", "usermod", "groupmod", "userdel", "groupdel", "passwd", "chage", "chfn", "chsh", "gpasswd",
    "chpasswd", "newusers", "adduser", "login", "systemd-logind", "polkitd", "pkexec", "gdm-password", "lightdm",
    "vlock",
)
FAMILIES: dict[str, Family] = {
    **dict.fromkeys(("sshd", "sshd-session", "sshd-auth"), SSHD),
    "sudo": SUDO,
    **dict.fromkeys(("su", "su-l"), SU),
    **dict.fromkeys(TOOL_NAMES, TOOLS),
    **dict.fromkeys(("cron", "CRON", "crond", "crontab", "anacron", "/usr/sbin/cron", "/USR/SBIN/CRON"), CRON),
    **dict.fromkeys(("clamd", "freshclam", "clamav", "clamscan"), Family(tags=("linux//clamav",))),
    **dict.fromkeys(("guacd", "guacamole"), Family(tags=("linux//guacamole",))),
    "vsftpd": Family(_pam.SHAPES, tags=("linux//vsftpd",)),
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each line with a syslog header is one event; others are faults. Pure; see protocols.Format."""
    text, faults = decode(lines, ctx.encoding)
    undecoded = {fault.line for fault in faults}
    taken, pieces = _payload.devices(lines, text.fill_null(""), ctx)
    text = text.set(pl.Series(taken), "") if taken.any() else text
    for shape, rows, groups in match(text.fill_null("") if undecoded else text, HEADERS):
        if shape is None:
            rows = rows[~taken[rows]]
            faults += [Fault(int(row), "no syslog header") for row in rows if int(row) not in undecoded]
        else:
            pieces += events(rows, _header(groups, ctx), ctx)
    return gather(pieces, faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with a timestamped syslog header, a little below certainty for other formats' sake."""
    text, _ = decode(lines)
    matched = [len(rows) for shape, rows, _ in match(text.fill_null(""), HEADERS[:5]) if shape is not None]
    bare = [len(rows) for shape, rows, _ in match(text.fill_null(""), HEADERS[5:]) if shape is not None]
    return max(0.95 * sum(matched), 0.9 * sum(bare)) / max(len(lines), 1)


def _header(groups: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    """The header's groups as ECS columns."""
    found = {series.name: series for series in groups.iter_columns()}
    columns: list[pl.Series] = []
    if "day" in found:
        part = found["part"]
        columns.append(_times.rfc3164(found["day"], found["clock"], ctx.received, ctx.timezone,
                                      None if part.null_count() == len(part) else part).alias("@timestamp"))
        columns.append(pl.Series("event.timezone", [ctx.timezone]).new_from_index(0, groups.height))
    elif "stamp" in found:
        columns.append(_times.iso(found["stamp"], ctx.timezone).alias("@timestamp"))
    if found["pri"].null_count() < groups.height:
        columns += _priority(found["pri"])
    if "log.syslog.version" in found and found["log.syslog.appname"].str.ends_with("]").any():
        _untag(found)
    for name in ("host.hostname", "log.syslog.appname", "log.syslog.procid", "log.syslog.msgid"):
        if name in found:
            columns.append(_known(found[name]))
    if "log.syslog.version" in found:
        columns.append(found["log.syslog.version"])
        columns.append(by_value(found["data"], _structured).alias("overflow"))
    frame = pl.DataFrame(columns, height=groups.height).with_columns(found["message"].fill_null(""))
    if "host.hostname" in frame.columns:
        frame = frame.with_columns(pl.col("host.hostname").alias("host.name"))
    if "log.syslog.appname" in frame.columns:
        program = pl.col("log.syslog.appname").str.replace(r"\(.*\)$", "")
        frame = frame.with_columns(program.alias("process.name"),
            integers(frame["log.syslog.procid"]).alias("process.pid"))
    return frame


def _untag(found: dict[str, pl.Series]) -> None:
    """`sshd[7]` as the name of RFC 5424, and no process id: what `logger -t` makes of a tag of before."""
    name, pid = found["log.syslog.appname"], found["log.syslog.procid"]
    parts = name.str.extract_groups(r"^([^\[\]]+)\[(\d{1,10})\]$").struct
    taken = (pid == "-") & parts["2"].is_not_null()
    found[name.name] = parts["1"].zip_with(taken, name).alias(name.name)
    found[pid.name] = parts["2"].zip_with(taken, pid).alias(pid.name)


def _known(column: pl.Series) -> pl.Series:
    """RFC 5424 writes `-` for what it does not know."""
    nil = column == "-"
    return pl.select(pl.when(~nil).then(column)).to_series().alias(column.name) if nil.any() else column


def _priority(pri: pl.Series) -> list[pl.Series]:
    number = pri.cast(pl.Int64)
    frame = pl.DataFrame({"n": pl.select(pl.when(number < 192).then(number)).to_series()})
    return frame.select(
        pl.col("n").alias("log.syslog.priority"),
        (pl.col("n") // 8).alias("log.syslog.facility.code"),
        (pl.col("n") % 8).alias("log.syslog.severity.code"),
        (pl.col("n") // 8).replace_strict(dict(enumerate(FACILITIES)), return_dtype=pl.String, default=None)
        .alias("log.syslog.facility.name"),
        (pl.col("n") % 8).replace_strict(dict(enumerate(SEVERITIES)), return_dtype=pl.String, default=None)
        .alias("log.syslog.severity.name"),
    ).get_columns()


def _structured(data: str) -> str | None:
    """RFC 5424 structured data as the overflow's JSON."""
    found: dict[str, dict[str, str]] = {}
    for name, pairs in re.findall(SD_ELEMENT, data):
        inner = found.setdefault(name, {})
        for key, value in re.findall(r' ([^\s=\]"]+)="((?:[^"\\]|\\.)*)"', pairs):
            inner[key] = re.sub(r'\\(["\\\]])', r"\1", value)
    return orjson.dumps({"log": {"syslog": {"structured_data": found}}}).decode() if found else None


def events(lines: Ints, header: pl.DataFrame, ctx: Context) -> Iterator[Piece]:
    """Send each program's messages through its own table. `header` has message and what is known of who wrote it."""
    for family, rows in _families(header):
        mine = header if len(rows) == header.height else header[rows]
        here = lines if len(rows) == header.height else lines[rows]
        taken, carried = _payload.carried(here, mine, ctx)
        yield from carried
        if taken.any():
            mine, here = mine.filter(pl.Series(~taken)), here[~taken]
        yield from _shaped(here, mine, family)


def _families(header: pl.DataFrame) -> Iterator[tuple[Family, Ints]]:
    if "process.name" not in header.columns:
        yield OTHER, np.arange(header.height)
        return
    names = header["process.name"].unique()
    kinds: list[Family] = []
    numbers = [_number(kinds, FAMILIES.get(name, OTHER)) for name in names.to_list()]
    if len(kinds) == 1:
        yield kinds[0], np.arange(header.height)
        return
    codes = header["process.name"].replace_strict(names, numbers, return_dtype=pl.Int64).to_numpy()
    for number, family in enumerate(kinds):
        yield family, np.flatnonzero(codes == number)


def _number(kinds: list[Family], family: Family) -> int:
    for number, known in enumerate(kinds):
        if known is family:
            return number
    kinds.append(family)
    return len(kinds) - 1


def _shaped(lines: Ints, header: pl.DataFrame, family: Family) -> Iterator[Piece]:
    text = header["message"]
    if text.str.starts_with("[ID ").any():  # Solaris puts a message number first
        text = text.str.replace(r"^\[ID \d+ \S+\] ", "")
    if text.str.starts_with("kernel:").any():  # some relays put the kernel's clock before every program's message
        text = text.str.replace(r"^kernel: ?\[ *\d+\.\d+\]:? (\S)", "$1")
    for shape, rows, groups in match(text, family.shapes):
        frame = header if len(rows) == header.height else header[rows]
        fixed = _constants(family, shape)
        if shape is None and family is OTHER:
            device = frame["message"].str.contains(DEVICE) | _program(frame).is_in(DEVICE_TAGS)
            if device.any():  # no Linux: not for the rules of Linux
                plain = fixed | {"event.module": "syslog", "event.dataset": "syslog.device", "service.type": "syslog"}
                del plain["sigma.logsource"]
                yield Piece(lines[rows[device.to_numpy()]], finish(frame.filter(device), plain))
                rows, frame = rows[~device.to_numpy()], frame.filter(~device)
        if shape is not None:
            wanted = [series for series in groups.iter_columns() if not series.name.endswith("_")]
            frame = endpoints(frame.with_columns(wanted), ("source", "destination", "server"))
        yield Piece(lines[rows], finish(_linked(frame), fixed))


def _program(frame: pl.DataFrame) -> pl.Series:
    if "process.name" in frame.columns:
        return frame["process.name"].fill_null("")
    return pl.Series([""]).new_from_index(0, frame.height)


def _linked(frame: pl.DataFrame) -> pl.DataFrame:
    """A kept name that two vocabularies share."""
    if "system.auth.sudo.command" in frame.columns and "user.effective.name" in frame.columns:
        return frame.with_columns(pl.col("user.effective.name").alias("system.auth.sudo.user"))
    return frame


def _constants(family: Family, shape: Shape | None) -> dict[str, Any]:
    fixed: dict[str, Any] = {
        "event.kind": "event", "event.module": "system", "service.type": "system", "event.dataset": family.dataset,
        "event.category": ["host"], "event.type": ["info"],
        "sigma.logsource": ["linux//", "linux//syslog", *family.tags],
    }
    if shape is not None:
        fixed |= shape.constants
        if any(shape is known for known in _pam.SHAPES):
            fixed["event.dataset"] = AUTH
            if "linux//auth" not in family.tags:
                fixed["sigma.logsource"] = [*fixed["sigma.logsource"], "linux//auth"]
    return fixed
