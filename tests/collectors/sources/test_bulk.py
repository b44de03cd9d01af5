"""Elasticsearch's door: its own client, a real rsyslog, and requests as shippers write them byte by byte."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import bulk

from collectors.parse import parse
from collectors.sources import _desk
from soc_core.protocols import Frame
from tests.collectors.sources.doors import TOKEN, Door, records
from tests.soc_core.journal.suite import lines_of

BASIC = {"Authorization": "Basic " + base64.b64encode(f"soc:{TOKEN}".encode()).decode()}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path / "j")
    yield made
    made.close()


def client(door: Door, **options: Any) -> Elasticsearch:
    return Elasticsearch(door.base, retry_on_timeout=False, max_retries=0, **(options or {"basic_auth": ("x", TOKEN)}))


def post(door: Door, body: bytes, path: str = "/_bulk", **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.post(door.base + path, content=body, headers=BASIC | NDJSON | given, timeout=20)


def test_the_client_s_own_bulk_helper(door: Door) -> None:
    documents = [{"@timestamp": "2026-11-23T01:00:00Z", "message": f"城市 {n}", "source": {"ip": "192.0.2.7"}}
                 for n in range(1200)]
    with client(door) as elastic:
        actions = ({"_op_type": "create" if n % 2 else "index", "_index": "logs-app-2026.11.23", "_source": one}
                   for n, one in enumerate(documents))
        assert bulk(elastic, actions, chunk_size=500) == (1200, [])
    found = records(door)
    assert list(found) == [("http:default/logs-app", "ecs")]
    assert [json.loads(line) for line in found["http:default/logs-app", "ecs"]] == documents
    assert lines_of(door.journal, "http:default/logs-app") == found["http:default/logs-app", "ecs"]
    batch = parse([Frame(0, 0, raws) for raws in door.taken]).batch
    assert batch.column("source.ip").unique().to_list() == ["192.0.2.7"]


@pytest.mark.parametrize("options", [
    {"api_key": ("any", TOKEN)}, {"api_key": TOKEN}, {"basic_auth": ("soc", TOKEN)}, {"bearer_auth": TOKEN},
])
def test_every_way_a_shipper_logs_in(door: Door, options: dict[str, Any]) -> None:
    with client(door, **options) as elastic:
        assert elastic.info()["version"]["number"] == "8.19.0"
        assert elastic.ping()
        assert elastic.index(index="app", document={"a": 1})["result"] == "created"
    assert records(door) == {("http:default/app", "ecs"): [b'{"a":1}']}


def test_a_wrong_token_is_refused_as_elasticsearch_does(door: Door) -> None:
    with client(door, basic_auth=("x", "wrong")) as elastic, pytest.raises(ApiError) as refused:
        elastic.bulk(operations=[{"index": {"_index": "a"}}, {"x": 1}])
    assert refused.value.meta.status == 401
    assert refused.value.body["error"]["type"] == "security_exception"
    assert door.source.counters()["refused"] == 1


def test_what_shippers_ask_before_they_send(door: Door) -> None:
    with client(door) as elastic:
        assert elastic.license.get()["license"]["type"] == "basic"
        assert elastic.indices.exists_index_template(name="filebeat-8.19.0")
        assert elastic.indices.put_index_template(name="logs", index_patterns=["logs-*"])["acknowledged"]
        assert elastic.ilm.get_lifecycle(name="filebeat")["filebeat"]["version"] == 1
        assert elastic.ilm.put_lifecycle(name="filebeat", policy={"phases": {}})["acknowledged"]
        assert elastic.ingest.put_pipeline(id="p", processors=[])["acknowledged"]
        assert elastic.indices.get_data_stream(name="logs-a")["data_streams"][0]["name"] == "logs-a"
        assert elastic.indices.exists(index="logstash")
        assert elastic.cluster.health()["status"] == "green"
    assert httpx.get(door.base + "/_license").status_code == 401
    assert door.journal.end(0) == 0


def test_a_request_as_filebeat_writes_it(door: Door) -> None:
    """Compressed, with the answer cut to errors and status, the line verbatim in the journal."""
    line = b'{"@timestamp":"2026-11-23T01:00:00.000Z","message":"x  y","n":1.50,"ecs":{"version":"8.0.0"}}'
    body = b'{"create":{"_index":"filebeat-8.19.0"}}\n' + line + b"\n"
    answer = post(door, gzip.compress(body * 2), "/_bulk?filter_path=errors%2Citems.%2A.error%2Citems.%2A.status",
                  Content_Encoding="gzip", Authorization="ApiKey " + base64.b64encode(f"id:{TOKEN}".encode()).decode())
    assert answer.status_code == 200
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert answer.json() | {"took": 0} == {"errors": False, "took": 0, "items": [{"create": {"status": 201}}] * 2}
    assert records(door) == {("http:default/filebeat-8.19.0", "ecs"): [line, line]}


def test_each_item_is_answered(door: Door) -> None:
    body = (b'{"index":{"_id":"seven"}}\n{"a":1}\n{"update":{"_id":"8"}}\n{"doc":{"a":2}}\r\n'
            b'{"delete":{"_id":"9"}}\n\n{"create":{"_index":"b"}}\nno json\n')
    answer = post(door, body, "/a/_bulk").json()
    assert answer["errors"] is True
    told = [(next(iter(item)), *[next(iter(item.values()))[key] for key in ("_index", "_id", "status")])
            for item in answer["items"]]
    assert told[:3] == [("index", "a", "seven", 201), ("update", "a", "8", 400), ("delete", "a", "9", 400)]
    assert (told[3][:2], told[3][3]) == (("create", "b"), 201)
    assert "only added" in answer["items"][1]["update"]["error"]["reason"]
    assert records(door) == {("http:default/a", "ecs"): [b'{"a":1}'], ("http:default/b", "ecs"): [b"no json"]}


@pytest.mark.parametrize(("body", "path", "sentence"), [
    (b"", "/_bulk", "body is required"),
    (b"\n\n", "/_bulk", "body is required"),
    (b'{"index":{"_index":"a"}}\n{"x":1}\nnonsense\n{}\n', "/_bulk", r"line [3]"),
    (b'{"index":{"_index":"a"}}\n', "/_bulk", "no document"),
    (b'{"index":{"_index":"a"}}\n\n', "/_bulk", "no document"),
    (b'{"index":{}}\n{"x":1}\n', "/_bulk", "names no index"),
    (b'{"index":{},"create":{}}\n{"x":1}\n', "/a/_bulk", "line [1]"),
    (b'{"index":[]}\n{"x":1}\n', "/a/_bulk", "line [1]"),
])
def test_a_request_that_cannot_be_read_is_refused_whole(door: Door, body: bytes, path: str, sentence: str) -> None:
    answer = post(door, body, path)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert sentence in answer.json()["error"]["reason"]
    assert door.journal.end(0) == 0


def test_no_answer_before_it_is_durable_and_429_when_full(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_desk, "QUEUE", 5000)
    door.held.set()
    statuses: list[int] = []
    body = b'{"index":{"_index":"a"}}\n{"x":"' + b"y" * 3000 + b'"}\n'
    sender = threading.Thread(target=lambda: statuses.append(post(door, body).status_code))
    sender.start()
    until = time.monotonic() + 5
    while not door.source.counters()["waiting_bytes"] and time.monotonic() < until:
        time.sleep(0.01)
    answer = post(door, body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.json()["error"]["type"] == "es_rejected_execution_exception"
    assert (statuses, door.journal.end(0)) == ([], 0)
    door.held.clear()
    sender.join(10)
    assert (statuses, door.journal.end(0)) == ([200], 1)


def test_a_real_rsyslog_writes_as_into_elasticsearch(door: Door, tmp_path: Path) -> None:
    rsyslogd = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if rsyslogd is None or not list(Path("/usr/lib").glob("*/rsyslog/omelasticsearch.so")):
        pytest.skip("rsyslog-elasticsearch is not installed")
    log = tmp_path / "in.log"
    texts = [f"message {n} 城" for n in range(300)]
    log.write_text("".join(f"{text}\n" for text in texts))
    config = tmp_path / "rsyslog.conf"
    config.write_text(f"""
global(workDirectory="{tmp_path}")
module(load="imfile" PollingInterval="1")
module(load="omelasticsearch")
template(name="document" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf") }}
input(type="imfile" File="{log}" Tag="app" readMode="0")
action(type="omelasticsearch" server="127.0.0.1" serverport="{door.source.port}" searchIndex="rsyslog-app" searchType=""
       bulkmode="on" template="document" uid="soc" pwd="{TOKEN}" errorfile="{tmp_path}/errors" maxbytes="8k"
       action.resumeRetryCount="5")
""")
    daemon = subprocess.Popen([rsyslogd, "-n", "-f", str(config), "-i", str(tmp_path / "pid")],
                              stdout=subprocess.DEVNULL, stderr=(tmp_path / "err").open("w"))
    try:
        until = time.monotonic() + 20
        while door.source.counters()["received"] < 300 and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        daemon.terminate()
        daemon.wait(10)
    found = records(door)
    assert list(found) == [("http:default/rsyslog-app", "ecs")], (tmp_path / "err").read_text()
    assert [json.loads(line)["message"].strip() for line in found["http:default/rsyslog-app", "ecs"]] == texts
    assert not (tmp_path / "errors").exists()
