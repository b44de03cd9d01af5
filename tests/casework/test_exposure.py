"""Scanners' documents: read, joined to whose they are, resolved when they are gone, and never a way in."""

from __future__ import annotations

from pathlib import Path

import pytest

from casework import exposure, scans
from casework.scan_xml import Unsafe, elements
from casework.services import NotFound, Services, open_services
from soc_core import clock
from soc_core.access import PLATFORM, Actor, Refused, Role
from soc_core.config import load

CITY = Path(__file__).resolve().parents[2] / "cities" / "changsha"
NESSUS = """<?xml version="1.0" ?><NessusClientData_v2><Policy><policyName>p</policyName></Policy><Report name="r">
<ReportHost name="web"><HostProperties><tag name="host-ip">{ip}</tag><tag name="host-fqdn">web.example.org</tag>
</HostProperties>
<ReportItem port="443" svc_name="www" protocol="tcp" severity="4" pluginID="1" pluginName="Log4Shell">
<cve>CVE-2021-44228</cve>
<cve>CVE-2021-45046</cve><synopsis>Remote code.</synopsis></ReportItem>
<ReportItem port="443" svc_name="www" protocol="tcp" severity="0" pluginID="10863" pluginName="SSL
Certificate Information">
<plugin_output>Subject Name:\nCommon Name: web.example.org\nNot Valid After: Dec 03 12:00:00 2026 GMT</plugin_output>
</ReportItem>
<ReportItem port="0" svc_name="general" protocol="tcp" severity="0" pluginID="2" pluginName="OS"/></ReportHost>
</Report></NessusClientData_v2>"""
NMAP = """<?xml version="1.0"?><!DOCTYPE nmaprun><nmaprun scanner="nmap"><host><status state="up"/>
<address addr="02:00:00:00:00:01" addrtype="mac"/><address addr="{ip}" addrtype="ipv4"/><hostnames>
<hostname name="h"/></hostnames>
<ports><port protocol="tcp" portid="6379"><state state="open"/><service name="redis" product="Redis" version="5"/>
</port>
<port protocol="tcp" portid="80"><state state="open"/><service name="http"/>
<script id="vulners" output="CVE-2020-1938 9.8 x
CVE-2019-0221 6.1 y"/></port><port protocol="tcp" portid="23"><state state="closed"/></port>
<port protocol="tcp" portid="443"><state state="open"/><script id="ssl-cert" output="-"><table key="subject">
<elem key="commonName">a.example.org</elem>
</table><table key="validity"><elem key="notAfter">2026-11-01T00:00:00</elem></table></script>
<script id="http-vuln-x" output="State: NOT VULNERABLE"/>
<script id="http-vuln-y" output="State: VULNERABLE CVE-2017-5638"/></port>
</ports></host></nmaprun>"""
OPENVAS = """<report id="1" format_id="a"><report id="1"><results><result id="r1"><name>Outdated OpenSSH</name>
<host>{ip}<asset
asset_id="x"/><hostname>h</hostname></host><port>22/tcp</port><nvt oid="1.3"><refs><ref type="cve"
id="CVE-2023-38408"/><ref type="url"
id="x"/></refs></nvt><severity>9.8</severity><description>old</description></result><result
id="r2"><name>Log</name><host>{ip}</host>
<port>general/tcp</port><severity>0.0</severity></result></results><tls_certificates><tls_certificate><name>f</name>
<subject_dn>CN=b</subject_dn>
<expiration_date>2027-11-23T00:00:00Z</expiration_date><host><ip>{ip}</ip></host><ports><port>443</port></ports>
</tls_certificate>
</tls_certificates></report></report>"""
BOMB = """<?xml version="1.0"?><!DOCTYPE nmaprun [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><nmaprun>
<host>&b;</host></nmaprun>"""
OUTSIDE = """<!DOCTYPE nmaprun [<!ENTITY x SYSTEM "file:///etc/passwd">]><nmaprun><host>&x;</host></nmaprun>"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return open_services(load(data=tmp_path_factory.mktemp("exposure"), city=CITY))


def owned(services: Services) -> tuple[str, str, str, str]:
    """(zone, address, organisation, system) of a registered host, and not the centre's own."""
    host = next(each for each in services.inventory.hosts if each.address and each.zone == "city")
    return host.zone, host.address, services.inventory.systems[host.system].owner, host.system


def test_three_scanners_are_read() -> None:
    nessus = scans.read(NESSUS.format(ip="10.0.0.9").encode())
    assert [(one.kind, one.port, one.level, one.references) for one in nessus.found] == [
        ("vulnerability", "443/tcp", 4, ("CVE-2021-44228", "CVE-2021-45046")), ("certificate", "443/tcp", 0, ())]
    assert nessus.found[1].name == "web.example.org"
    assert nessus.found[1].expires == clock.from_text("2026-12-03T12:00:00Z")
    assert nessus.informative == 1
    nmap = scans.read(NMAP.format(ip="192.0.2.7").encode())
    assert [(one.kind, one.name, one.port, one.level) for one in nmap.found] == [
        ("service", "Redis", "6379/tcp", 2), ("vulnerability", "vulners", "80/tcp", 4),
        ("certificate", "a.example.org", "443/tcp", 0), ("vulnerability", "http-vuln-y", "443/tcp", 3)]
    assert nmap.found[1].references == ("CVE-2020-1938", "CVE-2019-0221")
    openvas = scans.read(OPENVAS.format(ip="2001:db8::9").encode())
    assert [(one.kind, one.name, one.level, one.references) for one in openvas.found] == [
        ("vulnerability", "Outdated OpenSSH", 4, ("CVE-2023-38408",)), ("certificate", "CN=b", 0, ())]
    assert {scan.hosts for scan in (nessus, nmap, openvas)} == {
        frozenset({("", ip)}) for ip in ("10.0.0.9", "192.0.2.7", "2001:db8::9")}


def test_lists_of_certificates_and_accounts() -> None:
    found = scans.read(b"zone,address,host,account,weakness\ncity,10.8.1.10,,admin,default\ncity,,,x,weak\n"
                       b"city,nonsense,,y,weak\ncity,10.8.1.10,,z,clever\n")
    assert [(one.name, one.level, one.references) for one in found.found] == [("admin", 3, ("default",))]
    assert [fault.where for fault in found.faults] == ["line 3", "line 4", "line 5"]
    certificates = scans.read(b"\xef\xbb\xbfaddress,subject,not_after\n"
                              b"10.8.1.10,CN=a,2026-12-01\n10.8.1.10,CN=b,soon\n")
    assert [(one.port, one.name) for one in certificates.found] == [("443/tcp", "CN=a")]
    assert len(certificates.faults) == 1


@pytest.mark.parametrize("body", [
    BOMB, OUTSIDE, "<html/>", "<nmaprun><host>", "a,b\n1,2\n", "", "<nmaprun>" + "<a>" * 100, "\x00\x01"])
def test_what_is_dangerous_or_unknown_is_refused_in_one_sentence(body: str) -> None:
    with pytest.raises(Unsafe) as told:
        scans.read(body.encode())
    assert "\n" not in str(told.value)


def test_a_long_report_is_read_one_host_at_a_time() -> None:
    body = b"<nmaprun>" + b"<host><address addr='10.0.0.1' addrtype='ipv4'/></host>" * 5_000 + b"</nmaprun>"
    assert sum(1 for _ in elements(body, frozenset({"host"}))) == 5_000


def test_findings_are_whose_the_address_is_and_go_when_a_later_scan_lacks_them(opened: Services) -> None:
    _, address, owner, system = owned(opened)
    agency = Actor("a", frozenset({Role.AGENCY_ADMIN}), opened.scope_of(owner), owner)
    other = Actor("o", frozenset({Role.AGENCY_ADMIN}), opened.scope_of("cs-police"), "cs-police")
    body = NMAP.format(ip=address).encode()
    taken = exposure.take(PLATFORM, opened, body)
    assert (taken.new, taken.again, taken.resolved, taken.unowned, taken.foreign) == (4, 0, 0, 0, 0)
    assert exposure.take(agency, opened, body).again == 4
    assert exposure.take(other, opened, body).foreign == 4
    found = exposure.listing(agency, opened, owner)
    assert {row.exposure.system for row in found.rows} == {system}
    assert found.rows[0].level == "critical"
    expired = next(row for row in found.rows if row.exposure.kind == "certificate")
    assert (expired.level, expired.days_left) == ("high", expired.days_left)
    assert expired.days_left is not None
    assert not exposure.listing(other, opened).rows
    with pytest.raises(NotFound):
        exposure.listing(other, opened, owner)
    less = body.replace(b'portid="6379"><state state="open"', b'portid="6379"><state state="closed"')
    assert exposure.take(other, opened, less).resolved == 0, "nothing of another agency is resolved"
    assert exposure.take(PLATFORM, opened, less).resolved == 1
    assert exposure.listing(agency, opened, kind="service").total == 0
    assert exposure.listing(agency, opened, kind="service", open_only=False).total == 1
    unknown = exposure.take(PLATFORM, opened, NESSUS.format(ip="203.0.113.250").encode())
    assert unknown.unowned == 2
    assert exposure.take(agency, opened, NESSUS.format(ip="203.0.113.250").encode()).foreign == 2
    page = exposure.listing(PLATFORM, opened, limit=2)
    assert page.next == "2"
    assert exposure.listing(PLATFORM, opened, after="2", limit=2).rows[0] != page.rows[0]
    with pytest.raises(ValueError, match="no zone"):
        exposure.take(PLATFORM, opened, body, "moon")
    with pytest.raises(Refused):
        exposure.take(Actor("r", frozenset({Role.REGULATOR}), PLATFORM.scope), opened, body)


def test_a_certificate_gets_worse_as_its_end_comes_near(opened: Services) -> None:
    at = clock.now()
    made = exposure.place(opened, [scans.Found("certificate", "10.8.1.10", "", "443/tcp", "c", 0, expires=at)],
                          "city", at)[0]
    levels = [exposure.level_of(made._replace(expires=at + days * clock.DAY), at) for days in (-1, 3, 20, 90)]
    assert levels == ["high", "medium", "low", "informational"]
