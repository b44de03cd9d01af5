"""The house rules that a machine can hold: layers, circles, sizes, and that everything has its test and its help."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = [
    {"soc_cli"},
    {"soc_ui", "soc_api"},
    {"drills"},
    {"simulate"},
    {"playbooks"},
    {"collectors", "detections", "casework"},
    {"soc_core"},
]
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}
MAY_ALSO = {("soc_ui", "soc_api")}  # the console serves the login of the API on its own port
LINES, FUNCTION_LINES = 400, 60
SAME = 10  # lines that may not stand in two places


@cache
def files(suffix: str = ".py") -> tuple[Path, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    return tuple(ROOT / name for name in listed if name.endswith(suffix) and (ROOT / name).exists())


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    found: set[str] = set()
    nodes = tree(path).body if top_level_only else ast.walk(tree(path))
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours() -> list[Path]:
    return [path for path in files() if path.relative_to(ROOT).parts[0] in RANK]


def test_arrows_point_down() -> None:
    wrong = []
    for path in ours():
        mine = path.relative_to(ROOT).parts[0]
        for name in imports(path):
            other = name.split(".")[0]
            if other in RANK and other != mine and RANK[other] <= RANK[mine] and (mine, other) not in MAY_ALSO:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_no_import_circle() -> None:
    known = {module(path) for path in ours()}
    graph = {}
    for path in ours():
        graph[module(path)] = (imports(path, top_level_only=True) & known) - {module(path)}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name):], name])
        if name in done:
            return
        for other in graph[name]:
            visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_only_capture_knows_scapy() -> None:
    knows = {
        path.relative_to(ROOT).as_posix()
        for path in ours()
        if any(name.split(".")[0] == "scapy" for name in imports(path))
    }
    assert all(name.startswith("collectors/capture/") for name in knows), knows


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_file_and_functions_are_short(path: Path) -> None:
    length = len(path.read_text(encoding="utf-8").splitlines())
    assert length <= LINES, f"{length} lines"
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            size = (node.end_lineno or 0) - node.lineno + 1
            assert size <= FUNCTION_LINES, f"{node.name}: {size} lines"


def test_every_module_says_what_it_is_for() -> None:
    spoken = [path for path in ours() if path.name != "__init__.py"]
    bare = [path.relative_to(ROOT).as_posix() for path in spoken if not ast.get_docstring(tree(path))]
    assert not bare, bare


def test_what_is_ignored_is_named_and_has_its_reason() -> None:
    wanted = re.compile(r"#\s*(?:type: ignore\[[\w,-]+\]|noqa: ?[A-Z]+\d+(?:, ?[A-Z]+\d+)*)\s*(?:-|#)\s*\S")
    bare = [f"{path.relative_to(ROOT)}: {line.strip()}"
            for path in (*ours(), *(ROOT / "bench").rglob("*.py"))
            for line in path.read_text(encoding="utf-8").splitlines()
            if re.search(r"#\s*(?:type: ignore|noqa)", line) and not wanted.search(line)]
    assert not bare, "\n".join(bare)


def test_no_ten_lines_stand_twice() -> None:
    """Equal but for indentation; blank lines, comments, imports and lone brackets are passed over."""
    held: dict[tuple[str, ...], str] = {}
    twice = []
    for path in files():
        lines = [(n, line.strip()) for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)]
        lines = [(n, line) for n, line in lines
                 if re.search(r"\w", line) and not re.match(r"#|import |from \S+ import ", line)]
        for at in range(len(lines) - SAME + 1):
            some = lines[at : at + SAME]
            place = f"{path.relative_to(ROOT)}:{some[0][0]}"
            if (first := held.setdefault(tuple(line for _, line in some), place)) != place:
                twice.append(f"{place} ~ {first}")
    assert not twice, "\n".join(twice)


def has_test(folder: str, name: str) -> bool:
    """Under the mirrored folder: a test file of that name, a folder of fixtures that a test there goes through, or
    a test that names the thing."""
    place = ROOT / "tests" / folder
    if list(place.glob(f"{name}/*")) and list(place.glob("test_fixtures.py")):
        return True
    if list(place.rglob(f"test_{name}.py")) or (place / f"test_{name}.py").exists():
        return True
    return any(re.search(rf"\b{re.escape(name)}\b", p.read_text(encoding="utf-8")) for p in place.rglob("test_*.py"))


PLUG_INS = [
    "collectors.formats", "collectors.sources", "playbooks.actions", "detections.models", "detections.stream",
    "soc_cli.commands",
]


@pytest.mark.parametrize("package", PLUG_INS)
def test_every_plug_in_has_its_test(package: str) -> None:
    from soc_core import registry

    folder = package.replace(".", "/")
    missing = [name for name in registry.names(package) if not has_test(folder, name)]
    assert not missing, f"{package}: no test for {missing}"


def test_every_rule_has_its_test() -> None:
    rules = [p for p in (ROOT / "detections" / "rules").rglob("*.yml") if not p.name.endswith(".test.yml")]
    rules += [p for p in (ROOT / "cities").rglob("rules/**/*.yml") if not p.name.endswith(".test.yml")]
    assert len(rules) >= 20
    missing = [p.relative_to(ROOT).as_posix() for p in rules if not p.with_name(p.stem + ".test.yml").exists()]
    assert not missing, missing


def test_every_command_has_help() -> None:
    from soc_core import registry

    for name in registry.names("soc_cli.commands"):
        command = registry.get("soc_cli.commands", name)
        assert (command.__doc__ or "").strip(), f"{name} has no help line"
        asked = subprocess.run(
            [sys.executable, "-m", "soc_cli", name, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert asked.returncode == 0, asked.stderr
        assert name in asked.stdout


def test_no_path_of_this_machine() -> None:
    here = {str(ROOT), str(ROOT.parent / "shared"), str(Path.home() / ".")}
    for path in [p for s in (".py", ".md", ".yml", ".yaml", ".toml", ".lock", ".sh", ".csv") for p in files(s)]:
        text = path.read_text(encoding="utf-8")
        found = [place for place in here if len(place) > 6 and place + "/" in text]
        assert not found, f"{path.relative_to(ROOT)}: {found}"


def test_addresses_in_data_are_private_or_for_documentation() -> None:
    import ipaddress

    allowed = [ipaddress.ip_network(n) for n in (
        "0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )]
    pattern = re.compile(r"(?<![\w./-])(\d{1,3}(?:\.\d{1,3}){3})(?![\w.])")  # not a version, as in Chrome/140.0.0.0
    data = [p for s in (".csv", ".yml", ".log", ".json", ".ndjson") for p in files(s)]
    for path in data:
        for text in pattern.findall(path.read_text(encoding="utf-8", errors="replace")):
            parts = [int(piece) for piece in text.split(".")]
            if max(parts) > 255 or any(piece != "0" and piece.startswith("0") for piece in text.split(".")):
                continue
            assert any(ipaddress.ip_address(text) in net for net in allowed), f"{path.relative_to(ROOT)}: {text}"
