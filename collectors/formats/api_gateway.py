"""API gateways and web application firewalls that write JSON: Kong, APISIX, and WAF events under usual names.

https://docs.konghq.com/hub/kong-inc/http-log/#log-format
    and https://apisix.apache.org/docs/apisix/plugins/http-logger/.
The client is the one that the gateway itself names; what forwarded headers claim stays in the overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collectors.formats._document import Event, first, parse_records, read, share, tree
from collectors.formats._json import Record, sample
from collectors.formats._records import outcome, verdict
from soc_core.protocols import Context, Parsed

COMMON = {
    "client_ip": "source.address", "request.method": "http.request.method", "request.uri": "url.original",
    "request.url": "url.full", "request.size": "http.request.bytes", "request.id": "http.request.id",
    "request.headers.user-agent": "user_agent.original", "request.headers.host": "url.domain",
    "request.headers.referer": "http.request.referrer", "response.status": "http.response.status_code",
    "request.headers.content-type": "http.request.mime_type", "response.size": "http.response.bytes",
    "response.headers.content-type": "http.response.mime_type",
    "service.name": "service.name", "consumer.username": "user.name", "consumer.id": "user.id",
    "request.tls.cipher": "tls.cipher", "request.tls.version": "tls.version",
}
KONG = tree(COMMON | {"started_at": "@timestamp", "workspace_name": "observer.name"})
APISIX = tree(COMMON | {"start_time": "@timestamp", "server.hostname": "host.name", "upstream": "destination.address",
    "server.version": "observer.version"})
WAF = tree({
    "timestamp": "@timestamp", "@timestamp": "@timestamp", "time": "@timestamp", "event_time": "@timestamp",
    "src_ip": "source.address", "client_ip": "source.address", "attack_ip": "source.address",
    "remote_addr": "source.address",
    "source_ip": "source.address", "src_port": "source.port", "client_port": "source.port",
    "dst_ip": "destination.address",
    "dest_ip": "destination.address", "server_ip": "destination.address", "dst_port": "destination.port",
    "dest_port": "destination.port", "server_port": "destination.port", "host": "url.domain", "domain": "url.domain",
    "method": "http.request.method", "uri": "url.original", "url": "url.original", "urlpath": "url.original",
    "request_uri": "url.original", "attack_type": "rule.category", "rule_id": "rule.id", "rule_name": "rule.name",
    "policy_name": "rule.ruleset", "reason": "event.reason", "action": "event.action", "risk_level": "log.level",
    "severity": "log.level", "event_id": "event.code", "user_agent": "user_agent.original", "referer":
    "http.request.referrer", "status_code": "http.response.status_code", "status": "http.response.status_code",
    "protocol": "network.protocol", "user": "user.name", "username": "user.name", "request_id": "http.request.id",
})
CLIENTS = ("src_ip", "client_ip", "attack_ip", "remote_addr", "source_ip")
TARGETS = ("uri", "url", "urlpath", "request_uri")
ATTACKS = ("attack_type", "rule_id", "rule_name")
MAKERS = {"kong": ("Kong", "Kong Gateway"), "apisix": ("Apache", "APISIX")}
ABSENT = "no access record of an API gateway nor an event of a WAF"
UNITS = {"kong": 1_000_000, "apisix": 1_000_000}  # latencies are milliseconds


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; other lines are faults."""
    return parse_records(lines, ctx, {}, "", lambda record: "" if _sort(record) else ABSENT, _made,
                         timezone=ctx.timezone)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines whose objects have such a record's parts."""
    return 0.96 * share(sample(lines), lines, lambda record: bool(_sort(record)))


def _sort(record: Record) -> str:
    parts = type(record.get("request")) is dict and type(record.get("response")) is dict
    if parts and "client_ip" in record and "started_at" in record:
        return "kong"
    if parts and "client_ip" in record and "start_time" in record:
        return "apisix"
    marked = first(record, *ATTACKS) is not None and first(record, *CLIENTS) is not None
    return "waf" if marked and first(record, *TARGETS) is not None else ""


def _made(event: Event) -> dict[str, Any]:
    sort = _sort(event.record)
    event.found.clear()
    table = {"kong": KONG, "apisix": APISIX}.get(sort, WAF)
    rest = read(event.record, table, event.found)
    event.rest.clear()
    event.rest.update({sort: rest} if rest else {})
    found = event.found
    if sort == "apisix" and ":" in str(found.get("destination.address", "")):
        host, _, port = str(found["destination.address"]).rpartition(":")
        if port.isdecimal():
            found["destination.address"], found["destination.port"] = host, port
    took = first(rest.get("latencies"), "request") if sort == "kong" else rest.get("latency")
    if isinstance(took, int | float) and 0 <= took < 1e9:
        found["event.duration"] = int(took * UNITS.get(sort, 1_000_000))
    if (said := outcome(found.get("http.response.status_code"))) is not None and sort != "waf":
        found["event.outcome"] = said
    if sort == "waf":
        return _waf(found)
    maker, product = MAKERS[sort]
    return {"event.kind": "event", "event.category": ["api", "web"], "event.type": ["access"], "event.module": sort,
        "event.dataset": f"{sort}.access", "service.type": sort, "observer.vendor": maker, "observer.product": product,
        "observer.type": "gateway", "sigma.logsource": ["/webserver/", f"//{sort}"]}


def _waf(found: Record) -> dict[str, Any]:
    action = found.get("event.action")
    done = verdict(action if isinstance(action, str) else str(action or ""))
    sort = done[0] if done else "info"
    found["event.type"] = ["info", *done]
    found["event.outcome"] = "success"
    return {"event.kind": "alert", "event.category": ["intrusion_detection", "web"], "event.module": "waf",
        "event.dataset": "waf.event", "service.type": "waf", "observer.type": "waf", "event.type": ["info", sort],
        "sigma.logsource": ["/webserver/"]}
