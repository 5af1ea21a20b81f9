"""Self-scanning as a customer meets it: a phone's browser before the real shop, also with the network switched off."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect

from display.pages import Pages
from gateway.core.basket import Benefit, Scan, ScanRules, code_of, counted, each_cents, price
from gateway.core.changes import OfferPut, PricesPut, ScanPut
from gateway.core.gs1 import Embedded, Item, parse
from gateway.core.model import ConsentState, Offer, Purpose
from gateway.core.places import FRESH_MS
from gateway.core.prices import Article, part_of
from gateway.core.redemption import Refused
from gateway.serving import serve
from tests.rigs.broker import free_port
from tests.rigs.browser import ONE_CHROMIUM, shared
from tests.rigs.looks import faults
from tests.rigs.own import Own, own_shop
from tests.rigs.shop import consent, member
from tests.rigs.shopfront import KEY
from tests.test_gs1 import CORPUS, POLICY, labelled
from tests.test_sync_prices import gtin

pytestmark = ONE_CHROMIUM

PHONE = {"width": 390, "height": 844}
NAMES = (
    ("Musterkaffee, ganze Bohne 500 g", "Sample coffee, whole beans 500 g"),
    ("Mustertee 100 g", "Sample tea 100 g"),
    ("Musterbrot", "Sample bread"),
    ("Hafermilch 1 l", "Oat milk 1 l"),
    ("Musterhonig 250 g", "Sample honey 250 g"),
)
GOODS = tuple(
    Article(gtin(number), {"de": f"{de} {number}", "en": f"{en} {number}"}, 199 + 10 * number)
    for number in range(1, 31)
    for de, en in [NAMES[number % len(NAMES)]]
)
CHEESE = Article("0" + labelled("28", 7, 0), {"de": "Musterkäse vom Stück", "en": "Sample cheese"}, 50, "label")
HAM = Article(gtin(40), {"de": "Musterschinken", "en": "Sample ham"}, 1_990, "kg")
FREE = Article(gtin(41), {"de": "Tragetasche", "en": "Bag"}, 0)
OFFER = Offer(
    "tea-1", {"de": "1 € auf Mustertee", "en": "€1 off sample tea"}, {}, value_cents=100, price_ref=gtin(1),
    channels=("phone",),
)  # fmt: skip
RULES = ScanRules(on=True, recheck_bp=0, secret="of tests", embedded=(Embedded("28", "price"),))
OURS = {"Authorization": f"Bearer {KEY}"}


@dataclass
class Shopping:
    own: Own
    context: BrowserContext
    page: Page

    async def check_in(self) -> None:
        """Tap, ask for one's own data, scan the code, confirm at the screen."""
        await self.own.shop.tap("mia", "coffee-nfc")
        await self.own.touch("my_data")
        await self.page.goto(self.own.link())
        await expect(self.page.locator(".digits")).to_be_visible()
        await self.own.touch("mine")
        await expect(self.page.locator("my-page")).to_have_attribute("data-view", "member")

    async def begin(self) -> None:
        await self.page.goto(f"{self.own.base}/scan")
        await self.page.locator("[data-act=begin]").click()
        await self.view("basket")

    async def view(self, name: str) -> None:
        await expect(self.page.locator("scan-page")).to_have_attribute("data-view", name)

    async def type(self, *codes: str) -> None:
        for code in codes:
            await self.page.locator("#code").fill(code)
            await self.page.locator("[data-act=add]").click()

    async def sent(self) -> None:
        """Everything is with the gateway."""
        await expect(self.page.locator("scan-page")).to_have_attribute("data-provisional", "false")

    async def at_till(self, code: str, key: str) -> dict[str, Any]:
        headers = OURS | {"Idempotency-Key": key}
        asked = self.own.browser().client.post("/api/v1/tills/till-1/baskets", json={"code": code}, headers=headers)
        return dict((await asked).json())


@asynccontextmanager
async def shopping(path: Path, locale: str = "de-DE") -> AsyncIterator[Shopping]:
    port = free_port()
    prices = [PricesPut(1, part_of(one.gtin), (one,)) for one in (*GOODS, CHEESE)]
    changes = (*member("mia", *Purpose), *prices, ScanPut(RULES), OfferPut(OFFER))
    async with own_shop(path, *changes, base=f"http://127.0.0.1:{port}") as own:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(serve(own.app, "127.0.0.1", port, ready.set_result, own.hub.close))
        await ready
        try:
            async with shared() as browser:
                context = await browser.new_context(locale=locale, viewport=PHONE)
                page = await context.new_page()
                complaints: list[str] = []
                page.on("pageerror", lambda error: complaints.append(str(error)))
                yield Shopping(own, context, page)
                assert complaints == []
        finally:
            running.cancel()
            await asyncio.wait({running})


async def test_thirty_items_without_the_network_then_a_code_that_counts_once(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.check_in()
        await shop.begin()
        await expect(shop.page.locator(".gifts")).to_contain_text("1 € auf Mustertee")
        await shop.context.set_offline(True)
        await shop.type(*[one.gtin[1:] for one in GOODS])
        await expect(shop.page.locator(".line")).to_have_count(30)
        await expect(shop.page.locator(".net")).to_contain_text("vorläufig")
        cents = sum(one.cents for one in GOODS) - 100
        await expect(shop.page.locator(".sum")).to_have_text(f"{cents // 100},{cents % 100:02} €")
        await shop.page.locator("[data-act=toTill]").click()
        await expect(shop.page.locator(".said")).to_contain_text("Netz des Ladens")
        assert await shop.own.shop.store.run(lambda tx: [one.scans for one, _ in tx.baskets_of("mia")]) == []

        await shop.context.set_offline(False)
        await expect(shop.page.locator(".net")).to_be_hidden()
        await shop.sent()
        await expect(shop.page.locator(".sum")).to_have_text(f"{cents // 100},{cents % 100:02} €")
        await shop.page.locator("[data-act=toTill]").click()
        await shop.view("code")
        picture = shop.page.locator(".paper img")
        assert await picture.evaluate("async image => (await image.decode(), image.naturalWidth > 0)")
        code = str(await shop.page.locator(".paper").get_attribute("data-code"))

        letters = await shop.page.locator(".letters span").all_inner_texts()
        assert [len(one) for one in letters] == [4, 4, 4]
        assert (await shop.at_till("AAAA AAAA AAAA", "key-0000"))["reason"] == "basket.letters"

        first = await shop.at_till(" ".join(letters).lower(), "key-0001")
        assert (first["result"], first["cents"], first["items"], first["recheck"]) == ("ok", cents, 30, False)
        assert [one["offer_id"] for one in first["lines"] if one["offer_id"]] == ["tea-1"]
        assert await shop.at_till(" ".join(letters).lower(), "key-0001") == first, "the same request again"
        second = await shop.at_till(code, "key-0002")
        assert (second["result"], second["reason"]) == ("refused", "basket.used")
        await shop.view("done")
        assert await shop.page.evaluate("localStorage.getItem('scan-waiting')") is None


async def test_the_members_own_language_goes_along_and_another_can_be_chosen(tmp_path: Path) -> None:
    async with shopping(tmp_path, "en-GB") as shop:
        await shop.check_in()
        await expect(shop.page.locator("html")).to_have_attribute("lang", "de")
        await shop.page.get_by_role("link", name="Selbst scannen").click()
        await expect(shop.page.locator("h1")).to_have_text("Scannen Sie selbst")
        assert shop.page.url == f"{shop.own.base}/scan"
        await shop.page.locator("[data-role=language]").click()
        await expect(shop.page.locator("h1")).to_have_text("Scan as you shop")
        await shop.page.reload()
        await expect(shop.page.locator("h1")).to_have_text("Scan as you shop")


async def test_an_answer_that_was_lost_counts_nothing_twice(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.begin()

        async def lose(route: Any) -> None:
            await route.fetch()  # the gateway takes it, and the phone never hears of it
            await route.abort()

        await shop.page.route("**/api/v1/scan/lines", lose, times=2)
        await shop.type(GOODS[0].gtin, GOODS[1].gtin)
        await expect(shop.page.locator(".net")).to_be_visible()
        await shop.sent()
        await expect(shop.page.locator(".count")).to_have_text("2 Artikel")
        await shop.page.reload()
        await expect(shop.page.locator(".count")).to_have_text("2 Artikel")


async def test_a_basket_that_was_only_begun_is_begun_anew_and_nothing_is_lost(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.begin()
        await shop.context.set_offline(True)
        await shop.type(GOODS[0].gtin, GOODS[1].gtin)
        await expect(shop.page.locator(".net")).to_be_visible()
        await shop.own.shop.tick(FRESH_MS)
        await shop.own.shop.push(PricesPut(2, part_of(GOODS[2].gtin), (replace(GOODS[2], cents=1_111),)))
        await shop.context.set_offline(False)
        await shop.sent()
        await expect(shop.page.locator(".count")).to_have_text("2 Artikel")
        await shop.context.set_offline(True)
        await shop.type(GOODS[2].gtin)
        await expect(shop.page.locator(f"[data-gtin='{GOODS[2].gtin}']")).to_contain_text("11,11")


async def test_counts_labels_and_wrong_codes(tmp_path: Path) -> None:
    async with shopping(tmp_path, "en-GB") as shop:
        await shop.begin()
        await shop.type(f"https://id.example/01/{GOODS[0].gtin}?17=271231")
        await shop.page.locator("[data-step^=more]").click()
        await expect(shop.page.locator(".line output")).to_have_text("2")
        await shop.page.locator("[data-step^=less]").click()
        await shop.type(labelled("28", 7, 333))
        await expect(shop.page.locator(f"[data-gtin='{CHEESE.gtin}']")).to_contain_text("€3.33")
        for code, said in (
            ("4006381333932", "digit is wrong"),
            (gtin(99), "do not know"),
            ("tea", "no article number"),
        ):
            await shop.type(code)
            await expect(shop.page.locator(".said")).to_contain_text(said)
        await shop.sent()
        await expect(shop.page.locator(".sum")).to_have_text("€5.42")
        await expect(shop.page.locator(".nothing")).to_contain_text("Not checked in")
        await shop.page.locator("[data-act=leave]").click()
        await shop.page.locator("[data-act=leaveYes]").click()
        await shop.view("start")
        assert await shop.own.shop.store.run(lambda tx: tx.basket_count()) == 0


async def test_what_is_withdrawn_is_off_the_phone_with_the_next_scan(tmp_path: Path) -> None:
    async with shopping(tmp_path) as shop:
        await shop.check_in()
        await shop.begin()
        await shop.type(GOODS[0].gtin)
        await expect(shop.page.locator(".line .off")).to_have_count(1)
        await shop.sent()
        await shop.own.shop.push(consent("mia", Purpose.PERSONALISE_OFFERS, ConsentState.WITHDRAWN, 9))
        await shop.type(GOODS[1].gtin)
        await shop.sent()
        await expect(shop.page.locator(".line .off")).to_have_count(0)


async def test_the_phone_reads_and_reckons_as_the_gateway_does(tmp_path: Path) -> None:
    embedded = [{"prefix": one.prefix, "holds": one.holds} for one in POLICY]
    texts = [text for text, _ in CORPUS] + [labelled(one.prefix, 4711, 333) for one in POLICY]
    texts += ["4006381333932", "00000000", "hello", "", "(10)A", "https://shop.example/01/04006381333932"]
    script = """async ([base, texts, embedded]) => {
        const { read, codeOf } = await import(`${base}/basket.js`);
        return texts.map((text) => read(text, embedded)).map((item) => [item, item.bad ? "" : codeOf(item)]);
    }"""
    waits = 0
    async with shopping(tmp_path) as shop:
        await shop.page.goto(f"{shop.own.base}/scan")
        found = await shop.page.evaluate(script, [Pages().base, texts, embedded])
    for text, (item, code) in zip(texts, found, strict=True):
        ours = parse(text, POLICY)
        if item.get("bad") == "form":
            waits += isinstance(ours, Item)  # the phone leaves it to the gateway
            continue
        if isinstance(ours, Refused):
            assert ours.reason == f"scan.{item['bad']}", text
            continue
        assert (item["gtin"], item["cents"], item["grams"]) == (ours.gtin, ours.cents, ours.grams), text
        assert code == code_of(ours), text
    assert waits <= 6, "element strings without brackets, and prices with a currency"


def drawn_codes(draw: random.Random) -> list[str]:
    """Codes as goods bear them, and as somebody would make them who wants to pay less."""
    numbers = [one.gtin for one in (GOODS[0], GOODS[1], HAM, CHEESE, FREE)] + [gtin(99)]
    digits = ["0", "1", "000000", "000001", "000250", "12345", "999999", "000000000000001", "99999999999999"]
    labels = [labelled("28", 7, value) for value in (0, 1, 49, 50, 333, 99_999)]
    codes = [draw.choice([*numbers, *labels]) for _ in range(60)]
    for _ in range(300):
        number, value = draw.choice(numbers), draw.choice(digits)
        ai = draw.choice(["310", "392", "393", "391", "17"]) + draw.choice("01234567")
        value = draw.choice(["978", ""]) + value if ai[:3] == "393" else value
        form = draw.choice(
            ["({0}){1}({2}){3}", "https://x.example/{0}/{1}?{2}={3}", "https://x.example/{0}/{1}/{2}/{3}"]
        )
        codes.append(form.format("01", number, ai, value))
    return codes


async def test_the_phone_asks_the_same_prices_as_the_gateway_whatever_codes_say(tmp_path: Path) -> None:
    draw, articles = random.Random(5), {one.gtin: one for one in (*GOODS, CHEESE, HAM, FREE)}
    codes = drawn_codes(draw)
    baskets = [draw.sample(range(len(codes)), 12) for _ in range(40)]
    script = """async ([base, codes, baskets, rows, embedded, benefits]) => {
        const { codeOf, price, priceList, read, settled } = await import(`${base}/basket.js`);
        const list = priceList({ articles: rows });
        const items = codes.map((code) => read(code, embedded)).map((one) => (one.bad ? one : settled(one, list)));
        const sums = baskets.map((picked) => {
            const waiting = picked.filter((n) => !items[n].bad).map((n, at) => ({ ...items[n], count: 1 + (at % 3) }));
            const priced = price({ lines: [], benefits }, waiting, list);
            const lines = priced.lines.map((line) => [line.code, line.each_cents, line.count, line.benefit_cents]);
            return [priced.sum, priced.items, lines];
        });
        return [items.map((one) => one.bad ?? codeOf(one)), sums];
    }"""
    rows = [[one.gtin, one.cents, one.unit, dict(one.title)] for one in articles.values()]
    benefits = [Benefit("o-1", HAM.gtin, 100, {}), Benefit("o-2", CHEESE.gtin, 100, {})]
    embedded = [{"prefix": one.prefix, "holds": one.holds} for one in RULES.embedded]
    async with shopping(tmp_path) as shop:
        await shop.page.goto(f"{shop.own.base}/scan")
        asked = [Pages().base, codes, baskets, rows, embedded, [asdict(one) for one in benefits]]
        said, sums = await shop.page.evaluate(script, asked)
    items, different = [], 0
    for code, theirs in zip(codes, said, strict=True):
        item = parse(code, RULES.embedded)
        listed = None if isinstance(item, Refused) else articles.get(item.gtin)
        ours = item.reason if isinstance(item, Refused) else "scan.unknown"
        if isinstance(item, Item) and listed is not None:
            each = each_cents(item, listed)
            ours = each.reason if isinstance(each, Refused) else code_of(counted(item, listed))
        assert theirs == ours.removeprefix("scan."), code
        items.append(item if isinstance(item, Item) and not ours.startswith("scan.") else None)
        different += theirs != code
    for picked, (cents, count, lines) in zip(baskets, sums, strict=True):
        known = [item for n in picked if (item := items[n]) is not None]
        scans = [Scan(str(at), item, 1 + at % 3) for at, item in enumerate(known)]
        ours_priced = price(scans, articles, benefits)
        assert (cents, count) == (ours_priced.sum_cents, ours_priced.count)
        assert lines == [[one.code, one.each_cents, one.count, one.benefit_cents] for one in ours_priced.lines]
    assert different > 100, "most codes say more than the number"


@pytest.mark.parametrize("locale", ["de-DE", "en-GB"])
async def test_each_view_can_be_read_and_reached(tmp_path: Path, locale: str) -> None:
    async with shopping(tmp_path, locale) as shop:
        await shop.check_in()
        await shop.page.goto(f"{shop.own.base}/scan")
        await shop.view("start")
        assert await faults(shop.page, "scan-page", scrolls=True) == []
        await shop.page.locator("[data-act=begin]").click()
        await shop.view("basket")
        await shop.type(GOODS[0].gtin, GOODS[0].gtin, GOODS[1].gtin, labelled("28", 7, 333))
        await shop.context.set_offline(True)
        await shop.type(GOODS[2].gtin)
        await expect(shop.page.locator(".net")).to_be_visible()
        for scheme in ("light", "dark"):
            await shop.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert await faults(shop.page, "scan-page", scrolls=True) == []
        await shop.context.set_offline(False)
        await shop.sent()
        await shop.page.locator("[data-act=toTill]").click()
        await shop.view("code")
        for scheme in ("light", "dark"):
            await shop.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert await faults(shop.page, "scan-page", scrolls=True) == []
