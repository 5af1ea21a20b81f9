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

from gateway.checkout import Answer, Asked, AtTill, Outcome, let_go, settle
from gateway.core import coupon
from gateway.core.changes import CouponsPut, LeasePut
from gateway.core.coupon import PublicKey
from gateway.core.model import Keep, Offer, ShopConfig
from gateway.core.reckoning import Reckoning
from gateway.core.redemption import Times
from gateway.core.spans import DAY_MS
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.tables.rows import FLOOR
from sync import messages
from sync.hq.ledger import Ledger
from sync.topics import Topics

START_MS = 1_800_000_000_000
TOTAL = 3_000
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

    @rule(which=st.integers(0, 1), amount=st.integers(1, TOTAL), days=st.integers(1, 6))
    def lend(self, which: int, amount: int, days: int) -> None:
        self.leases += 1
        self.hq.lend(f"l-{self.leases}", "b-1", ("acme", SHOPS[which], "gw"), amount, START_MS + days * DAY_MS)

    @rule(which=st.integers(0, 1), anew=st.booleans())
    def hear(self, which: int, anew: bool) -> None:
        """The line is up: leases come, perhaps all of them once more."""
        ops, version = self.hq.changes_after(0 if anew else self.version[which], 10**6, f"acme/{SHOPS[which]}/gw")
        self.version[which] = version
        for change in messages.parse_ops(ops):
            assert isinstance(change, LeasePut)
            self.boxes[which].tx.put_lease(change)

    @rule(
        which=st.integers(0, 1),
        till=st.integers(0, 99),
        key=st.integers(0, 30),
        what=st.one_of(st.just("lent"), st.sampled_from(COUPONS)),
        cents=st.integers(1, 400),
        lost=st.booleans(),
    )
    def reserve(self, which: int, till: int, key: int, what: str, cents: int, lost: bool) -> None:
        asked = (
            Asked("reserve", coupon=what, cents=cents) if what != "lent" else Asked("reserve", "", what, cents=cents)
        )
        self._ask(which, f"till-{till}", f"r{key}", asked, lost)

    @precondition(lambda self: any(box.ids for box in self.boxes))
    @rule(
        data=st.data(),
        action=st.sampled_from(["confirm", "confirm", "confirm", "cancel", "reverse"]),
        cents=st.none() | st.integers(1, 400),
        fresh=st.booleans(),
        lost=st.booleans(),
    )
    def follow(self, data: st.DataObject, action: str, cents: int | None, fresh: bool, lost: bool) -> None:
        which = data.draw(st.sampled_from([n for n in (0, 1) if self.boxes[n].ids]))
        one = data.draw(st.sampled_from(self.boxes[which].ids))
        held = self.boxes[which].tx.redemption(one)
        assert held is not None
        cents = None if action == "cancel" else cents
        receipt = "R" if action == "confirm" else ""
        key = secrets.token_hex(8) if fresh else f"{action}-{one}"
        self._ask(which, held.till, key, Asked(action, one, cents=cents, receipt=receipt), lost)  # type: ignore[arg-type]  # one of the words

    @rule(which=st.integers(0, 1), ms=st.sampled_from([1_000, 60_000, 599_000, 7_200_000, 5 * DAY_MS]))
    def wait(self, which: int, ms: int) -> None:
        box = self.boxes[which]
        box.mono_ms += ms
        box.clock_ms += ms

    @rule(which=st.integers(0, 1), ms=st.integers(-10 * DAY_MS, 10 * DAY_MS), trusted=st.booleans())
    def jump(self, which: int, ms: int, trusted: bool) -> None:
        box = self.boxes[which]
        box.clock_ms = max(0, box.clock_ms + ms)
        box.reckoning.look(box.clock_ms if trusted else None, box.mono_ms)

    @rule(which=st.integers(0, 1))
    def look(self, which: int) -> None:
        box = self.boxes[which]
        box.reckoning.look(box.clock_ms, box.mono_ms)

    @rule(which=st.integers(0, 1))
    def sweep(self, which: int) -> None:
        box = self.boxes[which]
        with box.db.atomic():
            let_go(box.tx, box.times, 200)

    @rule(which=st.integers(0, 1), back_ms=st.integers(0, 900_000))
    def restart(self, which: int, back_ms: int) -> None:
        """A quarter of an hour of the reckoned time may be lost with the power."""
        box = self.boxes[which]
        surely_ms = max(START_MS, box.times.surely_ms - back_ms)
        box.tx.put_meta(FLOOR, str(surely_ms))
        box.start(surely_ms)

    @rule(which=st.integers(0, 1), seed=st.integers(0, 9))
    def deliver(self, which: int, seed: int) -> None:
        """The line is up: what waits goes to headquarters, twice, in pieces and in any order."""
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
        rows = box.tx.outbox_after(box.tx.acked_seq, 10_000)
        pieces = [rows[start : start + 5] for start in range(0, len(rows), 5)] * 2
        rng.shuffle(pieces)
        watermark = box.tx.acked_seq
        for piece in pieces:
            batch = messages.EventBatch(epoch, piece[0].seq, piece[-1].seq, tuple(piece))
            done = self.hq.ingest(where, batch, START_MS)
            assert set(done.redeemed) <= {"double"}
            watermark = max(watermark, done.watermark)
        assert not rows or watermark == rows[-1].seq
        box.tx.acknowledge(watermark)

    @staticmethod
    def _net(box: Box, where: str) -> int:
        sign = "CASE entry.kind WHEN 'committed' THEN entry.cents WHEN 'reversed' THEN -entry.cents ELSE 0 END"
        sql = f"""SELECT coalesce(sum({sign}), 0) FROM redemption_entry AS entry JOIN redemption USING (redemption_id)
                  WHERE {where}"""
        return int(box.db.execute(sql).fetchone()[0])

    @staticmethod
    def _held(box: Box) -> int:
        return int(box.db.execute("SELECT coalesce(sum(held), 0) FROM lease").fetchone()[0])


ENTRY = ("redemption_id", "step", "kind", "cents", "receipt", "coupon")
TestTillLife = TillLife.TestCase
TestTillLife.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)


def test_the_rig_sees_money_that_is_lent_twice() -> None:
    """What the invariant over all shops is worth: with the same money lent to both it does not hold."""
    life = TillLife()
    for box in life.boxes:
        box.tx.put_lease(LeasePut("", "l-x", "b-1", "cents", TOTAL, START_MS + DAY_MS))
        for number in range(5):
            outcome = box.ask("till-1", f"k{number}", Asked("reserve", offer_id="lent"), False)
            assert isinstance(outcome, Answer)
            assert outcome.result == "reserved"
    with pytest.raises(AssertionError):
        life.all_shops_together_never_spend_more_than_the_budget()
    life.teardown()
