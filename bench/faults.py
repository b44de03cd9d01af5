"""Random faults under load: nothing acknowledged lost, nothing stored twice, no alert doubled, fates exact.

Rounds of TURNS faults each, half of them on one machine's form and half on the city's; SOC_FAULTS says how many faults
in all (200). Each round's outcome is kept in SOC_FAULTS_DIR (a temporary folder otherwise): a bench that is broken
off goes on with the next round. SOC_FAULTS_FORM=local leaves the servers out, SOC_FAULTS_FORM=city takes them alone;
both may run at once on one SOC_FAULTS_DIR. The faults themselves: bench/_faults.py.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from bench._city import City, Form
from bench._faults import Fault, possible
from detections import canaries, gaps, silence
from soc_core import clock, identity
from soc_core.access import EVERYTHING
from soc_core.config import Settings, load
from soc_core.protocols import Origin, Query, Raws
from soc_core.state import alerts, commits

log = logging.getLogger(__name__)
FORMS: tuple[Form, ...] = ("local", "city")
PROMISED = 200  # faults; fewer without a difference do not meet the promise
TURNS = 10
HOSTS, BATCH, ENOUGH = 6, 60, 8
PACE = 0.2  # seconds between batches
SETTLED = 300.0  # seconds that may pass after the last fault without anything being worked off
DOOR = "http:default/"  # before the names of sources; canaries come in by it too
WATCHES = (canaries.RULE, gaps.RULE, silence.RULE)
Batch = tuple[str, str, list[bytes]]  # source, idempotency key, lines


class Load:
    """Logons of a few hosts, sent batch by batch from a thread of its own; each until it is acknowledged."""

    def __init__(self, city: City, seed: int) -> None:
        self.city, self.draw = city, random.Random(seed)
        self.sent: list[Batch] = []
        self.trouble: BaseException | None = None
        self.began = clock.now() - 10 * clock.MINUTE
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                with self.city.door:
                    batch = self._batch(len(self.sent))
                    self.city.send(batch[0], batch[1], b"\n".join(batch[2]))
                    self.sent.append(batch)
                time.sleep(PACE)
        except BaseException as error:
            self.trouble = error

    def _batch(self, number: int) -> Batch:
        host = f"host{number % HOSTS}"
        lines = []
        for n in range(BATCH):
            at = clock.to_text(self.began + (number * BATCH + n) * clock.SECOND // 10)
            address = f"192.0.2.{self.draw.choice([7, 7, 8, *range(20, 60)])}"
            what = "Accepted" if self.draw.random() < 0.1 else "Failed"
            user = self.draw.choice(["root", "admin", f"user{n}"])
            lines.append(f"<38>1 {at} {host} sshd 12 - - {what} password for {user} from {address} port 51514 ssh2"
                         .encode())
        return f"fault/{host}", f"batch-{number}", lines

    def stop(self) -> None:
        """Send no more; what is under way is still acknowledged. Raises what went wrong."""
        self._ended.set()
        self._thread.join()
        if self.trouble:
            raise self.trouble


# ---------------------------------------------------------------- one round


def trial(form: Form, faults: int, seed: int, pause: float = 1.5, cache: Path | None = None,
          workers: int = 2, keep: Path | None = None) -> dict[str, Any]:
    """So many random faults under load; what they were, how much was sent, and what is wrong (in words).

    A round that cannot be brought to its end is wrong too. The processes' logs of a round with anything wrong are
    left in `keep`.
    """
    draw = random.Random(seed)
    done: Counter[str] = Counter()
    seconds = 0.0
    city = City(form, workers, cache)
    try:
        load_ = Load(city, seed)
        try:
            disturb(city, load_, faults, draw, pause, done)
            settings = load(city.data)
            seconds = settle(city, settings, len(load_.sent) * BATCH)
            city.stop()
            wrong = differences(settings, load_.sent)
        except Exception as error:  # a round that broke off is a round that failed; the next one goes on
            log.exception("seed %d was broken off", seed)
            wrong = [f"broken off after {dict(done)}: {type(error).__name__}: {error}"]
        if wrong and keep is not None:
            for path in city.folder.glob("*.log"):
                shutil.copy(path, keep / f"{form}-{seed}-{path.name}")
        return {"form": form, "seed": seed, "faults": dict(done), "records": len(load_.sent) * BATCH,
                "settled": round(seconds, 1), "wrong": wrong}
    finally:
        city.close()


def disturb(city: City, load_: Load, faults: int, draw: random.Random, pause: float, done: Counter[str]) -> None:
    """The faults, one after another, each kind before any comes again; `done` counts them."""
    deck: list[Fault] = []
    flow(city, load_, pause)
    for _ in range(faults):
        deck = deck or draw.sample(possible(city), len(possible(city)))
        fault = deck.pop()
        log.info("%s, %d batches sent", fault.__name__, len(load_.sent))
        fault(city, draw)
        done[fault.__name__] += 1
        flow(city, load_, pause)
    load_.stop()


def flow(city: City, load_: Load, pause: float) -> None:
    """Let some batches be acknowledged: a fault is to fall into the work, not into the start. Raises what went wrong
    with the sending."""
    began, before = time.monotonic(), len(load_.sent)
    while len(load_.sent) < before + ENOUGH or time.monotonic() < began + pause:
        if load_.trouble:
            raise load_.trouble
        city.tend()
        time.sleep(0.05)


def settle(city: City, settings: Settings, records: int) -> float:
    """Wait until every lane is worked off; how long it took. Raises TimeoutError with the workers' last words once
    nothing moves any more: how quick it is depends on the machine."""
    from soc_cli.stages import stages

    began = moved = time.monotonic()
    before: object = None
    while time.monotonic() < moved + SETTLED:
        city.tend()
        whole = stages(settings)
        behind = whole["lag"] + whole["totals"]["pending"] + sum(each["lag"] for each in whole["shared"].values())
        if not behind and whole["totals"]["stored"] >= records:
            return time.monotonic() - began
        if before != (before := (behind, whole["totals"])):
            moved = time.monotonic()
        time.sleep(1.0)
    raise TimeoutError(f"{behind} records behind, {whole['totals']}: {city.said('work')}")


def differences(settings: Settings, sent: list[Batch]) -> list[str]:
    """What is not as it was acknowledged, in words."""
    from soc_cli.stages import stages
    from soc_cli.wiring import Platform

    wrong = []
    with Platform(settings) as platform:
        ids: Counter[str] = Counter()
        for batch in platform.store("real").scan(Query(), EVERYTHING):
            ids.update(batch.column("event.id").to_list())
        with platform.state.read() as session:
            fates = [row for row in commits.fates(session) if row.source.startswith(f"{DOOR}fault/")]
        found = told(platform)
    expected = {event for batch in sent for event in ids_of(batch)}
    if lost := expected - set(ids):
        wrong.append(f"{len(lost)} acknowledged records are lost")
    if odd := set(ids) - expected:
        wrong.append(f"{len(odd)} events that nobody sent")
    if twice := sum(count - 1 for count in ids.values()):
        wrong.append(f"{twice} events are stored twice")
    if sum(row.stored for row in fates) != len(expected):
        wrong.append(f"{sum(row.stored for row in fates)} records count as stored, {len(expected)} are")
    whole = stages(settings)
    if not whole["balanced"] or whole["totals"]["pending"] or whole["totals"]["quarantined"]:
        wrong.append(f"the fates do not add up: {whole['totals']}")
    with tempfile.TemporaryDirectory(prefix="soc-calm-") as folder:
        calm = undisturbed(settings.model_copy(update={
            "data": Path(folder), "state": "", "event_engine": Settings().event_engine,
            "journal_engine": Settings().journal_engine}), sent)
    if not calm:
        wrong.append("the undisturbed run raised no alert: nothing was compared")
    if differing := set(calm) ^ set(found):
        wrong.append(f"{len(differing)} alerts differ: {sorted(differing)[:4]}")
    return wrong


def ids_of(batch: Batch) -> list[str]:
    """The ids of the events of one batch, which follow from its source, key and lines alone."""
    source, key, lines = batch
    number = identity.source_number(f"{DOOR}{source}:{key}")
    positions = np.arange(len(lines), dtype=np.int64)
    return identity.event_ids(np.full(len(lines), number), positions, np.zeros(len(lines), dtype=np.int64)).to_list()


def undisturbed(settings: Settings, sent: list[Batch]) -> list[str]:
    """The alerts that one worker raises on the same records in one pass."""
    from soc_cli.wiring import Platform

    with Platform(settings) as platform:
        for source, key, lines in sent:
            origin = Origin(source=f"{DOOR}{source}", format="syslog", series=key)
            platform.journal.append([Raws(origin, lines, clock.now(), np.arange(len(lines), dtype=np.int64))])
        platform.worker().drain()
        return told(platform)


def told(platform: Any) -> list[str]:
    """Every alert on the records as one text: rule, group, count, times and entities. What the platform says of its own
    doors and sources (a canary that a full disk kept, say) is no alert on a record, and true in its place."""
    with platform.state.read() as session:
        found, _ = alerts.find(session, EVERYTHING, limit=100_000)
    return sorted(orjson.dumps([
        one.rule_id, sorted(one.group.items()), one.count, one.first_seen, one.last_seen,
        {name: sorted(values) for name, values in one.entities.items()},
    ], option=orjson.OPT_SORT_KEYS).decode() for one in found if one.rule_id not in WATCHES)


def figures() -> list[dict[str, Any]]:
    wanted = int(os.environ.get("SOC_FAULTS", PROMISED))
    only = os.environ.get("SOC_FAULTS_FORM")
    forms = [form for form in FORMS if only in (None, "", form)]
    if not forms:
        raise ValueError(f"SOC_FAULTS_FORM is {' or '.join(FORMS)}, not {only}")
    place = Path(os.environ.get("SOC_FAULTS_DIR") or tempfile.mkdtemp(prefix="soc-faults-kept-"))
    cache, kept = place / "cache", place / "rounds.jsonl"
    cache.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    for noisy in ("httpx", "elastic_transport", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    while sum(sum(each["faults"].values()) for each in known(kept)) < wanted:  # another process may add rounds too
        done = Counter(each["form"] for each in known(kept))
        form = min(forms, key=lambda form: done[form])
        seed = len(FORMS) * done[form] + FORMS.index(form) + 1
        found = trial(form, TURNS, seed, cache=cache, keep=place)
        with kept.open("ab") as out:
            out.write(orjson.dumps(found) + b"\n")
        print(found, flush=True)
    return [figure(known(kept))]


def known(kept: Path) -> list[dict[str, Any]]:
    """The rounds that were done."""
    return [orjson.loads(line) for line in kept.read_bytes().splitlines()] if kept.exists() else []


def figure(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """What was done and what was wrong, in one line; kind by kind it is printed."""
    kinds = {form: sum((Counter(each["faults"]) for each in rounds if each["form"] == form), Counter[str]())
             for form in FORMS}
    wrong = [line for each in rounds for line in each["wrong"]]
    print(*(f"{form}: {dict(found)}" for form, found in kinds.items()), *wrong, sep="\n")
    counts = " + ".join(f"{found.total()} {form}" for form, found in kinds.items())
    return {"name": "faults: lost, stored twice, alerts or fates that differ", "value": len(wrong),
            "unit": f"in {counts} faults, {sum(each['records'] for each in rounds):,} records",
            "target": 0, "met": not wrong and sum(found.total() for found in kinds.values()) >= PROMISED}
