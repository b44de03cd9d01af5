"""docs/architecture.md: what the two walks name is there, and the hops are as many as it says."""

from __future__ import annotations

import ast
import re

import pytest

from tests.test_house import ROOT, files, tree

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NUMBERS = {"Fourteen": 14}


def walks() -> list[list[str]]:
    """The second column of each walk's rows."""
    part = TEXT.partition("## Two walks")[2].partition("\n## ")[0]
    return [re.findall(r"^\| \d+ \| (.*?) \|", each, re.MULTILINE) for each in part.split("\n### ")[1:]]


def defined(path: str) -> set[str]:
    """Functions, classes, their methods and attributes, and plain names of a file."""
    found: set[str] = set()
    for node in tree(ROOT / path).body:
        if isinstance(node, ast.ClassDef):
            methods = [each for each in node.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))]
            found |= {node.name, *(each.name for each in methods), *(f"{node.name}.{each.name}" for each in methods)}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
    return found


def paths(text: str) -> list[str]:
    """`collectors/{processes,skew}.py` is two files; a bare name is a file of that name in one of our rooms."""
    if found := re.fullmatch(r"(.*)\{(.*)\}(.*)", text):
        return [found[1] + each + found[3] for each in found[2].split(",")]
    return [text]


def known(path: str, before: str) -> str:
    """A path of ours; a bare file name lies beside the file named before it."""
    if "/" not in path and before:
        path = f"{before.rpartition('/')[0]}/{path}"
    assert (ROOT / path).exists(), path
    return path


@pytest.mark.parametrize("steps", walks(), ids=["a record's", "a reader's"])
def test_each_step_of_a_walk_is_in_the_code(steps: list[str]) -> None:
    every = {name for path in files() if path.parts[-1].endswith(".py") and "tests" not in path.parts
             for name in defined(path.relative_to(ROOT).as_posix())}
    for step in steps:
        file, names = "", set(every)
        for quoted in re.findall(r"`([^`]+)`", step):
            if quoted.endswith(".py"):
                for each in paths(quoted):
                    file = known(each, file)
                    names = defined(file)
                continue
            if "/" in quoted:
                assert (ROOT / quoted).is_dir(), quoted
                continue
            module, _, plain = quoted.rpartition(".")  # `pages.of` is a function of a module
            assert quoted in names | every or (module.islower() and plain in every), f"{quoted} of {step}"


def test_the_hops_are_counted() -> None:
    first, second = walks()
    said = re.findall(r"^(\w+) hops, ", TEXT, re.MULTILINE)
    assert [NUMBERS[each] for each in said] == [len(first)]
    assert len(second) == 8
