"""Events of a batch as the reference evaluator sees them: one row, one field, read the obvious way."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, unquote_plus

from detections.sigma.map import Mapper, Reader
from detections.sigma.rule import LogSource
from soc_core.events import EventBatch
from tests.detections.sigma.reference import text_of

loads = lru_cache(maxsize=1 << 12)(json.loads)


def rows(batch: EventBatch) -> list[dict[str, Any]]:
    """Rows as dotted-name dictionaries without nulls."""
    return [{k: v for k, v in row.items() if v is not None and v != []} for row in batch.frame().to_dicts()]


def walk(node: Any, names: list[str]) -> list[Any]:
    if not names:
        return [node]
    if isinstance(node, list):
        return [found for each in node for found in walk(each, names)]
    if not isinstance(node, dict):
        return []
    for size in range(len(names), 0, -1):
        name = ".".join(names[:size])
        held = (
            [name]
            if name in node and node[name] is not None
            else [key for key in node if key.lower() == name.lower()][:1]
        )
        if held and (found := [f for f in walk(node[held[0]], names[size:]) if f is not None]):
            return found
    return []


def flatten(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [text for each in value for text in flatten(each)]
    if isinstance(value, dict):
        return [json.dumps(value, separators=(",", ":"), ensure_ascii=False)]
    if isinstance(value, datetime):  # as an event's JSON has it
        return [value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")]
    return [text_of(value)]


def read(row: dict[str, Any], reader: Reader) -> list[str] | None:
    """All values that a field has in a row."""
    out: list[str] = []
    for source in reader.sources:
        value = row.get(source.column)
        if value is not None and source.path:
            try:
                value = walk(loads(value), source.path.split("."))
            except ValueError:
                value = None
        out += flatten(value)
    for label, column in reader.labelled:
        out += [f"{label}={text}" for text in flatten(row.get(column))]
    if reader.decode == "url":
        once = [unquote_plus(text, errors="replace") for text in out]
        out += once + [unquote(text, errors="replace") for text in once]
    return out or None


def lookup(row: dict[str, Any], mapper: Mapper, source: LogSource) -> Callable[[str], list[str] | None]:
    """The reference's view of a row under a rule's log source; values written as the rule writes them."""

    def find(field: str) -> list[str] | None:
        reader, values = mapper.resolve(source, field)
        back = {column: rule for rule, column in values.items()}
        found = read(row, reader)
        return [back.get(text, text) for text in found] if found is not None else None

    return find


def texts(row: dict[str, Any]) -> list[str]:
    """The text of an event: its record, its message, and a JSON record with \\\\ and \\" made plain."""
    original, message = row.get("event.original"), row.get("message")
    out = [text for text in (original, message) if text]
    if original and original.startswith("{") and "\\" in original:
        out.append(original.replace('\\"', '"').replace("\\\\", "\\"))
    return out


def gated(row: dict[str, Any], source: LogSource) -> bool:
    """Whether one of the event's tags has every part that the rule's log source states."""
    for tag in row.get("sigma.logsource") or []:
        product, category, service = [*tag.split("/"), "", ""][:3]
        if source.product in ("", product) and source.category in ("", category) and source.service in ("", service):
            return True
    return False
