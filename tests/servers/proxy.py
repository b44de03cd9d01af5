"""A proxy on 127.0.0.1 before a real server: TLS, credentials, and faults on demand."""

from __future__ import annotations

import base64
import datetime
import hashlib
import http.client
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answer = tuple[int, bytes]
Fault = Callable[[Callable[[], Answer]], Answer | None]  # gets the real request; None closes the connection
HEADERS = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/vnd.elasticsearch+json;compatible-with=8"}


class Authority(NamedTuple):
    """Files of a certificate authority and of a server certificate that it signed."""

    ca: Path
    chain: Path
    key: Path
    fingerprint: str


def authority(folder: Path) -> Authority:
    """A new authority, and a certificate for 127.0.0.1."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
                       for name in ("test authority", "test server"))
    now = datetime.datetime.now(datetime.UTC)

    def made(who: x509.Name, public: ec.EllipticCurvePublicKey, is_ca: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder().subject_name(who).issuer_name(issuer).public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        )
        if is_ca:
            usage = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                                   "key_agreement", "encipher_only", "decipher_only"), False)
            builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        return builder.sign(ca_key, hashes.SHA256())

    top, leaf = made(issuer, ca_key.public_key(), True), made(subject, key.public_key(), False)
    found = Authority(folder / "ca.pem", folder / "chain.pem", folder / "key.pem",
                      hashlib.sha256(leaf.public_bytes(serialization.Encoding.DER)).hexdigest())
    pem = serialization.Encoding.PEM
    found.ca.write_bytes(top.public_bytes(pem))
    found.chain.write_bytes(leaf.public_bytes(pem) + top.public_bytes(pem))
    found.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return found


class Proxy:
    """What the proxy does: whom it lets in, and what it does to the next requests for a path."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.allowed: set[str] = set()  # values of the Authorization header; empty lets everybody in
        self.faults: deque[tuple[str, Fault]] = deque()  # for the next request whose path holds the text
        self.seen: list[str] = []
        self.url = ""

    def allow(self, user: str = "", password: str = "", api_key: str = "") -> None:
        if user:
            self.allowed.add("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
        if api_key:
            self.allowed.add(f"ApiKey {api_key}")

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        self.seen.append(f"{method} {path}")
        if self.allowed and headers.get("authorization") not in self.allowed:
            return 401, b'{"error":"who are you?","status":401}'

        def forward() -> Answer:
            connection = http.client.HTTPConnection(str(self.target.hostname), self.target.port, timeout=60)
            try:
                kept = {name: value for name, value in headers.items() if name not in ("host", "authorization")}
                connection.request(method, path, body or None, kept)
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()

        if self.faults and self.faults[0][0] in path:
            return self.faults.popleft()[1](forward)
        return forward()


@contextmanager
def proxy(target: str, tls: Authority | None = None) -> Iterator[Proxy]:
    """A running proxy; `url` is its address."""
    state = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = state.answer(self.command, self.path, headers, body)
            if found is None:
                self.close_connection = True
                return
            self.send_response(found[0])
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found[1])))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(found[1])

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.chain, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    state.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
