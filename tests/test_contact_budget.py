"""A season of people who come, tap and ask for advice: over all channels nobody is addressed more than agreed."""

import random
from collections import Counter

from gateway.core.gate import Profile
from gateway.core.localtime import is_within
from gateway.core.model import Cap, ConsentRecord, ConsentState, Contact, Member, Offer, Purpose, Restraint, ShopConfig
from gateway.core.offers import Person, Situation, decide, one_of_each_group, sift
from gateway.core.spans import DAY_MS

PEOPLE, DAYS = 60, 60
NOW_MS = 1_795_000_000_000
TEXT = {"en": "Good day"}
SHOP = ShopConfig(
    contacts_per_day=4,
    contact_gap_ms=600_000,
    restraint=Restraint("Europe/Berlin", 20 * 60, 9 * 60, 3, 3_600_000, 1_000, "salt"),
)
OFFERS = tuple(
    Offer(
        f"o{number}",
        TEXT,
        TEXT,
        category="coffee",
        public_safe=True,
        caps=(Cap("impressions", 2, period_ms=7 * DAY_MS),),
        groups=(f"g{number % 4}",),
    )
    for number in range(12)
)


def test_a_season_of_people_stays_within_every_bound() -> None:
    draw = random.Random(20261122)
    codes: Counter[str] = Counter()
    targeted_to_held_out, shown = 0, 0
    for number in range(PEOPLE):
        member_id = f"m{number}"
        records = {p: ConsentRecord(f"{p}", member_id, p, ConsentState.GIVEN, 1, hq_seq=1) for p in Purpose}
        profile = Profile(Member(member_id), records)
        contacts: list[Contact] = []
        at_ms = NOW_MS
        held_out = False
        while at_ms < NOW_MS + DAYS * DAY_MS:
            at_ms += draw.choice((120_000, 900_000, 3_600_000, 40_000_000))
            trigger = draw.choice(("zone", "zone", "zone", "tap", "card"))
            person = Person(profile, tuple(one for one in contacts if at_ms - one.at_ms < 31 * DAY_MS))
            asked = "zone" if trigger == "zone" else "tap"
            one = Situation("d", at_ms, asked, "coffee", "bar", person, (), OFFERS, SHOP)
            if trigger == "card":
                said = [offer.offer_id for offer in one_of_each_group(sift(one)[1])[:3]]
            else:
                decision = decide(one)
                codes.update(reason.code for reason in decision.reasons)
                held_out = held_out or any(reason.code.startswith("holdout") for reason in decision.reasons)
                assert decision.reasons, "every contact that is suppressed has its reason"
                said = [decision.offer_id] if decision.offer_id is not None else []
            if trigger == "zone" and said:
                before = {one.at_ms for one in contacts if at_ms - one.at_ms < DAY_MS}
                assert len(before) < SHOP.contacts_per_day
                assert not before or at_ms - max(before) >= SHOP.contact_gap_ms
                assert not is_within(at_ms, "Europe/Berlin", 20 * 60, 9 * 60)
            contacts += [Contact(at_ms, offer_id, trigger != "zone", "bar") for offer_id in said]
            shown += len(said)
            targeted_to_held_out += len(said) if held_out else 0
        for offer in OFFERS:
            times = [one.at_ms for one in contacts if one.offer_id == offer.offer_id]
            assert all(later - earlier >= 7 * DAY_MS for earlier, later in zip(times, times[2:], strict=False))
    assert shown > 500
    assert targeted_to_held_out == 0
    assert {"budget.quiet", "budget.day", "budget.pause", "budget.ignored", "cap.impressions", "group"} <= set(codes)
    assert codes["holdout.first"]
