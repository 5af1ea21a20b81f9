"""The simulated catalogue says the truth about itself, and is learned."""

import pytest

from gateway import learnsim
from gateway.core.learning import FLOOR, LEAST_PEOPLE, Learning


def test_a_run_is_the_same_again() -> None:
    assert learnsim.run(60, 3) == learnsim.run(60, 3)
    assert learnsim.run(60, 3) != learnsim.run(60, 4)


def test_every_share_keeps_the_floor_and_few_people_are_no_segment() -> None:
    made = learnsim.run(200, 1)
    assert min(share.ppm for one in made for share in one.choice.shares) >= FLOOR
    assert {one.choice.segment for one in made} == {"", "coffee", "tea"}
    assert learnsim.LEARNING.people["rare"] < LEAST_PEOPLE


def test_learning_misses_less_than_even_shares_and_than_plain_rank() -> None:
    ours, even, plain = learnsim.lost(learnsim.run(1_500, 2))
    assert ours[-1] < 0.6 * even[-1] < plain[-1]


def test_after_a_turn_the_other_segments_rates_hold() -> None:
    made = learnsim.run(120, 1, turn_at=60)
    assert made[:60] == learnsim.run(60, 1)
    assert {(one.segment, one.taste) for one in made[:60]} == {(name, name) for name in learnsim.SEGMENTS}
    assert {(one.segment, one.taste) for one in made[60:]} == set(learnsim.TURNED.items())
    ours, _, _ = learnsim.lost(made)
    missed = [max(learnsim.rate(offer_id, one.slot, one.taste) for offer_id in learnsim.RATES)
        - learnsim.rate(one.offer_id, one.slot, one.taste) for one in made]  # fmt: skip
    assert ours[-1] == pytest.approx(sum(missed))


def test_switched_off_it_misses_what_plain_rank_misses() -> None:
    ours, _, plain = learnsim.lost(learnsim.run(50, 1, Learning()))
    assert ours == plain


def test_the_truth_is_what_long_runs_of_a_way_bring() -> None:
    for way in learnsim.WAYS.values():
        for slot in learnsim.SLOTS:
            assert sum(way(slot, "tea").values()) == pytest.approx(1)
    top = sum(
        share * heads * max(learnsim.rate(one, slot, segment) for one in learnsim.RATES)
        for slot, share in learnsim.SLOTS.items()
        for segment, heads in learnsim.SEGMENTS.items()
    )
    assert learnsim.truth(learnsim.best) == pytest.approx(top)
    assert learnsim.truth(learnsim.evenly) < learnsim.truth(learnsim.in_proportion) < top


def test_a_log_has_the_shares_it_was_made_with() -> None:
    made = learnsim.run(40, 1)
    told = learnsim.log(made, learnsim.evenly)
    assert [one.reward for one in told] == [float(one.reward) for one in made]
    assert all(one.other == pytest.approx(1 / len(learnsim.RATES)) and one.share >= 0.02 for one in told)
