"""Rules pushed down to the event store, by the clock: over events that did not pass our pipeline, and over gaps.

Each span of time has a row (soc_core/state/windows.py) and is judged with an overlap, as events arrive late. What a
failed detector left unjudged is a span, too: of records. A finding is (rule, event.id), here as in the stream, and is
counted once, however often a window is judged.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence

from elasticsearch import ApiError, Elasticsearch

from collectors.enrich import Enricher
from detections.sigma import load, tuning
from detections.sigma.cache import default
from detections.sigma.finding import Maker
from detections.sigma.hunt import Hunt
from detections.sigma.map import Mapper, of_site
from detections.sigma.push import Pushed, Pusher, query
from detections.sigma.rule import Rule, RuleSet
from soc_cli.wiring import Platform
from soc_core import clock
from soc_core.access import PLATFORM
from soc_core.clock import MINUTE, SECOND, Micros
from soc_core.events import EventBatch
from soc_core.models import REAL, Finding
from soc_core.protocols import Query
from soc_core.state import windows
from soc_core.state.windows import GAP, Window
from soc_core.store import elastic_documents, elastic_foreign
from soc_core.store.elastic import ElasticStore

log = logging.getLogger(__name__)
STEP = 5 * MINUTE  # a window
OVERLAP = 10 * MINUTE  # before it, judged again: so late an event may arrive
SETTLE = 30 * SECOND  # after its end: by then it can be searched
A_RUN = 12  # windows at a time, so that a long gap leaves the scheduler to others
TOGETHER = 20  # rules in one question
SECONDS = 60.0  # after which a run leaves the rest to the next


class Pushing:
    """Judges what is due. Rules are loaded at the first window, and again when their files change (a new process)."""

    def __init__(self, platform: Platform, step: Micros = STEP) -> None:
        self.platform, self.step = platform, step
        self.foreign = platform.settings.event_engine.elastic is not None
        self._rules: Rules | None = None

    def run_once(self, at: Micros) -> int:
        """Judge the windows that are due; how many findings were new."""
        state = self.platform.state
        with state.begin() as session:
            if self.foreign:
                windows.advance(session, REAL, at - SETTLE, self.step)
            todo = windows.due(session, at, A_RUN)
        total, until = 0, time.monotonic() + SECONDS
        for window in todo:
            if time.monotonic() > until:
                break
            try:
                total += self.judge(window, at)
            except (OSError, ValueError, ApiError) as error:
                log.warning("window %s of %s is not judged: %s", window.id, clock.to_text(window.since), error)
                with state.begin() as session:
                    windows.failed(session, window.id, str(error), at)
        return total

    @property
    def rules(self) -> Rules:
        if self._rules is None:
            settings = self.platform.settings
            loaded = load.load_rules(settings.rules, cache=default())
            self._rules = Rules(tuning.apply(loaded, tuning.read(settings.tuning)),
                                of_site(settings.mapping), self.foreign)
        return self._rules

    def judge(self, window: Window, at: Micros) -> int:
        """All rules over one window, and its findings into alerts, with the row in one transaction."""
        events, found = self._pushed(window) if self.foreign else self._hunted(window)
        with self.platform.state.begin() as session:
            fresh = windows.fresh(session, [(each.rule_id, each.event_id) for each in found], at)
            taken = [each._replace(partition=-1) for each in found if (each.rule_id, each.event_id) in fresh]
            if taken:
                self.platform.triage(session, taken, at)
            windows.done(session, window.id, self.rules.digest, events, len(taken), at)
        return len(taken)

    # ------------------------------------------------------------ Elasticsearch

    def _pushed(self, window: Window) -> tuple[int, list[Finding]]:
        """(events, findings) by queries; what the server refuses is asked rule by rule, and said once."""
        store = self.platform.store(window.realm)
        if not isinstance(store, ElasticStore):
            raise TypeError("rules are pushed down to Elasticsearch alone")
        store.prepare()
        within = elastic_foreign.records(window.partition, window.first, window.last) if window.kind == GAP else \
            elastic_foreign.question(window.since - OVERLAP, window.until)
        client, indices = store.client, store.indices
        events = elastic_foreign.count(client, indices, within)
        if not events:
            return 0, []
        hits: dict[str, tuple[dict[str, object], list[Rule]]] = {}
        for some in self.rules.lots(client, indices, within):
            for hit in self._asked(store, within, some):
                known = hits.setdefault(str(hit.row["event.id"]), (hit.row, []))
                known[1].extend(self.rules.by_id[name] for name in hit.names)
        return events, self._findings(list(hits.values()), window)

    def _asked(self, store: ElasticStore, within: dict[str, object], some: Sequence[Pushed]
               ) -> list[elastic_foreign.Hit]:
        try:
            asked = {each.rule.id: each.query for each in some}
            return list(elastic_foreign.matching(store.client, store.indices, within, asked))
        except ApiError as error:
            if error.status_code != 400:
                raise
            if len(some) == 1:
                log.warning("rule %s cannot be asked of the cluster: %s", some[0].rule.id, error)
                self.rules.drop(some[0])
                return []
        half = len(some) // 2
        return [*self._asked(store, within, some[:half]), *self._asked(store, within, some[half:])]

    def _findings(self, hits: Sequence[tuple[dict[str, object], list[Rule]]], window: Window) -> list[Finding]:
        if not hits:
            return []
        rows = [{"soc.realm": window.realm, **row} for row, _ in hits]
        batch = EventBatch.of(elastic_documents.frame(rows))
        if window.kind != GAP:  # ours know their owner already
            batch = Enricher(self.platform.inventory).enrich(batch)
        found = []
        for part in batch.parts:
            events = self.rules.maker.events(part, range(len(part.rows)))
            for event, number in zip(events, part.rows.tolist(), strict=True):
                found += [self.rules.maker.finding(rule, event) for rule in hits[number][1]]
        return sorted(found, key=lambda each: (each.at, each.event_id, each.rule_id))

    # ------------------------------------------------------------ the embedded store

    def _hunted(self, window: Window) -> tuple[int, list[Finding]]:
        """(events, findings) by the rules themselves: a gap's records, with what correlations they complete."""
        hunt = Hunt(self.rules.all, self.rules.mapper, default())
        text = f"soc.partition:{window.partition} AND soc.offset:[{window.first} TO {window.last - 1}]"
        store = self.platform.store(window.realm)
        found = [each for some in hunt.search(store, Query(text=text), PLATFORM.scope) for each in some]
        return hunt.events, found


class Rules:
    """A rule set made ready to be pushed down."""

    def __init__(self, rules: RuleSet, mapper: Mapper, push: bool) -> None:
        self.all, self.mapper = rules, mapper
        self.maker = Maker(rules, mapper)
        plain = [rule for rule in rules.rules if not rule.quiet]
        self.pushed, self.left = Pusher(mapper).split(plain) if push else ([], [])
        self.by_id = {each.rule.id: each.rule for each in self.pushed}
        named = "\n".join(sorted(f"{each.rule.id} {each.gate} {each.text}" for each in self.pushed)) or \
            "\n".join(sorted(rule.id for rule in rules.rules))
        self.digest = hashlib.blake2b(named.encode(), digest_size=8).hexdigest()

    def drop(self, one: Pushed) -> None:
        """Ask this no more."""
        self.pushed = [each for each in self.pushed if each is not one]
        self.left = [*self.left, (one.rule, "the server does not take its query")]

    def lots(self, client: Elasticsearch, indices: str, within: dict[str, object]) -> list[list[Pushed]]:
        """The rules whose log source has events here, some at a time."""
        gates = {each.gate for each in self.pushed}
        live = {gate for gate in gates if elastic_foreign.count(
            client, indices, {"bool": {"filter": [within, query(gate)]}})}
        wanted = [each for each in self.pushed if each.gate in live]
        return [wanted[at : at + TOGETHER] for at in range(0, len(wanted), TOGETHER)]
