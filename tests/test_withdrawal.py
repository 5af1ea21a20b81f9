"""A withdrawal at headquarters empties the member's screens and tablet cards; prints how long it took."""

import statistics
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from drivers import tags
from drivers.people import population
from gateway.emulator.cards import type2
from gateway.emulator.chip import Pn532Rig
from tests.rigs.browser import chromium
from tests.rigs.figures import Tell
from tests.rigs.system import System, post, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.broker, pytest.mark.timeout(240)]

MEMBER = "m-001"
ROUNDS = 5
TABLES = """
[[source]]
path = "nfc:{coffee}"
receiver = "coffee-nfc"
[[source]]
path = "nfc:{advice}"
receiver = "advice-nfc"
[[receiver]]
id = "coffee-nfc"
zone = "coffee"
screen = "coffee"
[[receiver]]
id = "advice-nfc"
zone = "wine"
advice = true
[[screen]]
id = "coffee"
zone = "coffee"
"""
# The name stands on the screen and on the tablet; what is asked for is the moment when it stands on neither.
SAYS = "(name) => document.body.innerText.includes(name)"
EMPTY = "(name) => !document.body.innerText.includes(name) && Date.now()"


def ops() -> list[dict]:
    changed = population(1, 12)
    for op in changed:
        if op["op"] == "config.put":
            op["body"] |= {"dialogue_ms": 120_000}
    return changed


def own(kind: str, field: str) -> str:
    found = [op["body"] for op in ops() if op["op"] == kind and op["body"]["member_id"] == MEMBER]
    return next(body[field] for body in found if body.get("kind", "ndef") == "ndef")


def test_a_withdrawal_at_the_console_empties_screen_and_tablet(tmp_path: Path, tell: Tell) -> None:
    card = type2(tags.encode_uri(bytes.fromhex(own("credential.put", "value")).decode()))
    name = own("member.put", "call_name")
    with (
        Pn532Rig() as coffee,
        Pn532Rig() as advice,
        chromium() as browser,
        System(tmp_path, TABLES.format(coffee=coffee.path, advice=advice.path), ops()) as system,
    ):
        for reader in ("coffee-nfc", "advice-nfc"):
            wait_for(lambda r=reader: system.receiver_is_up(r), f"{reader} to listen")
        screen, tablet = open_pages(system, browser)
        taken_ms = [one_round(system, screen, tablet, coffee, advice, card, name) for _ in range(ROUNDS)]
        by_button_ms = press_the_button(system, browser, screen, coffee, card, name)
        told = wait_for(lambda: [e for e in system.events() if e["type"] == "consent.applied"], "HQ to be told")
    tell(
        f"withdrawal at HQ -> screen and tablet empty: median {statistics.median(taken_ms):.0f} ms, "
        f"most {max(taken_ms):.0f} ms, n = {ROUNDS}; by the console's button {by_button_ms:.0f} ms"
    )
    assert {event["body"]["member_id"] for event in told} == {MEMBER}


def open_pages(system: System, browser: Browser) -> tuple[Page, Page]:
    screen, tablet = browser.new_page(), browser.new_page(viewport={"width": 1280, "height": 800})
    screen.goto(f"{system.url}/screen?id=coffee")
    tablet.goto(system.tablet_url)
    return screen, tablet


def show_everywhere(screen: Page, tablet: Page, coffee: Pn532Rig, advice: Pn532Rig, card: dict, name: str) -> None:
    """The member taps at the screen, asks for advice, and a colleague opens the card."""
    asking = tablet.locator("li.row[data-state=asked] button").first
    advice.present(card)
    asking.wait_for(timeout=20_000)
    advice.remove()
    greet(screen, coffee, card, name)
    asking.click(timeout=20_000)
    tablet.wait_for_function(SAYS, arg=name, timeout=20_000)


def greet(screen: Page, coffee: Pn532Rig, card: dict, name: str) -> None:
    """The member holds the card to the screen until their name stands there."""
    coffee.present(card)
    screen.wait_for_function(SAYS, arg=name, timeout=20_000)
    coffee.remove()


def one_round(system, screen, tablet, coffee, advice, card, name) -> float:
    """From the order at HQ to the later of the two pages empty, in milliseconds."""
    show_everywhere(screen, tablet, coffee, advice, card, name)
    given = [op for op in ops() if op["op"] == "consent.add" and op["body"]["member_id"] == MEMBER]
    began_ms = time.time() * 1000
    post(f"{system.hq_url}/api/v1/members/{MEMBER}/withdraw", {"purposes": None})
    empty_ms = [page.wait_for_function(EMPTY, arg=name, timeout=20_000).json_value() for page in (screen, tablet)]
    time.sleep(0.3)
    again = int(time.time() * 1000)
    for op in given:
        op["body"] |= {"event_id": f"{op['body']['event_id']}-{again}", "given_at_ms": again}
    version = post(f"{system.hq_url}/api/v1/ops", given)["version"]
    wait_for(lambda: system.gateways()[0]["applied_version"] >= version, "the new consent at the gateway")
    time.sleep(0.2)
    return max(empty_ms) - began_ms


def press_the_button(system, browser, screen, coffee, card, name) -> float:
    """The same by hand: a person presses "withdraw everything" at the console."""
    greet(screen, coffee, card, name)
    console = browser.new_page()
    console.goto(f"{system.hq_url}/")
    person = console.locator("article.person", has_text=MEMBER)
    person.locator("button.text-red").click(timeout=20_000)
    yes = console.locator("#confirm-yes")
    yes.wait_for(timeout=10_000)
    began_ms = time.time() * 1000
    yes.click()
    return screen.wait_for_function(EMPTY, arg=name, timeout=20_000).json_value() - began_ms
