"""./soc test: hands its arguments to pytest, and names the system packages that the tests use."""

from __future__ import annotations

from soc_cli.commands import test as command
from tests.running import soc


def test_arguments_reach_pytest() -> None:
    done = soc("test", "tests/soc_cli/commands/test_bench.py", "-k", "unknown")
    assert "1 passed" in done.stdout


def test_missing_packages_are_named() -> None:
    assert set(command.missing()) <= set(command.PACKAGES)
    assert "chromium" in command.PACKAGES
