"""YAML documents: whatever is wrong is said with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from soc_core import documents
from soc_core.documents import DocumentError


class Door(BaseModel):
    model_config = ConfigDict(extra="forbid")

    port: int
    names: list[str] = []


class House(BaseModel):
    model_config = ConfigDict(extra="forbid")

    doors: list[Door] = []


def test_a_document_is_its_model_and_an_empty_one_its_defaults(tmp_path: Path) -> None:
    place = tmp_path / "house.yml"
    place.write_text("doors:\n  - {port: 514, names: [前门]}\n", encoding="utf-8")
    assert documents.read(place, House).doors == [Door(port=514, names=["前门"])]
    place.write_text("# nothing but a comment\n")
    assert documents.read(place, House) == House()


@pytest.mark.parametrize(("text", "line", "why"), [
    ("doors: [}", 1, "expected"),
    ("doors:\n  - port: 1\n  -  port: 2\n     prot: 3\n", 4, r"doors\.1\.prot: unknown key; did you mean 'port'"),
    ("doors:\n  - port: 1\n  - names: [a]\n", 3, r"doors\.1\.port: Field required"),
    ("doors:\n  - port: 1\n    names:\n      - a\n      - [b]\n", 5, r"doors\.0\.names\.1"),
    ("doors:\n  - port: 1\n    names: [a]\n    port: 2\n", 4, "the key 'port' is there twice"),
    ("- a\n", 1, "document: "),
    ("doors: 4", 1, "doors: "),
])
def test_what_is_wrong_has_its_line(tmp_path: Path, text: str, line: int, why: str) -> None:
    place = tmp_path / "house.yml"
    place.write_text(text)
    with pytest.raises(DocumentError, match=why) as found:
        documents.read(place, House)
    assert (found.value.path, found.value.line) == (str(place), line)
    assert str(found.value).startswith(f"{place}:{line}: ")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "odd.yml").write_bytes(b"doors: \xff")
    for name in ("none.yml", "odd.yml"):
        with pytest.raises(DocumentError, match="cannot be read"):
            documents.read(tmp_path / name, House)
