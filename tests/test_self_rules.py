"""Four rules of the privacy checklist, each as a test that is also shown to fail where the rule is broken."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import acts, binding
from gateway.acts import Held
from gateway.core.model import Notice, Purpose
from gateway.selfservice import SelfService
from tests.rigs.own import Own, agreed, own_shop
from tests.rigs.shop import NOTICE, member
from tests.test_handovers import CARD, OFF, enrolling

ALL = tuple(Purpose)


@pytest.fixture
async def own(tmp_path: Path):
    async with own_shop(tmp_path, *member("mia", *ALL)) as one:
        yield one


async def broken(rule: Callable[[Own], Awaitable[None]], own: Own) -> None:
    """The rule's test fails on this shop."""
    with pytest.raises((AssertionError, KeyError)):
        await rule(own)


# --- 6: each purpose can be refused alone; refusing all keeps the general offers ---------------------------------


async def each_alone(own: Own) -> None:
    for refused in ALL:
        tablet = await enrolling(own)
        choices = {purpose.value: purpose is not refused for purpose in ALL}
        assert (await tablet.post("me/enrol", agreed(call_name="Zoe", choices=choices)))["result"] == "ok"
        states = await tablet.states()
        assert states.pop(refused.value) == "refused"
        assert set(states.values()) == {"given"}
    tablet = await enrolling(own)
    joined = await tablet.post("me/enrol", agreed(call_name="Zoe", choices=OFF))
    assert joined["result"] == "ok"
    assert (await tablet.me())["who"] == "member"
    assert [slide.slide_id for slide in own.shown().slides] == ["loop"]


async def test_rule_6_each_purpose_can_be_refused_alone_and_refusing_all_is_membership(own: Own) -> None:
    await each_alone(own)


async def test_rule_6_is_seen_to_be_broken_where_one_purpose_brings_another(own: Own, monkeypatch) -> None:
    before = acts.enrol

    def bundled(tx, new, choices, *more, **named):
        return before(tx, new, choices | {Purpose.MARKETING_PUSH: any(choices.values())}, *more, **named)

    monkeypatch.setattr(acts, "enrol", bundled)
    await broken(each_alone, own)


# --- 7: nothing is on by default; the hash is that of the bytes shown; the language is recorded ------------------


async def nothing_preset(own: Own) -> None:
    tablet = await enrolling(own)
    found = await tablet.me()
    assert found["purposes"] == []  # somebody new has given nothing
    shown = found["notice"]
    for language, text in shown["texts"].items():
        assert shown["sha256"][language] == hashlib.sha256(text.encode()).hexdigest()
    await tablet.post("me/enrol", agreed(call_name="Zoe", choices={}, language="de"))
    assert {one["state"] for one in (await tablet.me())["purposes"]} == {"refused"}
    (told, *_) = await own.shop.bodies("consent.recorded")
    assert (told["notice_version"], told["notice_sha256"]) == (NOTICE.version, NOTICE.sha256("en"))
    assert told["language"] == "en"  # in which the notice stood there, whatever the person speaks


async def test_rule_7_nothing_is_on_by_default_and_the_notice_is_the_one_that_was_shown(own: Own) -> None:
    await nothing_preset(own)


async def test_rule_7_is_seen_to_be_broken_by_a_preset(own: Own, monkeypatch) -> None:
    before = acts.enrol

    def preset(tx, new, choices, *more, **named):
        return before(tx, new, {Purpose.MARKETING_PUSH: True} | choices, *more, **named)

    monkeypatch.setattr(acts, "enrol", preset)
    await broken(nothing_preset, own)


async def test_rule_7_is_seen_to_be_broken_by_another_hash(own: Own, monkeypatch) -> None:
    monkeypatch.setattr(Notice, "sha256", lambda self, language: "0" * 64)
    await broken(nothing_preset, own)


async def a_changed_notice_is_not_agreed_to(own: Own) -> None:
    tablet = await enrolling(own)
    other = replace(NOTICE, text={"en": "You agree to everything."})
    form = agreed(call_name="Zoe", choices=OFF, notice_sha256=other.sha256("en"))
    assert (await tablet.post("me/enrol", form))["result"] == "notice_changed"


async def test_rule_7_what_was_not_shown_is_not_agreed_to(own: Own) -> None:
    await a_changed_notice_is_not_agreed_to(own)


async def test_rule_7_is_seen_to_be_broken_where_nobody_looks_at_the_hash(own: Own, monkeypatch) -> None:
    monkeypatch.setattr(SelfService, "_language_shown", lambda self, form: "en")
    await broken(a_changed_notice_is_not_agreed_to, own)


# --- 8: withdrawing takes no more steps than giving ---------------------------------------------------------------


async def as_easy(own: Own) -> None:
    phone = await own.phone()
    for purpose in ALL:
        steps = []
        for body in ({"choices": {purpose.value: False}}, agreed(choices={purpose.value: True})):
            own.shop.clock.ms += 1_000
            before = phone.requests
            assert (await phone.post("me/choices", body))["result"] == "ok"
            wanted = "withdrawn" if len(body) == 1 else "given"
            steps.append(phone.requests - before)
            assert (await phone.states())[purpose.value] == wanted
        withdraw, give = steps
        assert withdraw <= give


async def test_rule_8_withdrawing_takes_no_more_steps_than_giving(own: Own) -> None:
    await as_easy(own)


async def test_rule_8_is_seen_to_be_broken_where_a_withdrawal_wants_more(own: Own, monkeypatch) -> None:
    before = SelfService.choose
    asked: set[str] = set()

    async def reluctant(self, cookie, form):
        (purpose,) = form.choices
        if not form.choices[purpose] and purpose not in asked:
            asked.add(purpose)
            return await before(self, cookie, replace(form, choices={purpose: True}, age=None))
        return await before(self, cookie, form)

    monkeypatch.setattr(SelfService, "choose", reluctant)
    await broken(as_easy, own)


# --- 18: binding a card or phone needs a tap and a one-time code --------------------------------------------------


async def tap_and_code(own: Own) -> None:
    tablet = await enrolling(own)
    joined = await tablet.post("me/enrol", agreed(call_name="Zoe", choices=OFF | {"recognise_nfc": True}))
    await own.shop.tap(None, "coffee-nfc", token=CARD)
    assert own.shop.step() == "join"
    assert await own.touch("code") == "ok"
    await own.shop.tap(None, "coffee-nfc", token=CARD)
    assert own.shop.step() == "code"
    page = own.shown().dialogue.dialogue_id
    wrong = f"{(int(joined['code']) + 1) % 10**8:08d}"
    assert await own.shop.flow.on_code("bar", page, wrong) == "wrong"
    assert await own.shop.flow.on_code("bar", page, joined["code"]) == "ok"
    assert "credential.bound" not in await own.shop.types()  # the code alone binds nothing
    await own.shop.tap(None, "coffee-nfc", token=CARD)
    assert own.shop.step() == "bound"
    assert json.dumps(await own.shop.bodies("credential.bound")).count(CARD.value.hex()) == 1


async def test_rule_18_binding_needs_a_tap_and_the_one_time_code(own: Own) -> None:
    await tap_and_code(own)


async def test_rule_18_is_seen_to_be_broken_where_any_code_will_do(own: Own, monkeypatch) -> None:
    before = binding.code_digest

    def any_code(key: bytes, code: str) -> bytes:
        known = own.shop.flow.selfservice._sessions._sessions.values()
        return before(key, next(iter(known)).code or code)

    monkeypatch.setattr(binding, "code_digest", any_code)
    await broken(tap_and_code, own)


def test_states_are_told_for_every_purpose() -> None:
    assert [one.purpose for one in acts.held({}, 0)] == list(ALL)
    assert {one.state for one in acts.held({}, 0)} == {"none"}
    assert isinstance(acts.held({}, 0)[0], Held)
