"""OpenTelemetry logs over HTTP (OTLP): `POST /v1/logs`, as protobuf or JSON, from collectors and instrumented programs.

    exporters: {otlphttp: {logs_endpoint: "http://127.0.0.1:8514/v1/logs", headers: {Authorization: "Bearer TOKEN"}}}

Answered 200 when the records are durable; never in part, so `partial_success` stays unset. Refusals carry a
google.rpc.Status: 400 and 413 are final, 429 and 503 say come again. Semantic conventions are ECS names for the most
part and stay as they are; each host, else service, is a source; how a body goes on stands in _wrapped.py.
https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collectors.sources._desk import Desk, Taken, Trouble
from collectors.sources._wrapped import Habits, Wrapped, dumps, unwrapped
from soc_core import clock

PROTOBUF, JSON = "application/x-protobuf", "application/json"
SCHEMES = ("bearer", "basic", "apikey")
RPC = {400: 3, 401: 16, 413: 3, 429: 8, 503: 14, 415: 3}  # google.rpc.Code of a status
LATEST = 253_402_300_800 * 10**9  # the year 10000
TERMS = {"deployment.environment.name": "service.environment", "service.instance.id": "service.node.name"}


def routes(desk: Desk) -> list[Route]:
    habits = Habits(desk.detect)

    async def logs(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            name = desk.who(request, SCHEMES)
            if kind not in (PROTOBUF, JSON):
                raise Trouble(415, f"Content-Type {kind[:40]!r} is not understood; {PROTOBUF} and {JSON} are")
            return await desk.take(request, lambda body: _taken(habits, desk, request, name, body, kind))
        except Trouble as trouble:
            return _refusal(trouble, kind)

    return [Route("/v1/logs", logs, methods=["POST"])]


def _taken(habits: Habits, desk: Desk, request: Request, name: str, body: bytes, kind: str) -> Taken:
    raws = unwrapped(wrapped(read(body, kind)), habits, desk, request, name)
    answer = ExportLogsServiceResponse().SerializeToString()
    return Taken(raws, Response(answer, media_type=PROTOBUF) if kind == PROTOBUF else JSONResponse({}))


def read(body: bytes, kind: str) -> ExportLogsServiceRequest:
    """The request. Raises Trouble 400."""
    try:
        found = ExportLogsServiceRequest()
        if kind == PROTOBUF:
            found.ParseFromString(body)
        else:
            data = orjson.loads(body)
            _identifiers(data)
            ParseDict(data, found, ignore_unknown_fields=True)
        return found
    except (DecodeError, ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Trouble(400, f"the body is no OTLP logs request: {' '.join(str(error).split())[:200]}") from None


def _identifiers(data: Any) -> None:
    """OTLP writes trace and span ids in hexadecimal, where protobuf's JSON has base64."""
    for resource in data.get("resourceLogs", ()):
        for scope in resource.get("scopeLogs", ()):
            for record in scope.get("logRecords", ()):
                for key in ("traceId", "spanId"):
                    if record.get(key):
                        record[key] = base64.b64encode(bytes.fromhex(record[key])).decode()


def wrapped(request: ExportLogsServiceRequest) -> Iterator[Wrapped]:
    """Every log record, with what its resource says of it."""
    for resource in request.resource_logs:
        common = _attributes(resource.resource.attributes)
        sender = str(common.get("host.name") or common.get("service.name") or "")
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield _wrapped(record, common, scope.scope.name, sender)


def _wrapped(record: LogRecord, common: dict[str, Any], scope: str, sender: str) -> Wrapped:
    about = {**common, **_attributes(record.attributes)}
    nanos = record.time_unix_nano or record.observed_time_unix_nano
    if 0 < nanos < LATEST:
        about["@timestamp"] = clock.to_text(nanos // 1000)
    named = {"log.level": record.severity_text, "trace.id": record.trace_id.hex(), "span.id": record.span_id.hex(),
             "event.action": record.event_name, "log.logger": scope, "event.severity": record.severity_number}
    about |= {name: value for name, value in named.items() if value}
    body = _value(record.body)
    kind = str(about.get("log.file.path") or scope)
    if isinstance(body, dict):
        return Wrapped(dumps(body), body, about, sender, kind)
    text = b"" if body is None else body.encode() if isinstance(body, str) else dumps(body)
    return Wrapped(text, None, about, sender, kind)


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {TERMS.get(pair.key, pair.key): _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    """Plain data; bytes as base64."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    held = getattr(value, kind)
    return base64.b64encode(held).decode() if isinstance(held, bytes) else held


def _refusal(trouble: Trouble, kind: str) -> Response:
    code, sentence = RPC.get(trouble.status, 2), str(trouble)
    if kind != PROTOBUF:
        return JSONResponse({"code": code, "message": sentence}, trouble.status, trouble.headers)
    text = sentence.encode()  # google.rpc.Status: 1 code, 2 message
    status = bytes([0x08, code, 0x12]) + _varint(len(text)) + text
    return Response(status, trouble.status, trouble.headers, PROTOBUF)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
