"""Looks at hosts of an allow-list: does the page answer, is it the same, when does its certificate end, what says DNS.

Nothing is asked of a host that soc.yaml does not name under `probes: {allow: […]}`; it is off until `on: true`. One
question at a time and at most `a_second` of them, redirects are not followed, and at most LARGEST bytes are read. The
answers are ECS documents with the data sets that the city's own probes use (docs/city.md, AVL, CONT, CERT, DNS).
"""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson

from soc_core import clock
from soc_core.config import Probe, Probes
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

SOURCE = "probe"
PATIENCE = 10.0  # seconds for one answer
LARGEST = 1 << 20
Document = dict[str, Any]


class ProbeSource:
    """The allow-list, looked at in turn. Source id `probe`, one series of events a zone; records have no position.

    Raises ValueError where it is off: nobody then has a reason to make one.
    """

    def __init__(self, probes: Probes, *, realm: str = REAL, timezone: str = "Asia/Shanghai") -> None:
        if not probes.on:
            raise ValueError("probes are off (probes: {on: true} in soc.yaml)")
        self.asked = self.failures = 0
        self._probes, self._realm, self._timezone = probes, realm, timezone
        self._questions = [(probe, ask) for probe in probes.allow for ask in asks(probe)]
        self._due = [0.0] * len(self._questions)
        self._free = 0.0  # when the next question may be asked
        self._hashes: dict[str, str] = {}
        self._answers: dict[str, list[str]] = {}
        self._stopping = False

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        """The answer to one question that is due."""
        at = time.monotonic()
        number = min(range(len(self._due)), key=self._due.__getitem__, default=None)
        if self._stopping or number is None or at < max(self._due[number], self._free):
            return [], None
        probe, ask = self._questions[number]
        self._free = at + 1 / self._probes.a_second
        self._due[number] = at + self._probes.every
        self.asked += 1
        lines = [orjson.dumps({"@timestamp": clock.to_text(clock.now()), **document}) for document in ask(self, probe)]
        form = "ecs" if ask is ProbeSource.name else "telemetry"
        origin = Origin(source=f"{SOURCE}:{probe.zone}", format=form, zone=probe.zone, realm=self._realm,
                        timezone=self._timezone)
        return [Raws(origin, lines, clock.now())], len(lines)

    def ack(self, position: Any) -> None:
        """What was seen is seen."""

    def stop(self) -> None:
        """Ask no more."""
        self._stopping = True

    def drained(self) -> bool:
        return True

    def counters(self) -> dict[str, int]:
        return {"received": self.asked, "failures": self.failures}

    def close(self) -> None:
        self._stopping = True

    # ------------------------------------------------------------ the questions

    def page(self, probe: Probe) -> list[Document]:
        """Whether it answers, how fast, and whether its content is what it was."""
        host, began = _host(probe.url), time.monotonic()
        try:
            status, body = fetch(probe.url)
            wrong = ""
        except (OSError, http.client.HTTPException) as error:
            status, body, wrong = 0, b"", f"{type(error).__name__}: {error}"[:200]
        up = 200 <= status < 500
        self.failures += not up
        found = [_document("probe", "probe.http", host, f"{probe.url} {'up' if up else 'down'} {status or wrong}", {
            "probe": {"up": up, "ms": round(1000 * (time.monotonic() - began)), "error": wrong},
            "url": {"full": probe.url}, "http": {"response": {"status_code": status}}})]
        if probe.content and 200 <= status < 300:
            digest = hashlib.sha256(body).hexdigest()
            before = self._hashes.setdefault(probe.url, digest)
            self._hashes[probe.url] = digest
            found.append(_document("content", "content.check", host, "unchanged" if digest == before else "changed", {
                "url": {"full": probe.url}, "file": {"hash": {"sha256": digest}}, "content": {"before": before}}))
        return found

    def certificate(self, probe: Probe) -> list[Document]:
        """When the certificate that the host shows ends, and whether it would be believed."""
        split = urlsplit(probe.url)
        host, port = split.hostname or "", split.port or 443
        try:
            ends, trusted, wrong = end_of(host, port)
        except (OSError, ValueError) as error:
            self.failures += 1
            return [_document("cert", "cert.watch", host, f"no certificate: {error}"[:300], {})]
        days = (ends - clock.now()) // clock.DAY
        said = f"certificate ends in {days} days" + ("" if trusted else f"; {wrong}")
        return [_document("cert", "cert.watch", host, said, {
            "certificate": {"days_left": days, "trusted": trusted},
            "tls": {"server": {"x509": {"not_after": clock.to_text(ends)}}}})]

    def name(self, probe: Probe) -> list[Document]:
        """The addresses that a name leads to, and whether they are those of the look before."""
        try:
            found = sorted({str(each[4][0]) for each in socket.getaddrinfo(probe.dns, None)})
        except OSError as error:
            self.failures += 1
            return [_document("probe", "probe.dns", probe.dns, f"no answer: {error}"[:300], {})]
        before = self._answers.get(probe.dns, found)
        self._answers[probe.dns] = found
        said = "unchanged" if before == found else f"changed from {', '.join(before)}"
        return [_document("probe", "probe.dns", probe.dns, said, {
            "dns": {"question": {"name": probe.dns}, "resolved_ip": found}})]


def asks(probe: Probe) -> list[Callable[[ProbeSource, Probe], list[Document]]]:
    """What is to be asked for one line of the list."""
    found: list[Callable[[ProbeSource, Probe], list[Document]]] = []
    if probe.url:
        found.append(ProbeSource.page)
        if probe.url.startswith("https:"):
            found.append(ProbeSource.certificate)
    if probe.dns:
        found.append(ProbeSource.name)
    return found


def fetch(url: str) -> tuple[int, bytes]:
    """(status, the first LARGEST bytes). A certificate that is not believed is said by `certificate`, not here."""
    split = urlsplit(url)
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    if split.scheme == "https":
        link: http.client.HTTPConnection = http.client.HTTPSConnection(
            split.hostname or "", split.port, timeout=PATIENCE, context=_unverified())
    else:
        link = http.client.HTTPConnection(split.hostname or "", split.port, timeout=PATIENCE)
    try:
        link.request("GET", path, headers={"User-Agent": "CitySOC-probe", "Connection": "close"})
        answer = link.getresponse()
        return answer.status, answer.read(LARGEST)
    finally:
        link.close()


def end_of(host: str, port: int) -> tuple[clock.Micros, bool, str]:
    """(when the shown certificate ends, whether it is believed here, why not). Raises OSError and ValueError."""
    from cryptography import x509

    with socket.create_connection((host, port), PATIENCE) as link, _unverified().wrap_socket(
            link, server_hostname=host) as safe:
        shown = safe.getpeercert(binary_form=True) or b""
    ends = clock.from_datetime(x509.load_der_x509_certificate(shown).not_valid_after_utc)
    try:
        with socket.create_connection((host, port), PATIENCE) as link, ssl.create_default_context().wrap_socket(
                link, server_hostname=host):
            return ends, True, ""
    except ssl.SSLCertVerificationError as error:
        return ends, False, error.verify_message


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # to look at what is there; whether it is believed is told apart
    return context


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _document(module: str, dataset: str, host: str, message: str, more: Document) -> Document:
    known = {"ip": [host]} if re.fullmatch(r"[\d.]+|.*:.*", host) else {}
    event = {"module": module, "dataset": dataset}
    return {"event": event, "host": {"name": host, **known}, "message": message, **more}
