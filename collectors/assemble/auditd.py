"""Linux audit: the records of one serial (SYSCALL, EXECVE, CWD, PATH, PROCTITLE) as one event.

https://github.com/linux-audit/audit-documentation/wiki/SPEC-Audit-Event-Enrichment. PROCTITLE is the kernel's last
record of a system call; EOE, which not every writer keeps, marks the end and says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from collectors.formats import auditd
from soc_core.protocols import Links

if TYPE_CHECKING:
    from soc_core.table import Table

SERIAL, KIND = "auditd.log.sequence", "auditd.log.record_type"
LAST, MARK = "PROCTITLE", "EOE"
# records of an event that has others; what user space writes (USER_*, SERVICE_*, CRED_* …) stands alone
PARTS = (
    "SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE", "EOE", "AVC", "SOCKADDR", "SOCKETCALL", "IPC", "OBJ_PID", "MMAP",
    "FD_PAIR", "BPRM_FCAPS", "CAPSET", "MQ_OPEN", "MQ_SENDRECV", "MQ_NOTIFY", "MQ_GETSETATTR", "KERN_MODULE", "SECCOMP",
    "FANOTIFY", "TIME_INJOFFSET", "TIME_ADJNTPVAL", "BPF", "NETFILTER_CFG", "ANOM_PROMISCUOUS", "ANOM_ABEND",
    "CONFIG_CHANGE", "OPENAT2", "URINGOP", "SELINUX_ERR", "TTY", "INTEGRITY_RULE", "LANDLOCK_ACCESS",
)
STARTS_ALONE = ("SECCOMP", "CONFIG_CHANGE", "ANOM_ABEND", "TTY")  # often the only one: only later ones make it wait
RANK = ("EXECVE", "AVC", "KERN_MODULE", "NETFILTER_CFG", "ANOM_PROMISCUOUS", "CONFIG_CHANGE", "SYSCALL", "SOCKADDR")
MANY = {"auditd.types": KIND, "auditd.names": "auditd.log.name"}  # rules look for any of them
UNITED = ("event.category", "event.type", "sigma.logsource", "related.ip", "related.user", "related.hosts",
    "related.hash", "tags")
OF_CALL = ("process.executable", "process.name")  # the call knows the program, its arguments only what it was called
CALL = "SYSCALL"


def mine(table: Table) -> bool:
    """Audit records, by their serial."""
    return SERIAL in table and KIND in table


def links(frame: pl.DataFrame) -> Links:
    """One event is one serial at one time on one node."""
    kinds = _kinds(frame)
    host = frame["host.name"].fill_null("") if "host.name" in frame.columns else pl.Series([""]).new_from_index(
        0, frame.height)
    stamps = frame["@timestamp"].to_physical().to_list()
    serials: list[str | None] = frame[SERIAL].to_list()
    key = [f"{node} {at} {serial}" if kind in PARTS else None
        for node, at, serial, kind in zip(host.to_list(), stamps, serials, kinds, strict=True)]
    void = [kind == MARK for kind in kinds]
    return Links(
        key, [kind not in STARTS_ALONE for kind in kinds], [True] * frame.height,
        [kind in (LAST, MARK) for kind in kinds], void,
        [int(serial) if serial and serial.isdecimal() else None for serial in serials],
    )


def join(frame: pl.DataFrame) -> pl.DataFrame:
    """The most telling record gives each column: EXECVE before SYSCALL before the files, those before their folders."""
    nothing = pl.lit(None, pl.String)
    of = {name: pl.col(name) if name in frame.columns else nothing for name in ("auditd.log.nametype",)}
    folder = of["auditd.log.nametype"].eq_missing(pl.lit("PARENT")).cast(pl.Int64)
    rank = pl.col("kind").replace_strict(list(RANK), list(range(len(RANK))), default=len(RANK), return_dtype=pl.Int64)
    ordered = (
        frame.with_columns(pl.Series("kind", _kinds(frame), dtype=pl.String), row=pl.int_range(frame.height))
        .with_columns(rank=rank + folder + 2 * (pl.col("kind") == LAST).cast(pl.Int64))
        .sort("group", "rank", "row")
    )
    made = ordered.group_by("group", maintain_order=True).agg(
        *(_column(name) for name in frame.columns if name not in ("group", "original")),
        *(_all(column, name) for name, column in MANY.items() if column in frame.columns),
    )
    made = made.with_columns(_without("event.type", "info"), _without("event.category", "host"))
    return _long_arguments(made, ordered.sort("group", "row"))


def _kinds(frame: pl.DataFrame) -> list[str]:
    """The record type of each row that is one record."""
    kinds: list[str] = frame[KIND].fill_null("").to_list()
    return kinds


def _column(name: str) -> pl.Expr:
    column = pl.col(name)
    first = column.drop_nulls().first()
    if name in UNITED:
        united = column.list.explode(keep_nulls=False, empty_as_null=False).drop_nulls().unique(maintain_order=True)
        return pl.when(united.len() > 0).then(united.implode()).alias(name)
    if name in OF_CALL:
        return pl.coalesce(column.filter(pl.col("kind") == CALL).drop_nulls().first(), first).alias(name)
    return first


def _all(column: str, name: str) -> pl.Expr:
    """Every value, in the order of the records."""
    values = pl.col(column).sort_by("row").drop_nulls().unique(maintain_order=True)
    return pl.when(values.len() > 0).then(values.implode()).alias(name)


def _without(name: str, vague: str) -> pl.Expr:
    """The list without a word that says nothing, unless it is the only one."""
    column = pl.col(name)
    return pl.when(column.list.len() > 1).then(column.list.filter(pl.element() != vague)).otherwise(column).alias(name)


def _long_arguments(made: pl.DataFrame, ordered: pl.DataFrame) -> pl.DataFrame:
    """Arguments that the kernel spread over several EXECVE records."""
    calls = ordered.filter(pl.col("kind") == "EXECVE").group_by("group", maintain_order=True).agg("original")
    calls = calls.filter(pl.col("original").list.len() > 1)
    if not calls.height or "process.args" not in made.columns:
        return made
    whole = {group: auditd.arguments(lines) for group, lines in calls.iter_rows()}
    args, said = made["process.args"].to_list(), made["process.command_line"].to_list()
    for group, found in whole.items():
        args[group], said[group] = found, " ".join(found)
    return made.with_columns(
        pl.Series("process.args", args, dtype=pl.List(pl.String)),
        pl.Series("process.command_line", said, dtype=pl.String),
        pl.Series("process.args_count", [None if one is None else len(one) for one in args], dtype=pl.Int64),
    )
