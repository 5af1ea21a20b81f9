"""Whole lives of two shops' tills and their headquarters, in any order: nothing is spent twice, whatever happens.

A hundred tills ask, ask again and out of order; works are lost before their commit; boxes restart; clocks jump; the
line is down for days, and brings everything twice and in any order when it is back.
"""

import random
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlite_utils import Database

from gateway.checkout import Answer, Asked, Outcome, let_go, settle
from gateway.core import coupon
from gateway.core.changes import CouponsPut, CouponUsed, LeasePut
from gateway.core.coupon import PublicKey
from gateway.core.model import Keep, Offer, ShopConfig
from gateway.core.reckoning import Reckoning
from gateway.core.redemption import Times
from gateway.core.spans import DAY_MS
from gateway.core.streams import Stream
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.reserving import AtTill
from gateway.tables.rows import FLOOR
from sync import event_messages, messages
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.rigs.confirm import confirm
from tests.rigs.seeds import many

START_MS = 1_800_000_000_000
TOTAL = 10_000
HQ = Ed25519PrivateKey.from_private_bytes(b"headquarters' key for tests only")
COUPONS = [coupon.issue(HQ, "k1", "free", START_MS // 1000 + 400 * 86_400, bytes([n] * 8)) for n in range(3)]
OFFERS = (
    Offer("lent", {}, {}, audience="everyone", value_cents=400, budget_id="b-1"),
    Offer("free", {}, {}, audience="everyone", value_cents=400),
)
SHOPS = ("munich-1", "berlin-2")


class LostError(Exception):
    """The power goes before the commit."""


@dataclass
class Box:
    """A gateway: its database, its clocks, and what its tills remember."""

    store: str
    db: Database = field(default_factory=lambda: Database(memory=True))
    mono_ms: int = 0
    clock_ms: int = START_MS
    answers: dict[tuple[str, str], tuple[Asked, Answer]] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    receipts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        migrate(self.db)
        self.start(START_MS)
        for offer in OFFERS:
            self.tx.put_offer(offer)
        self.tx.put_shop(ShopConfig(retention=Keep(redemptions=3_650)))
        self.tx.put_meta("store_id", f"acme/{self.store}/gw")
        self.tx.put_coupon_rules(CouponsPut((), (PublicKey("k1", HQ.public_key().public_bytes_raw()),)))

    def start(self, surely_ms: int) -> None:
        self.tx = Tx(self.db, Vault(bytes(32)))
        self.reckoning = Reckoning(surely_ms, surely_ms, self.mono_ms)

    @property
    def times(self) -> Times:
        surely_ms = self.reckoning.surely_by(self.mono_ms)
        return Times(self.clock_ms, surely_ms, max(surely_ms, self.clock_ms))

    def ask(self, till: str, key: str, asked: Asked, lost: bool) -> Outcome | None:
        try:
            with self.db.atomic():
                outcome, _ = settle(self.tx, AtTill(till, None, self.times, True), key, asked, secrets.token_hex)
                if lost:
                    raise LostError
                return outcome
        except LostError:
            self.tx.taken_back()
            return None

    def entries(self) -> set[tuple[object, ...]]:
        rows = self.db.execute("SELECT redemption_id, step, kind, cents, receipt, coupon FROM redemption_entry")
        return set(rows.fetchall())


class TillLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.hq = Ledger(Path(self.folder.name) / "hq.db")
        self.hq.put_budget("b-1", "cents", TOTAL)
        self.boxes = [Box(store) for store in SHOPS]
        self.version = [0, 0]
        self.leases = 0
        for which in (0, 1):
            self.lend(which, 900, 10, False)

    def teardown(self) -> None:
        for which in (0, 1):
            self._deliver(which, 0)
        told = {tuple(row[name] for name in ENTRY) for row in self.hq.redemption_entries()}
        assert told == self.boxes[0].entries() | self.boxes[1].entries()
        self.hq.close()
        for box in self.boxes:
            box.db.close()
        self.folder.cleanup()

    # --- what happens ----------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), amount=st.integers(1, 6_000), days=st.integers(1, 20), twice=st.booleans())
    def lend(self, which: int, amount: int, days: int, twice: bool) -> None:
        """Headquarters lends as much as it may, and the line is up: leases come, perhaps all of them once more."""
        self.leases += 1
        until_ms = self.boxes[which].clock_ms + days * DAY_MS
        self.hq.lend(f"l-{self.leases}", "b-1", ("acme", SHOPS[which], "gw"), amount, until_ms)
        ops, version = self.hq.changes_after(0 if twice else self.version[which], 10**6, f"acme/{SHOPS[which]}/gw")
        self.version[which] = version
        for change in messages.parse_ops(ops):
            if isinstance(change, CouponUsed):
                self.boxes[which].tx.put_coupon_used(change)
                continue
            assert isinstance(change, LeasePut)
            self.boxes[which].tx.put_lease(change)

    @rule(
        which=st.integers(0, 1),
        till=st.integers(0, 99),
        key=st.integers(0, 60),
        what=st.sampled_from(["lent", "lent", "lent", *COUPONS]),
        cents=st.integers(1, 400),
        lost=st.integers(0, 7),
    )
    def reserve(self, which: int, till: int, key: int, what: str, cents: int, lost: int) -> None:
        asked = Asked("reserve", offer_id=what, cents=cents)
        if what in COUPONS:
            asked = Asked("reserve", coupon=what, cents=cents)
        self._ask(which, f"till-{till}", f"r{key}", asked, lost == 0)

    @precondition(lambda self: any(box.ids for box in self.boxes))
    @rule(
        pick=st.integers(0, 10**6),
        action=st.sampled_from(["confirm", "confirm", "confirm", "cancel", "reverse"]),
        cents=st.none() | st.integers(1, 400),
        fresh=st.booleans(),
        lost=st.integers(0, 7),
    )
    def follow(self, pick: int, action: str, cents: int | None, fresh: bool, lost: int) -> None:
        reserved = [(which, one) for which in (0, 1) for one in self.boxes[which].ids]
        which, one = reserved[-1 - pick % len(reserved)]  # the newest first: those are open
        held = self.boxes[which].tx.redemption(one)
        assert held is not None
        cents = None if action == "cancel" else cents
        receipt = "R" if action == "confirm" else ""
        key = secrets.token_hex(8) if fresh else f"{action}-{one}"
        asked = Asked(action, one, cents=cents, receipt=receipt)  # type: ignore[arg-type]  # one of the words
        self._ask(which, held.till, key, asked, lost == 0)

    @rule(
        which=st.integers(0, 1),
        what=st.sampled_from(["wait", "wait", "jump", "jump in doubt", "look", "restart"]),
        ms=st.sampled_from([1_000, 60_000, 599_000, 7_200_000, DAY_MS, 5 * DAY_MS]),
        back=st.booleans(),
    )
    def time(self, which: int, what: str, ms: int, back: bool) -> None:
        """Time passes, clocks jump, boxes restart; a quarter of an hour of the reckoned time may go with the power."""
        box = self.boxes[which]
        if what == "wait":
            box.mono_ms += ms
            box.clock_ms += ms
        elif what == "restart":
            surely_ms = max(START_MS, box.times.surely_ms - min(ms, 900_000))
            box.tx.put_meta(FLOOR, str(surely_ms))
            box.start(surely_ms)
        elif what.startswith("jump"):
            box.clock_ms = max(0, box.clock_ms + (-ms if back else ms))
        box.reckoning.look(None if what == "jump in doubt" else box.clock_ms, box.mono_ms)

    @rule(which=st.integers(0, 1), seed=st.integers(0, 9))
    def report(self, which: int, seed: int) -> None:
        """What is over is let go, the line is up, and what waits goes to headquarters twice and in any order."""
        box = self.boxes[which]
        with box.db.atomic():
            let_go(box.tx, box.times, 200)
        self._deliver(which, seed)

    # --- what must hold --------------------------------------------------------------------------------------

    @invariant()
    def no_lease_is_overspent_and_each_holds_what_its_redemptions_say(self) -> None:
        for box in self.boxes:
            for lease_id, amount, held, spent, closed in box.db.execute(
                "SELECT lease_id, amount, held, spent, closed FROM lease"
            ):
                rows = box.db.execute(
                    "SELECT state, cents - reversed_cents FROM redemption WHERE lease_id = ?", [lease_id]
                ).fetchall()
                assert held == sum(cents for state, cents in rows if state == "reserved")
                net = sum(cents for state, cents in rows if state == "committed")
                assert spent >= net if closed else spent == net
                assert held + spent <= amount

    @invariant()
    def all_shops_together_never_spend_more_than_the_budget(self) -> None:
        assert sum(self._net(box, "lease_id <> ''") + self._held(box) for box in self.boxes) <= TOTAL

    @invariant()
    def a_coupon_is_committed_once_in_a_shop_and_the_ledger_is_what_receipts_say(self) -> None:
        for box in self.boxes:
            sql = "SELECT coupon, count(*) FROM redemption_entry WHERE kind = 'committed' AND coupon <> '' GROUP BY 1"
            assert all(count == 1 for _, count in box.db.execute(sql))
            assert self._net(box, "true") == sum(box.receipts.values())

    # --- how -------------------------------------------------------------------------------------------------

    def _ask(self, which: int, till: str, key: str, asked: Asked, lost: bool) -> None:
        box = self.boxes[which]
        outcome = box.ask(till, key, asked, lost)
        if outcome is None:
            return
        before = box.answers.get((till, key))
        if before is not None:
            assert outcome == (before[1] if before[0] == asked else "conflict")
            return
        assert isinstance(outcome, Answer)
        box.answers[till, key] = asked, outcome
        name = str(outcome.redemption_id)
        if outcome.result == "reserved":
            box.ids.append(name)
        elif outcome.result == "committed":
            box.receipts[name] = int(outcome.cents or 0)
        elif outcome.result == "reversed":
            box.receipts[name] -= int(outcome.cents or 0)

    def _deliver(self, which: int, seed: int) -> None:
        box, rng, where = self.boxes[which], random.Random(seed), Topics("acme", SHOPS[which], "gw")
        epoch = f"{which:032x}"
        rows = box.tx.outbox_after(box.tx.acked(Stream.VITAL), 10_000)
        pieces = [rows[start : start + 5] for start in range(0, len(rows), 5)] * 2
        rng.shuffle(pieces)
        watermark = box.tx.acked(Stream.VITAL)
        for piece in pieces:
            batch = event_messages.EventBatch(epoch, piece[0].seq, piece[-1].seq, tuple(piece))
            done = self.hq.ingest(where, batch, START_MS)
            assert set(done.redeemed) <= {"double"}
            watermark = max(watermark, done.held.watermark)
        assert not rows or watermark == rows[-1].seq
        confirm(box.tx, watermark)

    @staticmethod
    def _net(box: Box, where: str) -> int:
        sign = "CASE entry.kind WHEN 'committed' THEN entry.cents WHEN 'reversed' THEN -entry.cents ELSE 0 END"
        sql = f"""SELECT coalesce(sum({sign}), 0) FROM redemption_entry AS entry JOIN redemption USING (redemption_id)
                  WHERE {where}"""
        return int(box.db.execute(sql).fetchone()[0])

    @staticmethod
    def _held(box: Box) -> int:
        return int(box.db.execute("SELECT coalesce(sum(held), 0) FROM lease").fetchone()[0])


LIVES = 8
ENTRY = ("redemption_id", "step", "kind", "cents", "receipt", "coupon")
TestTillLife = TillLife.TestCase
TestTillLife.settings = settings(max_examples=many(10, 30), stateful_step_count=50, deadline=None)


def test_lives_of_five_hundred_steps_by_chance_reach_every_answer() -> None:
    answers = [answer for seed in range(LIVES) for answer in five_hundred_steps(random.Random(seed))]
    assert {"reserved", "committed", "released", "reversed", "refused"} == {answer.result for answer in answers}
    assert sum(answer.result == "committed" for answer in answers) > 100
    reasons = {answer.reason for answer in answers}
    assert {"lease.spent", "lease.none", "coupon.used", "redemption.committed", "redemption.expired"} <= reasons


def five_hundred_steps(rng: random.Random) -> list[Answer]:
    life = TillLife()
    for _ in range(500):
        which, cents, lost = rng.randrange(2), rng.randint(1, 400), rng.randrange(LIVES)
        match rng.choice(["reserve"] * 6 + ["follow"] * 6 + ["lend", "report", "time"]):
            case "reserve":
                what = rng.choice(["lent"] * 6 + COUPONS)
                life.reserve(which, rng.randrange(100), rng.randrange(60), what, cents, lost)
            case "follow" if life.boxes[0].ids or life.boxes[1].ids:
                action = rng.choice(["confirm", "confirm", "cancel", "reverse"])
                pick = rng.choice([0, 0, 1, 2, rng.randrange(100)])
                life.follow(pick, action, rng.choice([None, cents]), rng.random() < 0.5, lost)
            case "lend":
                life.lend(which, rng.randint(1, 6_000), rng.randint(1, 20), rng.random() < 0.5)
            case "report":
                life.report(which, rng.randrange(10))
            case "time":
                what = rng.choice(["wait", "wait", "jump", "jump in doubt", "look", "restart"])
                life.time(which, what, rng.choice([1_000, 599_000, 7_200_000, DAY_MS, 5 * DAY_MS]), rng.random() < 0.5)
        life.no_lease_is_overspent_and_each_holds_what_its_redemptions_say()
        life.all_shops_together_never_spend_more_than_the_budget()
        life.a_coupon_is_committed_once_in_a_shop_and_the_ledger_is_what_receipts_say()
    answers = [answer for box in life.boxes for _, answer in box.answers.values()]
    life.teardown()
    return answers


def test_the_rig_sees_money_that_is_lent_twice() -> None:
    """What the invariant over all shops is worth: with the same money lent to both it does not hold."""
    life = TillLife()
    for box in life.boxes:
        box.tx.put_lease(LeasePut("", "l-x", "b-1", "cents", TOTAL, START_MS + DAY_MS))
        for number in range(20):
            outcome = box.ask("till-1", f"k{number}", Asked("reserve", offer_id="lent"), False)
            assert isinstance(outcome, Answer)
            assert outcome.result == "reserved"
    with pytest.raises(AssertionError):
        life.all_shops_together_never_spend_more_than_the_budget()
    life.teardown()
