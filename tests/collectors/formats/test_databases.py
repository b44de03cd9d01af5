"""Database logs: public samples without a fault, and records of several lines wherever a batch is cut."""

from __future__ import annotations

import pytest

from collectors import parse
from collectors.formats import postgresql
from soc_core import registry
from tests.collectors.formats.fixtures import CONTEXT, rows
from tests.corpora import corpus, read


@pytest.mark.parametrize("name", ["postgresql", "redis", "mongodb"])
def test_public_logs_have_no_fault(name: str) -> None:
    module, taken = registry.get("collectors.formats", name), 0
    for path in sorted((corpus("beats-oss-modules") / name / "log").iterdir()):
        if "expected" in path.name:
            continue
        lines = [line for line in read(path).split(b"\n") if line]
        parsed = module.parse(lines, CONTEXT)
        assert len(parsed.faults) <= 0.02 * len(lines), (path.name, parsed.faults[:3])
        assert parsed.batch.column("@timestamp").null_count() == 0
        assert parse.detect(lines[:50]) == name, path.name
        taken += len(lines)
    assert taken


def test_what_goes_on_with_a_record_belongs_to_it() -> None:
    lines = [b"2026-11-20 01:02:03.123 UTC [1] a@b LOG:  statement: SELECT", b"\t1,", b"\t2"]
    parsed = postgresql.parse(lines, CONTEXT)
    assert parsed.merged == [1, 2]
    assert rows(parsed.batch)[0]["postgresql.log.query"] == "SELECT\n\t1,\n\t2"
    cut = postgresql.parse(lines[1:], CONTEXT)
    assert [fault.line for fault in cut.faults] == [0, 1]


def test_quoted_text_cannot_pass_for_a_login() -> None:
    line = b'2026-11-20 01:02:03.123 UTC [1] a@b ERROR:  syntax error at "password authentication failed for user "x""'
    assert "event.outcome" not in rows(postgresql.parse([line], CONTEXT).batch)[0]
