"""MySQL's slow query log: blocks of `# Name: value` lines, `use`, `SET timestamp=`, and the statement.

https://dev.mysql.com/doc/refman/8.4/en/slow-query-log.html. The statement is foreign text: names of values are read
only above it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from collectors.formats._json import Record

BEGINS = ("# Time: ", "# User@Host: ")
USER = re.compile(r"# User@Host: (.*?)(?:\[(.*?)\])? @ ([^\s\[]*) ?\[([^\]\s]*)\](?:\s+Id:\s+(\d+))?\s*\Z")
PAIR = re.compile(r"(\w+): {1,2}(\S*)")
TIME = re.compile(r"# Time: (\d{4}-\d\d-\d\dT\S+|\d{6} {1,2}\d{1,2}:\d\d:\d\d)")
STAMP = re.compile(r"SET timestamp=(\d{1,12})(?:\.\d+)?;\s*\Z")
ENDS = re.compile(r"\S{0,200}, Version: .* started with:\Z")
LONGEST = 2000  # lines of one record
WIDEST = 1000  # characters of the line that names the user
# what begins a record of something else: a syslog priority, an object, a stamp
OWN = re.compile(r"<\d{1,3}>|\{|[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:|\d{2,8}[-/:. ]\d|\S{1,80} \S{1,80} \S{1,80} \[\d\d/")
NAMES = {"qc_hit": "query_cache_hit", "id": "thread_id"}
YES_NO = {"Yes": "true", "No": "false"}


def blocks(lines: Sequence[str | None]) -> tuple[set[int], list[tuple[int, Record]]]:
    """(numbers of the lines taken, each record with the number of its first line)."""
    taken: set[int] = set()
    found: list[tuple[int, Record]] = []
    at, total = 0, len(lines)
    while at < total:
        line = lines[at]
        if line is None or not _begins(lines, at):
            at += 1
            continue
        end = _end(lines, at)
        record = _record([text or "" for text in lines[at:end]])
        if record is not None:
            found.append((at, record))
            taken.update(range(at, end))
        at = end
    return taken, found


def _begins(lines: Sequence[str | None], at: int) -> bool:
    """A head has more than one line: text of a statement that looks like its first is none."""
    return (lines[at] or "").startswith(BEGINS) and at + 1 < len(lines) and (lines[at + 1] or "").startswith("# ")


def _end(lines: Sequence[str | None], start: int) -> int:
    """The line after a record: the next one begins, or the server started anew. A time stands above one record."""
    said = (lines[start] or "").startswith("# User@Host: ")
    for place in range(start + 1, min(len(lines), start + LONGEST)):
        line = lines[place]
        if line is None or ENDS.match(line) or (OWN.match(line) and (lines[place - 1] or "").endswith(";")):
            return place
        if _begins(lines, place):
            if line.startswith("# Time: "):
                return place
            if said:
                return place
            said = True
    return min(len(lines), start + LONGEST)


def _record(lines: Sequence[str]) -> Record | None:
    found: Record = {"event.category": ["database"], "event.type": ["info"]}
    statement: list[str] = []
    for line in lines:
        if statement or not line.startswith(("# ", "use ", "SET timestamp=")):
            statement.append(line)
        elif (user := USER.match(line[:WIDEST])) is not None:
            _user(found, user)
        elif (time := TIME.match(line)) is not None:
            found["@timestamp"] = time[1] if time[1][4] == "-" else _old(time[1])
        elif line.startswith("# "):
            _pairs(found, line)
        elif (stamp := STAMP.match(line)) is not None:
            found["@timestamp"] = stamp[1]
        elif line.startswith("use "):
            found["mysql.slowlog.schema"] = line[4:].rstrip("; ").strip("`")
    if "event.duration" not in found:
        return None
    while statement and not statement[-1].strip():
        statement.pop()
    query = "\n".join(statement)
    return found | ({"mysql.slowlog.query": query, "message": query} if query else {})


def _user(found: Record, match: re.Match[str]) -> None:
    user, current, host, ip, thread = match.groups()
    for name, value in (("user.name", user), ("mysql.slowlog.current_user", current), ("source.domain", host),
            ("source.address", ip or host), ("mysql.thread_id", thread)):
        if value:
            found[name] = value


def _pairs(found: Record, line: str) -> None:
    for name, value in PAIR.findall(line[2:]):
        key = NAMES.get(name.lower(), name.lower())
        if key == "query_time" and _number(value) is not None:
            found["event.duration"] = round((_number(value) or 0.0) * 1_000_000_000)
        elif key == "lock_time" and _number(value) is not None:
            found["mysql.slowlog.lock_time.sec"] = str(_number(value))
        elif key == "thread_id":
            found.setdefault("mysql.thread_id", value)
        elif key in ("start", "end") and value[4:5] == "-":
            found[f"event.{key}"] = value
        elif value:
            found.setdefault(f"mysql.slowlog.{key}", YES_NO.get(value, value))


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < 9e9 else None


def _old(stamp: str) -> str:
    day, clock = stamp.split(maxsplit=1)
    return f"20{day[:2]}-{day[2:4]}-{day[4:]}T{clock.zfill(8)}"
