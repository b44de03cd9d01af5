"""Address plan and host names: private and documentation ranges only, overlapping between zones as in reality."""

from __future__ import annotations

from simulate.pack.dice import Dice
from simulate.pack.organisations import Row
from soc_core.pack import City, System

RANGE_COLUMNS = ("zone", "cidr", "organisation", "system", "valid_from", "valid_until")
HOST_COLUMNS = ("zone", "name", "system", "address", "role")
MOVED = 40  # networks that changed hands
DATES = ("2025-07-01", "2025-10-01", "2026-01-01", "2026-03-01", "2026-07-01")
# telemetry code → which kind of host writes it
ROLES = {"WEB": "web", "WAF": "waf", "GW": "gw", "APP": "app", "MOB": "app", "SSO": "sso", "DBA": "db", "HOST": "srv",
         "DNS": "dns", "NET": "ids", "VPN": "vpn", "BAST": "bast", "MAIL": "mail", "CAM": "nvr", "IOT": "iot",
         "ICS": "plc", "CLD": "k8s", "KSK": "kiosk", "AVL": "probe", "CONT": "probe", "CERT": "probe", "BAK": "bak",
         "DLP": "dlp", "HLTH": "probe"}
ZONE_OF_KIND = {"video": "video", "ics": "ics", "iot": "ics", "field": "ics", "website": "internet"}
ZONE_OF_SECTOR = {"police": "police", "health": "health", "education": "edu", "soe": "soe", "utility": "soe"}
NAMED_ZONES = {
    "egov_extranet": "city", "dns_service": "city", "vendor_access": "city", "base_population": "police",
    "skynet_video": "police", "public_safety_sense": "police", "xueliang_video": "video", "fire_watch": "video",
    "geo_hazard": "ics", "flood_relief": "ics", "traffic_command": "ics", "connected_bus": "ics", "living_env": "ics",
    "smart_env": "ics", "campus_safety": "edu", "smart_education": "edu", "venue_code": "health",
    "epidemic_app": "health", "bigdata_check": "health", "smart_parking": "soe",
}  # fmt: skip


def zone_of(kind: str, sector: str, owner: str, id_: str = "") -> str:
    """The collector zone that a system's logs come in by."""
    if id_ in NAMED_ZONES:
        return NAMED_ZONES[id_]
    if sector in ZONE_OF_SECTOR and kind not in ("website",):
        return ZONE_OF_SECTOR[sector]
    if kind in ZONE_OF_KIND and id_ == "":
        return ZONE_OF_KIND[kind]
    head = owner.partition("-")[0]
    return "cloud" if id_ or head in ("cs", "changsha") else head


def placed(named: list[System], made: list[Row]) -> list[tuple[str, str, str, list[str], int, bool]]:
    """(system, owner, zone, codes, place in its zone, named) for every system."""
    found: list[tuple[str, str, str, list[str], int, bool]] = []
    count: dict[str, int] = {}
    for item in named:
        zone = zone_of(item.kind, item.sector, item.owner, item.id)
        count[zone] = count.get(zone, 0) + 1
        found.append((item.id, item.owner, zone, [str(s.code) for s in item.sources], count[zone], True))
    count.clear()
    for row in made:
        zone = zone_of(row["kind"], row["sector"], row["owner"])
        count[zone] = count.get(zone, 0) + 1
        codes = [cell.partition(":")[0] for cell in row["sources"].split(";")]
        found.append((row["id"], row["owner"], zone, codes, count[zone], False))
    return found


def network_of(place: int, named: bool) -> str:
    """A /24 under 10.8 for a named system, a /26 under 10.16 … for a generated one, by its place in its zone."""
    if named:
        return f"10.8.{place}.0/24"
    return f"10.{16 + place // 1024}.{place // 4 % 256}.{place % 4 * 64}/26"


def hosts(named: list[System], made: list[Row]) -> list[Row]:
    """Every host that writes logs: two of a role for named systems, one for generated ones."""
    rows = []
    for system, _owner, zone, codes, place, is_named in placed(named, made):
        head, _, first = network_of(place, is_named).partition("/")[0].rpartition(".")
        number = int(first) + 10
        for role in dict.fromkeys(ROLES[code] for code in codes):
            for nth in range(1, 3 if is_named and role != "probe" else 2):
                name = f"{system.replace('_', '-')}-{role}-{nth:02d}"
                rows.append({"zone": zone, "name": name, "system": system, "address": f"{head}.{number}", "role": role})
                number += 1
    return rows


def ranges(city: City, organisations: list[Row], named: list[System], made: list[Row], dice: Dice) -> list[Row]:
    """Office networks of every unit (as seen in its own zone and in the extranet) and networks of every system."""
    rows = []
    within: dict[str, int] = {}
    zones = {zone.id for zone in city.zones}
    for number, row in enumerate(organisations):
        district = row["district"]
        rows.append(_row("city", f"10.{64 + number // 256}.{number % 256}.0/24", row["id"]))
        if district in zones:
            nth = within[district] = within.get(district, -1) + 1
            village = row["kind"] in ("village", "community")
            cidr = f"172.{16 + nth // 256}.{nth % 256}.0/24" if village else f"192.168.{nth % 256}.0/24"
            if village or nth < 256:
                rows.append(_row(district, cidr, row["id"]))
        elif number:
            rows.append(_row("cloud", f"2001:db8:{number:x}::/48", row["id"]))
    _move(rows, organisations, dice)
    for system, owner, zone, _codes, place, is_named in placed(named, made):
        rows.append(_row(zone, network_of(place, is_named), owner, system))
    for nth, item in enumerate((item for item in named if item.exposure == "internet"), 10):
        rows.append(_row("internet", f"203.0.113.{nth}/32", item.owner, item.id))
    return rows


def _row(zone: str, cidr: str, organisation: str, system: str = "") -> Row:
    return {"zone": zone, "cidr": cidr, "organisation": organisation, "system": system}


def _move(rows: list[Row], organisations: list[Row], dice: Dice) -> None:
    """Some networks belonged to another unit of the same district until a day."""
    left = MOVED
    while left:
        row = rows[dice.number(len(rows))]
        if row.get("valid_from") or row.get("valid_until") or row["zone"] != "city":
            continue
        left -= 1
        day = dice.pick(DATES)
        before = dice.pick(organisations)["id"]
        if before != row["organisation"]:
            row["valid_from"] = day
            rows.append(row | {"organisation": before, "valid_from": "", "valid_until": day})
