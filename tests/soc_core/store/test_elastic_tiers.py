"""Tiers: nothing on the bare core, a policy that never deletes where the cluster has lifecycles."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from soc_core.store.elastic import ElasticSettings, open_store
from soc_core.store.elastic_tiers import POLICY, lifecycle


def test_the_bare_core_has_none_and_the_store_does_without(elastic_url: str) -> None:
    prefix = f"t{uuid.uuid4().hex[:8]}"
    with Elasticsearch(elastic_url) as client:
        assert lifecycle(client, "x", 5) == {}
        with open_store(ElasticSettings(urls=[elastic_url], replicas="0", prefix=prefix), "real") as store:
            store.prepare()
        held = client.cluster.get_component_template(name=f"{prefix}-events")["component_templates"][0]
        assert "lifecycle" not in json.dumps(held["component_template"]["template"]["settings"])


class Cluster:
    """Answers as a node with the module does, as the reference has it."""

    def __init__(self) -> None:
        self.policies: dict[str, Any] = {}
        self.written, self.refuses = 0, False
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, status: int, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/vnd.elasticsearch+json;compatible-with=8")
                self.send_header("x-elastic-product", "Elasticsearch")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                if cluster.refuses:
                    self.answer(403, {"error": {"type": "security_exception"}, "status": 403})
                elif self.path == "/_ilm/status":
                    self.answer(200, {"operation_mode": "RUNNING"})
                elif name in cluster.policies:
                    self.answer(200, {name: {"version": 1, "policy": cluster.policies[name]}})
                else:
                    self.answer(404, {"error": {"type": "resource_not_found_exception"}, "status": 404})

            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                cluster.policies[self.path.rpartition("/")[2]] = body["policy"]
                cluster.written += 1
                self.answer(200, {"acknowledged": True})

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_cluster_with_lifecycles_gets_tiers_and_no_deletion(cluster: Cluster) -> None:
    with Elasticsearch(f"http://127.0.0.1:{cluster.server.server_port}", max_retries=0) as client:
        assert lifecycle(client, "soc-events", 5) == {"index.lifecycle.name": "soc-events"}
        assert cluster.policies["soc-events"] == POLICY
        assert "delete" not in cluster.policies["soc-events"]["phases"]
        cluster.policies["soc-events"]["phases"]["warm"]["min_age"] = "30d"  # a site's own age
        lifecycle(client, "soc-events", 5)
        assert cluster.written == 1
        cluster.policies["soc-events"]["phases"]["delete"] = {"actions": {"delete": {}}}  # would pass over legal holds
        lifecycle(client, "soc-events", 5)
        assert cluster.written == 2
        assert "delete" not in cluster.policies["soc-events"]["phases"]


def test_an_account_without_the_right_leaves_tiers_to_the_site(cluster: Cluster) -> None:
    cluster.refuses = True
    with Elasticsearch(f"http://127.0.0.1:{cluster.server.server_port}", max_retries=0) as client:
        assert lifecycle(client, "soc-events", 5) == {}
