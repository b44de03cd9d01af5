"""Small secrets at rest (second factors, webhooks): sealed with a key of the data directory, not of the database.

Fernet (https://github.com/fernet/spec): AES-128-CBC and HMAC-SHA-256. Who has the database alone cannot read them.
"""

from __future__ import annotations

import base64
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken


class Unsealable(OSError):
    """A secret was sealed with another key than the one here."""


def key(path: Path) -> str:
    """A key of this data directory: made once, readable by its owner only, shared by our processes."""
    fresh = once(path, lambda: secrets.token_hex(32))
    if len(fresh) < 32:
        raise OSError(f"{path} is no key; restore it from a backup, or delete it, and what it protects is made anew")
    return fresh


def once(path: Path, make: Callable[[], str]) -> str:
    """The text of a private file, made when there is none; of two processes at once the first one's holds."""
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = make()
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(fresh)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # fails when another process was first: then its key holds
    except FileExistsError:
        fresh = path.read_text(encoding="ascii").strip()
    finally:
        draft.unlink()
    return fresh


class Box:
    """Seals and opens texts."""

    def __init__(self, data: Path) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(bytes.fromhex(key(data / "keys" / "secrets.key"))))

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises Unsealable."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Unsealable("a secret was sealed with another key than this data directory's") from None
