"""The console's own process: `python -m soc_ui.serve --data DIR [--host H] [--port N] [--city DIR]`.

Streamlit is served as an ASGI application by uvicorn, behind our gate (gate.py: login, headers, nothing without a
session) and beside our JSON routes (live.py), on one port. SIGTERM ends it cleanly.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from soc_api.serve import command
from soc_core import logs

MAIN = Path(__file__).with_name("main.py")
COLLECT_SECONDS = 60.0


@contextlib.asynccontextmanager
async def tidy(_app: Any) -> AsyncIterator[None]:
    """Streamlit's collection after each run is off: freeze what the start made, and collect by the clock instead."""
    stop = threading.Event()

    def collect() -> None:
        while not stop.wait(COLLECT_SECONDS):
            gc.collect()

    gc.collect()
    gc.freeze()
    thread = threading.Thread(target=collect, name="collect", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()


def main(data: Path, host: str = "127.0.0.1", port: int = 8501, city: Path | None = None) -> None:
    """Serve the console until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    logs.setup("console")
    refuse_taken(host, port)
    os.environ["SOC_DATA"] = str(data.resolve())
    if city:
        os.environ["SOC_CITY"] = str(city.resolve())
    import streamlit as st

    from soc_ui import factor, gate, live, runtime
    from soc_ui.options import options

    log_as_we_do()
    threading.Thread(target=runtime.warm, name="warm", daemon=True).start()
    app = st.App(MAIN, lifespan=tidy, routes=[*gate.routes(), *factor.routes(), *live.routes()],
                 middleware=gate.middleware(), on_script_error=runtime.report)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has stopped; then all is done
    app.run(config=options(host, port))


def log_as_we_do() -> None:
    """Streamlit and uvicorn give their loggers handlers of their own, in their own form: ours is enough."""
    from streamlit import logger as theirs
    from uvicorn.config import LOGGING_CONFIG

    def plain(logger: logging.Logger) -> None:
        logger.propagate = True
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)

    for known in theirs._loggers.values():
        plain(known)
    theirs.setup_formatter = plain
    LOGGING_CONFIG |= {"handlers": {}, "loggers": {}}  # taken by whoever names none, and Streamlit names none


def refuse_taken(host: str, port: int) -> None:
    """Raise OSError with one sentence when another program has the port; Streamlit would only log it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(f"the console cannot listen on {host}:{port}: {error.strerror}") from None


if __name__ == "__main__":
    command(main, "The console.", 8501)
