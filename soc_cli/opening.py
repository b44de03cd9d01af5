"""The services of a data directory, for commands that ask them and end."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casework.services import Services


def opened(data: Path | None) -> AbstractContextManager[Services]:
    """Closed at the end of the block. Raises OSError, ValueError as the settings and the databases do."""
    from contextlib import closing

    from casework.services import open_services
    from soc_core.config import load

    return closing(open_services(load(data)))
