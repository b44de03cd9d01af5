"""One prepared data directory for the tests of this folder; tests that change something make their own alerts."""

from tests.prepared import cheap_passwords, prepared, services  # noqa: F401 - fixtures
