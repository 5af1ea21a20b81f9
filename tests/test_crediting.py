"""Points with the booking: credited once in its commit, taken back with what comes back, shown where that is agreed."""

import secrets
from pathlib import Path

import pytest

from gateway.checkout import Answer, Asked
from gateway.core.changes import BalancePut, Change, OfferPut, PointsPut
from gateway.core.model import Proof, Purpose
from gateway.core.points import Balance, PointsPolicy
from gateway.crediting import credit_sale
from gateway.export import export
from tests.rigs.shop import Shop, member, open_shop
from tests.rigs.tillpage import ALL, LEASE, OFFERS, RULES

POLICY = PointsPut(PointsPolicy(per_euro=2, offers={"cake": 15, "roast": 10}))


async def opened(path: Path, *changes: Change, purposes: tuple[Purpose, ...] = ALL) -> Shop:
    offers = [OfferPut(offer) for offer in OFFERS]
    return await open_shop(path, *offers, RULES, LEASE, POLICY, *member("mia", *purposes), *changes)


@pytest.fixture
async def shop(tmp_path: Path):
    one = await opened(tmp_path)
    yield one
    one.store.close()


async def ask(shop: Shop, asked: Asked, key: str = "") -> Answer:
    answer = await shop.flow.till_desk.ask("till-1", key or secrets.token_hex(8), asked)
    assert isinstance(answer, Answer)
    return answer


async def redeem(shop: Shop, offer_id: str = "cake") -> Answer:
    held = await ask(shop, Asked("reserve", offer_id=offer_id))
    return await ask(shop, Asked("confirm", str(held.redemption_id), receipt="4711"), key="confirm-1")


async def balance(shop: Shop) -> Balance | None:
    return await shop.store.run(lambda tx: tx.stored_balance("mia"))


async def test_a_redemption_credits_once_and_is_told(shop: Shop) -> None:
    await shop.push(BalancePut("mia", 100, 3))
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    done = await redeem(shop)
    again = await ask(shop, Asked("confirm", str(done.redemption_id), receipt="4711"), key="confirm-1")
    assert again == done
    assert await balance(shop) == Balance(115, 15)
    (told,) = await shop.bodies("points.changed")
    assert told == {
        "step_id": f"{done.redemption_id}.2",
        "member_id": "mia",
        "points": 15,
        "source": done.redemption_id,
    }
    view = await shop.flow.till_desk.view("till-1")
    assert view.buyer is not None
    assert view.buyer.points == Balance(115, 15)


async def test_a_part_of_an_offer_brings_its_share(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    held = await ask(shop, Asked("reserve", offer_id="cake", cents=1))
    await ask(shop, Asked("confirm", str(held.redemption_id), receipt="1"))
    assert await balance(shop) is None
    held = await ask(shop, Asked("reserve", offer_id="cake"))
    await ask(shop, Asked("confirm", str(held.redemption_id), receipt="2", cents=160))
    assert await balance(shop) == Balance(7, 7)


async def test_what_comes_back_takes_back_its_points(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    done = await redeem(shop)
    await ask(shop, Asked("reverse", str(done.redemption_id), cents=160))
    assert await balance(shop) == Balance(8, 8)  # half of 15, and never too little
    await shop.push(PointsPut(PointsPolicy(offers={"cake": 99})))  # what was earned stands, whatever is earned now
    await ask(shop, Asked("reverse", str(done.redemption_id)))
    assert await balance(shop) == Balance(0, 0)
    assert [one["points"] for one in await shop.bodies("points.changed")] == [15, -7, -8]


async def test_nobody_and_what_brings_nothing_leave_no_step(shop: Shop) -> None:
    await redeem(shop, "bag")
    assert await shop.bodies("points.changed") == []
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    held = await ask(shop, Asked("reserve", offer_id="bag"))
    await ask(shop, Asked("confirm", str(held.redemption_id), receipt="1"))
    assert await shop.bodies("points.changed") == []
    assert await balance(shop) is None


async def test_the_screen_says_it_to_whom_it_is_about_while_their_dialogue_is_open(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert shop.step("counter") is not None
    done = await redeem(shop)
    content = shop.walls.screens["counter"]
    assert content.level == "L3"
    assert content.dialogue is not None
    assert (content.dialogue.step, content.dialogue.points, content.dialogue.slide) == ("credited", (15, 15), None)
    assert shop.walls.screens["bar"].dialogue is None
    await ask(shop, Asked("reverse", str(done.redemption_id)))
    content = shop.walls.screens["counter"]
    assert content.dialogue is not None
    assert content.dialogue.points == (-15, 0)
    await shop.tick(20_000)
    assert shop.walls.screens["counter"].dialogue is None


async def test_a_screen_says_no_points_of_somebody_else_nor_after_the_dialogue(shop: Shop) -> None:
    await shop.push(*member("ben", *ALL))
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    held = await ask(shop, Asked("reserve", offer_id="cake"))
    await shop.tap("ben", "till-nfc", Proof.PROVEN)
    await ask(shop, Asked("confirm", str(held.redemption_id), receipt="1"))
    content = shop.walls.screens["counter"]
    assert content.dialogue is not None
    assert content.dialogue.step != "credited"
    assert await balance(shop) == Balance(15, 15)
    await shop.tick(30_000)
    assert all(shown.dialogue is None or shown.dialogue.points is None for _, shown in shop.walls.history)


async def test_points_are_shown_to_nobody_without_consent_and_still_credited(tmp_path: Path) -> None:
    only = (Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS)
    shop = await opened(tmp_path, purposes=only)
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    await redeem(shop)
    assert shop.step("counter") != "credited"
    view = await shop.flow.till_desk.view("till-1")
    assert view.buyer is not None
    assert view.buyer.points is None
    assert await balance(shop) == Balance(15, 15)
    shop.store.close()


async def test_the_card_says_the_balance_for_advice(shop: Shop) -> None:
    await shop.push(BalancePut("mia", 100, 3))
    await shop.tap("mia", "advice-nfc")
    (entry,) = shop.walls.entries
    assert await shop.flow.on_accept(entry.handshake_id, "t1") == "open"
    assert shop.walls.cards["t1"].points == 100


async def test_a_sale_credits_whole_euros_once(shop: Shop) -> None:
    booked = [await shop.store.run(lambda tx: credit_sale(tx, "mia", "sale-1", 1_299, shop.clock.ms)) for _ in range(2)]
    assert booked == [24, 0]
    assert await balance(shop) == Balance(24, 24)


async def test_the_member_sees_all_of_it_and_an_erasure_leaves_nothing(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    await redeem(shop)
    found = await shop.store.run(lambda tx: export(tx, "mia", shop.clock.ms))
    assert found["points"][0]["balance"] == 15
    assert [one["points"] for one in found["points"][0]["steps"]] == [15]
    assert await shop.flow.on_erase("mia", "test") == "ok"
    assert await balance(shop) is None
    assert await shop.store.run(lambda tx: tx.points_steps("mia")) == []
