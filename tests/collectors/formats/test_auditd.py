"""The Linux audit log: what rules read, decoded; and public logs against the fields that others make of them."""

from __future__ import annotations

import json
from collections import Counter

from collectors import parse
from collectors.formats import auditd
from soc_core.protocols import Context
from tests.collectors.formats.fixtures import CONTEXT, rows
from tests.corpora import corpus, read

FIELDS = (
    "process.pid", "process.parent.pid", "process.executable", "process.name", "process.args", "process.args_count",
    "process.exit_code", "process.working_directory", "user.name", "source.ip", "group.id", "user.target.id",
    "auditd.log.record_type", "auditd.log.sequence", "event.outcome", "user.id",
)


def test_public_logs_equal_what_beats_expects() -> None:
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for expected in sorted((corpus("beats-oss-modules") / "auditd" / "log").glob("*-expected.json*")):
        stem = expected.name.split("-expected")[0]
        path = next(one for one in (expected.parent / stem, expected.parent / f"{stem}.gz") if one.exists())
        lines = [line for line in read(path).split(b"\n") if line]
        parsed = auditd.parse(lines, CONTEXT)
        assert all(b"msg=audit(" not in lines[fault.line] for fault in parsed.faults), path  # cut off in the recording
        assert parse.detect(lines) == "auditd"
        for wanted, found in zip(json.loads(read(expected)), rows(parsed.batch), strict=False):
            for field in FIELDS:
                if field in wanted:
                    same = str(wanted[field]) == str(found.get(field))
                    (right if same else wrong)[field] += 1
    assert right.total() > 1000
    assert right.total() / (right.total() + wrong.total()) >= 0.98, wrong


def test_a_long_argument_is_put_together_and_titles_are_not_taken_for_hexadecimal_by_chance() -> None:
    lines = [b'type=EXECVE msg=audit(1.0:1): argc=2 a0="sh" a1_len=4 a1[0]=6162 a1[1]=6364',
        b'type=PROCTITLE msg=audit(1.0:2): proctitle="abba"', b'type=SYSCALL msg=audit(1.0:3): syscall=59 a0=6162']
    found = rows(auditd.parse(lines, Context(0)).batch)
    assert found[0]["process.args"] == ["sh", "abcd"]
    assert found[1]["process.command_line"] == "abba"
    assert found[2]["auditd.log.a0"] == "6162"
    assert found[2]["auditd.log.syscall"] == "execve"


def test_invented_names_make_no_columns_without_end() -> None:
    lines = [b"type=X msg=audit(1.0:1): " + b" ".join(b"n%d=1" % n for n in range(at, at + 200))
             for at in range(0, 4000, 200)]
    batch = auditd.parse(lines, Context(0)).batch
    assert batch.height == 20
    assert len(batch.fields) < 450
