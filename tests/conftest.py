"""What every test shares. In CI (SOC_STRICT_SKIPS=1) a skip is a failure unless the machine truly cannot run it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # how long an example takes is never a failure
settings.load_profile("house")
CANNOT = "cannot run here: "  # the only kind of skip that CI accepts


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A process of ours sets logging up for itself; the next test must not write to the last one's closed stream."""
    root, trace = logging.getLogger(), logging.getLogger("soc.trace")
    handlers, levels, hooks = root.handlers[:], (root.level, trace.level), (threading.excepthook, sys.excepthook)
    yield
    root.handlers[:], (threading.excepthook, sys.excepthook) = handlers, hooks
    root.setLevel(levels[0])
    trace.setLevel(levels[1])
    logging.captureWarnings(False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("SOC_STRICT_SKIPS") == "1" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if CANNOT not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped, although this machine can have what it needs: {reason}"
