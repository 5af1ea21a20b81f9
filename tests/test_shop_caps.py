"""What a whole shop shares is given out no more often than agreed, however many come at once."""

import asyncio
import itertools
import secrets
from pathlib import Path

from gateway.apply import apply
from gateway.core.changes import ConfigPut, ConsentAdd, Delta, MemberPut, OfferPut
from gateway.core.model import Cap, ConsentRecord, ConsentState, Member, Offer, Purpose, ShopConfig, Tap
from gateway.core.presence import PresenceChange
from gateway.core.spans import DAY_MS
from gateway.core.stage import Dialogue
from gateway.decisions import Decisions
from gateway.records import Tx
from gateway.store import Store
from tests.rigs.shop import NOTICE, START_MS

PEOPLE, LIMIT = 100, 10
TEXT = {"en": "Good day"}
PURPOSES = (Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS)


async def opened(folder: Path, *caps: Cap) -> tuple[Store, Decisions]:
    store = Store(folder / "s.db", secrets.token_hex(16), bytes(32))
    offer = Offer("shared", TEXT, TEXT, category="coffee", public_safe=True, caps=caps)
    changes = [ConfigPut(ShopConfig(notice=NOTICE)), OfferPut(offer)]
    for number in range(PEOPLE):
        changes.append(MemberPut(Member(f"m{number}")))
        changes += [
            ConsentAdd(ConsentRecord(f"{number}{p}", f"m{number}", p, ConsentState.GIVEN, 1, hq_seq=1))
            for p in PURPOSES
        ]
    await store.run(lambda tx: apply(tx, Delta(0, 1, tuple(changes)), bytes(32), START_MS))
    ids = itertools.count()
    return store, Decisions(lambda: f"d{next(ids)}")


async def test_a_hundred_people_at_once_are_shown_it_ten_times(tmp_path: Path) -> None:
    store, decisions = await opened(tmp_path, Cap("impressions", LIMIT, "store", calendar="day"))

    def arrive(tx: Tx, number: int, at_ms: int) -> str | None:
        change = PresenceChange(f"m{number}", "entered", "coffee", None, at_ms)
        ((decision, _),) = decisions.arrive(tx, change, f"v{number}", ("bar",), ()) or []
        if decision.offer_id is None:
            assert ("shared", "cap.store") in {(reason.candidate, reason.code) for reason in decision.reasons}
        return decision.offer_id

    async def crowd(at_ms: int) -> int:
        works = (store.run(lambda tx, n=number: arrive(tx, n, at_ms + n), 5) for number in range(PEOPLE))
        return sum(shown is not None for shown in await asyncio.gather(*works))

    assert await crowd(START_MS) == LIMIT
    assert await crowd(START_MS + DAY_MS) == LIMIT
    store.close()


async def test_acceptances_of_all_count_together_and_once_each(tmp_path: Path) -> None:
    store, decisions = await opened(tmp_path, Cap("acceptances", 3, "store", DAY_MS))

    def tap(tx: Tx, number: int) -> Dialogue:
        made = decisions.greet(tx, Tap(f"m{number}", "r", START_MS + number), "bar", "coffee", 9)
        assert made is not None
        return made

    def accept(tx: Tx, dialogue: Dialogue) -> None:
        decisions.answered(tx, "offer.accepted", dialogue, dialogue.proof, START_MS + 60)

    for number in range(3):
        dialogue = await store.run(lambda tx, n=number: tap(tx, n))
        assert dialogue.offer_id == "shared"
        await store.run(lambda tx, d=dialogue: accept(tx, d))
        await store.run(lambda tx, d=dialogue: accept(tx, d))  # the same once more is one
    assert (await store.run(lambda tx: tap(tx, 90))).offer_id is None
    store.close()
