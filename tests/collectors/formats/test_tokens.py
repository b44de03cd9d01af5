"""Scanned lines of JSON against orjson: the same names, values and types, or no judgement at all."""

from __future__ import annotations

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collectors.formats import _lazy, _spans, _times, _tokens, windows_event
from collectors.formats import _windows_tokens as windows_tokens
from collectors.formats._lazy import Json
from collectors.formats._spans import Cells, Field, Grid, read_value
from collectors.formats._tokens import Scanners, Sheet
from detections.sigma.columns import Rows
from soc_core.native import kernels
from soc_core.protocols import Context, Parsed
from soc_core.table import Table
from tests.collectors.formats.fixtures import CONTEXT
from tests.corpora import corpus, read

pytestmark = pytest.mark.skipif(kernels(_tokens.TREE) is None, reason="no kernels here (numba, SOC_NATIVE)")
SPLIT = {"Channel": False, "EventID": True}
NAMES = st.sampled_from(["Channel", "EventID", "a", "b", "Event", "", "名", "x" * 300]) | st.text(max_size=20)
LEAVES = st.none() | st.booleans() | st.integers(-(1 << 66), 1 << 66) | st.floats(allow_nan=False) | st.text(
    st.characters(codec="utf-8"), max_size=70)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
SPACES = st.sampled_from([b"", b" ", b"\t", b"\r\n "])


def spaced(value: Any, space: bytes) -> bytes:
    """A value as JSON with this white space wherever it may stand."""
    if isinstance(value, dict):
        inner = (spaced(name, space) + space + b":" + space + spaced(held, space) for name, held in value.items())
        return b"{" + space + (space + b"," + space).join(inner) + space + b"}"
    if isinstance(value, list):
        return b"[" + space + (space + b"," + space).join(spaced(held, space) for held in value) + space + b"]"
    try:
        return orjson.dumps(value)
    except TypeError:
        return str(value).encode()


def record(sheet: Sheet, line: int) -> dict[str, Any]:
    shape, first, found = sheet.scanner.shape(int(sheet.node[line])), int(sheet.found.first[line]), sheet.found
    at = int(sheet.starts[line])
    return {
        name: read_value(sheet.data[at + (cell >> 34) :][: cell >> 4 & (1 << 30) - 1].tobytes(), cell & 15)
        for cell, name in zip(found.cells[first : first + len(shape.names)].tolist(), shape.names, strict=True)
    }


def agree(lines: list[bytes], scanners: Scanners) -> int:
    """How many lines were not doubtful; each of them is what orjson makes of it."""
    sheet = scanners.scan(lines)
    assert sheet is not None
    sure = [number for number in range(len(lines)) if sheet.node[number] >= 0]
    for number in sure:
        wanted, found = orjson.loads(lines[number]), record(sheet, number)
        assert repr(found) == repr(wanted), lines[number]  # order and types as well
    return len(sure)


SCANNERS = Scanners(SPLIT)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.dictionaries(NAMES, VALUES, max_size=6), SPACES), min_size=1, max_size=4))
@example([({"Channel": "Security", "EventID": 1}, b""), ({"Channel": "Security", "EventID": "1"}, b" ")])
def test_objects_are_what_orjson_makes_of_them(rows: list[tuple[dict[str, Any], bytes]]) -> None:
    agree([spaced(row, space) for row, space in rows], SCANNERS)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=4), st.randoms(use_true_random=False))
def test_damaged_lines_are_never_taken_for_sound(row: dict[str, Any], chance: random.Random) -> None:
    line = bytearray(spaced(row, b""))
    lines = []
    for _ in range(8):
        torn = bytearray(line)
        for _ in range(chance.randint(1, 3)):
            torn[chance.randrange(len(torn))] = chance.choice(b'{}[]",:\\u0019 eE.-+\x00\x1f\x7f\xc0\xed\xff\n')
        lines += [bytes(torn), bytes(line[: chance.randrange(len(line) + 1)])]
    agree(lines, SCANNERS)


@pytest.mark.parametrize("line", [
    b"", b"{", b"[]", b"1", b"{}", b'{"a":1,"a":2}', b'{"a":"\\ud800"}', b'{"a":"\\ud83d\\ude00"}', b'{"a":-0}',
    b'{"a":18446744073709551616}', b'{"a":01}', b'{"a":1e5}', b'{"a":tru}', b'{"a":1}x', b'{"a":"\xed\xa0\x80"}',
    b'{"a":"\xc0\xaf"}', b'{"a":"\xf4\x90\x80\x80"}', b'{"a" 1}', b'{"a":1,}', b'{,"a":1}', b'{"a":[1,]}',
    b'{"a":[}', b'{"a":{]}', b'{"a":{"b"}}', b'{"a":"\x01"}', b'{"a":"\\x"}', b'{"a":"b', b'{"\\u0061":1}',
    b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", b"\xef\xbb\xbf{}", b"{" + b",".join(
        b'"%d":1' % number for number in range(300)) + b"}", b'{"a":.5}', b'{"a":1.}', b'{"a":+1}', b'{"a":-}',
])
def test_what_is_doubtful_is_left_to_others(line: bytes) -> None:
    sheet = Scanners(SPLIT).scan([line, b'{"b":1}'])
    assert sheet is not None
    assert sheet.node.tolist()[0] == -1
    assert sheet.node[1] > 0


@pytest.mark.parametrize("text", [
    b'"\xe9\x95\xbf\xe6\xb2\x99"', b'"\xf0\x9f\x98\x80"', b'"\\u957f"', b'"C:\\\\a\\"b\\/"', b"-9223372036854775808",
    b"9999999999999999999", b"0", b"-1.25", b"true", b"null", b'{"b":[1,{"c":"}"}],"d":{}}', b"[]", b'""',
])
def test_what_is_sure(text: bytes) -> None:
    assert agree([b'{"a":' + text + b"}"], Scanners(SPLIT)) == 1


def test_lines_of_all_sizes_and_a_tree_that_is_full() -> None:
    lines = [b'{"n%d":"%s","m":%d}' % (number, b"x" * (number % 70), number) for number in range(70_000)]
    scanners = Scanners(SPLIT)
    assert agree(lines, scanners) < len(lines)  # more names than there is room for
    assert agree(lines[:500], scanners) == 500  # a new tree


def test_records_in_json_of_the_corpora() -> None:
    sure = total = 0
    for path in sorted(corpus("otrf").rglob("*.jsonl.gz"))[::5]:
        lines = read(path).splitlines()[:400]
        sure, total = sure + agree(lines, SCANNERS), total + len(lines)
    assert total
    assert sure == total


@settings(max_examples=100, deadline=None)
@given(st.lists(st.from_regex(
    r"\A[0-9]{4}[-/][01][0-9][-/][0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.,][0-9]{1,13})?(Z|z| ?[+-]08:00)?\Z")
    | st.text(max_size=30), min_size=1, max_size=8), st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin"]))
def test_times_are_read_as_by_their_expression(stamps: list[str], timezone: str) -> None:
    sheet = Scanners({}).scan([orjson.dumps({"t": stamp}) for stamp in stamps])
    assert sheet is not None
    grid = Grid(sheet, lambda _: 0, sheet.node >= 0)
    if len(grid.lines) == len(stamps):
        wanted = _times.iso(pl.Series("@timestamp", stamps, dtype=pl.String), timezone)
        assert grid.field(("t",)).moments(timezone).to_physical().to_list() == wanted.to_physical().to_list()


TYPED = ["winlog.event_data.Image", "winlog.process.pid"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | st.floats(-1e9, 1e9, width=32)
    | st.text(st.characters(codec="utf-8"), max_size=9) | st.lists(st.integers(0, 9), max_size=2)
    | st.sampled_from(["0x1F", "12", " 7", "1_0", "C:\\a", 'say "x"']), min_size=1, max_size=9),
    st.sampled_from(TYPED), st.randoms(use_true_random=False))
def test_columns_of_spans_are_columns_ofread_values(values: list[Any], name: str, chance: random.Random) -> None:
    sheet = Scanners({}).scan([b'{"v":' + spaced(value, b"") + b"}" for value in values])
    assert sheet is not None
    grid = Grid(sheet, lambda _: 0, sheet.node >= 0)
    if len(grid.lines) < len(values) or not grid.names[0]:
        return
    for before in ("", "codes", "texts"):  # however it is looked at first
        field, slow = Field(grid.laid, [grid.column["v"]], 0, len(values)), Json(name, values)
        cells = Cells(name, field, slice(0, len(values)))
        _spans.SEVERAL = chance.choice([0, 200])
        getattr(cells, before or "name")
        assert cells.texts == slow.texts
        assert cells.series.to_list() == slow.series.to_list()
        assert cells.dtype == slow.dtype
        assert cells.empty == slow.empty
        rows = [chance.randrange(len(values)) for _ in range(4)]
        if cells.coded is not None:
            known = cells.coded.lexicon.texts
            assert [known[code] for code in cells.coded.codes.tolist()] == slow.texts
            assert cells.at(rows) == [slow.texts[row] for row in rows]
        picked: Cells = cells.pick(grid.lines[rows])  # type: ignore[assignment]
        assert picked.texts == [slow.texts[row] for row in rows]
        assert picked.series.to_list() == [slow.series[row] for row in rows]


def both(lines: list[bytes], monkeypatch: pytest.MonkeyPatch, ctx: Context = CONTEXT) -> Parsed:
    """The events with kernels, once they are held to those without."""
    monkeypatch.setattr(windows_tokens, "MANY", 1)
    few = len(lines) % 2  # one way or the other, whatever their number
    monkeypatch.setattr(_lazy, "SEVERAL", few * len(lines))
    monkeypatch.setattr(_spans, "SEVERAL", few * len(lines))
    fast = windows_event.parse(lines, ctx)
    monkeypatch.setattr(windows_tokens, "MANY", len(lines) + 1)
    slow = windows_event.parse(lines, ctx)
    assert fast.line_no.tolist() == slow.line_no.tolist()
    assert fast.faults == slow.faults
    found, wanted = fast.batch.frame(), slow.batch.frame()
    for name in {*found.columns, *wanted.columns}:
        nothing = pl.Series(name, [None] * found.height)
        ours = found[name] if name in found.columns else nothing
        theirs = wanted[name] if name in wanted.columns else nothing
        assert ours.to_list() == theirs.to_list(), name
    assert dict(zip(found.columns, found.dtypes, strict=True)) | dict(
        zip(wanted.columns, wanted.dtypes, strict=True)) == dict(zip(found.columns, found.dtypes, strict=True)) | {
        name: wanted[name].dtype for name in wanted.columns}
    return fast


def test_windows_events_of_recordings_are_the_same_with_and_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in sorted(corpus("otrf").rglob("*.jsonl.gz"))[::3]:
        lines = read(path).splitlines()[:150]
        assert both(lines, monkeypatch).batch.height == len(lines)


SYSTEM = {"Channel": "Security", "EventID": 4624, "Hostname": "pc", "@timestamp": "2026-11-20T01:00:00Z"}
ODD: list[dict[str, Any]] = [
    {}, {"Level": None, "SeverityValue": 2}, {"SeverityValue": "2"}, {"Level": "Information", "SeverityValue": 4},
    {"Keywords": ["a", "b"]}, {"Keywords": -9214364837600034816}, {"TargetUserName": None}, {"A": {"b": 1}},
    {"A": [1, 2]}, {"tags": ["x"], "port": 5}, {"Hostname": None, "Computer": "pc2"}, {"EventID": "4624"},
    {"EventID": None}, {"EventID": {"x": 1}}, {"Channel": ""}, {"Channel": None}, {"Channel": 7}, {"Event": {}},
    {"Event": "x"}, {"Two Words": "x"}, {"SubjectLogonId": "0x3E7"}, {"SubjectLogonId": 999}, {"@timestamp": None},
    {"@timestamp": None, "EventTime": "2026-11-20 09:00:00"}, {"@timestamp": 1795136400}, {"Message": "x" * 2000},
    {"EventType": "AUDIT_SUCCESS"}, {"EventID": True}, {"Channel": "Sec\\u0075rity"}, {"ProcessID": "0x10"},
    {"EventID": 4657, "OperationType": "%%1904", "ObjectName": "\\REGISTRY\\MACHINE\\a", "ObjectValueName": "b"},
    {"EventID": 4663, "ObjectType": "File"}, {"EventID": 4663, "ObjectType": "Key"}, {"EventID": 4663},
    {"EventID": 4688, "SubjectUserName": "li", "SubjectDomainName": "GOV", "NewProcessName": "C:\\x\\y.exe"},
    {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 12, "EventType": "INFO", "TargetObject": "HKLM\\a",
        "Message": "Registry object added or deleted:\r\nRuleName: -\r\nEventType: CreateKey\r\nUtcTime: 1"},
    {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 12, "EventType": "DeleteKey", "TargetObject": "x"},
    {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 12, "EventType": "INFO",
        "Message": "EventType: no\\\\nEventType: CreateKey"},
    {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 3, "SourceIp": "::ffff:192.0.2.1",
        "DestinationIp": "host", "Initiated": True, "Protocol": "tcp", "Hashes": "MD5=AB,IMPHASH=CD", "User": "G\\li"},
    {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 22, "QueryResults": "type:  5 a;::ffff:192.0.2.1;"},
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(ODD), max_size=3), min_size=1, max_size=12),
    st.sampled_from(["UTC", "Asia/Shanghai"]))
def test_odd_windows_events_are_the_same_with_and_without_kernels(made: list[list[dict[str, Any]]], zone: str) -> None:
    lines = []
    for some in made:
        row = dict(SYSTEM)
        for one in some:
            if "ObjectName" not in one or len(some) == 1:  # what a group is made of decides of a path of two parts
                row |= one
        lines.append(orjson.dumps(row))
    with pytest.MonkeyPatch.context() as patch:
        both([*lines, b"no", b"<Event/>", *lines], patch, Context(CONTEXT.received, zone))


SAID = LEAVES | st.lists(VALUES, max_size=2) | st.sampled_from([
    [1], ["x y", 2, None, True], [1.50], {"a": "b"}, "a\tb", 1.5, "\u957f\u6c99", 'say "x"', "", "x" * 90])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["port", "tags", "host", "Severity", "type", "@version", "\u540d"]),
    SAID, max_size=4), min_size=1, max_size=8), SPACES)
def test_what_collectors_say_of_themselves_is_left_over_alike(made: list[dict[str, Any]], space: bytes) -> None:
    """Whatever is plain and what is not, the last line too."""
    lines = [spaced(SYSTEM | some, space) for some in made]
    with pytest.MonkeyPatch.context() as patch:
        both(lines, patch)


def test_every_odd_windows_event_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in ODD:
        both([orjson.dumps(SYSTEM | one)], monkeypatch)


WINLOG = {
    "channel": "Security", "event_id": "4688", "provider_name": "p", "computer_name": "pc", "record_id": 7,
    "keywords": ["Audit Success"], "process": {"pid": 4, "thread": {"id": 8}}, "user": {"name": "li", "domain": "GOV"},
    "event_data": {"NewProcessName": "C:\\x\\y.exe", "SubjectUserName": "li", "SubjectLogonId": "0x3E7", "A B": "c"},
}
BEATS = {"@timestamp": "2026-11-20T01:00:00.123Z", "winlog": WINLOG, "message": "a\r\nb",
         "log": {"level": "information"}, "host": {"name": "pc", "os": {"a": {"b": {"c": 1}}}},
         "event": {"code": 4688}, "tags": ["x"], "agent": {"id": "1"}}
OLD = {"@timestamp": "2026-11-20T01:00:00.123Z", "log_name": "Security", "event_id": 4624, "source_name": "p",
       "computer_name": "pc", "keywords": ["Audit Failure", "x"], "level": "Information", "process_id": 4,
       "user": {"name": "li", "type": "User"}, "event_data": {"TargetUserName": "li"}, "beat": {"name": "b"},
       "type": "t"}
ODD_WINLOG: list[dict[str, Any]] = [
    {}, {"event_id": 4688}, {"event_id": None}, {"channel": None}, {"channel": ""}, {"keywords": "Audit Success"},
    {"keywords": None}, {"keywords": {"a": 1}}, {"keywords": [1, 2.5, None, {"a": [1]}]},
    {"user_data": {"a": {"b": 1}}}, {"user_data": None}, {"event_data": None}, {"event_data": []}, {"event_data": {}},
    {"event_data": {"a": None, "b": {"c": 1}}}, {"event_data": {"a": [1]}}, {"process": None},
    {"process": [{"pid": 1}]}, {"process": {"pid": {"x": 1}, "thread": [{"id": 1}]}},
    {"user": "li"}, {"record_id": "x"}, {"api": {"x": 1}},
    {"event_data": {"a": None}, "task": ["x"]}, {"version": True, "opcode": 1.5, "level": "4"},
]
ODD_TOPS: list[dict[str, Any]] = [
    {}, {"host": "pc"}, {"host": [{"name": "pc"}]}, {"host": None}, {"log": "x"}, {"log": {"level": None}},
    {"event": "x"}, {"message": {"a": 1}}, {"message": None}, {"@timestamp": None}, {"@timestamp": ["x"]},
    {"Event": 1}, {"EventID": 5},
    {"EventID": None}, {"log_name": "x"}, {"event_id": {"a": 1}}, {"level": ["x"]}, {"keywords": "a"}, {"keywords": 4},
    {"user": None}, {"user": [{"name": "x"}]}, {"event_data": None}, {"event_data": {"a": {"b": 1}}}, {"winlog": "x"},
    {"user_data": {"a": "b"}}, {"unknown": {"a": [1, {"b": None}], "c": "\u0000"}}, {"log_name": ""}, {"type": 1.0},
    {"EventID": 1, "Channel": "Security"},
]


def test_odd_events_of_winlogbeat_are_the_same_with_and_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [orjson.dumps(BEATS | {"winlog": WINLOG | one}) for one in ODD_WINLOG]
    lines += [orjson.dumps(base | one) for base in (BEATS, OLD, SYSTEM) for one in ODD_TOPS]
    lines += [orjson.dumps(dict(reversed((base | one).items()))) for base in (BEATS, OLD) for one in ODD_TOPS]
    for number, line in enumerate(lines):
        both([line, lines[number - 1]], monkeypatch)
    for chance in (random.Random(1), random.Random(2)):
        both(chance.sample(lines, len(lines)), monkeypatch)


def test_events_of_winlogbeat_need_no_second_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_tokens, "MANY", 1)
    lines = [orjson.dumps(base) for base in (BEATS, OLD, SYSTEM | {"tags": ["x"], "@metadata": {"a": {"b": 1}}})]
    found, rest = windows_tokens.read(lines, "UTC", lambda columns: columns)
    assert {one.key for one in found} == {
        ("beats", "Security", "4688"), ("old_beats", "Security", "4624"), ("flat", "Security", "4624")}
    assert not len(rest)


def test_what_is_left_over_tells_its_own_names_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """And who asks for a name below another of them gets what it would get of the column itself."""
    monkeypatch.setattr(windows_tokens, "MANY", 1)
    flat = {"Channel": "Security", "EventID": 4624, "TargetUserName": "a", "port": 6, "tags": ["x", {"deep": 1}]}
    beats = {"winlog": {"channel": "Security", "event_id": 4624}, "Custom": {"Colour": "red"}, "message": "m"}
    found = windows_event.parse([orjson.dumps(each) for each in (flat, beats)] * 8, CONTEXT)
    seen = 0
    for part in found.batch.parts:
        column = part.table.held["overflow"]
        for picked in (column, column.pick(np.array([0]))):
            assert picked.heads is not None
            for name, value in (("nxlog.port", "6"), ("Custom.Colour", "red"), ("nxlog.Nothing", None), ("port", None)):
                read = Rows(Table(picked.height, {"overflow": picked}))._source("overflow", name)
                plain = Rows(pl.DataFrame([picked.series]))._source("overflow", name)
                there = value if name.split(".")[0].lower() in picked.heads else None
                assert (read or [None])[0] == (plain or [None])[0] == there
                seen += (read or [None])[0] is not None
    assert seen == 4


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=4), st.integers(0, 8))
def test_lines_are_read_no_further_than_their_end(row: dict[str, Any], cut: int) -> None:
    """What stands behind a line in memory may be nobody's; here each stands alone, and is cut short or not."""
    line = spaced(row, b"")
    line = line[: len(line) - cut]
    before = _tokens.PAGE
    _tokens.PAGE = 1  # every line ends at the end of a page
    try:
        agree([line, line + b"\n", line[:-1] + b" }"], SCANNERS)
    finally:
        _tokens.PAGE = before


def test_threads_add_names_to_one_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names keep their numbers, though others are added by another thread at the same time."""
    monkeypatch.setattr(windows_tokens, "MANY", 1)
    monkeypatch.setattr(windows_tokens.SCANNERS, "_held", None)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def read_many(thread: int) -> int:
        good = 0
        for turn in range(8):
            names = [f"t{thread}_{turn}_{number}" for number in range(40)]
            lines = [orjson.dumps(SYSTEM | {name: name}) for name in names]
            found = windows_event.parse(lines, CONTEXT).batch.frame()
            good += [found[f"winlog.event_data.{name}"][row] for row, name in enumerate(names)] == names
        return good

    try:
        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(read_many, range(3))) == [8, 8, 8]
    finally:
        sys.setswitchinterval(before)


def test_marks_of_names_that_come_later_are_as_if_all_had_come_at_once() -> None:
    scanners = Scanners(windows_tokens.SPLIT, levels=3)
    for line in ({"Channel": "A", "EventID": 1, "x": {"y": 1}}, {"winlog": {"event_data": {"a": "b"}, "keywords": []}},
                 {"event_data": {"c": 1}, "keywords": ["k"]}):
        sheet = scanners.scan([orjson.dumps(line)])
        assert sheet is not None
        marks = windows_tokens._marks(sheet.scanner)
        assert marks.tolist() == windows_tokens._marked(sheet.scanner.names).tolist()
