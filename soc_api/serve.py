"""The API's own process: `python -m soc_api.serve --data DIR [--host H] [--port N] [--city DIR]`. SIGTERM ends it."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from soc_core import config, logs


def main(data: Path, host: str = "127.0.0.1", port: int = 8502, city: Path | None = None) -> None:
    """Serve the API until SIGTERM or SIGINT. Raises OSError when the port is taken."""
    import uvicorn

    from casework.services import open_services
    from soc_api.app import create

    logs.setup("api")
    door = listen(host, port)
    settings = config.load(data=data, city=city)
    services = open_services(settings)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has stopped; then all is done
    try:
        server = uvicorn.Server(uvicorn.Config(
            create(services, settings), log_config=None, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=5))
        server.run(sockets=[door])
    finally:
        services.close()
        door.close()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises OSError with one sentence when it cannot be had."""
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
    except OSError as error:
        door.close()
        raise OSError(f"the API cannot listen on {host}:{port}: {error.strerror}") from None
    return door


def command(main: Callable[[Path, str, int, Path | None], None], what: str, port: int) -> None:
    """Run one of the two servers from its command line; what is wrong is one sentence and exit status 2."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--city", type=Path, default=None)
    given = parser.parse_args()
    try:
        main(given.data, given.host, given.port, given.city)
    except KeyboardInterrupt:
        sys.exit(0)
    except (OSError, ValueError) as error:
        logs.complain(str(error))
        sys.exit(2)


if __name__ == "__main__":
    command(main, "The HTTP API.", 8502)
