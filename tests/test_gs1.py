"""What a scan says: a corpus of codes as they stand on goods, check digits, and rubbish."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.gs1 import MAX_CHARACTERS, Embedded, Item, check_digit, gtin_of, parse
from gateway.core.redemption import Refused

POLICY = (Embedded("28", "price"), Embedded("29", "weight"), Embedded("02", "price"))

CORPUS = [
    # EAN-13, which as an element string would be AI (400) with "6381333931"
    ("4006381333931", Item("04006381333931")),
    ("]E04006381333931", Item("04006381333931")),
    ("400 638 133 393-1", Item("04006381333931")),
    ("96385074", Item("00000096385074")),  # EAN-8
    ("036000291452", Item("00036000291452")),  # UPC-A
    ("10614141000415", Item("10614141000415")),  # a case
    ("(01)04006381333931", Item("04006381333931")),
    ("(01)04006381333931(10)A-7(17)271231", Item("04006381333931", lot="A-7")),
    ("0104006381333931", Item("04006381333931")),
    ("010400638133393110A-7\x1d17271231", Item("04006381333931", lot="A-7")),
    ("]C1010400638133393110A-7\x1d17271231", Item("04006381333931", lot="A-7")),
    ("]d2\x1d010400638133393117271231", Item("04006381333931")),
    ("]Q301040063813339313103001250", Item("04006381333931", grams=1250)),
    ("(01)04006381333931(3102)000125(3922)499", Item("04006381333931", cents=499, grams=1250)),
    ("(01)04006381333931(3932)978499", Item("04006381333931", cents=499)),
    ("https://id.gs1.example/01/04006381333931", Item("04006381333931")),
    ("https://shop.example/a/b/01/4006381333931/10/A%2F7?17=271231&utm_source=x", Item("04006381333931", lot="A/7")),
    ("https://shop.example/01/4006381333931/3922/1?3922=499", Item("04006381333931", cents=499)),
    ("(01)04006381333931(3104)000125", Item("04006381333931", grams=13)),  # a half counts as one
    ("HTTPS://SHOP.EXAMPLE/01/04006381333931?3103=000250", Item("04006381333931", grams=250)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "item"), CORPUS)
def test_codes_as_they_stand_on_goods(text: str, item: Item) -> None:
    assert parse(text) == item
    assert parse(f" {text}\n") == item


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "scan.form"),
        ("4006381333932", "scan.check"),
        ("00000000", "scan.check"),
        ("(01)04006381333932", "scan.check"),
        ("https://shop.example/01/04006381333932", "scan.check"),
        ("https://shop.example/8006/040063813339310102", "scan.form"),
        ("https://shop.example/01", "scan.form"),
        ("https://shop.example/01/04006381333931/10", "scan.form"),
        ("https://[/01/04006381333931", "scan.form"),
        ("(10)A-7", "scan.form"),
        ("(01)04006381333931)", "scan.form"),
        ("]C14006381333931", "scan.form"),  # the symbology says that it is (400): then it is no article
        ("]E0400638", "scan.form"),
        ("]C107123", "scan.ai"),
        ("]C1010400638133393101", "scan.ai"),
        ("]C101040063813339\x1d31", "scan.form"),
        ("01040063813339313103x01250", "scan.form"),
        ("(01)04006381333931(3100)999999", "scan.form"),
        ("hello", "scan.form"),
        ("４００６３８１３３３９３１", "scan.form"),
        ("1" * (MAX_CHARACTERS + 1), "scan.form"),
    ],
)
def test_what_is_no_article_says_why(text: str, reason: str) -> None:
    assert parse(text) == Refused(reason)


def labelled(prefix: str, article: int, value: int) -> str:
    bare = f"{prefix}{article:05}{value:05}"
    return bare + check_digit(bare)


@given(st.sampled_from(POLICY), st.integers(0, 99_999), st.integers(0, 99_999))
def test_the_shops_own_labels_hold_a_price_or_a_weight(policy: Embedded, article: int, value: int) -> None:
    item = parse(labelled(policy.prefix, article, value), POLICY)
    assert isinstance(item, Item)
    assert item.gtin == "0" + labelled(policy.prefix, article, 0)
    assert (item.cents if policy.holds == "price" else item.grams) == value
    assert (item.grams if policy.holds == "price" else item.cents) is None


def test_without_a_policy_a_shops_own_number_is_an_article_of_its_own() -> None:
    assert parse(labelled("28", 1, 499)) == Item("0" + labelled("28", 1, 499))
    assert parse("200000000004", POLICY) == Item("00200000000004", 0), "UPC-A writes 02 as 2"


@given(st.integers(1, 10**13 - 1), st.sampled_from([8, 12, 13, 14]))
def test_a_check_digit_finds_every_wrong_digit(number: int, length: int) -> None:
    bare = f"{number % 10 ** (length - 1):0{length - 1}}"
    digits = bare + check_digit(bare)
    assert gtin_of(digits) == (digits.zfill(14) if bare.strip("0") else None)
    for place, digit in enumerate(digits):
        for other in {"0", "5", "9"} - {digit}:
            assert gtin_of(digits[:place] + other + digits[place + 1 :]) is None


@given(st.text(max_size=60) | st.from_regex(r"(\]C1|\]E0|\(01\)|https://x/01/)?[0-9\x1d()/]{0,40}", fullmatch=True))
def test_rubbish_is_refused_or_is_a_right_gtin(text: str) -> None:
    found = parse(text, POLICY)
    if isinstance(found, Item):
        assert gtin_of(found.gtin) == found.gtin
    else:
        assert found.reason in ("scan.form", "scan.check", "scan.ai")
