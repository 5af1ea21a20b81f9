"""The checker of a year: it finds each rule that is broken in a hand-made log, and nothing in one that is fine."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.core import holdout
from gateway.core.model import Cap, Offer, Pause, Restraint, ShopConfig
from gateway.core.spans import DAY_MS
from gateway.restraintcheck import Breach, Moment, check, fullest, held_out

HOUR_MS = 3_600_000
NOON_MS = 1_795_000_000_000 // DAY_MS * DAY_MS + 12 * HOUR_MS  # 13:00 in Berlin
TEXT = {"en": "Good day"}
A, B = Offer("a", TEXT, TEXT), Offer("b", TEXT, TEXT)
SHOP = ShopConfig(
    contacts_per_day=2, contact_gap_ms=600_000, restraint=Restraint("Europe/Berlin", 20 * 60, 9 * 60, 2, 2 * DAY_MS)
)


def beacon(at_ms: int, said: str = "a", placement: str = "bar") -> Moment:
    return Moment(at_ms, "beacon", placement, (said,))


def tap(at_ms: int, said: str = "a") -> Moment:
    return Moment(at_ms, "tap", "bar", (said,))


def answer(at_ms: int, what, said: str = "a") -> Moment:
    return Moment(at_ms, "tap", "bar", (said,), (), what)


def rules(*moments: Moment, shop: ShopConfig = SHOP, offers=(A, B)) -> list[str]:
    return [breach.rule for breach in check(moments, "m1", shop, offers)]


def test_a_day_within_every_bound_has_no_breach() -> None:
    assert rules(beacon(NOON_MS), tap(NOON_MS + 1_000), beacon(NOON_MS + DAY_MS + 2_000)) == []


@pytest.mark.parametrize("channel", ["tap", "card", "till", "phone", "beacon"])
def test_contacts_of_every_channel_use_up_the_budget(channel) -> None:
    two = (Moment(NOON_MS, channel, "bar", ("a",)), Moment(NOON_MS + HOUR_MS, "tap", "bar", ("a",)))
    assert rules(*two, beacon(NOON_MS + 2 * HOUR_MS)) == ["budget"]
    assert rules(*two, tap(NOON_MS + 2 * HOUR_MS)) == []  # whoever asks is answered
    assert rules(*two, beacon(NOON_MS + DAY_MS)) == []


def test_several_offers_of_one_card_are_one_contact() -> None:
    card = Moment(NOON_MS, "card", "tablet", ("a", "b"))
    assert rules(card, beacon(NOON_MS + HOUR_MS)) == []


def test_each_window_counts_and_not_each_day() -> None:
    three = [beacon(NOON_MS + hours * HOUR_MS) for hours in (5, 6, 22)]
    shop = replace(SHOP, restraint=replace(SHOP.restraint, quiet_from_min=0, quiet_until_min=0, backoff_ms=0))
    assert rules(*three, shop=shop) == ["budget", "window"]
    assert fullest([*three, tap(NOON_MS + 23 * HOUR_MS)]) == (4, 3)
    assert fullest([]) == (0, 0)


def test_a_pause_lies_before_each_unasked_contact() -> None:
    assert rules(tap(NOON_MS), beacon(NOON_MS + 599_999)) == ["gap"]
    assert rules(tap(NOON_MS), beacon(NOON_MS + 600_000)) == []


@pytest.mark.parametrize(("hour", "minute", "quiet"), [(8, 59, True), (9, 0, False), (19, 59, False), (20, 0, True)])
def test_quiet_hours_are_the_shops_own(hour: int, minute: int, quiet: bool) -> None:
    at_ms = int(datetime(2026, 7, 1, hour, minute, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * 1_000
    assert rules(beacon(at_ms)) == ["quiet_hours"] * quiet
    assert rules(tap(at_ms)) == []
    by_day = replace(SHOP, restraint=replace(SHOP.restraint, quiet_from_min=9 * 60, quiet_until_min=20 * 60))
    assert rules(beacon(at_ms), shop=by_day) == ["quiet_hours"] * (not quiet)


def test_who_does_not_answer_is_left_alone_for_longer_each_time() -> None:
    two = (beacon(NOON_MS), beacon(NOON_MS + 2 * HOUR_MS))
    last_ms = two[1].at_ms
    assert rules(*two, beacon(last_ms + 2 * DAY_MS - 1)) == ["back_off"]
    third = beacon(last_ms + 2 * DAY_MS)
    assert rules(*two, third) == []
    assert rules(*two, third, beacon(third.at_ms + 3 * DAY_MS)) == ["back_off"]
    assert rules(*two, third, beacon(third.at_ms + 4 * DAY_MS)) == []
    for between in (tap(last_ms + HOUR_MS), answer(last_ms + HOUR_MS, "accepted"), answer(last_ms + 1, "redeemed")):
        assert rules(*two, between, beacon(last_ms + DAY_MS)) == []
    assert rules(*two, answer(last_ms + 1, "dismissed"), beacon(last_ms + DAY_MS)) == ["back_off"]
    long = replace(SHOP, restraint=replace(SHOP.restraint, backoff_ms=90 * DAY_MS))
    assert rules(*two, beacon(last_ms + 30 * DAY_MS), shop=long) == []  # a month is as far as is remembered


def test_a_silence_has_its_reason() -> None:
    assert rules(Moment(NOON_MS, "beacon", "bar", ())) == ["row_without_reason"]
    assert rules(Moment(NOON_MS, "beacon", "bar", (), (("*", "budget.day"),))) == []


def test_who_is_left_out_hears_of_no_targeted_offer_on_any_channel() -> None:
    everybody = replace(SHOP, restraint=replace(SHOP.restraint, holdout_bp=10_000, holdout_salt="salt"))
    for how in ("beacon", "tap", "card", "till", "phone"):
        assert rules(Moment(NOON_MS, how, "bar", ("a",)), shop=everybody) == ["hold_out"]
    assert rules(tap(NOON_MS), shop=everybody, offers=[replace(A, audience="everyone")]) == []
    salted = replace(SHOP, restraint=replace(SHOP.restraint, holdout_salt="salt"))
    assert rules(tap(NOON_MS), shop=salted, offers=[replace(A, control_bp=10_000)]) == ["hold_out_of_offer"]


def test_the_published_form_of_the_hash_gives_the_same_people() -> None:
    for number in range(500):
        said = f"member-{number}"
        assert held_out(500, "salt", said) == holdout.is_held_out(500, "salt", said)
    assert not held_out(10_000, "", "m1")


def test_caps_pauses_and_groups_hold_for_one_offer_on_every_channel() -> None:
    def of(*moments: Moment, offer: Offer, other: Offer = B) -> list[str]:
        return rules(*moments, offers=(offer, other))

    rolling = replace(A, caps=(Cap("impressions", 1, period_ms=3 * DAY_MS),))
    assert of(tap(NOON_MS), tap(NOON_MS + 3 * DAY_MS - 1), offer=rolling) == ["cap"]
    assert of(tap(NOON_MS), tap(NOON_MS + 3 * DAY_MS), offer=rolling) == []
    taken = replace(A, caps=(Cap("acceptances", 1, calendar="month"),))
    assert of(tap(NOON_MS), answer(NOON_MS + 1, "accepted"), tap(NOON_MS + 2), offer=taken) == ["cap"]
    daily = replace(A, caps=(Cap("impressions", 1, calendar="day"),))
    assert of(tap(NOON_MS), tap(NOON_MS + 10 * HOUR_MS), offer=daily) == ["cap"]
    assert of(tap(NOON_MS), tap(NOON_MS + 11 * HOUR_MS), offer=daily) == []  # past midnight in Berlin
    weekly = replace(A, caps=(Cap("impressions", 1, "placement", calendar="week"),))
    assert of(tap(NOON_MS), tap(NOON_MS + 1), offer=weekly) == ["cap"]
    assert of(tap(NOON_MS), tap(NOON_MS + 1)._replace(placement="door"), offer=weekly) == []
    assert of(tap(NOON_MS), tap(NOON_MS + 7 * DAY_MS), offer=weekly) == []
    assert of(tap(NOON_MS), tap(NOON_MS + 1), offer=replace(A, cap_per_member=1)) == ["cap"]
    paused = replace(A, pause=Pause(dismissed_ms=DAY_MS))
    assert of(tap(NOON_MS), answer(NOON_MS + 1, "dismissed"), tap(NOON_MS + DAY_MS), offer=paused) == ["pause"]
    assert of(tap(NOON_MS), answer(NOON_MS + 1, "dismissed"), tap(NOON_MS + 1 + DAY_MS), offer=paused) == []
    hot, cold = replace(A, groups=("g",)), replace(B, groups=("g",))
    assert of(tap(NOON_MS), tap(NOON_MS + 1, "b"), offer=hot, other=cold) == ["group"]
    assert of(tap(NOON_MS), tap(NOON_MS + DAY_MS, "b"), offer=hot, other=cold) == []


def test_a_breach_says_when() -> None:
    assert list(check([beacon(NOON_MS + 12 * HOUR_MS)], "m1", SHOP, [A])) == [
        Breach("quiet_hours", NOON_MS + 12 * HOUR_MS)
    ]
