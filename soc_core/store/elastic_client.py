"""The official client, set up for our use: TLS with a pinned authority, credentials, and patience.

Retries are ours, not the client's: a cluster that is full (429) or away must slow the writer down, and at last stop
it, never make it drop anything.
"""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from elastic_transport import ConnectionError as Unreachable
from elastic_transport import ConnectionTimeout, TlsError
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.serializer import CompatibilityModeJsonSerializer

from soc_core.store.elastic_settings import ElasticSettings

T = TypeVar("T")
BUSY = frozenset({429, 502, 503, 504})
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0  # seconds
REQUEST_SECONDS = 60


class StoreUnavailable(OSError):
    """The event store does not answer, or refuses us; nothing was lost, and the same call may be made again."""


class Json(CompatibilityModeJsonSerializer):
    """Answers read by orjson."""

    def json_loads(self, data: bytes) -> Any:
        return orjson.loads(data)

    def json_dumps(self, data: Any) -> bytes:
        return orjson.dumps(data)


def connect(settings: ElasticSettings) -> Elasticsearch:
    """A client; nothing is sent yet. Raises OSError when the authority's file cannot be read."""
    options: dict[str, Any] = {}
    if settings.user:
        pair = f"{settings.user}:{settings.password.get_secret_value()}"
        options["basic_auth"] = base64.b64encode(pair.encode()).decode()  # the client itself takes ASCII only
    elif settings.api_key.get_secret_value():
        options["api_key"] = settings.api_key.get_secret_value()
    if settings.ca is not None:
        settings.ca.read_bytes()  # says which file it is, where the TLS library would not
        options["ca_certs"] = str(settings.ca)
    if settings.fingerprint:
        options["ssl_assert_fingerprint"] = settings.fingerprint
        options.setdefault("verify_certs", settings.ca is not None)
        options["ssl_show_warn"] = False
    return Elasticsearch(
        settings.urls, request_timeout=REQUEST_SECONDS, max_retries=0, retry_on_timeout=False,
        serializers={Json.mimetype: Json()}, **options,
    )


class Patience:
    """Waits between tries, longer each time and never the same, until the time is up."""

    def __init__(self, seconds: float) -> None:
        self.end, self.wait = time.monotonic() + seconds, FIRST_WAIT

    def pause(self) -> bool:
        """Wait; False when there is no time left."""
        left = self.end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, self.wait * random.uniform(0.5, 1.5)))  # noqa: S311 - so that writers do not march in step
        self.wait = min(self.wait * 2, LONGEST_WAIT)
        return True


def ask(request: Callable[[], T], patience: Patience) -> T:
    """The answer, tried again while the cluster is busy or away. Raises StoreUnavailable; ApiError for the rest."""
    while True:
        try:
            return request()
        except TlsError as error:
            raise StoreUnavailable(f"Elasticsearch cannot be trusted: {error.message}") from error
        except (Unreachable, ConnectionTimeout) as error:
            reason = f"Elasticsearch does not answer: {error.message}"
        except ApiError as error:
            if error.status_code in (401, 403):
                raise StoreUnavailable(f"Elasticsearch refuses our credentials ({error.status_code})") from error
            if error.status_code not in BUSY:
                raise
            reason = f"Elasticsearch is busy: {error.status_code} {error.message}"
        if not patience.pause():
            raise StoreUnavailable(reason)
