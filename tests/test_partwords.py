"""display/static/partwords.js: what the status page says of a part, in the words of a shop manager."""

import ast
import json
import re
from pathlib import Path
from typing import get_args

from playwright.async_api import expect

from display.pages import ROOT
from gateway.health import Cause
from tests.rigs.browser import in_one_chromium
from tests.rigs.shopfront import WallClock, window
from tests.test_pages import browser_page

LINE = re.compile(r"^    (\w+): (\[.*\]),$", re.MULTILINE)
# What is said of a part that does well and of whose state there is nothing to do.
CALM = {
    "hq_alone",
    "database_mended",
    "standby_serves",
    "standby_waits",
    "update_done",
    "content_loading",
    "screen_away",
}
REPO = Path(__file__).parent.parent
# A remote scanner's own parts stand on no page, and what is called PART there is no part.
ELSEWHERE = {REPO / "gateway/scanner.py", REPO / "sync/ear.py", REPO / "gateway/contentfiles.py"}


def words() -> list[dict[str, list[str]]]:
    halves = (ROOT / "partwords.js").read_text().split("\n  en: {")
    return [{key: json.loads(said) for key, said in LINE.findall(half)} for half in halves]


def test_all_that_can_ail_a_part_has_a_sentence_and_a_step_in_both_languages() -> None:
    german, english = words()
    assert german.keys() == english.keys()
    causes = {*get_args(Cause)} - {""}
    assert causes <= german.keys() and {"down", "degraded", "remark"} <= german.keys()
    for one in (german, english):
        assert {key for key, said in one.items() if len(said) == 1} == CALM | {"hq_ok"}
        assert all(1 <= len(said) <= 2 and all(text.endswith(".") for text in said) for said in one.values())


def test_every_part_that_the_program_speaks_of_by_name_has_its_name_on_the_page() -> None:
    names: set[str] = set()
    for path in {*REPO.glob("gateway/*.py"), *REPO.glob("sync/*.py")} - ELSEWHERE:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="keep"), args=[ast.Constant(value=str(name)), *_]):
                    names.add(name)
                case ast.Assign(targets=[ast.Name(id="PART")], value=ast.Constant(value=str(name))):
                    names.add(name.rstrip(":"))
    assert {"hq", "database", "watchdog", "screen"} <= names
    said = (ROOT / "words.js").read_text()
    assert {name for name in names if said.count(f"part_{name}:") != 2} == set()


@in_one_chromium
async def test_a_part_is_told_in_the_managers_language_and_the_rest_is_folded_away() -> None:
    async with window() as shop, browser_page(shop) as page:
        now_ms = WallClock().now_ms()
        shop.health.set("standby", "degraded", now_ms - 240_000, "serves; gw2 is not heard", "Look.", "standby_alone")
        shop.health.set("pages", "down", now_ms, "an internal error; trying again")
        shop.health.set("hq", "ok", now_ms, "connected to headquarters")
        shop.health.set("elsewhere", "degraded", now_ms, "broken")
        shop.health.set("keys", "ok", now_ms, "none: readers take plain ids only")
        await page.goto(f"{shop.url}/")
        part = page.locator("[data-part=standby]")
        await expect(part.locator(".action")).to_contain_text("Hat das andere Gerät Strom und Netz?")
        await expect(part.locator(".since")).to_have_text("eingeschränkt seit 4 min")
        assert "gw2" not in await part.inner_text()
        await part.locator("summary").click()
        await expect(part.locator("[lang=en]")).to_have_text("serves; gw2 is not heard · Look.")
        shop.health.set("hq", "degraded", now_ms, "no connection", "Check the cable.")
        await expect(page.locator("[data-part=hq]")).to_contain_text("Der Laden läuft weiter")
        await expect(part.locator("[lang=en]")).to_be_visible()  # what somebody reads stays unfolded
        await expect(page.locator("[data-part=pages]")).to_contain_text("Fünf Minuten warten.")
        await expect(page.locator("[data-part=elsewhere]")).to_contain_text(
            words()[0]["degraded"][0]
        )  # it has no words
        await expect(page.locator(".verdict")).to_contain_text("Steht: Seiten")
        assert "plain ids" not in (await page.locator("[data-part=keys]").text_content() or "")
        await page.get_by_role("button", name="EN").click()
        await expect(part).to_contain_text("This device works alone")
