"""Two things at one instant, over real sockets to the real server: one of them wins, and the other is told.

RACES says how many of each kind are run (50; `make races`: 1,000). Who wins is the machine's business, so what is
asserted holds for either order.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from gateway.core.devices import CODE_MS
from gateway.core.model import ConsentState, Purpose
from gateway.serving import serve
from gateway.tables.consents import MAX_LOG
from tests.rigs.own import Own, own_shop
from tests.rigs.paired import ELSEWHERE, paired
from tests.rigs.shop import consent, member
from tests.rigs.shopfront import KEY

RACES = int(os.environ.get("RACES", "50"))
STAFF = (Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE, Purpose.PERSONALISE_OFFERS, Purpose.PUBLIC_PERSONAL_GREETING)
TABLETS = 2
RACES_EACH = (MAX_LOG - 100) // 2  # withdrawals of one person, whose log has to have room for two records of each
pytestmark = pytest.mark.timeout(60 + RACES)


class Floor:
    """A shop behind a real port, and tablets with connections of their own."""

    def __init__(self, own: Own, tablets: list[httpx.AsyncClient]) -> None:
        self.own, self.shop, self.tablets = own, own.shop, tablets

    async def asked(self, who: str = "mia") -> str:
        """Somebody asks for advice; the id of their request."""
        await self.shop.tap(who, "advice-nfc")
        (entry,) = [one for one in self.shop.walls.entries if one.state == "asked"]
        return entry.handshake_id

    async def accept(self, tablet: httpx.AsyncClient, handshake_id: str) -> str:
        answer = await tablet.post(f"/api/v1/tablet/handshakes/{handshake_id}/accept", json={})
        return str(answer.json()["result"])


@asynccontextmanager
async def counter(path: Path, people: Sequence[str] = ("mia", "ben")) -> AsyncIterator[Floor]:
    async with AsyncExitStack() as end:
        known = [change for who in people for change in member(who, *STAFF)]
        own = await end.enter_async_context(own_shop(path, *known))
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(own.app, "127.0.0.1", 0, ready.set_result, own.hub.close))
        base = f"http://127.0.0.1:{await ready}"
        tablets = []
        for _ in range(TABLETS):
            tablet = await end.enter_async_context(httpx.AsyncClient(base_url=base))
            assert (await tablet.get("/tablet", params={"key": KEY})).status_code in (200, 303)
            tablets.append(tablet)
        try:
            yield Floor(own, tablets)
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving


async def test_of_two_colleagues_who_accept_at_once_exactly_one_gets_the_card(tmp_path: Path) -> None:
    winners: Counter[int] = Counter()
    async with counter(tmp_path) as one:
        for race in range(RACES):
            handshake = await one.asked()
            first, second = one.tablets if race % 2 else reversed(one.tablets)
            said = await asyncio.gather(one.accept(first, handshake), one.accept(second, handshake))
            assert sorted(said) == ["open", "taken"]
            assert len(one.shop.walls.cards) == 1
            winner = one.tablets.index((first, second)[said.index("open")])
            winners[winner] += 1
            closed = await one.tablets[winner].post(f"/api/v1/tablet/handshakes/{handshake}/close", json={})
            assert closed.json() == {"result": "ok"}
            assert one.shop.walls.cards == {}
        opened = await one.shop.store.run(
            lambda tx: [row for row in tx.audits("mia") if row["action"] == "card.opened"]
        )
    assert len(opened) == RACES
    assert sum(winners.values()) == RACES


async def test_after_a_withdrawal_there_is_no_card_whoever_was_first(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    people = [f"mia{n}" for n in range(1 + (RACES - 1) // RACES_EACH)]
    async with counter(tmp_path, people) as one:
        for race in range(RACES):
            who = people[race // RACES_EACH]
            handshake = await one.asked(who)
            gone = consent(who, Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 10 + 2 * race)
            accepting = asyncio.create_task(one.accept(one.tablets[0], handshake))
            for _ in range(race % 12):  # at another point of the request each time
                await asyncio.sleep(0)
            await one.shop.push(gone)
            assert one.shop.walls.cards == {}
            outcomes[await accepting] += 1
            assert (one.shop.walls.cards, one.shop.walls.entries) == ({}, ())
            await one.shop.push(consent(who, Purpose.STAFF_ADVICE, seq=11 + 2 * race))
    assert set(outcomes) <= {"open", "gone", "refused"}


async def test_of_two_taps_at_one_screen_only_the_later_person_stands_there(tmp_path: Path) -> None:
    async with counter(tmp_path) as one:
        shop = one.shop
        for race in range(RACES):
            first, second = ("mia", "ben") if race % 2 else ("ben", "mia")
            seen = len(shop.walls.history)
            await asyncio.gather(shop.tap(first, "coffee-nfc"), _soon(shop.tap(second, "coffee-nfc"), race % 5))
            shown = [content.dialogue for screen, content in shop.walls.history[seen:] if screen == "bar"]
            names = [view.call_name for view in shown if view is not None]
            assert names[-1] == second.title()
            assert names == sorted(names, key=lambda name: name == second.title())  # never back to the first
            await shop.tick(60_000)
            assert shop.walls.screens["bar"].dialogue is None


async def _soon(work: Awaitable[None], turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    await work


async def test_of_two_managers_who_approve_a_device_at_once_exactly_one_pairs_it(tmp_path: Path) -> None:
    """One row, one key: whoever was late is told that no device shows this code any more."""
    async with paired(tmp_path) as shop, AsyncExitStack() as end:
        managers = [await end.enter_async_context(httpx.AsyncClient(base_url=shop.url)) for _ in range(2)]
        for manager in managers:
            assert (await manager.get("/tablet", params={"key": KEY})).status_code in (200, 303)
        before = {one.device.device_id for one in shop.devices.listed()}
        for race in range(RACES):
            async with httpx.AsyncClient(base_url=shop.url, headers=ELSEWHERE) as device:
                code = (await device.post("/api/v1/pairing", json={"kind": "tablet"})).json()["code"]
                ways = [{"role": "staff", "name": "first"}, {"role": "installer", "name": "second"}]
                forms = [{"code": code, "kind": "tablet", **way} for way in ways]
                first, second = managers if race % 2 else reversed(managers)
                works = [
                    one.post("/api/v1/devices/approve", json=form)
                    for one, form in zip((first, second), forms, strict=True)
                ]
                answers = [answer.json() for answer in await asyncio.gather(*works)]
                assert sorted(answer["result"] for answer in answers) == ["ok", "wrong"]
                (grown,) = [one.device for one in shop.devices.listed() if one.device.device_id not in before]
                winner = forms[[answer["result"] for answer in answers].index("ok")]
                assert (grown.grant.role, grown.grant.name) == (winner["role"], winner["name"])
                kept = await shop.store.run(lambda tx: tx.devices())
                assert [one for one in kept if one.device_id not in before] == [grown]
                look = (await device.get("/api/v1/pairing", params={"kind": "tablet"})).json()
                assert look["state"] == "active"
                assert shop.devices.waiting == 0
            await shop.devices.revoke(grown.device_id, "test")
            before.add(grown.device_id)
            shop.devices.shift(-CODE_MS)  # the next device is no guess of the one who was late
