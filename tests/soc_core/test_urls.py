from __future__ import annotations

import pytest

from soc_core.urls import below


@pytest.mark.parametrize("url", ["https://hook.example/a", "https://hook.example/a/b", "https://hook.example:443/a/b?c=1"])
def test_what_is_allowed_and_what_lies_below_it_may_be_called(url: str) -> None:
    assert below(url, "https://hook.example/a")


@pytest.mark.parametrize("url", [
    "http://hook.example/a", "https://hook.example:8443/a", "https://other.example/a", "https://hook.example/ab",
    "https://hook.example/", "https://hook.example/a/../b", "https://hook.example/a/%2E%2e/b", "ftp://hook.example/a",
    "https://me@hook.example/a", "https://hook.example:99999/a", "https://[hook.example/a", "",
])
def test_everything_else_may_not(url: str) -> None:
    assert not below(url, "https://hook.example/a")
