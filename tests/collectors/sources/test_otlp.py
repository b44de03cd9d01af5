"""OTLP's door: OpenTelemetry's own exporter, JSON as the specification shows it, and what is refused."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from collectors.parse import detect, parse
from collectors.sources.otlp import PROTOBUF, read, wrapped
from soc_core.protocols import Frame
from tests.collectors.sources.doors import TOKEN, Door, records

SSHD = "<38>Nov 23 09:00:00 web1 sshd[811]: Failed password for root from 192.0.2.7 port 4711 ssh2"
# After the example of the specification: opentelemetry-proto, examples/logs.json
EXAMPLE = {"resourceLogs": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
    "scopeLogs": [{
        "scope": {"name": "my.library", "version": "1.0.0"},
        "logRecords": [{
            "timeUnixNano": "1544712660300000000", "observedTimeUnixNano": "1544712660300000000", "severityNumber": 10,
            "severityText": "Information", "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
            "body": {"stringValue": "Example log record"}, "aFieldOfTomorrow": 1,
            "attributes": [
                {"key": "string.attribute", "value": {"stringValue": "some string"}},
                {"key": "int.attribute", "value": {"intValue": "10"}},
                {"key": "double.attribute", "value": {"doubleValue": 637.704}},
                {"key": "array.attribute", "value": {"arrayValue": {"values": [
                    {"stringValue": "many"}, {"stringValue": "values"}]}}},
                {"key": "map.attribute", "value": {"kvlistValue": {"values": [
                    {"key": "some.map.key", "value": {"stringValue": "some value"}}]}}},
                {"key": "bytes.attribute", "value": {"bytesValue": "AQID"}},
            ]}]}]}]}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path / "j", detect)
    yield made
    made.close()


def post(door: Door, body: bytes, kind: str, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.post(door.base + "/v1/logs", content=body, timeout=20,
                      headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": kind} | given)


@pytest.mark.filterwarnings("ignore:.*LoggingHandler")
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_exporter_of_opentelemetry(door: Door, compression: Compression) -> None:
    provider = LoggerProvider(Resource.create({"service.name": "orders", "host.name": "app1"}))
    exporter = OTLPLogExporter(f"{door.base}/v1/logs", headers={"Authorization": f"Bearer {TOKEN}"},
                               compression=compression)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = logging.getLogger("orders.payment")
    logger.propagate, logger.handlers = False, [LoggingHandler(logger_provider=provider)]
    for n in range(50):
        logger.warning("order %d was paid 付款", n, extra={"user.name": "zhang"})
    provider.shutdown()
    ((source, format_), lines), = records(door).items()
    assert (source, format_) == ("http:default/app1", "ecs")
    found = [json.loads(line) for line in lines]
    assert [one["message"] for one in found] == [f"order {n} was paid 付款" for n in range(50)]
    assert {(one["service.name"], one["user.name"], one["log.logger"]) for one in found} == {
        ("orders", "zhang", "orders.payment")}
    batch = parse([Frame(0, 0, raws) for raws in door.taken]).batch
    assert batch.column("host.name").unique().to_list() == ["app1"]
    assert batch.column("@timestamp").null_count() == 0


def test_the_example_of_the_specification(door: Door) -> None:
    answer = post(door, json.dumps(EXAMPLE).encode(), "application/json; charset=utf-8")
    assert (answer.status_code, answer.json()) == (200, {})
    ((key, (line,)),) = records(door).items()
    assert key == ("http:default/my.service", "ecs")
    assert json.loads(line) == {
        "@timestamp": "2018-12-13T14:51:00.300000Z", "message": "Example log record", "service.name": "my.service",
        "log.level": "Information", "event.severity": 10, "log.logger": "my.library",
        "trace.id": "5b8efff798038103d269b633813fc60c", "span.id": "eee19b7ec3c1b174",
        "string.attribute": "some string", "int.attribute": 10, "double.attribute": 637.704,
        "array.attribute": ["many", "values"], "map.attribute": {"some.map.key": "some value"},
        "bytes.attribute": "AQID",
    }


def test_json_and_protobuf_say_the_same() -> None:
    one = read(json.dumps(EXAMPLE).encode(), "application/json")
    assert list(wrapped(one)) == list(wrapped(read(one.SerializeToString(), PROTOBUF)))


def test_lines_of_a_known_product_go_on_verbatim(door: Door) -> None:
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    host = logs.resource.attributes.add(key="host.name")
    host.value.string_value = "web 1"
    scope = logs.scope_logs.add()
    for text in (SSHD, SSHD.replace("root", "admin")):
        scope.log_records.add(time_unix_nano=1).body.string_value = text
    answer = post(door, gzip.compress(request.SerializeToString()), PROTOBUF, Content_Encoding="gzip")
    assert (answer.status_code, answer.headers["content-type"]) == (200, PROTOBUF)
    assert not ExportLogsServiceResponse.FromString(answer.content).HasField("partial_success")
    assert records(door) == {
        ("http:default/web_1", "syslog"): [SSHD.encode(), SSHD.replace("root", "admin").encode()]}


def test_bodies_of_every_kind_are_records(door: Door) -> None:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for fill in ("", "int", "map", "list"):
        body = scope.log_records.add().body
        if fill == "int":
            body.int_value = 7
        elif fill == "map":
            body.kvlist_value.values.add(key="user.name").value.string_value = "li"
        elif fill == "list":
            body.array_value.values.add().bool_value = True
    assert post(door, request.SerializeToString(), PROTOBUF).status_code == 200
    ((_, lines),) = records(door).items()
    assert sorted(map(json.dumps, map(json.loads, lines))) == sorted(
        ['{"message": ""}', '{"message": "7"}', '{"message": "[true]"}', '{"user.name": "li"}'])


def test_nothing_is_nothing(door: Door) -> None:
    assert post(door, b"", PROTOBUF).status_code == 200
    assert post(door, b"{}", "application/json").status_code == 200
    assert door.journal.end(0) == 0


@pytest.mark.parametrize(("body", "kind", "status", "code"), [
    (b"\xff\xff\xff", PROTOBUF, 400, 3),
    (b"no json", "application/json", 400, 3),
    (b"[]", "application/json", 400, 3),
    (b'{"resourceLogs":7}', "application/json", 400, 3),
    (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"xyz"}]}]}]}', "application/json", 400, 3),
    (b"x", "text/plain", 415, 3),
])
def test_what_cannot_be_read_is_refused(door: Door, body: bytes, kind: str, status: int, code: int) -> None:
    answer = post(door, body, kind)
    assert answer.status_code == status
    if kind == PROTOBUF:
        assert answer.content[:3] == bytes([0x08, code, 0x12])
    else:
        assert answer.json()["code"] == code
    assert door.journal.end(0) == 0


def test_a_wrong_token(door: Door) -> None:
    answer: Any = post(door, b"{}", "application/json", Authorization="Bearer wrong")
    assert (answer.status_code, answer.json()["code"]) == (401, 16)
