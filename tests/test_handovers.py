"""Tablets in customers' hands over the real application: locked for staff, open for one customer, and taken back."""

import asyncio
import json
from pathlib import Path

import pytest

from display.cookies import COOKIE as TABLET_COOKIE
from display.tablets import LOCKED
from gateway.core.changes import ConfigPut
from gateway.core.handover import MAX_LOCKS, MAX_WRONG
from gateway.core.model import CredentialKind, Proof, Purpose, ShopConfig, Token
from gateway.core.tokens import LINK_TABLET_MS
from tests.rigs.own import BASE, Browser, Own, agreed, own_shop
from tests.rigs.shop import NOTICE, Shop, member
from tests.rigs.shopfront import KEY

ALL = tuple(Purpose)
PIN = "2468"
OFF = {purpose.value: False for purpose in Purpose}
CARD = Token(CredentialKind.SIGNED, b"new-card-1")


@pytest.fixture
async def own(tmp_path: Path):
    async with own_shop(tmp_path, *member("mia", *ALL), *member("ben", *ALL)) as one:
        yield one


async def hand(tablet: Browser, kind: str = "enrol", handshake: str | None = None) -> str:
    """The tablet goes to its customer; the path of the link that it opens."""
    said = await tablet.post("tablet/handover", {"kind": kind, "handshake_id": handshake, "pin": PIN})
    assert said["result"] == "ok", said
    return str(said["url"])


async def enrolling(own: Own) -> Browser:
    tablet = await own.tablet()
    await tablet.open(await hand(tablet))
    return tablet


async def card_on(own: Own, tablet: Browser, who: str = "mia") -> str:
    """A member asks for advice and this tablet opens the card; the handshake's id."""
    await own.shop.tap(who, "advice-nfc")
    handshake = own.shop.walls.entries[-1].handshake_id
    assert (await tablet.post(f"tablet/handshakes/{handshake}/accept"))["result"] == "open"
    return handshake


def name(tablet: Browser) -> str:
    return tablet.client.cookies[TABLET_COOKIE].partition(".")[0]


# --- somebody joins -----------------------------------------------------------------------------------------------


async def test_join_on_the_tablet_then_the_code_and_the_tap_bind_the_first_card(own: Own) -> None:
    tablet = await enrolling(own)
    found = await tablet.me()
    assert (found["who"], found["handover"], found["purposes"], found["confirm"]) == ("new", True, [], None)
    assert found["notice"]["version"] == NOTICE.version
    form = agreed(call_name="Zoe", choices=OFF | {"recognise_nfc": True, "public_personal_greeting": True})
    joined = await tablet.post("me/enrol", form)
    assert joined["result"] == "ok"
    found = await tablet.me()
    assert (found["who"], found["call_name"], found["code"]) == ("member", "Zoe", joined["code"])
    assert found["receipt_id"] == joined["receipt_id"]
    states = {one["purpose"]: one["state"] for one in found["purposes"]}
    assert states.pop("recognise_nfc") == states.pop("public_personal_greeting") == "given"
    assert set(states.values()) == {"refused"}

    await own.shop.tap(None, "coffee-nfc")
    assert await own.touch("code") == "ok"
    page = own.shown().dialogue.dialogue_id
    assert await own.shop.flow.on_code("bar", page, joined["code"]) == "ok"
    await own.shop.tap(None, "coffee-nfc", Proof.SIGNED, token=CARD)
    assert own.shop.step() == "bound"
    assert (await tablet.me())["code"] is None
    (bound,) = await own.shop.bodies("credential.bound")
    (told,) = await own.shop.bodies("member.enrolled")
    assert (bound["member_id"], bound["binding_id"]) == (told["member_id"], told["binding_id"])
    await own.shop.tap(told["member_id"], "door-nfc")
    assert own.shown("hall").dialogue.call_name == "Zoe"


async def test_refusing_everything_still_ends_in_membership(own: Own) -> None:
    tablet = await enrolling(own)
    joined = await tablet.post("me/enrol", agreed(call_name="", choices=OFF))
    assert (joined["result"], joined["code"]) == ("ok", None)
    found = await tablet.me()
    assert {one["state"] for one in found["purposes"]} == {"refused"}
    (told,) = await own.shop.bodies("member.enrolled")
    assert await own.shop.store.run(lambda tx: tx.has_member(told["member_id"]))


async def test_whoever_refused_and_then_agrees_gets_the_code(own: Own) -> None:
    tablet = await enrolling(own)
    await tablet.post("me/enrol", agreed(call_name="Zoe", choices={}))
    assert (await tablet.me())["code"] is None
    own.shop.clock.ms += 1_000
    assert (await tablet.post("me/choices", agreed(choices={"recognise_nfc": True})))["result"] == "ok"
    assert len((await tablet.me())["code"]) == 8


async def test_nothing_is_kept_of_somebody_too_young_and_asking_again_does_not_help(own: Own) -> None:
    tablet = await enrolling(own)
    before = await own.shop.types()
    young = agreed(call_name="Zoe", choices=OFF, age="under16")
    assert (await tablet.post("me/enrol", young))["result"] == "age"
    assert (await tablet.post("me/enrol", young | {"age": "16plus"}))["result"] == "age"
    assert await own.shop.types() == before
    assert await own.shop.store.run(lambda tx: tx._all("SELECT count(*) FROM member")[0][0]) == 2
    assert (await tablet.me())["who"] == "new"


async def test_a_guardian_may_agree(own: Own) -> None:
    tablet = await enrolling(own)
    assert (await tablet.post("me/enrol", agreed(call_name="Kim", choices=OFF, age="guardian")))["result"] == "ok"
    assert (await own.shop.bodies("member.enrolled"))[0]["age"] == "guardian"


async def test_joining_twice_makes_one_member(own: Own) -> None:
    tablet = await enrolling(own)
    form = agreed(call_name="Zoe", choices=OFF)
    answers = await asyncio.gather(*(tablet.post("me/enrol", form) for _ in range(3)))
    assert sorted(answer["result"] for answer in answers) == ["ok", "refused", "refused"]
    assert (await own.shop.types()).count("member.enrolled") == 1


async def test_joining_needs_the_notice_that_is_shown(own: Own) -> None:
    tablet = await enrolling(own)
    form = agreed(call_name="Zoe", choices=OFF)
    for wrong in ({"notice_version": "0"}, {"notice_sha256": "0" * 64}):
        assert (await tablet.post("me/enrol", form | wrong))["result"] == "notice_changed"
    assert (await tablet.post("me/enrol", form))["result"] == "ok"


async def test_pseudonyms_are_random_and_say_nothing(own: Own) -> None:
    told = []
    for _ in range(3):
        tablet = await enrolling(own)
        await tablet.post("me/enrol", agreed(call_name="Zoe", choices=OFF))
    told = [body["member_id"] for body in await own.shop.bodies("member.enrolled")]
    assert len({one[:8] for one in told}) == 3  # not ordered by time, as other ids are
    assert {len(one) for one in told} == {32}


async def test_a_member_cannot_join_and_a_newcomer_has_nothing_to_choose(own: Own) -> None:
    phone = await own.phone()
    assert (await phone.post("me/enrol", agreed(call_name="Mia", choices=OFF)))["result"] == "refused"
    tablet = await enrolling(own)
    assert (await tablet.post("me/choices", {"choices": {"marketing_push": False}}))["status"] == 401
    assert (await tablet.post("me/forget"))["status"] == 401
    assert (await tablet.open("/api/v1/me/data")).status_code == 401


async def test_a_name_that_would_garble_a_screen_is_no_name(own: Own) -> None:
    tablet = await enrolling(own)
    for bad in ("Zo\ne", "a\u202eb", "x" * 41, "\ud800", "\u0000"):
        text = json.dumps(agreed(call_name=bad, choices=OFF))
        answer = await tablet.client.post(
            "/api/v1/me/enrol", content=text, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422
        assert bad not in answer.text


async def test_without_a_notice_nobody_can_join(own: Own) -> None:
    await own.shop.push(ConfigPut(ShopConfig()))
    tablet = await own.tablet()
    said = await tablet.post("tablet/handover", {"kind": "enrol", "handshake_id": None, "pin": PIN})
    assert (said["result"], said["url"]) == ("refused", None)
    assert not own.shop.walls.locked


# --- a member's own data on the tablet, or on their phone ---------------------------------------------------------


async def test_the_open_cards_member_gets_the_tablet_and_the_card_is_gone_from_it(own: Own) -> None:
    tablet = await own.tablet()
    handshake = await card_on(own, tablet)
    path = await hand(tablet, "mine", handshake)
    await own.shop.settle()
    assert own.shop.walls.cards == {}
    assert (await tablet.open(path)).headers["location"] == "/me"
    found = await tablet.me()
    assert (found["call_name"], found["confirm"], found["handover"]) == ("Mia", None, True)
    assert "handshake.closed" in await own.shop.types()


async def test_only_the_card_that_is_open_here_opens_anything(own: Own) -> None:
    tablet, other = await own.tablet(), await own.tablet()
    await own.shop.tap("mia", "advice-nfc")
    waiting = own.shop.walls.entries[-1].handshake_id
    for url, more in (("tablet/link", {}), ("tablet/handover", {"kind": "mine", "pin": PIN})):
        assert (await tablet.post(url, {"handshake_id": waiting, **more}))["result"] == "gone"
        assert (await tablet.post(url, {"handshake_id": "no-such", **more}))["result"] == "gone"
    await other.post(f"tablet/handshakes/{waiting}/accept")
    assert (await tablet.post("tablet/link", {"handshake_id": waiting}))["result"] == "gone"
    assert (await other.post("tablet/link", {"handshake_id": waiting}))["result"] == "ok"


async def test_a_link_for_the_phone_needs_no_question_and_lasts_five_minutes(own: Own) -> None:
    tablet = await own.tablet()
    handshake = await card_on(own, tablet)
    said = await tablet.post("tablet/link", {"handshake_id": handshake})
    assert said["url"].startswith(f"{BASE}/h/")
    assert (await tablet.open(said["svg"])).headers["content-type"] == "image/svg+xml"
    own.shop.clock.ms += LINK_TABLET_MS - 1
    phone = own.browser()
    assert (await phone.open(said["url"])).status_code == 303
    assert ((await phone.me())["call_name"], (await phone.me())["handover"]) == ("Mia", False)
    late = await tablet.post("tablet/link", {"handshake_id": await card_on(own, tablet, "ben")})
    own.shop.clock.ms += LINK_TABLET_MS
    assert (await phone.open(late["url"])).status_code == 410


async def test_a_second_link_voids_the_first(own: Own) -> None:
    tablet = await own.tablet()
    handshake = await card_on(own, tablet)
    first, second = [await tablet.post("tablet/link", {"handshake_id": handshake}) for _ in range(2)]
    assert (await own.browser().open(first["url"])).status_code == 410
    assert (await own.browser().open(second["url"])).status_code == 303


# --- locked -------------------------------------------------------------------------------------------------------


async def test_a_tablet_in_a_customers_hands_shows_and_does_nothing_of_the_staffs(own: Own) -> None:
    tablet, other = await own.tablet(), await own.tablet()
    stream = own.hub.watch_tablet(name(tablet))
    await own.shop.tap("ben", "advice-nfc")
    waiting = own.shop.walls.entries[-1].handshake_id
    await hand(tablet)
    for method, url in (
        ("POST", f"handshakes/{waiting}/accept"),
        ("POST", f"handshakes/{waiting}/close"),
        ("GET", "readers"),
        ("POST", "reader"),
        ("POST", "link"),
        ("POST", "handover"),
    ):
        body = {"receiver": None} if url == "reader" else {"handshake_id": waiting, "kind": "enrol", "pin": PIN}
        body = {"handshake_id": waiting} if url == "link" else body
        answer = await tablet.client.request(method, f"/api/v1/tablet/{url}", json=body if method == "POST" else None)
        assert answer.status_code == 423, url
        assert (await other.client.get("/api/v1/tablet/readers")).status_code == 200
    await own.shop.tap("mia", "advice-nfc")
    seen = [await anext(stream) for _ in range(2)]
    assert seen[-1].body | {"now_ms": 0} == {"queue": [], "card": None, "troubles": [], "locked": True, "now_ms": 0}
    assert "Mia" not in str([one.body for one in seen])
    assert "Ben" not in str([one.body for one in seen])
    assert not own.hub.sees(name(tablet))
    stream.close()


async def test_the_number_takes_it_back_and_ends_the_customers_session(own: Own) -> None:
    tablet = await enrolling(own)
    session = tablet.client.cookies["sg_me"]
    assert (await tablet.post("tablet/unlock", {"pin": "0000"}))["result"] == "wrong"
    assert (await tablet.post("tablet/unlock", {"pin": PIN}))["result"] == "ok"
    assert LOCKED not in tablet.client.cookies
    assert "sg_me" not in tablet.client.cookies
    assert (await tablet.client.get("/api/v1/tablet/readers")).status_code == 200
    tablet.client.cookies.set("sg_me", session)
    assert (await tablet.me())["status"] == 401
    stream = own.hub.watch_tablet(name(tablet))
    assert (await anext(stream)).body["locked"] is False
    stream.close()


async def test_a_link_that_the_customer_never_opened_is_void_once_the_tablet_is_back(own: Own) -> None:
    tablet = await own.tablet()
    path = await hand(tablet, "mine", await card_on(own, tablet))
    await tablet.post("tablet/unlock", {"pin": PIN})
    assert (await own.browser().open(path)).status_code == 410


async def test_after_five_wrong_numbers_only_the_managers_link_opens_it(own: Own) -> None:
    tablet = await enrolling(own)
    said = [(await tablet.post("tablet/unlock", {"pin": f"{at:04d}"}))["result"] for at in range(MAX_WRONG + 1)]
    assert said == ["wrong"] * (MAX_WRONG - 1) + ["locked"] * 2
    assert (await tablet.post("tablet/unlock", {"pin": PIN}))["result"] == "locked"
    assert (await tablet.client.get("/api/v1/tablet/readers")).status_code == 423
    await tablet.client.get("/tablet", params={"key": KEY})
    assert (await tablet.client.get("/api/v1/tablet/readers")).status_code == 200
    assert (await tablet.me())["status"] == 401


async def test_a_request_that_was_under_way_while_the_tablet_was_unlocked_locks_nothing(own: Own) -> None:
    tablet = await enrolling(own)
    stale = tablet.client.cookies[LOCKED]
    await tablet.post("tablet/unlock", {"pin": PIN})
    tablet.client.cookies.set(LOCKED, stale)  # sent before the answer came
    assert (await tablet.client.get("/api/v1/tablet/readers")).status_code == 200
    assert not own.shop.walls.locked


async def test_after_a_restart_a_full_list_of_locks_opens_nothing(own: Own) -> None:
    for number in range(MAX_LOCKS):
        await own.shop.flow.handovers.hand_over(f"t{number}", None, PIN)
    tablet = await own.tablet()
    tablet.client.cookies.set(LOCKED, "of-an-earlier-run")
    assert (await tablet.client.get("/api/v1/tablet/readers")).status_code == 423


async def test_after_a_restart_the_tablet_is_locked_still_and_waits_for_the_manager(tmp_path: Path) -> None:
    async with own_shop(tmp_path, *member("mia", *ALL)) as own:
        tablet = await enrolling(own)
        cookies = dict(tablet.client.cookies)
    shop = Shop(tmp_path, BASE)
    await shop.flow.start()
    await shop.settle()
    again = Own(shop)
    tablet = again.browser()
    for key, value in cookies.items():
        tablet.client.cookies.set(key, value, domain="gateway.shop")
    assert (await tablet.me())["status"] == 401
    assert (await tablet.client.get("/api/v1/tablet/readers")).status_code == 423
    assert shop.walls.locked == {name(tablet)}
    assert (await tablet.post("tablet/unlock", {"pin": PIN}))["result"] == "locked"
    await tablet.client.get("/tablet", params={"key": KEY})
    assert (await tablet.client.get("/api/v1/tablet/readers")).status_code == 200
    await again.close()


async def test_a_card_never_opens_by_itself_on_a_tablet_in_a_customers_hands(own: Own) -> None:
    tablet = await own.tablet()
    stream = own.hub.watch_tablet(name(tablet))
    own.shop.walls.sees = own.hub.sees
    assert (await tablet.post("tablet/reader", {"receiver": "advice-nfc"}))["result"] == "ok"
    await hand(tablet)
    await own.shop.tap("mia", "advice-nfc")
    assert own.shop.walls.cards == {}
    assert [entry.state for entry in own.shop.walls.entries] == ["asked"]
    stream.close()


async def test_who_holds_no_tablet_hands_none_over(own: Own) -> None:
    stranger = own.browser()
    for url, body in (
        ("tablet/handover", {"kind": "enrol", "handshake_id": None, "pin": PIN}),
        ("tablet/unlock", {"pin": PIN}),
        ("tablet/link", {"handshake_id": "h"}),
    ):
        assert (await stranger.post(url, body))["status"] == 401
