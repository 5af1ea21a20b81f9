"""Enough is enough: quiet hours, back-off, caps, pauses and groups over every channel."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Cap, Contact, Offer, Pause, Restraint, ShopConfig
from gateway.core.restraint import MEMORY_MS, Past, given_out, horizon_ms, too_much
from gateway.core.spans import DAY_MS

HOUR_MS = 3_600_000
NOW_MS = 1_795_000_000_000 // DAY_MS * DAY_MS + 12 * HOUR_MS  # noon, UTC
TEXT = {"en": "Hello"}
OFFER = Offer("o1", TEXT, TEXT)


def contact(ago_ms: int, what: str = "shown", offer_id: str = "o1", **more: object) -> Contact:
    return Contact(NOW_MS - ago_ms, offer_id, False, what=what, **more)


def exclusion(offer: Offer, *contacts: Contact, others: tuple[Offer, ...] = ()) -> str | None:
    past = Past(contacts, ShopConfig(), NOW_MS, "bar")
    past.learn_groups({one.offer_id: one for one in (offer, *others)})
    return past.exclusion(offer)


@pytest.mark.parametrize(
    ("cap", "contacts", "code"),
    [
        (Cap("impressions", 2, period_ms=HOUR_MS), [contact(5), contact(HOUR_MS - 1)], "cap.impressions"),
        (Cap("impressions", 2, period_ms=HOUR_MS), [contact(5), contact(HOUR_MS)], None),
        (Cap("impressions", 1, period_ms=HOUR_MS), [contact(5, "accepted")], None),
        (Cap("acceptances", 1, period_ms=HOUR_MS), [contact(5, "accepted")], "cap.acceptances"),
        (Cap("redemptions", 1, calendar="month"), [contact(5, "redeemed")], "cap.redemptions"),
        (Cap("impressions", 1, calendar="day"), [contact(12 * HOUR_MS)], "cap.impressions"),  # since midnight
        (Cap("impressions", 1, calendar="day"), [contact(12 * HOUR_MS + 1)], None),
        (Cap("impressions", 1, "placement", HOUR_MS), [contact(5, placement="bar")], "cap.impressions"),
        (Cap("impressions", 1, "placement", HOUR_MS), [contact(5, placement="door")], None),
        (Cap("impressions", 1, period_ms=HOUR_MS), [contact(5, offer_id="o2")], None),
    ],
)
def test_a_cap_counts_its_own_kind_in_its_own_window(cap: Cap, contacts: list[Contact], code: str | None) -> None:
    assert exclusion(replace(OFFER, caps=(cap,)), *contacts) == code


def test_any_cap_that_is_reached_wins() -> None:
    caps = (Cap("impressions", 9, calendar="day"), Cap("impressions", 1, period_ms=HOUR_MS))
    assert exclusion(replace(OFFER, caps=caps), contact(5)) == "cap.impressions"


@pytest.mark.parametrize("what", ["shown", "dismissed", "redeemed"])
def test_a_pause_follows_what_happened(what: str) -> None:
    offer = replace(OFFER, pause=replace(Pause(), **{f"{what}_ms": HOUR_MS}))
    assert exclusion(offer, contact(HOUR_MS - 1, what)) == f"pause.{what}"
    assert exclusion(offer, contact(HOUR_MS, what)) is None
    other = next(one for one in ("shown", "dismissed", "redeemed") if one != what)
    assert exclusion(offer, contact(5, other)) is None


def test_one_of_a_group_excludes_the_others_for_a_day() -> None:
    mine, other = replace(OFFER, groups=("coffee",)), Offer("o2", TEXT, TEXT, groups=("coffee", "tea"))
    assert exclusion(mine, contact(5, offer_id="o2"), others=(other,)) == "group"
    assert exclusion(mine, contact(DAY_MS, offer_id="o2"), others=(other,)) is None
    assert exclusion(mine, contact(5, "dismissed", "o2"), others=(other,)) is None
    assert exclusion(mine, contact(5)) is None  # its own showing does not exclude it


def test_a_cap_of_none_at_all_is_one() -> None:
    assert exclusion(replace(OFFER, cap_per_member=0)) == "cap.member"


def test_a_card_with_three_offers_is_one_contact() -> None:
    shop = ShopConfig(contacts_per_day=2, contact_gap_ms=0)
    card = tuple(contact(9, offer_id=name, placement="tablet-1") for name in "abc")
    assert too_much(card, shop, NOW_MS) is None
    assert too_much((*card, contact(9, placement="bar")), shop, NOW_MS) == "budget.day"


QUIET = ShopConfig(contacts_per_day=99, contact_gap_ms=0)


def test_quiet_hours_are_the_shops_own() -> None:
    noon = replace(QUIET, restraint=Restraint(quiet_from_min=12 * 60, quiet_until_min=13 * 60))
    assert too_much((), noon, NOW_MS) == "budget.quiet"
    assert too_much((), noon, NOW_MS + HOUR_MS) is None
    berlin = replace(noon, restraint=replace(noon.restraint, time_zone="Europe/Berlin"))
    assert too_much((), berlin, NOW_MS) is None  # one o'clock there, in November


@pytest.mark.parametrize(
    ("row", "silent_h"),
    [(2, 0), (3, 1), (4, 2), (5, 4)],
)
def test_who_ignores_us_is_left_alone_ever_longer(row: int, silent_h: int) -> None:
    shop = replace(QUIET, restraint=Restraint(ignored=3, backoff_ms=HOUR_MS))
    ignored = tuple(Contact(NOW_MS - number * 1_000, "o1", False) for number in range(row))
    assert too_much(ignored, shop, NOW_MS + silent_h * HOUR_MS) is None
    if silent_h:
        assert too_much(ignored, shop, NOW_MS + silent_h * HOUR_MS - 1) == "budget.ignored"


@pytest.mark.parametrize("answer", [Contact(NOW_MS, "o1", True), contact(0, "accepted"), contact(0, "redeemed")])
def test_an_answer_ends_the_row_and_a_no_does_not(answer: Contact) -> None:
    shop = replace(QUIET, restraint=Restraint(ignored=3, backoff_ms=HOUR_MS))
    row = tuple(contact(1_000 + number) for number in range(5))
    assert too_much((*row, answer), shop, NOW_MS) is None
    assert too_much((*row, contact(0, "dismissed")), shop, NOW_MS) == "budget.ignored"


def test_after_a_month_all_is_forgotten() -> None:
    shop = replace(QUIET, restraint=Restraint(ignored=1, backoff_ms=90 * DAY_MS))
    assert too_much((contact(MEMORY_MS - 1),), shop, NOW_MS) == "budget.ignored"
    assert too_much((contact(MEMORY_MS),), shop, NOW_MS) is None


contacts = st.lists(
    st.builds(
        Contact,
        st.integers(NOW_MS - 3 * DAY_MS, NOW_MS + DAY_MS),
        st.sampled_from(["o1", "o2"]),
        st.booleans(),
        st.sampled_from(["bar", "door"]),
        st.sampled_from(["shown", "accepted", "dismissed", "redeemed"]),
    ),
    max_size=12,
).map(tuple)


@given(contacts, st.permutations(range(12)))
def test_the_order_in_which_contacts_come_changes_nothing(past: tuple[Contact, ...], order: list[int]) -> None:
    shop = ShopConfig(restraint=Restraint(backoff_ms=HOUR_MS))
    mixed = tuple(past[place] for place in order if place < len(past))
    offer = replace(OFFER, caps=(Cap("impressions", 2, calendar="week"),), pause=Pause(HOUR_MS, DAY_MS, DAY_MS))
    assert exclusion(offer, *past) == exclusion(offer, *mixed)
    if len({one.at_ms for one in past}) == len(past):
        assert too_much(past, shop, NOW_MS) == too_much(mixed, shop, NOW_MS)


@given(contacts, contacts)
def test_more_that_was_shown_never_allows_more(past: tuple[Contact, ...], more: tuple[Contact, ...]) -> None:
    shown = tuple(one._replace(what="shown", asked=False) for one in more)
    offer = replace(OFFER, cap_per_member=2, caps=(Cap("impressions", 2, calendar="week"),), pause=Pause(HOUR_MS))
    if exclusion(offer, *past) is not None:
        assert exclusion(offer, *past, *shown) is not None


def test_as_much_is_asked_for_as_rules_need() -> None:
    assert horizon_ms((), ShopConfig()) == DAY_MS
    assert horizon_ms((), ShopConfig(restraint=Restraint(backoff_ms=1))) == MEMORY_MS
    weekly = replace(OFFER, caps=(Cap("impressions", 1, calendar="week"),))
    assert horizon_ms((OFFER, weekly), ShopConfig()) == 7 * DAY_MS + HOUR_MS
    assert horizon_ms((replace(OFFER, pause=Pause(redeemed_ms=60 * DAY_MS)),), ShopConfig()) == 60 * DAY_MS


def test_a_cap_of_the_shop_counts_the_shop_and_no_person() -> None:
    cap = Cap("impressions", 2, "store", HOUR_MS)
    shared = replace(OFFER, caps=(cap,))
    assert exclusion(shared, contact(5), contact(6)) is None  # it is nobody's own
    assert given_out(shared, {}) is None
    assert given_out(shared, {("o1", cap): 1, ("o2", cap): 9}) is None
    assert given_out(shared, {("o1", cap): 2}) == "cap.store"
    assert given_out(OFFER, {("o1", cap): 2}) is None
