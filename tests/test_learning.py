"""What learning promises: the same choice everywhere, a floor under every share, one tier, no segment of a few."""

import hashlib
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist, fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import learning
from gateway.core.learning import (
    FLOOR,
    MAX_CANDIDATES,
    WHOLE,
    Arm,
    Learning,
    Prior,
    Tally,
    aged,
    levels,
    posterior,
    scores,
    segment_for,
    shares,
    shown,
    taken,
)

ON = Learning(on=True, people={"coffee": 80, "coffee.espresso": 60, "tea": 49})
DAY = 20_000
GOLDEN = "cf29980304b3f34b0dd3f231e50eddfe7b2cf480fdbee40caa3ffcd229f03d8b"  # the same from 3.11 and 3.13


def history(offers: dict[str, tuple[int, int]], slot: str = "till", segment: str = "coffee") -> dict[Arm, Tally]:
    """Tallies after each offer was shown and taken so often."""
    tallies: dict[Arm, Tally] = {}
    for offer_id, (times, took) in offers.items():
        arm = Arm(offer_id, slot, segment)
        for number in range(times):
            tallies |= shown(tallies, arm, DAY, ON)
            if number * took // times < (number + 1) * took // times:
                tallies |= taken(tallies, arm, DAY, ON)
    return tallies


def same_everywhere() -> Iterator[str]:
    """A thousand choices in a shop that learns, as text."""
    tallies: dict[Arm, Tally] = {}
    world = random.Random(7)
    offers = [(f"o{at}", 1 if at < 6 else 0) for at in range(9)]
    for at in range(1_000):
        day, segment = DAY + at // 50, ("coffee", "tea")[at % 2]
        choice = scores(ON, tallies, offers, ("till", "screen")[at % 3 > 0], (segment,), str(at).encode(), day)
        arm = Arm(choice.order[0], "till", choice.segment)
        tallies |= shown(tallies, arm, day, ON)
        if world.random() < 0.05 * int(arm.offer_id[1:]):
            tallies |= taken(tallies, arm, day, ON)
        yield f"{choice.order} {choice.shares} {choice.segment}"
    yield str(sorted(tallies.items()))


def fingerprint() -> str:
    return hashlib.sha256("\n".join(same_everywhere()).encode()).hexdigest()


def test_the_same_on_every_machine_and_version() -> None:
    assert fingerprint() == GOLDEN


def test_the_same_in_another_process() -> None:
    command = [sys.executable, "-c", "from tests.test_learning import fingerprint; print(fingerprint())"]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert found.stdout.strip() == GOLDEN


@given(st.lists(st.integers(0, 500), min_size=2, max_size=MAX_CANDIDATES).filter(any))
def test_shares_are_a_whole_and_keep_the_floor(wins: list[int]) -> None:
    found = shares(wins)
    assert sum(found) == WHOLE
    assert min(found) >= FLOOR
    best = wins.index(max(wins))
    assert found[best] == max(found)
    for one, other in zip(sorted(zip(wins, found, strict=True)), sorted(found), strict=True):
        assert one[1] >= FLOOR and other >= FLOOR


def test_what_never_wins_has_the_floor_and_the_winner_the_rest() -> None:
    assert shares([500, 0, 0, 0]) == (WHOLE - 3 * FLOOR, FLOOR, FLOOR, FLOOR)


@given(st.data())
def test_a_choice_is_an_order_of_all_candidates(data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=30, unique=True))
    offers = [(one, data.draw(st.integers(0, 2))) for one in ids]
    choice = scores(ON, {}, offers, "till", ("coffee",), data.draw(st.binary(max_size=8)), DAY)
    priorities = dict(offers)
    assert sorted(choice.order) == sorted(ids)
    assert priorities[choice.order[0]] == max(priorities.values()), "never above a higher tier"
    assert sum(share.ppm for share in choice.shares) == WHOLE
    assert len(choice.shares) <= MAX_CANDIDATES
    assert choice.order[0] in {share.offer_id for share in choice.shares}
    assert choice.score(choice.order[0]) > choice.score(choice.order[-1]) or len(ids) == 1
    assert min(share.ppm for share in choice.shares) >= FLOOR


def test_the_first_of_the_plain_order_take_part_when_there_are_too_many() -> None:
    offers = [(f"o{at:02}", 5) for at in range(60)]
    firsts = set()
    for seed in range(400):
        choice = scores(ON, {}, offers, "till", (), str(seed).encode(), DAY)
        firsts.add(choice.order[0])
        assert choice.order[MAX_CANDIDATES:] == tuple(one for one, _ in offers[MAX_CANDIDATES:])
    assert firsts == {one for one, _ in offers[:MAX_CANDIDATES]}


def test_switched_off_the_plain_order_stands_without_shares() -> None:
    offers = [("b", 1), ("a", 1), ("c", 0)]
    choice = scores(Learning(), history({"a": (50, 50)}), offers, "till", ("coffee",), b"1", DAY)
    assert choice.order == ("b", "a", "c")
    assert choice.shares == ()
    assert choice.why == "off"


def test_one_candidate_is_certain() -> None:
    choice = scores(ON, {}, [("low", 0), ("high", 1)], "till", (), b"1", DAY)
    assert (choice.order, choice.why) == (("high", "low"), "alone")
    assert [tuple(share) for share in choice.shares] == [("high", WHOLE)]


def test_nothing_to_choose_from() -> None:
    assert scores(ON, {}, [], "till", (), b"1", DAY).order == ()


def test_choices_fall_as_often_as_their_shares_say() -> None:
    tallies = history({"a": (60, 12), "b": (60, 9), "c": (60, 1)})
    offers = [("a", 1), ("b", 1), ("c", 1)]
    choices = [scores(ON, tallies, offers, "till", ("coffee",), str(at).encode(), DAY) for at in range(4_000)]
    for offer_id, ppm in choices[0].shares:
        found = fmean(choice.order[0] == offer_id for choice in choices)
        assert found == pytest.approx(ppm / WHOLE, abs=0.03), "four standard deviations"


def test_what_is_taken_more_often_is_shown_more_often() -> None:
    choice = scores(ON, history({"a": (200, 2), "b": (200, 40)}), [("a", 1), ("b", 1)], "till", ("coffee",), b"", DAY)
    found = dict(choice.shares)
    assert found == {"a": 25_000, "b": 975_000}, "5 % are spread evenly among both"


def by_draws(beliefs: list[tuple[float, float]], times: int) -> list[float]:
    """How often each is the best of so many draws: what `_wins` adds up without drawing."""
    other, won = random.Random(3), [0] * len(beliefs)
    for _ in range(times):
        drawn = [other.betavariate(a, b) for a, b in beliefs]
        won[drawn.index(max(drawn))] += 1
    return [one / times for one in won]


@pytest.mark.parametrize(
    "beliefs",
    [
        [(2.25, 12.75), (2.25, 12.75)],
        [(1.0, 1.0), (1.0, 1.0), (1.0, 4.0)],
        [(1.0, 49.0), (1.0, 99.0), (1.0, 99.0)],
        [(30.0, 70.0), (25.0, 75.0), (2.25, 12.75)],
        [(300.0, 2_700.0), (310.0, 2_700.0), (50.0, 450.0)],
        [(9.0, 1.0), (40.0, 4.0)],
        [(2.25, 12.75 + at) for at in range(20)],
    ],
)
def test_how_probably_each_is_the_best_is_how_often_draws_say_so(beliefs: list[tuple[float, float]]) -> None:
    found = learning._wins([(round(100 * a), round(100 * b)) for a, b in beliefs])
    for ours, theirs in zip(found, by_draws(beliefs, 10_000), strict=True):
        assert ours / sum(found) == pytest.approx(theirs, abs=0.03), "1.5 % by four deviations of the draws, 1.5 % ours"


@given(st.lists(st.tuples(st.integers(100, 10**8), st.integers(100, 10**8)), min_size=2, max_size=MAX_CANDIDATES))
def test_somebody_wins_whatever_is_believed(beliefs: list[tuple[int, int]]) -> None:
    found = learning._wins(beliefs)
    assert min(found) >= 0
    assert sum(found) > 10**7, "far more than is lost by rounding"
    assert len({found[at] for at, belief in enumerate(beliefs) if belief == beliefs[0]}) == 1, "who is alike wins alike"


def test_nothing_that_beliefs_are_made_of_is_near_a_rounding_edge() -> None:
    """So that no C library's last digit can change it."""
    for at, rounded in enumerate(learning._NORMAL):
        exact = NormalDist().cdf(learning._LEAST + at / learning._PER_DEVIATION) * 1e9
        assert round(exact) == round(rounded * 1e9)
        assert abs(exact % 1 - 0.5) > 1e-5


def test_the_finest_segment_that_is_large_enough() -> None:
    assert segment_for(ON, ("coffee.espresso",)) == "coffee.espresso"
    assert segment_for(ON, ("coffee.filter",)) == "coffee", "of nobody knows how many: its parent"
    assert segment_for(ON, ("tea",)) == "", "49 are too few"
    assert segment_for(ON, ("tea", "coffee")) == "coffee"
    assert segment_for(ON, ()) == ""
    few = Learning(on=True, people={"a": learning.LEAST_PEOPLE, "b": learning.LEAST_PEOPLE - 1})
    assert (segment_for(few, ("a",)), segment_for(few, ("b",))) == ("a", "")


def test_an_outcome_counts_for_everything_above_it() -> None:
    arm = Arm("o", "till", "coffee.espresso")
    chain = [Arm("o", slot, one) for one in ("", "coffee", "coffee.espresso") for slot in ("", "till")]
    assert list(levels(arm)) == chain
    assert levels(Arm("o")) == (Arm("o"),)
    tallies = shown({}, arm, DAY, ON)
    assert tallies == {one: Tally(WHOLE, 0, DAY) for one in chain}
    assert taken(tallies, arm, DAY, ON) == {one: Tally(WHOLE, WHOLE, DAY) for one in chain}


def test_more_is_never_taken_than_was_shown() -> None:
    arm = Arm("o")
    tallies = shown({}, arm, DAY, ON)
    for _ in range(3):
        tallies |= taken(tallies, arm, DAY, ON)
    assert tallies[arm] == Tally(WHOLE, WHOLE, DAY)


def test_a_thin_segment_leans_on_the_slot_and_a_thick_one_on_itself() -> None:
    elsewhere = history({"o": (400, 120)}, segment="coffee")
    thin_a, thin_b = posterior(ON, elsewhere, Arm("o", "till", "tea"), DAY)
    assert thin_a / (thin_a + thin_b) == pytest.approx(0.288, abs=0.001), "0.3, but for what nobody knew before"
    assert thin_a + thin_b == pytest.approx(100 * learning.POOL, rel=0.01)
    both = elsewhere | history({"o": (400, 20)}, segment="tea")
    both[Arm("o", "till")] = both[Arm("o")] = Tally(800 * WHOLE, 140 * WHOLE, DAY)
    thick_a, thick_b = posterior(ON, both, Arm("o", "till", "tea"), DAY)
    assert thick_a / (thick_a + thick_b) == pytest.approx(0.06, abs=0.015)


def test_what_a_segment_takes_in_one_slot_is_expected_of_it_in_another() -> None:
    till = history({"o": (200, 60)}, "till", "coffee") | history({"p": (200, 4)}, "till", "coffee")
    chances = []
    for offer_id in ("o", "p"):
        a, b = posterior(ON, till, Arm(offer_id, "screen", "coffee"), DAY)
        chances.append(a / (a + b))
    assert chances == [pytest.approx(0.28, abs=0.03), pytest.approx(0.03, abs=0.015)]


def test_only_so_many_takings_are_remembered_and_what_is_elsewhere_stays() -> None:
    tallies = history({"o": (300, 60)}, segment="coffee")
    own, above = tallies[Arm("o", "till", "coffee")], tallies[Arm("o")]
    assert own.taken == learning.REMEMBERED * WHOLE
    assert own.shown / own.taken == pytest.approx(5, rel=0.05), "the rate is what it was"
    assert above == own
    for _ in range(200):
        tallies |= shown(tallies, Arm("o", "till", "tea"), DAY, ON)
    tallies |= taken(tallies, Arm("o", "till", "coffee"), DAY, ON)
    assert tallies[Arm("o")].shown - tallies[Arm("o", "till", "coffee")].shown == 200 * WHOLE


def test_a_taste_that_turns_is_noticed_within_as_many_showings_as_are_remembered() -> None:
    """Taken by three in ten for long, then by nobody: after 170 more it is expected to be taken by fewer than one."""
    arm = Arm("o", "till", "coffee")
    tallies = history({"o": (1_000, 300)})
    for _ in range(170):
        tallies |= shown(tallies, arm, DAY, ON)
    a, b = posterior(ON, tallies, arm, DAY)
    assert a / (a + b) < 0.11


@given(st.lists(st.tuples(st.sampled_from(["", "tea", "coffee", "coffee.espresso"]), st.booleans()), max_size=150))
def test_no_level_ever_has_more_taken_than_shown(outcomes: list[tuple[str, bool]]) -> None:
    tallies: dict[Arm, Tally] = {}
    for at, (segment, took) in enumerate(outcomes):
        arm = Arm("o", ("till", "screen")[at % 2], segment)
        tallies |= shown(tallies, arm, DAY + at // 9, ON)
        if took:
            tallies |= taken(tallies, arm, DAY + at // 9, ON)
    for tally in tallies.values():
        assert 0 <= tally.taken <= tally.shown


def test_a_slots_prior_stands_for_its_segments() -> None:
    told = Learning(on=True, priors={Arm("o", "till"): Prior(300_000, 40)})
    assert posterior(told, {}, Arm("o", "till", "tea"), DAY) == (1_200, 2_800)
    assert posterior(told, {}, Arm("o", "screen", "tea"), DAY) != (1_200, 2_800)
    own = Learning(on=True, priors={Arm("o", "till"): Prior(300_000, 40), Arm("o", "till", "tea"): Prior(500_000, 10)})
    assert posterior(own, {}, Arm("o", "till", "tea"), DAY) == (500, 500)


def test_headquarters_prior_is_the_start() -> None:
    told = Learning(on=True, priors={Arm("o"): Prior(200_000, 100)})
    assert posterior(told, {}, Arm("o"), DAY) == (2_000, 8_000)
    a, b = posterior(told, {}, Arm("o", "till"), DAY)
    assert (a / (a + b), a + b) == (pytest.approx(0.2), 100 * learning.POOL)
    weak = Learning(on=True, priors={Arm("o"): Prior(1, 1)})
    assert min(posterior(weak, {}, Arm("o", "till", "coffee"), DAY)) >= 100, "never a spike at nothing"


@given(st.integers(0, 10**12), st.integers(0, 4_000), st.integers(0, 4_000), st.sampled_from(learning.HALF_LIVES))
def test_fading_in_pieces_is_fading_at_once(count: int, first: int, then: int, days: int) -> None:
    at_once = aged(Tally(count, count // 2, 0), first + then, days)
    in_pieces = aged(aged(Tally(count, count // 2, 0), first, days), first + then, days)
    if first + then <= learning.MAX_AGE_DAYS:
        assert in_pieces == at_once
    else:
        assert at_once == Tally(0, 0, first + then)


@pytest.mark.parametrize("days", [30, 45, 60])
def test_half_is_left_after_the_half_life(days: int) -> None:
    assert aged(Tally(1_000 * WHOLE, 100 * WHOLE, 5), 5 + days, days).shown == pytest.approx(500 * WHOLE, rel=0.001)


def test_a_clock_that_goes_back_takes_nothing() -> None:
    assert aged(Tally(7, 3, DAY), DAY - 400, 45) == Tally(7, 3, DAY)


def test_every_days_share_is_far_from_a_rounding_edge() -> None:
    """So that no C library's last digit can change it."""
    for days in learning.HALF_LIVES:
        exact = 2 ** (-1 / days) * WHOLE
        assert abs(exact % 1 - 0.5) > 1e-6


def test_candidates_and_floor_leave_something_to_win() -> None:
    assert MAX_CANDIDATES * FLOOR <= WHOLE // 2
    assert learning.HALF_LIVES[0] == 30
    assert learning.HALF_LIVES[-1] == 60
