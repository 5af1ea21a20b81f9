"""Balances and steps in the tables: a step counts once, and headquarters' next balance neither doubles nor loses it."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlite_utils import Database

from gateway.core.changes import BalancePut
from gateway.core.points import Balance, Counted, PointsPolicy, PointsStep
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx

OURS, EPOCH = "acme/munich-1/gw-1", "e" * 32


def fresh() -> Tx:
    db = Database(memory=True)
    migrate(db)
    tx = Tx(db, Vault(bytes(32)))
    tx.put_meta("epoch", EPOCH)
    return tx


def test_nobody_has_a_balance_before_anything_is_known() -> None:
    assert fresh().stored_balance("mia") is None


def test_local_steps_are_added_until_headquarters_has_counted_them() -> None:
    tx = fresh()
    tx.add_points(PointsStep("r-1.2", "mia", 15, "r-1"), 7, 1_000)
    tx.add_points(PointsStep("r-2.2", "mia", 5, "r-2"), 9, 2_000)
    assert tx.stored_balance("mia") == Balance(20, 20)
    assert tx.put_balance(BalancePut("mia", 115, 4, (Counted(OURS, EPOCH, 8),)), OURS)
    assert tx.stored_balance("mia") == Balance(120, 5)
    assert not tx.put_balance(BalancePut("mia", 100, 4), OURS)  # it came again
    assert not tx.put_balance(BalancePut("mia", 100, 3), OURS)  # an older one
    assert tx.put_balance(BalancePut("mia", 120, 5, (Counted(OURS, EPOCH, 9),)), OURS)
    assert tx.stored_balance("mia") == Balance(120, 0)


def test_another_gateways_numbers_and_another_epochs_say_nothing_of_ours() -> None:
    tx = fresh()
    tx.add_points(PointsStep("r-1.2", "mia", 15, "r-1"), 7, 1_000)
    others = (Counted("acme/munich-2/gw-1", EPOCH, 99), Counted(OURS, "f" * 32, 99))
    tx.put_balance(BalancePut("mia", 100, 1, others), OURS)
    assert tx.stored_balance("mia") == Balance(115, 15)


def test_a_step_is_kept_once_and_what_it_brought_can_be_found() -> None:
    tx = fresh()
    for points in (15, 99):
        tx.add_points(PointsStep("r-1.2", "mia", points, "r-1"), 7, 1_000)
    tx.add_points(PointsStep("r-1.3", "mia", -5, "r-1"), 8, 2_000)
    assert (tx.points_step("r-1.2"), tx.points_step("r-9.2")) == (15, None)
    assert tx.points_of("r-1") == (15, 10)
    assert tx.points_steps("mia") == [("r-1.2", 15, "r-1", 1_000), ("r-1.3", -5, "r-1", 2_000)]


@given(st.integers(0, 100), st.dictionaries(st.text(min_size=1), st.integers(0, 10), max_size=5))
def test_the_policy_comes_back_as_it_was_put(per_euro: int, offers: dict[str, int]) -> None:
    tx = fresh()
    assert tx.points_policy() == PointsPolicy()
    tx.put_points_policy(PointsPolicy(per_euro, offers))
    assert tx.points_policy() == PointsPolicy(per_euro, offers)


class Counting(RuleBasedStateMachine):
    """A shop and a headquarters that counts a prefix of its steps now and then; balances come late, twice, in any
    order. At every moment the shop shows all that it ever did, and what others did as far as it has heard."""

    def __init__(self) -> None:
        super().__init__()
        self.tx = fresh()
        self.steps: list[int] = []
        self.elsewhere = 0
        self.version = 0
        self.made: list[tuple[BalancePut, int]] = [(BalancePut("mia", 0, 1), 0)]
        self.heard = 0
        self.heard_version = 0

    @rule(points=st.integers(-50, 50))
    def step(self, points: int) -> None:
        self.steps.append(points)
        self.tx.add_points(PointsStep(f"s-{len(self.steps)}", "mia", points, "s"), len(self.steps), 0)

    @rule(points=st.integers(-50, 50))
    def elsewhere_in_the_chain(self, points: int) -> None:
        self.elsewhere += points

    @rule(data=st.data())
    def count(self, data: st.DataObject) -> None:
        before = self.made[-1][0].counted
        upto = data.draw(st.integers(before[0].seq if before else 0, len(self.steps)))
        self.version = self.made[-1][0].version + 1
        put = BalancePut("mia", self.elsewhere + sum(self.steps[:upto]), self.version, (Counted(OURS, EPOCH, upto),))
        self.made.append((put, self.elsewhere))

    @rule(data=st.data())
    def hear(self, data: st.DataObject) -> None:
        put, elsewhere = data.draw(st.sampled_from(self.made))
        if self.tx.put_balance(put, OURS):
            assert put.version > self.heard_version
            self.heard, self.heard_version = elsewhere, put.version

    @invariant()
    def shows_all(self) -> None:
        found = self.tx.stored_balance("mia")
        assert (0 if found is None else found.points) == self.heard + sum(self.steps)


TestCounting = Counting.TestCase
