"""One server a test run: the first worker to come starts it, and stops it after the last has gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class Server(Protocol):
    """What is shared; it runs when it is made."""

    def stop(self) -> None: ...


@contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, how)
        yield


@contextmanager
def shared(name: str, make: Callable[[Path], tuple[str, Server]]) -> Iterator[str]:
    """The address of this run's server; `make` starts it in a folder of its own, and says where it listens."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"alone-{os.getpid()}"
    place = Path(tempfile.gettempdir()) / f"soc-{name}-{run}"
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o755)
    address, server = place / "address", None
    with (place / "users.lock").open("a") as users:
        with locked(place / "start.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)  # waits for an owner that is just going
            if not address.exists():
                said, server = make(Path(tempfile.mkdtemp(prefix="own-", dir=place)))
                address.write_text(said, encoding="utf-8")
        try:
            yield address.read_text(encoding="utf-8")
        finally:
            if server is not None:
                fcntl.flock(users, fcntl.LOCK_UN)
                fcntl.flock(users, fcntl.LOCK_EX)  # until every other worker has let go
                address.unlink()
                server.stop()
    if server is not None and not any(place.glob("own-*")):
        shutil.rmtree(place, ignore_errors=True)
