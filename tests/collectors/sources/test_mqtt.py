"""MQTT against a real mosquitto: acknowledged when durable, kept while away, taken up again."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from collectors.sources.mqtt import MqttSource
from soc_core.journal.files import FileJournal
from tests.collectors.sources.batches import take
from tests.collectors.sources.certificates import Authority
from tests.soc_core.journal.suite import lines_of

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/sbin:/bin")


class Broker:
    """A mosquitto that can be ended and started again on its port, keeping its sessions."""

    def __init__(self, folder: Path, more: str = "allow_anonymous true") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"user root\nlistener {self.port} 127.0.0.1\npersistence true\n"
                                f"persistence_location {folder}/\nautosave_interval 1\n{more}\n")
        self._log = folder / "mosquitto.log"
        self.start()

    def start(self) -> None:
        assert MOSQUITTO is not None
        with self._log.open("a") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=log, stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        pytest.fail(self._log.read_text())

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def publish(self, topic: str, payloads: list[bytes], qos: int = 1) -> None:
        client = Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for told in [client.publish(topic, payload, qos) for payload in payloads]:
            told.wait_for_publish(10)
        client.disconnect()
        client.loop_stop()

    def source(self, **options: object) -> MqttSource:
        made = MqttSource(f"mqtt://127.0.0.1:{self.port}", ["city/#"], "iot", zone="field", retry=(1, 1),
                          **options)  # type: ignore[arg-type]
        wait(lambda: made.connected)
        time.sleep(0.1)  # the subscription follows the connection
        return made


def wait(true: object, patience: float = 15.0) -> None:
    until = time.monotonic() + patience
    while not true() and time.monotonic() < until:  # type: ignore[operator]
        time.sleep(0.01)
    assert true()  # type: ignore[operator]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    made = Broker(tmp_path)
    yield made
    made.end()


def pump(source: MqttSource, journal: FileJournal, count: int) -> int:
    """Take, write, acknowledge, as the collector does."""
    done, until = 0, time.monotonic() + 20
    while done < count and time.monotonic() < until:
        raws, position = source.next_batch()
        if raws:
            journal.append(raws)
            source.ack(position)
            done += sum(len(one.lines) for one in raws)
        time.sleep(0.002)
    return done


def test_messages_of_topics_are_sources(broker: Broker, tmp_path: Path) -> None:
    source, journal = broker.source(format="text"), FileJournal(tmp_path / "j", partitions=1)
    told = [b'{"door": %d}' % n for n in range(300)]
    broker.publish("city/door 1/state", told)
    broker.publish("city/cam", [b"\xff\x00 bytes", b"", b"x" * ((1 << 20) + 1)], qos=0)
    broker.publish("elsewhere", [b"not ours"])
    assert pump(source, journal, 302) == 302
    assert lines_of(journal, "mqtt:iot/city/door_1/state") == told
    assert lines_of(journal, "mqtt:iot/city/cam")[0] == b"\xff\x00 bytes"
    assert source.counters() == {"received": 302, "connected": 1, "reconnects": 0, "waiting_bytes": 0}
    (frame,) = [frame for frame in journal.read(0, 0, 1000) if frame.raws.damaged]
    assert list(frame.raws.damaged.values()) == ["line over 1 MiB"]
    assert (frame.raws.origin.format, frame.raws.origin.zone) == ("text", "field")
    source.close()
    journal.close()


def test_what_was_not_acknowledged_comes_again_and_the_rest_does_not(broker: Broker) -> None:
    source = broker.source()
    broker.publish("city/a", [b"1", b"2"])
    _, positions = take(source, 2)
    for position in positions:
        source.ack(position)
    broker.publish("city/a", [b"3"])
    assert len(take(source, 1)[0]) == 1  # and never acknowledged
    source.close()
    broker.publish("city/a", [b"4"])  # while nobody listens
    source = broker.source()
    found, _ = take(source, 2)
    assert [line for raws in found for line in raws.lines] == [b"3", b"4"]
    assert take(source, 1, 0.3) == ([], [])
    source.close()


def test_the_broker_is_asked_for_no_more_than_is_acknowledged(broker: Broker) -> None:
    source = broker.source()
    broker.publish("city/a", [b"%d" % n for n in range(100)])
    first, positions = take(source, 100, 0.5)
    held = sum(len(raws.lines) for raws in first)
    assert 0 < held < 100  # mosquitto's max_inflight_messages
    for position in positions:
        source.ack(position)
    rest, _ = take(source, 1)
    assert rest
    source.close()


def test_a_broker_that_goes_and_comes(broker: Broker, tmp_path: Path) -> None:
    source, journal = broker.source(), FileJournal(tmp_path / "j", partitions=1)
    broker.publish("city/a", [b"before"])
    assert pump(source, journal, 1) == 1
    time.sleep(1.5)  # it saves its sessions every second
    broker.end()
    wait(lambda: not source.connected)
    broker.start()
    broker.publish("city/a", [b"after"])
    assert pump(source, journal, 1) == 1
    assert lines_of(journal, "mqtt:iot/city/a") == [b"before", b"after"]
    assert source.counters()["reconnects"] == 1
    source.close()
    journal.close()


def test_stop_leaves_what_comes_later_to_the_broker(broker: Broker) -> None:
    source = broker.source()
    source.stop()
    broker.publish("city/a", [b"later"])
    assert take(source, 1, 0.3) == ([], [])
    assert source.drained()
    source.close()
    source = broker.source()
    assert [list(raws.lines) for raws in take(source, 1)[0]] == [[b"later"]]
    source.close()


def test_over_tls_with_a_password(tmp_path: Path) -> None:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    authority = Authority(tmp_path)
    certificate, key = authority.issue("broker")
    accounts = tmp_path / "accounts"
    accounts.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(accounts), "soc", "secret-of-the-test"], check=True)
    broker = Broker(tmp_path, f"cafile {authority.ca}\ncertfile {certificate}\nkeyfile {key}\n"
                              f"allow_anonymous false\npassword_file {accounts}")
    made = [MqttSource(f"mqtts://localhost:{broker.port}", ["a"], user="soc", password=password, authority=authority.ca,
                       client=password) for password in ("secret-of-the-test", "wrong")]
    wait(lambda: made[0].connected)
    assert not made[1].connected
    for source in made:
        source.close()
    broker.end()


def message(number: int, payload: bytes, dup: bool = False) -> MQTTMessage:
    made = MQTTMessage(number, b"city/a")
    made.payload, made.qos, made.dup = payload, 1, dup
    return made


def test_numbers_of_a_lost_session_are_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    source = MqttSource("mqtt://127.0.0.1:9", ["city/#"])
    told: list[int] = []
    monkeypatch.setattr(source._client, "ack", lambda number, qos: told.append(number))
    monkeypatch.setattr(source._client, "subscribe", lambda topics: None)
    fine = SimpleNamespace(is_failure=False)
    source._connect(source._client, None, SimpleNamespace(session_present=False), fine, None)
    source._message(source._client, None, message(1, b"one"))
    source._message(source._client, None, message(2, b"two"))
    source._message(source._client, None, message(2, b"two", dup=True))
    raws, first = source.next_batch()
    assert [list(one.lines) for one in raws] == [[b"one", b"two"]]
    source._connect(source._client, None, SimpleNamespace(session_present=True), fine, None)
    source.ack(first[:1])
    source._connect(source._client, None, SimpleNamespace(session_present=False), fine, None)
    source._message(source._client, None, message(2, b"another"))
    source.ack(first[1:])
    assert told == [1]
    source.ack(source.next_batch()[1])
    assert told == [1, 2]
    source.close()


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "broker", "mqtt:1883"])
def test_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a broker"):
        MqttSource(url, ["a"])
