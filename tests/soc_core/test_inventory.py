"""The city on record: reading it, its tree, and the join of addresses and names to owners."""

from __future__ import annotations

import ipaddress
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from soc_core import clock, inventory
from soc_core.addresses import Span, Zone, ipv4, span
from soc_core.documents import DocumentError
from soc_core.inventory import Owner

CITY = """id: small
name: 小城
fictional: invented
districts: [{id: east, name: 东}]
zones: [{id: city, name: 外网}, {id: east, name: 东区}]
"""
ORGANISATIONS = """id,name,kind,parent,district
root,市政府,city_unit,,
bureau,局,city_unit,root,
village,村,village,bureau,east
"""
SYSTEMS = """systems:
  - id: portal
    name: 门户
    owner: bureau
    kind: website
    criticality: C1
    number: "01"
    sources: {WEB: 5m, DBA: 1h office missing, HLTH: 60}
  - id: base
    name: 库
    owner: root
    kind: database
    criticality: C2
    sources: {DBA: 10m}
    depends_on: [portal]
"""
NETWORKS = """zone,cidr,organisation,system,valid_from,valid_until
city,10.0.0.0/8,root,,,
city,10.1.0.0/16,bureau,portal,,
city,10.1.2.0/24,village,,,2026-01-01
city,10.1.2.0/24,bureau,base,2026-01-01,
east,10.1.2.0/24,village,,,
city,2001:db8:1::/48,bureau,portal,,
"""
HOSTS = """zone,name,system,address,valid_until
city,web-01,portal,10.1.2.77,
city,kiosk-*,base,,
city,kiosk-main-*,portal,,
city,old,base,,2026-01-01
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    for name, text in (("city.yml", CITY), ("organisations.csv", ORGANISATIONS), ("systems.yml", SYSTEMS),
                       ("networks.csv", NETWORKS), ("hosts.csv", HOSTS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def at(text: str) -> int:
    return clock.from_text(text)


def test_longest_prefix_in_its_zone_and_time(pack: Path) -> None:
    city = inventory.load(pack)
    now = at("2026-06-01T00:00:00Z")
    assert city.locate("city", "10.9.9.9", at=now) == Owner("root", "")
    assert city.locate("city", "10.1.9.9", at=now) == Owner("bureau", "portal")
    assert city.locate("city", "10.1.2.3", at=now) == Owner("bureau", "base")
    assert city.locate("city", "10.1.2.77", at=now) == Owner("bureau", "portal"), "a host's address is a /32"
    assert city.locate("east", "10.1.2.3", at=now) == Owner("village", ""), "the same range in another zone"
    assert city.locate("east", "10.9.9.9", at=now) is None
    assert city.locate("nowhere", "10.1.2.3", at=now) is None
    assert city.locate("city", "192.0.2.1", at=now) is None


def test_owner_changes_at_local_midnight(pack: Path) -> None:
    city = inventory.load(pack)
    before, after = at("2025-12-31T15:59:59Z"), at("2025-12-31T16:00:00Z")  # midnight in UTC+8
    assert city.locate("city", "10.1.2.3", at=before) == Owner("village", "")
    assert city.locate("city", "10.1.2.3", at=after) == Owner("bureau", "base")
    codes = city.resolve("city", pl.Series(["10.1.2.3"] * 2), None, np.array([before, after]))
    assert [city.owner(int(code)) for code in codes] == [Owner("village", ""), Owner("bureau", "base")]
    assert city.locate("city", host="old", at=before) == Owner("root", "base")
    assert city.locate("city", host="old", at=after) is None


def test_names_before_addresses(pack: Path) -> None:
    city = inventory.load(pack)
    assert city.locate("city", "10.1.2.3", "WEB-01.gov.example") == Owner("bureau", "portal")
    assert city.locate("city", host="kiosk-17") == Owner("root", "base")
    assert city.locate("city", host="kiosk-main-3") == Owner("bureau", "portal"), "the longest prefix wins"
    assert city.locate("east", host="web-01") is None
    assert city.locate("city", "10.9.9.9", "stranger") == Owner("root", ""), "an unknown name falls back to the address"


def test_ipv6_and_mapped_addresses(pack: Path) -> None:
    city = inventory.load(pack)
    assert city.locate("city", "2001:db8:1:7::9") == Owner("bureau", "portal")
    assert city.locate("city", "2001:db8:2::9") is None
    assert city.locate("city", "::ffff:10.9.9.9") == Owner("root", "")
    assert city.locate("city", "2001:db8:1::1%eth0") == Owner("bureau", "portal")
    assert city.locate("city", "fe80:::1") is None


def test_ipv4_reads_only_dotted_quads() -> None:
    texts = ["1.2.3.4", "255.255.255.255", "256.1.1.1", "1.2.3", "1.2.3.4.5", "", None, "a.b.c.d", "::1", " 1.2.3.4"]
    assert ipv4(pl.Series(texts, dtype=pl.String)).tolist() == [16909060, 2**32 - 1, *[-1] * 8]


def test_flattened_table_equals_a_walk_over_all_networks() -> None:
    draw = random.Random(4)
    spans: list[Span] = []
    seen = set()
    for owner in range(400):
        network = ipaddress.ip_network((draw.getrandbits(32) & 0x0AFFFFFF, draw.randrange(6, 33)), strict=False)
        if network not in seen:
            seen.add(network)
            spans.append(span(str(network), owner, draw.randrange(0, 50), draw.randrange(50, 100)))
    zone = Zone(spans)
    addresses = [draw.getrandbits(32) & 0x0AFFFFFF for _ in range(3000)]
    moments = [draw.randrange(-5, 105) for _ in addresses]
    texts = pl.Series([str(ipaddress.IPv4Address(a)) for a in addresses])
    found = zone.find(texts, np.array(moments, dtype=np.int64)).tolist()
    for address, moment, owner in zip(addresses, moments, found, strict=True):
        held = [s for s in spans if s.first <= address <= s.last and s.since <= moment < s.until]
        assert owner == (min(held, key=lambda s: s.last - s.first).owner if held else -1)
    assert len(set(found)) > 50


def test_tree_scope_and_register(pack: Path) -> None:
    city = inventory.load(pack)
    assert city.subtree("bureau") == {"bureau", "village"}
    assert city.subtree("root") == set(city.organisations)
    assert city.scope_of("village").organisations == frozenset({"village"})
    assert not city.scope_of("stranger").allows("root")
    with pytest.raises(LookupError, match="stranger"):
        city.subtree("stranger")
    now = at("2026-06-01T00:00:00Z")
    heard = {("portal", "WEB"): now - 2 * clock.MINUTE, ("portal", "HLTH"): now - 5 * clock.MINUTE}
    states = {(row.system, row.expected.code): row.state for row in city.register(heard, now)}
    assert states == {("portal", "WEB"): "heard", ("portal", "HLTH"): "late", ("portal", "DBA"): "gap",
                      ("base", "DBA"): "never"}


def test_an_organisation_that_moved_is_under_its_parent_of_the_time(pack: Path) -> None:
    moved = ORGANISATIONS.replace("id,name,kind,parent,district", "id,name,kind,parent,district,valid_from,valid_until")
    moved = moved.replace(",,\n", ",,,,\n").replace("root,\n", "root,,,\n")
    moved = moved.replace("village,村,village,bureau,east", "village,村,village,bureau,east,,2026-01-01")
    (pack / "organisations.csv").write_text(moved + "village,村,village,root,east,2026-01-01,\n", encoding="utf-8")
    city = inventory.load(pack)
    assert city.subtree("bureau") == {"bureau"}
    assert city.subtree("bureau", at("2025-06-01T00:00:00Z")) == {"bureau", "village"}


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "words"),
    [
        ("networks.csv", "10.1.0.0/16", "10.1.0.1/16", 3, "host bits"),
        ("networks.csv", "10.1.0.0/16", "10.1.0/16", 3, "10.1.0/16"),
        ("networks.csv", "city,10.0.0.0/8,root", "city,10.0.0.0/8,nobody", 2, "nobody"),
        ("networks.csv", "bureau,base,2026-01-01", "bureau,base,2025-01-01", 5, "two owners"),
        ("networks.csv", "2026-01-01,\n", "yesterday,\n", 5, "valid_from"),
        ("networks.csv", "zone,cidr", "zone,range", 1, "range"),
        ("networks.csv", "city,10.0.0.0/8,root,,,", "city,10.0.0.0/8,root", 2, "cells"),
        ("organisations.csv", "village,村,village,bureau", "village,村,village,gone", 4, "gone"),
        ("organisations.csv", "bureau,局,city_unit,root", "bureau,局,city_unit,village", 3, "above itself"),
        ("organisations.csv", "bureau,局,city_unit,root", "bureau,局,city_unit,", 3, "second root"),
        ("organisations.csv", "village,村,village,", "bureau,村,village,", 4, "twice"),
        ("organisations.csv", "village,村,village,", "village,村,hamlet,", 4, "kind"),
        ("systems.yml", "owner: root", "owner: gone", 9, "gone"),
        ("systems.yml", "[portal]", "[porta1]", 9, "porta1"),
        ("systems.yml", "criticality: C2", "criticality: C9", 13, "criticality"),
        ("systems.yml", "WEB: 5m", "WEB: soon", 8, "every"),
        ("systems.yml", "kind: website", "kind: website\n    colour: red", 6, "unknown key"),
        ("hosts.csv", "city,web-01,portal", "city,web-01,gone", 2, "gone"),
        ("hosts.csv", "kiosk-main-*", "kiosk-*-main", 4, "name"),
        ("city.yml", "name: 小城", "title: 小城", 1, "name"),
    ],
)
def test_errors_name_file_and_line(pack: Path, name: str, old: str, new: str, line: int, words: str) -> None:
    text = (pack / name).read_text(encoding="utf-8")
    assert old in text
    (pack / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        inventory.load(pack)
    assert Path(caught.value.path).name == name
    assert words in caught.value.reason
    assert caught.value.line == line, str(caught.value)


def test_a_missing_file_is_one_sentence(pack: Path) -> None:
    (pack / "networks.csv").unlink()
    with pytest.raises(DocumentError, match=r"networks\.csv:1: cannot be read"):
        inventory.load(pack)
