"""Sigma log sources of documents that come as ECS already: which categories, types, systems and data sets are which.

Tags have the form product/category/service. Formats of our own set their tags themselves; this table is for ECS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collectors.formats._windows_map import SERVICE, TABLES

SYSTEMS = ("windows", "linux", "macos")
# (ECS category, any of these types) → Sigma category, for the operating systems that have rules of it
ENDPOINT: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...] = (
    ("process", ("start",), "process_creation", SYSTEMS),
    ("file", ("creation", "change"), "file_event", SYSTEMS),
    ("file", ("deletion",), "file_delete", ("windows",)),
    ("file", ("access",), "file_access", ("windows",)),
    ("network", ("start", "connection"), "network_connection", ("windows", "linux")),
    ("library", ("start",), "image_load", ("windows",)),
    ("driver", ("start",), "driver_load", ("windows",)),
    ("registry", ("change",), "registry_set", ("windows",)),
    ("registry", ("creation",), "registry_add", ("windows",)),
    ("registry", ("deletion",), "registry_delete", ("windows",)),
    ("registry", ("change", "creation", "deletion"), "registry_event", ("windows",)),
)
OBSERVERS = {"proxy": "/proxy/", "firewall": "/firewall/"}
DATASETS: dict[str, tuple[str, ...]] = {
    "apache.access": ("//apache",), "apache.error": ("//apache",), "nginx.access": ("//nginx",),
    "nginx.error": ("//nginx",),
    "system.auth": ("linux//", "linux//syslog", "linux//auth"), "system.syslog": ("linux//", "linux//syslog"),
    "auditd.log": ("linux//auditd",), "aws.cloudtrail": ("aws//cloudtrail",), "azure.auditlogs": ("azure//auditlogs",),
    "azure.activitylogs": ("azure//activitylogs",), "azure.signinlogs": ("azure//signinlogs",),
    "azure.identity_protection": ("azure//riskdetection",), "azure.pim": ("azure//pim",),
    "okta.system": ("okta//okta",),
    "github.audit": ("github//audit",), "bitbucket.audit": ("bitbucket//audit",), "gcp.audit": ("gcp//gcp.audit",),
    "google_workspace.admin": ("gcp//google_workspace.admin",),
    "google_workspace.login": ("gcp//google_workspace.login",),
    "kubernetes.audit_logs": ("kubernetes//audit", "kubernetes/application/audit"),
    "opencanary.idh": ("opencanary/application/",),
    "o365.audit": ("m365//audit", "m365//exchange", "m365//threat_management", "m365//threat_detection"),
    "onelogin.events": ("onelogin//onelogin.events",), "fortinet_fortigate.log": ("fortigate//event",),
    "cisco_duo.admin": ("cisco//duo",),
}
PROGRAMS = {"sshd": "linux//sshd", "sudo": "linux//sudo", "cron": "linux//cron", "CRON": "linux//cron",
    "crond": "linux//cron"}


GATING = ("event.category", "event.type", "host.os.type", "winlog.channel", "event.dataset", "network.protocol",
    "observer.type", "process.name", "event.code")  # what tags are told from


def tags(row: Mapping[str, Any]) -> list[str]:
    """The tags of one document by its ECS fields (dotted names)."""
    category, types = _set(row.get("event.category")), _set(row.get("event.type"))
    system = str(row.get("host.os.type") or ("windows" if "winlog.channel" in row else ""))
    dataset = str(row.get("event.dataset") or "")
    found = [
        f"{system}/{sigma}/" for name, kinds, sigma, systems in ENDPOINT
        if system in systems and name in category and types.intersection(kinds)
    ]
    if "web" in category and "access" in types:
        found.append("/webserver/")
    if row.get("network.protocol") == "dns" or dataset.endswith(".dns"):
        found += ["/dns/", "windows/dns_query/"] if system == "windows" else ["/dns/"]
    if "malware" in category:
        found.append("/antivirus/")
    if (observer := OBSERVERS.get(str(row.get("observer.type")))) is not None:
        found.append(observer)
    found += DATASETS.get(dataset, ())
    if dataset == "system.auth" and (program := PROGRAMS.get(str(row.get("process.name")))) is not None:
        found.append(program)
    if dataset.startswith("zeek."):
        found.append("zeek//" + dataset[5:])
    return list(dict.fromkeys([*found, *_windows(row)]))


def _set(value: Any) -> set[str]:
    return set(value) if isinstance(value, list) else {value} if isinstance(value, str) else set()


def _windows(row: Mapping[str, Any]) -> list[str]:
    """By channel and event id, as for Windows' own events."""
    channel = row.get("winlog.channel")
    if not isinstance(channel, str):
        return []
    service = SERVICE.get(channel.lower())
    kind = TABLES.get(service or "", {}).get(str(row.get("event.code")))
    return [
        *(f"windows/{category}/" for category in (kind.sigma if kind else ())), "windows//",
        *([f"windows//{service}"] if service else []),
    ]
