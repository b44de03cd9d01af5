"""What `./soc collect` does: opens the doors that soc.yaml names, and runs the collector until it is told to stop."""

from __future__ import annotations

import logging
import os
import resource
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from collectors.canary import Door, Sender
from collectors.collect import Collector
from collectors.parse import detect
from collectors.sources._streams import context as server_side
from collectors.sources.database import DatabaseSource
from collectors.sources.drop_folder import DropSource
from collectors.sources.files import Ledger
from collectors.sources.http import HttpSource
from collectors.sources.probes import ProbeSource
from collectors.sources.relp import RelpSource
from collectors.sources.syslog_tcp import SyslogTcp
from collectors.sources.syslog_tls import SyslogTls
from collectors.sources.syslog_udp import SyslogUdp
from collectors.sources.tail import TailSource
from soc_cli.wiring import Platform, held
from soc_core import clock, logs
from soc_core.config import Settings
from soc_core.models import REAL
from soc_core.protocols import Source
from soc_core.state import canaries as canary_state
from soc_core.state import collectors, commits
from soc_core.state.canaries import Canary

log = logging.getLogger(__name__)
SEED = 1  # of the demo traffic
VALUES = {"C1": 3, "C2": 2, "C3": 1}  # a higher one is shed later


def run(settings: Settings, demo: bool) -> int:
    """Collect until SIGTERM or SIGINT. Returns the exit status. Raises OSError when a door is taken."""
    logs.setup("collect")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a thousand open senders must not cost us the journal
    place = settings.data / "run"
    real = place / "real_seen"  # there once a real source has sent: the demonstration is over
    alone = held(place / "collect.lock", "another ./soc collect runs on this data directory")
    with alone, Platform(settings) as platform:
        sources = doors(settings, platform)
        shows = {"demo": _demo(platform)} if demo and not real.exists() else {}
        if not sources and not shows:
            raise ValueError("nothing to collect: all ports are 0 and there are no tails, drops, mqtt or databases "
                             "(listen:, tails: in soc.yaml)")
        collector = Collector(platform.journal, sources, shows, on_real=real.touch,
                              on_shed=lambda door, count: _shed(platform, door, count),
                              on_counts=lambda counts: _tell(platform, counts))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: collector.ended.set())
        collector.start()
        canaries = _canaries(settings, platform)
        log.info("collecting into %s: %s", settings.journal, ", ".join([*sources, *shows]))
        collector.ended.wait()
        log.info("stopping")
        _silent(canaries, platform)
        collector.stop()
        log.info("stopped")
    return 1 if collector.failure else 0


def _canaries(settings: Settings, platform: Platform) -> Sender | None:
    """What sends marked records through our own doors; None where that is off, or nothing listens."""
    listen, found = settings.listen, dict[str, Door]()
    ports = {"syslog-udp": listen.syslog_udp, "syslog-tcp": listen.syslog_tcp, "http": listen.http,
             "relp": listen.relp, "syslog-tls": listen.syslog_tls, "relp-tls": listen.relp_tls}
    for kind, port in ports.items():
        if port and not (kind.endswith("-tls") and (listen.tls is None or listen.tls.clients)):
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104 - asked for by soc.yaml
            found[f"{kind}:{port}"] = Door(kind, host, port, ingest_token(settings.data) if kind == "http" else "")
    if not found or not settings.canary_minutes:
        return None

    def tell(sent: list[Canary]) -> None:
        with platform.state.begin() as session:
            canary_state.note(session, sent)

    sender = Sender(found, platform.canary_key, 60 * settings.canary_minutes, tell)
    sender.start()
    return sender


def _silent(sender: Sender | None, platform: Platform) -> None:
    """End it, and let nobody wait for what it no longer sends."""
    if sender is not None:
        sender.close()
        with suppress(OSError), platform.state.begin() as session:
            canary_state.leave(session, sender.collector)


def _shed(platform: Platform, door: str, count: int) -> None:
    """Records that a door turned away: received, and shed, of the door itself, as nobody looked whose they were."""
    with platform.state.begin() as session:
        commits.shed(session, door, REAL, count)


def _tell(platform: Platform, counts: dict[str, Any]) -> None:
    """How it stands here, for whoever looks from another machine."""
    with platform.state.begin() as session:
        collectors.tell(session, f"{socket.gethostname()}:{platform.settings.data}", counts, clock.now())


def doors(settings: Settings, platform: Platform) -> dict[str, Source]:
    """Everything that is to listen or to be followed, opened; nothing stays open when one of them cannot be."""
    listen, opened = settings.listen, dict[str, Source]()
    common, value = {"zone": listen.zone, "timezone": listen.timezone}, worth(platform, listen.zone)
    try:
        if port := listen.syslog_udp:
            opened[f"syslog-udp:{port}"] = SyslogUdp(listen.host, port, **common, value=value)
        if port := listen.syslog_tcp:
            opened[f"syslog-tcp:{port}"] = SyslogTcp(listen.host, port, **common)
        if port := listen.http:
            tokens = {"default": ingest_token(settings.data)}
            opened[f"http:{port}"] = HttpSource(tokens, detect, listen.host, port, **common, value=value)
        if port := listen.relp:
            opened[f"relp:{port}"] = RelpSource(listen.host, port, None, **common)
        if tls := listen.tls:
            context = server_side(tls.certificate, tls.key, tls.clients)
            if port := listen.syslog_tls:
                opened[f"syslog-tls:{port}"] = SyslogTls(context, listen.host, port, **common)
            if port := listen.relp_tls:
                opened[f"relp-tls:{port}"] = RelpSource(listen.host, port, context, **common)
        if settings.probes.on:
            opened["probe"] = ProbeSource(settings.probes, timezone=settings.timezone)
        for name, source in followed(settings, platform):
            if name in opened:
                source.close()
                raise ValueError(f"soc.yaml names {name} twice")
            opened[name] = source
    except BaseException:
        for source_ in opened.values():
            source_.close()
        raise
    return opened


def worth(platform: Platform, zone: str) -> Callable[[str], int]:
    """The value of what a peer sends, by its system: 3 for C1 … 1 for C3, 0 for whom nobody knows."""

    @lru_cache(65_536)
    def value(peer: str) -> int:
        try:
            owner = platform.inventory.locate(zone, peer)
        except ValueError:
            return 0
        system = platform.inventory.systems.get(owner.system) if owner else None
        return VALUES[system.criticality] if system else 0

    return value


def followed(settings: Settings, platform: Platform) -> Iterator[tuple[str, Source]]:
    """What is fetched rather than sent: (name, source)."""
    if not (settings.tails or settings.drops or settings.databases or settings.mqtt):
        return
    end = platform.journal.tail
    for tail in settings.tails:
        source = TailSource(tail.path, end, settings.journal / "tails", detect, **tail.model_dump(exclude={"path"}))
        yield source.source, source
    ledger = Ledger(settings.journal / "files.jsonl")
    for drop in settings.drops:
        landing = DropSource(drop.path, ledger, end, detect, **drop.model_dump(exclude={"path"}))
        yield landing.source, landing
    for poll in settings.databases:
        options = poll.model_dump(exclude={"password_file"}) | {"password": _secret(poll.password_file)}
        rows = DatabaseSource(tail=end, detect=detect, **options)
        yield rows.source, rows
    for one in settings.mqtt:
        try:
            from collectors.sources.mqtt import MqttSource
        except ModuleNotFoundError:
            raise ValueError("mqtt: in soc.yaml needs the package paho-mqtt "
                             "(SOC_LOCK=deploy/requirements.lock ./soc doctor installs it)") from None
        messages = MqttSource(**one.model_dump(exclude={"password_file"}), password=_secret(one.password_file))
        yield messages.name, messages


def _secret(file: Path | None) -> str:
    """The first line of a file that holds a password."""
    return file.read_text().partition("\n")[0].strip() if file else ""


def ingest_token(data: Path) -> str:
    """The bearer token of the HTTP door; made at the first start, readable by its owner alone."""
    place = data / "secrets" / "ingest_token"
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
        log.info("the token for HTTP ingest is in %s", place)
    token = place.read_text().strip()
    if not token:
        raise ValueError(f"{place} is empty; delete it to have a new token made")
    return token


def _demo(platform: Platform) -> Source:
    from simulate.demo import DemoSource

    return DemoSource(SEED, platform.inventory, platform.journal.tail)
