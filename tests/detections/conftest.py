from tests.states import database, state_url  # noqa: F401 - fixtures
