"""The remainder of the 2,600+ applications, realistic by sector, with a realistic gap in coverage."""

from __future__ import annotations

from simulate.pack.dice import Dice
from simulate.pack.organisations import Row

COLUMNS = ("id", "name", "name_en", "owner", "kind", "sector", "criticality", "level", "exposure", "stack", "coverage",
           "sources", "depends_on", "data", "people", "generated")
COUNT = 2560  # with the 44 named ones more than 2,600
WEB = "WEB WAF CONT CERT APP DBA HOST"
# sector: (slug, name, kind, sources, exposure, data, people in thousands)
CATALOGUE: dict[str, tuple[tuple[str, str, str, str, str, str, int], ...]] = {
    "government": (
        ("site", "门户网站", "website", WEB, "internet", "public information", 50),
        ("oa", "办公系统", "application", "WEB WAF SSO APP DBA HOST", "extranet", "documents", 1),
        ("service", "业务办理系统", "application", "GW APP DBA SSO HOST", "extranet", "applications of persons", 80),
        ("mail", "邮件系统", "mail", "MAIL SSO HOST DNS", "internet", "mail", 1),
        ("report", "统计直报系统", "application", "APP DBA HOST", "extranet", "statistics", 0),
        ("hall", "政务大厅终端", "kiosk", "KSK APP NET", "extranet", "applications of persons", 40),
        ("file", "档案系统", "application", "APP DBA BAK HOST", "internal", "archives", 20),
    ),
    "education": (
        ("campus", "校园平台", "application", WEB + " SSO", "internet", "pupils' data", 3),
        ("gate", "校园门禁", "iot", "IOT CAM APP", "internal", "faces of pupils", 3),
        ("marks", "教务系统", "application", "WEB APP DBA SSO", "internet", "marks", 3),
        ("video", "校园视频", "video", "CAM NET", "internal", "video", 3),
    ),
    "health": (
        ("his", "医院信息系统", "application", "APP DBA HOST BAK NET", "internal", "medical records", 200),
        ("book", "预约挂号平台", "application", WEB + " GW MOB", "internet", "medical records", 200),
        ("pacs", "影像系统", "application", "APP DBA HOST BAK", "internal", "medical images", 100),
        ("iomt", "医疗设备网", "iot", "IOT NET HOST", "internal", "device readings", 20),
    ),
    "police": (
        ("query", "查询系统", "application", "APP DBA SSO BAST", "internal", "persons", 500),
        ("video", "视频专网节点", "video", "CAM NET HOST", "internal", "video", 300),
        ("service", "便民服务系统", "application", WEB + " GW SSO", "internet", "persons", 300),
    ),
    "emergency": (
        ("sense", "监测预警系统", "iot", "IOT APP NET", "extranet", "sensor readings", 50),
        ("duty", "值班值守系统", "application", "APP SSO HOST", "extranet", "orders", 5),
    ),
    "water": (
        ("pump", "泵站监控", "ics", "ICS IOT NET HOST", "internal", "control commands", 200),
        ("level", "水位遥测", "iot", "IOT APP", "extranet", "sensor readings", 100),
    ),
    "utility": (
        ("scada", "生产监控", "ics", "ICS IOT NET HOST BAK", "internal", "control commands", 300),
        ("billing", "营业收费系统", "application", WEB + " MOB", "internet", "customers", 300),
    ),
    "transport": (
        ("dispatch", "调度系统", "application", "APP IOT GW NET", "extranet", "positions", 50),
        ("gate", "闸机收费系统", "iot", "IOT APP DBA", "internal", "plates", 60),
        ("ticket", "票务系统", "application", WEB + " MOB GW", "internet", "orders", 100),
    ),
    "environment": (
        ("station", "监测站", "iot", "IOT ICS NET", "extranet", "station readings", 0),
        ("permit", "许可系统", "application", "WEB APP DBA", "extranet", "permits", 2),
    ),
    "finance": (
        ("budget", "预算系统", "application", "APP DBA SSO BAST HOST", "internal", "budgets", 1),
        ("fund", "资金服务系统", "application", WEB + " GW SSO", "internet", "accounts of persons", 400),
    ),
    "soe": (
        ("site", "企业网站", "website", WEB, "internet", "public information", 10),
        ("erp", "企业资源系统", "application", "APP DBA HOST BAK", "internal", "contracts", 2),
        ("vpn", "远程接入", "network", "VPN NET SSO", "internet", "accounts", 1),
    ),
    "research": (
        ("site", "网站", "website", WEB, "internet", "public information", 5),
        ("cluster", "计算平台", "data", "CLD HOST NET", "internal", "research data", 1),
    ),
    "culture": (
        ("site", "预约网站", "website", WEB + " MOB", "internet", "orders", 30),
        ("hall", "场馆管理系统", "application", "APP CAM IOT", "internal", "visits", 10),
    ),
}
EVERY = {"WEB": "5m", "WAF": "1h", "GW": "5m", "APP": "10m", "SSO": "10m", "DBA": "10m", "HOST": "10m", "DNS": "5m",
         "NET": "5m", "VPN": "30m", "BAST": "8h", "MAIL": "1h", "CAM": "5m", "IOT": "5m", "ICS": "5m", "CLD": "10m",
         "KSK": "10m", "MOB": "10m", "AVL": "1m", "CONT": "10m", "BAK": "1d", "CERT": "1d", "DLP": "1d", "HLTH": "1m"}
HOURS = {"BAST": " office", "KSK": " office", "BAK": " night"}
STACKS = ("nginx/java", "nginx/php", "apache/php", "iis/.net", "nginx/python", "tomcat/java", "nginx/node")


def generated(organisations: list[Row], dice: Dice) -> list[Row]:
    """COUNT systems owned by the units above the villages, weighted to the city's own and to townships last."""
    owners = [row for row in organisations if row["kind"] in ("city_unit", "county_department", "township")]
    weight = {"city_unit": 3.0, "county_department": 1.2, "township": 0.6}
    choices = [(row, weight[row["kind"]]) for row in owners]
    # the weighted walk is linear in the owners; every owner of a city unit has at least one system
    plan = [row for row in owners if row["kind"] == "city_unit"]
    while len(plan) < COUNT:
        plan.append(dice.weighted(choices))
    seen: dict[tuple[str, str], int] = {}
    return [_system(number, owner, dice, seen) for number, owner in enumerate(plan, 1)]


def _system(number: int, owner: Row, dice: Dice, seen: dict[tuple[str, str], int]) -> Row:
    slug, name, kind, codes, exposure, data, people = dice.pick(CATALOGUE[owner["sector"]])
    again = seen[owner["id"], slug] = seen.get((owner["id"], slug), 0) + 1
    coverage = dice.weighted((("full", 0.38), ("partial", 0.34), ("probe-only", 0.20), ("none", 0.08)))
    tier = "C2" if kind in ("ics", "kiosk") or people >= 200 or dice.chance(0.12) else "C3"
    depends = ["dns_service"] * (exposure == "internet") + ["sso"] * ("SSO" in codes)
    depends += ["api_gateway"] * ("GW" in codes) + ["cloud_platform"] * dice.chance(0.4)
    return {
        "id": f"{slug}_{number:04d}",
        "name": owner["name"] + name + (f"（{again}）" if again > 1 else ""),
        "name_en": f"{owner['name_en']} {slug}" + (f" {again}" if again > 1 else ""),
        "owner": owner["id"], "kind": kind, "sector": owner["sector"], "criticality": tier,
        "level": "3" if tier == "C2" and dice.chance(0.4) else "2", "exposure": exposure,
        "stack": dice.pick(STACKS) if "WEB" in codes or "APP" in codes else "", "coverage": coverage,
        "sources": _sources(codes, coverage, dice), "depends_on": ";".join(depends), "data": data,
        "people": str(people * 1000), "generated": "true",
    }


def _sources(codes: str, coverage: str, dice: Dice) -> str:
    """All that should be heard; what the coverage leaves out is marked missing."""
    cells: list[str] = []
    for code in dict.fromkeys([*codes.split(), "AVL", "HLTH"]):
        probe = code in ("AVL", "CERT", "CONT")
        joined = {"full": True, "partial": probe or dice.chance(0.55), "probe-only": probe, "none": False}[coverage]
        cells.append(f"{code}:{EVERY[code]}{HOURS.get(code, '')}" + ("" if joined else " missing"))
    if coverage == "partial" and not any(cell.endswith("missing") for cell in cells):
        cells[0] += " missing"
    return ";".join(cells)
