"""A coupon of the whole chain in two shops that can't know of each other, in any order of partition and reconnection.

Two real tills' ledgers and headquarters' real one; the line between them is a list that is carried when it is up.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from gateway.apply import apply
from gateway.checkout import Answer, Asked, let_go, settle
from gateway.core import coupon
from gateway.core.changes import CouponsPut, Delta, OfferPut
from gateway.core.coupon import PublicKey
from gateway.core.model import Event, Offer
from gateway.core.redemption import CouponClass, Times
from gateway.core.spans import DAY_MS
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.reserving import AtTill
from sync import event_messages, messages
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.rigs.shop import TEXT

START_MS = 1_800_000_000_000
NOW = Times(START_MS, START_MS, START_MS)
HAPPENS = ("redeem", "tell", "hear", "backup", "restore")
SHOPS = ("munich-1", "berlin-2")
CLASSES = (CouponClass("free", "allow"), CouponClass("lent", "lease"), CouponClass("line", "deny"))
KEY = coupon.Ed25519PrivateKey.from_private_bytes(b"headquarters' key for tests only")
CHANGES = (
    CouponsPut(CLASSES, (PublicKey("k1", KEY.public_key().public_bytes_raw()),)),
    OfferPut(Offer("free", TEXT, TEXT, audience="everyone", value_cents=400, coupon_class="free")),
    OfferPut(Offer("line", TEXT, TEXT, audience="everyone", value_cents=400, coupon_class="line")),
    OfferPut(Offer("lent", TEXT, TEXT, audience="everyone", value_cents=400, coupon_class="lent", budget_id="b-1")),
)


def issued(offer_id: str, number: int = 1) -> str:
    return coupon.issue(KEY, "k1", offer_id, (START_MS + 9 * DAY_MS) // 1000, bytes([number] * 8))


@dataclass
class Shop:
    """A gateway's till: its database, and its line to headquarters."""

    name: str
    hq: Ledger
    up: bool = True
    epoch: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        self.db = Database(memory=True)
        migrate(self.db)
        self.tx = Tx(self.db, Vault(bytes(32)))
        self.tx.put_meta("store_id", f"acme/{self.name}/gw")
        self.tx.put_meta("epoch", self.epoch)
        self.sync()

    def ask(self, asked: Asked) -> Answer:
        with self.db.atomic():
            at = AtTill("t", None, NOW, self.up)
            outcome, _ = settle(self.tx, at, secrets.token_hex(8), asked, secrets.token_hex)
        assert isinstance(outcome, Answer)
        return outcome

    def redeem(self, text: str) -> str | None:
        """Reserve and confirm; None, or why not."""
        held = self.ask(Asked("reserve", coupon=text))
        if held.result == "refused":
            return held.reason
        return self.ask(Asked("confirm", str(held.redemption_id), receipt="R")).reason

    def tell(self) -> None:
        """Headquarters hears everything so far, and confirms it."""
        rows = tuple(self.tx.outbox_after(0, 10_000))
        if rows:
            where = Topics("acme", self.name, "gw")
            self.hq.ingest(where, event_messages.EventBatch(self.epoch, rows[0].seq, rows[-1].seq, rows), START_MS)

    def hear(self) -> None:
        """Everything that headquarters has recorded comes, and is applied."""
        have = self.tx.hq_version
        ops, version = self.hq.changes_after(have, 10**6, f"acme/{self.name}/gw")
        if version > have:
            with self.db.atomic():
                delta = Delta(have, version, messages.parse_ops(ops))
                apply(self.tx, delta, bytes(32), START_MS, f"acme/{self.name}/gw")

    def sync(self) -> None:
        self.tell()
        self.hear()

    def restored(self, backup: bytes) -> "Shop":
        """The same box with a database that was put back."""
        again = Shop.__new__(Shop)
        again.name, again.hq, again.up, again.epoch = self.name, self.hq, self.up, secrets.token_hex(16)
        again.db = Database(memory=True)
        again.db.conn.deserialize(backup)
        again.tx = Tx(again.db, Vault(bytes(32)))
        again.tx.put_meta("epoch", again.epoch)
        again.tx.begin_doubt()
        again.tx.emit(Event("tills.restored", START_MS, {"epoch": again.epoch}))
        return again


@pytest.fixture
def hq(tmp_path: Path) -> Iterator[Ledger]:
    with closing(headquarters(tmp_path)) as made:
        yield made


def headquarters(path: Path) -> Ledger:
    made = Ledger(path / "hq.db")
    made.record_ops([messages.op_of(change) for change in CHANGES], START_MS)
    made.put_budget("b-1", "cents", 1_000)
    for shop in SHOPS:
        made.lend(f"l-{shop}", "b-1", ("acme", shop, "gw"), 400, START_MS + DAY_MS)
    return made


def two(hq: Ledger) -> tuple[Shop, Shop]:
    return Shop(SHOPS[0], hq), Shop(SHOPS[1], hq)


def test_while_the_line_stands_the_second_shop_hears_of_the_first_use(hq: Ledger) -> None:
    munich, berlin = two(hq)
    assert munich.redeem(issued("free")) is None
    munich.sync()
    berlin.sync()
    assert berlin.redeem(issued("free")) == "coupon.used"
    assert berlin.redeem(issued("free", 2)) is None
    assert hq.doubles() == []


@pytest.mark.parametrize(
    ("offer_id", "expected"), [("free", (None, None)), ("lent", (None, None)), ("line", ("redemption.hq_away",) * 2)]
)
def test_apart_each_class_does_what_it_says(hq: Ledger, offer_id: str, expected: tuple[str | None, ...]) -> None:
    shops = two(hq)
    for shop in shops:
        shop.up = False
    assert tuple(shop.redeem(issued(offer_id)) for shop in shops) == expected
    assert shops[0].redeem(issued(offer_id)) in ("coupon.used", "redemption.hq_away")
    for shop in shops:
        shop.sync()
    found = hq.doubles()
    assert [one["coupon"] for one in found] == ([] if expected[0] else ["k1/" + "01" * 8])
    if found:
        assert {use["store"] for use in found[0]["uses"]} == set(SHOPS)


def test_out_of_lent_budgets_a_double_is_never_more_than_was_lent(hq: Ledger) -> None:
    shops = two(hq)
    spent = 0
    for shop in shops:
        shop.up = False
        spent += 400 * sum(shop.redeem(issued("lent", number)) is None for number in range(1, 5))
        assert shop.redeem(issued("lent", 9)) == "lease.spent"
    for shop in shops:
        shop.sync()
    assert spent == 800
    assert hq.budgets()[0]["left"] == 200


@pytest.mark.parametrize("order", list(permutations(["tell 0", "tell 1", "hear 0", "hear 1"])))
def test_in_whatever_order_the_line_comes_back_the_double_is_booked_once_and_both_shops_know(
    hq: Ledger, order: tuple[str, ...]
) -> None:
    shops = two(hq)
    for shop in shops:
        shop.up = False
        assert shop.redeem(issued("free")) is None
    for step in order:
        verb, which = step.split()
        getattr(shops[int(which)], verb)()
    for shop in shops:
        shop.up = True
        shop.sync()
        shop.sync()
        assert shop.tx.is_used_elsewhere("k1/" + "01" * 8)
        assert shop.redeem(issued("free")) == "coupon.used"
    (double,) = hq.doubles()
    assert len(double["uses"]) == 2
    assert sum(use["cents"] for use in double["uses"]) == 800
    assert len([row for row in hq.redemption_entries() if row["kind"] == "committed"]) == 2


def test_a_coupon_that_was_used_elsewhere_while_it_is_held_is_not_committed(hq: Ledger) -> None:
    munich, berlin = two(hq)
    held = munich.ask(Asked("reserve", coupon=issued("free")))
    assert berlin.redeem(issued("free")) is None
    berlin.sync()
    munich.sync()
    assert munich.ask(Asked("confirm", str(held.redemption_id), receipt="R")).reason == "coupon.used"
    assert munich.ask(Asked("cancel", str(held.redemption_id))).result == "released"


def test_what_is_known_of_other_shops_goes_when_the_coupon_is_surely_over(hq: Ledger) -> None:
    munich, berlin = two(hq)
    berlin.redeem(issued("free"))
    berlin.sync()
    munich.sync()
    late = START_MS + 4_000 * DAY_MS
    assert let_go(munich.tx, Times(late, START_MS, late), 10) == 0
    assert let_go(munich.tx, Times(late, late, late), 10) >= 1
    assert not munich.tx.is_used_elsewhere("k1/" + "01" * 8)


# --- a backup is put back ---------------------------------------------------------------------------------------


def test_a_restored_backup_spends_nothing_before_headquarters_has_spoken(hq: Ledger) -> None:
    munich = Shop(SHOPS[0], hq)
    backup = munich.db.conn.serialize()
    assert munich.redeem(issued("free")) is None
    assert munich.redeem(issued("lent", 2)) is None
    munich.tell()
    again = munich.restored(backup)
    assert again.redeem(issued("free")) == "coupon.restored"
    assert again.redeem(issued("free", 3)) == "coupon.restored"
    assert again.ask(Asked("reserve", offer_id="lent")).reason == "lease.restored"
    assert again.tx.budgets_with_room(START_MS) == frozenset()
    assert again.ask(Asked("reserve", offer_id="free")).result == "reserved", "what is not lent or signed goes on"
    again.sync()
    assert again.redeem(issued("free")) == "coupon.used"
    assert again.redeem(issued("free", 3)) is None
    assert again.ask(Asked("reserve", offer_id="lent")).reason == "lease.spent"


def test_what_was_lent_after_the_backup_is_not_lent_again(hq: Ledger) -> None:
    munich = Shop(SHOPS[0], hq)
    backup = munich.db.conn.serialize()
    hq.lend("l-new", "b-1", ("acme", SHOPS[0], "gw"), 100, START_MS + 2 * DAY_MS)
    munich.hear()
    held = munich.ask(Asked("reserve", offer_id="lent", cents=100))
    assert munich.ask(Asked("confirm", str(held.redemption_id), receipt="R")).result == "committed"
    munich.tell()
    again = munich.restored(backup)
    again.hear()  # the leases come once more, before headquarters has heard of the restoration
    assert again.ask(Asked("reserve", offer_id="lent", cents=1)).reason == "lease.restored"
    again.sync()
    spent = [lease.spent for lease in again.tx.leases("b-1")]
    assert sum(spent) == 100


def test_a_lease_that_headquarters_has_closed_meanwhile_stays_closed(hq: Ledger) -> None:
    munich = Shop(SHOPS[0], hq)
    backup = munich.db.conn.serialize()
    assert hq.write_off("l-munich-1")
    again = munich.restored(backup)
    again.sync()
    assert again.ask(Asked("reserve", offer_id="lent", cents=1)).reason == "lease.none"


def test_headquarters_word_on_an_earlier_restoration_ends_no_doubt(hq: Ledger) -> None:
    munich = Shop(SHOPS[0], hq)
    backup = munich.db.conn.serialize()
    once = munich.restored(backup)
    once.tell()
    twice = once.restored(backup)
    twice.hear()
    assert twice.redeem(issued("free")) == "coupon.restored"
    twice.sync()
    assert twice.redeem(issued("free")) is None


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from(HAPPENS), st.integers(1, 4)),
        max_size=40,
    )
)
def test_whatever_is_restored_no_budget_is_overspent_as_headquarters_books_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, int]]
) -> None:
    with closing(headquarters(tmp_path_factory.mktemp("hq"))) as hq:
        shops = list(two(hq))
        backups = [shop.db.conn.serialize() for shop in shops]
        for which, what, number in steps:
            shop = shops[which]
            match what:
                case "redeem":
                    shop.redeem(issued("lent", number))
                    shop.tell()  # what headquarters never heard of before the box was lost, nobody knows
                case "backup":
                    backups[which] = shop.db.conn.serialize()
                case "restore":
                    shops[which] = shop.restored(backups[which])
                case "tell":
                    shop.tell()
                case "hear":
                    shop.hear()
        for shop in shops:
            shop.sync()
            shop.sync()
        rows = [row for row in hq.redemption_entries() if row["kind"] == "committed"]
        for lease in hq.budgets()[0]["leases"]:
            booked = sum(row["cents"] for row in rows if row["lease_id"] == lease["lease_id"])
            assert booked <= lease["amount"], json.dumps(rows)
        for shop in shops:
            here = [row["coupon"] for row in rows if row["store"] == shop.name]
            assert len(here) == len(set(here)), "no shop redeems a coupon twice, whatever it forgot"
