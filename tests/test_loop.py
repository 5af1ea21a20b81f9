"""The neutral loop in a real browser: pictures and words in turns; what is broken or out of its time is left out."""

import asyncio
import json
import re
import struct
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import pytest
from playwright.async_api import Page, Route, expect

import display.content
from gateway.core.model import ScreenContent
from tests.rigs.browser import in_one_chromium, shared
from tests.rigs.films import FRAME, film, sound
from tests.rigs.frames import luminance
from tests.rigs.shopfront import Window, slide, talking, window

SHA = "ab" * 32
HOUR_MS = 3_600_000


def png(red: int, green: int, blue: int, width: int = 320, height: int = 180) -> bytes:
    """A picture of one colour with a lighter field in it."""
    line = bytes([red, green, blue]) * (width // 2) + bytes([255 - red, 255 - green, 255 - blue]) * (width - width // 2)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress((b"\0" + line) * height))
        + chunk(b"IEND", b"")
    )


def media(name: str, kind: str = "image", **more: Any) -> dict[str, Any]:
    words = {"de": f"Bild {name}", "en": f"Picture {name}"}
    return {
        "id": name, "kind": kind, "src": f"/content/{name}", "sha256": SHA, "title": words, "text": {}, "badge": {},
        "art": "bag", "alt": words, "seconds": 10, "fit": "cover", "from_ms": None, "until_ms": None, "days": [],
        "from_minute": None, "until_minute": None, "zones": [],
    } | more  # fmt: skip


class Screen:
    """A screen's page whose stream also says `media`, as the gateway does once headquarters has sent some."""

    def __init__(self, shop: Window, page: Page) -> None:
        self.shop, self.page = shop, page

    async def shows(self, name: str) -> None:
        await expect(self.page.locator(".slide.in")).to_have_attribute("data-slide", name)

    async def run(self, ms: int) -> None:
        """Let the page's time pass, with the gateway's beats in it."""
        await self.page.clock.run_for(ms)

    async def has_skipped(self, items: int) -> None:
        """The gateway hears that so many were left out."""
        async with asyncio.timeout(20):
            while (pulse := self.shop.proofs.heartbeats.vitals("coffee").pulse) is None or pulse.skipped != items:
                await self.page.wait_for_timeout(50)

    async def seen(self, turns: int) -> list[str]:
        """What stands on the glass, one after the other: turns take the page's time, pictures real time."""
        found: list[str] = []
        while len(found) < turns:
            now = str(await self.page.locator(".slide.in").get_attribute("data-slide"))
            if [now] != found[-1:]:
                found.append(now)
            await self.run(500)
            await self.page.wait_for_timeout(5)
        return found


@asynccontextmanager
async def screen(
    items: list[dict[str, Any]], slides: tuple[Any, ...] = (slide("tea"),), bodies: dict[str, bytes] | None = None
) -> AsyncIterator[Screen]:
    bodies = bodies or {}
    async with window() as shop, shared() as browser:
        context = await browser.new_context(locale="de-DE", viewport={"width": 960, "height": 540})
        page = await context.new_page()

        async def content(route: Route) -> None:
            body = bodies.get(route.request.url.rpartition("/")[2])
            if body is None:
                await route.fulfill(status=404, body="")
            else:
                kind = "image/png" if body.startswith(b"\x89PNG") else "video/webm"
                await route.fulfill(body=body, content_type=kind)

        await page.route("**/content/*", content)
        told = {"media": items, "brand": {"name": "", "logo": None}}
        with patch.object(display.content, "of_screen", lambda *_: told):
            shop.hub.show("coffee", ScreenContent("L0", slides))
            await page.clock.install()
            await page.goto(f"{shop.url}/screen?id=coffee")
            await expect(page.locator("html")).to_have_attribute("data-level", "L0")
            yield Screen(shop, page)


@in_one_chromium
async def test_pictures_and_offers_take_turns_and_elements_stay_the_same() -> None:
    async with screen([media("a"), media("b")], bodies={"a": png(200, 30, 30), "b": png(20, 90, 200)}) as one:
        count = await one.page.evaluate("() => document.querySelectorAll('*').length")
        await one.shows("slide-tea")
        seen = await one.seen(7)
        assert seen == ["slide-tea", "a", "b", "slide-tea", "a", "b", "slide-tea"]
        assert await one.page.evaluate("() => document.querySelectorAll('*').length") <= count + 3  # dots
        assert await one.page.evaluate("() => document.querySelectorAll('.full[src]').length") <= 2


@in_one_chromium
async def test_a_picture_fills_the_glass_and_says_what_it_shows() -> None:
    async with screen([media("a")], slides=(), bodies={"a": png(200, 30, 30)}) as one:
        await one.shows("a")
        picture = one.page.locator(".slide.in .full:not([hidden])")
        await expect(picture).to_have_attribute("alt", re.compile("a$"))
        box = await picture.bounding_box()
        assert box == {"x": 0, "y": 0, "width": 960, "height": 540}
        assert luminance(await one.page.screenshot())[1] > 10
        await one.run(12_500)
        await one.shows("welcome")  # one picture alone would burn itself in


@in_one_chromium
@pytest.mark.parametrize("broken", [None, b"\x89PNG\r\n\x1a\nnothing", b"<html>"], ids=["missing", "torn", "page"])
async def test_a_broken_picture_is_skipped_and_counted(broken: bytes | None) -> None:
    bodies = {"good": png(20, 90, 200)} | ({"bad": broken} if broken is not None else {})
    async with screen([media("bad"), media("good")], bodies=bodies) as one:
        assert await one.seen(4) == ["slide-tea", "good", "slide-tea", "good"]
        await one.run(15_000)
        await one.has_skipped(1)
        assert luminance(await one.page.screenshot())[1] > 4


BROKEN_FILMS = {
    "torn": film()[:120],
    "torn-frames": film(frame=FRAME[:40]),
    "no-size": film(size=(0, 0)),
    "sound-alone": sound(),
}


@in_one_chromium
@pytest.mark.parametrize("broken", BROKEN_FILMS.values(), ids=BROKEN_FILMS)
async def test_a_film_without_a_picture_is_skipped_and_counted(broken: bytes) -> None:
    items = [media("bad", "video"), media("good", "video")]
    async with screen(items, bodies={"good": film(), "bad": broken}) as one:
        assert await one.seen(4) == ["slide-tea", "good", "slide-tea", "good"]
        await one.run(15_000)
        await one.has_skipped(1)


@in_one_chromium
async def test_a_film_that_breaks_while_it_is_seen_stands_still_until_its_turn_is_over() -> None:
    body = film(last=FRAME[:20])
    async with screen([media("late", "video")], bodies={"late": body}) as one:
        await one.shows("slide-tea")
        await one.run(12_500)
        await one.shows("late")
        await one.page.wait_for_function("() => document.querySelector('.slide.in video').error !== null")
        assert luminance(await one.page.screenshot())[1] > 10  # its frames took a second, and the fade a third of one
        await one.run(12_500)
        await one.shows("slide-tea")


@in_one_chromium
async def test_where_everything_is_broken_the_welcome_stands() -> None:
    async with screen([media("x"), media("y", "video")], slides=()) as one:
        await one.shows("welcome")
        await one.run(40_000)
        await one.shows("welcome")
        await expect(one.page.locator(".slide.in h1")).to_be_visible()


@in_one_chromium
async def test_what_is_out_of_its_time_is_left_out_by_the_gateways_clock() -> None:
    now = 1_000 * round(time.time())
    items = [
        media("over", until_ms=now - HOUR_MS), media("later", from_ms=now + HOUR_MS),
        media("now", from_ms=now - HOUR_MS, until_ms=now + HOUR_MS),
        media("hours", from_minute=0, until_minute=1_440), media("never", from_minute=0, until_minute=0),
    ]  # fmt: skip
    async with screen(items, bodies={item["id"]: png(60, 90, 200) for item in items}) as one:
        assert set(await one.seen(4)) == {"slide-tea", "now", "hours"}


@in_one_chromium
async def test_a_template_is_words_and_nothing_that_stands_in_it_is_markup() -> None:
    words = {"de": "<img src=x onerror=alert(1)>", "en": "<b>&amp;"}
    async with screen([media("t", "template", src="", sha256="", title=words, text=words)], slides=()) as one:
        await one.run(100)
        await one.shows("t")
        await expect(one.page.locator(".slide.in h1")).to_have_text(re.compile("<"))
        assert await one.page.locator(".slide.in h1 *").count() == 0


@in_one_chromium
async def test_what_is_shown_is_proved_and_what_lies_under_a_dialogue_is_not() -> None:
    async with screen([media("a")], bodies={"a": png(200, 30, 30)}) as one:
        await one.seen(3)
        one.shop.hub.show("coffee", talking(ttl_ms=600_000))
        await expect(one.page.locator(".talk")).to_be_visible()
        await one.run(20_000)  # no beat comes with the page's time; soon it would call itself stale
        kept = list(one.shop.proofs.plays.values())
        stored = await one.page.evaluate("() => JSON.stringify({...localStorage})")
        contents = [play.content for play in kept] + re.findall(r'content\\":\\"([^\\]+)', stored)
        assert contents[:3] == ["slide-tea", SHA, "slide-tea"]
        assert len(contents) <= 5, "nobody saw the loop under the dialogue"
        assert [play.completed for play in kept[:2]] == [True, True]
        assert all(8_000 < play.visible_ms < 13_500 for play in kept[:2])
        assert len({play.play_id for play in kept}) == len(kept)
        assert "Anna" not in json.dumps([str(play) for play in kept]) + stored


@in_one_chromium
async def test_an_offer_that_somebody_caused_is_proved_with_its_decision_alone() -> None:
    async with screen([]) as one:
        one.shop.hub.show("coffee", ScreenContent("L2", (slide("wine", "Spätburgunder"),), None, "decision-2"))
        await one.shows("slide-wine")
        await one.run(13_000)
        one.shop.hub.show("coffee", ScreenContent("L0", (slide("tea"),)))
        await one.shows("slide-tea")
        await one.page.evaluate("() => document.querySelector('shop-screen').plays.send()")
        async with asyncio.timeout(20):
            while not (kept := [play for play in one.shop.proofs.plays.values() if play.decision_id]):
                await one.page.wait_for_timeout(50)
        assert {(play.content, play.decision_id, play.title) for play in kept} == {("slide-wine", "decision-2", "")}


TIMES = """async (base) => {
  const { ServerClock, inHours } = await import(`${base}/clockface.js`);
  const hour = 3600000, monday = 4 * 24 * hour, out = {};
  const clock = new ServerClock();
  const bound = { until_ms: 1e15 };
  out.before = clock.allows(bound);
  clock.hear({ now_ms: 1e12, shop: { speed: 1, utc_offset_ms: hour } });
  out.first = clock.allows(bound);
  clock.hear({ now_ms: 1e12 + 400000 });
  out.jumped = clock.allows(bound);
  out.free = clock.allows({});
  for (let n = 0; n < 3; n += 1) clock.hear({ now_ms: 1e12 + 400000 });
  out.agreed = clock.allows(bound);
  out.hours = [
    inHours(monday + 9 * hour, [0], 540, 600), inHours(monday + 10 * hour, [0], 540, 600),
    inHours(monday + 9 * hour, [1], 540, 600), inHours(monday + 25 * hour, [0], 1380, 120),
    inHours(monday + 25 * hour, [1], 1380, 120), inHours(monday + 23 * hour, [0], 1380, 120),
    inHours(monday + 12 * hour, [], 1380, 120),
  ];
  return out;
}"""


@in_one_chromium
async def test_time_is_the_gateways_and_a_jump_suspends_what_is_bound_to_it() -> None:
    async with screen([]) as one:
        base = await one.page.evaluate("() => new URL('.', document.querySelector('script').src).pathname.slice(0, -1)")
        found = await one.page.evaluate(TIMES, base)
    hours = found.pop("hours")
    assert found == {"before": False, "first": True, "jumped": False, "free": True, "agreed": True}
    assert hours == [True, False, False, True, False, True, False]


RENEW = """async (base) => {
  const { due } = await import(`${base}/renew.js`);
  const hour = 3600000;
  return [due(23 * hour, null), due(24 * hour, null), due(13 * hour, 200), due(13 * hour, 600), due(hour, 200)];
}"""
IDS = """async (base) => {
  const { ulid } = await import(`${base}/plays.js`);
  return [ulid(0), ulid(1795000000000), ulid(1795000000001)];
}"""


@in_one_chromium
async def test_the_page_is_renewed_once_a_day_and_proofs_sort_by_time() -> None:
    async with screen([]) as one:
        base = await one.page.evaluate("() => new URL('.', document.querySelector('script').src).pathname.slice(0, -1)")
        assert await one.page.evaluate(RENEW, base) == [False, True, True, False, False]
        zero, early, late = await one.page.evaluate(IDS, base)
        assert zero.startswith("0" * 10) and early[:10] < late[:10]
        assert all(re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", one) for one in (zero, early, late))


@in_one_chromium
async def test_what_an_earlier_page_left_and_what_is_spoilt_stops_no_proof() -> None:
    async with screen([]) as one:
        left = {"play_id": "01HZX0000000000000000000AB", "content": "c", "title": "", "decision_id": None}
        left |= {"slot": "main", "started_ms": 1, "visible_ms": 5, "completed": True}
        pieces = {
            "plays/coffee/x/1": json.dumps([left]),
            "plays/coffee/x/2": "{spoilt",
            "plays/coffee/x/3": json.dumps([{"a": 1}, left | {"play_id": "01HZX0000000000000000000AC"}]),
        }
        await one.page.evaluate(
            "(pieces) => Object.entries(pieces).forEach(([k, v]) => localStorage.setItem(k, v))", pieces
        )
        await one.page.reload()
        await expect(one.page.locator("html")).to_have_attribute("data-level", "L0")
        async with asyncio.timeout(20):
            while not {left["play_id"], "01HZX0000000000000000000AC"} <= set(one.shop.proofs.plays):
                await one.page.wait_for_timeout(50)
        assert not await one.page.evaluate("() => Object.keys(localStorage).some((key) => key.includes('/x/'))")


def test_the_pictures_of_these_tests_are_pictures() -> None:
    mean, spread = luminance(png(0, 0, 0))
    assert 120 < mean < 135 and spread > 100
    assert luminance(png(127, 127, 127))[1] < 5


@in_one_chromium
@pytest.mark.parametrize("size", [(960, 540), (540, 960), (800, 480)])
async def test_wide_badges_and_long_words_wrap(size: tuple[int, int]) -> None:
    words = {"title": {"de": "Wein"}, "text": {"de": "W" * 200}, "badge": {"de": "W" * 30}}
    item = media("wide") | {"kind": "template", "src": None, "sha256": None, "art": "wine"} | words
    async with screen([item], slides=()) as one:
        await one.page.set_viewport_size({"width": size[0], "height": size[1]})
        await one.page.clock.run_for(30_000)
        layer = one.page.locator(".slide.in[data-slide=wide]")
        await expect(layer.locator(".tag")).to_have_text("W" * 30)
        for part in (".tag", ".lead"):
            at, more = box = await layer.locator(part).evaluate(
                "it => [it.getBoundingClientRect(), it.scrollWidth - it.clientWidth].map((x) => x.toJSON?.() ?? x)"
            )
            assert at["left"] >= 0 and at["right"] <= size[0] and more <= 0, (part, box)
