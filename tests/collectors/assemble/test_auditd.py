"""Audit records of one serial are one event; those that stand alone are left alone."""

from __future__ import annotations

from tests.collectors.assemble.joining import events, joined
from tests.collectors.formats.fixtures import HERE

LINES = [line for line in (HERE / "auditd" / "auditd.log").read_bytes().split(b"\n") if line]
LONG = [
    b"type=SYSCALL msg=audit(1763600520.441:9): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=2 "
    b'comm="sh" exe="/usr/bin/sh"',
    b'type=EXECVE msg=audit(1763600520.441:9): argc=3 a0="sh" a1="-c" a2_len=12 a2[0]="first-"',
    b'type=EXECVE msg=audit(1763600520.441:9): a2[1]="second"',
    b"type=PROCTITLE msg=audit(1763600520.441:9): proctitle=7368",
    b"type=EOE msg=audit(1763600520.441:9):",
]


def test_a_program_start_is_one_event() -> None:
    made = events(LINES, "auditd")
    assert len(made) == len(LINES) - 4 - 3  # four records joined, three lines are no audit records
    start = made[0]
    assert start["auditd.types"] == ["SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE"]
    assert start["process.args"] == ["curl", "-o", "/tmp/a b.sh", "http://203.0.113.9/x"]
    assert start["process.executable"] == "/usr/bin/curl"
    assert start["process.working_directory"] == "/root"
    assert start["process.command_line"] == "curl -o /tmp/a b.sh http://203.0.113.9/x"
    assert (start["event.category"], start["event.type"]) == (["process", "file"], ["start"])


def test_arguments_over_several_records_come_together_and_the_end_mark_is_merged() -> None:
    made = joined(LONG, "auditd")
    assert made.parsed.merged == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert events(LONG, "auditd")[0]["process.args"] == ["sh", "-c", "first-second"]


def test_interleaved_serials_are_told_apart() -> None:
    other = [line.replace(b":9)", b":10)").replace(b"first", b"other") for line in LONG]
    mixed = [line for pair in zip(LONG, other, strict=True) for line in pair]
    assert [row["process.args"][2] for row in events(mixed, "auditd")] == ["first-second", "other-second"]


def test_a_lost_end_is_waited_for_until_later_serials_come() -> None:
    cut = LONG[:3]
    later = [b"type=SYSCALL msg=audit(1763600521.000:%d): arch=c000003e syscall=2 pid=9" % serial
             for serial in range(20, 320)]
    made = joined([*cut, *later], "auditd", now=0)
    held = {line for _, line in made.held}
    assert not held & {0, 1, 2}
    assert held >= {302}
    assert len({0, 1, 2} & {line for _, line in joined(cut, "auditd", now=0).held}) == 3


def test_what_stands_alone_waits_for_nothing() -> None:
    assert joined([line for line in LINES if b"type=USER_" in line], "auditd", now=0).held == []
