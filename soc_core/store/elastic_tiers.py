"""Tiers through index lifecycle management, where the cluster has it; the bare core has none, and nothing is done.

Indices move to the warm and cold tiers by age, and are merged on the way. Nothing is deleted by the cluster: when a day
is past its retention is judged by our own scheduler (`ElasticStore.expire`), which knows of legal holds.
https://www.elastic.co/guide/en/elasticsearch/reference/8.19/ilm-index-lifecycle.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from soc_core.store.elastic_client import Patience, ask

WARM, COLD = 14, 60  # days since an index was made; by then no replay writes into it any more
NONE = frozenset({400, 403, 404, 405})  # what a node without the module answers, or one that does not let us
POLICY: dict[str, Any] = {
    "_meta": {"description": "CitySOC: tiers alone; what is too old is deleted by CitySOC, which knows legal holds"},
    "phases": {
        "hot": {"min_age": "0ms", "actions": {"set_priority": {"priority": 100}}},
        "warm": {"min_age": f"{WARM}d", "actions": {"set_priority": {"priority": 50},
                                                    "forcemerge": {"max_num_segments": 1}}},
        "cold": {"min_age": f"{COLD}d", "actions": {"set_priority": {"priority": 0}}},
    },
}


def lifecycle(client: Elasticsearch, name: str, patience: float) -> dict[str, Any]:
    """The settings that put an index under our policy, which is there afterwards.

    {} where there is no such thing, or where our account may not have to do with it: then the site sees to tiers.
    """
    if ask(lambda: _got(client.ilm.get_status), Patience(patience)) is None:
        return {}
    held = ask(lambda: _got(lambda: client.ilm.get_lifecycle(name=name)), Patience(patience))
    phases = held[name]["policy"]["phases"] if held else {}
    if set(phases) != set(POLICY["phases"]):  # a site's own ages stay
        put = ask(lambda: _got(lambda: client.ilm.put_lifecycle(name=name, policy=POLICY)), Patience(patience))
        if put is None:
            return {}
    return {"index.lifecycle.name": name}


def _got(request: Callable[[], Any]) -> dict[str, Any] | None:
    """The answer; None where there is none for us."""
    try:
        return dict(request().body)
    except ApiError as error:
        if error.status_code in NONE:
            return None
        raise
