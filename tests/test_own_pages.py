"""The customer's own pages in a real Chromium: every state, every switch, how many touches, and what is left behind."""

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from playwright.async_api import Page, expect

from display.pages import ROOT
from gateway.core.model import Purpose
from tests.rigs.browser import ONE_CHROMIUM
from tests.rigs.looks import faults
from tests.rigs.ownpages import CODE, FORGOTTEN_MS, RECEIPT, OwnPages, mount
from tests.rigs.shopfront import SHOP, FakePath, window
from tests.test_pages import browser_page, stored

pytestmark = ONE_CHROMIUM

PHONE, TABLET, UPRIGHT = (360, 640), (1280, 800), (800, 1280)
GIVEN = {"recognise_nfc": ("given", 1_767_603_600_000), "staff_advice": ("given", 1_767_603_600_000)}
EVERY = sorted(purpose.value for purpose in Purpose)
# state of the session -> what the page shows
STATES: dict[str, OwnPages] = {
    "member": OwnPages(states=dict(GIVEN)),
    "new": OwnPages(who="new", call_name="", age="unknown", handover=True, pin="1234"),
    "confirm": OwnPages(confirm="42"),
    "welcome": OwnPages(code=CODE, receipt_id=RECEIPT, states=dict(GIVEN), handover=True, pin="1234"),
    "expired": OwnPages(open=False, pin="1234"),
}


@asynccontextmanager
async def own_page(own: OwnPages, size: tuple[int, int] = PHONE, clock: bool = False) -> AsyncIterator[Page]:
    """The page of a session in the state `own`."""
    async with window(FakePath()) as shop, browser_page(shop, allowed=("401", "410", "423"), clock=clock) as page:
        mount(shop.app, own)
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.goto(f"{shop.url}/me")
        await expect(page.locator("my-page")).not_to_have_attribute("data-view", "wait")
        yield page


def toggle(page: Page, purpose: str) -> "object":
    return page.locator(f"[data-purpose={purpose}] input")


async def view(page: Page, name: str) -> None:
    await expect(page.locator("my-page")).to_have_attribute("data-view", name)


def choices(own: OwnPages) -> list[dict[str, bool]]:
    return [form["choices"] for what, form in own.posts if what in ("choices", "enrol")]


# --- what is shown ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [PHONE, TABLET, UPRIGHT])
@pytest.mark.parametrize("state", STATES)
async def test_each_state_can_be_read_and_reached(state: str, size: tuple[int, int]) -> None:
    own = replace(STATES[state])
    async with own_page(own, size) as page:
        await view(page, state)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for _ in ("de", "en"):
                assert await faults(page, "my-page", scrolls=True) == []
                await page.locator("[data-role=language]").click()
        for box in [await row.bounding_box() for row in await page.locator("label").all()]:
            assert box is not None
            assert box["height"] >= 44 or box["height"] < 40


async def test_nothing_is_on_that_was_not_given() -> None:
    own = replace(STATES["new"])
    async with own_page(own) as page:
        boxes = page.locator("input[role=switch]")
        assert await boxes.count() == len(Purpose)
        assert await boxes.evaluate_all("all => all.filter(one => one.checked).length") == 0
        assert await page.locator("input[type=radio]:checked").count() == 0


async def test_what_a_member_gave_is_on_and_nothing_else() -> None:
    async with own_page(replace(STATES["member"], states=dict(GIVEN))) as page:
        on = await page.locator("[data-purpose]:has(:checked)").evaluate_all("all => all.map(n => n.dataset.purpose)")
        assert sorted(on) == sorted(GIVEN)
        await expect(page.locator("[data-purpose=recognise_nfc] .state")).to_have_text("Erlaubt am 5. Januar 2026")


async def test_each_purpose_says_in_a_sentence_what_happens() -> None:
    words = (ROOT / "words.js").read_text()
    async with own_page(replace(STATES["new"])) as page:
        for purpose in Purpose:
            said = await page.locator(f"[data-purpose={purpose}] .why").inner_text()
            assert f'"{said}"' in words
            box = page.get_by_role("switch").and_(page.locator(f"[data-purpose={purpose}] input"))
            await expect(box).to_have_accessible_description(re.compile(re.escape(said)))


async def test_the_words_shown_have_the_hash_that_is_sent() -> None:
    own = replace(STATES["new"], posts=[], states={})
    async with own_page(own) as page:
        await page.locator("summary").click()
        shown = await page.locator("article").evaluate("node => node.textContent")
        await page.locator("input[value='16plus']").check()
        await page.locator("[data-act=meSave]").click()
        await view(page, "welcome")
        (form,) = [form for what, form in own.posts if what == "enrol"]
        assert form["notice_sha256"] == hashlib.sha256(shown.encode()).hexdigest()
        assert (form["language"], form["notice_version"]) == ("de", "2026-11")


async def test_a_phone_compares_two_digits_and_knows_nothing_before() -> None:
    own = replace(STATES["confirm"])
    async with own_page(own) as page:
        await expect(page.locator(".digits")).to_have_text("42")
        assert "Mia" not in await stored(page)
        own.confirm = None
        await view(page, "member")
        await expect(page.locator("h1")).to_have_text("Hallo Mia")


# --- giving and taking back ---------------------------------------------------------------------------------


async def test_withdrawing_takes_one_touch_and_no_more_than_giving() -> None:
    own = OwnPages(states={})
    async with own_page(own) as page:
        for name in EVERY:
            await page.locator(f"[data-purpose={name}] input").click()
            await expect(page.locator(f"[data-purpose={name}] .state")).to_contain_text("Erlaubt um ")
            await page.locator(f"[data-purpose={name}] input").click()
            await expect(page.locator(f"[data-purpose={name}] .state")).to_contain_text(
                re.compile(r"^Zurückgenommen um \d\d:\d\d:\d\d$")
            )
        assert choices(own) == [{name: given} for name in EVERY for given in (True, False)]
        await expect(page.locator(".done")).to_contain_text("zurückgenommen")


async def test_everything_is_taken_back_with_one_touch() -> None:
    own = OwnPages(states=dict(GIVEN))
    async with own_page(own) as page:
        await page.locator("[data-act=meWithdrawAll]").click()
        await expect(page.locator(".done")).to_contain_text("Alles ist zurückgenommen.")
        await expect(page.locator(".done")).to_contain_text("bleiben gespeichert, bis Sie unten „Alles löschen“ wählen")
        assert choices(own) == [dict.fromkeys(GIVEN, False)], "what was never asked is not refused"
        assert await page.locator("input:checked").count() == 0
        await expect(page.locator("[data-act=meWithdrawAll]")).to_be_disabled()
        await page.locator("[data-purpose=recognise_nfc] input").click()
        await expect(page.locator("[data-act=meWithdrawAll]")).to_be_enabled()


async def test_what_was_given_elsewhere_meanwhile_is_taken_back_too() -> None:
    own = OwnPages(states=dict(GIVEN))
    async with own_page(own) as page:
        await expect(page.locator("[data-act=meWithdrawAll]")).to_be_enabled()
        own.states["marketing_push"] = ("given", 1_767_603_600_000)
        await page.locator("[data-act=meWithdrawAll]").click()
        await expect(page.locator(".done")).not_to_be_empty()
        assert choices(own) == [dict.fromkeys([*GIVEN, "marketing_push"], False)]


async def test_a_switch_keeps_finger_focus_and_place() -> None:
    own = OwnPages(states={})
    async with own_page(own) as page:
        await page.locator("[data-purpose=marketing_push] input").focus()
        before = await page.locator("[data-purpose=marketing_push]").bounding_box()
        await page.keyboard.press("Space")
        await expect(page.locator("[data-purpose=marketing_push] .state")).to_contain_text("Erlaubt")
        assert await page.locator("[data-purpose=marketing_push]").bounding_box() == before
        assert await page.evaluate("document.activeElement.closest('.purpose').dataset.purpose") == "marketing_push"


async def test_refusing_is_as_big_and_as_near_as_agreeing() -> None:
    for size in (PHONE, TABLET):
        async with own_page(replace(STATES["new"]), size) as page:
            no = await page.locator("[data-act=meRefuse]").bounding_box()
            yes = await page.locator("[data-act=meSave]").bounding_box()
            assert no is not None and yes is not None
            assert abs(no["width"] - yes["width"]) < 2 and no["height"] == yes["height"] and no["y"] == yes["y"]
            look = "n => ['color', 'backgroundColor', 'borderColor', 'fontSize'].map(k => getComputedStyle(n)[k])"
            looks = [await page.locator(f"[data-act={act}]").evaluate(look) for act in ("meRefuse", "meSave")]
            assert looks[0] == looks[1]


async def test_who_refuses_everything_is_a_member_all_the_same() -> None:
    own = replace(STATES["new"], posts=[], states={})
    async with own_page(own, TABLET) as page:
        await page.locator("[data-purpose=recognise_ble] input").check()  # what was chosen before does not count
        await page.locator("input[value='16plus']").check()
        await page.locator("[data-act=meRefuse]").click()
        await view(page, "welcome")
        assert choices(own) == [dict.fromkeys(choices(own)[0], False)]
        await expect(page.locator(".lede")).to_contain_text("Sie sind Mitglied und haben alles abgelehnt.")
        assert CODE[:4] not in await stored(page)
        await expect(page.locator("img.code")).to_be_visible()


async def test_joining_ends_with_code_and_receipt() -> None:
    own = replace(STATES["new"], posts=[], states={})
    async with own_page(own, TABLET) as page:
        await page.locator("#call-name").fill("  Vera ")
        await page.locator("input[value='guardian']").check()
        await page.locator("[data-purpose=recognise_nfc] input").check()
        await page.locator("[data-role=language]").click()  # what is typed and chosen stays
        await page.locator("[data-act=meSave]").click()
        await view(page, "welcome")
        (form,) = [form for what, form in own.posts if what == "enrol"]
        assert (form["call_name"], form["age"], form["language"]) == ("Vera", "guardian", "en")
        assert [name for name, given in form["choices"].items() if given] == ["recognise_nfc"]
        await expect(page.locator("h1")).to_have_text("Welcome, Vera")
        assert re.sub(r"\D", "", await page.locator(".digits.code").inner_text()) == CODE
        assert await page.locator("img.code").evaluate("async image => (await image.decode(), image.naturalWidth)")


async def test_age_is_asked_before_anything_is_given() -> None:
    own = replace(STATES["new"], posts=[], states={})
    async with own_page(own) as page:
        await page.locator("[data-act=meSave]").click()
        await expect(page.locator(".done")).to_have_text("Bitte sagen Sie uns zuerst, wie alt Sie sind.")
        assert own.posts == []
        await page.locator("input[value='under16']").check()
        await expect(page.locator(".young")).to_contain_text("merken wir uns nichts über dich")
        await expect(page.locator("[data-act=meSave]")).to_be_disabled()
        await expect(page.locator("[data-purpose=recognise_nfc] input")).to_be_disabled()
        await page.locator("input[value='16plus']").check()
        await expect(page.locator("[data-act=meSave]")).to_be_enabled()


async def test_a_member_of_unknown_age_can_withdraw_but_is_asked_before_giving() -> None:
    own = OwnPages(age="unknown", states=dict(GIVEN))
    async with own_page(own) as page:
        await page.locator("[data-purpose=recognise_nfc] input").click()
        await expect(page.locator("[data-purpose=recognise_nfc] .state")).to_contain_text("Zurückgenommen")
        await page.locator("[data-purpose=recognise_nfc] input").click()
        await expect(page.locator(".done")).to_contain_text("wie alt Sie sind")
        assert choices(own) == [{"recognise_nfc": False}]
        own.age = "16plus"  # as the gateway has it from then on
        await page.locator("input[value='16plus']").click()  # the question goes with its answer
        await expect(page.locator(".done")).to_contain_text("„Erkennen per Karte“ ist erlaubt.")
        assert choices(own) == [{"recognise_nfc": False}, {"recognise_nfc": True}]
        await expect(page.locator("[data-purpose=recognise_nfc] input")).to_be_checked()


async def test_arrow_keys_pass_an_age_without_giving_anything_by_it() -> None:
    own = OwnPages(age="unknown", states={})
    async with own_page(own) as page:
        await page.locator("[data-purpose=recognise_nfc] input").click()
        await page.locator("input[value='16plus']").focus()
        for _ in range(2):
            await page.keyboard.press("ArrowDown")
        await expect(page.locator("input[value='under16']")).to_be_checked()
        await page.keyboard.press("Tab")
        await expect(page.locator(".young")).to_be_visible()
        assert own.posts == []
        await page.locator("input[value='under16']").focus()
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Tab")
        await expect(page.locator(".done")).to_contain_text("ist erlaubt")
        assert [form["age"] for _, form in own.posts] == ["guardian"]


async def test_a_name_says_how_long_it_may_be() -> None:
    async with own_page(replace(STATES["new"])) as page:
        limit = await page.locator("#call-name").get_attribute("maxlength")
        said = re.compile(f"höchstens {limit} Zeichen; er geht auch an unsere Zentrale")
        await expect(page.locator("#call-name")).to_have_accessible_description(said)


async def test_a_notice_that_changed_meanwhile_is_shown_and_nothing_is_stored() -> None:
    own = replace(STATES["new"], posts=[], states={})
    async with own_page(own) as page:
        await page.locator("input[value='16plus']").check()
        await page.locator("[data-purpose=recognise_nfc] input").check()
        assert SHOP.notice is not None
        own.notice = replace(SHOP.notice, version="2026-12", text={"de": "Neu."})
        await page.locator("[data-act=meSave]").click()
        await expect(page.locator(".notice .warning")).to_contain_text("gerade geändert")
        await expect(page.locator("article")).to_have_text("Neu.")
        assert await page.locator("input[role=switch]:checked").count() == 0
        assert own.states == {}


async def test_without_a_notice_nothing_can_be_given_and_everything_taken_back() -> None:
    async with own_page(OwnPages(notice=None, states=dict(GIVEN))) as page:
        await expect(page.locator("[data-purpose=recognise_ble] input")).to_be_disabled()
        await page.locator("[data-purpose=recognise_nfc] input").click()
        await expect(page.locator("[data-purpose=recognise_nfc] .state")).to_contain_text("Zurückgenommen")


@pytest.mark.parametrize("answer", ["refused", "age"])
async def test_a_choice_that_was_not_taken_goes_back(answer: str) -> None:
    own = OwnPages(states=dict(GIVEN), answer=answer)
    async with own_page(own) as page:
        await page.locator("[data-purpose=recognise_ble] input").click()
        await expect(page.locator(".done")).not_to_be_empty()
        await expect(page.locator("[data-purpose=recognise_ble] input")).not_to_be_checked()


# --- the end ------------------------------------------------------------------------------------------------


async def test_being_forgotten_takes_one_question() -> None:
    own = OwnPages(states=dict(GIVEN))
    async with own_page(own) as page:
        await page.locator("[data-act=meForgetAsk]").click()
        await page.locator("[data-act=cancel]").click()
        assert own.posts == []
        await page.locator("[data-act=meForgetAsk]").click()
        await page.locator("[data-act=meForgetYes]").click()
        await view(page, "forgotten")
        assert own.posts == [("forget", {})]
        at = await page.evaluate(f"new Date({FORGOTTEN_MS}).toLocaleTimeString('de')")
        await expect(page.locator(".lede")).to_contain_text(f"Um {at} ")
        assert "Mia" not in await stored(page)


async def test_a_tablet_that_comes_back_holds_nothing_and_opens_with_the_pin() -> None:
    own = OwnPages(states=dict(GIVEN), handover=True, pin="2580")
    async with own_page(own, TABLET) as page:
        await expect(page.locator("a[download]")).to_have_count(0)  # nothing is saved on the shop's own tablet
        await page.locator("[data-act=meBack]").click()
        await view(page, "ended")
        assert "Mia" not in await stored(page)
        assert page.url.endswith("/me")
        for pin in ("0000", "2580"):
            for digit in pin:
                await page.locator(f"[data-key='{digit}']").click()
            if pin == "0000":
                await expect(page.locator(".hint")).to_have_text("Diese PIN stimmt nicht.")
        await page.wait_for_url("**/tablet")
        await page.go_back()  # to nothing: no page of the customer's is in the history
        assert page.url == "about:blank"


async def test_five_wrong_pins_need_the_manager() -> None:
    own = OwnPages(open=False, pin="2580")
    async with own_page(own, TABLET) as page:
        await view(page, "expired")
        for _ in range(5):
            await page.keyboard.type("1111")
            await expect(page.locator(".hint")).not_to_be_empty()
        await expect(page.locator(".hint")).to_contain_text("Link der Filialleitung")


async def test_time_runs_out_with_a_warning_and_more_can_be_had() -> None:
    own = OwnPages(ttl_ms=120_000)
    async with own_page(own, clock=True) as page:
        await page.clock.run_for(70_000)
        await expect(page.locator(".soon")).to_contain_text("Sekunden")
        await page.locator("[data-act=more_time]").click()
        await expect(page.locator(".soon")).to_be_hidden()
        own.open = False
        await page.clock.run_for(125_000)
        await view(page, "expired")
        assert "Mia" not in await stored(page)


async def test_a_session_that_ended_elsewhere_empties_the_page_at_the_next_touch() -> None:
    own = OwnPages(states=dict(GIVEN))
    async with own_page(own) as page:
        own.open = False
        await page.locator("[data-purpose=recognise_nfc] input").click()
        await view(page, "expired")
        assert "Mia" not in await stored(page)


# --- receipt, stored data, without a script -----------------------------------------------------------------


async def test_the_receipt_says_what_was_decided_and_prints_on_a_page() -> None:
    own = OwnPages(states=GIVEN | {"recognise_ble": ("refused", 1)})
    async with window() as shop, browser_page(shop) as page:
        mount(shop.app, own)
        await page.set_viewport_size({"width": 360, "height": 640})
        await page.goto(f"{shop.url}/me/receipt/{RECEIPT}")
        await expect(page.locator("my-receipt")).to_have_attribute("data-state", "shown")
        await expect(page.locator("[data-state=given] td").first).to_have_text("erlaubt")
        await expect(page.locator("[data-state=refused] th")).to_have_text("Erkennen per Bluetooth")
        await expect(page.locator(".facts")).to_contain_text("Kontor GmbH")
        zone = await page.evaluate("new Date('2026-11-22T13:03:22Z').toLocaleTimeString('de', {timeZoneName: 'short'})")
        assert (await page.locator(".lede").inner_text()).endswith(zone), "the zone is named, as on /me/data"
        assert await faults(page, "my-receipt", scrolls=True) == []
        assert len(re.findall(rb"/Type\s*/Page\b", await page.pdf(prefer_css_page_size=True))) == 1


async def test_what_is_stored_is_shown_with_a_way_back() -> None:
    async with window() as shop, browser_page(shop) as page:
        mount(shop.app, OwnPages(), "<h1>Ihre Daten</h1><b>x</b>")
        await page.goto(f"{shop.url}/me/data")
        await expect(page.locator("main")).to_contain_text("Ihre Daten")
        await page.locator(".back a").click()
        await view(page, "member")


async def test_without_a_script_the_page_says_how_else() -> None:
    own = OwnPages()
    async with window() as shop, browser_page(shop) as page:
        mount(shop.app, own)
        context = await page.context.browser.new_context(java_script_enabled=False)
        plain = await context.new_page()
        await plain.goto(f"{shop.url}/me")
        assert "Bitte JavaScript einschalten" in await plain.content()
        await context.close()
