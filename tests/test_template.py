"""What stands in the place of a placeholder, what is refused at the door, and that nothing else is ever read."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import template
from gateway.core.model import Member, Offer, Restraint, ShopConfig
from gateway.core.spans import DAY_MS

UNTIL_MS = 1_798_671_600_000  # 2026-12-31, midnight in Berlin
SHOP = ShopConfig(
    store_name={"de": "Eckladen", "en": "Corner Shop"},
    zones={"bar": {"de": "Kaffee-Ecke"}},
    restraint=Restraint("Europe/Berlin"),
)
PRICES = {"04006381333931": 123_450}
OFFER = Offer("o1", {"en": "x"}, {"en": "y"}, price_ref="4006381333931", value_cents=50, valid_until_ms=UNTIL_MS)


def said(text: str, language: str = "en", **more: object) -> str:
    offer = replace(OFFER, title={language: text}, **more)
    assert next(template.faults(offer), None) is None
    assert template.withheld(template.slots(offer), offer, "bar", SHOP, PRICES) is None
    return template.fill(offer, "bar", SHOP, PRICES).title[language]


def test_each_language_writes_money_and_days_its_own_way() -> None:
    assert said("Nur {price} bis {until}", "de") == "Nur 1.234,50\u00a0€ bis 30.12.2026"
    assert said("Only {price} until {until}") == "Only €1,234.50 until 30 Dec 2026"
    assert said("{price}, {until}", "fr") == "1234.50\u00a0€, 2026-12-30"
    assert said("{value}", "de") == "0,50\u00a0€"


def test_names_are_said_in_the_language_or_in_one_that_there_is() -> None:
    assert said("{store}, {zone}", "de") == "Eckladen, Kaffee-Ecke"
    assert said("{store}, {zone}", "en") == "Corner Shop, Kaffee-Ecke"


def test_the_last_day_is_the_day_before_midnight() -> None:
    assert said("{until}", valid_until_ms=UNTIL_MS + 1) == "31 Dec 2026"
    assert said("{until}", valid_until_ms=UNTIL_MS + DAY_MS) == "31 Dec 2026"


def test_all_fields_are_filled_and_nothing_else_changes() -> None:
    texts = {name: {"en": f"{name} {{store}}"} for name in ("title", "text", "badge", "more")}
    offer = replace(OFFER, **texts)
    filled = template.fill(offer, "bar", SHOP, PRICES)
    for name in texts:
        assert getattr(filled, name) == {"en": f"{name} Corner Shop"}
    assert replace(filled, **texts) == offer
    assert template.fill(OFFER, "bar", SHOP, PRICES) is OFFER


def test_what_stands_in_a_place_is_not_read_again() -> None:
    shop = replace(SHOP, store_name={"en": "{price} {0.__class__} {"})
    offer = replace(OFFER, title={"en": "At {store}"})
    assert template.fill(offer, "bar", shop, PRICES).title == {"en": "At {price} {0.__class__} {"}


@pytest.mark.parametrize(
    "text",
    [
        "{0.__class__}",
        "{price.__class__.__mro__}",
        "{price!r:>99999}",
        "{price:>99999}",
        "{price[0]}",
        "{}",
        "{0}",
        "{call_name}",
        "{member.call_name}",
        "{Price}",
        "{ price }",
        "{{price}}",
        "{price",
        "price}",
        "}price{",
        "{price}}",
        "{{price}",
        "{",
        "}",
        "{price}{",
        "%(price)s {price} {unknown}",
        "{price}" * (template.MAX_SLOTS + 1),
        "{" * 2_000,
        "}" * 2_000,
    ],
)
def test_anything_else_is_refused_with_its_field_and_none_of_its_words(text: str) -> None:
    for name in ("title", "text", "badge", "more"):
        offer = replace(OFFER, **{name: {"en": text}})
        wrong = next(template.faults(offer), None)
        assert wrong is not None and wrong.startswith(f"{name}.en: expected ")
        assert not set(wrong.split()) & {"{unknown}", "{call_name}", text}
        # One that stood in a database before is withheld, and is not shown with its braces.
        assert template.withheld(template.slots(offer), offer, "bar", SHOP, PRICES) == "text.unknown"


@pytest.mark.parametrize(
    ("slot", "field", "nothing"),
    [("price", "price_ref", ""), ("value", "value_cents", 0), ("until", "valid_until_ms", None)],
)
def test_what_can_never_be_known_is_refused(slot: str, field: str, nothing: object) -> None:
    offer = replace(OFFER, text={"de": f"x {{{slot}}}"}, **{field: nothing})
    assert next(template.faults(offer)) == f"text.de: expected {field} beside {{{slot}}}"


def test_what_is_not_known_here_is_withheld() -> None:
    def code(text: str, zone: str = "bar", shop: ShopConfig = SHOP, prices: dict[str, int] = PRICES) -> str | None:
        offer = replace(OFFER, badge={"en": text})
        return template.withheld(template.slots(offer), offer, zone, shop, prices)

    assert code("{price} {store} {zone} {until} {value}") is None
    assert code("{price}", prices={"milk": 1}) == "price.unknown"
    assert code("{zone}", zone="door") == "text.unknown"
    assert code("{store}", shop=ShopConfig()) == "text.unknown"
    assert code("{store}", shop=replace(SHOP, store_name={"en": "x" * (template.MAX_NAME + 1)})) == "text.unknown"


def test_a_title_far_from_any_shop_shows_no_braces() -> None:
    assert template.bare({"en": "Now {price}", "de": "frei"}) == {"en": "Now …", "de": "frei"}
    assert template.bare({"en": "broken {"}) == {"en": ""}


def test_no_placeholder_is_a_field_of_a_profile() -> None:
    assert not set(template.SLOTS) & {field.name for field in fields(Member)}


words = st.text(st.sampled_from("{}ab priceuntl.!:[]0_"), max_size=40)


@given(st.lists(words | st.sampled_from([f"{{{name}}}" for name in template.SLOTS]), max_size=12))
def test_whatever_comes_is_filled_whole_or_refused(pieces: list[str]) -> None:
    text = "".join(pieces)
    offer = replace(OFFER, title={"en": text})
    if next(template.faults(offer), None) is None:
        filled = template.fill(offer, "bar", SHOP, PRICES).title["en"]
        assert "{" not in filled and "}" not in filled
        assert len(filled) <= len(text) + template.MAX_SLOTS * template.MAX_NAME
    elif template.slots(offer):
        assert "" in template.slots(offer)


@given(st.lists(st.sampled_from(["", "a b", *(f"{{{name}}}" for name in template.SLOTS)]), max_size=8))
def test_every_sound_text_is_taken(pieces: list[str]) -> None:
    assert next(template.faults(replace(OFFER, title={"en": " ".join(pieces)})), None) is None
