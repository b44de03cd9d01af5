"""FileSource: what becomes of the bytes of a file, and that a file keeps its identity."""

from __future__ import annotations

import gzip
import json
import os
import random
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.sources import _content
from collectors.sources._framing import Elements, Lines, joined
from collectors.sources.files import Expanded, FileSource, Ledger, Refused, expand
from tests.collectors.sources.taking import detect, take

# ---------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("data", "lines", "positions"),
    [
        (b"one\ntwo\n", [b"one", b"two"], [0, 4]),
        (b"one\r\n\r\n\ntwo", [b"one", b"two"], [0, 8]),
        (b"  kept \t\r\n\xff\x00\x80 as is\r\r\n", [b"  kept \t", b"\xff\x00\x80 as is\r"], [0, 10]),
        (b"\xef\xbb\xbfmarked\nnext\n", [b"marked", b"next"], [0, 10]),
        ("日志\n第二行".encode(), ["日志".encode(), "第二行".encode()], [0, 7]),
        ("日志\n第二行\n".encode("gb18030"), ["日志".encode("gb18030"), "第二行".encode("gb18030")], [0, 5]),
        (b"", [], []),
        (b"\n\n\r\n", [], []),
    ],
)
def test_lines_are_verbatim(
    data: bytes, lines: list[bytes], positions: list[int], write: Callable[..., Path], ledger: Ledger
) -> None:
    for path in (write(data), write(gzip.compress(data), "a.log.gz"), write(gzip.compress(data), "named-otherwise")):
        assert take(path, ledger)[1] == (lines, positions, {})


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_becomes_utf8(codec: str, write: Callable[..., Path], ledger: Ledger) -> None:
    text = "2026-11-23 sshd started\r\n第二行 user=root\nlast"
    source, (lines, positions, damaged) = take(write(text.encode(codec)), ledger)
    assert lines == [b"2026-11-23 sshd started", "第二行 user=root".encode(), b"last"]
    assert positions == [0, 25, 45]
    assert not damaged
    assert source._known is not None
    assert source._known.encoding == "utf-8"


def test_a_long_line_is_kept_whole_and_marked(write: Callable[..., Path], ledger: Ledger) -> None:
    lines = [b"short", b"x" * (1 << 20), b"y" * ((1 << 20) + 1), b"end"]
    _, (found, _, damaged) = take(write(b"\n".join(lines)), ledger)
    assert found == lines
    assert damaged == {2: "line over 1 MiB"}


def test_a_file_without_line_ends_is_cut_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.sources._framing.HOLD_LIMIT", 1000)
    framer, whole = Lines(), b""
    for _ in range(50):
        found = framer.feed(b"z" * 300)
        assert framer.waiting <= 1300
        assert all("cut here" in reason for reason in found.damaged.values())
        assert len(found.damaged) == len(found.lines)
        whole += b"".join(found.lines)
    assert whole + b"".join(framer.finish().lines) == b"z" * 15_000


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b"bb", b"\n", b"\r", b"\r\n", b"\xff", b"\xef\xbb\xbf", b"ccc dd"]), max_size=30),
    st.lists(st.integers(0, 60), max_size=5),
)
def test_lines_do_not_depend_on_how_the_bytes_came(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    framer, found = Lines(), Lines().finish()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, stop in pairwise(edges):
        found = joined(found, framer.feed(data[start:stop]))
    found = joined(found, framer.finish())
    body = data.removeprefix(b"\xef\xbb\xbf")
    expected = [line for line in (raw[:-1] if raw.endswith(b"\r") else raw for raw in body.split(b"\n")) if line]
    assert found.lines == expected
    for line, place in zip(found.lines, found.positions.tolist(), strict=True):
        assert data[place:].removeprefix(b"\xef\xbb\xbf" if place == 0 else b"").startswith(line)


# ---------------------------------------------------------------- gzip


def test_damaged_gzip_gives_what_was_read_and_says_so(write: Callable[..., Path], ledger: Ledger) -> None:
    lines = [b"line %d %d" % (n, random.Random(n).getrandbits(64)) for n in range(20_000)]
    data = gzip.compress(b"\n".join(lines) + b"\n")
    cases = {
        "ends early": data[: len(data) // 2],
        "damaged": data[:-8] + b"\0\0\0\0" + data[-4:],
        "Not a gzipped file": data + b"something else",
    }
    for why, broken in cases.items():
        _, (found, positions, damaged) = take(write(broken, f"{len(broken)}.gz"), ledger)
        assert len(damaged) == 1
        assert positions == sorted(set(positions))
        ((index, reason),) = damaged.items()
        assert why in reason
        assert index == len(found) - 1
        assert found[:index] == lines[:index]
        assert index >= (len(lines) if why != "ends early" else 8000)


def test_many_members_are_one_file(write: Callable[..., Path], ledger: Ledger) -> None:
    data = gzip.compress(b"one\ntw") + gzip.compress(b"o\nthree\n") + b"\0" * 100
    assert take(write(data), ledger)[1] == ([b"one", b"two", b"three"], [0, 4, 8], {})


def test_a_gzip_bomb_is_stopped(write: Callable[..., Path], ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_content, "EXPANDED", 1 << 20)
    _, (lines, _, damaged) = take(write(gzip.compress((b"x" * 99 + b"\n") * 400_000)), ledger)
    assert sum(map(len, lines)) < 16 << 20  # of 40 MB
    assert list(damaged) == [len(lines) - 1]
    assert "grows more than 250 times" in damaged[len(lines) - 1]


# ---------------------------------------------------------------- JSON documents


RECORDS = [{"n": 1, "t": "a, ] } \" \\ b"}, {"n": [1, {"x": "城市"}], "deep": {"a": {}}}, {"n": 3}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2, ensure_ascii=False),
        json.dumps({"Records": RECORDS}),
        json.dumps({"Records": RECORDS}, indent=4) + "\n",
        json.dumps({"@odata.context": "https://graph.example/$metadata", "value": RECORDS, "@odata.nextLink": "x"}),
        json.dumps({"count": 3, "events": RECORDS, "more": {"a": [1, "]}"]}}, indent=2),
        "\n".join(json.dumps(record, indent=1) for record in RECORDS),
        "\r\n".join(json.dumps(record, indent="\t") for record in RECORDS),
        "\ufeff" + json.dumps(RECORDS[:2]) + "\n" + json.dumps(RECORDS[2:]),
    ],
)
def test_a_json_document_is_one_record_an_element(text: str, write: Callable[..., Path], ledger: Ledger) -> None:
    data = text.encode()
    source, (lines, positions, damaged) = take(write(data), ledger)
    assert [json.loads(line) for line in lines] == RECORDS
    assert not damaged
    shift = 3 if text.startswith("\ufeff") else 0
    assert all(data[place + shift :].startswith(line) for line, place in zip(lines, positions, strict=True))
    assert source._known is not None
    assert source._known.format == "json"


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}\n{"a": 2}\n',
        '{"Records": [{"a": 1}]}\n{"Records": [{"a": 2}]}\n',
        "[2018-06-29T10:06:14,933][INFO ][index.search.slowlog] {\n[2018-06-29T10:06:15,000] more\n",
        '{"a": 1, broken\n{"a": 2}\n',
        "[Sat Aug 12 04:05:51 2006] [notice] Apache/1.3.11\n[Sat Aug 12 04:05:52 2006] [notice] x\n",
        "{\nnot json at all\n",
    ],
)
def test_lines_stay_lines(text: str, write: Callable[..., Path], ledger: Ledger) -> None:
    assert take(write(text.encode()), ledger)[1][0] == text.encode().splitlines()


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
).map(lambda value: {"v": value})


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, max_size=6, min_size=1), st.integers(1, 40), st.sampled_from([None, 2]), st.booleans())
def test_elements_do_not_depend_on_how_the_bytes_came(values: list[object], step: int, indent: int | None,
                                                      wrapped: bool) -> None:
    whole = {"next": "page", "items": values, "total": {"n": 1}} if wrapped else values
    data = json.dumps(whole, indent=indent, ensure_ascii=False).encode()
    framer, found = Elements(), Elements().finish()
    for start in range(0, len(data), step):
        found = joined(found, framer.feed(data[start : start + step]))
    found = joined(found, framer.finish())
    assert [json.loads(line) for line in found.lines] == values
    assert all(data[place:].startswith(line) for line, place in zip(found.lines, found.positions.tolist(), strict=True))
    assert not found.damaged


def test_a_broken_document_loses_nothing(write: Callable[..., Path], ledger: Ledger) -> None:
    data = b'[{"a": 1},\n{"b": 2},\n{"c": oops},\n{"d": 4}]\n'
    _, (lines, _, damaged) = take(write(data), ledger)
    assert lines[:2] == [b'{"a": 1}', b'{"b": 2}']
    assert b"\n".join(lines[2:]).strip(b",\n") == data[data.index(b'{"c"') : -1]
    assert sorted(damaged) == list(range(2, len(lines)))


# ---------------------------------------------------------------- what is refused


def test_folders_are_walked_and_what_is_no_log_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    folder = tmp_path / "logs"
    (folder / "b" / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("b/2.log", "a.log", "b/deep/3.log", ".hidden/x.log", ".dot"):
        (folder / name).write_bytes(b"x\n")
    os.mkfifo(folder / "pipe")
    (folder / "gone").symlink_to(folder / "nowhere")
    found = expand([folder])
    assert [path.relative_to(folder).as_posix() for path in found.files] == ["a.log", "b/2.log", "b/deep/3.log"]
    assert sorted(path.name for path, _ in found.refused) == ["gone", "pipe"]
    assert expand([folder / ".dot"]) == Expanded([folder / ".dot"], [])
    with pytest.raises(FileNotFoundError, match="there is no"):
        expand([folder / "missing"])


def test_other_containers_are_refused_in_one_sentence(tmp_path: Path, ledger: Ledger) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.log", "x")
    (tmp_path / "noise").write_bytes(random.Random(1).randbytes(5000))
    (tmp_path / "p.pcap").write_bytes(b"\xd4\xc3\xb2\xa1" + bytes(100))
    (tmp_path / "zeros").write_bytes(bytes(5000))
    for name, why in (("z.zip", "ZIP"), ("noise", "binary"), ("p.pcap", "packet capture"), ("zeros", "binary")):
        for path in (tmp_path / name, tmp_path / f"{name}.gz"):
            if path.suffix == ".gz":
                path.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
            with pytest.raises(Refused, match=why) as caught:
                FileSource(path, ledger, detect)
            assert "\n" not in str(caught.value)
