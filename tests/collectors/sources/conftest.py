"""What the tests of the file sources share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.sources.files import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "journal" / "files.jsonl")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(data: bytes, name: str = "a.log") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write
