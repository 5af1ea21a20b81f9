"""Every section of an export says what it is for, where from and how long, with the days of this shop."""

from gateway.core.model import Keep, ShopConfig
from gateway.core.usual import KEEP_DAYS
from gateway.sections import ELSEWHERE, about


def test_every_section_is_explained_in_both_languages() -> None:
    found = about(ShopConfig(), joined_here=False)
    for words in (ELSEWHERE, *(words for one in found.values() for words in (one.purpose, one.source, one.kept))):
        assert set(words) == {"de", "en"}
        assert all(words.values())


def test_periods_are_those_of_this_shop() -> None:
    found = about(ShopConfig(retention=Keep(decisions=11, audit=12, redemptions=13), stale_days=14), joined_here=True)
    for section, days in {
        "decisions": 11,
        "answers": 11,
        "views": 12,
        "redemptions": 13,
        "profile": 14,
        "purchases": KEEP_DAYS,
    }.items():
        for text in found[section].kept.values():
            assert f"{days} " in text, section


def test_it_is_said_where_a_profile_comes_from() -> None:
    found = {joined: about(ShopConfig(), joined_here=joined) for joined in (False, True)}
    assert found[True]["profile"].source["en"] == "given by you in this shop"
    assert found[False]["profile"].source["en"] == "from headquarters, or from you in a shop"
    assert found[True]["purchases"] == found[False]["purchases"]
