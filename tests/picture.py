"""Draws docs/architecture.svg from the code's own imports: `python -m tests.picture`.

Rooms are packages, in the layers of tests/test_house.py, with their sub-packages and sizes, as a dependency matrix:
drawn arrows between ten rooms cross too often to be read. tests/test_picture.py holds rooms and arrows current; sizes
may lag a little.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from html import escape
from pathlib import Path

from tests.test_house import LAYERS, ROOT, imports, ours

PICTURE = ROOT / "docs" / "architecture.svg"
WIDTH, TOP, LEFT, ROW, CELL = 980, 80, 330, 48, 58
INK, PAPER, TINT, SOFT, PALE = "#1f2937", "#ffffff", "#f59e0b", "#64748b", "#e2e8f0"


@cache
def arrows() -> Counter[tuple[str, str]]:
    """(from, to) → number of modules of the first room that import the second."""
    found: Counter[tuple[str, str]] = Counter()
    rooms = {room for layer in LAYERS for room in layer}
    for path in ours():
        mine = path.relative_to(ROOT).parts[0]
        for other in {name.split(".")[0] for name in imports(path)} & rooms - {mine}:
            found[(mine, other)] += 1
    return found


def sizes() -> dict[str, tuple[int, int, list[str]]]:
    """Room → (modules, hundreds of lines, sub-packages)."""
    found: dict[str, tuple[int, int, list[str]]] = {}
    for room in sorted({path.relative_to(ROOT).parts[0] for path in ours()}):
        paths = [path for path in ours() if path.relative_to(ROOT).parts[0] == room]
        lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
        inner = sorted({path.relative_to(ROOT).parts[1] for path in paths if len(path.relative_to(ROOT).parts) > 2})
        found[room] = (len(paths), round(lines / 100), inner)
    return found


def drawn() -> str:
    """The picture as SVG: rooms from the top layer down; in a room's row, what it imports."""
    known, linked = sizes(), arrows()
    rooms = [room for layer in LAYERS for room in sorted(layer & set(known), key=lambda r: (-_beside(r, layer), r))]
    height = TOP + len(rooms) * ROW + 60
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
    ]
    for row, room in enumerate(rooms):
        out += _room(room, row, *known[room])
        out += _row(room, row, rooms, linked)
    edges = [min(rooms.index(room) for room in layer) for layer in LAYERS]
    out += [f'<path d="M20 {TOP + row * ROW}H{LEFT + len(rooms) * CELL}" stroke="{INK}"/>' for row in edges]
    out.append(f'<text x="20" y="{height - 34}">A number: so many modules of the room on the left import the room '
               "above. All stand right of the diagonal: arrows point down, and no circle is possible.</text>")
    out.append(f'<text x="20" y="{height - 14}">A line between rows parts the layers; rooms of one layer do not import '
               "each other (the console alone uses the API's login). Drawn from the code by tests/picture.py.</text>"
               "</svg>")
    return "\n".join(out) + "\n"


def _beside(room: str, layer: set[str]) -> int:
    return sum(arrows()[(room, other)] for other in layer)


def _room(room: str, row: int, modules: int, hundreds: int, inner: list[str]) -> list[str]:
    y = TOP + row * ROW
    return [
        f'<g data-room="{room}"><text x="24" y="{y + 20}" font-weight="bold" font-size="14">{room}/</text>',
        f'<text x="130" y="{y + 20}">{modules} modules, {hundreds / 10:.1f} k lines</text>',
        f'<text x="24" y="{y + 38}" font-size="11" fill="{SOFT}">{escape(" · ".join(inner))}</text></g>',
        f'<text transform="translate({LEFT + row * CELL + CELL // 2 + 4} {TOP - 8}) rotate(-45)">{room}</text>',
    ]


def _row(room: str, row: int, rooms: list[str], linked: Counter[tuple[str, str]]) -> list[str]:
    most = max(linked.values())
    out = []
    for column, other in enumerate(rooms):
        x, y = LEFT + column * CELL, TOP + row * ROW
        count = linked[(room, other)]
        if room == other:
            out.append(f'<rect x="{x}" y="{y}" width="{CELL}" height="{ROW}" fill="{INK}" opacity="0.75"/>')
        elif count:
            shade = 0.15 + 0.7 * (count / most) ** 0.5
            out.append(f'<g data-arrow="{room} {other}"><rect x="{x}" y="{y}" width="{CELL}" height="{ROW}" '
                       f'fill="{TINT}" opacity="{shade:.2f}"/>'
                       f'<text x="{x + CELL // 2}" y="{y + ROW // 2 + 4}" text-anchor="middle">{count}</text></g>')
        else:
            out.append(f'<rect x="{x}" y="{y}" width="{CELL}" height="{ROW}" fill="none" stroke="{PALE}"/>')
    return out


def shown(path: Path = PICTURE) -> tuple[set[str], set[str]]:
    """The rooms and the arrows that the committed picture shows."""
    text = path.read_text(encoding="utf-8")
    return set(re.findall(r'data-room="([^"]+)"', text)), set(re.findall(r'data-arrow="([^"]+)"', text))


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
    print(PICTURE)
