"""Mutants of one module, and whether its tests notice: `python -m tests.mutate soc_core/access.py --seed 1 --count 12`.

A copy of the repository is mutated, never the repository. A survivor is a missing test, or a change that changes
nothing (read it). KILLERS says which tests are asked: the quick ones of the module; `--all` asks the slow ones too.
"""

from __future__ import annotations

import argparse
import ast
import copy
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SLOW = "postgresql or elastic or kill or processes or crash"
PLACE = "tests/detections/sigma/"
SIGMA = [PLACE + name for name in ("test_condition.py", "test_terms.py", "test_judge.py", "test_modifiers.py",
                                   "test_load.py", "test_tuning.py", "test_hypothesis.py")]
CORRELATION = [PLACE + "test_windows.py", PLACE + "test_correlate.py"]
STATE = "tests/soc_core/state/"
PIPELINE = ["tests/soc_core/test_pipeline.py", "tests/soc_core/test_held.py"]
JOURNAL = [f"tests/soc_core/journal/{name}.py" for name in ("test_frames", "test_reader", "test_durable",
                                                                  "test_files")]
API = ["tests/soc_api/test_api.py"]
KILLERS: dict[str, list[str]] = {
    "detections/sigma": SIGMA,
    "detections/sigma/evaluate.py": [PLACE + "test_coded.py", *SIGMA, *CORRELATION],
    "detections/sigma/patterns.py": [PLACE + "test_patterns.py", *SIGMA],
    "detections/sigma/windows.py": CORRELATION,
    "detections/sigma/correlate.py": CORRELATION,
    "detections/sigma/multi.py": [PLACE + "test_multi.py", *SIGMA],
    "soc_core/journal": JOURNAL,
    "soc_core/pipeline.py": PIPELINE,
    "soc_core/held.py": PIPELINE[::-1],
    "soc_core/state/commits.py": [STATE + "test_commits.py", "tests/detections/test_triage.py", *PIPELINE],
    "soc_core/state/claims.py": [STATE + "test_claims.py", STATE + "test_commits.py"],
    "detections/triage.py": ["tests/detections/test_triage.py"],
    "soc_core/access.py": ["tests/casework/test_rights.py", *API],
    "casework/services.py": ["tests/casework/test_services.py", "tests/casework/test_access.py", *API],
    "casework/rights.py": ["tests/casework/test_rights.py"],
    "casework/masking.py": ["tests/casework/test_masking.py", "tests/casework/test_access.py", *API],
    "soc_api/auth.py": ["tests/soc_api/test_auth.py", *API],
}
HEAVY = ("pytest", "hypothesis", "numpy", "polars", "sqlalchemy.orm", "pydantic", "fastapi", "httpx", "sigma.rule")
OURS = {"bench", *(path.parent.name for path in ROOT.glob("*/__init__.py"))}
SMALL = 10  # a bigger number is a size or a limit, and one more or less is as good
OTHER: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}
SIGN: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}


class Mutant(NamedTuple):
    line: int
    was: str
    now: str
    source: str  # the whole module


def changes(node: ast.AST) -> Iterator[Callable[[ast.AST], ast.AST | None]]:
    """What may be done to a node: each changes a copy of it in place, or answers what stands in its stead."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in OTHER:
            yield lambda n: setattr(n, "ops", [OTHER[type(op)]()])
        case ast.BoolOp(op=op):
            yield lambda n: setattr(n, "op", ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield lambda n: operand
        case ast.BinOp(op=op, left=left, right=right) if type(op) in SIGN and not typing(left, right):
            yield lambda n: setattr(n, "op", SIGN[type(op)]())
        case ast.Constant(value=bool(value)):
            yield lambda n: setattr(n, "value", not value)
        case ast.Constant(value=int(value)) if abs(value) <= SMALL:
            yield lambda n: setattr(n, "value", value + 1)
            yield lambda n: setattr(n, "value", value - 1)
        case ast.If(test=test) | ast.IfExp(test=test):
            yield lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield lambda n: setattr(n, "value", ast.Constant(None))
        case ast.Expr(value=ast.Call(func=func)) if not ast.unparse(func).startswith("log"):
            yield lambda n: ast.Pass()
        case ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete():
            yield lambda n: ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield lambda n: ast.Pass()


def typing(*sides: ast.expr) -> bool:
    return any(isinstance(side, ast.Constant) and side.value is None for side in sides)


def unmeant(tree: ast.AST) -> set[ast.AST]:
    """Nodes that are never run, what stands for nothing (-1), decorators and zip's strict: they change no answer."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            found.add(node.operand)
        if isinstance(node, ast.keyword) and node.arg == "strict":
            found.add(node.value)
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None),
                     *getattr(node, "decorator_list", ())):
            if part is not None:
                found |= set(ast.walk(part))
    return found


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    passed = unmeant(tree)
    found = []
    for number, node in enumerate(ast.walk(tree)):
        for which, _ in enumerate(changes(node)) if node not in passed else ():
            twin = copy.deepcopy(tree)
            target = next(n for i, n in enumerate(ast.walk(twin)) if i == number)
            other = list(changes(target))[which](target)
            if other is not None:
                Swap(target, other).visit(twin)
            text = ast.unparse(ast.fix_missing_locations(twin))
            old, new = (ast.unparse(n).splitlines()[0] for n in (node, other or target))
            found.append(Mutant(getattr(node, "lineno", 0), old, new, text))
    return sorted(found, key=lambda mutant: mutant.line)


class Swap(ast.NodeTransformer):
    """Another node in the stead of one."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def killers(module: str) -> list[str]:
    """The tests of a module, or of the nearest folder that has some. Raises LookupError when none is known."""
    for place in (module, *(str(parent) for parent in Path(module).parents)):
        if place in KILLERS:
            return KILLERS[place]
    raise LookupError(f"no tests are known for {module}: say them with --tests, or in KILLERS of tests/mutate.py")


def ask(place: Path, tests: list[str], everything: bool) -> None:
    """In a process of its own: run the tests in a copy, exit with pytest's status."""
    import pytest

    os.chdir(place)
    for stream in (1, 2):
        os.dup2(os.open(place / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]  # whoever asks may have imported what is mutated
    sys.path = [str(place), *(entry for entry in sys.path if entry and Path(entry).resolve() != ROOT)]
    os.environ |= {"PYTHONPATH": str(place)}
    os.environ.setdefault("SOC_CORPORA", str(ROOT.parent / "shared" / "corpora"))
    os._exit(int(pytest.main(["-x", "-q", "-p", "no:xdist", *([] if everything else ["-k", f"not ({SLOW})"]), *tests])))


def survives(place: Path, tests: list[str], everything: bool, limit: float) -> bool:
    """Whether the tests pass in the copy as it is; one that never ends is noticed too."""
    process = multiprocessing.get_context("fork").Process(target=ask, args=(place, tests, everything))
    process.start()
    process.join(limit)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode == 0


def copied(place: Path) -> None:
    """The repository's files as they are now, uncommitted ones too."""
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / name, follow_symlinks=True)
            shutil.copymode(ROOT / name, place / name)


class Unfit(ValueError):
    """The tests fail without a mutant; what they said."""


def drawn(module: str, seed: int, count: int, lines: Sequence[int] = ()) -> tuple[list[Mutant], int]:
    """A sample of a module's mutants, and of how many. A smaller sample is the beginning of a larger one."""
    every = [mutant for mutant in mutants((ROOT / module).read_text(encoding="utf-8"))
             if not lines or mutant.line in lines]
    random.Random(seed).shuffle(every)
    return every[:count], len(every)


def judged(module: str, chosen: Sequence[Mutant], tests: list[str], everything: bool = False
           ) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant, and whether it was killed. Raises Unfit."""
    for name in HEAVY:
        __import__(name)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        place = Path(folder)
        copied(place)
        begun = time.monotonic()
        if not survives(place, tests, everything, 600):
            raise Unfit((place / "said").read_text(encoding="utf-8")[-2000:])
        limit = 30 + 4 * (time.monotonic() - begun)
        for mutant in sorted(chosen, key=lambda m: m.line):
            (place / module).write_text(mutant.source, encoding="utf-8")
            yield mutant, not survives(place, tests, everything, limit)


def main() -> int:
    """Status 0 when all are killed, 1 when some survive, 2 when the tests fail without a mutant."""
    asked = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    asked.add_argument("module")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--count", type=int, default=12)
    asked.add_argument("--all", action="store_true", help="ask the slow tests too")
    asked.add_argument("--tests", nargs="*", help="ask these instead")
    asked.add_argument("--lines", type=int, nargs="*", help="only mutants of these lines")
    options = asked.parse_args()
    module = Path(options.module).resolve().relative_to(ROOT).as_posix()
    tests = options.tests or killers(module)
    chosen, possible = drawn(module, options.seed, options.count, options.lines or ())
    alive = 0
    try:
        for mutant, killed in judged(module, chosen, tests, options.all):
            alive += not killed
            if not killed:
                print(f"{module}:{mutant.line}: survives: {mutant.was}  →  {mutant.now}", flush=True)
    except Unfit as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{module}: {len(chosen) - alive} of {len(chosen)} killed (of {possible} possible)")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
