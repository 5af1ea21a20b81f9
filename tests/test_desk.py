"""What the shop owes a member, on a real path: done at once, noted, told; nothing about somebody unknown."""

import json

import pytest

from gateway.core.changes import BindingPut, ConsentPark, OfferDrop, OfferPut
from gateway.core.model import Offer, Purpose
from gateway.desk import Desk
from gateway.errors import StoreError
from gateway.records import Tx
from tests.rigs.shop import Shop, basics, member, open_shop

ALL = tuple(Purpose)


@pytest.fixture
async def shop(tmp_path):
    one = await open_shop(tmp_path, *member("mia", *ALL), *member("quentin", *ALL, interests=("tea",)))
    yield one
    await one.settle()
    one.store.close()


@pytest.fixture
def desk(shop: Shop) -> Desk:
    return Desk(shop.store, shop.flow, shop.clock, shop.health)


async def views(shop: Shop, name: str = "mia") -> list[str]:
    return [row["action"] for row in await shop.store.run(lambda tx: tx.audits(name))]


async def test_showing_gives_no_more_than_a_tablets_card_and_is_noted(shop: Shop, desk: Desk) -> None:
    answer = await desk.answer({"verb": "show", "member_id": "mia"})
    assert answer["result"] == "ok"
    assert set(answer["member"]) == {
        *("profile", "consents", "call_name", "language", "usual", "talking_points", "staff", "credentials")
    }
    assert answer["member"]["credentials"] == ["ibeacon", "ndef"]
    assert "coffee" not in json.dumps(answer)  # interests
    assert await views(shop) == ["member.shown"]


async def test_an_export_holds_its_own_note_and_what_memory_knows(shop: Shop, desk: Desk) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tap("mia", "till-nfc")
    await shop.tap("mia", "advice-nfc")
    data = (await desk.answer({"verb": "export", "member_id": "mia"}))["export"]
    assert [view["action"] for view in data["views"]] == ["member.announced", "advice.asked", "member.exported"]
    assert (data["memory"]["till"], data["memory"]["request"]) == ("till-1", "asked")
    assert data["memory"]["visit_id"]
    assert data["memory"]["zone"]
    assert "quentin" not in json.dumps(data).lower()


async def test_withdrawing_clears_every_surface_and_is_told(shop: Shop, desk: Desk) -> None:
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "offer"
    answer = await desk.answer({"verb": "withdraw", "member_id": "mia", "purposes": ["recognise_nfc"]})
    assert answer["result"] == "ok"
    assert shop.step() is None
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "join"
    (told,) = await shop.bodies("consent.recorded")
    assert (told["purpose"], told["state"], told["member_id"]) == ("recognise_nfc", "withdrawn", "mia")
    assert await views(shop) == ["consent.chosen"]
    (noted,) = await shop.bodies("audit.viewed")
    assert noted["actor"] == "operator"


async def test_withdrawing_names_no_purpose_and_means_all(shop: Shop, desk: Desk) -> None:
    await desk.answer({"verb": "withdraw", "member_id": "mia"})
    assert (await desk.answer({"verb": "show", "member_id": "mia"}))["member"]["consents"] == []
    assert len(shop.resolver) == 2  # quentin's


async def test_what_is_withdrawn_without_a_profile_stays_so_once_headquarters_sends_it_again(
    shop: Shop, desk: Desk
) -> None:
    await shop.store.run(lambda tx: tx.wipe_profiles())
    assert (await desk.answer({"verb": "withdraw", "member_id": "mia"}))["result"] == "ok"
    assert {body["state"] for body in await shop.bodies("consent.recorded")} == {"withdrawn"}
    shop.version = 0
    await shop.push(*basics(), *member("mia", *ALL))
    assert (await desk.answer({"verb": "show", "member_id": "mia"}))["member"]["consents"] == []
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "join"


async def test_erasing_leaves_nothing_and_nobody_else_is_touched(shop: Shop, desk: Desk) -> None:
    await shop.tap("mia", "coffee-nfc")
    await shop.tap("mia", "advice-nfc")
    assert (await desk.answer({"verb": "erase", "member_id": "mia"}))["result"] == "ok"
    assert (shop.step(), shop.walls.entries) == (None, ())
    assert await shop.store.run(lambda tx: tx.member("mia")) is None
    assert await views(shop) == []
    assert await shop.bodies("erasure.requested") != []
    await shop.tap("mia", "coffee-nfc")
    assert shop.step() == "join"
    await shop.tap("quentin", "coffee-nfc")
    assert shop.walls.screens["bar"].dialogue.call_name == "Quentin"


async def test_whoever_has_no_profile_and_a_broken_log_is_erased(shop: Shop, desk: Desk) -> None:
    def spoil(tx: Tx) -> None:
        tx.wipe_profiles()
        tx._db.execute("UPDATE consent_head SET mac = x'00' WHERE member_id = 'mia'")

    await shop.store.run(spoil)
    assert (await desk.answer({"verb": "erase", "member_id": "mia"}))["result"] == "ok"
    assert await shop.store.run(lambda tx: (tx.knows("mia"), tx.is_erased("mia"))) == (False, True)
    assert [body["member_id"] for body in await shop.bodies("erasure.requested")] == ["mia"]


async def test_of_whom_something_only_waits_all_of_it_is_done(shop: Shop, desk: Desk) -> None:
    park = ConsentPark("p-1", "paul", "recognise_ble", "withdrawn", "fields", '{"event_id":"p-1","call":"Paul Muster"}')
    await shop.push(park, BindingPut("b-1", "paul", "12345678", shop.clock.ms + 10**7))
    assert (await desk.answer({"verb": "show", "member_id": "paul"}))["result"] == "ok"
    assert "Paul Muster" in str((await desk.answer({"verb": "export", "member_id": "paul"}))["export"]["unclear"])
    assert (await desk.answer({"verb": "withdraw", "member_id": "paul"}))["result"] == "ok"
    assert (await desk.answer({"verb": "erase", "member_id": "paul"}))["result"] == "ok"
    assert await shop.store.run(lambda tx: (tx.knows("paul"), tx.is_erased("paul"))) == (False, True)
    assert await desk.answer({"verb": "erase", "member_id": "paul"}) == {"result": "gone"}
    assert len(await shop.bodies("erasure.requested")) == 1


@pytest.mark.parametrize("verb", ["show", "export", "withdraw", "erase"])
async def test_nothing_is_done_for_somebody_unknown(shop: Shop, desk: Desk, verb: str) -> None:
    before = await shop.events()
    assert await desk.answer({"verb": verb, "member_id": "nobody"}) == {"result": "gone"}
    assert await shop.events() == before


@pytest.mark.parametrize(
    "asked",
    [None, [], {}, {"verb": "drop", "member_id": "mia"}, {"verb": "show", "member_id": ""}, {"verb": "show"},
     {"verb": "withdraw", "member_id": "mia", "purposes": ["everything"]}, {"verb": "show", "member_id": "m", "x": 1}],
)  # fmt: skip
async def test_what_is_no_request_is_refused(desk: Desk, asked: object) -> None:
    assert await desk.answer(asked) == {"result": "wrong"}


@pytest.mark.parametrize("verb", ["show", "export", "withdraw", "erase"])
async def test_a_disk_that_refuses_shows_and_does_nothing(shop: Shop, desk: Desk, monkeypatch, verb: str) -> None:
    async def full(work, within_ms=0, *, vital=False):
        raise StoreError("the disk refused: it is full")

    monkeypatch.setattr(shop.store, "run", full)
    assert await desk.answer({"verb": verb, "member_id": "mia"}) == {"result": "disk"}


async def test_why_tells_a_decision_and_is_noted(shop: Shop, desk: Desk) -> None:
    await shop.stand("mia", "coffee-ble")
    (made, *_) = await shop.bodies("decision.made")
    answer = await desk.answer({"verb": "why", "decision_id": made["decision_id"]})
    assert answer["result"] == "ok"
    assert "It fitted and came first." in " ".join(answer["why"]["en"])
    assert "Es passte und stand an erster Stelle." in " ".join(answer["why"]["de"])
    assert "mia" not in json.dumps(answer["why"]).lower()
    assert (await views(shop))[-1] == "decision.explained"
    assert (await desk.answer({"verb": "why", "decision_id": "gone"}))["result"] == "gone"
    assert (await desk.answer({"verb": "why"}))["result"] == "gone"


async def test_why_does_not_guess_what_an_offer_of_a_former_catalogue_said(shop: Shop, desk: Desk) -> None:
    await shop.stand("mia", "coffee-ble")
    (made, *_) = await shop.bodies("decision.made")
    ask = {"verb": "why", "decision_id": made["decision_id"]}
    before = (await desk.answer(ask))["why"]["en"]
    assert not any("catalogue" in line for line in before)
    shown = made["offer_id"]
    await shop.push(OfferDrop(shown), OfferPut(Offer("new", {"en": "Something else"}, {})))
    after = (await desk.answer(ask))["why"]["en"]
    assert after[1] == f"Shown: {shown} (not in the catalogue any more; no text kept)."
    assert after[2] == "The catalogue was changed since. Titles and conditions are those of today, not those of then."
    await shop.push(OfferPut(Offer(shown, {"en": "Rewritten"}, {})))
    again = (await desk.answer(ask))["why"]["en"]
    assert again[1:3] == [f'Shown: "Rewritten" ({shown}).', after[2]]
