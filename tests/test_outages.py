"""A real screen through every outage: never black, no other person's words, live again at once, every proof once.

The gateway, headquarters and broker are processes; a tap is a card at an emulated reader. A cut of the network is one
of links between namespaces, where root may make some. `make outages` runs five rounds with the device's own time; the
short form winds it forward where the page has to wait.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from drivers import tags
from gateway.emulator.cards import type2
from gateway.emulator.chip import Pn532Rig
from tests.rigs.browser import chromium, chromium_path
from tests.rigs.figures import Tell
from tests.rigs.frames import luminance
from tests.rigs.network import Cut, network
from tests.rigs.system import System, post, wait_for
from tests.rigs.wire import Wire, wire

ROUNDS = int(os.environ.get("OUTAGE_ROUNDS", "0"))  # 0: the short form
pytestmark = [pytest.mark.browser, pytest.mark.broker, pytest.mark.timeout(300 + 600 * ROUNDS)]

Shop = tuple[System, Pn532Rig]
NAME = "Zyxwina"  # of nobody, and in no word of a page
CARD = "https://card.example/1"
KILLED = "killed and started again"
STOPPED = "browser stopped and woken"
NEUTRAL_S, LIVE_S = 25.0, 5.0
HOUR_S = 3_600
TABLES = """
[[source]]
path = "nfc:{chip}"
receiver = "coffee-nfc"
[[receiver]]
id = "coffee-nfc"
zone = "coffee"
screen = "coffee"
[[screen]]
id = "coffee"
zone = "coffee"
"""


def ops() -> list[dict]:
    """Two offers for everyone, and a member whose name may stand on the screen."""
    text = {"de": "Kaffee", "en": "Coffee"}
    notice = {"version": "1", "controller": "Muster GmbH", "contact": "privacy@muster.example", "text": text}
    shop = {
        "store_name": text,
        "zones": {"coffee": text},
        "notice": notice,
        "contact_gap_ms": 0,
        "dialogue_ms": 300_000,
    }
    made = [{"op": "config.put", "body": shop | {"contacts_per_day": 1000}}]
    for art in ("tea", "bread"):
        title = {"de": f"Für alle: {art}", "en": f"For everyone: {art}"}
        body = {"offer_id": f"all-{art}", "title": title, "text": title, "art": art, "audience": "everyone"}
        made.append({"op": "offer.put", "body": body})
    made.append({"op": "member.put", "body": {"member_id": "m-1", "call_name": NAME}})
    card = {"credential_id": "c-1", "member_id": "m-1", "kind": "ndef", "value": CARD.encode().hex()}
    made.append({"op": "credential.put", "body": card})
    for purpose in ("recognise_nfc", "personalise_offers", "public_personal_greeting"):
        record = {"event_id": f"e-{purpose}", "member_id": "m-1", "purpose": purpose, "state": "given"}
        made.append({"op": "consent.add", "body": record | {"given_at_ms": 1, "notice_version": "1"}})
    return made


class Outage:
    """One screen at the end of a wire, and what may befall it."""

    def __init__(self, shop: Shop, line: Wire, browser: Browser) -> None:
        (self.system, self.chip), self.line, self.browser, self.real = shop, line, browser, ROUNDS > 0
        self.page = self.open()
        self.seen: set[str] = set()  # proofs that were kept when an outage ended
        self.took: list[tuple[str, float, float]] = []

    def open(self, shift_s: float = 0) -> Page:
        """The screen's page; its device's clock is `shift_s` ahead."""
        context = self.browser.new_context(viewport={"width": 640, "height": 360}, locale="de-DE")
        page = context.new_page()
        if not self.real or shift_s:
            page.clock.install(time=datetime.fromtimestamp(time.time() + shift_s))
        page.goto(f"http://{self.line.host}:{self.line.port}/screen?id=coffee")
        page.wait_for_selector("html[data-level]", state="attached")
        page.wait_for_function("() => document.querySelector('.slide.in')?.dataset.slide.startsWith('all-')")
        return page

    def wait(self, seconds: float) -> None:
        """Let the page's time pass, while its picture is looked at."""
        if self.real:
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                self.looks_right()
                self.page.wait_for_timeout(500)
            return
        for _ in range(round(seconds)):
            self.page.clock.run_for(1_000)
        self.looks_right()

    def looks_right(self) -> None:
        """Something is on the glass: light, and not of one colour. Where the page's time is wound on, what fades in
        real time may have just begun."""
        for tries in range(1 if self.real else 10, 0, -1):
            mean, spread = luminance(self.page.screenshot(animations="allow"))
            if mean > 8 and spread > 4:
                return
            assert tries > 1, (mean, spread)
            self.page.wait_for_timeout(100)

    def greet(self) -> None:
        """The member's name comes onto the screen, and the card goes."""
        self.chip.present(type2(tags.encode_uri(CARD)))
        expect(self.page.locator(".talk:not([hidden]) .hello")).to_have_text(re.compile(NAME), timeout=30_000)
        self.chip.remove()

    def leave(self, dialogue: str) -> None:
        """The member goes: at the gateway their dialogue is over, whatever the page knows of it."""
        told = {"dialogue_id": dialogue, "choice": "not_now"}
        post(f"{self.system.url}/api/v1/screens/coffee/answer", told)

    def now_s(self) -> float:
        """The page's own time."""
        return self.page.evaluate("() => performance.now()") / 1000

    def names_nobody(self) -> bool:
        return NAME not in self.page.evaluate(
            "() => document.documentElement.outerHTML + JSON.stringify([{...localStorage}, {...sessionStorage}])"
        )

    def neutral(self) -> bool:
        return self.names_nobody() and self.page.locator(".talk").is_hidden()

    def befalls(self, what: str, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """The outage `what` between `begin` and `end`, with a person's words on the screen as it begins."""
        self.greet()
        self.page.wait_for_function("() => document.documentElement.dataset.dialogue")
        dialogue = self.page.evaluate("() => document.documentElement.dataset.dialogue")
        began_s = self.now_s()
        begin()
        if what == STOPPED:
            began_s = self.now_s()  # nothing is on the glass but what was there; it counts from its waking
        if what != KILLED:
            self.leave(dialogue)
        while not self.neutral():
            assert self.now_s() - began_s < NEUTRAL_S, f"{what}: a name stands there still"
            if self.real:
                self.page.wait_for_timeout(200)
            else:
                self.page.clock.run_for(500)
        neutral_s = self.now_s() - began_s
        self.looks_right()
        self.wait(30)  # frames are shown, and proofs kept, with nobody to send them to
        # A browser that wakes is connected at once, and may be told the last, nameless word of that person's dialogue.
        assert self.names_nobody() if what == STOPPED else self.neutral(), what
        self.seen.update(self.kept())
        end()
        began_s = time.monotonic()
        wait_for(self.live, f"{what}: to be live again", 30)
        self.took.append((what, neutral_s, time.monotonic() - began_s))
        self.looks_right()
        wait_for(lambda: (self.page.wait_for_timeout(100), self.neutral())[1], f"{what}: to forget who has gone", 20)

    def live(self) -> bool:
        """Whether what the gateway sends is heard."""
        self.page.wait_for_timeout(50)
        return self.page.evaluate("() => document.querySelector('shop-screen').live.connected") is True

    def kept(self) -> list[str]:
        """The ids of proofs that the page still keeps."""
        stored = self.page.evaluate(
            "() => Object.keys(localStorage).filter((key) => key.startsWith('plays/'))"
            ".flatMap((key) => JSON.parse(localStorage.getItem(key)))"
        )
        return [one["play_id"] for one in stored]

    def proves_all(self) -> None:
        """What was shown while nobody listened stands at headquarters, each frame once."""
        assert len(self.seen) >= 4, "frames were shown while nobody listened"
        self.page.evaluate("document.querySelector('shop-screen').plays.send()")
        wait_for(lambda: (self.page.wait_for_timeout(100), not self.kept())[1], "the page to be rid of its proofs")
        events = wait_for(lambda: all_told(self.system, self.seen), "all proofs at headquarters")
        assert sorted(set(events)) == sorted(events), "each once"

    def was_quick(self, tell: Tell) -> None:
        for what, neutral_s, live_s in self.took:
            tell(f"{what}: neutral after {neutral_s:.1f} s, live {live_s:.1f} s after the return")
            assert neutral_s < NEUTRAL_S, what
            assert ROUNDS == 0 or live_s < LIVE_S, what  # real time, which the short form shares with other tests


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with (
        Pn532Rig() as chip,
        System(tmp_path_factory.mktemp("outage"), TABLES.format(chip=chip.path), ops()) as system,
    ):
        wait_for(lambda: system.receiver_is_up("coffee-nfc"), "the reader to listen")
        yield system, chip


@pytest.fixture
def outage(shop: Shop, browser: Browser) -> Iterator[Outage]:
    with wire(shop[0].http_port) as line:
        one = Outage(shop, line, browser)
        yield one
        one.page.context.close()


def test_a_screen_survives_every_outage_and_proves_all_it_showed(outage: Outage, tell: Tell) -> None:
    system, line = outage.system, outage.line

    def restart() -> None:
        system.gateway.start()
        wait_for(lambda: system.receiver_is_up("coffee-nfc"), "the gateway to be back")

    def back() -> None:
        line.set("pass")

    for _ in range(ROUNDS or 1):
        outage.befalls("half-open socket", lambda: line.set("stall"), back)
        outage.befalls("503 of a proxy", lambda: line.set("error"), back)
        outage.befalls("connections refused", lambda: line.set("refuse"), back)
        outage.befalls(KILLED, system.gateway.kill, restart)
        outage.befalls(STOPPED, lambda: stop(outage), lambda: None)
    outage.proves_all()
    outage.was_quick(tell)


def test_a_screen_survives_a_cut_of_the_network(shop: Shop, browser: Browser, tmp_path: Path, tell: Tell) -> None:
    cuts: dict[str, Cut] = {"cable pulled at the screen": "port", "network cut behind the switch": "switch"}
    with network() as net, wire(shop[0].http_port, net.listening()) as line:
        script = net.at_the_screen(chromium_path(), tmp_path)
        there = browser.browser_type.launch(executable_path=script, args=["--no-sandbox"])
        try:
            outage = Outage(shop, line, there)
            for what, where in list(cuts.items()) * (ROUNDS or 1):
                outage.befalls(what, partial(net.cut, where), partial(net.heal, where))
            outage.proves_all()
        finally:
            there.close()
    outage.was_quick(tell)


def all_told(system: System, wanted: set[str]) -> list[str]:
    """The ids of all plays at headquarters, [] while some are missing."""
    played = [event["body"] for event in system.events() if event["type"] == "screen.played"]
    told = [one["play_id"] for body in played for one in body["plays"]]
    return told if wanted <= set(told) else []


def stop(outage: Outage) -> None:
    """The browser is stopped for half a minute, as a board that sleeps; meanwhile its wire is dead."""
    outage.line.set("refuse")
    if outage.real:
        renderers = own_renderers()
        for pid in renderers:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(30)
        for pid in renderers:
            os.kill(pid, signal.SIGCONT)
    else:
        outage.page.clock.fast_forward(30_000)  # timers that were due fire once, as after sleep
    outage.line.set("pass")


def test_a_devices_clock_that_is_an_hour_off_changes_nothing(outage: Outage) -> None:
    now_s = time.time()
    for shift_s in (-HOUR_S, HOUR_S):
        page = outage.open(shift_s)
        off_s = page.evaluate("() => Date.now()") / 1000 - now_s
        assert abs(off_s - shift_s) < 600
        believed_s = page.evaluate("() => document.querySelector('shop-screen').clock.now()") / 1000
        assert abs(believed_s - time.time()) < 60
        page.clock.run_for(13_000)
        page.wait_for_function("() => Object.keys(localStorage).some((key) => key.startsWith('plays/'))")
        started_s = page.evaluate(
            "() => JSON.parse(Object.entries(localStorage).find(([key]) => key.startsWith('plays/'))[1])[0].started_ms"
        )
        assert abs(started_s / 1000 - time.time()) < 120
        page.context.close()


def own_renderers() -> list[int]:
    """The renderers among the processes that this one has started, and those that they have."""
    parents: dict[int, int] = {}
    renderers = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            pid = int(folder.name)
            parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                renderers.append(pid)
        except OSError:
            continue  # it has ended meanwhile

    def is_ours(pid: int) -> bool:
        while pid > 1:
            if pid == os.getpid():
                return True
            pid = parents.get(pid, 0)
        return False

    return [pid for pid in renderers if is_ours(pid)]
