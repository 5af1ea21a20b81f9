"""What tills redeem counts for offers, and what is taken decides which is tried: decisions, tills and learning."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.apply import apply
from gateway.checkout import Answer, Asked, settle
from gateway.core.changes import ConfigPut, Delta, LearningPut, LeasePut, OfferDrop, OfferPut, StockPut
from gateway.core.handshake import Handshake
from gateway.core.learning import FLOOR, WHOLE, Arm, Learning, Tally
from gateway.core.model import Cap, Offer, Proof, Purpose, Restraint, ShopConfig, Tap
from gateway.core.redemption import Times
from gateway.core.spans import DAY_MS
from gateway.core.tills import Sale
from gateway.decisions import Decisions
from gateway.records import Tx
from gateway.reserving import AtTill
from gateway.situations import loops
from gateway.tables import learning as table
from tests.rigs.shop import NOTICE, SITE_KEY, START_MS, TEXT, basics, member

ONCE = (Cap("redemptions", 1, calendar="day"),)
OFFERS = (
    Offer("cup", TEXT, TEXT, interests=("coffee",), priority=5),
    Offer("jug", TEXT, TEXT, interests=("coffee",), priority=5),
    Offer("low", TEXT, TEXT, interests=("coffee",), priority=4),
)
ON = Learning(on=True, people={"coffee": 80})
HOUR_MS = DAY_MS // 24


class Counter:
    """A shop's decisions and tills in one transaction, with Mia at the till."""

    def __init__(self, tx: Tx) -> None:
        self.tx = tx
        self._ids = itertools.count()
        self.decisions = Decisions(lambda: f"d{next(self._ids)}")
        apply(tx, Delta(0, 1, (*basics(), *member("mia", *Purpose))), SITE_KEY, START_MS)
        self.put(*map(OfferPut, OFFERS))

    def put(self, *changes: Any) -> None:
        version = self.tx.hq_version
        apply(self.tx, Delta(version, version + 1, changes), SITE_KEY, START_MS, "acme/munich/gw")

    def tapped(self, at_ms: int = START_MS, who: str = "mia") -> Any:
        return self.decisions.greet(self.tx, Tap(who, "r", at_ms), "bar", "coffee", 9)

    def ask(self, asked: Asked, at_ms: int, who: str | None = "mia") -> Answer:
        sale = None if who is None else Sale("till-1", who, Proof.PROVEN, at_ms + 1)
        at = AtTill("till-1", sale, Times(at_ms, at_ms, at_ms), True)
        answer, _ = settle(self.tx, at, f"k{next(self._ids)}", asked, lambda: f"r{next(self._ids)}")
        assert isinstance(answer, Answer)
        return answer

    def redeemed(self, offer_id: str, at_ms: int = START_MS + HOUR_MS, who: str | None = "mia") -> Answer:
        held = self.ask(Asked("reserve", offer_id=offer_id, cents=100), at_ms, who)
        return self.ask(Asked("confirm", str(held.redemption_id), receipt="R-1"), at_ms, who)

    def told(self) -> dict[str, Any]:
        """The last decision, as headquarters hears of it."""
        rows = [row for row in self.tx.outbox_after(0, 1_000) if row.type == "decision.made"]
        return json.loads(rows[-1].body)

    def tally(self, offer_id: str, segment: str = "coffee") -> Tally:
        arm = Arm(offer_id, "bar", segment)
        return self.tx.tallies([arm]).get(arm, Tally())


@pytest.fixture
def shop(tx: Tx) -> Counter:
    return Counter(tx)


# --- what was redeemed, and what is left of a budget ------------------------------------------------------------


def test_what_a_member_redeems_counts_for_the_caps_of_the_offer(shop: Counter) -> None:
    shop.put(OfferPut(replace(OFFERS[0], caps=ONCE)))
    assert shop.tapped().offer_id == "cup"
    assert shop.redeemed("cup").result == "committed"
    (redeemed,) = [one for one in shop.tx.contacts("mia", START_MS + 2 * HOUR_MS) if one.what == "redeemed"]
    assert (redeemed.offer_id, redeemed.placement, redeemed.asked) == ("cup", "till-1", True)
    assert shop.tapped(START_MS + 2 * HOUR_MS).offer_id == "jug"


def test_what_came_back_whole_counts_for_no_cap_any_more(shop: Counter) -> None:
    shop.put(OfferPut(replace(OFFERS[0], caps=ONCE)))
    done = shop.redeemed("cup")
    assert shop.ask(Asked("reverse", str(done.redemption_id), cents=40), START_MS + HOUR_MS).result == "reversed"
    assert shop.tapped(START_MS + 2 * HOUR_MS).offer_id != "cup", "a part of it came back"
    assert shop.ask(Asked("reverse", str(done.redemption_id)), START_MS + HOUR_MS).result == "reversed"
    assert shop.tapped(START_MS + 3 * HOUR_MS).offer_id == "cup"


def test_what_is_held_let_go_or_redeemed_by_nobody_is_no_redemption_of_a_member(shop: Counter) -> None:
    held = shop.ask(Asked("reserve", offer_id="cup", cents=100), START_MS)
    assert shop.ask(Asked("cancel", str(held.redemption_id)), START_MS).result == "released"
    shop.put(OfferPut(Offer("tea", TEXT, TEXT, audience="everyone")))
    assert shop.redeemed("tea", who=None).result == "committed"
    assert shop.tx.answers("mia") == []


def test_whoever_was_erased_while_paying_leaves_no_answer(shop: Counter) -> None:
    held = shop.ask(Asked("reserve", offer_id="cup", cents=100), START_MS)
    shop.tx.erase_member("mia")
    assert shop.ask(Asked("confirm", str(held.redemption_id), receipt="R-1"), START_MS).result == "committed"
    assert shop.tx.answers("mia") == []


def test_an_offer_is_shown_only_while_its_budget_has_room_here(shop: Counter) -> None:
    shop.put(OfferDrop("espresso"), *(OfferPut(replace(offer, budget_id="autumn")) for offer in OFFERS))
    asked = Handshake("h1", "mia", "Mia", "coffee", "tap", START_MS, START_MS + 9)

    def said(at_ms: int = START_MS) -> tuple[str | None, list[str]]:
        card = shop.decisions.card(shop.tx, asked, "t1", at_ms, at_ms + 5)
        assert card is not None
        return shop.tapped(at_ms).offer_id, [line.offer_id for line in card.offers]

    assert said() == ("loop", ["loop"])  # nothing was lent yet
    assert ["cup", "budget.spent"] in shop.told()["reasons"]
    shop.put(LeasePut("acme/munich/gw", "l-1", "autumn", "units", 1, START_MS + DAY_MS))
    assert said()[0] == "cup"
    assert shop.redeemed("cup").result == "committed"
    assert said(START_MS + 2 * HOUR_MS) == ("loop", ["loop"])


def test_the_anonymous_loop_shows_nothing_that_cannot_be_redeemed_here(shop: Counter) -> None:
    tea = Offer("tea", TEXT, TEXT, audience="everyone", budget_id="autumn")

    def shown() -> set[str]:
        return {slide.slide_id for slides in loops(shop.tx, {"bar": "coffee"}, START_MS).values() for slide in slides}

    shop.put(OfferPut(tea))
    assert "tea" not in shown()
    assert "loop" in shown()
    shop.put(LeasePut("acme/munich/gw", "l-1", "autumn", "units", 1, START_MS + DAY_MS))
    assert "tea" in shown()
    assert shop.redeemed("tea", START_MS, who=None).result == "committed"
    assert "tea" not in shown()


def test_a_lease_that_may_have_ended_shows_nothing(shop: Counter) -> None:
    shop.put(OfferDrop("espresso"), *(OfferPut(replace(offer, budget_id="autumn")) for offer in OFFERS))
    shop.put(LeasePut("acme/munich/gw", "l-1", "autumn", "units", 9, START_MS + HOUR_MS))
    shop.tx.put_meta("surely_ms", str(START_MS + HOUR_MS))  # the clock is behind
    assert shop.tapped().offer_id == "loop"


# --- what is learned --------------------------------------------------------------------------------------------


def test_nothing_is_learned_until_headquarters_says_so(shop: Counter) -> None:
    assert shop.tapped().offer_id == "cup"
    assert "learned" not in shop.told()
    assert shop.tally("cup") == Tally()


def test_a_choice_among_equals_is_told_with_its_shares_and_counted(shop: Counter) -> None:
    shop.put(LearningPut(ON))
    shown = [shop.tapped(START_MS + number).offer_id for number in range(40)]
    assert set(shown) == {"cup", "jug"}  # a lower tier takes no part
    learned = shop.told()["learned"]
    assert learned["segment"] == "coffee"
    assert {offer_id for offer_id, _ in learned["shares"]} == {"cup", "jug"}
    assert sum(ppm for _, ppm in learned["shares"]) == WHOLE
    assert min(ppm for _, ppm in learned["shares"]) >= FLOOR
    assert [shop.tally(one).shown // WHOLE for one in ("cup", "jug")] == [shown.count("cup"), shown.count("jug")]


def test_a_yes_counts_once_whether_at_the_screen_or_at_the_till(shop: Counter) -> None:
    shop.put(LearningPut(ON))
    dialogue = shop.tapped()
    assert shop.tally(dialogue.offer_id).taken == 0
    shop.decisions.answered(shop.tx, "offer.accepted", dialogue, Proof.BEARER, START_MS + 1)
    shop.redeemed(dialogue.offer_id)
    assert shop.tally(dialogue.offer_id).taken == WHOLE


@pytest.mark.parametrize(("at_ms", "taken"), [(START_MS + HOUR_MS, WHOLE), (START_MS + DAY_MS, 0)])
def test_what_is_redeemed_within_the_window_was_taken(shop: Counter, at_ms: int, taken: int) -> None:
    shop.put(LearningPut(ON))
    shown = shop.tapped().offer_id
    shop.redeemed(shown, at_ms)
    assert shop.tally(shown).taken == taken


def test_a_no_is_not_taken(shop: Counter) -> None:
    shop.put(LearningPut(ON))
    dialogue = shop.tapped()
    shop.decisions.answered(shop.tx, "offer.declined", dialogue, Proof.BEARER, START_MS + 1)
    assert shop.tally(dialogue.offer_id)[:2] == (WHOLE, 0)


def test_without_consent_to_personal_offers_nothing_is_learned_or_chosen_by_it(shop: Counter) -> None:
    everybody = [OfferPut(Offer(name, TEXT, TEXT, audience="everyone", priority=9)) for name in ("aa", "bb")]
    shop.put(LearningPut(ON), *everybody, *member("tom", Purpose.RECOGNISE_NFC))
    shown = [shop.tapped(START_MS + number, "tom").offer_id for number in range(20)]
    assert shown == ["aa", "bb"] * 10  # the one that was shown longest ago
    assert "learned" not in shop.told()
    assert shop.tx._one("SELECT count(*) FROM learning_tally")[0] == 0


def test_a_segment_of_few_people_counts_for_everybody_alone(shop: Counter) -> None:
    shop.put(LearningPut(replace(ON, people={"coffee": 49})))
    shown = shop.tapped().offer_id
    assert shop.told()["learned"]["segment"] == ""
    assert (shop.tally(shown, "").shown, shop.tally(shown).shown) == (WHOLE, 0)


def test_what_is_held_out_takes_no_part_in_the_choice(shop: Counter) -> None:
    salted = ShopConfig(TEXT, {"coffee": TEXT}, NOTICE, restraint=Restraint(holdout_salt="salt"))
    shop.put(LearningPut(ON), ConfigPut(salted), OfferPut(replace(OFFERS[0], control_bp=10_000)))
    assert {shop.tapped(START_MS + number).offer_id for number in range(20)} == {"jug"}
    assert shop.told()["learned"]["shares"] == [["jug", WHOLE]]
    assert ["cup", "holdout.first"] in shop.told()["reasons"]
    assert shop.tally("jug").shown == 0  # there was nothing to choose


def test_where_no_more_is_counted_it_is_said(shop: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_OPEN", 1)
    shop.put(LearningPut(ON))
    shop.tapped()
    assert not shop.tx.take_counts()
    assert shop.tapped(START_MS + 1).offer_id in {"cup", "jug"}
    assert shop.tx.take_counts() == {"learning.full": 1}
    assert not shop.tx.take_counts()


def test_what_tills_redeem_lowers_the_stock_until_headquarters_says_otherwise(shop: Counter) -> None:
    here = "acme/munich/gw"
    shop.put(OfferPut(replace(OFFERS[0], stock_ref="cups")), OfferDrop("jug"), OfferDrop("low"), OfferDrop("espresso"))
    assert shop.tapped().offer_id != "cup"
    assert ["cup", "stock.unknown"] in shop.told()["reasons"]
    shop.put(StockPut(here, {"cups": 1}, 5))
    assert shop.tapped().offer_id == "cup"
    shop.put(StockPut("acme/berlin/gw", {"cups": 0}, 6))  # another shop's
    held = shop.ask(Asked("reserve", offer_id="cup", cents=100), START_MS)
    assert shop.tapped().offer_id == "cup"  # nothing is sold yet
    shop.ask(Asked("confirm", str(held.redemption_id), receipt="R-1"), START_MS)
    assert shop.tapped().offer_id != "cup"
    assert ["cup", "stock"] in shop.told()["reasons"]
    shop.put(StockPut(here, {"cups": 5}, 7))
    assert shop.tapped().offer_id == "cup"


def test_what_anybody_redeems_counts_for_the_whole_shop(shop: Counter) -> None:
    cap = Cap("redemptions", 2, "store", calendar="day")
    shop.put(OfferPut(replace(OFFERS[0], caps=(cap,), audience="everyone")))
    shop.redeemed("cup", START_MS, None)
    assert shop.tx.given(shop.tx.offers(), START_MS) == {("cup", cap): 1}
    shop.redeemed("cup", START_MS)
    shop.tapped()
    assert ["cup", "cap.store"] in shop.told()["reasons"]
