"""Public recordings, read from SOC_CORPORA (default: shared/corpora beside the checkout), never copied here."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("SOC_CORPORA") or Path(__file__).resolve().parents[2] / "shared" / "corpora")


def corpus(name: str) -> Path:
    """The folder (or file) of one corpus; the test is skipped, saying so, where it is absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"corpus {name} is not here (set SOC_CORPORA)")
    return path


def read(path: Path) -> bytes:
    """Contents of a corpus file, decompressed when its name ends in .gz."""
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data
