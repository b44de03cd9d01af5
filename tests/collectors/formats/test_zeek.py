"""Zeek's logs: a cut file keeps its header, JSON that does not name its log, and public logs without a loss."""

from __future__ import annotations

import orjson
import pytest

from collectors import parse
from collectors.formats import zeek
from collectors.sources._header import Header
from soc_core.protocols import Context, Frame, Origin, Raws
from soc_core.schema import SCHEMA
from tests.collectors.formats.fixtures import CONTEXT, HERE, rows
from tests.corpora import corpus, read

HEAD = [b"#separator \\x09", b"#set_separator\t,", b"#empty_field\t(empty)", b"#unset_field\t-", b"#path\tdns",
    b"#fields\tts\tuid\tid.orig_h\tquery\tanswers", b"#types\ttime\tstring\taddr\tstring\tvector[string]"]
LINES = [b"1763597662.5\tCDn1\t10.1.2.3\twww.city.example\t192.0.2.10,192.0.2.11",
    b"1763597663.5\tCDn2\t2001:db8::7\t\xe9\x95\xbf.example\t-"]


def header(lines: list[bytes]) -> str:
    watched = Header()
    watched.feed(lines)
    return watched.text


def test_a_batch_that_begins_within_a_file_is_read_by_the_header_of_its_source() -> None:
    whole = rows(zeek.parse(HEAD + LINES, CONTEXT).batch)
    cut = zeek.parse(LINES, Context(CONTEXT.received, CONTEXT.timezone, "", header(HEAD)))
    assert cut.faults == []
    assert rows(cut.batch) == whole
    assert whole[1]["dns.question.name"] == "长.example"
    assert len(zeek.parse(LINES, CONTEXT).faults) == 2


def test_the_header_travels_in_the_origin() -> None:
    origin = Origin(source="f", format="zeek", header=header(HEAD))
    found = parse.parse([Frame(0, 0, Raws(origin, LINES, 0)), Frame(0, 2, Raws(Origin(source="g"), HEAD + LINES, 0))])
    assert found.faults == []
    assert found.batch.column("dns.question.name").to_list() == ["www.city.example", "长.example"] * 2
    assert len(found.merged) == len(HEAD)


def test_a_later_header_takes_the_place_of_an_earlier_one() -> None:
    other = [b"#separator |", b"#path|weird", b"#fields|ts|name", b"1763597662.5|odd"]
    found = rows(zeek.parse(HEAD + LINES + other, CONTEXT).batch)
    assert [row["event.dataset"] for row in found] == ["zeek.dns", "zeek.dns", "zeek.weird"]
    assert found[2]["rule.name"] == "odd"


def test_a_hostile_record_makes_no_columns_without_end() -> None:
    wide = {"_path": "conn", "ts": 1.0, **{f"x{n}": n for n in range(5000)}, "a b": 1, "x1.y": 2, "": 3}
    parsed = zeek.parse([orjson.dumps(wide)], CONTEXT)
    assert parsed.batch.height == 1
    assert len(parsed.batch.fields) < 230
    assert '"a b":1' in parsed.batch.column("overflow")[0]


@pytest.mark.parametrize("name", ["zeek-btest", "zeek-zed-sample"])
def test_public_logs_records_in_are_records_out(name: str) -> None:
    taken = events = undated = 0
    for path in sorted((corpus(name) / ("baseline" if name == "zeek-btest" else "")).rglob("*")):
        if path.is_dir() or "LICENSE" in path.name or "COPYING" in path.name:
            continue
        lines = read(path).split(b"\n")
        lines = lines[:-1] if lines[-1] == b"" else lines
        if name == "zeek-btest" and not any(line.startswith(b"#fields") for line in lines):
            continue  # cut down by zeek-cut: no log of Zeek's any more
        parsed = zeek.parse(lines, CONTEXT)
        wanted = sum(not line.startswith(b"#") for line in lines)
        taken, events = taken + wanted, events + parsed.batch.height
        assert parsed.faults == [], path
        if wanted:
            assert parse.detect(lines[:200]) == "zeek", path
            undated += parsed.batch.column("@timestamp").null_count() if name == "zeek-zed-sample" else 0
            assert all(SCHEMA.get(field) for field in parsed.batch.fields)
    assert taken > 2000
    assert events == taken
    assert undated == 0


def test_json_without_its_log_name_is_known_by_its_fields() -> None:
    known = {"ssl", "kerberos", "smb_files", "dce_rpc", "notice", "ftp", "rdp", "x509", "files"}
    for line in (HERE / "zeek" / "zeek.log").read_bytes().split(b"\n"):
        if not line.startswith(b'{"_path"') or not line.endswith(b"}"):
            continue
        record = orjson.loads(line)
        log = record.pop("_path")
        if log in known:
            record.setdefault("uid", "C1")
            batch = zeek.parse([orjson.dumps(record)], CONTEXT).batch
            assert batch.column("event.dataset").to_list() == [f"zeek.{log}"]
            known.discard(log)
    assert known == set()
