"""docs/sources.md is what the code says now, and says of every format how to send it."""

from __future__ import annotations

from soc_cli.source_page import PLACE, page
from soc_core import registry


def test_the_page_is_current() -> None:
    assert PLACE.read_text(encoding="utf-8") == page(), "run ./soc collect --describe"


def test_every_format_has_its_section() -> None:
    text = page()
    for name in registry.names("collectors.formats"):
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        how = [line for line in section.splitlines() if line.startswith("**Point it at us:** ")]
        assert len(how) == 1, name
        assert "FORMAT" not in how[0], name
