"""Delivery over real sockets on loopback, pace, and what is said when it cannot be."""

from __future__ import annotations

import json
import socket
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from simulate import deliver
from simulate.run import Marked, Pace, Simulation
from soc_cli.commands.city import app, length
from soc_core.clock import DAY, from_text
from tests.cities.shared import city


@cache
def simulation() -> Simulation:
    return Simulation(city(), 1, from_text("2026-11-23T09:00:00+08:00"), 300, 100.0, systems=frozenset({"city_portal"}))


@cache
def block() -> Marked:
    return next(simulation().blocks())


def expected() -> list[bytes]:
    return bytes(deliver.joined(block().lines.text)[0]).split(b"\n")[:-1]


def test_syslog_over_tcp_arrives_line_by_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        got = bytearray()

        def receive() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(65536):
                    got.extend(data)

        thread = threading.Thread(target=receive)
        thread.start()
        sender = deliver.to(f"tcp://127.0.0.1:{server.getsockname()[1]}", "", simulation().traffic.streams)
        sender.send(block())
        sender.close([])
        thread.join(10)
    assert bytes(got).split(b"\n")[:-1] == expected()


def test_syslog_over_udp_is_one_line_a_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        sender = deliver.to(f"udp://127.0.0.1:{server.getsockname()[1]}", "", simulation().traffic.streams)
        some = Marked(block().lines.head(50), block().strike[:50])
        sender.send(some)
        assert [server.recv(65536) for _ in range(50)] == expected()[:50]


class Door(BaseHTTPRequestHandler):
    seen: list[tuple[str | None, bytes]] = []  # noqa: RUF012
    answer = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Door.seen.append((self.headers["Authorization"], body))
        self.send_response(Door.answer)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def test_http_with_a_token_and_a_refusal() -> None:
    with HTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/ingest"
        sender = deliver.to(url, "s3", simulation().traffic.streams)
        sender.send(block())
        assert {token for token, _ in Door.seen} == {"Bearer s3"}
        assert b"".join(body for _, body in Door.seen).split(b"\n")[:-1] == expected()
        Door.answer = 429
        with pytest.raises(ValueError, match="answered 429"):
            sender.send(block())
        server.shutdown()


@pytest.mark.parametrize("target", ["ftp://x", "tcp://host", "kafka://host:9092", "nonsense"])
def test_an_address_that_cannot_be_sent_to_is_named(target: str) -> None:
    with pytest.raises(ValueError, match="cannot send to"):
        deliver.to(target, "", simulation().traffic.streams)


def test_pace_holds_back_to_the_rate() -> None:
    pace = Pace(2000)
    begun = time.monotonic()
    for _ in range(5):
        pace.wait(60)
    assert time.monotonic() - begun >= 0.14


def test_pieces_of_a_block_are_the_block() -> None:
    pieces = list(block().parts(70))
    assert [piece.lines.height for piece in pieces] == [70, 70, 70, 70, 20]
    assert [text for piece in pieces for text in piece.lines.text] == block().lines.text.to_list()


def test_bytes_that_are_no_text_leave_as_such() -> None:
    import polars as pl

    data, ends = deliver.joined(pl.Series(["good", "br\ufffdken", "政务"]))
    assert bytes(data) == b"good\nbr" + deliver.INVALID + b"ken\n" + "政务\n".encode()
    assert ends.tolist() == [0, 5, 14, 21]
    with pytest.raises(UnicodeDecodeError):
        bytes(data).decode()


def test_command_reports_lines_and_seconds_and_refuses_nonsense() -> None:
    result = CliRunner().invoke(app, ["simulate", "--lines", "500", "--systems", "city_portal,sso", "--json"])
    report = json.loads(result.output.splitlines()[-1])
    assert report["lines"] == 500
    assert report["seconds"] > 0
    for arguments, error in (
        (["--systems", "atlantis"], LookupError), (["--span", "soon"], ValueError), (["--start", "then"], ValueError),
        (["--out", "/tmp/x", "--to", "tcp://127.0.0.1:1"], ValueError),
        (["--lines", "50", "--attacks", "60"], ValueError),
    ):
        assert isinstance(CliRunner().invoke(app, ["simulate", *arguments]).exception, error), arguments
    assert length("1d") == DAY
