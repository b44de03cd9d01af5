"""Probes against hosts of our own on 127.0.0.1: up and down, changed content, certificates, names; nobody else."""

from __future__ import annotations

import datetime
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from collectors.parse import parse
from collectors.sources.probes import LARGEST, ProbeSource
from soc_core.config import Probe, Probes
from soc_core.protocols import Frame


class Page(BaseHTTPRequestHandler):
    """Says what `body` holds; /away sends elsewhere."""

    body = b"hello"
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("location", "http://192.0.2.1/")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        """Not a word."""


@pytest.fixture
def page() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Page.body, Page.asked = b"hello", []
    yield server
    server.shutdown()
    server.server_close()


def answers(source: ProbeSource, seconds: float = 10.0, count: int = 1) -> list[dict[str, Any]]:
    """The next documents, and that the parser reads each."""
    found: list[dict[str, Any]] = []
    end = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        for raws in source.next_batch()[0]:
            parsed = parse([Frame(0, 0, raws)])
            assert not parsed.faults
            assert parsed.batch.height == len(raws.lines)
            found += [orjson.loads(line) for line in raws.lines]
        time.sleep(0.01)
    return found


def again(source: ProbeSource) -> None:
    source._due, source._free = [0.0] * len(source._due), 0.0


def test_nothing_is_asked_unless_it_is_on_and_named() -> None:
    assert not Probes().on
    with pytest.raises(ValueError, match="probes are off"):
        ProbeSource(Probes(allow=[Probe(url="http://127.0.0.1/")]))
    assert ProbeSource(Probes(on=True)).next_batch() == ([], None)
    for wrong in ({}, {"url": "file:///etc/passwd"}, {"url": "http://a@b/"}, {"url": "http://127.0.0.1/", "kind": "x"}):
        with pytest.raises(ValidationError):
            Probe.model_validate(wrong)
    with pytest.raises(ValidationError):
        Probes(every=1.0)


def test_up_changed_and_down(page: ThreadingHTTPServer) -> None:
    url = f"http://127.0.0.1:{page.server_address[1]}/"
    source = ProbeSource(Probes(on=True, a_second=10, allow=[Probe(url=url, content=True)]))
    first, content = answers(source, count=2)
    assert (first["event"]["dataset"], first["probe"]["up"], content["message"]) == ("probe.http", True, "unchanged")
    assert not answers(source, 0.3), "not before its time"
    Page.body = b"defaced"
    again(source)
    assert [one["message"] for one in answers(source, count=2)][1] == "changed"
    again(source)
    assert answers(source, count=2)[1]["message"] == "unchanged", "a change is told once"
    page.shutdown()
    page.server_close()
    again(source)
    down = answers(source)[0]
    assert not down["probe"]["up"]
    assert down["probe"]["error"]
    assert source.counters() == {"received": 4, "failures": 1}
    source.stop()
    again(source)
    assert source.next_batch() == ([], None)


def test_a_redirect_is_not_followed_and_questions_are_rationed(page: ThreadingHTTPServer) -> None:
    base = f"http://127.0.0.1:{page.server_address[1]}"
    source = ProbeSource(Probes(on=True, a_second=5, allow=[Probe(url=f"{base}/away"), *[
        Probe(url=f"{base}/{n}") for n in range(20)]]))
    found = answers(source, 1.0, count=99)
    assert found[0]["http"]["response"]["status_code"] == 302
    assert Page.asked[0] == "/away"
    assert 1 < len(found) <= 6, "five a second"
    assert LARGEST == 1 << 20


def test_names_and_certificates(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "probe.example.org")])
    start = datetime.datetime.now(datetime.UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(7).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=12, hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(key, hashes.SHA256()))
    (tmp_path / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "k.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_address[1]}/"
    source = ProbeSource(Probes(on=True, a_second=10, allow=[Probe(url=url, dns="localhost")]))
    by_set = {one["event"]["dataset"]: one for one in answers(source, count=3)}
    server.shutdown()
    server.server_close()
    assert by_set["probe.http"]["probe"]["up"]
    assert by_set["cert.watch"]["certificate"] == {"days_left": 12, "trusted": False}
    assert "127.0.0.1" in by_set["probe.dns"]["dns"]["resolved_ip"]
