"""What redemptions and sales bring, and that nothing that comes back leaves too little or anything of all of it."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.points import MAX_POINTS, PointsPolicy, left, of_redemption, of_sale

POLICY = PointsPolicy(per_euro=2, offers={"cake": 15})


def test_a_redemption_brings_what_its_offer_brings() -> None:
    assert of_redemption(POLICY, "cake", 300, 300) == 15
    assert of_redemption(POLICY, "tea", 300, 300) == of_redemption(PointsPolicy(), "cake", 300, 300) == 0
    assert of_redemption(POLICY, "cake", 1, 0) == 15, "one without a worth is redeemed whole"


@given(st.integers(0, 10_000), st.integers(1, 1_000_000), st.lists(st.integers(1, 1_000_000), max_size=5))
def test_parts_of_an_offer_bring_no_more_than_their_share(points: int, worth: int, parts: list[int]) -> None:
    policy = PointsPolicy(offers={"cake": points})
    found = [of_redemption(policy, "cake", cents, worth) for cents in parts]
    assert all(0 <= one <= points for one in found)
    assert sum(found) * worth <= points * sum(parts)


def test_a_sale_brings_points_for_whole_euros() -> None:
    assert [of_sale(POLICY, cents) for cents in (0, 99, 100, 1_299)] == [0, 0, 2, 24]
    assert of_sale(PointsPolicy(per_euro=100), 10**9) == MAX_POINTS


@given(st.integers(0, 10_000), st.integers(1, 1_000_000), st.data())
def test_what_comes_back_takes_its_share_and_all_of_it_everything(earned: int, cents: int, data: st.DataObject) -> None:
    back = data.draw(st.integers(0, cents))
    stays = left(earned, cents, back)
    assert 0 <= stays <= earned
    assert stays * cents >= earned * (cents - back)  # never too little for the member
    assert left(earned, cents, 0) == earned
    assert left(earned, cents, cents) == 0
