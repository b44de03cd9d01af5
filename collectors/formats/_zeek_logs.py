"""Zeek's logs: what their fields are in ECS, what kind of event each log holds, and its Sigma log sources.

https://docs.zeek.org/en/current/script-reference/log-files.html. Fields that stand in no table keep their name below
zeek.LOG, so that rules written for Zeek find them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

# in every log
COMMON = {
    "ts": "@timestamp", "_write_ts": "@timestamp", "uid": "zeek.session_id",
    "id.orig_h": "source.address", "id.orig_p": "source.port",
    "id.resp_h": "destination.address", "id.resp_p": "destination.port", "_system_name": "observer.hostname",
    "community_id": "network.community_id",
}


class Log(NamedTuple):
    """Fields → columns; ECS kind, categories and types; the protocol; the field that says whether it went well."""

    fields: Mapping[str, str] = MappingProxyType({})
    category: tuple[str, ...] = ("network",)
    type: tuple[str, ...] = ("protocol", "info")
    protocol: str = ""
    outcome: str = ""
    tags: tuple[str, ...] = ()
    kind: str = "event"


CONNECTION = ("connection", "info")
SESSION = ("network", "authentication")
LOGS: dict[str, Log] = {
    "conn": Log({
        "proto": "network.transport", "service": "network.protocol", "orig_ip_bytes": "source.bytes",
        "resp_ip_bytes": "destination.bytes", "orig_pkts": "source.packets", "resp_pkts": "destination.packets",
        "orig_l2_addr": "source.mac", "resp_l2_addr": "destination.mac", "vlan": "network.vlan.id",
        "ip_proto": "network.iana_number",
    }, type=CONNECTION, tags=("//netflow",)),
    "dns": Log({
        "proto": "network.transport", "trans_id": "dns.id", "query": "dns.question.name",
        "qtype_name": "dns.question.type", "qclass_name": "dns.question.class", "rcode_name": "dns.response_code",
        "answers": "dns.answers.data", "TTLs": "dns.answers.ttl",
    }, protocol="dns", tags=("/dns/",)),
    "http": Log({
        "method": "http.request.method", "host": "url.domain", "uri": "url.original",
        "referrer": "http.request.referrer", "version": "http.version", "user_agent": "user_agent.original",
        "request_body_len": "http.request.body.bytes", "response_body_len": "http.response.body.bytes",
        "status_code": "http.response.status_code", "resp_mime_types": "http.response.mime_type",
        "orig_mime_types": "http.request.mime_type", "username": "user.name",
    }, ("network", "web"), ("access", "protocol"), "http", tags=("/proxy/", "/webserver/")),
    "ssl": Log({
        "version": "tls.version", "cipher": "tls.cipher", "server_name": "tls.client.server_name",
        "resumed": "tls.resumed", "subject": "tls.server.subject", "issuer": "tls.server.issuer",
        "ja3": "tls.client.ja3", "ja3s": "tls.server.ja3s",
    }, type=("protocol", "connection"), protocol="tls", outcome="established"),
    "x509": Log({
        "certificate.serial": "file.x509.serial_number", "certificate.version": "file.x509.version_number",
        "certificate.subject": "file.x509.subject.distinguished_name",
        "certificate.issuer": "file.x509.issuer.distinguished_name",
        "certificate.not_valid_before": "file.x509.not_before", "certificate.not_valid_after": "file.x509.not_after",
    }, ("file",), ("info",)),
    "files": Log({
        "filename": "file.name", "mime_type": "file.mime_type", "md5": "file.hash.md5", "sha1": "file.hash.sha1",
        "sha256": "file.hash.sha256", "total_bytes": "file.size",
    }, ("file", "network"), ("info",)),
    "pe": Log({"id": "zeek.pe.fuid"}, ("file",), ("info",)),
    "ssh": Log({"direction": "network.direction"}, SESSION, ("protocol", "info"), "ssh", "auth_success"),
    "kerberos": Log({"error_msg": "event.reason"}, SESSION, ("protocol", "info"), "kerberos", "success"),
    "ntlm": Log({"username": "user.name", "domainname": "user.domain"}, SESSION, ("protocol", "info"), "ntlm",
        "success"),
    "radius": Log({"username": "user.name", "mac": "source.mac"}, SESSION, ("protocol", "info"), "radius"),
    "ldap": Log({"opcode": "event.action"}, SESSION, ("protocol", "info"), "ldap"),
    "ldap_search": Log(protocol="ldap"),
    "rdp": Log(category=("network", "session"), protocol="rdp"),
    "rfb": Log(category=("network", "session"), protocol="rfb", outcome="auth"),
    "ftp": Log({"user": "user.name", "mime_type": "file.mime_type", "file_size": "file.size"},
        ("network", "file"), ("protocol", "access"), "ftp"),
    "smb_files": Log({"name": "file.name", "size": "file.size"}, ("network", "file"), ("protocol", "access"), "smb"),
    "smb_mapping": Log(category=("network", "session"), protocol="smb"),
    "dce_rpc": Log(protocol="dce_rpc"),
    "smtp": Log({
        "mailfrom": "email.from.address", "rcptto": "email.to.address", "subject": "email.subject",
        "msg_id": "email.message_id", "user_agent": "email.x_mailer",
    }, ("network", "email"), ("protocol", "info"), "smtp"),
    "dhcp": Log({"mac": "source.mac", "client_addr": "source.address", "server_addr": "destination.address"},
        protocol="dhcp"),
    "mysql": Log({"cmd": "event.action"}, ("network", "database"), ("protocol", "access"), "mysql", "success"),
    "postgresql": Log({"user": "user.name"}, ("network", "database"), ("protocol", "access"), "postgresql", "success"),
    "redis": Log({"cmd.name": "event.action"}, ("network", "database"), ("protocol", "access"), "redis", "success"),
    "modbus": Log({"func": "event.action"}, protocol="modbus"),
    "dnp3": Log({"fc_request": "event.action"}, protocol="dnp3"),
    "sip": Log({"method": "event.action", "uri": "url.original", "user_agent": "user_agent.original"},
        protocol="sip"),
    "socks": Log({"user": "user.name"}, protocol="socks"),
    "irc": Log({"user": "user.name", "command": "event.action"}, protocol="irc"),
    "snmp": Log(protocol="snmp"),
    "ntp": Log(protocol="ntp"),
    "quic": Log({"server_name": "tls.client.server_name"}, protocol="quic"),
    "websocket": Log({"host": "url.domain", "uri": "url.original", "user_agent": "user_agent.original"},
        protocol="websocket"),
    "mqtt_connect": Log(protocol="mqtt"),
    "mqtt_publish": Log(protocol="mqtt"),
    "mqtt_subscribe": Log({"action": "event.action"}, protocol="mqtt"),
    "syslog": Log({"proto": "network.transport", "message": "message", "severity": "log.level"}, protocol="syslog"),
    "tunnel": Log({"action": "event.action"}, type=CONNECTION),
    "dpd": Log({"proto": "network.transport", "analyzer": "network.protocol", "failure_reason": "event.reason"},
        type=("error",)),
    "analyzer": Log({"proto": "network.transport", "failure_reason": "event.reason"}, type=("error",)),
    "weird": Log({"name": "rule.name", "addl": "event.reason", "peer": "observer.hostname"}, type=("info",)),
    "notice": Log({
        "proto": "network.transport", "note": "rule.name", "msg": "message", "src": "source.address",
        "dst": "destination.address", "p": "destination.port", "peer_descr": "observer.hostname",
        "file_mime_type": "file.mime_type",
    }, ("network", "intrusion_detection"), ("info",), kind="alert"),
    "intel": Log({"seen.indicator": "rule.name"}, ("network", "threat"), ("indicator",), kind="alert"),
    "signatures": Log({"sig_id": "rule.id", "event_msg": "message"}, ("network", "intrusion_detection"), ("info",),
        kind="alert"),
    "known_hosts": Log({"host": "host.ip"}, type=("info",), kind="asset"),
    "known_services": Log({"host": "host.ip", "port_proto": "network.transport", "port_num": "server.port"},
        type=("info",), kind="asset"),
    "known_certs": Log({"host": "host.ip", "port_num": "server.port", "serial": "file.x509.serial_number",
        "subject": "file.x509.subject.distinguished_name",
        "issuer_subject": "file.x509.issuer.distinguished_name"}, type=("info",), kind="asset"),
    "software": Log({"host": "host.ip"}, ("package",), ("info",), kind="asset"),
    "stats": Log({"peer": "observer.hostname"}, kind="metric", type=("info",)),
    "capture_loss": Log({"peer": "observer.hostname"}, kind="metric", type=("info",)),
    "reporter": Log({"level": "log.level", "message": "message"}, ("host",), ("info",)),
    "packet_filter": Log(category=("host",), type=("info",)),
    "loaded_scripts": Log(category=("host",), type=("info",)),
}
# for JSON that does not name its log: names that only one log has
SIGNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("conn", ("conn_state",)), ("dns", ("qtype_name",)), ("dns", ("trans_id", "query")), ("dns", ("rcode_name",)),
    ("http", ("trans_depth", "request_body_len")), ("http", ("method", "uri", "host")),
    ("ssl", ("cipher", "established")), ("ssl", ("established",)), ("x509", ("certificate.serial",)),
    ("x509", ("certificate",)), ("files", ("fuid", "seen_bytes")), ("kerberos", ("request_type",)),
    ("ssh", ("host_key_alg",)), ("ssh", ("auth_attempts",)), ("dce_rpc", ("endpoint", "operation")),
    ("ntlm", ("server_dns_computer_name",)), ("ntlm", ("domainname",)), ("rdp", ("security_protocol",)),
    ("rdp", ("cookie", "result")), ("smb_files", ("action", "name")), ("smb_mapping", ("share_type",)),
    ("smtp", ("helo",)), ("ftp", ("reply_code", "command")), ("ftp", ("command", "user")),
    ("notice", ("note", "actions")), ("weird", ("name", "notice")), ("dhcp", ("msg_types",)),
    ("tunnel", ("tunnel_type",)), ("pe", ("is_exe",)), ("software", ("software_type",)),
    ("dpd", ("analyzer", "failure_reason")), ("snmp", ("community",)), ("modbus", ("func",)),
    ("ntp", ("stratum",)), ("sip", ("call_id",)), ("intel", ("seen.indicator",)), ("mysql", ("cmd", "arg")),
)
# how a connection went → ECS types
STATES = {
    "S0": ("connection", "start", "info"), "S1": ("connection", "start", "info"),
    "SF": ("connection", "start", "end"), "REJ": ("connection", "start", "denied"),
}
DIRECTIONS = {("true", "true"): "internal", ("true", "false"): "outbound", ("false", "true"): "inbound",
    ("false", "false"): "external"}
