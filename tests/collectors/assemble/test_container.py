"""Pieces of a container's line become the line."""

from __future__ import annotations

from tests.collectors.assemble.joining import events, joined
from tests.collectors.formats.fixtures import HERE

HEAD = b"2026-11-20T01:00:0%d.000000000Z stdout "


def line(second: int, tag: bytes, text: bytes, stream: bytes = b"stdout") -> bytes:
    return (HEAD % second).replace(b"stdout", stream) + tag + b" " + text


def test_pieces_become_one_line_on_each_stream() -> None:
    made = events([line(1, b"P", b"one "), line(2, b"P", b"bad ", b"stderr"), line(3, b"F", b"two"),
                   line(4, b"F", b"end", b"stderr"), line(5, b"F", b"alone")], "cri")
    assert [row["message"] for row in made] == ["one two", "bad end", "alone"]
    assert not any("tags" in row for row in made)


def test_docker_pieces_too() -> None:
    made = events([b'{"log":"one ","stream":"stdout","time":"2026-11-20T01:00:01Z"}',
                   b'{"log":"two\\n","stream":"stdout","time":"2026-11-20T01:00:01Z"}'], "cri")
    assert [row["message"] for row in made] == ["one two"]


def test_a_piece_waits_for_its_end() -> None:
    assert len(joined([line(1, b"P", b"one ")], "cri", now=0).held) == 1
    assert joined([line(1, b"F", b"one ")], "cri", now=0).held == []
    assert events([line(1, b"P", b"one ")], "cri")[0]["tags"] == ["partial"]


def test_what_a_container_wrote_in_another_format_is_read_as_that() -> None:
    eve = next(path for path in (HERE / "suricata_eve").glob("*.log")).read_bytes().split(b"\n")[0]
    made = events([line(1, b"F", eve), line(2, b"F", b"{broken"), line(3, b"F", b"plain")], "cri")
    assert [row["event.module"] for row in made] == ["suricata", "container", "container"]
    assert {row["container.log.stream"] for row in made} == {"stdout"}
