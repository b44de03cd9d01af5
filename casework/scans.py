"""What scanners write, read: Nessus (.nessus), OpenVAS/GVM reports, Nmap (-oX), and CSV of certificates and accounts.

Pure: bytes in, weaknesses out. Formats: https://static.tenable.com/documentation/nessus_v2_file_format.pdf,
https://docs.greenbone.net/API/GMP/gmp-22.4.html (get_reports), https://nmap.org/book/nmap-dtd.html.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import NamedTuple
from xml.etree.ElementTree import Element

from casework.scan_xml import Unsafe, elements, root_of
from soc_core import clock
from soc_core.clock import Micros
from soc_core.models import LEVELS, Level

CVE = re.compile(r"CVE-\d{4}-\d{4,7}")
SCORED = re.compile(r"(CVE-\d{4}-\d{4,7})\s+(\d{1,2}\.\d)")
AFTER = re.compile(r"Not Valid After\s*:\s*(\w{3} {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4})", re.IGNORECASE)
SUBJECT = re.compile(r"Common Name:\s*(\S+)")
OPENLY = {"21": "FTP", "23": "Telnet", "445": "SMB", "1433": "SQL Server", "1521": "Oracle", "2375": "Docker",
          "3306": "MySQL", "3389": "RDP", "5432": "PostgreSQL", "5900": "VNC", "6379": "Redis", "9200": "Elasticsearch",
          "11211": "memcached", "27017": "MongoDB"}  # services that nobody should reach from outside
WEAKNESSES = {"weak": "high", "default": "high", "shared": "medium", "orphan": "medium", "expired": "low",
              "unused": "low"}
LONGEST = 2_000
ROWS = 500_000


class Found(NamedTuple):
    """One weakness of a host; `level` is a place in LEVELS, `expires` a certificate's end."""

    kind: str
    address: str
    host: str
    port: str
    name: str
    level: int
    references: tuple[str, ...] = ()
    detail: str = ""
    expires: Micros | None = None
    zone: str = ""
    system: str = ""


class Fault(NamedTuple):
    """Something in the document that could not be taken, and why."""

    where: str
    reason: str


class Scan(NamedTuple):
    """A document: its scanner, the (zone, address) it looked at, what it found, and how much was merely informative."""

    scanner: str
    hosts: frozenset[tuple[str, str]]
    found: list[Found]
    informative: int
    faults: list[Fault]


def read(body: bytes) -> Scan:
    """A document by its content. Raises Unsafe (a ValueError) where it is none of ours or must not be read."""
    if body.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] != b"<":
        return table(body)
    root = root_of(body)
    known: dict[str, tuple[str, frozenset[str], Callable[[Element], Iterator[Found | str]]]] = {
        "NessusClientData_v2": ("nessus", frozenset({"ReportHost"}), nessus),
        "nmaprun": ("nmap", frozenset({"host"}), nmap),
        "report": ("openvas", frozenset({"result", "tls_certificate", "host"}), openvas),
        "get_reports_response": ("openvas", frozenset({"result", "tls_certificate", "host"}), openvas),
    }
    if root not in known:
        raise Unsafe(f"no report of Nessus, OpenVAS or Nmap begins with <{root[:40]}>")
    scanner, wanted, judge = known[root]
    hosts, found, faults = set[tuple[str, str]](), list[Found](), list[Fault]()
    informative = 0
    for number, element in enumerate(elements(body, wanted), 1):
        for item in judge(element):
            if not is_address(item if isinstance(item, str) else item.address):
                faults.append(Fault(f"{element.tag} {number}", "no address"))
            elif isinstance(item, str):
                hosts.add(("", item))
            elif item.level or item.expires:
                hosts.add(("", item.address))
                found.append(item._replace(name=item.name[:300], detail=item.detail.strip()[:LONGEST]))
            else:
                informative += 1
    return Scan(scanner, frozenset(hosts), found, informative, faults)


def nessus(element: Element) -> Iterator[Found | str]:
    """A ReportHost."""
    tags = {tag.get("name", ""): (tag.text or "").strip() for tag in element.iterfind("HostProperties/tag")}
    address, host = tags.get("host-ip", "") or str(element.get("name", "")), tags.get("host-fqdn", "")
    yield address
    for item in element.iterfind("ReportItem"):
        port = f"{item.get('port')}/{item.get('protocol')}" if item.get("port", "0") != "0" else ""
        output = item.findtext("plugin_output") or ""
        name, level = item.get("pluginName", ""), item.get("severity", "0")
        if (end := AFTER.search(output)) and (expires := moment(end[1])):
            subject = SUBJECT.search(output)
            yield Found("certificate", address, host, port, subject[1] if subject else name, 0, expires=expires)
            continue
        cves = tuple(sorted({(one.text or "").strip() for one in item.iterfind("cve")}))
        detail = item.findtext("synopsis") or item.findtext("description") or output
        yield Found("vulnerability", address, host, port, name, min(int(level), 4) if level.isdigit() else 0, cves,
                    detail)


def openvas(element: Element) -> Iterator[Found | str]:
    """A result, a tls_certificate or a host of a report."""
    if element.tag == "host":
        if element.findtext("ip"):
            yield (element.findtext("ip") or "").strip()
        return
    if element.tag == "tls_certificate":
        expires = moment(element.findtext("expiration_date") or "")
        port = element.findtext("ports/port") or ""
        yield Found("certificate", (element.findtext("host/ip") or "").strip(),
                    (element.findtext("host/hostname") or "").strip(), f"{port}/tcp" if port.isdigit() else port,
                    element.findtext("subject_dn") or element.findtext("name") or "", 0, expires=expires)
        return
    host = element.find("host")
    address = (host.text or "").strip() if host is not None else ""
    yield address
    port = (element.findtext("port") or "").strip()
    cves = {ref.get("id", "") for ref in element.iterfind("nvt/refs/ref") if ref.get("type") == "cve"}
    cves |= set(CVE.findall(element.findtext("nvt/cve") or ""))
    yield Found("vulnerability", address, (element.findtext("host/hostname") or "").strip(),
                "" if port.startswith("general") else port,
                element.findtext("name") or element.findtext("nvt/name") or "",
                by_score(element.findtext("severity") or "0"), tuple(sorted(cves)),
                element.findtext("description") or "")


def nmap(element: Element) -> Iterator[Found | str]:
    """A host."""
    address = next((one.get("addr", "") for one in element.iterfind("address") if one.get("addrtype") != "mac"), "")
    host = next((one.get("name", "") for one in element.iterfind("hostnames/hostname")), "")
    yield address
    for item in element.iterfind("ports/port"):
        state = item.find("state")
        if state is None or state.get("state") != "open":
            continue
        number = item.get("portid", "")
        port = f"{number}/{item.get('protocol')}"
        service = item.find("service")
        told = " ".join(filter(None, (service.get(key) for key in ("name", "product", "version")))) if (
            service is not None) else ""
        yield Found("service", address, host, port, OPENLY.get(number, told or port),
                    LEVELS.index("medium") if number in OPENLY else 0, detail=told)
        for script in item.iterfind("script"):
            yield from _script(script, address, host, port)
    for script in element.iterfind("hostscript/script"):
        yield from _script(script, address, host, "")


def _script(script: Element, address: str, host: str, port: str) -> Iterator[Found]:
    name, output = script.get("id", ""), script.get("output", "")
    if name == "ssl-cert":
        end = script.findtext("table[@key='validity']/elem[@key='notAfter']") or ""
        subject = script.findtext("table[@key='subject']/elem[@key='commonName']") or name
        yield Found("certificate", address, host, port, subject, 0, expires=moment(end))
        return
    scores = {cve: float(score) for cve, score in SCORED.findall(output)}
    if scores:
        yield Found("vulnerability", address, host, port, name, by_score(str(max(scores.values()))),
                    tuple(sorted(scores, key=lambda cve: (-scores[cve], cve))[:50]), output)
    elif re.search(r"(?<!NOT )VULNERABLE", output):
        yield Found("vulnerability", address, host, port, name, LEVELS.index("high"),
                    tuple(sorted(set(CVE.findall(output)))), output)


def table(body: bytes) -> Scan:
    """CSV: certificates (address, not_after, …) or accounts (account, weakness, …), by its header."""
    try:
        rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        header = {name.strip() for name in rows.fieldnames or ()}
        kind = "account" if {"account", "weakness"} <= header else "certificate" if "not_after" in header else ""
        if not kind:
            raise Unsafe("neither XML of a scanner nor CSV with the columns account and weakness, or not_after")
        hosts, found, faults = set[tuple[str, str]](), list[Found](), list[Fault]()
        for number, row in enumerate(rows, 2):
            cells = {name: (text or "").strip() for name, text in row.items() if isinstance(name, str)
                     and not isinstance(text, list)}
            if number > ROWS:
                raise Unsafe(f"more than {ROWS:,} rows")
            try:
                item = _account(cells) if kind == "account" else _certificate(cells)
            except ValueError as error:
                faults.append(Fault(f"line {number}", str(error)))
                continue
            found.append(item)
            hosts.add((item.zone, item.address))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unsafe(f"the CSV cannot be read: {error}") from None
    return Scan(f"{kind}s", frozenset(hosts), found, 0, faults)


def _account(cells: dict[str, str]) -> Found:
    weakness = cells["weakness"].lower()
    if weakness not in WEAKNESSES:
        raise ValueError(f"no weakness {weakness[:40]!r}; there are: {', '.join(WEAKNESSES)}")
    if not cells["account"] or not (cells.get("address") or cells.get("host") or cells.get("system")):
        raise ValueError("an account needs its name, and an address, a host or a system")
    level: Level = WEAKNESSES[weakness]  # type: ignore[assignment]  # one of LEVELS
    return Found("account", _known(cells), cells.get("host", ""), "", cells["account"][:300], LEVELS.index(level),
                 (weakness,), cells.get("detail", "")[:LONGEST], None, cells.get("zone", ""), cells.get("system", ""))


def _certificate(cells: dict[str, str]) -> Found:
    expires = moment(cells["not_after"])
    if expires is None:
        raise ValueError(f"not a time: {cells['not_after'][:40]!r}")
    port = cells.get("port", "443")
    return Found("certificate", _known(cells), cells.get("host", ""), f"{port}/tcp" if port.isdigit() else port,
                 (cells.get("subject") or cells.get("host") or "")[:300], 0, (), cells.get("issuer", "")[:LONGEST],
                 expires, cells.get("zone", ""), cells.get("system", ""))


def _known(cells: dict[str, str]) -> str:
    address = cells.get("address", "")
    if address and not is_address(address):
        raise ValueError(f"not an address: {address[:60]!r}")
    return address


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def by_score(text: str) -> int:
    """The place in LEVELS of a CVSS score: https://www.first.org/cvss/v3.1/specification-document (section 5)."""
    try:
        score = float(text)
    except ValueError:
        return 0
    return 4 if score >= 9 else 3 if score >= 7 else 2 if score >= 4 else 1 if score > 0 else 0


def moment(text: str) -> Micros | None:
    """A time as scanners write it, UTC where they name no zone; None for what is none."""
    text = " ".join(text.split())
    try:
        return clock.from_text(text)
    except ValueError:
        pass
    for form in ("%b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %Y", "%Y/%m/%d"):
        try:
            return clock.from_datetime(datetime.strptime(text.removesuffix(" GMT").removesuffix(" UTC"), form)
                                       .replace(tzinfo=UTC))
        except ValueError:
            continue
    return None
