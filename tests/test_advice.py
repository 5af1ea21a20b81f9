"""gateway.advice: who is near, and that nothing is rung for nothing. The rest of its way is in test_flow."""

from pathlib import Path

import pytest

from gateway.core.model import Purpose
from tests.rigs.shop import Shop, member, open_shop


@pytest.fixture
async def shop(tmp_path: Path):
    opened = await open_shop(tmp_path, *member("mia", Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE))
    yield opened
    opened.store.close()


async def test_colleagues_are_counted_by_zone(shop: Shop) -> None:
    advice = shop.flow._advice
    await shop.tap("mia", "advice-nfc")
    for name, zone in (("a", "wine"), ("b", "wine"), ("c", "coffee")):
        advice.colleague_is(name, zone)
    assert shop.walls.entries[0].colleagues_near == 2
    advice.colleague_is("a", None)
    advice.forget("b")
    assert shop.walls.entries[0].colleagues_near == 0
    assert [advice.is_colleague(name) for name in "abc"] == [False, False, True]


async def test_what_changes_nothing_rings_nobody(shop: Shop) -> None:
    rung: list[tuple] = []
    shop.walls.queue = rung.append  # type: ignore[method-assign]
    advice = shop.flow._advice
    advice.colleague_is("a", None)
    advice.colleague_is("a", "wine")
    advice.colleague_is("a", "wine")
    advice.forget("nobody")
    assert advice.expire(shop.clock.ms) == []
    assert len(rung) == 1
