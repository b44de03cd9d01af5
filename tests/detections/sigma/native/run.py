"""Rules → native lines → the real parser → the engine: which rules their own events fire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from collectors.parse import parse
from collectors.processes import Processes
from detections.sigma.compile import unfilled
from detections.sigma.evaluate import SigmaDetector
from detections.sigma.map import Mapper
from detections.sigma.rule import LogSource, Rule
from detections.sigma.terms import leaves
from soc_core import clock
from soc_core.identify import identify, records
from soc_core.protocols import Frame, Origin, Raws
from tests.detections.sigma.native import cloud, devices, unix, web, windows
from tests.detections.sigma.native.solve import Found, solve

Render = Callable[[LogSource, Found, str | None], tuple[str, list[str]]]
RENDERERS: tuple[tuple[LogSource, Render], ...] = (
    (LogSource("windows"), windows.windows), (LogSource("rpc_firewall"), windows.rpc_firewall),
    *((LogSource("linux", name), windows.sysmon_for_linux) for name in (
        "process_creation", "file_event", "network_connection")),
    *unix.RENDERERS, *web.RENDERERS, *cloud.RENDERERS, *devices.RENDERERS,
)
ROUNDS = 6
EXCEPTIONS = {  # rule → why no event fires it here
    "53d4bb30-3f36-4e8a-b078-69d36c4a79ff": "CommandLine must be RunWizard alone and hold a GUID: nothing is both",
    "bcd95697-e3e7-4c6f-8584-8e3503e6929f": "no log of the appliance tells of files that are made",
    "c4a1f389-2e6b-4d9a-8f0c-b73e5a12d947": "the placeholder %known_cdcs% is the site's to fill (placeholders.yml)",
    "8b7e2c54-1f93-4a6d-b8e0-3c9d7f25a168": "the placeholder %known_cdcs% is the site's to fill (placeholders.yml)",
}


class Example(NamedTuple):
    """A rule's event in native form."""

    format: str
    lines: list[str]


def slots(rule: Rule, mapper: Mapper) -> dict[str, str]:
    """Fields of a rule that are one column are one field."""
    found: dict[str, str] = {}
    first: dict[object, str] = {}
    for leaf in leaves(rule.tree):
        names = [leaf.field] if leaf.test.kind != "same" else [leaf.field, str(leaf.test.value[0])]
        for name in names:
            if name is not None and name not in found:
                reader = mapper.resolve(rule.logsource, name).reader
                found[name] = first.setdefault(name if reader.labelled else reader.sources, name)
    return found


def example(rule: Rule, mapper: Mapper, seed: int = 0) -> Example | None:
    """The rule's event, or None where no value or no form is known for it."""
    render = next((made for source, made in RENDERERS if source.takes(rule.logsource)), None)
    if render is None or unfilled(rule):
        return None
    values = solve(rule.tree, slots(rule, mapper), seed)
    if values is None:
        return None
    text = values.pop(None, None)
    found = Found({str(name): value for name, value in values.items() if value is not None})
    found.absent = frozenset(str(name) for name, value in values.items() if value is None)
    return Example(*render(rule.logsource, found, text))


def fired(rules: Sequence[Rule], detector: SigmaDetector, seed: int = 0) -> tuple[set[str], dict[str, Example]]:
    """(rules that one of their events fired, the last event of each other rule that has one).

    `seed` decides which branch of a rule is tried first; a few more follow until one fires.
    """
    mapper = Mapper()
    done: set[str] = set()
    last: dict[str, Example] = {}
    left = list(rules)
    for number in dict.fromkeys((seed, *range(ROUNDS))):
        made = [(rule, found) for rule in left if (found := example(rule, mapper, number)) is not None]
        if not made:
            break
        frames, first = [], 0
        for _, one in made:
            origin = Origin(source="native", format=one.format)
            lines = [line.encode() for line in one.lines]
            frames.append(Frame(0, first, Raws(origin, lines, clock.now())))
            first += len(lines)
        parsed = parse(frames)
        batch = Processes().enrich(identify(parsed, records(frames, "native"))[0])
        for part, hits in detector.hits(batch):
            for hit in hits:
                rule = made[int(parsed.frame_no[part.rows[hit.row]])][0]
                if any(detector.program.rules[number].rule.id == rule.id for number in hit.rules):
                    done.add(rule.id)
        last |= {rule.id: one for rule, one in made}
        left = [rule for rule in left if rule.id not in done]
    return done, {rule_id: one for rule_id, one in last.items() if rule_id not in done}
