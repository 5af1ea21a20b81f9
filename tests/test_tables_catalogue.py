"""The catalogue and the configuration: always the newest."""

from dataclasses import replace
from zoneinfo import available_timezones

from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from gateway.core.eligible import parse, plain
from gateway.core.localtime import begins_ms
from gateway.core.model import (
    Cap,
    Notice,
    Offer,
    Restraint,
    ShopConfig,
)
from gateway.core.shelf import Place
from gateway.core.spans import DAY_MS
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.tables.catalogue import MAX_SHELVES, QUARTER_MS, Catalogue

TEXT = {"de": "Grüße", "en": "Greetings"}


def test_the_catalogue_is_always_the_newest(tx: Tx) -> None:
    assert tx.offers() == ()
    tx.put_offer(Offer("o1", TEXT, TEXT, zones=("coffee",), cap_per_member=2))
    assert tx.offers() == (Offer("o1", TEXT, TEXT, zones=("coffee",), cap_per_member=2),)
    tx.put_offer(Offer("o1", TEXT, TEXT, priority=3))
    assert tx.offers()[0].priority == 3
    tx.drop_offer("o1")
    assert tx.offers() == ()


def test_rules_come_back_as_they_were_and_equal_ones_are_one(tx: Tx) -> None:
    tree = {"all": [{"in": ["weekday", [6, 7]]}, {"not": {"has": ["visit.zones", ["wine"]]}}]}
    for name in ("o1", "o2"):
        tx.put_offer(Offer(name, TEXT, TEXT, eligibility=parse(tree), caps=(Cap("impressions", 2, calendar="week"),)))
    first, second = tx.offers()
    assert plain(first.eligibility) == tree
    assert first.eligibility is second.eligibility
    assert first.caps == (Cap("impressions", 2, calendar="week"),)


def test_a_shelf_is_made_anew_with_the_catalogue_and_with_time(tx: Tx) -> None:
    place = Place("tap", "s", "coffee", "bar", "public")
    tx.put_offer(Offer("o1", TEXT, TEXT, valid_until_ms=50))
    shelf = tx.shelf(place, 10)
    assert tx.shelf(place, 11) is shelf
    assert tx.shelf(place, 50).candidates == ()
    tx.put_offer(Offer("o2", TEXT, TEXT))
    assert [offer.offer_id for offer in tx.shelf(place, 50).candidates] == ["o2"]
    for number in range(2 * MAX_SHELVES):
        tx.shelf(Place("tap", "s", "coffee", f"bar-{number}", "public"), 50)
    assert len(tx._shelves) <= MAX_SHELVES


def test_the_shop_has_defaults_until_hq_speaks(tx: Tx) -> None:
    assert tx.shop() == ShopConfig()
    configured = ShopConfig(
        TEXT, {"coffee": TEXT}, Notice("1", "Muster GmbH", "privacy@muster.example", "n-1", TEXT, "DE"), dialogue_ms=9
    )
    tx.put_shop(configured)
    assert tx.shop() == configured


HOUR_MS = 3_600_000
NOON_MS = 1_795_000_000_000 // DAY_MS * DAY_MS + 11 * HOUR_MS  # noon in Berlin
TODAY = Cap("acceptances", 5, "store", calendar="day")
HOURLY = Cap("acceptances", 5, "store", HOUR_MS)
SHARED = Offer("o1", TEXT, TEXT, caps=(TODAY, HOURLY, Cap("impressions", 5, period_ms=HOUR_MS)))


def test_what_a_shop_gave_out_is_counted_in_the_window_of_each_cap(tx: Tx) -> None:
    tx.put_shop(ShopConfig(restraint=Restraint("Europe/Berlin")))
    tx.put_offer(SHARED)
    tx.put_offer(Offer("o2", TEXT, TEXT))
    for ago_ms in (12 * HOUR_MS + 1, 12 * HOUR_MS, 2 * HOUR_MS, 30 * 60_000, 0, -HOUR_MS):
        tx.count_given("o1", "accepted", NOON_MS - ago_ms)
    tx.count_given("o1", "shown", NOON_MS)
    tx.count_given("o2", "accepted", NOON_MS)  # nobody shares it
    assert tx.given(tx.offers(), NOON_MS) == {("o1", TODAY): 4, ("o1", HOURLY): 2}
    assert tx.given(tx.offers(), NOON_MS + DAY_MS) == {("o1", TODAY): 0, ("o1", HOURLY): 0}
    tx.drop_offer("o1")
    tx.put_offer(SHARED)
    assert tx.given(tx.offers(), NOON_MS) == {("o1", TODAY): 0, ("o1", HOURLY): 0}


def test_an_offer_is_shared_from_when_it_says_so(tx: Tx) -> None:
    tx.put_offer(replace(SHARED, caps=()))
    assert not tx.is_shared("o1")
    tx.put_offer(SHARED)
    assert tx.is_shared("o1")
    assert not tx.is_shared("o2")


@given(st.lists(st.integers(0, 4 * DAY_MS), max_size=30), st.integers(1, 2 * DAY_MS))
def test_a_window_that_rolls_never_counts_too_little(times: list[int], period_ms: int) -> None:
    cap = Cap("acceptances", 1, "store", period_ms)
    db = Database(memory=True)
    migrate(db)
    table = Catalogue(db, None)  # type: ignore[arg-type]  # nothing here is sealed
    table.put_offer(replace(SHARED, caps=(cap,)))
    for at_ms in times:
        table.count_given("o1", "accepted", at_ms)
    now_ms = 3 * DAY_MS
    (counted,) = table.given(table.offers(), now_ms).values()
    db.close()
    assert sum(now_ms - period_ms < at_ms <= now_ms for at_ms in times) <= counted
    assert counted <= sum(now_ms - period_ms - QUARTER_MS < at_ms < now_ms + QUARTER_MS for at_ms in times)


def test_every_day_on_earth_begins_on_a_quarter_of_an_hour() -> None:
    for zone in sorted(available_timezones()):
        for day in range(0, 365, 30):
            assert begins_ms("day", NOON_MS + day * DAY_MS, zone) % QUARTER_MS == 0, zone
