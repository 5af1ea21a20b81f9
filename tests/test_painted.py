"""From the air to the glass: an advertisement on a BlueZ bus and a card at a PN532 each change a page in Chromium."""

import asyncio
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page

from drivers import frames, tags
from gateway import keys
from gateway.core import eid
from gateway.core.discretion import JITTER_MS
from gateway.emulator.cards import type2, type4
from gateway.emulator.chip import Pn532Rig
from tests.rigs.bluez import FakeBluez
from tests.rigs.broker import free_port
from tests.rigs.browser import chromium
from tests.rigs.figures import Tell
from tests.rigs.system import Process, System, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.broker, pytest.mark.timeout(240)]

TAPS = 6
VISITS = 2
TABLES = """
[[source]]
path = "ble:hci0"
receiver = "coffee-ble"
[[source]]
path = "nfc:{chip}"
receiver = "coffee-nfc"
[[receiver]]
id = "coffee-ble"
zone = "coffee"
[[receiver]]
id = "coffee-nfc"
zone = "coffee"
screen = "coffee"
[[screen]]
id = "coffee"
zone = "coffee"
"""


class Air:
    """A fake BlueZ in its own thread and loop, so that it runs apart from the gateway and from the test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.bluez = FakeBluez()
        self.do(self.bluez.__aenter__())

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self.do(self.bluez.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def air() -> Iterator[Air]:
    one = Air()
    try:
        yield one
    finally:
        one.close()


def ops() -> list[dict]:
    """Members who all like coffee, so that company never silences the screen, and no pause between contacts."""
    text = {"de": "Kaffee", "en": "Coffee"}
    notice = {"version": "1", "controller": "Muster GmbH", "contact": "privacy@muster.example", "text": text}
    shop = {"store_name": text, "zones": {"coffee": text}, "notice": notice, "contact_gap_ms": 0}
    offer = {
        "offer_id": "espresso",
        "title": text,
        "text": text,
        "interests": ["coffee"],
        "public_safe": True,
        "category": "coffee",
    }
    made = [{"op": "config.put", "body": shop | {"contacts_per_day": 1000}}, {"op": "offer.put", "body": offer}]
    for number in range(VISITS):
        member = f"m-{number}"
        card = {"kind": "ndef", "value": card_uri(number).encode().hex()}
        beacon = {"kind": "eid", "identity_key": identity_key(number).hex(), "exponent": 10, "clock_zero_s": 0}
        made.append({"op": "member.put", "body": {"member_id": member, "call_name": "Mia", "interests": ["coffee"]}})
        for name, body in (("card", card), ("beacon", beacon)):
            made.append({"op": "credential.put", "body": body | {"credential_id": member + name, "member_id": member}})
        for purpose in ("recognise_ble", "recognise_nfc", "personalise_offers"):
            record = {"event_id": member + purpose, "member_id": member, "purpose": purpose, "state": "given"}
            made.append({"op": "consent.add", "body": record | {"given_at_ms": 1, "notice_version": "1"}})
    return made


def card_uri(number: int) -> str:
    return f"https://card.example/{number}"


def identity_key(number: int) -> bytes:
    return bytes([number]) * 16


# Milliseconds of the wall clock at which the page's attribute took on a value after the paint that showed it.
WATCH = """(name) => {
  const root = document.documentElement;
  window.seen = [];
  window.watching?.disconnect();  // or a change of what was watched before counts too
  window.watching = new MutationObserver(() => window.seen.push([Date.now(), root.getAttribute(name) || ""]));
  window.watching.observe(root, {attributes: true, attributeFilter: [name]});
}"""


def advertise(sky: Air, number: int, rssi_dbm: int) -> float:
    """One advertisement of this member's beacon; when it was sent, in milliseconds of the wall clock."""
    value = eid.eid(identity_key(number), int(time.time()), 10)
    sent_ms = time.time() * 1000
    sky.do(sky.bluez.advertise(f"C2:00:00:00:00:{number:02X}", rssi_dbm, frames.encode_eid(value, -20)))
    return sent_ms


def report(tell: Tell, what: str, values: list[float]) -> None:
    ordered = sorted(values)
    p95 = ordered[max(0, round(len(ordered) * 0.95) - 1)]
    tell(f"{what}: median {statistics.median(values):.0f} ms, p95 {p95:.0f} ms, n = {len(values)}")


def test_an_advertisement_and_a_tap_reach_the_glass(tmp_path: Path, tell: Tell) -> None:
    with air() as sky, Pn532Rig() as chip, chromium() as browser:
        environment = {"DBUS_SYSTEM_BUS_ADDRESS": sky.bluez.address}
        with System(tmp_path, TABLES.format(chip=chip.path), ops(), environment) as system:
            for receiver in ("coffee-ble", "coffee-nfc"):
                wait_for(lambda r=receiver: system.receiver_is_up(r), f"{receiver} to listen")
            page = browser.new_page()
            page.goto(f"{system.url}/screen?id=coffee")
            page.wait_for_selector("html[data-level='L0']", state="attached")
            radio_ms = [by_radio(sky, page, number, system) for number in range(VISITS)]
            taps = {
                kind: [by_tap(chip, page, make(tags.encode_uri(card_uri(n % VISITS)))) for n in range(TAPS)]
                for kind, make in (("Type 2", type2), ("Type 4", type4))
            }
            events = wait_for(lambda: len(system.events()) >= VISITS and system.events(), "the events at HQ")
    report(tell, "radio, decided after the discreet wait -> painted", radio_ms)
    for kind, values in taps.items():
        report(tell, f"{kind} card in the field -> painted", values)
    assert {"visit.entered", "decision.made"} <= {event["type"] for event in events}
    assert all(value > 0 for values in taps.values() for value in values)


ALONE = """
[gateway]
tenant = "test"
store = "musterstadt"
id = "gw1"
data_dir = "{data}"
[http]
port = {port}
[[source]]
path = "nfc:{chip}"
receiver = "coffee-nfc"
[[receiver]]
id = "coffee-nfc"
zone = "coffee"
"""


def test_a_pulled_reader_is_told_on_the_tablet(tmp_path: Path, tell: Tell) -> None:
    config, data, url = tmp_path / "gateway.toml", tmp_path / "data", f"http://127.0.0.1:{(port := free_port())}"
    gateway = Process(["run", "--config", str(config)], tmp_path / "log")
    with Pn532Rig() as chip, chromium() as browser, ExitStack() as end:
        config.write_text(ALONE.format(data=data, port=port, chip=chip.path))
        end.callback(gateway.stop)
        gateway.start()
        wait_for(lambda: '"receiver:coffee-nfc":"ok"' in asked(f"{url}/healthz"), "the reader to listen")
        page = browser.new_page(locale="de-DE")
        page.goto(f"{url}/tablet?key={keys.tablet_key(data)}")
        page.wait_for_selector("staff-tablet[data-live=yes]")
        began_s = time.monotonic()
        chip.unplug()
        bar = page.wait_for_selector(".faults li[data-receiver='coffee-nfc']", timeout=30_000)
        took_s = time.monotonic() - began_s
        assert bar is not None and "Der Kartenleser „coffee“ wurde abgezogen." in bar.inner_text()
    tell(f"reader pulled -> on the tablet: {took_s:.1f} s")


def asked(url: str) -> str:
    """The body at `url`; empty while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def decision(system: System, decision_id: str) -> list[dict]:
    return [event for event in system.events() if event["body"].get("decision_id") == decision_id]


def by_radio(sky: Air, page: Page, number: int, system: System) -> float:
    """A member comes and stands: from the decision, after the discreet wait, to the painted offer.

    The wait is the product's intent and of random length: it is asserted, and no part of the figure.
    """
    page.evaluate(WATCH, "data-decision")
    before = page.evaluate("() => document.documentElement.dataset.decision || ''")
    began_ms = time.time() * 1000
    for count in range(240):
        advertise(sky, number, -58 - count % 3)
        time.sleep(0.25)
        shown = page.evaluate("(before) => window.seen.find(([, value]) => value && value !== before)", before)
        if shown:
            assert shown[0] - began_ms >= JITTER_MS[0]
            decided = partial(decision, system, shown[1])
            made = wait_for(decided, "the decision at headquarters")
            return float(shown[0] - made[0]["at_ms"])
    raise AssertionError("the screen did not change")


def by_tap(chip: Pn532Rig, page: Page, card: dict) -> float:
    """From the card in the field to the painted dialogue of the person who taps."""
    page.evaluate(WATCH, "data-dialogue")
    before = page.evaluate("() => document.documentElement.dataset.dialogue || ''")
    skew_ms = time.time() * 1000 - time.monotonic_ns() / 1e6
    in_field_ms = chip.present(card) / 1e6 + skew_ms
    shown = page.wait_for_function(
        "(before) => window.seen.find(([, value]) => value && value !== before)", arg=before, timeout=30_000
    ).json_value()
    chip.remove()
    time.sleep(1.0)  # out of the field long enough for the next card to be a new tap
    return shown[0] - in_field_ms
