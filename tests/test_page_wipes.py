"""Whatever ends what a page shows of somebody takes all of it away: in a real Chromium, on a whole shop.

Each row of SCREENS and TABLETS is one way in which it ends; a new way is a new row. What is searched: the document with
what is typed into it, title and address, history.state, window.name, performance marks, cookies, localStorage,
sessionStorage, IndexedDB and caches.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Page

from gateway.core.changes import MemberErase, MemberPut, OfferPut
from gateway.core.model import ConsentState, Member, Offer, Purpose, TalkingPoint
from gateway.core.shift import IDLE_MS
from gateway.core.stage import NAME_MS
from gateway.serving import serve
from tests.rigs.browser import ONE_CHROMIUM, shared
from tests.rigs.colleagues import PINS, crew
from tests.rigs.lockopeners import typed
from tests.rigs.own import Own, own_shop
from tests.rigs.shop import Shop, consent, member
from tests.rigs.shopfront import KEY

pytestmark = ONE_CHROMIUM

NAME, WHO = "Xanthippe", "mem-xanthippe"
OFFER = "Offerqx"  # fits this one person alone
PERSONAL = (NAME, WHO, OFFER, "Usualqx", "Talkqx", "Becauseqx")
GIVEN = tuple(one for one in Purpose if one is not Purpose.GREET_ON_ENTRY)
STALE_MS = 27_000  # what a page calls stale, and a little

EVERYTHING = """async () => {
  const said = [document.documentElement.outerHTML, document.title, location.href, window.name, document.cookie];
  said.push(...[...document.querySelectorAll("input, textarea, select")].map((one) => one.value));
  said.push(JSON.stringify([history.state, { ...localStorage }, { ...sessionStorage }]));
  said.push(JSON.stringify(performance.getEntriesByType("mark").map((one) => [one.name, one.detail])));
  for (const { name } of await indexedDB.databases()) {
    said.push(name);
    const db = await new Promise((done, fail) => {
      const opening = indexedDB.open(name);
      opening.onsuccess = () => done(opening.result);
      opening.onerror = () => fail(opening.error);
    });
    for (const store of db.objectStoreNames) {
      const rows = await new Promise((done, fail) => {
        const reading = db.transaction(store).objectStore(store).getAll();
        reading.onsuccess = () => done(reading.result);
        reading.onerror = () => fail(reading.error);
      });
      said.push(JSON.stringify(rows));
    }
    db.close();
  }
  for (const name of window.caches ? await caches.keys() : []) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      said.push(request.url, await (await cache.match(request)).text());
    }
  }
  return said.join("\\n");
}"""


@dataclass
class Room:
    """A shop on a real port, and the page of one of its screens or tablets."""

    own: Own
    page: Page
    url: str
    serving: "asyncio.Task[None]"
    gone: tuple[str, ...] = field(default=PERSONAL)  # what must be away at the end

    @property
    def shop(self) -> Shop:
        return self.own.shop

    async def found(self, searched: tuple[str, ...] = PERSONAL) -> list[str]:
        said = await self.page.evaluate(EVERYTHING)
        return [word for word in searched if word in said]


def somebody() -> tuple[object, ...]:
    point = TalkingPoint({"de": "Talkqx", "en": "Talkqx"}, {"de": "Becauseqx", "en": "Becauseqx"})
    known = Member(WHO, NAME, "de", ("qx",), ("Usualqx",), (point,))
    text = {"de": OFFER, "en": OFFER}
    offer = Offer("only", text, text, interests=("qx",), category="coffee", public_safe=True, priority=9)
    return (*member(WHO, *GIVEN), *member("ben", *GIVEN), MemberPut(known), OfferPut(offer))


@asynccontextmanager
async def room(path: Path, ending: "Ending | None" = None) -> AsyncIterator[Room]:
    async with own_shop(path, *somebody()) as own, shared() as browser:  # type: ignore[arg-type]  # all are changes
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(own.app, "127.0.0.1", 0, ready.set_result, own.hub.close))
        page = await (await browser.new_context(locale="de-DE", viewport={"width": 1280, "height": 800})).new_page()
        if ending is lost_stream:  # a clock of the test's own; with it the page's marks are not the browser's
            await page.clock.install()
        try:
            yield Room(own, page, f"http://127.0.0.1:{await ready}", serving)
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving


# --- screens ------------------------------------------------------------------------------------------------------


async def withdrawn(room: Room) -> None:
    await room.shop.push(consent(WHO, Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 9))


async def greeting_withdrawn(room: Room) -> None:
    await room.shop.push(consent(WHO, Purpose.PUBLIC_PERSONAL_GREETING, ConsentState.WITHDRAWN, 9))


async def erased(room: Room) -> None:
    await room.shop.push(MemberErase(WHO))


async def second_tap(room: Room) -> None:
    await room.shop.tap("ben", "coffee-nfc")


async def strangers_tap(room: Room) -> None:
    await room.shop.tap(None, "coffee-nfc")


async def tap_elsewhere(room: Room) -> None:
    await room.shop.tap(WHO, "door-nfc")


async def walked_away(room: Room) -> None:
    await room.shop.stand(WHO, "coffee-ble")
    await room.shop.stand(WHO, "wine-ble", seconds=15)


async def timed_out(room: Room) -> None:
    await room.shop.tick(60_000)


async def lost_stream(room: Room) -> None:
    room.serving.cancel()
    with suppress(asyncio.CancelledError):
        await room.serving
    await room.page.clock.run_for(STALE_MS)


async def reloaded(room: Room) -> None:
    """The dialogue goes on without the name; whoever reloads may be anybody."""
    room.gone = (NAME, WHO)
    await room.page.reload()
    await room.page.wait_for_selector("html[data-level]", state="attached")


async def twenty_seconds(room: Room) -> None:
    """The name alone goes; who needs more time goes on without it."""
    room.gone = (NAME, WHO)
    assert await room.own.touch("more_time") == "ok"
    await room.shop.tick(NAME_MS)


Ending = Callable[[Room], Awaitable[None]]
SCREENS: tuple[Ending, ...] = (
    withdrawn,
    greeting_withdrawn,
    erased,
    second_tap,
    strangers_tap,
    tap_elsewhere,
    walked_away,
    timed_out,
    twenty_seconds,
    lost_stream,
    reloaded,
)


async def gone(room: Room) -> None:
    """Wait until the document is rid of it, then look everywhere."""
    condition = "words => !words.some((word) => document.documentElement.outerHTML.includes(word))"
    await room.page.wait_for_function(condition, arg=list(room.gone), polling=20)
    await asyncio.sleep(0.4)  # a fade has two layers
    assert await room.found(room.gone) == []


@pytest.mark.parametrize("ending", SCREENS, ids=lambda one: one.__name__)
async def test_what_a_screen_says_to_somebody_is_wiped(tmp_path: Path, ending: Ending) -> None:
    async with room(tmp_path, ending) as one:
        await one.page.goto(f"{one.url}/screen?id=bar")
        await one.page.wait_for_selector("html[data-level]", state="attached")
        await one.shop.tap(WHO, "coffee-nfc")
        await one.page.wait_for_selector("html[data-level='L3']", state="attached")
        assert await one.found() == [NAME, OFFER]
        await ending(one)
        await gone(one)


# --- tablets ------------------------------------------------------------------------------------------------------


async def advice_withdrawn(room: Room) -> None:
    await room.shop.push(consent(WHO, Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 9))


async def closed(room: Room) -> None:
    ((tablet, card),) = room.shop.walls.cards.items()
    assert await room.shop.flow.on_close(card.handshake_id, tablet) == "ok"


async def handed_over(room: Room) -> None:
    """The lock of a tablet that a customer holds."""
    ((tablet, card),) = room.shop.walls.cards.items()
    handed = await room.shop.flow.handovers.hand_over(tablet, card.handshake_id, "4711")
    assert handed.result == "ok"


async def card_timed_out(room: Room) -> None:
    await room.shop.tick(room.shop.flow.shop.card_ms)


async def locked_by_hand(room: Room) -> None:
    await room.page.locator(".lock-button").click()
    await _is_locked(room)


async def locked_by_itself(room: Room) -> None:
    await room.shop.tick(IDLE_MS)
    await _is_locked(room)


async def reloaded_while_locked(room: Room) -> None:
    """What a locked tablet is sent says nothing of anybody, either."""
    await locked_by_hand(room)
    await room.page.reload()
    await _is_locked(room)


async def _is_locked(room: Room) -> None:
    await room.page.locator(".mate").first.wait_for()
    assert room.shop.walls.cards == {}


TABLETS: tuple[Ending, ...] = (
    advice_withdrawn,
    erased,
    closed,
    handed_over,
    card_timed_out,
    lost_stream,
)
# Where colleagues have PINs.
LOCKS: tuple[Ending, ...] = (locked_by_hand, locked_by_itself, reloaded_while_locked)


@pytest.mark.parametrize("ending", (*TABLETS, *LOCKS), ids=lambda one: one.__name__)
async def test_what_a_tablet_shows_of_somebody_is_wiped(tmp_path: Path, ending: Ending) -> None:
    async with room(tmp_path, ending) as one:
        if ending in LOCKS:
            await one.shop.push(crew())
        await one.page.goto(f"{one.url}/tablet?key={KEY}")
        await one.page.wait_for_load_state("networkidle")
        if ending in LOCKS:
            await one.page.locator(".mate[data-staff=ada]").click()
            await typed(one.page, PINS["ada"])
        await one.shop.tap(WHO, "advice-nfc")
        await one.page.locator("li.row[data-state=asked] button").first.click()
        await one.page.wait_for_function("() => document.querySelector('[data-card]')?.dataset.card")
        assert NAME in await one.found() and "Usualqx" in await one.found()
        await ending(one)
        await gone(one)


async def test_the_search_finds_what_is_kept_anywhere(tmp_path: Path) -> None:
    places = (
        "localStorage.setItem('a', word)",
        "sessionStorage.setItem('a', word)",
        "history.replaceState({ word }, '')",
        "window.name = word",
        "document.title = word",
        "document.cookie = `a=${word}; path=/`",
        "performance.mark(word)",
        "document.body.append(Object.assign(document.createElement('input'), { value: word }))",
        "(await caches.open('a')).put('/x', new Response(word))",
        """new Promise((done) => { const opening = indexedDB.open('a');
           opening.onupgradeneeded = () => opening.result.createObjectStore('s', { autoIncrement: true });
           opening.onsuccess = () => { const tx = opening.result.transaction('s', 'readwrite');
             tx.objectStore('s').add({ word }); tx.oncomplete = () => { opening.result.close(); done(); }; }; })""",
    )
    async with room(tmp_path) as one:
        for number, place in enumerate(places):
            await one.page.goto(f"{one.url}/screen?id=bar")
            word = f"{WHO}-{number}"
            assert await one.found((word,)) == []
            await one.page.evaluate(f"async (word) => {{ await ({place}) }}", word)
            assert await one.found((word,)) == [word], place
