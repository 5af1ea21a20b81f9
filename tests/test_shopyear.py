"""The simulated year is the same for the same seed, in order, and every channel, policy and manner is in it."""

from collections import Counter
from itertools import pairwise

from gateway.core.localtime import local
from gateway.core.model import Purpose
from gateway.core.shelf import Place, Shelf
from gateway.core.spans import DAY_MS
from gateway.restraintcheck import Moment
from gateway.shopyear import FIRST_MS, OFFERS, POLICIES, CoreShop, Somebody, somebody, year


def lived(who: Somebody, days: int = 90, seed: int = 1) -> list[Moment]:
    shelves: dict[Place, Shelf] = {}
    return list(year(who, days, seed, CoreShop(who, OFFERS, shelves)))


def test_a_year_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert somebody(3, 1) == somebody(3, 1)
    assert lived(somebody(3, 1)) == lived(somebody(3, 1))
    assert lived(somebody(3, 1)) != lived(somebody(3, 1), seed=2)


def test_moments_come_one_after_another_within_the_time() -> None:
    for number in range(12):
        moments = lived(somebody(number, 1))
        assert all(one.at_ms <= other.at_ms for one, other in pairwise(moments))
        assert all(FIRST_MS <= one.at_ms < FIRST_MS + 91 * DAY_MS for one in moments)


def test_every_channel_answer_policy_and_manner_is_met() -> None:
    people = [somebody(number, 1) for number in range(60)]
    assert {one.policy for one in people} == set(POLICIES)
    assert {one.manner for one in people} == {"ignores", "answers", "dismisses"}
    assert any(Purpose.PERSONALISE_OFFERS not in one.consents for one in people)
    assert any(record.valid_until_ms for one in people for record in one.consents.values())
    met: Counter[str] = Counter()
    hours = set()
    for who in people:
        for one in lived(who):
            met[one.answer or one.how] += 1
            hours.add(local(one.at_ms, POLICIES[who.policy].restraint.time_zone).hour)
    assert set(met) == {"beacon", "tap", "card", "till", "phone", "accepted", "dismissed", "redeemed"}
    assert {7, 12, 21} <= hours  # also in quiet hours


def test_offers_have_caps_pauses_groups_and_a_control() -> None:
    assert {cap.calendar for offer in OFFERS for cap in offer.caps} == {"", "day", "week", "month"}
    assert any(offer.control_bp for offer in OFFERS)
    assert any(offer.pause.dismissed_ms for offer in OFFERS)
    assert any(offer.groups for offer in OFFERS)
