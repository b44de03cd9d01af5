"""Whether an address that somebody asks for is one that the platform may call."""

from __future__ import annotations

from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


def below(url: str, allowed: str) -> bool:
    """Whether a URL is an allowed one, or lies below its path, at the same scheme, host and port."""
    try:
        one, other = urlsplit(url), urlsplit(allowed)
        same = one.scheme in PORTS and (one.scheme, one.hostname, one.port or PORTS[one.scheme]) == (
            other.scheme, other.hostname, other.port or PORTS.get(other.scheme))
    except ValueError:
        return False
    if not same or one.username or one.password or ".." in one.path.split("/") or "%2e" in one.path.lower():
        return False
    return one.path == other.path or one.path.startswith(other.path.rstrip("/") + "/")
