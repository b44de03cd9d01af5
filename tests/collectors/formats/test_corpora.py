"""Formats against public recordings that nobody here wrote."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import evtx
import orjson
import pytest

from collectors.formats import apache, nginx, syslog, windows_event
from soc_core import clock
from soc_core.protocols import Context, Parsed
from soc_core.schema import SCHEMA
from tests.collectors.formats.fixtures import rows
from tests.corpora import corpus, read

AT = clock.from_text("2026-01-01T00:00:00Z")
# What the recordings of ECS 8.0 say that ECS 9.4 does not, and what other parts of the platform add.
NOT_ECS_NOW = {"authentication_success", "authentication_failure"}  # were values of event.type
ELSEWHERE = re.compile(  # enrichment, identity, and the shipper's own bookkeeping
    r"\.geo\.|\.as\.|^log\.(offset|file|flags)|^input\.|^fileset\.|^ecs\.version"
    r"|^event\.(original|ingested|created|timezone)|^agent\.|^tags"
)


def ecs_fields() -> set[str]:
    with (corpus("ecs") / "fields.csv").open(encoding="utf-8") as opened:
        return {row["Field"] for row in csv.DictReader(opened)}


def lines(path: Path) -> list[bytes]:
    found = read(path).split(b"\n")
    return found[:-1] if found[-1] == b"" else found


BEATS = {"system/auth": syslog, "system/syslog": syslog, "nginx/error": nginx, "nginx/access": nginx,
    "apache/access": apache, "apache/error": apache}


def test_documents_equal_those_that_beats_expects() -> None:
    root, fields = corpus("beats-oss-modules"), ecs_fields()
    right = total = documents = 0
    wrong: Counter[str] = Counter()
    for name, module in BEATS.items():
        for expected_path in sorted((root / name).glob("*-expected.json*")):
            log = next(path for path in (root / name).iterdir()
                if path.name.startswith(expected_path.name.split("-expected")[0])
                       and "-expected" not in path.name)
            parsed = module.parse(lines(log), Context(AT, "Etc/GMT+2"))
            assert parsed.faults == []
            for wanted, found in zip(json.loads(read(expected_path)), rows(parsed.batch),
                strict=False):  # the first 100 of each log
                documents += 1
                for field, value in wanted.items():
                    if field in fields and not ELSEWHERE.search(field):
                        total += 1
                        if _same(field, value, found.get(field)):
                            right += 1
                        else:
                            wrong[field] += 1
    assert documents > 200
    assert right / total >= 0.98, wrong.most_common(10)


def _same(field: str, wanted: Any, found: Any) -> bool:
    if field == "@timestamp":
        return clock.from_datetime(datetime.fromisoformat(wanted)) == clock.from_text(found)
    if isinstance(wanted, list):
        kept = [value for value in wanted if value not in NOT_ECS_NOW]
        return sorted(kept) == sorted(found or [])
    return bool(wanted == found)


def fail2ban(name: str) -> list[tuple[dict[str, Any], bytes]]:
    """(label, line) of one labelled file."""
    found: list[tuple[dict[str, Any], bytes]] = []
    label: dict[str, Any] | None = None
    for line in (corpus("fail2ban") / name).read_bytes().splitlines():
        if line.startswith(b"# failJSON:"):
            label = json.loads(line.partition(b":")[2])
        elif line.strip() and not line.startswith(b"#") and label is not None:
            found.append((label, line))
            label = None
    return found


@pytest.mark.parametrize(("name", "module"), [("sshd", syslog), ("pam-generic", syslog), ("apache-auth", apache),
    ("apache-noscript", apache),
                                              ("apache-overflows", apache), ("nginx-http-auth", nginx),
                                              ("nginx-botsearch", nginx), ("nginx-limit-req", nginx)])
def test_the_address_is_the_one_the_labels_name_or_none(name: str, module: Any) -> None:
    """Injected addresses in the lines are traps: a wrong address is worse than none."""
    labelled = fail2ban(name)
    parsed: Parsed = module.parse([line for _, line in labelled], Context(AT))
    events = dict(zip(parsed.line_no.tolist(), rows(parsed.batch), strict=True))
    named = right = 0
    for number, (label, line) in enumerate(labelled):
        address = events.get(number, {}).get("source.address")
        if "host" not in label:
            continue
        named += 1
        # several labels name an address known from earlier lines of the same connection
        assert address in (None, label["host"], f"::ffff:{label['host']}"), line
        right += address is not None or label["host"].encode() not in line
    assert right / named >= 0.95


def test_ten_thousand_real_access_lines_have_no_fault() -> None:
    found = lines(corpus("elastic-examples") / "apache_logs.gz")
    for module in (apache, nginx):
        parsed = module.parse(found, Context(AT))
        assert parsed.faults == []
        assert parsed.batch.height == 10_000
        assert parsed.batch.column("http.response.status_code").null_count() == 0
        assert parsed.batch.column("url.original").null_count() == 0
        assert parsed.batch.column("source.ip").null_count() == 0


def evtx_records(path: Path, limit: int) -> list[bytes]:
    found: list[bytes] = []
    try:
        for record in evtx.PyEvtxParser(io.BytesIO(read(path))).records_json():
            if not isinstance(record, Exception):
                found.append(record["data"].encode())
            if len(found) >= limit:
                break
    except RuntimeError:
        return found  # damaged on purpose
    return found


@pytest.mark.parametrize("name", ["evtx-attack-samples", "evtx-to-mitre", "evtx-parser-samples"])
def test_windows_records_are_normalised(name: str) -> None:
    records = events = 0
    for path in sorted(corpus(name).rglob("*.evtx.gz")):
        found = evtx_records(path, 300)
        parsed = windows_event.parse(found, Context(AT))
        records, events = records + len(found), events + parsed.batch.height
        if parsed.batch.height:
            batch = parsed.batch
            assert all(batch.column(field).null_count() == 0
                for field in ("@timestamp", "event.code", "event.provider", "host.name"))
            assert all(SCHEMA.get(field) for field in batch.fields), {f for f in batch.fields if not SCHEMA.get(f)}
    assert records > 400
    assert events / records >= 0.995


def test_both_renderings_of_one_record_agree() -> None:
    decoder, compared = json.JSONDecoder(), 0
    for path in sorted(corpus("sigma-regression").rglob("*.json")):
        text, at, rendered = path.read_text(encoding="utf-8-sig").strip(), 0, []
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            rendered += value if isinstance(value, list) else [value]
            at += len(text[at:]) - len(text[at:].lstrip())
        log = path.with_suffix(".evtx.gz")
        records = windows_event.parse(evtx_records(log, 1000), Context(AT)).batch
        again = windows_event.parse([orjson.dumps(value) for value in rendered], Context(AT)).batch
        known = [_collapsed(row) for row in rows(records)]
        for row in rows(again):
            compared += 1
            assert _collapsed(row) in known, path
    assert compared >= 99


def _collapsed(row: dict[str, Any]) -> dict[str, Any]:
    """The JSON files had runs of white space cut down by whoever made them."""
    return {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in row.items()}


def test_recordings_of_other_collectors_are_read() -> None:
    paths = sorted((corpus("otrf") / "atomic" / "windows").rglob("*.jsonl.gz"))[:8]
    tags: Counter[str] = Counter()
    for path in paths:
        found = lines(path)[:1500]
        parsed = windows_event.parse(found, Context(AT))
        assert len(parsed.faults) <= 0.005 * len(found), (path.name, parsed.faults[:3])
        for one in parsed.batch.column("sigma.logsource"):
            tags.update(one)
    assert {"windows//security", "windows//sysmon", "windows/process_creation/", "windows/registry_set/"} <= tags.keys()
