"""Operations bastions (堡垒机): JumpServer's syslog, Qizhi-like pairs and Chinese labels: logins, sessions, commands.

https://docs.jumpserver.org/zh/v3/installation/log_transmission_settings/. What an operator typed is foreign text: pairs
are read before the command, and an address that stands twice is not read.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

from collectors.formats._device import share
from collectors.formats._json import Record, records
from collectors.formats._pairs import AGAIN, put, spaced
from collectors.formats._records import NOBODY, Made, mapped, parsed
from soc_core.protocols import Context, Parsed

PROGRAMS = ("bastion", "jumpserver", "shterm", "qizhi", "usm", "osm", "fortress", "baoleiji")
SPACE = "bastion"
JUMP = r"(?:login|operation|ftp|password_change|host_session|session_command|session|command)_log - \{"
LABEL = (r"(?:\[[^\]]{1,32}\] ?)?(?:运维(?:用户|人员|账号)|主账号|从账号|操作人|会话ID|会话编号|登录用户)"
         r"[:：=]")
PAIRED = r"(?:session|sid|sessionid|tranid|logtype|bastion)=\S+ .*?\b(?:user|usr|username|account)="
MARK = rf"{JUMP}|{LABEL}|(?:\[[\w ]{{1,32}}\] ?)?{PAIRED}"
NAMES = {
    **dict.fromkeys(("user", "usr", "username", "loginuser", "operator", "运维用户", "运维人员", "运维账号",
        "主账号", "操作人", "登录用户",
        "用户"), "user.name"),
    **dict.fromkeys(("account", "sysuser", "systemuser", "targetuser", "从账号", "系统账号", "资产账号", "目标账号"),
        "user.effective.name"),
    **dict.fromkeys(("from", "src", "srcip", "clientip", "sip", "ip", "remoteaddr",
        "来源ip", "源ip", "客户端ip", "登录ip"),
        "source.address"),
    **dict.fromkeys(("target", "dst", "dstip", "server", "serverip", "asset", "hostip", "devip",
        "目标", "目标ip", "目标设备", "资产", "设备ip", "目的ip"), "destination.address"),
    **dict.fromkeys(("port", "dstport", "目标端口"), "destination.port"),
    **dict.fromkeys(("protocol", "proto", "协议"), "network.protocol"),
    **dict.fromkeys(("cmd", "command", "input", "命令", "操作命令"), "process.command_line"),
    **dict.fromkeys(("event", "action", "op", "操作", "操作类型", "动作", "事件"), "event.action"),
    **dict.fromkeys(("reason", "原因", "失败原因"), "event.reason"),
    **dict.fromkeys(("session", "sessionid", "sid", "会话id", "会话编号"), "bastion.session"),
    **dict.fromkeys(("ticket", "工单", "工单号"), "bastion.ticket"),
    **dict.fromkeys(("result", "status", "结果", "状态"), "bastion.result"),
    **dict.fromkeys(("time", "datetime", "datestart", "timestamp", "时间", "发生时间"), "@timestamp"),
    **dict.fromkeys(("filename", "文件", "文件名"), "file.path"),
    "useragent": "user_agent.original",
}
LABELLED = re.compile(r"(?:^|[,，;；] ?|\] ?)([^,，:：=;；\]]{1,40})[:：=]([^,，;；]*)")
TYPED = re.compile(r"(?:^|[ ,，;；])(cmd|command|命令|操作命令)(?:=|[:：])\s*(.*)$", re.I | re.DOTALL)
WHOLE = re.compile(r"^\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d|^\d{10,13}$")
PLACE = re.compile(r"[^()\s]*\(([0-9A-Fa-f.:]+)\)|([^\s()]+)")
FAIL = re.compile(r"fail|deny|denied|reject|refus|block|error|失败|拒绝|阻断|禁止|false|\b0\b", re.I)
OVER = ("close", "closed", "logout", "disconnect", "end", "关闭", "注销", "退出", "断开")
OPEN = ("open", "connect", "start", "login", "登录", "连接", "打开", "建立")
CHANGES = ("password", "create", "update", "delete", "modify", "改密", "修改", "创建", "删除", "授权")
ABSENT = "no record of a bastion"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; lines of other kinds are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space=SPACE, record=_record, kind=_kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of such records."""
    return 0.97 * share(lines, MARK)


def _record(text: str) -> Made | None:
    if "_log - {" in text[:48]:
        return _jumpserver(text)
    typed = TYPED.search(text)
    body = text[: typed.start()] if typed else text
    body = re.sub(r"^\[[^\]]{1,32}\] ?", "", body)
    row = spaced(body) if "=" in body.partition(" ")[0] else _labelled(body)
    if typed:
        row[typed[1]] = typed[2][1:-1] if len(typed[2]) > 1 and typed[2][0] == typed[2][-1] == '"' else typed[2]
    return _columns(row, text)


def _jumpserver(text: str) -> Made | None:
    sort, _, rest = text.partition(" - ")
    row = records([rest.encode()])[0][0]
    if row is None:
        return None
    found, left = _columns(row, text)
    found["event.action"] = ".".join([sort.removesuffix("_log"), *([found["event.action"]]
        if "event.action" in found else [])])
    return found, left


def _columns(row: Record, text: str) -> Made:
    again = {_plain(name) for name in row.get(AGAIN, ())}
    usable: Record = {}
    for name, value in row.items():
        if type(value) is bool or type(value) is int:
            value = str(value).lower()
        column = NAMES.get(_plain(name))
        doubted = _plain(name) in again and column in ("source.address", "destination.address")
        if column and not doubted and type(value) is str and (value.strip().lower() not in NOBODY):
            usable[_plain(name)] = value.strip()
    found, _ = mapped(usable, NAMES)
    rest = {name: value for name, value in row.items() if _plain(name) not in usable}
    if not WHOLE.match(found.get("@timestamp", "")):
        found.pop("@timestamp", None)
    for side in ("source.address", "destination.address"):
        if side in found and (place := PLACE.match(found[side])) is not None:
            found[side] = place[1] or place[2]
    if not found.get("destination.port", "0").isdecimal():
        found.pop("destination.port")
    return found | {"message": text}, rest


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def _labelled(text: str) -> Record:
    row: Record = {}
    for name, value in LABELLED.findall(text):
        put(row, name.strip(), value.strip())
    return row


def _kind(found: Record, rest: Record) -> Hashable:
    action = str(found.get("event.action", "")).lower()
    failed = bool(FAIL.search(f"{found.get('bastion.result', '')} {found.get('event.reason', '')} {action}"))
    topic = (
        "command" if "process.command_line" in found else "password" if any(word in action for word in CHANGES) else
        "file" if "file.path" in found or action.startswith("ftp") else
        "over" if any(word in action for word in OVER) else
        "open" if any(word in action for word in OPEN) else "session"
    )
    return topic, failed


def _fixed(kind: tuple[str, bool]) -> dict[str, Any]:
    topic, failed = kind
    category, types = {
        "command": (["process", "session"], ["start"]), "password": (["iam"], ["change"]),
        "file": (["file"], ["access"]),
        "over": (["session"], ["end"]), "open": (["authentication", "session"], ["start"]),
    }.get(topic, (["session"], ["info"]))
    return {"event.kind": "event", "event.module": "bastion", "event.dataset": "bastion.audit",
        "service.type": "bastion", "observer.type": "bastion", "event.category": category, "event.type": types,
        "event.outcome": "failure" if failed else "success"}
