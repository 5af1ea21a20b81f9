"""The pages of an offer that is taken along, over the real application: one phone, its page and image, no other."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
import segno

from gateway.core.changes import ConfigPut
from gateway.core.coupon import MAX_CHARACTERS
from gateway.core.model import Proof, Purpose
from gateway.core.tokens import MAX_WRONG_SOURCE
from tests.rigs.coupons import HELD, RULES, put
from tests.rigs.own import Own, own_shop
from tests.rigs.shop import member

MINE = (Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS, Purpose.PUBLIC_PERSONAL_GREETING, Purpose.STAFF_ADVICE)


@pytest.fixture
async def own(tmp_path: Path):
    async with own_shop(tmp_path, RULES, put(), *member("mia", *MINE), keys=(HELD,)) as one:
        yield one


async def scanned(own: Own) -> str:
    """Tap, take it along, scan: where the phone is sent."""
    await own.shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    assert await own.touch("take") == "ok"
    answer = await own.browser().open(own.link())
    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers
    return answer.headers["location"]


async def test_the_first_phone_sees_its_coupon_and_the_second_a_clear_page(own: Own) -> None:
    await own.shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    await own.touch("take")
    link = own.link()
    picture = await own.browser().open(f"{link}.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    ahead = await own.browser().client.get(link, headers={"Sec-Purpose": "prefetch"})
    assert ahead.status_code == 204
    assert (await own.browser().open(link)).status_code == 303
    second = await own.browser("192.0.2.8").open(link)
    assert second.status_code == 410
    assert "nicht zu holen" in second.text
    assert (await own.browser().open(f"{own.base}/h/{'a' * 26}")).status_code == 410


async def test_the_page_holds_the_code_its_letters_and_no_word_about_the_member(own: Own) -> None:
    where = await scanned(own)
    text = where.partition("?")[0].removeprefix("/o/")
    page = await own.browser().open(where)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert f'<p class="letters">{text}</p>' in page.text
    assert "Gültig bis" in page.text
    assert "mia" not in page.text.lower()
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="svg", border=4, omitsize=True, xmldecl=False)
    shape = re.search(r' d="([^"]+)"', drawn.getvalue().decode())
    assert shape is not None
    assert shape[1] in page.text  # the very code, for a camera
    english = await own.browser().open(f"/o/{text}?language=en")
    assert 'lang="en"' in english.text
    assert "Valid until" in english.text
    assert "Valid until" in (await own.browser().open(f"/o/{text}?language=fr")).text


@pytest.mark.parametrize("zone", ["Mars/Olympus_Mons", "America", "Etc/..", "Europe/Berlin"])
async def test_whatever_the_shop_calls_its_time_zone_the_page_comes(own: Own, zone: str) -> None:
    shop = await own.shop.store.run(lambda tx: tx.shop())
    await own.shop.push(ConfigPut(replace(shop, restraint=replace(shop.restraint, time_zone=zone))))
    page = await own.browser().open(await scanned(own))
    assert page.status_code == 200
    assert re.search(r"Gültig bis [0-9]{2}\.[0-9]{2}\.2027, [0-9]{2}:[0-9]{2} Uhr", page.text)


async def test_it_is_saved_as_an_image(own: Own) -> None:
    text = (await scanned(own)).partition("?")[0].removeprefix("/o/")
    image = await own.browser().open(f"/o/{text}.png")
    assert image.content.startswith(b"\x89PNG")
    assert image.headers["content-disposition"] == 'attachment; filename="coupon.png"'
    assert (await own.browser().open(f"/o/{text}.svg")).headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("text", ["A" * 100, "..%2f", "x" * (MAX_CHARACTERS + 1), "<script>", "é"])
async def test_what_is_no_coupon_has_a_clear_page(own: Own, text: str) -> None:
    for ending in ("", ".png", ".svg"):
        answer = await own.browser().open(f"/o/{text}{ending}")
        assert answer.status_code == 404
        assert text not in answer.text


async def test_whoever_tries_for_long_waits(own: Own) -> None:
    tries = [(await own.browser().open(f"/o/{'A' * 100}")).status_code for _ in range(MAX_WRONG_SOURCE + 1)]
    assert tries == [404] * MAX_WRONG_SOURCE + [429]


async def test_a_colleagues_tablet_gets_a_code_and_nobody_else(own: Own) -> None:
    tablet = await own.tablet()
    await own.shop.tap("mia", "advice-nfc", Proof.PROVEN)
    handshake = own.shop.walls.entries[-1].handshake_id
    assert (await tablet.post(f"tablet/handshakes/{handshake}/accept"))["result"] == "open"
    asked = {"handshake_id": handshake, "offer_id": "gift"}
    said = await tablet.post("tablet/offer-link", asked)
    assert said["result"] == "ok"
    assert said["svg"].endswith(".svg")
    assert (await own.browser().open(said["url"])).headers["location"].startswith("/o/")
    assert (await tablet.post("tablet/offer-link", asked | {"offer_id": "espresso"}))["result"] == "refused"
    assert (await own.browser().post("tablet/offer-link", asked))["status"] == 401
    assert (await tablet.post("tablet/offer-link", {"handshake_id": handshake}))["status"] == 422
