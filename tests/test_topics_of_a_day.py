"""No personal data in topics, client ids or retained messages: a demo day is overheard, and a planted leak is found."""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from drivers.people import population
from sync.hq import service
from tests.rigs.mqttspy import MqttSpy, Published, Said
from tests.rigs.system import Process, System, wait_for

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

MEMBERS = 12
OPS = population(1, MEMBERS)
SPEED = 480  # a day of eight hours in a minute; the short form is a morning
DAY_S = float(os.environ.get("DEMO_DAY_S", "15"))
PLACES = "".join(f'[[screen]]\nid = "{zone}"\nzone = "{zone}"\n' for zone in ("entrance", "coffee", "wine"))
PLACES += "".join(
    f'[[receiver]]\nid = "{zone}-ble"\nzone = "{zone}"\n' for zone in ("entrance", "coffee", "wine", "till")
)
PLACES += '[[receiver]]\nid = "coffee-nfc"\nzone = "coffee"\nscreen = "coffee"\n'
PLACES += '[[receiver]]\nid = "entrance-nfc"\nzone = "entrance"\nscreen = "entrance"\n'
PLACES += '[[receiver]]\nid = "wine-nfc"\nzone = "wine"\nadvice = true\n'


def strings(value: Any) -> Iterator[str]:
    """Every text in a value of an order about a member, but for words of the contract itself."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("kind", "purpose", "state", "language", "channel", "notice_version", "trackable_wording"):
                yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str) and len(value) >= 3:
        yield value.lower()


PERSONAL = {
    word for op in OPS if op["op"] in ("member.put", "credential.put", "consent.add") for word in strings(op["body"])
}


def leaks(said: Said, retained: list[tuple[bytes, bytes]]) -> list[str]:
    """Where something personal stands that may not: topics, client ids, users, retained payloads."""
    places = [("client", one) for one in said.clients + said.users]
    places += [("topic", one) for one in [*said.subscribed, *(one.topic for one in said.published)]]
    places += [("retained", one.payload) for one in said.published if one.retain]
    places += [("retained", topic + payload) for topic, payload in retained]
    return [f"{where}: {word}" for where, text in set(places) for word in PERSONAL if has(text.lower(), word.encode())]


def has(text: bytes, word: bytes) -> bool:
    """Whether a word stands in a text by itself: Eve is not in "events"."""
    return re.search(rb"(?<![a-z0-9])" + re.escape(word) + rb"(?![a-z0-9])", text) is not None


def retained_at(port: int) -> list[tuple[bytes, bytes]]:
    """What a broker keeps for whoever comes next."""
    found: list[tuple[bytes, bytes]] = []
    ready = threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="late", protocol=mqtt.MQTTv311)
    client.on_connect = lambda one, *_: one.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: (
        found.append((message.topic.encode(), message.payload)) if message.retain else None
    )
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert ready.wait(10)
    time.sleep(1.0)
    client.disconnect()
    client.loop_stop()
    return found


def types_of(events: list[Any]) -> set[str]:
    return {event["type"] for event in events}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Said, list[tuple[bytes, bytes]], list[Any]]]:
    folder = tmp_path_factory.mktemp("day")
    source = f'[[source]]\npath = "sim:1?members={MEMBERS}&strangers=20&speed={SPEED}"\n'
    system = System(folder, source + PLACES, OPS)
    spy = MqttSpy(system.broker.port)
    text = system.config.read_text()
    assert text.count(f"port = {system.broker.port}\n") == 1
    system.config.write_text(text.replace(f"port = {system.broker.port}\n", f"port = {spy.port}\n"))
    hq = ["hq", "serve", "--db", str(system.hq_db), "--port", str(system.hq_port), "--mqtt-port", str(spy.port)]
    system.hq = Process(hq, folder / "hq.log")
    try:
        with system:
            wait_for(lambda: len(system.events()) > 20, "the day to begin", 120)
            member = str(next(op["body"]["member_id"] for op in OPS if op["op"] == "member.put"))
            service.withdraw(system.hq_db, member, None, time.time_ns() // 1_000_000)
            service.erase(system.hq_db, member)
            time.sleep(DAY_S)
            wait_for(lambda: {"visit.left", "decision.made"} <= types_of(system.events()), "somebody to leave")
            yield spy.said, retained_at(system.broker.port), system.events()
    finally:
        spy.close()


def test_the_day_was_a_whole_one_and_was_overheard(day) -> None:
    said, retained, events = day
    assert {"visit.entered", "visit.left", "decision.made"} <= types_of(events)
    assert {event["member_id"] for event in events} & PERSONAL, "payloads name members, so there was something to leak"
    assert len(said.clients) >= 2
    leaves = {one.topic.rsplit(b"/", 1)[1] for one in said.published}
    assert {b"events", b"state", b"req", b"ack", b"head", b"delta"} <= leaves
    assert {topic.rsplit(b"/", 1)[1] for topic, _ in retained} == {b"state", b"head"}


def test_nothing_personal_is_in_topics_client_ids_or_retained_messages(day) -> None:
    said, retained, _ = day
    assert len(PERSONAL) > 50
    assert leaks(said, retained) == []


@pytest.mark.parametrize("where", ["client", "user", "topic", "subscription", "will", "retained"])
def test_a_planted_leak_is_found(day, where: str) -> None:
    said, retained, _ = day
    planted = Said(list(said.clients), list(said.users), list(said.subscribed), list(said.published))
    kept = list(retained)
    word = next(op["body"]["call_name"] for op in OPS if op["op"] == "member.put").encode()
    match where:
        case "client":
            planted.clients.append(b"tablet-of-" + word)
        case "user":
            planted.users.append(word)
        case "topic":
            planted.published.append(Published(b"rg/1/t/s/g/up/" + word, b"", False))
        case "subscription":
            planted.subscribed.append(b"rg/1/t/s/g/down/" + word)
        case "will":
            planted.published.append(Published(b"rg/1/t/s/g/up/state", json.dumps({"n": word.decode()}).encode(), True))
        case "retained":
            kept.append((b"rg/1/t/s/g/down/head", b'{"for":"' + word + b'"}'))
    assert leaks(planted, kept) != []
