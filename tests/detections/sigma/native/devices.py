"""devices."""

from __future__ import annotations

RENDERERS = ()
