"""What names the fields of a file's lines goes with every batch of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.sources import files
from collectors.sources._header import Header
from collectors.sources.files import FileSource, Ledger
from collectors.sources.tail import TailSource

ZEEK = "#separator \\x09\n#path\tconn\n#open\t2026\n#fields\tts\tuid\n"
W3C = "#Software: X\n#Version: 1.0\n#Fields: date time c-ip\n"


def test_the_last_header_holds_and_what_is_none_is_not_watched() -> None:
    header = Header()
    header.feed(ZEEK.encode().splitlines())
    assert header.text == "#separator \\x09\n#path\tconn\n#fields\tts\tuid"
    header.feed([b"1\t2", b"#Software: Y", b"#Fields: time", b"3"])
    assert header.text == "#Fields: time"
    other = Header()
    other.feed([b"no comment"])
    other.feed([b"#Fields: time"])
    assert other.text == ""


def test_each_batch_of_a_file_has_the_header_of_its_first_line(
    write: Callable[..., Path], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BATCH_RECORDS", 1)
    data = W3C + "2026-11-20 00:00:00 10.0.0.1\n" * 20_000
    source = FileSource(write(data.encode()), ledger, lambda lines: "iis")
    found = []
    while not source.done:
        found += [(raws.origin.header, len(raws.lines)) for raws in source.next_batch()[0]]
    assert len(found) > 1
    assert found[0][0] == ""  # it holds its header itself
    assert {header for header, _ in found[1:]} == {"#Fields: date time c-ip"}


def test_records_passed_over_still_name_the_fields(write: Callable[..., Path], ledger: Ledger) -> None:
    path = write((ZEEK + "1\ta\n2\tb\n").encode())
    source = FileSource(path, ledger, lambda lines: "zeek", tail=lambda name: len(ZEEK))
    raws = source.next_batch()[0][0]
    assert list(raws.lines) == [b"2\tb"]
    assert "#fields\tts\tuid" in raws.origin.header


def test_a_follower_that_starts_again_within_the_file_knows_its_header(tmp_path: Path) -> None:
    path, held = tmp_path / "conn.log", {"tail": -1}
    path.write_text(ZEEK + "1\ta\n")

    def follow() -> TailSource:
        return TailSource(path, lambda name: held["tail"], tmp_path / "notes", lambda lines: "zeek", format="zeek")

    source = follow()
    for _ in range(3):
        raws, position = source.next_batch()
        if raws:
            assert raws[0].origin.header == ""
            assert raws[0].positions is not None
            held["tail"] = int(raws[0].positions[-1])
            source.ack(position)
    with path.open("a") as opened:
        opened.write("2\tb\n")
    raws = source.next_batch()[0]
    assert "#fields\tts\tuid" in raws[0].origin.header
    source.close()
    source = follow()
    raws = source.next_batch()[0]
    assert list(raws[0].lines) == [b"2\tb"]
    assert "#fields\tts\tuid" in raws[0].origin.header
    source.close()
