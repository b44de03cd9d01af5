"""Which rules an event is for: its own tags, or what gates.yml says of it, row by row as read plainly."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from detections.sigma.gate import TAGS, Router
from soc_core.events import EventBatch

ROUTER = Router()
NAMES = sorted(ROUTER.columns - {TAGS})
GATED = st.sampled_from(ROUTER.gates).flatmap(
    lambda gate: st.fixed_dictionaries({name: st.sampled_from(values) for name, values in gate.when.items()}))
LOOSE = st.dictionaries(st.sampled_from(NAMES), st.text("abc19", max_size=3)).map(
    lambda row: {name: value for name, value in row.items() if value})
OWN = st.sampled_from([{TAGS: ["linux//sshd"]}, {TAGS: ["windows/process_creation/"]}])
ROWS = st.lists(st.one_of(GATED, LOOSE, OWN, st.builds(lambda a, b: {**a, **b}, GATED, LOOSE)), max_size=12)


def plainly(row: dict[str, Any]) -> tuple[str, ...]:
    if TAGS in row:
        return tuple(row[TAGS])
    return tuple(dict.fromkeys(tag for gate in ROUTER.gates
                               if all(row.get(name) in values for name, values in gate.when.items())
                               for tag in gate.tags))


def routed(rows: list[dict[str, Any]]) -> dict[int, tuple[str, ...]]:
    batch = EventBatch.from_dicts([{"event.id": f"{n:032x}", **row} for n, row in enumerate(rows)])
    found: dict[int, tuple[str, ...]] = {}
    for part in batch.parts:
        for group in ROUTER.groups(part):
            for row in group.part.rows.tolist():
                assert row not in found
                found[row] = group.tags
            ids = group.part.table["event.id"].to_list()
            assert ids == [f"{row:032x}" for row in group.part.rows.tolist()]  # the events are those of the rows
    return found


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_each_row_has_the_tags_that_a_plain_reading_gives(rows: list[dict[str, Any]]) -> None:
    want = {n: tags for n, row in enumerate(rows) if (tags := plainly(row))}
    assert routed(rows) == want


def test_every_gate_opens_for_its_own_and_shuts_for_one_value_less() -> None:
    for gate in ROUTER.gates:
        row = {name: values[-1] for name, values in gate.when.items()}
        assert set(gate.tags) <= set(routed([row]).get(0, ()))
        for name in row:
            short = {other: value for other, value in row.items() if other != name}
            assert routed([short]).get(0, ()) == plainly(short)
