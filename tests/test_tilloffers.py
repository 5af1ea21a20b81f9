"""What may be said to a member at a till: what a screen just showed them is on the cashier's list."""

from pathlib import Path
from typing import Any

import pytest

from gateway.core.changes import OfferPut
from gateway.core.model import Cap, Offer, Pause, Proof
from gateway.core.spans import DAY_MS
from gateway.tilloffers import VISIT_MS
from tests.rigs.shop import TEXT, member, open_shop
from tests.rigs.tillpage import ALL


@pytest.mark.parametrize(
    "more",
    [
        {"pause": Pause(shown_ms=DAY_MS)},
        {"cap_per_member": 1},
        {"caps": (Cap("impressions", 1, period_ms=DAY_MS),)},
        {"caps": (Cap("impressions", 1, "store", DAY_MS),)},
    ],
)
async def test_what_the_screen_shows_at_the_tap_is_listed_whatever_its_pause_and_caps(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    shown = Offer("shown", TEXT, TEXT, value_cents=100, priority=9, groups=("sweets",), **more)
    other = Offer("other", TEXT, TEXT, value_cents=100, groups=("sweets",))
    shop = await open_shop(tmp_path, OfferPut(shown), OfferPut(other), *member("mia", *ALL))

    async def listed() -> list[str]:
        return [one.offer_id for one in (await shop.flow.till_desk.view("till-1")).offers]

    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    contacts = await shop.store.run(lambda tx: tx.contacts("mia", shop.clock.ms + 1))
    assert [(one.offer_id, one.placement) for one in contacts] == [("shown", "counter")]
    shop.clock.ms += 1_000
    assert await listed() == ["shown"], "and no other one of its group"
    shop.clock.ms += VISIT_MS
    await shop.tick()
    await shop.tap("mia", "till-nfc", Proof.PROVEN)
    assert "shown" not in await listed(), "in another visit the rules hold as everywhere"
    shop.store.close()
