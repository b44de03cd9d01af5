"""Plug-ins by folder and name."""

from __future__ import annotations

import pytest

from soc_core import registry


def test_helpers_are_no_plug_ins_and_names_are_sorted() -> None:
    names = registry.names("collectors.formats")
    assert "syslog" in names
    assert list(names) == sorted(names)
    assert not any(name.startswith("_") for name in names)
    assert registry.get("collectors.formats", "syslog").__name__ == "collectors.formats.syslog"


@pytest.mark.parametrize("name", ["nothing", "_text", "../syslog", ""])
def test_what_is_none_is_said_with_those_there_are(name: str) -> None:
    with pytest.raises(LookupError, match=r"no format named .*; there are: .*syslog"):
        registry.get("collectors.formats", name)
