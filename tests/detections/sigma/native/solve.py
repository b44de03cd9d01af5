"""Values of a rule's fields that make its condition true: one branch chosen, what it denies kept away from.

The values are the rule's own words; nothing here knows columns or engines. What a rule asks is read anew here, simply.
"""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any

from detections.sigma.terms import ANY, And, Leaf, Not, Test, Tree
from tests.detections.sigma.native.expression import example

Values = dict[str | None, str | None]


class Found(dict[str, str]):
    """Fields with their values, and those that must be absent."""

    absent: frozenset[str] = frozenset()


FILLERS = (None, "C:\\Users\\demo\\filler.dat", "/srv/filler", "filler", "7", "")
PLAIN = ("demo", "www.demo", "", "/demo", "http://www.demo.example")  # before what is no path of a file
FRONTS = ("C:\\Users\\demo", "C:\\Program Files\\demo", "/srv/demo", "demo", "", "D:", "http://www.example.org")
GAPS = (" ", "", "\\", "/", "x", ",", " x ", "&")


def solve(tree: Tree, slots: dict[str, str], seed: int = 0, tries: int = 60) -> Values | None:
    """A value for each field (None: absent) under which the tree is true; keywords below the key None.

    `slots` says which fields are one and the same: field → its name in the result.
    """
    rng = random.Random(seed)
    for attempt in range(tries):
        wanted: list[Leaf] = []
        shunned: list[Leaf] = []
        _pick(tree, True, rng if attempt or seed else None, wanted, shunned)
        values = _assign(wanted, shunned, slots, rng if attempt else None)
        if values is not None and holds(tree, values, slots):
            return values
    return None


def _pick(tree: Tree, want: bool, rng: random.Random | None, wanted: list[Leaf], shunned: list[Leaf]) -> None:
    """The leaves of one way for the tree to be as wanted; what is denied is only shunned, as a whole."""
    if isinstance(tree, Leaf):
        (wanted if want else shunned).append(tree)
    elif isinstance(tree, Not):
        _pick(tree.item, not want, rng, wanted, shunned)
    elif isinstance(tree, And) or not want:
        for item in tree.items:
            _pick(item, want, rng, wanted, shunned)
    else:
        items = tree.items
        _pick(items[0] if rng is None else rng.choice(items), want, rng, wanted, shunned)


def _assign(wanted: Sequence[Leaf], shunned: Sequence[Leaf], slots: dict[str, str], rng: random.Random | None
            ) -> Values | None:
    by_slot: dict[str | None, tuple[list[Test], list[Test]]] = {}
    pairs: list[tuple[str, str]] = []
    for leaves, side in ((wanted, 0), (shunned, 1)):
        for leaf in leaves:
            name = slots.get(leaf.field, leaf.field) if leaf.field is not None else None
            if leaf.test.kind == "same":
                if side == 0:
                    pairs.append((str(name), slots.get(str(leaf.test.value[0]), str(leaf.test.value[0]))))
                by_slot.setdefault(name, ([], []))
                by_slot.setdefault(slots.get(str(leaf.test.value[0]), str(leaf.test.value[0])), ([], []))
                continue
            by_slot.setdefault(name, ([], []))[side].append(leaf.test)
    for one, other in pairs:  # equal fields are asked together
        asked = by_slot.pop(one, ([], []))
        for side in (0, 1):
            by_slot.setdefault(other, ([], []))[side].extend(asked[side])
        by_slot[other][0].append(Test("present", ()))
    values: Values = {}
    for name, (yes, no) in by_slot.items():
        found = _keywords(yes) if name is None else _value(yes, no, rng, fronts(name))
        if found is False:
            return None
        values[name] = found  # type: ignore[assignment]
    for one, other in pairs:
        values[one] = values[other]
    return values


def _keywords(tests: Sequence[Test]) -> str | None:
    return " ".join(written(test.value) for test in tests) or None


def fronts(name: str) -> Sequence[str]:
    """What may stand before the words of a field: a folder for files, plain words for the web."""
    web = name.startswith(("cs-", "c-", "r-", "user", "query", "host", "Operation", "operation", "Target"))
    return PLAIN if web else FRONTS


def _value(yes: Sequence[Test], no: Sequence[Test], rng: random.Random | None, before: Sequence[str]
           ) -> str | bool | None:
    """The first candidate that has all that is wanted and the least of what is shunned; False where there is none."""
    best: tuple[int, str | None] | None = None
    pool: Iterator[str | None] = iter(FILLERS) if not yes else candidates(yes, before)
    listed = [value for _, value in zip(range(600), pool, strict=False)]
    if rng is not None:
        head = listed[:8]
        rng.shuffle(head)
        listed[:8] = head
    for value in listed:
        if not all(met(test, value) for test in yes):
            continue
        bad = sum(met(test, value) for test in no)
        if best is None or bad < best[0]:
            best = (bad, value)
        if bad == 0:
            break
    return False if best is None else best[1]


def candidates(tests: Sequence[Test], before: Sequence[str]) -> Iterator[str | None]:
    """Values that may meet all tests, the likeliest first."""
    if any(test.kind == "absent" for test in tests):
        yield None
    starts: list[str] = []
    middles: list[str] = []
    ends: list[str] = []
    whole: list[str] = []
    for test in tests:
        if test.kind in ("text", "cased"):
            pattern = test.value
            core = written(pattern)
            opens, shuts = bool(pattern) and pattern[0] == ANY, bool(pattern) and pattern[-1] == ANY
            (middles if opens and shuts else ends if opens else starts if shuts else whole).append(core)
        elif test.kind == "regex":
            expression = str(test.value[0])
            told = [example(expression, seed) for seed in range(4)]
            yield from told
            anchored = (expression.startswith("^"), expression.endswith("$"))
            (starts if anchored == (True, False) else ends if anchored == (False, True) else middles).append(told[0])
        elif test.kind == "cidr":
            net = ipaddress.ip_network(str(test.value[0]), strict=False)
            yield str(net[min(1, net.num_addresses - 1)])
        elif test.kind == "compare":
            how, number = test.value
            shift = {"lt": -1, "lte": 0, "gt": 1, "gte": 0, "neq": 1}[str(how)]
            yield str(int(float(number) + shift))
        elif test.kind == "present":
            yield from (value for value in FILLERS if value is not None)
    yield from whole
    yield from _composed(starts, middles, ends, before)


def _composed(starts: Sequence[str], middles: Sequence[str], ends: Sequence[str], before: Sequence[str]
              ) -> Iterator[str]:
    """Beginnings, middles and endings put together, with something between and before them."""
    start, end = max(starts, key=len, default=""), max(ends, key=len, default="")
    leads = [""] if start else list(before)
    tails = [""] if end else ["", " x", "x", "\\x", "/x"]
    inner = _without(sorted(middles, key=len, reverse=True), start, end)
    orders = [sorted(inner, key=lambda one: middles.index(one)), inner, inner[::-1]]
    for order, gap, front, tail in product(orders[: 1 if len(inner) < 2 else 3], GAPS, leads, tails):
        parts = [part for part in (start, *order) if part]
        text = gap.join(parts)
        lead = front if front and text[:1] in ("\\", "/", ".", " ", ":", "") else ""
        if front and not lead and "://" not in front:
            lead = front + gap if order or start == "" else ""
        made = lead + text
        yield _overlapped(made, end) + tail
        if end and made and gap:
            yield made + gap + end


def _without(parts: Sequence[str], start: str, end: str) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if not any(part.lower() in other.lower() for other in (start, end, *kept)):
            kept.append(part)
    return kept


def _overlapped(text: str, end: str) -> str:
    """The ending put on, sharing what both have."""
    for size in range(min(len(text), len(end)), 0, -1):
        if text[-size:].lower() == end[:size].lower():
            return text + end[size:]
    return text + end


def written(pattern: Sequence[Any]) -> str:
    """A pattern as a value: outer wildcards as nothing, inner ones as a letter."""
    parts = list(pattern)
    while parts and parts[0] == ANY:
        parts.pop(0)
    while parts and parts[-1] == ANY:
        parts.pop()
    return "".join(part if isinstance(part, str) else "x" for part in parts)


def holds(tree: Tree, values: Values, slots: dict[str, str]) -> bool:
    """The tree under these values, read plainly."""
    if isinstance(tree, Not):
        return not holds(tree.item, values, slots)
    if isinstance(tree, Leaf):
        if tree.field is None:
            return met(tree.test, values.get(None), inside=True)
        value = values.get(slots.get(tree.field, tree.field))
        if tree.test.kind == "same":
            other = values.get(slots.get(str(tree.test.value[0]), str(tree.test.value[0])))
            return value is not None and other is not None and _alike(value, other, str(tree.test.value[1]))
        return met(tree.test, value)
    every = (holds(item, values, slots) for item in tree.items)
    return all(every) if isinstance(tree, And) else any(every)


def _alike(value: str, other: str, how: str) -> bool:
    one, two = value.lower(), other.lower()
    return {"equals": one == two, "startswith": one.startswith(two), "endswith": one.endswith(two)}.get(how, two in one)


def met(test: Test, value: str | None, inside: bool = False) -> bool:
    """Whether a value meets a test; `inside`: a keyword, found anywhere."""
    kind = test.kind
    if kind in ("absent", "present"):
        return (value is None) == (kind == "absent")
    if value is None:
        return False
    if kind in ("text", "cased"):
        found = _glob(test.value, kind == "cased")
        return (found.search(value) if inside else found.fullmatch(value)) is not None
    if kind == "regex":
        flags = sum({"i": re.I, "m": re.M, "s": re.S}[flag] for flag in str(test.value[1]))
        return re.search(str(test.value[0]), value, flags) is not None
    if kind == "cidr":
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(str(test.value[0]), strict=False)
        except ValueError:
            return False
    if kind == "compare":
        how, number = str(test.value[0]), float(test.value[1])
        try:
            have = float(value)
        except ValueError:
            return how == "neq"
        return {"lt": have < number, "lte": have <= number, "gt": have > number, "gte": have >= number,
                "neq": have != number}[how]
    return False


@lru_cache(maxsize=1 << 16)
def _glob(pattern: tuple[Any, ...], cased: bool) -> re.Pattern[str]:
    body = "".join(re.escape(part) if isinstance(part, str) else ".*" if part == ANY else "." for part in pattern)
    return re.compile(body, re.DOTALL | (0 if cased else re.IGNORECASE))
