"""People and their own data over the real application: links, sessions, choices, and who gets none of them."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.changes import ConfigPut, Erasure, Erasures, MemberErase, MemberPut
from gateway.core.model import AgeGate, ConsentState, Member, Purpose, ShopConfig
from gateway.core.tokens import (
    CONFIRM_MS,
    IDLE_MS,
    LINK_SCREEN_MS,
    LINK_TABLET_MS,
    MAX_WRONG,
    MAX_WRONG_SOURCE,
    SESSION_MS,
    WRONG_WINDOW_MS,
    Link,
)
from gateway.errors import StoreError
from gateway.selfservice import MAX_ACTS
from tests.rigs.own import BASE, Own, agreed, own_shop, together
from tests.rigs.shop import NOTICE, TEXT, Shop, consent, member, open_shop

ALL = tuple(Purpose)


@pytest.fixture
async def own(tmp_path: Path):
    async with own_shop(tmp_path, *member("mia", *ALL), *member("ben", *ALL)) as one:
        yield one


async def refuse(*_: object, **__: object) -> None:
    raise StoreError("the disk refused: it is full")


# --- from the tap to the phone ------------------------------------------------------------------------------------


async def test_tap_scan_confirm_withdraw_and_the_screen_is_empty(own: Own) -> None:
    phone = await own.scan()
    waiting = await phone.me()
    dialogue = own.shown().dialogue
    assert dialogue is not None
    assert (dialogue.step, dialogue.choices) == ("confirm", ("mine", "not_mine"))
    assert waiting["confirm"] == dialogue.digits
    assert 10 <= int(dialogue.digits) <= 99
    assert await own.touch("mine") == "ok"
    assert own.shop.step() == "mine"
    found = await phone.me()
    assert (found["who"], found["call_name"], found["confirm"]) == ("member", "Mia", None)
    assert {one["state"] for one in found["purposes"]} == {"given"}
    said = await phone.post("me/choices", {"choices": {"personalise_offers": False}})
    assert said["result"] == "ok"
    assert own.shown().dialogue is None
    assert own.hub._screen_message("bar", "snapshot").body["dialogue"] is None
    states = await phone.states()
    assert states.pop("personalise_offers") == "withdrawn"
    assert set(states.values()) == {"given"}


async def test_before_the_screen_says_mine_a_phone_knows_nothing_and_can_do_nothing(own: Own) -> None:
    phone = await own.scan()
    before = await own.shop.types()
    waiting = await phone.me()
    assert (waiting["who"], waiting["call_name"], waiting["purposes"], waiting["notice"]) == ("member", "", [], None)
    assert "mia" not in json.dumps(waiting).lower()
    body = agreed(choices={"marketing_push": False})
    for url, form in (
        ("me/choices", body),
        ("me/forget", {}),
        ("me/enrol", agreed(choices={}, call_name="Eve")),
    ):
        assert (await phone.post(url, form))["status"] == 401
    for url in ("/api/v1/me/data", "/me/data", "/api/v1/me/receipts/r", "/me/receipt/r"):
        assert (await phone.open(url)).status_code in (401, 404, 410)
    assert await own.shop.types() == before


async def test_not_mine_ends_the_phone_and_the_screen_at_once(own: Own) -> None:
    phone = await own.scan()
    assert await own.touch("not_mine") == "ok"
    assert own.shown().dialogue is None
    assert len(own.shop.flow.selfservice._sessions) == 0
    assert (await phone.me())["status"] == 401
    assert own.shop.health.counts["self.not_mine"] == 1


@pytest.mark.parametrize("wait_ms", [500, 5_000, CONFIRM_MS - 1_000])
async def test_the_card_once_more_opens_no_phone_and_only_gives_time(own: Own, wait_ms: int) -> None:
    phone = await own.scan()
    asked = own.shown().dialogue
    assert asked is not None
    await own.shop.tick(wait_ms)
    await own.shop.tap("mia", "coffee-nfc")
    view = own.shown().dialogue
    assert view is not None
    assert (view.step, view.digits, view.ttl_ms) == ("confirm", asked.digits, CONFIRM_MS)
    waiting = await phone.me()
    assert (waiting["confirm"], waiting["call_name"], waiting["ttl_ms"]) == (asked.digits, "", CONFIRM_MS)
    assert "session.opened" not in str(await own.shop.store.run(lambda tx: tx.audits("mia")))
    await own.shop.tick(CONFIRM_MS - 1)
    assert await own.touch("mine") == "ok"
    assert (await phone.me())["call_name"] == "Mia"


async def test_a_question_that_the_card_prolonged_ends_too(own: Own) -> None:
    phone = await own.scan()
    await own.shop.tick(5_000)
    await own.shop.tap("mia", "coffee-nfc")
    await own.shop.tick(CONFIRM_MS)
    assert own.shown().dialogue is None
    assert (await phone.me())["status"] == 401


async def test_another_ones_card_ends_the_question(own: Own) -> None:
    phone = await own.scan()
    own.shop.clock.ms += 5_000
    await own.shop.tap("ben", "coffee-nfc")
    assert (await phone.me())["status"] == 401


async def test_of_two_phones_that_race_for_one_link_exactly_one_gets_it(own: Own) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    await own.touch("my_data")
    link = own.link()
    answers = await together(*(own.browser().open(link) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [303, *[410] * 7]
    assert "sg_me" not in str([a.headers for a in answers if a.status_code == 410])


async def test_a_link_works_once_and_for_ninety_seconds(own: Own) -> None:
    phone = await own.scan()
    assert (await phone.open("/h/" + "a" * 26)).status_code == 410
    await own.touch("not_mine")
    for wait_ms, status in ((LINK_SCREEN_MS - 1, 303), (LINK_SCREEN_MS, 410)):
        await own.shop.tap("mia", "coffee-nfc")
        await own.touch("my_data")
        link = own.link()
        own.shop.clock.ms += wait_ms
        assert (await own.browser().open(link)).status_code == status
        assert (await own.browser().open(link)).status_code == 410
        own.shop.clock.ms += LINK_SCREEN_MS
        await own.shop.tick()


@pytest.mark.parametrize("what", ["cancel", "walk away", "another", "withdrawal", "erasure"])
async def test_a_link_opens_nothing_once_the_screen_shows_it_no_more(own: Own, what: str) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    await own.touch("my_data")
    link = own.link()
    match what:
        case "cancel":
            await own.touch("cancel")
        case "walk away":
            await own.shop.tap("mia", "door-nfc")
        case "another":
            await own.shop.tap("ben", "coffee-nfc")
        case "withdrawal":
            await own.shop.push(consent("mia", Purpose.MARKETING_PUSH, ConsentState.WITHDRAWN, 9))
        case "erasure":
            await own.shop.push(MemberErase("mia"))
    phone = own.browser()
    assert (await phone.open(link)).status_code == 410
    assert (await phone.me())["status"] == 401


async def test_a_browser_that_only_looks_ahead_uses_nothing_up(own: Own) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    await own.touch("my_data")
    phone = own.browser()
    looked = await phone.client.get(own.link(), headers={"Sec-Purpose": "prefetch"})
    assert looked.status_code == 204
    assert (await phone.open(own.link())).status_code == 303


async def test_the_picture_of_a_link_does_not_use_it(own: Own) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    await own.touch("my_data")
    link = own.link()
    code = own.hub._screen_message("bar", "update").body["dialogue"]["link"]
    assert code == {"url": link, "code": f"/h/{link[-26:]}.svg"}
    picture = await own.browser().open(code["code"])
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.headers["cache-control"] == "no-store"
    assert (await own.browser().open("/h/nonsense.svg")).status_code == 404
    assert (await own.browser().open(link)).status_code == 303


async def test_without_a_public_address_the_screen_still_forgets(tmp_path: Path) -> None:
    shop = await open_shop(tmp_path, *member("mia", *ALL))
    await shop.tap("mia", "coffee-nfc")
    dialogue = shop.walls.screens["bar"].dialogue
    assert await shop.flow.on_screen("bar", dialogue.dialogue_id, "my_data") == "ok"
    dialogue = shop.walls.screens["bar"].dialogue
    assert (dialogue.step, dialogue.link, dialogue.choices) == ("my_data", "", ("forget_me", "cancel"))
    shop.store.close()


async def test_wrong_links_from_one_place_have_to_wait_and_others_do_not(own: Own) -> None:
    vandal, other = own.browser("192.0.2.66"), own.browser("192.0.2.1")
    for _ in range(MAX_WRONG_SOURCE):
        assert (await vandal.open("/h/" + "b" * 26)).status_code == 410
    assert (await vandal.open("/h/" + "b" * 26)).status_code == 429
    assert (await other.open("/h/" + "b" * 26)).status_code == 410
    own.shop.clock.ms += WRONG_WINDOW_MS
    assert (await vandal.open("/h/" + "b" * 26)).status_code == 410


async def test_wrong_links_from_everywhere_have_to_wait_for_a_minute(own: Own) -> None:
    me = own.shop.flow.selfservice
    said = [await me.open("c" * 26, f"192.0.2.{number}") for number in range(MAX_WRONG + 1)]
    assert said == ["late"] * MAX_WRONG + ["wait"]
    own.shop.clock.ms += WRONG_WINDOW_MS
    assert await me.open("c" * 26, "192.0.2.1") == "late"


async def test_wrong_links_shut_nobody_out_who_has_a_right_one(own: Own) -> None:
    me, source = own.shop.flow.selfservice, "192.0.2.7"  # a proxy's: it is everybody's
    for number in range(MAX_WRONG + 1):
        await me.open("b" * 26, source if number <= MAX_WRONG_SOURCE else f"198.51.100.{number}")
    assert await me.open("b" * 26, source) == "wait"
    phone = await own.phone()
    assert (await phone.me())["call_name"] == "Mia"
    assert await me.open("b" * 26, source) == "wait"


async def test_a_right_link_that_opens_nothing_now_is_no_wrong_one(own: Own) -> None:
    me = own.shop.flow.selfservice
    await own.shop.flow.on_head(1)
    for number in range(MAX_WRONG_SOURCE + 1):
        token = me._links.issue(Link("mine", "tablet", f"t{number}", "mia"), own.shop.clock.ms, LINK_SCREEN_MS)
        assert await me.open(token, "192.0.2.7") == "late"
    assert await me.open("b" * 26, "192.0.2.7") == "late"


async def test_right_links_from_one_place_never_wait(own: Own) -> None:
    links = own.shop.flow.selfservice._links
    for number in range(MAX_WRONG_SOURCE + 1):
        token = links.issue(Link("enrol", "tablet", f"t{number}"), own.shop.clock.ms, LINK_SCREEN_MS)
        assert (await own.browser().open(f"/h/{token}")).status_code == 303


# --- forget me here ----------------------------------------------------------------------------------------------


async def test_forget_me_here_takes_one_more_touch_and_the_screen_is_neutral_at_once(own: Own) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    assert await own.touch("my_data") == "ok"
    assert await own.touch("forget_me") == "ok"
    assert own.shop.step() == "forget_me"
    assert await own.touch("forget_yes") == "ok"
    assert own.shown().dialogue is None
    held = await own.shop.store.run(lambda tx: tx.consents("mia"))
    gone = {purpose for purpose, record in held.items() if record.state is ConsentState.WITHDRAWN}
    assert gone == {Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC}
    await own.shop.tap("mia", "coffee-nfc")
    assert own.shop.step() == "join"


async def test_forget_me_here_waits_for_no_disk(own: Own, monkeypatch) -> None:
    await own.shop.stand("mia", "wine-ble")
    await own.shop.tap("mia", "coffee-nfc")
    await own.shop.tap("mia", "advice-nfc")
    await own.shop.tap("mia", "coffee-nfc")
    assert [entry.label for entry in own.shop.walls.entries] == ["Mia"]
    await own.touch("my_data")
    await own.touch("forget_me")
    run, written = own.shop.store.run, asyncio.Event()

    async def slow(*more, **named):
        await written.wait()
        return await run(*more, **named)

    monkeypatch.setattr(own.shop.store, "run", slow)
    touched = asyncio.ensure_future(own.touch("forget_yes"))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not touched.done()
    assert own.shown().dialogue is None
    assert own.shop.walls.entries == ()
    written.set()
    assert await touched == "ok"


async def test_forget_me_can_be_thought_over(own: Own) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    await own.touch("my_data")
    await own.touch("forget_me")
    assert await own.touch("cancel") == "ok"
    assert own.shown().dialogue is None
    await own.shop.tap("mia", "coffee-nfc")
    assert own.shop.step() == "offer"


async def test_a_full_disk_forgets_in_memory_and_makes_up_for_it(own: Own, monkeypatch) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    await own.touch("my_data")
    await own.touch("forget_me")
    with monkeypatch.context() as patch:
        patch.setattr(own.shop.store, "run", refuse)
        assert await own.touch("forget_yes") == "refused"
    assert own.shown().dialogue is None
    await own.shop.tap("mia", "coffee-nfc")
    assert own.shop.step() == "join"  # the disk says that she may be known, and nobody listens to it
    await own.shop.tick(5_000)
    held = await own.shop.store.run(lambda tx: tx.consents("mia"))
    assert held[Purpose.RECOGNISE_NFC].state is ConsentState.WITHDRAWN


# --- choices -------------------------------------------------------------------------------------------------------


async def test_each_purpose_is_withdrawn_alone_and_no_other_changes(own: Own) -> None:
    phone = await own.phone()
    for number, purpose in enumerate(Purpose, 1):
        assert (await phone.post("me/choices", {"choices": {purpose.value: False}}))["result"] == "ok"
        states = await phone.states()
        assert sum(state == "withdrawn" for state in states.values()) == number
        assert states[purpose.value] == "withdrawn"


async def test_withdrawing_takes_no_more_steps_than_giving(tmp_path: Path) -> None:
    given = (Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE)
    async with own_shop(tmp_path, *member("mia", *given)) as own:
        phone = await own.phone()
        steps, fields = {}, {}
        for name, body in (
            ("give", agreed(choices={"marketing_push": True})),
            ("withdraw", {"choices": {"staff_advice": False}}),
        ):
            before = phone.requests
            assert (await phone.post("me/choices", body))["result"] == "ok"
            steps[name], fields[name] = phone.requests - before, len(body)
        assert steps["withdraw"] <= steps["give"] == 1
        assert fields["withdraw"] < fields["give"]


async def test_a_grant_needs_the_notice_that_is_shown_and_an_age(tmp_path: Path) -> None:
    async with own_shop(tmp_path, *member("mia", Purpose.RECOGNISE_NFC)) as own:
        phone = await own.phone()
        give = {"choices": {"marketing_push": True}}
        for wrong, result in (
            ({"notice_version": "0"}, "notice_changed"),
            ({"notice_sha256": "0" * 64}, "notice_changed"),
            ({"notice_sha256": ""}, "notice_changed"),
            ({"age": None}, "age"),
            ({"age": "under16"}, "age"),
        ):
            assert (await phone.post("me/choices", agreed(**give) | wrong))["result"] == result
            assert (await phone.states())["marketing_push"] == "none"
        assert (await phone.post("me/choices", agreed(**give, age="guardian")))["result"] == "ok"
        assert (await phone.states())["marketing_push"] == "given"


async def test_who_said_their_age_is_not_asked_again(tmp_path: Path) -> None:
    async with own_shop(tmp_path, *member("mia", Purpose.RECOGNISE_NFC)) as own:
        phone = await own.phone()
        assert (await phone.me())["age"] == "unknown"
        silent = {"age": None}
        for purpose, age, result in (
            ("marketing_push", silent, "age"),
            ("marketing_push", {}, "ok"),
            ("staff_advice", silent, "ok"),
        ):
            own.shop.clock.ms += 1_000
            assert (await phone.post("me/choices", agreed(choices={purpose: True}) | age))["result"] == result
        assert (await phone.me())["age"] == "16plus"
        assert (await phone.states())["staff_advice"] == "given"


async def test_a_child_that_headquarters_knows_gives_nothing_and_may_withdraw(tmp_path: Path) -> None:
    child = MemberPut(Member("mia", age=AgeGate.UNDER_16))
    async with own_shop(tmp_path, *member("mia", Purpose.RECOGNISE_NFC)) as own:
        phone = await own.phone()
        await own.shop.push(child)
        assert (await phone.me())["age"] == "under16"
        assert (await phone.post("me/choices", agreed(choices={"marketing_push": True})))["result"] == "age"
        assert (await phone.post("me/choices", {"choices": {"recognise_nfc": False}}))["result"] == "ok"


async def test_a_notice_that_changed_meanwhile_is_said_and_shown(own: Own) -> None:
    phone = await own.phone()
    await phone.post("me/choices", {"choices": {"marketing_push": False}})
    newer = replace(NOTICE, version="2", text={"en": "Now otherwise."})
    await own.shop.push(ConfigPut(ShopConfig(TEXT, {}, newer)))
    give = agreed(choices={"marketing_push": True})
    assert (await phone.post("me/choices", give))["result"] == "notice_changed"
    shown = (await phone.me())["notice"]
    assert (shown["version"], shown["texts"], shown["sha256"]) == ("2", newer.text, {"en": newer.sha256("en")})


async def test_what_is_so_already_makes_no_record(own: Own) -> None:
    phone = await own.phone()
    again = agreed(choices={"marketing_push": True})  # given before, but under another notice
    first = await phone.post("me/choices", again)
    before = await own.shop.types()
    assert before.count("consent.recorded") == 1
    assert (await phone.post("me/choices", again))["receipt_id"] == first["receipt_id"]
    assert await own.shop.types() == before


async def test_a_session_gives_only_so_often_and_withdraws_for_ever(own: Own) -> None:
    phone = await own.phone()
    for _ in range(MAX_ACTS):
        await phone.post("me/choices", {"choices": {"marketing_push": False}})
    assert (await phone.post("me/choices", agreed(choices={"marketing_push": True})))["result"] == "refused"
    assert (await phone.post("me/choices", {"choices": {"staff_advice": False}}))["result"] == "ok"


async def test_a_refusing_disk_is_said_and_a_withdrawal_obeyed_all_the_same(own: Own, monkeypatch) -> None:
    phone = await own.phone()
    with monkeypatch.context() as patch:
        patch.setattr(own.shop.store, "run", refuse)
        said = await phone.post("me/choices", {"choices": {"recognise_nfc": False}})
    assert said["status"] == 503
    assert own.shown().dialogue is None
    await own.shop.tap("mia", "coffee-nfc")
    assert own.shop.step() == "join"
    await own.shop.tick(5_000)
    assert (await phone.states())["recognise_nfc"] == "withdrawn"


# --- the end of a session -----------------------------------------------------------------------------------------


async def test_a_session_ends_after_a_quarter_of_an_hour_without_a_word(own: Own) -> None:
    phone = await own.phone()
    own.shop.clock.ms += IDLE_MS - 1
    assert (await phone.me())["ttl_ms"] == IDLE_MS
    own.shop.clock.ms += IDLE_MS
    assert (await phone.me())["status"] == 401


async def test_a_page_that_asks_by_itself_keeps_no_session_for_ever(own: Own) -> None:
    phone = await own.phone()
    for _ in range(SESSION_MS // 60_000 - 1):
        own.shop.clock.ms += 60_000
        assert (await phone.me())["status"] == 200
    own.shop.clock.ms += 60_000
    assert (await phone.me())["status"] == 401


async def test_a_question_that_nobody_answers_ends_phone_and_screen(own: Own) -> None:
    phone = await own.scan()
    for _ in range(CONFIRM_MS // 1_000 - 1):
        own.shop.clock.ms += 1_000
        assert (await phone.me())["confirm"] is not None
    await own.shop.tick(1_000)
    assert own.shown().dialogue is None
    assert (await phone.me())["status"] == 401


async def test_a_step_of_the_clock_ends_nothing(own: Own) -> None:
    phone = await own.phone()
    own.shop.clock.ms += 86_400_000
    own.shop.flow.on_clock_step(86_400_000)
    assert (await phone.me())["call_name"] == "Mia"
    own.shop.clock.ms -= 86_400_000
    own.shop.flow.on_clock_step(-86_400_000)
    assert (await phone.me())["ttl_ms"] == IDLE_MS


def set_clock_with_each_commit(own: Own, delta_ms: int) -> None:
    """From now on the system's time is corrected whenever something has just been committed."""

    def correct() -> None:
        own.shop.clock.ms += delta_ms
        own.shop.flow.on_clock_step(delta_ms)

    own.shop.on_wake = correct


@pytest.mark.parametrize("delta_ms", [3_000, -3_000, 86_400_000])
async def test_the_clock_may_be_set_while_a_phone_is_confirmed(own: Own, delta_ms: int) -> None:
    phone = await own.scan()
    set_clock_with_each_commit(own, delta_ms)
    assert await own.touch("mine") == "ok"
    found = await phone.me()
    assert (found["status"], found["call_name"], found["confirm"]) == (200, "Mia", None)
    said = await phone.post("me/choices", {"choices": {"personalise_offers": False}})
    assert said["result"] == "ok"
    assert (await phone.me())["receipt_id"] == said["receipt_id"]


@pytest.mark.parametrize("delta_ms", [3_000, -3_000])
async def test_the_clock_may_be_set_while_somebody_joins(own: Own, delta_ms: int) -> None:
    tablet = await own.tablet()
    handed = await tablet.post("tablet/handover", {"kind": "enrol", "pin": "2468"})
    await tablet.open(handed["url"])
    set_clock_with_each_commit(own, delta_ms)
    said = await tablet.post("me/enrol", agreed(call_name="Neu", choices={"recognise_nfc": True}))
    assert said["result"] == "ok"
    found = await tablet.me()
    assert (found["who"], found["call_name"], found["code"]) == ("member", "Neu", said["code"])
    assert (await tablet.post("me/forget"))["result"] == "ok"


async def test_end_means_the_end(own: Own) -> None:
    phone = await own.phone()
    cookie = phone.client.cookies["sg_me"]
    assert (await phone.post("me/end"))["result"] == "ok"
    assert "sg_me" not in phone.client.cookies
    phone.client.cookies.set("sg_me", cookie)
    assert (await phone.me())["status"] == 401


async def test_forget_erases_and_ends_every_session_of_that_person(own: Own) -> None:
    phone, second = await own.phone(), await own.phone("door-nfc", "hall")
    bens = await own.phone(member="ben")
    assert (await phone.post("me/forget"))["result"] == "ok"
    assert [(await one.me())["status"] for one in (phone, second, bens)] == [401, 401, 200]
    assert not await own.shop.store.run(lambda tx: tx.has_member("mia"))
    assert "erasure.requested" in await own.shop.types()
    kept = own.shop.flow.selfservice._sessions._sessions.values()
    assert [session.member_id for session in kept] == ["ben"]
    await own.shop.tap("mia", "coffee-nfc")
    assert own.shop.step() == "join"


async def test_nobody_sees_anything_while_the_shop_lacks_an_erasure(own: Own) -> None:
    phone = await own.phone()
    await own.shop.tap("ben", "door-nfc")
    await own.touch("my_data", "hall")
    link = own.link("hall")
    await own.shop.flow.on_head(7)
    assert (await phone.me())["status"] == 401
    assert (await phone.open("/api/v1/me/data")).status_code == 401
    assert (await own.browser().open(link)).status_code == 410


async def test_a_shop_that_lacks_an_erasure_still_takes_a_no_and_no_yes(own: Own) -> None:
    phone = await own.phone()
    await own.shop.flow.on_head(7)
    assert (await phone.post("me/choices", agreed(choices={"marketing_push": True})))["status"] == 401
    said = await phone.post("me/choices", {"choices": {"recognise_nfc": False}})
    assert said["result"] == "ok"
    await own.shop.flow.on_erasures(Erasures(0, 7, (Erasure(7, "ben"),)))
    assert (await phone.states())["recognise_nfc"] == "withdrawn"
    await own.shop.tap("mia", "coffee-nfc")
    assert own.shop.step() == "join"


async def test_whose_profile_was_wiped_withdraws_and_gives_nothing(own: Own) -> None:
    phone = await own.phone()
    await own.shop.store.run(lambda tx: tx.wipe_profiles())
    nfc, ble = Purpose.RECOGNISE_NFC.value, Purpose.RECOGNISE_BLE.value
    assert (await phone.post("me/choices", agreed(choices={nfc: True})))["result"] == "gone"
    assert (await phone.post("me/choices", agreed(choices={nfc: True, ble: False})))["result"] == "ok"
    assert (await phone.post("me/choices", {"choices": {nfc: False}}))["result"] == "ok"
    told = [(body["purpose"], body["state"]) for body in await own.shop.bodies("consent.recorded")]
    assert told == [(ble, "withdrawn"), (nfc, "withdrawn")]


async def test_forgetting_is_told_by_the_shops_clock(own: Own) -> None:
    phone = await own.phone()
    own.shop.clock.ms += 123_456
    assert (await phone.post("me/forget"))["at_ms"] == own.shop.clock.ms


async def test_a_shop_that_lacks_an_erasure_still_forgets(own: Own) -> None:
    phone = await own.phone()
    await own.shop.flow.on_head(7)
    assert (await phone.post("me/forget"))["result"] == "ok"
    assert await own.shop.store.run(lambda tx: tx.is_erased("mia"))


async def test_who_joins_while_the_shop_lacks_an_erasure_sees_their_own_page(own: Own) -> None:
    tablet = await own.tablet()
    await own.shop.flow.on_head(7)
    handed = await tablet.post("tablet/handover", {"kind": "enrol", "handshake_id": None, "pin": "1234"})
    assert (await tablet.open(handed["url"])).status_code == 303
    said = await tablet.post("me/enrol", agreed(choices={"recognise_nfc": True}, call_name="Noa"))
    assert said["result"] == "ok"
    assert ((await tablet.me())["call_name"], (await tablet.me())["code"]) == ("Noa", said["code"])


async def test_an_erasure_of_the_stream_ends_the_session(own: Own) -> None:
    phone = await own.phone()
    await own.shop.flow.on_erasures(Erasures(0, 1, (Erasure(1, "mia"),)))
    assert (await phone.me())["status"] == 401
    assert (await phone.open("/api/v1/me/data")).status_code == 401


async def test_an_erasure_by_headquarters_ends_the_session(own: Own) -> None:
    phone = await own.phone()
    await own.shop.push(MemberErase("mia"))
    assert (await phone.me())["status"] == 401
    assert (await phone.post("me/choices", {"choices": {"marketing_push": False}}))["status"] == 401


async def test_a_restart_ends_links_and_sessions(tmp_path: Path) -> None:
    async with own_shop(tmp_path, *member("mia", *ALL)) as own:
        phone = await own.phone()
        await own.shop.tap("mia", "door-nfc")
        await own.touch("my_data", "hall")
        link = own.link("hall")
        cookie = phone.client.cookies["sg_me"]
    shop = Shop(tmp_path, BASE)
    await shop.flow.start()
    await shop.settle()
    again = Own(shop)
    late = again.browser()
    late.client.cookies.set("sg_me", cookie)
    assert (await late.me())["status"] == 401
    assert (await late.open(link)).status_code == 410
    await again.close()


# --- data, receipts, records -------------------------------------------------------------------------------------


async def test_the_data_are_a_file_and_a_page_and_nobody_elses(own: Own) -> None:
    phone = await own.phone()
    file = await phone.open("/api/v1/me/data")
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.headers["cache-control"] == "no-store"
    assert "mia" in file.text
    assert '"ben' not in file.text.lower()
    page = await phone.open("/me/data")
    assert page.status_code == 200
    assert "{{" not in page.text
    assert "@@data@@" not in page.text
    assert "Espresso" in page.text


async def test_the_data_say_what_is_open_of_the_person(own: Own, monkeypatch) -> None:
    phone = await own.phone()
    await own.scan(reader="door-nfc", screen="hall")  # a second phone, which the screen has not confirmed
    said = await phone.post("me/choices", {"choices": {"staff_advice": False}})
    assert await own.shop.flow.selfservice.receipt_link(phone.client.cookies["sg_me"], said["receipt_id"])
    with monkeypatch.context() as patch:
        patch.setattr(own.shop.store, "run", refuse)
        assert (await phone.post("me/choices", {"choices": {"marketing_push": False}}))["status"] == 503
    file = await phone.open("/api/v1/me/data")
    memory = file.json()["memory"]
    assert (memory["links"], memory["sessions"], memory["owed"]) == (1, 2, ["marketing_push"])
    page = (await phone.open("/me/data")).text
    assert "Offene Einmal-Links" in page
    assert "Widerrufe, die noch zu speichern sind" in page
    assert "marketing_push" not in page  # in words
    for secret in (phone.client.cookies["sg_me"], *(one.hex() for one in own.shop.flow.selfservice._links._links)):
        assert secret not in file.text + page
    await own.shop.tick(LINK_TABLET_MS)
    memory = (await phone.open("/api/v1/me/data")).json()["memory"]
    assert ("links" in memory, memory["sessions"], "owed" in memory) == (False, 1, False)
    assert not any(own.shop.flow.memory_of("ben").values())


async def test_a_receipt_is_the_persons_own_and_travels_by_a_link_that_shows_nothing_else(own: Own) -> None:
    phone, bens = await own.phone(), await own.phone("door-nfc", "hall", "ben")
    receipt_id = (await phone.post("me/choices", {"choices": {"marketing_push": False}}))["receipt_id"]
    assert (await phone.me())["receipt_id"] == receipt_id
    receipt = (await phone.open(f"/api/v1/me/receipts/{receipt_id}")).json()
    assert receipt["receipt_id"] == receipt_id
    assert "marketing_push" in json.dumps(receipt)
    assert (await phone.open(f"/me/receipt/{receipt_id}")).status_code == 200
    assert (await bens.open(f"/api/v1/me/receipts/{receipt_id}")).status_code == 404
    assert (await bens.open(f"/me/receipt/{receipt_id}.svg")).status_code == 404
    url = await own.shop.flow.selfservice.receipt_link(phone.client.cookies["sg_me"], receipt_id)
    assert (await phone.open(f"/me/receipt/{receipt_id}.svg")).status_code == 200  # a new link; the one before is void
    other = own.browser()
    assert (await other.open(url)).status_code == 410
    url = await own.shop.flow.selfservice.receipt_link(phone.client.cookies["sg_me"], receipt_id)
    opened = await other.open(url)
    assert opened.headers["location"] == f"/me/receipt/{receipt_id}"
    assert (await other.open(f"/api/v1/me/receipts/{receipt_id}")).json() == receipt
    assert (await other.me())["status"] == 401
    assert (await other.open("/api/v1/me/data")).status_code == 401
    assert (await other.open("/api/v1/me/receipts/another")).status_code == 404
    later = (await phone.post("me/choices", {"choices": {"staff_advice": False}}))["receipt_id"]
    assert (await phone.open(f"/api/v1/me/receipts/{later}")).status_code == 200
    assert (await other.open(f"/api/v1/me/receipts/{later}")).status_code == 404
    assert (await other.post("me/choices", {"choices": {"staff_advice": False}}))["status"] == 401


async def test_who_saw_what_is_on_record(own: Own) -> None:
    phone = await own.phone()
    await phone.open("/api/v1/me/data")
    await phone.post("me/choices", {"choices": {"marketing_push": False}})
    rows = await own.shop.store.run(lambda tx: tx.audits("mia"))
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("screen:bar", "link.made"),
        ("screen:bar", "session.opened"),
        ("screen:bar", "data.read"),
        ("web:bar", "consent.chosen"),
    ]
    assert "link.made" in (await phone.open("/api/v1/me/data")).text
    assert (
        "One-time link" in (await phone.open("/me/data")).text or "Einmal-Link" in (await phone.open("/me/data")).text
    )


async def test_what_cannot_be_put_on_record_is_not_shown(own: Own, monkeypatch) -> None:
    phone = await own.scan()
    with monkeypatch.context() as patch:
        patch.setattr(own.shop.store, "run", refuse)
        assert await own.touch("mine") == "refused"
    assert (await phone.me())["status"] == 401
    assert own.shown().dialogue is None


async def test_no_name_stands_beside_the_code_or_the_question(own: Own) -> None:
    await own.shop.tap("mia", "coffee-nfc")
    assert own.shown().dialogue.call_name == "Mia"
    await own.touch("my_data")
    for step in ("my_data", "confirm"):
        assert own.shop.step() == step
        shown = json.dumps(own.hub._screen_message("bar", "snapshot").body["dialogue"])
        assert "Mia" not in shown
        assert "espresso" not in shown
        if step == "my_data":
            await own.browser().open(own.link())
