"""The console in a real Chromium: what a person at HQ sees and does."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from gateway.core.changes import OutboxRow
from gateway.core.model import CredentialKind, Proof, Purpose
from gateway.health import Health
from sync import event_messages, messages
from sync.hq import web
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.hq.rolling import Plan, Step
from sync.report_messages import Report, Trouble
from sync.topics import Topics
from tests.rigs.browser import ONE_CHROMIUM, shared

NOW_MS = 1_790_000_000_000
SHOP = Topics("acme", "munich-1", "gw-1")
EPOCH = "ab" * 16

pytestmark = ONE_CHROMIUM


def start_ops() -> list[dict[str, Any]]:
    consent = {"member_id": "m-1", "state": "given", "given_at_ms": 1}
    purposes = ("recognise_ble", "staff_advice")
    return [
        {"op": "member.put", "body": {"member_id": "m-1", "call_name": "<b>Ada</b>"}},
        *({"op": "consent.add", "body": consent | {"event_id": f"e-{p}", "purpose": p}} for p in purposes),
        {"op": "config.put", "body": {"zones": {"wine": {"de": "Weinregal", "en": "Wine shelf"}}}},
        {"op": "offer.put", "body": {"offer_id": "o-1", "title": {"en": "Tea"}, "text": {"en": "Two for one"}}},
    ]


def happens(ledger: Ledger, seq: int, kind: str, /, **body: object) -> None:
    row = OutboxRow(seq, NOW_MS, kind, json.dumps({"member_id": "m-1", **body}))
    ledger.ingest(SHOP, event_messages.EventBatch(EPOCH, seq, seq, (row,)), NOW_MS)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headquarters looks at its fleet at most every few seconds, at its beat; here nobody waits for that."""
    monkeypatch.setattr(web, "FLEET_MS", 200)
    monkeypatch.setattr(web, "BEAT_MS", 500)


@asynccontextmanager
async def console(tmp_path: Path) -> AsyncIterator[tuple[Page, Ledger, Pulse]]:
    ledger, pulse = Ledger(tmp_path / "hq.db"), Pulse()
    ledger.record_ops(start_ops())
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = web.serve(ledger, pulse, Health(), lambda: NOW_MS, ("127.0.0.1", 0), url.set_result)
    task = asyncio.create_task(server)
    problems: list[str] = []
    try:
        async with shared() as browser:
            page = await browser.new_page(locale="en-GB", viewport={"width": 390, "height": 844})
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
            await page.goto(await url)
            yield page, ledger, pulse
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert problems == []
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        ledger.close()


async def test_events_arrive_by_themselves_in_the_language_of_the_reader(tmp_path: Path) -> None:
    async with console(tmp_path) as (page, ledger, pulse):
        await expect(page.locator("#event-list")).to_contain_text("Nothing has happened yet")
        happens(ledger, 1, "visit.entered", zone="wine")
        happens(ledger, 2, "decision.made", offer_id=None, reasons=[["*", "budget.pause"]])
        happens(ledger, 3, "shelf.emptied", zone="<script>")
        pulse.ring()
        rows = page.locator("#event-list li p")
        await expect(rows).to_have_text(
            ["shelf emptied", "Nothing shown: still pausing after the last one", "Visit begins: Wine shelf"]
        )
        await page.click("#language")
        await expect(rows.last).to_have_text("Besuch beginnt: Weinregal")
        await expect(page.locator("html")).to_have_attribute("lang", "de")


async def test_segments_are_told_with_what_made_them_change(tmp_path: Path) -> None:
    async with console(tmp_path) as (page, ledger, pulse):
        happens(ledger, 1, "segment.changed", segment="lingers-at-wine", state="in", why="time", visit_id="v-1")
        happens(ledger, 2, "segment.changed", segment="undecided", state="out", why="toString", visit_id="v-1")
        happens(ledger, 3, "segments.refused", reason="segments", field="segments.0.rule.is.0: expected a known field")
        pulse.ring()
        rows = page.locator("#event-list li p")
        said = ["Segments refused: segments.0.rule.is.0: expected a known field"]
        said += ["Leaves segment: undecided (toString)", "Enters segment: lingers-at-wine (time)"]
        await expect(rows).to_have_text(said)
        await page.click("#language")
        await expect(rows.last).to_have_text("Kommt in Segment: lingers-at-wine (Zeit)")


async def test_taps_are_told_with_what_was_shown_and_how_strong_its_proof_was(tmp_path: Path) -> None:
    none = [["*", "nothing_eligible"]]
    async with console(tmp_path) as (page, ledger, pulse):
        happens(ledger, 1, "credential.bound", kind="hce", proof="proven", credential_id="c-1", binding_id="b-1")
        happens(ledger, 2, "credential.bound", kind="toString", proof="constructor")
        happens(ledger, 3, "decision.made", offer_id=None, trigger="tap", proof="signed", reasons=none)
        happens(ledger, 4, "decision.made", offer_id=None, trigger="zone", proof=None, reasons=none)
        happens(ledger, 5, "decision.made", offer_id=None, trigger="tap", reasons=[["o-1", "proof.bearer_limit"]])
        happens(ledger, 6, "decision.made", offer_id="o-1", trigger="tap", proof="bearer", screen="wine")
        happens(ledger, 7, "sale.identified", till="till-1", proof="proven")
        pulse.ring()
        rows = page.locator("#event-list li p")
        told = [
            "Recognised at the till: till-1 · key checked",
            "Tea shown after a tap · wine · only a number, can be copied",
            "Greeted, no offer: worth too much for a card that can be copied",
            "Nothing shown: no offer fits",
            "Greeted, no offer fits · signature checked, can be copied",
            "Newly bound: Card or phone",
            "Newly bound: Phone with our app · key checked",
        ]
        await expect(rows).to_have_text(told)
        await page.click("#language")
        await expect(rows.last).to_have_text("Neu verbunden: Handy mit unserer App · Schlüssel geprüft")
        await expect(rows.nth(4)).to_have_text("Begrüßt, kein Angebot passt · Unterschrift geprüft, kopierbar")
        source = (Path(web.__file__).parent / "static/words.js").read_text(encoding="utf-8")
        for name in (*(kind for kind in CredentialKind if kind.tapped), *Proof):
            assert f"{name}: {{ de:" in source, name


async def test_the_page_keeps_a_bounded_number_of_rows(tmp_path: Path) -> None:
    async with console(tmp_path) as (page, ledger, pulse):
        for seq in range(1, 231):
            happens(ledger, seq, "visit.entered", zone="wine")
        pulse.ring()
        await expect(page.locator("#event-list li")).to_have_count(200)


async def test_withdrawing_one_purpose_and_then_everything(tmp_path: Path) -> None:
    async with console(tmp_path) as (page, ledger, _):
        await expect(page.locator(".person h3")).to_have_text("<b>Ada</b>")
        await page.get_by_role("button", name="Withdraw: Staff advice, <b>Ada</b>").click()
        await expect(page.locator(".chip.no")).to_contain_text(["Staff advice"])
        assert ledger.consents("m-1")[Purpose.STAFF_ADVICE].state == "withdrawn"
        await page.get_by_role("button", name="Withdraw everything").click()
        await page.locator("#confirm-yes").click()
        await expect(page.locator(".chip.no")).to_have_count(len(Purpose))
        await expect(page.locator(".chip button")).to_have_count(0)


async def test_a_beacon_that_anybody_can_follow_shows_what_was_agreed_to(tmp_path: Path) -> None:
    async with console(tmp_path) as (page, ledger, pulse):
        await expect(page.locator(".person")).to_have_count(1)
        await expect(page.locator(".trackable")).to_have_count(0)
        body = {"credential_id": "c-1", "member_id": "m-1", "kind": "uid", "value": "00" * 16}
        ledger.record_ops([{"op": "credential.put", "body": body | {"trackable_wording": "2026-11"}}])
        pulse.ring()
        await expect(page.locator(".trackable summary")).to_contain_text("uid. Agreed to in wording 2026-11")
        await page.locator(".trackable summary").click()
        await expect(page.locator(".trackable p")).to_contain_text("My fob always sends the same number.")


async def test_an_offer_is_pushed_and_taken_down(tmp_path: Path) -> None:
    async with console(tmp_path) as (page, ledger, _):
        await page.click("#new-offer")
        for name, text in (("title_de", "Käse"), ("title_en", "Cheese"), ("text_de", "Frisch"), ("text_en", "Fresh")):
            await page.fill(f"[name={name}]", text)
        await page.select_option("[name=zone]", "wine")
        await page.select_option("[name=audience]", "members")
        await page.select_option("[name=art]", "cheese")
        await page.check("[name=public_safe]")
        await page.get_by_role("button", name="Push to the shops").click()
        await expect(page.locator(".offer h3")).to_have_text(["Cheese", "Tea"])
        offer = ledger.offers()[0]
        assert offer["title"] == {"de": "Käse", "en": "Cheese"}
        assert (offer["zones"], offer["audience"], offer["art"]) == (["wine"], "members", "cheese")
        assert offer["public_safe"] is True
        await page.get_by_role("button", name="Take down").last.click()
        await expect(page.locator(".offer.down h3")).to_have_text("Tea")
        assert [row["title"]["en"] for row in ledger.offers()] == ["Cheese"]
        await page.get_by_role("button", name="Push again").click()
        await expect(page.locator(".offer.down")).to_have_count(0)
        assert len(ledger.offers()) == 2


async def test_an_offers_placeholders_show_what_is_known_and_are_marked_where_only_a_shop_knows(tmp_path: Path) -> None:
    text = {"de": "{price} im {store}", "en": "{price} at {store}"}
    put = {"offer_id": "o-9", "title": {"de": "Honig", "en": "Honey for {price}"}, "text": text}
    put |= {"price_ref": "9520000000080", "price_cents": 690}
    async with console(tmp_path) as (page, ledger, pulse):
        ledger.record_ops([{"op": "offer.put", "body": put}])
        happens(ledger, 1, "offer.accepted", offer_id="o-9")
        happens(ledger, 2, "sale.recorded", till="till-1", receipt="4711", cents=1_480, lines=2)
        happens(ledger, 3, "points.changed", points=14)
        pulse.ring()
        shown = page.locator(".offer", has_text="Honey")
        await expect(shown.locator("h3")).to_have_text("Honey for €6.90")
        await expect(shown.locator(".what p")).to_have_text("€6.90 at shop")
        await expect(shown.locator(".slot")).to_have_text("shop")
        events = page.locator("#event-list")
        for told in ("Honey for €6.90", "Receipt 4711: €14.80 · till-1", "Points: +14"):
            await expect(events).to_contain_text(told)


async def test_a_price_that_only_the_shops_list_knows_is_a_gap_and_not_nothing(tmp_path: Path) -> None:
    text = {"de": "Für {price}, {value} weniger", "en": "For {price}, {value} off"}
    put = {"offer_id": "o-9", "title": {"de": "Honig", "en": "Honey"}, "text": text, "price_ref": "9520000000080"}
    async with console(tmp_path) as (page, ledger, pulse):
        ledger.record_ops([{"op": "offer.put", "body": put | {"price_cents": 0, "value_cents": 150}}])
        pulse.ring()
        shown = page.locator(".offer", has_text="Honey")
        await expect(shown.locator(".what p")).to_have_text("For price, €1.50 off")
        await expect(shown.locator(".slot")).to_have_text("price")


async def test_a_lost_hq_shows_and_heals(tmp_path: Path) -> None:
    async with console(tmp_path) as (page, _, pulse):
        await expect(page.locator("#live")).to_have_class("live on")
        pulse.closed = True  # every stream ends, as when HQ restarts
        pulse.ring()
        await expect(page.locator("#live-text")).to_have_text("No connection to headquarters")
        pulse.closed = False
        await expect(page.locator("#live")).to_have_class("live on", timeout=20_000)


def shop(ledger: Ledger, store: str, *troubles: Trouble, online: bool = True, waiting: int = 0) -> None:
    where = Topics("acme", store, "gw-1")
    ledger.saw_state(where, messages.State(True, 1, EPOCH, ledger.version(), bytes(32)), NOW_MS)
    ledger.saw_report(where, Report("1.4.0", waiting, 9, troubles), NOW_MS)
    if not online:
        ledger.saw_state(where, messages.State(False, 1, EPOCH, 0, bytes(32)), NOW_MS - 3_600_000)


async def test_the_fleet_shows_who_needs_somebody_first_and_why(tmp_path: Path) -> None:
    down = Trouble("receiver:coffee-nfc", "down", NOW_MS, "the reader was unplugged <b>")
    async with console(tmp_path) as (page, ledger, pulse):
        await expect(page.locator("#fleet-empty")).to_contain_text("No gateway has called yet")
        shop(ledger, "berlin-2")
        shop(ledger, "munich-1", down, waiting=1_234)
        shop(ledger, "hamburg-3", online=False)
        pulse.ring()
        names = page.locator("#fleet-list .unfold strong")
        await expect(names).to_have_text(["munich-1", "hamburg-3", "berlin-2"])
        await expect(page.locator("#shops-sums")).to_contain_text("2 of 3 connected")
        await expect(page.locator(".shop-row").first).to_contain_text("Receiver coffee-nfc is down")
        await expect(page.locator(".shop-row").first).to_contain_text("1,234")
        button = page.get_by_role("button", name="More about acme/munich-1/gw-1")
        await button.click()
        await expect(page.locator(".shop-more")).to_contain_text("the reader was unplugged <b>")
        await expect(page.locator(".shop-more")).to_contain_text("No command yet.")
        ledger.order_command(Topics("acme", "munich-1", "gw-1"), "c-1", "blink", {"screen": "bar"}, NOW_MS, NOW_MS + 1)
        pulse.ring()
        await expect(page.locator("#command-list .order")).to_contain_text("Show a screen bar")
        await expect(page.locator(".shop-more .order")).to_contain_text("waiting")
        await expect(button).to_have_attribute("aria-expanded", "true")
        await page.fill("#find-shop", "Berlin")
        await expect(names).to_have_text(["berlin-2"])
        await page.fill("#find-shop", "nowhere")
        await expect(page.locator("#fleet-empty")).to_have_text("No shop matches this search.")
        await page.fill("#find-shop", "")
        await page.click("#language")
        await expect(page.locator(".shop-row").first).to_contain_text("Empfänger coffee-nfc steht")
        await expect(page.locator("#command-list .pill")).to_have_text("wartet")


async def test_a_roll_out_shows_how_far_it_is_and_why_it_stopped(tmp_path: Path) -> None:
    async with console(tmp_path) as (page, ledger, pulse):
        await expect(page.locator("#fleet-empty")).to_contain_text("No gateway has called yet")
        await expect(page.locator("#rollouts")).to_be_hidden()
        plan = Plan("config", ("munich-1", "all"), 0, "0", 90, 0, 3_000)
        number = ledger.begin_rollout(plan, {"op": "config.put", "body": {"sale_ms": 5_000}}, NOW_MS)
        assert number is not None
        shop(ledger, "munich-1")
        ledger.tell_ring(number, {"acme/munich-1/gw-1": 1}, NOW_MS)
        pulse.ring()
        shown = page.locator("#rollout-list")
        await expect(shown).to_contain_text("Configuration (no. 1)")
        await expect(shown.locator(".pill")).to_have_text("ring 1 under way")
        await expect(shown.locator(".rings li")).to_have_text(
            ["Ring 1 (munich-1): 1 not reached yet", "Ring 2 (all): has what it had"]
        )
        ledger.take_step(number, 1, Step("stop", "failures", "acme/munich-1/gw-1", ("undone", "zones")), NOW_MS)
        pulse.ring()
        await expect(shown.locator(".reason")).to_contain_text("acme/munich-1/gw-1: undone, zones. On or back")
        await page.click("#language")
        await expect(shown.locator(".pill")).to_have_text("bei Ring 1 gestoppt")
        await expect(shown.locator(".rings li").first).to_have_text("Ring 1 (munich-1): 1 noch nicht erreicht")
