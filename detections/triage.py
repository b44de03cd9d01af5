"""Findings → alerts as episodes, entity risk and incidents, in the caller's transaction. 研判

An episode is every finding of one rule, group key, organisation, system and realm, as long as the pauses between
event times are at most EPISODE_GAP and the whole is at most LONGEST old. Findings are taken one by one in the order
given, and all that is decided depends on what is stored alone: however the same findings are cut into calls, the
alerts are the same.

A replayed finding (its record at or below the alert's mark for that journal partition, before this call) counts
nothing. A finding without a place in the journal (partition below 0) counts once for each event id that the alert
still remembers.

Closing does not end suppression: a closed alert goes on counting findings at its own level or below, so that a
decision is asked for once. A higher level begins a new episode; so does, unless the verdict explains it all (benign,
false, test), an entity that the alert had not named: no closed door hides who else knocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from detections import risk
from detections.stories import Stories
from soc_core.clock import DAY, HOUR, Micros
from soc_core.models import LEVELS, Finding
from soc_core.state import alerts, entities, outbox
from soc_core.state.alerts import Episode
from soc_core.state.entities import Entity

EPISODE_GAP = HOUR
LONGEST = DAY
EVENTS_KEPT = 100  # the first half and the latest half
VALUES_KEPT = 200  # of one entity field; more are counted, and carry no risk from this alert
EXPLAINED = ("benign", "false", "test")

NO_CRITICALITY: Mapping[str, float] = {}


class Changes(NamedTuple):
    """Ids of alerts that began in this call, and of known ones that grew."""

    raised: list[str]
    updated: list[str]


class Held:
    """An episode while findings are added to it: what it was before the call, and sets to look up quickly."""

    __slots__ = ("before", "events", "fresh", "level", "row", "seen", "touched")

    def __init__(self, row: Episode, fresh: bool) -> None:
        self.row = row
        self.fresh = fresh
        self.touched = fresh
        self.level = row.severity
        self.before = dict(row.marks)
        self.seen = {field: set(values) for field, values in row.entities.items()}
        self.events = set(row.events)

    def near(self, at: Micros) -> bool:
        return self.row.first_seen - EPISODE_GAP <= at <= self.row.last_seen + EPISODE_GAP

    def takes(self, finding: Finding) -> bool:
        """Whether a finding that is near belongs to this episode."""
        row = self.row
        if max(row.last_seen, finding.at) - min(row.first_seen, finding.at) > LONGEST:
            return False
        if row.status == "closed":
            known = row.verdict in EXPLAINED or self.names(finding.entities)
            return known and LEVELS.index(finding.level) <= row.severity
        return True

    def names(self, entities: Sequence[tuple[str, str]]) -> bool:
        return all(value in self.seen.get(field, ()) for field, value in entities)

    def knows(self, finding: Finding) -> bool:
        """Whether the finding was counted by an earlier call."""
        if finding.partition < 0:
            return finding.event_id in self.events
        return finding.offset <= self.before.get(str(finding.partition), -1)


def apply(session: Session, findings: Sequence[Finding], at: Micros,
          criticality: Mapping[str, float] = NO_CRITICALITY) -> Changes:
    """Take the findings into alerts, risk and incidents, and put what follows into the outbox.

    `at` is the wall clock in microseconds; `criticality` the weight of a system by its id (1 where it has none).
    Topics: alert.raised (key: the alert's id), alert.updated (id:level, when the level rose) and incident.raised.
    """
    if not findings:
        return Changes([], [])
    book = Book(session, findings, at, criticality)
    for finding in findings:
        book.take(finding)
    return book.write()


class Book:
    """Everything that the findings of one call touch, read at once and written at once."""

    def __init__(self, session: Session, findings: Sequence[Finding], at: Micros,
                 criticality: Mapping[str, float]) -> None:
        self.session, self.at, self.criticality = session, at, criticality
        self.keys: dict[tuple[object, ...], str] = {}
        self.entity_ids: dict[tuple[str, str, str, str], str] = {}
        for finding in findings:
            if not finding.building_block:
                self.key(finding)
            for field, value in finding.entities:
                self.entity_id(finding, field, value)
        since = min(finding.at for finding in findings) - EPISODE_GAP
        until = max(finding.at for finding in findings) + EPISODE_GAP
        self.open: dict[str, list[Held]] = {}
        for row in alerts.episodes(session, list(self.keys.values()), since, until):
            self.open.setdefault(row.episode, []).append(Held(row, fresh=False))
        self.entities = entities.load(session, [known for known in self.entity_ids.values() if known])
        self.marks = {known: dict(entity.marks) for known, entity in self.entities.items()}
        self.risen: dict[str, None] = {}  # ids of entities to write
        self.taken: set[tuple[str, str]] = set()
        rows = [held.row for group in self.open.values() for held in group]
        self.stories = Stories(session, rows, self.entities.values(), at)

    def key(self, finding: Finding) -> str:
        """The episode key of a finding: a hash of what its episode has in common."""
        common = (finding.rule_id, finding.group, finding.organisation, finding.system, finding.realm)
        known = self.keys.get(common)
        if known is None:
            known = self.keys[common] = digest(repr(common))
        return known

    def entity_id(self, finding: Finding, field: str, value: str) -> str:
        """The id of an entity that carries risk; "" for one that does not."""
        known = self.entity_ids.get((finding.realm, finding.organisation, field, value))
        if known is None:
            what = risk.kind(field, value)
            known = entities.entity_id(finding.realm, finding.organisation, what, value) if what else ""
            self.entity_ids[finding.realm, finding.organisation, field, value] = known
        return known

    def entity(self, finding: Finding, field: str, value: str) -> Entity | None:
        known = self.entity_id(finding, field, value)
        if not known:
            return None
        found = self.entities.get(known)
        if found is None:
            found = self.entities[known] = Entity(known, finding.realm, finding.organisation, risk.kind(field, value),
                                                  value, 0.0, finding.at, {}, "", 0)
        return found

    def take(self, finding: Finding) -> None:
        """Count one finding."""
        if finding.building_block:
            self.suspect(finding)
            return
        key = self.key(finding)
        if (key, finding.event_id) in self.taken:
            return
        near = [held for held in self.open.get(key, ()) if held.near(finding.at)]
        if any(held.knows(finding) for held in near):
            return
        self.taken.add((key, finding.event_id))
        fits = [held for held in near if held.takes(finding)]
        held = max(fits, key=lambda each: (each.row.last_seen, each.row.id)) if fits else self.begin(key, finding)
        self.grow(held, finding)

    def suspect(self, finding: Finding) -> None:
        """A building block: risk for its entities, and nothing to look at."""
        points = finding.risk or risk.POINTS[finding.level]
        place = str(finding.partition)
        for field, value in finding.entities:
            entity = self.entity(finding, field, value)
            if entity is None or 0 <= finding.offset <= self.marks.get(entity.id, {}).get(place, -1):
                continue
            risk.add(entity, points, finding.at)
            if finding.partition >= 0:
                entity.marks[place] = max(finding.offset, entity.marks.get(place, -1))
            self.risen[entity.id] = None

    def begin(self, key: str, finding: Finding) -> Held:
        """A new episode, still without its first finding."""
        row = Episode(
            id=digest(f"{key}\0{finding.event_id}"), episode=key, rule_id=finding.rule_id, title=finding.title,
            level=finding.level, severity=LEVELS.index(finding.level), count=0, first_seen=finding.at,
            last_seen=finding.at, raised=self.at, group=dict(finding.group), entities={}, entities_cut=0, events=[],
            organisation=finding.organisation, system=finding.system, techniques=[], risk=0, realm=finding.realm,
            explanation=finding.explanation, incident="", marks={}, search="",
        )
        held = Held(row, fresh=True)
        self.open.setdefault(key, []).append(held)
        return held

    def grow(self, held: Held, finding: Finding) -> None:
        """Add one finding to an episode."""
        row = held.row
        severity = LEVELS.index(finding.level)
        more = 0
        if severity > row.severity:
            more = risk.POINTS[finding.level] - risk.POINTS[row.level]
            row.level, row.severity, row.title = finding.level, severity, finding.title
            row.explanation = finding.explanation or row.explanation
        held.touched = True
        row.count += 1
        row.first_seen, row.last_seen = min(row.first_seen, finding.at), max(row.last_seen, finding.at)
        if finding.partition >= 0:
            place = str(finding.partition)
            row.marks[place] = max(finding.offset, row.marks.get(place, -1))
        remember(held, finding.event_id)
        for technique in finding.techniques:
            if technique not in row.techniques:
                row.techniques.append(technique)
        score, named = 0.0, []
        for field, value in finding.entities:
            points = self.name(held, field, value, more, finding.risk)
            entity = self.entity(finding, field, value)
            if entity is None:
                continue
            if points:
                risk.add(entity, points, finding.at)
            self.risen[entity.id] = None
            score = max(score, risk.score(entity, row.last_seen))
            named.append(entity)
        row.risk = max(row.risk, risk.of_alert(row.level, self.criticality.get(row.system, 1.0), score))
        self.stories.tell(row, named, finding.at)

    def name(self, held: Held, field: str, value: str, more: int, points: int) -> int:
        """Note an entity; returns the points that it is due: whole when the alert names it first, else `more`."""
        seen = held.seen.setdefault(field, set())
        if value in seen:
            return more
        if len(seen) >= VALUES_KEPT:
            held.row.entities_cut += 1
            return 0
        seen.add(value)
        held.row.entities.setdefault(field, []).append(value)
        return points or risk.POINTS[held.row.level]

    def write(self) -> Changes:
        """Write what changed, and what follows from it."""
        touched = [held for group in self.open.values() for held in group if held.touched]
        for held in touched:
            row = held.row
            words = [row.title, row.rule_id, *(value for values in row.entities.values() for value in values)]
            row.search = "\n".join(words).lower()
        fresh = [held.row for held in touched if held.fresh]
        known = [held for held in touched if not held.fresh]
        alerts.save(self.session, fresh, [held.row for held in known], self.at)
        entities.save(self.session, (self.entities[each] for each in self.risen))
        items = self.stories.write()
        items += [("alert.raised", row.id, told(row)) for row in fresh]
        items += [("alert.updated", f"{held.row.id}:{held.row.level}", told(held.row))
                  for held in known if held.row.severity > held.level]
        outbox.put_all(self.session, items)
        return Changes([row.id for row in fresh], [held.row.id for held in known])


def remember(held: Held, event: str) -> None:
    """Keep the first and the latest events of an episode."""
    events = held.row.events
    events.append(event)
    held.events.add(event)
    if len(events) > EVENTS_KEPT:
        held.events.discard(events.pop(EVENTS_KEPT // 2))


def told(row: Episode) -> dict[str, object]:
    """What the outbox says of an alert: enough for playbooks to decide and to act by."""
    return {
        "id": row.id, "rule_id": row.rule_id, "title": row.title, "level": row.level, "count": row.count,
        "first_seen": row.first_seen, "last_seen": row.last_seen, "group": row.group, "entities": row.entities,
        "organisation": row.organisation, "system": row.system, "techniques": row.techniques, "risk": row.risk,
        "realm": row.realm, "incident": row.incident, "explanation": row.explanation,
    }


def digest(text: str) -> str:
    """32 hexadecimal digits."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
