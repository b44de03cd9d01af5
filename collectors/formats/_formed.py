"""CEF and LEEF: where their fields stand, and which event an entry with such fields is.

https://docs.nxlog.co/integrate/cef-logging.html (CEF revision 25) and
https://www.ibm.com/docs/en/dsm?topic=overview-leef-event-components.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from collectors.formats._json import Record
from collectors.formats._records import verdict

# maker (lower case, as in the head) → (module, Sigma product)
MAKERS = {
    "fortinet": ("fortinet_fortigate", "fortigate"), "palo alto networks": ("panw", "paloalto"),
    "cisco": ("cisco",) * 2,
    "check point": ("checkpoint",) * 2, "f5": ("f5",) * 2, "huawei": ("huawei",) * 2, "h3c": ("h3c",) * 2,
    "trend micro": ("trendmicro",) * 2, "imperva": ("imperva",) * 2, "juniper": ("juniper",) * 2,
    "imperva inc.": ("imperva",) * 2, "checkpoint": ("checkpoint",) * 2, "sangfor": ("sangfor",) * 2,
    "nsfocus": ("nsfocus",) * 2, "topsec": ("topsec",) * 2, "venustech": ("venustech",) * 2,
}
WEB = ("waf", "asm", "web application firewall", "securesphere", "application firewall")
VIRUS = ("virus", "malware", "infected", "trojan", "ransom", "病毒", "木马")
ATTACK = ("attack", "intrusion", "exploit", "threat", "injection", "ioc", "callback", "ips", "入侵", "攻击")
LOGIN = ("login", "logon", "log in", "authenticat", "signed in", "登录")
LOGOUT = ("logout", "logoff", "log out")
FAIL = ("fail", "denied", "invalid", "reject", "失败")


def kind(found: Record, rest: Record) -> Hashable:
    """(maker, product, what the entry is about, action or outcome, whether it names two ends)."""
    name = f"{found.get('rule.name', '')} {found.get('event.code', '')} {rest.get('cat', '')}".lower()
    ends = "source.address" in found and "destination.address" in found
    http = "url.original" in found or "http.request.method" in found
    word = str(found.get("event.action") or "")
    product = str(found.get("observer.product", ""))
    return str(found.get("observer.vendor", "")), product, topic(name, product), word, ends, http, _bad(name, rest)


def topic(name: str, product: str) -> str:
    """What an entry with such a name is about."""
    lower = product.lower()
    if any(word in name for word in LOGOUT):
        return "logout"
    if any(word in name for word in LOGIN):
        return "login"
    if any(word in name for word in VIRUS):
        return "virus"
    if any(word in name for word in ATTACK) or any(word in lower.split() or word == lower for word in WEB):
        return "attack"
    return ""


def _bad(name: str, rest: Record) -> bool:
    outcome = str(rest.get("outcome", "")).lower()
    return any(word in name or word in outcome for word in FAIL)


def fixed(kind: tuple[str, str, str, str, bool, bool, bool], space: str) -> dict[str, Any]:
    """What is true of every entry of such a kind."""
    vendor, product, about, action, ends, http, bad = kind
    module, sigma = MAKERS.get(vendor.lower(), (space, ""))
    done = verdict(action)
    tags = [f"{sigma}//"] if sigma else []
    base: dict[str, Any] = {"event.kind": "event", "event.module": module, "event.dataset": f"{module}.{space}",
        "service.type": module, "observer.type": "waf" if product.lower() in WEB else "sensor"}
    if about in ("login", "logout"):
        category = ["authentication"] if about == "login" else ["session"]
        return base | {"event.category": category, "event.type": ["start" if about == "login" else "end"],
            "event.outcome": "failure" if bad else "success", **({"sigma.logsource": tags} if tags else {})}
    if about == "virus":
        return base | {"event.kind": "alert", "event.category": ["malware"], "event.type": ["info"],
            "sigma.logsource": ["/antivirus/", *tags]}
    if about == "attack":
        web = ["/webserver/"] if http and base["observer.type"] == "waf" else []
        return base | {"event.kind": "alert", "event.category": ["intrusion_detection", *(["network"] if ends else [])],
            "event.type": ["info", *done], **({"sigma.logsource": [*web, *tags]} if web or tags else {})}
    if ends or done:
        return base | {"event.category": ["network"], "event.type": ["connection", *done] if ends else list(done),
            "event.outcome": "success", "sigma.logsource": ["/firewall/", *tags]}
    return base | {"event.category": ["host"], "event.type": ["info"], **({"sigma.logsource": tags} if tags else {})}
