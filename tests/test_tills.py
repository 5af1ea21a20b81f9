"""Tills: one member at a till, one till for a member, for as long as a sale takes."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core.model import Proof
from gateway.core.tills import Sale, Tills

SALE_MS = 120_000


def sale(member: str = "mia", till: str = "one", until_ms: int = SALE_MS) -> Sale:
    return Sale(till, member, Proof.PROVEN, until_ms)


def test_a_tap_counts_until_its_time_is_over() -> None:
    tills = Tills(["one", "two"])
    assert tills.at("one", 0) is None
    tills.identify(sale())
    assert tills.at("one", SALE_MS - 1) == sale()
    assert tills.at("one", SALE_MS) is None
    tills.expire(SALE_MS)
    assert not tills.done("one")
    assert tills.names == {"one", "two"}


def test_the_next_tap_replaces_and_done_ends() -> None:
    tills = Tills(["one"])
    tills.identify(sale())
    tills.identify(sale("ben"))
    assert tills.at("one", 0).member_id == "ben"
    assert tills.done("one")
    assert tills.at("one", 0) is None


def test_a_sale_that_is_over_ends_no_other() -> None:
    tills = Tills(["one"])
    tills.identify(sale("ben"))
    assert not tills.over(sale())
    assert tills.at("one", 0) == sale("ben")
    assert tills.over(sale("ben"))
    assert not tills.over(sale("ben"))


def test_a_member_is_at_one_till() -> None:
    tills = Tills(["one", "two"])
    tills.identify(sale())
    tills.identify(sale(till="two"))
    assert tills.at("one", 0) is None
    assert tills.at("two", 0) is not None


def test_whoever_watches_a_till_is_told_when_somebody_comes_or_goes() -> None:
    told: list[str] = []
    tills = Tills(["one", "two"], told.append)
    tills.identify(sale())
    assert tills.done("one")
    assert not tills.done("one")
    assert told == ["one", "one"]
    tills.identify(sale())
    assert tills.forget(sale().member_id) == 1
    assert tills.forget(sale().member_id) == 0
    tills.identify(sale())
    tills.expire(SALE_MS)
    tills.expire(SALE_MS)
    assert told == ["one"] * 6


def test_a_clock_step_ends_no_sale() -> None:
    tills = Tills(["one"])
    tills.identify(sale())
    tills.shift(10**9)
    tills.expire(10**9 + SALE_MS - 1)
    assert tills.at("one", 10**9 + SALE_MS - 1) is not None
    assert tills.at("one", 10**9 + SALE_MS) is None


class Shop(RuleBasedStateMachine):
    """Whoever is forgotten is at no till, and nobody is at two."""

    def __init__(self) -> None:
        super().__init__()
        self.tills, self.now_ms, self.gone = Tills("abc"), 0, set[str]()

    members, names = st.sampled_from(["m1", "m2", "m3"]), st.sampled_from("abc")

    @rule(member=members, till=names, span=st.integers(1, 9))
    def tap(self, member: str, till: str, span: int) -> None:
        self.gone.discard(member)
        self.tills.identify(sale(member, till, self.now_ms + span))

    @rule(member=members)
    def forget(self, member: str) -> None:
        self.tills.forget(member)
        self.gone.add(member)

    @rule(step=st.integers(1, 5))
    def wait(self, step: int) -> None:
        self.now_ms += step
        self.tills.expire(self.now_ms)

    @invariant()
    def nobody_is_where_they_should_not_be(self) -> None:
        found = [one.member_id for till in "abc" if (one := self.tills.at(till, self.now_ms)) is not None]
        assert len(found) == len(set(found))
        assert not self.gone & set(found)


Shop.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestShop = Shop.TestCase
