"""A shelf is what it would be if it were made anew, for as long as it says that it holds."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.eligible import parse
from gateway.core.model import Offer
from gateway.core.shelf import Place, shelve

TEXT = {"en": "Hello"}
BAR = Place("zone", "munich-1", "coffee", "bar", "public")
times = st.integers(0, 12)
offers = st.lists(
    st.builds(
        lambda number, begins, ends, zones, safe: Offer(
            f"o{number}",
            TEXT,
            TEXT,
            zones=zones,
            category="coffee",
            public_safe=safe,
            valid_from_ms=begins,
            valid_until_ms=ends,
        ),
        st.integers(0, 99),
        times,
        st.none() | times,
        st.sampled_from([(), ("coffee",), ("wine",)]),
        st.booleans(),
    ),
    max_size=6,
    unique_by=lambda offer: offer.offer_id,
)


@given(offers, times, times)
def test_it_holds_as_long_as_nothing_would_change(catalogue: list[Offer], made: int, asked: int) -> None:
    shelf = shelve(catalogue, BAR, made)
    assert shelf.holds(made)
    if shelf.holds(asked):
        assert shelve(catalogue, BAR, asked) == shelf


@given(offers, times)
def test_every_offer_is_on_it_or_has_fallen(catalogue: list[Offer], at_ms: int) -> None:
    shelf = shelve(catalogue, BAR, at_ms)
    fallen = [offer for offer, _ in shelf.fallen]
    assert sorted(o.offer_id for o in (*shelf.candidates, *fallen)) == sorted(o.offer_id for o in catalogue)
    assert [reason.candidate for reason in shelf.reasons] == [offer.offer_id for offer in fallen]
    assert shelf.purposes == {offer.purpose for offer in catalogue}
    assert len(shelf.kinds) == len(shelf.candidates)
    assert all(shelf.kinds[kind] == kind <= number for number, kind in enumerate(shelf.kinds))
    assert shelf.by_id == {offer.offer_id: offer for offer in catalogue}


def test_a_gesture_opens_what_is_not_for_the_room() -> None:
    private = Offer("o1", TEXT, TEXT)
    assert [reason.code for reason in shelve([private], BAR, 5).reasons] == ["not_public_safe"]
    assert shelve([private], replace(BAR, trigger="tap"), 5).candidates == (private,)


def test_it_names_the_segments_that_its_candidates_ask_for() -> None:
    def named(name: str, zone: str) -> Offer:
        tree = {"any": [{"is": ["hour", 9]}, {"not": {"has": ["visit.segments", [name]]}}]}
        return Offer(name, {}, {}, zones=(zone,), category="coffee", public_safe=True, eligibility=parse(tree))

    shelf = shelve((named("a", "wine"), named("b", "tea")), Place("zone", "", "wine", "cellar", "public"), 0)
    assert shelf.segments == {"a"}
