"""Elasticsearch's `_bulk`, for Beats, Logstash, Fluent Bit, Vector, rsyslog and whoever else writes to Elasticsearch.

    output.elasticsearch: {hosts: ["http://127.0.0.1:8514"], api_key: "soc:TOKEN"}       # or username, password: TOKEN

Documents of `create` and `index` are taken as ECS, each index a source; the answer comes when they are durable. The
same document sent twice is two records: an `_id` is answered, not kept. `update` and `delete` are refused item by item.
What a shipper asks before it sends (version, licence, templates, pipelines) is answered just enough; nothing of that
is kept. https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collectors.sources._desk import Desk, Taken, Trouble, raws_of

VERSION = "8.19.0"
SCHEMES = ("apikey", "basic", "bearer")
PRODUCT = {"X-Elastic-Product": "Elasticsearch"}  # the clients refuse to talk without it
DAY = re.compile(r"[-_.]?\d{4}([-._]\d{2}){1,2}([-._]\d{6})?$")  # the date that shippers append to an index
KINDS = {400: "illegal_argument_exception", 401: "security_exception", 413: "content_too_long_exception",
         429: "es_rejected_execution_exception", 503: "cluster_block_exception"}
NAMED = {"_index_template": "index_templates", "_component_template": "component_templates"}

Handler = Callable[[Request], Awaitable[Response]]


class Item(NamedTuple):
    """One action of a bulk request: its name, index, id, and its document (None: refused)."""

    action: str
    target: str
    id: str
    line: bytes | None


def routes(desk: Desk) -> list[Route]:
    """The paths of Elasticsearch that shippers use."""
    def answered(handle: Callable[[Request, str], Awaitable[Response]]) -> Handler:
        async def endpoint(request: Request) -> Response:
            try:
                return await handle(request, desk.who(request, SCHEMES))
            except Trouble as trouble:
                return _refusal(trouble)
        return endpoint

    async def bulk(request: Request, name: str) -> Response:
        return await desk.take(request, lambda body: _bulk(desk, request, name, body))

    async def single(request: Request, name: str) -> Response:
        return await desk.take(request, lambda body: _single(desk, request, name, body))

    async def put(request: Request, name: str) -> Response:
        return await desk.take(request, lambda body: Taken([], _json({"acknowledged": True})))

    async def look(request: Request, name: str) -> Response:
        return _probe(request.url.path)

    told = answered(look)
    probes = ["/", "/_license", "/_xpack", "/_cluster/health", "/_nodes/http"]
    kept = ["/_index_template/{name}", "/_component_template/{name}", "/_template/{name}", "/_ilm/policy/{name}",
            "/_data_stream/{name}", "/_ingest/pipeline/{name}", "/_alias/{name}"]
    return [
        Route("/_bulk", answered(bulk), methods=["POST", "PUT"]),
        Route("/{index}/_bulk", answered(bulk), methods=["POST", "PUT"]),
        Route("/{index}/_doc", answered(single), methods=["POST"]),
        Route("/{index}/_doc/{id}", answered(single), methods=["POST", "PUT"]),
        Route("/{index}/_create/{id}", answered(single), methods=["POST", "PUT"]),
        *(Route(path, told, methods=["GET", "HEAD"]) for path in [*probes, *kept]),
        *(Route(path, answered(put), methods=["PUT", "POST"]) for path in kept),
        Route("/{index}", told, methods=["HEAD"]),
    ]


def parse(body: bytes, index: str, fresh: str) -> list[Item]:
    """The actions of a bulk body; `index` holds where an action names none, ids begin with `fresh` where none is.

    Raises Trouble 400 for a line that is no action, as Elasticsearch refuses the whole request then.
    """
    items: list[Item] = []
    known: dict[bytes, tuple[str, dict[str, Any]]] = {}
    lines = body.split(b"\n")
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        at += 1
        if not line:
            continue
        if line not in known:
            known[line] = _action(line, at)
        action, about = known[line]
        document = None
        if action != "delete":
            if at >= len(lines) or not lines[at].strip():
                raise Trouble(400, f"the action in line {at} has no document after it")
            document = lines[at].removesuffix(b"\r")
            at += 1
        target, id_ = about.get("_index") or index, about.get("_id") or f"{fresh}{len(items)}"
        if not target:
            raise Trouble(400, f"the action in line {at} names no index, nor does the address")
        items.append(Item(action, str(target), str(id_), document if action in ("create", "index") else None))
    return items


def _action(line: bytes, number: int) -> tuple[str, dict[str, Any]]:
    try:
        found = orjson.loads(line)
    except ValueError:
        found = None
    if isinstance(found, dict) and len(found) == 1:
        action, about = next(iter(found.items()))
        if action in ("create", "index", "update", "delete") and isinstance(about, dict):
            return action, about
    raise Trouble(400, f"Malformed action/metadata line [{number}]")


def _bulk(desk: Desk, request: Request, name: str, body: bytes) -> Taken:
    began = time.monotonic()
    items = parse(body, request.path_params.get("index", ""), secrets.token_hex(8))
    if not items:
        raise Trouble(400, "request body is required")
    groups: dict[str, list[bytes]] = {}
    for item in items:
        if item.line is not None:
            groups.setdefault(DAY.sub("", item.target), []).append(item.line)
    raws = [raws_of(desk.origin(request, desk.source(name, index), "ecs"), lines) for index, lines in groups.items()]
    brief = "filter_path" in request.query_params
    answers = [{item.action: _told(item, brief)} for item in items]
    errors = any(item.line is None for item in items)
    took = int(1000 * (time.monotonic() - began))
    return Taken(raws, _json({"errors": errors, "took": took, "items": answers}))


def _told(item: Item, brief: bool) -> dict[str, Any]:
    if item.line is None:
        sentence = f"[{item.action}] is not taken here: documents are only added"
        return {"_index": item.target, "_id": item.id, "status": 400,
                "error": {"type": KINDS[400], "reason": sentence}}
    return {"status": 201} if brief else _created(item.target, item.id) | {"status": 201}


def _created(index: str, id_: str) -> dict[str, Any]:
    return {"_index": index, "_id": id_, "_version": 1, "result": "created", "_seq_no": 0, "_primary_term": 1,
            "_shards": {"total": 1, "successful": 1, "failed": 0}}


def _single(desk: Desk, request: Request, name: str, body: bytes) -> Taken:
    """One document, as `POST /INDEX/_doc` brings it; a document of several lines stays one record."""
    if not body.strip():
        raise Trouble(400, "request body is required")
    index, id_ = request.path_params["index"], request.path_params.get("id") or secrets.token_hex(10)
    origin = desk.origin(request, desk.source(name, DAY.sub("", index)), "ecs")
    return Taken([raws_of(origin, [body.strip()])], _json(_created(index, id_), 201))


def _probe(path: str) -> Response:
    """What is said to a shipper that looks around: everything it would make is there already."""
    first, _, rest = path.strip("/").partition("/")
    last = rest.rpartition("/")[2]
    if first in NAMED:
        return _json({NAMED[first]: [{"name": last, NAMED[first][:-1]: {}}]})
    return _json({
        "": {"name": "soc", "cluster_name": "soc", "cluster_uuid": "soc", "tagline": "You Know, for Search",
             "version": {"number": VERSION, "build_flavor": "default", "build_type": "tar", "build_snapshot": False,
                         "minimum_wire_compatibility_version": "7.17.0",
                         "minimum_index_compatibility_version": "7.0.0"}},
        "_license": {"license": {"uid": "soc", "type": "basic", "mode": "basic", "status": "active"}},
        "_xpack": {"license": {"type": "basic", "mode": "basic", "status": "active"},
                   "features": {"ilm": {"available": True, "enabled": True}}},
        "_cluster": {"cluster_name": "soc", "status": "green", "timed_out": False, "number_of_nodes": 1},
        "_nodes": {"cluster_name": "soc", "nodes": {}},
        "_data_stream": {"data_streams": [{"name": last}]},
        "_ilm": {last: {"version": 1, "policy": {"phases": {}}}},
    }.get(first, {last: {}}))


def _json(value: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(value, status, PRODUCT)


def _refusal(trouble: Trouble) -> Response:
    sentence = str(trouble)
    headers = trouble.headers | PRODUCT
    if trouble.status == 401:
        sentence = "the ingest token is needed, as API key or as password"
        headers["WWW-Authenticate"] = 'Basic realm="soc"'
    fault = {"type": KINDS.get(trouble.status, KINDS[400]), "reason": sentence}
    return JSONResponse({"error": fault | {"root_cause": [fault]}, "status": trouble.status}, trouble.status, headers)
