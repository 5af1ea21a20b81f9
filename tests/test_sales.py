"""A sale that a till reports: its total is told, and of a member who agreed what was bought is remembered."""

import asyncio
from pathlib import Path

import pytest

from gateway.core.changes import MemberPut, PointsPut, PurchasesPut
from gateway.core.model import ConsentState, Member, Proof, Purpose
from gateway.core.points import Balance, PointsPolicy
from gateway.core.usual import Bought, Product, Purchases
from gateway.errors import StoreError
from gateway.sales import Recorded, Sold, SoldLine
from tests.rigs.shop import Shop, consent, member, open_shop
from tests.rigs.tillpage import ALL

SOLD = Sold("4711", (SoldLine("espresso-4", 2, 1_798), SoldLine("toast", 1, 199), SoldLine("espresso-4", 1, 899)))
POLICY = PointsPut(PointsPolicy(per_euro=2))


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, POLICY, *member("mia", *ALL, Purpose.PURCHASE_HISTORY), *member("ben", *ALL))
    yield one
    one.store.close()


async def sell(shop: Shop, key: str = "sale-0001", sold: Sold = SOLD) -> object:
    return await shop.flow.till_desk.sell("till-1", key, sold)


async def bought(shop: Shop, who: str) -> Purchases | None:
    return await shop.store.run(lambda tx: tx.stored_purchases(who))


async def test_nobodys_sale_is_a_total(shop: Shop) -> None:
    assert await sell(shop) == Recorded(0)
    (told,) = await shop.bodies("sale.recorded")
    assert told == {"till": "till-1", "receipt": "4711", "cents": 2_896, "lines": 3}
    assert await bought(shop, "mia") is None


async def test_a_members_sale_brings_points_and_what_they_bought_once(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    for _ in range(3):
        assert await sell(shop) == Recorded(56)
    assert await shop.store.run(lambda tx: tx.stored_balance("mia")) == Balance(56, 56)
    found = await bought(shop, "mia")
    assert found is not None
    assert [(visit.here, visit.products) for visit in found.visits] == [(True, ("espresso-4", "toast"))]
    assert len(await shop.bodies("sale.recorded")) == 1
    content = shop.walls.screens["counter"]
    assert content.dialogue is not None
    assert (content.dialogue.step, content.dialogue.points) == ("credited", (56, 56))


async def test_a_told_receipt_ends_the_sale_so_the_next_customers_is_not_theirs(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert await sell(shop) == Recorded(56)
    assert shop.flow.sale_at("till-1") is None
    assert await sell(shop, "sale-0002") == Recorded(0)
    assert await shop.store.run(lambda tx: tx.stored_balance("mia")) == Balance(56, 56)


@pytest.mark.parametrize("receipts", [("4711", "4711"), ("4711", "4712", "4713", "4714", "4715")])
async def test_of_receipts_that_are_told_in_the_same_moment_only_the_first_is_the_members(
    shop: Shop, receipts: tuple[str, ...]
) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    told = [sell(shop, f"sale-100{n}", Sold(one, SOLD.lines)) for n, one in enumerate(receipts)]
    assert await asyncio.gather(*told) == [Recorded(56), *[Recorded(0)] * (len(receipts) - 1)]
    assert await shop.store.run(lambda tx: tx.stored_balance("mia")) == Balance(56, 56)
    assert len(await shop.bodies("sale.recorded")) == len(receipts)


async def test_a_sale_that_could_not_be_kept_is_still_the_members(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_: object) -> object:
        raise StoreError("disk full")

    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    with monkeypatch.context() as patched:
        patched.setattr(shop.flow.till_desk, "_commit", full)
        with pytest.raises(StoreError):
            await sell(shop)
    assert await sell(shop) == Recorded(56)


async def test_a_receipt_that_is_told_again_ends_nobodys_sale(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    await sell(shop)
    await shop.tap("ben", "till-nfc", Proof.PROVEN)
    assert await sell(shop) == Recorded(56)
    sale = shop.flow.sale_at("till-1")
    assert sale is not None
    assert sale[0] == "ben"


async def test_a_key_that_comes_again_once_its_answer_is_forgotten_is_another_sale(shop: Shop) -> None:
    for _ in range(2):
        await shop.tap("mia", "till-nfc", Proof.PROVEN)
        assert await sell(shop) == Recorded(56)
        await shop.store.run(lambda tx: tx._db.execute("DELETE FROM till_request"))
    assert await shop.store.run(lambda tx: tx.stored_balance("mia")) == Balance(112, 112)
    ids = {one["step_id"] for one in await shop.bodies("points.changed")}
    assert len(ids) == 2
    assert "sale-0001" not in str(ids), "a till's key is unique in its shop alone"


async def test_the_same_key_for_another_receipt_is_a_conflict(shop: Shop) -> None:
    await sell(shop)
    assert await sell(shop, sold=Sold("4712", SOLD.lines)) == "conflict"
    assert len(await shop.bodies("sale.recorded")) == 1


async def test_without_the_consent_nothing_is_kept_but_the_total(shop: Shop) -> None:
    await shop.tap("ben", "till-nfc", Proof.PROVEN)
    assert await sell(shop) == Recorded(56)
    assert await bought(shop, "ben") is None
    assert "ben" not in str(await shop.bodies("sale.recorded"))
    await shop.push(consent("mia", Purpose.PURCHASE_HISTORY, ConsentState.WITHDRAWN, 9))
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    await sell(shop, "sale-0002")
    assert await bought(shop, "mia") is None


async def test_what_is_sold_here_becomes_the_usual(shop: Shop) -> None:
    await shop.push(MemberPut(Member("mia", "Mia")))  # headquarters sends no words for it
    products = (Product("espresso-4", "Espresso Nr. 4"), Product("tea", "Tee"))
    old = Bought(shop.clock.ms - 90 * 86_400_000, True, ("tea",))
    await shop.push(PurchasesPut("mia", Purchases(products, (old,))))
    for number in range(4):
        await shop.tap("mia", "till-nfc", Proof.PROVEN)
        await sell(shop, f"sale-{number:04}")
        shop.clock.ms += 60_000
    found = await shop.store.run(
        lambda tx: tx.usual(tx.profile("mia"), Purpose.PURCHASE_HISTORY, shop.clock.ms)  # type: ignore[arg-type]  # known
    )
    assert found[0] == "Espresso Nr. 4"
    assert "toast" not in found  # an article of which headquarters has sent no words is passed over
