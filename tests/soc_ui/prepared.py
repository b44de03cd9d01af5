"""A data directory as the platform leaves it: accounts, sources, events of two realms, alerts that name them, a drill.

Written through the state database's and the store's own interfaces, with native log lines as originals.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soc_core import clock, config, identity
from soc_core.access import Role
from soc_core.config import Settings
from soc_core.events import EventBatch
from soc_core.models import DEMO, LEVELS, REAL
from soc_core.state import alerts, commits, drills, quarantine, sources, users
from soc_core.state.alerts import Episode
from soc_core.state.database import Database
from soc_core.store.embedded import EmbeddedStore

PASSWORD = "cable-otter-seven-lamps"
PAYLOAD = "<img src=x onerror=window.pwned=1>\u202egnp.exe\x1b[31m"
EDU, POLICE, DATA = "cs-edu", "cs-police", "cs-data"

WHO: dict[str, tuple[tuple[Role, ...], str]] = {
    "wang": ((Role.ANALYST,), ""),
    "edu-admin": ((Role.AGENCY_ADMIN,), EDU),
    "auditor": ((Role.SECURITY_AUDITOR,), ""),
    "commander": ((Role.COMMANDER,), ""),
    "secadmin": ((Role.SECURITY_ADMIN,), ""),
}

# title, rule, level, organisation, system, realm, count, entities, raw line
STORY: list[tuple[str, str, str, str, str, str, int, dict[str, list[str]], str]] = [
    ("SSH 口令猜测后登录成功", "soc.ssh.guessed", "critical", EDU, "campus_safety", REAL, 63,
     {"source.ip": ["203.0.113.9"], "user.name": ["deploy"], "host.name": ["edu-app-01"]},
     "<86>Nov 23 02:11:09 edu-app-01 sshd[4121]: Accepted password for deploy from 203.0.113.9 port 51022 ssh2"),
    (f"可疑请求 {PAYLOAD}", "soc.web.injection", "high", EDU, "campus_safety", REAL, 4,
     {"source.ip": ["198.51.100.77"], "url.original": ["/upload/a.jsp"]},
     f'198.51.100.77 - - [23/Nov/2026:02:14:51 +0800] "GET /upload/a.jsp?x={PAYLOAD} HTTP/1.1" 200 531 "-" "curl/8.5"'),
    ("WebShell 首次写入 upload/", "soc.web.shell_write", "critical", POLICE, "skynet_video", DEMO, 1,
     {"source.ip": ["198.51.100.20"], "host.name": ["tw-web-03"]},
     '198.51.100.20 - - [23/Nov/2026:02:20:00 +0800] "POST /upload/img.jsp HTTP/1.1" 201 12 "-" "requests/2"'),
    ("同一地址大量 DNS 长域名查询", "soc.dns.tunnel", "medium", DATA, "egov_extranet", DEMO, 208,
     {"source.ip": ["10.12.0.44"]},
     '{"event_type":"dns","src_ip":"10.12.0.44","dns":{"rrname":"a9f3c0d1e8b7.example.net","rrtype":"TXT"}}'),
    ("Windows 账号被加入本地管理员组", "soc.win.local_admin", "high", POLICE, "skynet_video", DEMO, 1,
     {"user.name": ["svc-report"], "host.name": ["TW-FS02"]},
     '{"EventID":4732,"Hostname":"TW-FS02","TargetUserName":"Administrators","MemberName":"svc-report"}'),
    ("sudo 执行下载管道", "soc.linux.curl_pipe", "low", DATA, "egov_extranet", REAL, 2,
     {"user.name": ["ops"], "host.name": ["gw-07"]},
     "<85>Nov 23 02:25:40 gw-07 sudo:  ops : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/usr/bin/curl -s 192.0.2.7"),
]


@dataclass(frozen=True)
class Prepared:
    """Where it lies, and the ids of the alerts in the order of STORY, then of the fill."""

    settings: Settings
    alerts: list[str]


def prepare(folder: Path, city: Path | None = None, fill: int = 40) -> Prepared:
    """Make it. `fill` adds that many further low alerts, so that a list has more than one page."""
    settings = config.load(data=folder, city=city)
    settings.data.mkdir(parents=True, exist_ok=True)
    now = clock.now()
    state = Database(settings.state_url, synchronous="NORMAL")
    state.migrate()
    made: list[Episode] = []
    batches: dict[str, list[dict[str, Any]]] = {REAL: [], DEMO: []}
    for at, (title, rule, level, organisation, system, realm, count, entities, raw) in enumerate(STORY):
        moment = now - (at + 1) * 3 * clock.MINUTE
        row = event(f"test:{realm}:{system}", at, moment, organisation, system, realm, raw, entities)
        batches[realm].append(row)
        ids = [row["event.id"]]
        made.append(episode(title, rule, level, organisation, system, realm, count, entities, ids, moment))
    for at in range(fill):
        moment = now - clock.HOUR - at * clock.MINUTE
        made.append(episode(f"扫描探测 第 {at + 1} 组", "soc.net.scan", "informational", DATA, "egov_extranet", DEMO, 3,
                            {"source.ip": [f"198.51.100.{at % 250 + 1}"]}, [], moment))
    for realm, rows in batches.items():
        with EmbeddedStore(settings.events(realm)) as store:
            store.write(EventBatch.from_dicts(rows))
    with state.begin() as session:
        alerts.save(session, made, [])
        people(session)
        surroundings(session, now)
    state.close()
    return Prepared(settings, [item.id for item in made])


def event(source: str, at: int, moment: int, organisation: str, system: str, realm: str, raw: str,
          entities: dict[str, list[str]]) -> dict[str, Any]:
    """A stored event with an id as identity.py makes them."""
    when = clock.to_datetime(moment)
    return {
        "event.id": f"{identity.source_key(source)}{at:012x}0000", "@timestamp": when, "event.ingested": when,
        "event.original": raw, "message": raw, "soc.source": source, "soc.realm": realm, "soc.zone": "city",
        "soc.format": "syslog", "soc.partition": 0, "soc.offset": at, "organization.id": organisation,
        "soc.system.id": system, "event.category": ["authentication"],
        "event.module": "sso",
        **{name: values[0] for name, values in entities.items()},
    }


def episode(title: str, rule: str, level: str, organisation: str, system: str, realm: str, count: int,
            entities: dict[str, list[str]], events: list[str], moment: int) -> Episode:
    """An alert as triage writes it."""
    severity = [*LEVELS].index(level)  # type: ignore[arg-type]
    name = f"{rule}:{organisation}:{sorted(entities.items())}:{moment}"
    return Episode(
        id="A" + identity.source_key(name), episode=identity.source_key(rule + organisation), rule_id=rule, title=title,
        level=LEVELS[severity], severity=severity, count=count, first_seen=moment - 6 * clock.MINUTE, last_seen=moment,
        raised=moment, group={name: values[0] for name, values in list(entities.items())[:1]}, entities=entities,
        entities_cut=0, events=events, organisation=organisation, system=system, techniques=["T1110.001"],
        risk=10 + severity * 22, realm=realm, explanation="60 次失败后 1 次成功，6 分钟内" if severity == 4 else "",
        incident="", marks={"0": 1}, search=f"{title} {rule} {entities}".lower())


def another(settings: Settings, title: str, organisation: str = EDU, level: str = "high") -> str:
    """One more alert, made now; its id."""
    state = Database(settings.state_url)
    system = {EDU: "campus_safety", POLICE: "skynet_video", DATA: "egov_extranet"}[organisation]
    entities = {"host.name": [title]}
    made = episode(title, "soc.test.more", level, organisation, system, REAL, 1, entities, [], clock.now())
    with state.begin() as session:
        alerts.save(session, [made], [])
    state.close()
    return made.id


def people(session: Any) -> None:
    for name, (roles, organisation) in WHO.items():
        users.create(session, name, PASSWORD, roles, organisation)


def surroundings(session: Any, now: int) -> None:
    """Sources with their fates, a quarantined record, the result of a drill."""
    sources.expect(session, "test:real:campus_safety", clock.DAY, REAL, EDU, "campus_safety")
    sources.expect(session, "test:demo:skynet_video", clock.DAY, DEMO, POLICE, "skynet_video")
    sources.expect(session, "test:silent", clock.MINUTE, REAL, DATA, "egov_extranet")
    delta = commits.FateDelta
    commits.add(session, [
        delta("test:real:campus_safety", REAL, 1204, 1200, 3, 0, 1, 1200, now - 3 * clock.MINUTE),
        delta("test:demo:skynet_video", DEMO, 98_000, 97_990, 0, 10, 0, 97_990, now - 30 * clock.SECOND),
        delta("test:demo:egov_extranet", DEMO, 120_000, 120_000, 0, 0, 0, 120_000, now - 9 * clock.MINUTE),
    ])
    quarantine.add(session, [quarantine.Item(
        "q1", "test:real:campus_safety", REAL, "syslog", now - 5 * clock.MINUTE, "no timestamp in the header",
        f"garbled {PAYLOAD} \xff".encode("latin-1", "replace"), 0, 9)])
    steps = [
        {"no": f"1.{no}", "title": title, "title_zh": zh, "technique": technique, "detected": seen, "rule": rule,
         "after_seconds": after}
        for no, title, zh, technique, seen, rule, after in (
            ("A", "Scan of the portal", "扫描门户网站", "T1595", True, "端口与路径扫描", 11.0),
            ("B", "Guess passwords over SSH", "猜测 SSH 口令", "T1110.001", True, "SSH 口令猜测", 42.0),
            ("C", "Sign in with a guessed password", "用猜到的口令登录", "T1078", True, "SSH 口令猜测后登录成功", 3.0),
            ("D", "Pipe a download into a shell", "下载脚本并执行", "T1059.004", False, "", None),
            ("E", "Carry data out over DNS", "经 DNS 带出数据", "T1048.003", True, "同一地址大量 DNS 长域名查询", 96.0),
        )]
    drills.save(session, drills.DrillResult("drill-1", "portal_ssh", now - clock.HOUR, 7, "drill-1", {
        "id": "portal_ssh", "name": {"zh": "门户到外网的入侵", "en": "From the portal to the extranet"}, "steps": steps,
        "detected": 4, "missed": [4], "false_alerts": 1, "alerts": 9, "delay_median_seconds": 26.5}))
