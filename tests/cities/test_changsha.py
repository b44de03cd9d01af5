"""The shipped pack: what it must hold, that it is what its generator makes, and that nothing in it is real."""

from __future__ import annotations

import ipaddress
import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulate import attacks
from simulate.pack import files
from soc_cli.commands.city import app
from tests.cities.shared import CITY, city

NAMES = """egov_extranet city_soc xueliang_video skynet_video flat_command public_safety_sense geo_hazard flood_relief
traffic_command connected_bus living_env campus_safety grid_mgmt opinion_monitor dispute_mgmt fire_watch
emergency_command city_brain data_resource_platform data_market data_gov_1_9_n base_population base_legal_person
base_geospatial base_city_parts e_licence analytics three_codes venue_code epidemic_app bigdata_check party_building
smart_tourism smart_education smart_env city_checkup smart_parking court_mediation my_changsha gov_service_4level
no_cert_city city_portal changzhengtong xiangyiban_gov"""
NAMED = NAMES.split()
ALLOWED = [ipaddress.ip_network(text) for text in (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",
    "2001:db8::/32")]


def test_units_form_one_tree_of_the_right_size() -> None:
    kinds = Counter(unit.kind for unit in city().organisations.values())
    assert kinds["city_unit"] == 471
    assert kinds["county_department"] + kinds["township"] == 1304
    assert kinds["village"] + kinds["community"] == 1745
    assert len(city().organisations) == 3520
    assert len(city().subtree(city().root.id)) == 3520
    assert [district.name for district in city().city.districts] == [
        "岳麓", "芙蓉", "天心", "开福", "雨花", "望城", "长沙县", "浏阳", "宁乡"]
    for district in city().city.districts:
        below = city().subtree(district.id)
        assert all(city().organisations[unit].district == district.id for unit in below)
        assert len(below) > 250


def test_every_name_below_the_districts_is_marked_as_generated() -> None:
    real = {unit.id for unit in city().organisations.values() if not unit.generated}
    assert real == {"changsha", *(district.id for district in city().city.districts)}
    assert len({unit.name for unit in city().organisations.values()}) == 3520


def test_named_systems_and_the_remainder() -> None:
    assert [system.id for system in city().named] == NAMED
    assert [system.number for system in city().named] == [f"{n:02d}" for n in range(1, 45)]
    assert city().systems["traffic_command"].aliases == ["traffic_command_field"]
    unnamed = city().systems["field_10_unnamed"]
    assert (unnamed.name, unnamed.listed) == ("未列明", False)
    assert sum(system.listed for system in city().systems.values()) > 2600
    shared = {system.id for system in city().systems.values() if system.kind == "shared"}
    assert shared == {"sso", "api_gateway", "bastion", "cloud_platform", "dns_service", "data_bus", "vendor_access"}
    assert all(city().systems[name].criticality == "C1" for name in shared)


@pytest.mark.parametrize(
    ("system", "values"),
    [
        ("my_changsha", {2000, 11_000_000}), ("city_brain", {187, 18_810_000_000}),
        ("data_resource_platform", {11_280_000_000, 215}), ("e_licence", {972, 3_017_000}),
        ("xueliang_video", {272_000, 135_000}), ("no_cert_city", {41, 26, 5088}), ("smart_parking", {100_000, 945_000}),
        ("connected_bus", {2000}), ("court_mediation", {272, 1113}), ("changzhengtong", {110_000}),
        ("flat_command", {10, 9}), ("egov_extranet", {471, 1304, 1745}), ("analytics", {377}), ("fire_watch", {5}),
    ],
)
def test_published_figures(system: str, values: set[float]) -> None:
    assert values <= {figure.value for figure in city().systems[system].figures}


def test_sources_and_their_gap() -> None:
    for system in city().named:
        codes = {source.code for source in system.sources}
        assert {"AVL", "HLTH"} <= codes
        assert "WEB" not in codes or {"WAF", "CONT", "CERT"} <= codes
    generated = [system for system in city().systems.values() if system.generated]
    coverage = Counter(system.coverage for system in generated)
    for share in coverage.values():
        assert 0.04 < share / len(generated) < 0.6
    assert len(coverage) == 4
    for system in generated:
        joined = [source.connected for source in system.sources]
        assert all(joined) if system.coverage == "full" else not all(joined)
        assert any(joined) or system.coverage != "partial"
    states = Counter(row.state for row in city().register({}, 0))
    assert states["never"] > 5000
    assert states["gap"] > 3000


def test_dependencies_reach_the_shared_choke_points() -> None:
    used = Counter(other for system in city().systems.values() for other in system.depends_on)
    for name in ("sso", "api_gateway", "bastion", "cloud_platform", "dns_service", "data_bus", "vendor_access"):
        assert used[name] >= 2, name
    assert {"my_changsha", "city_brain", "gov_service_4level"} <= city().dependents("sso")
    assert "no_cert_city" in city().dependents("data_resource_platform"), "through e_licence"
    assert "sso" not in city().dependents("sso")
    with pytest.raises(LookupError, match="atlantis"):
        city().dependents("atlantis")


def test_networks_are_private_or_documentation_and_overlap_between_zones() -> None:
    texts = [network.cidr for network in city().networks] + [host.address for host in city().hosts if host.address]
    for text in texts:
        network = ipaddress.ip_network(text)
        assert any(network.version == a.version and network.subnet_of(a) for a in ALLOWED), text  # type: ignore[arg-type]
    zones: dict[str, set[str]] = {}
    for row in city().networks:
        zones.setdefault(row.cidr, set()).add(row.zone)
    assert sum(len(where) >= 3 for where in zones.values()) > 300
    moved = [row for row in city().networks if row.valid_until]
    assert len(moved) >= 20
    assert {row.zone for row in city().networks} <= {zone.id for zone in city().city.zones}


def test_committed_data_is_what_the_generator_makes() -> None:
    for name, contents in files(CITY).items():
        assert (CITY / name).read_bytes() == contents, f"{name}: run ./soc city pack"


def test_first_page_says_what_is_invented_and_contacts_are_marked() -> None:
    assert "invented" in (CITY / "README.md").read_text(encoding="utf-8")[:400]
    rows = (CITY / "contacts.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) == 1775
    assert all("虚构" in row and ",000-0000-" in row and row.endswith(",true") for row in rows)


def test_map_has_every_district_and_no_tile_server() -> None:
    text = (CITY / "map.geojson").read_text(encoding="utf-8")
    features = json.loads(text)["features"]
    assert [feature["id"] for feature in features] == [district.id for district in city().city.districts]
    assert "http" not in text
    for feature in features:
        ring = feature["geometry"]["coordinates"][0]
        assert ring[0] == ring[-1]
        assert len(ring) >= 5
        x, y = feature["properties"]["label"]
        assert inside((x, y), ring), feature["id"]


def inside(point: tuple[float, float], ring: list[list[float]]) -> bool:
    crossings = 0
    for (x1, y1), (x2, y2) in itertools.pairwise(ring):
        if (y1 > point[1]) != (y2 > point[1]):
            crossings += point[0] < (x2 - x1) * (point[1] - y1) / (y2 - y1) + x1
    return crossings % 2 == 1


def test_attack_paths_name_systems_that_exist() -> None:
    paths = attacks.paths(CITY)
    assert len(paths) == 8
    assert all(name in city().systems for path in paths for name in path.systems)


def test_check_tells_only_what_is_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", "--json"])
    report = json.loads(result.output.splitlines()[-1])
    rows = {row["id"]: row for row in report["systems"]}
    assert set(NAMED) | {"field_10_unnamed", "other_key_apps"} == set(rows)
    assert rows["field_10_unnamed"]["status"] == "not counted"
    for row in rows.values():
        parts = [row["source"], row["detections"], row["playbook"], row["drill"]]
        if row["status"] == "complete":
            assert all(parts)
        if row["status"] == "none":
            assert not any(parts)
    assert result.exit_code == (0 if report["complete"] else 1)
