"""One node for all tests of the stores: a fixture imported by several modules would be several."""

from tests.servers.elastic import elastic_url

__all__ = ["elastic_url"]
