"""Which journal and which event stores a configuration means, opened. The one place that knows them all.

Imports of Kafka's and Elasticsearch's clients wait until they are wanted: a laptop does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from soc_core.config import Events, Settings, Stream
from soc_core.models import REAL
from soc_core.protocols import EventStore, Journal

if TYPE_CHECKING:
    from soc_core.store.elastic import ElasticStore


LOOK = 5.0  # seconds that somebody who looks waits for a broker


def open_journal(settings: Settings) -> Journal:
    """The journal of records as received. Raises OSError, or ValueError where a package is missing."""
    return _journal(settings, "")


def open_shared(settings: Settings) -> Journal:
    """The journal of what workers tell each other (shares.py)."""
    return _journal(settings, "shared")


def open_quarantine(settings: Settings) -> Journal:
    """The topic of quarantined records (soc_cli/quarantine_topic.py), where the journal is on Kafka."""
    return _journal(settings, "quarantine")


def _journal(settings: Settings, part: str) -> Journal:
    if kafka := settings.journal_engine.kafka:
        try:
            from soc_core.journal.kafka import KafkaJournal
        except ModuleNotFoundError:
            raise ValueError("a journal on Kafka needs the package confluent-kafka "
                             "(SOC_LOCK=deploy/requirements.lock ./soc doctor installs it)") from None
        topic = f"{kafka.topic}.{part}" if part else kafka.topic
        return KafkaJournal(kafka.servers, topic, settings.partitions, replication=kafka.replication,
                            patience=kafka.patience, keep=kafka.keep and not part, options=kafka.options)
    from soc_core.journal.files import FileJournal

    return FileJournal(settings.journal / part, partitions=settings.partitions)


def has_journal(settings: Settings) -> bool:
    """Whether anything was ever received. A broker is not asked: what it says is for those who read."""
    return settings.journal_engine.kafka is not None or (settings.journal / "journal.json").exists()


def open_store(settings: Settings, realm: str) -> EventStore:
    """The events of one realm."""
    if settings.event_engine.elastic:
        return elastic(settings, realm)
    from soc_core.store.embedded import EmbeddedStore

    return EmbeddedStore(settings.events(realm))


def elastic(settings: Settings, realm: str) -> ElasticStore:
    """The same where the cluster itself is wanted. Raises ValueError when soc.yaml names none."""
    from soc_core.store.elastic import open_store as opened

    if settings.event_engine.elastic is None:
        raise ValueError("soc.yaml names no Elasticsearch (events: {elastic: {urls: […]}})")
    return opened(settings.event_engine.elastic, realm)


def realms(settings: Settings) -> list[str]:
    """Realms that hold events, real first. Raises OSError when the cluster does not answer."""
    if settings.event_engine.elastic:
        store = elastic(settings, REAL)
        try:
            found = store.realms()
        finally:
            store.close()
    else:
        folder = settings.events(REAL).parent
        found = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(found, key=lambda name: (name != REAL, name))


def impatient(settings: Settings) -> Settings:
    """The same for one who only looks: an engine that is away is not waited for as a writer would."""
    changes: dict[str, Events | Stream] = {}
    if elastic := settings.event_engine.elastic:
        changes["event_engine"] = Events(elastic=elastic.model_copy(update={"patience": 0.0}))
    if kafka := settings.journal_engine.kafka:
        changes["journal_engine"] = Stream(kafka=kafka.model_copy(update={"patience": min(kafka.patience, LOOK)}))
    return settings.model_copy(update=changes)
