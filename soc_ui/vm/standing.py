"""How an agency stands, as data: score with its formula, its like, retention, gaps, weaknesses, source limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from casework import exposure, retention, score, sources
from casework.exposure import Weakness
from casework.retention import Kept
from casework.score import Part, Score
from casework.services import Services
from casework.sources import Card
from soc_core.access import Actor
from soc_core.clock import DAY, Micros
from soc_ui.text import number, span, translate

SHOWN = 50
HALF, MOST = 0.5, 0.8  # of a part's value: below the first it is bad, below the second it is not well


@dataclass(frozen=True)
class Standing:
    """What the lower half of /unit shows; rows are ready for tables."""

    headline: str
    note: str
    parts: list[dict[str, Any]]
    retention: list[dict[str, Any]]
    gaps: list[dict[str, Any]]
    weaknesses: list[dict[str, Any]]
    weak: int
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def standing(actor: Actor, services: Services, language: str, organisation: str) -> Standing:
    """How one agency stands. Raises NotFound for one that is not the actor's to see."""
    found = score.score(actor, services, organisation)
    kept = retention.kept(actor, services, organisation)
    weak = exposure.listing(actor, services, organisation, limit=SHOWN)
    return Standing(
        headline(found, language), note(found, language), [part(each, language) for each in found.parts],
        [held(each, kept.required, language) for each in kept.systems],
        [{"cells": [gap.source, services.system_name(gap.system) or "—", gap.since,
                    span(language, (gap.until or kept.as_of) - gap.since),
                    translate(language, "standing.ended" if gap.until else "standing.lasts")],
          "go": None} for gap in kept.gaps[:SHOWN]],
        [weakness(each, language) for each in weak.rows], weak.total, found.as_of)


def headline(found: Score, language: str) -> str:
    """The score, and where its like are."""
    if found.score is None:
        return translate(language, "standing.unknown")
    said = translate(language, "standing.score", score=f"{found.score:.1f}")
    if found.peers is None:
        return f"{said} {translate(language, 'standing.no_peers', n=score.PEERS)}"
    return f"{said} " + translate(language, "standing.peers", n=number(language, found.peers.count),
                                  middle=found.peers.middle, low=found.peers.low, high=found.peers.high)


def note(found: Score, language: str) -> str:
    """The formula, and how the score has moved."""
    said = [translate(language, "standing.formula", formula=found.formula)] if found.formula else []
    if found.score is not None and found.trend:
        day, before = found.trend[0]
        said.append(translate(language, "standing.trend", days=found.as_of // DAY - day,
                              change=f"{found.score - before:+.1f}"))
    return " ".join(said)


def part(item: Part, language: str) -> dict[str, Any]:
    """One line of the formula."""
    value = item.value
    tone = "quiet" if value is None else "bad" if value < HALF else "warn" if value < MOST else "ok"
    text = translate(language, "standing.not_measured") if value is None else f"{100 * value:.0f}"
    return {"cells": [translate(language, f"standing.part_{item.name}"), {"text": text, "tone": tone}, item.weight,
                      translate(language, f"standing.behind_{item.name}", have=f"{item.have:g}",
                                want=f"{item.want:g}")], "go": None}


def held(item: Kept, required: int, language: str) -> dict[str, Any]:
    """One system's logs."""
    state = {"text": translate(language, "standing.kept_none" if item.oldest is None else "standing.kept_days",
                               days=item.days, required=required),
             "tone": "bad" if item.oldest is None else "ok" if item.share >= 1 else "warn"}
    return {"cells": [item.system_name, state, item.oldest, len(item.empty)], "go": None}


def weakness(item: Weakness, language: str) -> dict[str, Any]:
    """One weakness."""
    one = item.exposure
    left = "—" if item.days_left is None else translate(language, "span.d", n=item.days_left)
    return {"cells": [one.name, item.level, translate(language, f"standing.kind_{one.kind}"), item.system_name or "—",
                      " ".join(filter(None, (one.address or one.host, one.port))), left, one.first_seen], "go": None}


def limit_of(card: Card, language: str) -> str:
    """How a source's limit of silence came about, in one sentence."""
    limit = span(language, card.source.silent_after) if card.source.silent_after else "—"
    if card.by != "habit":
        return translate(language, f"sources.card_{card.by}", source=card.source.source, limit=limit)
    if card.active is None or card.spread is None or card.gaps is None:
        return translate(language, "sources.card_plain", source=card.source.source, limit=limit)
    beat = "steady" if card.spread < HALF else "bursts" if card.spread > 1 / HALF else "loose"
    return translate(language, "sources.card_habit", source=card.source.source, limit=limit,
                     active=f"{100 * card.active:.0f}", spread=f"{card.spread:.2f}", gaps=number(language, card.gaps),
                     beat=translate(language, f"sources.beat_{beat}"))


def card_text(actor: Actor, services: Services, language: str, source: str, realm: str) -> str:
    """The card of a source. Raises NotFound."""
    return limit_of(sources.card(actor, services, source, realm), language)
