"""Both READMEs name every command, and nothing that is none."""

from __future__ import annotations

import re

import pytest

from soc_core import registry
from tests.test_house import ROOT

COMMANDS = set(registry.names("soc_cli.commands"))


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_every_command_and_no_other(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    quoted = " ".join(re.findall(r"`[^`]+`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))
    assert {each for each in COMMANDS if re.search(rf"\b{each}\b", quoted)} == COMMANDS
    assert set(re.findall(r"\./soc ([a-z]+)", text)) <= COMMANDS
