"""Identity: a file is the same one however it is named, moved, packed or grown; another one never is."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.sources.files import FileSource, Ledger
from soc_core.journal.files import FileJournal
from tests.collectors.sources.taking import detect, take


def test_a_file_is_the_same_renamed_copied_packed_and_grown(
    tmp_path: Path, write: Callable[..., Path], ledger: Ledger
) -> None:
    lines = [b"line %d of the log" % n for n in range(100)]
    first, taken = take(write(b"\n".join(lines[:40]) + b"\n"), ledger)
    assert take(write(b"\n".join(lines[:40]) + b"\n", "renamed.log"), Ledger(ledger.path))[0].source == first.source
    packed = write(gzip.compress(b"\n".join(lines[:40]) + b"\n"), "a.log.1.gz")
    assert take(packed, ledger)[0].source == first.source
    grown, (found, positions, _) = take(write(b"\n".join(lines[:70]) + b"\n"), ledger)
    assert grown.source == first.source
    assert (found[:40], positions[:40]) == (taken[0], taken[1])
    again, (found, _, _) = take(write(b"\n".join(lines) + b"\n"), Ledger(ledger.path))
    assert again.source == first.source
    assert found == lines
    assert take(packed, ledger)[0].source == first.source  # an old state is still that file


def test_two_logs_with_the_same_beginning_stay_two(write: Callable[..., Path], ledger: Ledger) -> None:
    head = b"#Fields: date time c-ip cs-method\n"
    first = take(write(head), ledger)[0]
    one = take(write(head + b"a\n", "one"), ledger)[0]
    two = take(write(head + b"b\n", "two"), ledger)[0]
    assert one.source == first.source
    assert two.source != first.source
    assert take(write(head + b"a\na2\n", "one"), ledger)[0].source == one.source
    assert take(write(head + b"b\nb2\n", "two"), ledger)[0].source == two.source


@pytest.mark.parametrize("size", [1, 255, 256, 257, (1 << 18) - 1, 1 << 18, (1 << 18) + 1])
def test_growth_is_seen_at_any_size(size: int, write: Callable[..., Path], ledger: Ledger) -> None:
    data = b"".join(b"%07d\n" % n for n in range(size // 8 + 100))
    first = take(write(data[:size]), ledger)[0]
    assert take(write(data[: size + 9]), ledger)[0].source == first.source
    assert take(write(b"x" + data[: size + 9]), ledger)[0].source != first.source


def test_a_torn_ledger_still_serves(write: Callable[..., Path], ledger: Ledger) -> None:
    first = take(write(b"one\n"), ledger)[0]
    with ledger.path.open("ab") as file:
        file.write(b'{"id": "half')
    second = take(write(b"other\n", "b"), Ledger(ledger.path))[0]
    fresh = Ledger(ledger.path)
    assert take(write(b"one\ntwo\n"), fresh)[0].source == first.source
    assert take(write(b"other\nmore\n", "b"), fresh)[0].source == second.source


def test_resume_passes_over_what_the_journal_holds(tmp_path: Path, write: Callable[..., Path], ledger: Ledger) -> None:
    journal = FileJournal(tmp_path / "journal", partitions=1)
    path = write(b"one\ntwo\n")
    source = FileSource(path, ledger, detect)
    while batch := source.next_batch()[0]:
        journal.append(batch)
    source.close()
    path.write_bytes(b"one\ntwo\nthree\n")
    assert take(path, ledger, tail=journal.tail)[1] == ([b"three"], [8], {})
    assert take(path, ledger)[1][0] == [b"one", b"two", b"three"]
    journal.close()


def test_a_named_source_keeps_its_files_apart(write: Callable[..., Path], ledger: Ledger) -> None:
    one = take(write(b"one\n", "1"), ledger, source="web01")[0]
    two = take(write(b"two\n", "2"), ledger, source="web01")[0]
    assert one.source.startswith("web01/file:")
    assert one.source != two.source


def test_the_origin_says_what_was_asked(write: Callable[..., Path], ledger: Ledger) -> None:
    source = FileSource(write(b"x\n"), ledger, detect, format="syslog", zone="dmz", timezone="UTC", realm="demo")
    origin = source.next_batch()[0][0].origin
    assert (origin.format, origin.zone, origin.timezone, origin.realm) == ("syslog", "dmz", "UTC", "demo")
