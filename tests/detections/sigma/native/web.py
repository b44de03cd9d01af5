"""Access lines of web servers and proxies, Zeek's logs, an antivirus record."""

from __future__ import annotations

from typing import Any

import orjson

from detections.sigma.rule import LogSource
from tests.detections.sigma.native.solve import Found
from tests.detections.sigma.native.windows import windows

Line = tuple[str, list[str]]
STAMP = "23/Nov/2026:10:03:04 +0800"


def target(stem: str, query: str, more: str) -> str:
    """A request target of a path, of what rules call the query (often a path itself), and of words."""
    path = query if query.startswith("/") else stem or "/"
    if query and not query.startswith("/"):
        path += ("" if query.startswith("?") or "?" in path else "?") + query
    elif stem and stem.lower() not in path.lower():
        head, mark, tail = path.partition("?")
        path = head + (stem if stem.startswith("/") else "/" + stem) + mark + tail
    if more:
        path += ("&" if "?" in path else "?") + "x=" + more
    return path if path.startswith("/") else "/" + path


def escaped(text: str) -> str:
    """As web servers write what a client sent."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def webserver(source: LogSource, values: Found, text: str | None) -> Line:
    """A combined access line; a gateway's record where the rule asks for headers that no such line has."""
    query = next((values[name] for name in ("cs-uri-query", "cs-uri", "c-uri") if name in values), "")
    asked = target(values.get("cs-uri-stem", ""), query, text or "")
    method, status = values.get("cs-method", "GET"), values.get("sc-status", "200")
    agent, referrer = values.get("cs-user-agent", "Mozilla/5.0"), values.get("cs-referer", "-")
    if "cs-host" in values or "cs-content-type" in values:
        headers = {"host": values.get("cs-host", "www.city.example"), "user-agent": agent,
            "content-type": values.get("cs-content-type", "text/html"), "referer": referrer}
        return "api_gateway", [orjson.dumps({"client_ip": "192.0.2.7", "started_at": 1795399384000,
            "request": {"method": method, "uri": asked, "headers": headers, "size": 100},
            "response": {"status": int(status), "size": 10}}).decode()]
    if "cs-user-agent" in values.absent:
        return "apache", [f'192.0.2.7 - - [{STAMP}] "{method} {escaped(asked)} HTTP/1.1" {status} 12']
    return "apache", [f'192.0.2.7 - {values.get("cs-username", "-")} [{STAMP}] "{method} {escaped(asked)} HTTP/1.1" '
                      f'{status} 12 "{escaped(referrer)}" "{escaped(agent)}"']


def nginx(source: LogSource, values: Found, text: str | None) -> Line:
    """A line of its error log."""
    return "nginx", [f"2026/11/23 10:03:04 [alert] 811#811: worker process 812 {text}"]


def proxy(source: LogSource, values: Found, text: str | None) -> Line:
    """A line of Squid, which knows the whole address."""
    host = values.get("cs-host", values.get("r-dns", ""))
    asked = next((values[name] for name in ("c-uri", "cs-uri") if name in values), "")
    if "://" not in asked[:12]:
        site = host + "x" if host.endswith(".") else "x" + host if host.startswith(".") else host or "www.city.example"
        asked = f"http://{site}{'' if asked.startswith('/') else '/'}{asked}"
    elif host and host.lower() not in asked.lower():
        asked = f"http://{host}/{asked.partition('://')[2].partition('/')[2]}"
    if (stem := values.get("cs-uri-stem", "")) and stem.lower() not in asked.lower():
        asked = asked.rstrip("/") + stem
    if extension := values.get("c-uri-extension"):
        path, mark, rest = asked.partition("?")
        asked = path + ("" if path.endswith("." + extension) else ("" if path[-1] == "/" else "/") + "f." + extension
                        ) + mark + rest
    if (query := values.get("c-uri-query", "")) and query not in asked:
        asked += ("&" if "?" in asked else "?") + query.removeprefix("?")
    asked += (("&" if "?" in asked else "?") + text) if text else ""
    method, status = values.get("cs-method", "GET"), values.get("sc-status", "200")
    if "dst_ip" in values:
        return "squid", [f"1795399384.123 12 192.0.2.7 TCP_MISS/{status} 10 {method} {asked} - "
                         f"HIER_DIRECT/{values['dst_ip']} text/html"]
    agent = values.get("c-useragent", values.get("cs-user-agent", "Mozilla/5.0"))
    return "squid", [f'192.0.2.7 - - [{STAMP}] "{method} {escaped(asked)} HTTP/1.1" {status} 12 "-" "{escaped(agent)}" '
                     "TCP_MISS:HIER_DIRECT"]


LISTS = ("answers", "resp_mime_types", "client_header_names")


def zeek(source: LogSource, values: Found, text: str | None) -> Line:
    """A record of the service's log, as JSON."""
    record: dict[str, Any] = {"_path": source.service or "dns", "ts": 1795399384.123, "uid": "C1",
        "id.orig_h": "192.0.2.7", "id.orig_p": 51000, "id.resp_h": "192.0.2.9", "id.resp_p": 53}
    for name, value in values.items():
        name = {"c-uri": "uri", "c-useragent": "user_agent", "answer": "answers", "record_type": "qtype_name"}.get(
            name, name)
        plain: Any = {"true": True, "false": False}.get(value.lower(), value)
        if value.isdigit() and name not in ("certificate.serial",):
            plain = int(value)
        record[name] = [value] if name in LISTS else plain
    if text:
        record["path"] = text
    return "zeek", [orjson.dumps(record).decode()]


def antivirus(source: LogSource, values: Found, text: str | None) -> Line:
    """Defender's finding."""
    data = Found({"ThreatName": values.get("Signature", "Virus:DOS/EICAR_Test_File"), "EventID": "1116",
        "Path": values.get("Filename", "C:\\eicar.com")})
    return windows(LogSource("windows", "", "windefend"), data, text)


RENDERERS = (
    (LogSource("", "webserver"), webserver), (LogSource("", "proxy"), proxy), (LogSource("", "dns"), zeek),
    (LogSource("zeek"), zeek), (LogSource("", "antivirus"), antivirus),
    (LogSource("", "", "apache"), webserver), (LogSource("", "", "nginx"), nginx),
)
