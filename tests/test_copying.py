"""What one box did counts at the other as if it had happened there: contacts, sales, answers and proofs, once."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gateway import copying
from gateway.checkout import Asked, settle
from gateway.copying import read, take
from gateway.core.changes import LeasePut
from gateway.core.model import Contact, Decision, Guard, Member, Offer
from gateway.core.redemption import State, Times
from gateway.core.vault import KEY_BYTES
from gateway.dbfile import open_file
from gateway.records import Tx
from gateway.reserving import AtTill
from sync.pair_messages import Lot, Pair

AT_MS = 5_000_000_000
AT = AtTill("till-1", None, Times(AT_MS, AT_MS, AT_MS), False)
EPOCH, OTHER = "1e" * 16, "2e" * 16
PAIR = Pair("s" * 32, "rg/1/acme/munich-1/pair")


class Two:
    """Two boxes that keep a journal for each other, and what the wire does to it."""

    def __init__(self, one: Tx, other: Tx) -> None:
        self.one, self.other = one, other

    def tell(self, sender: Tx | None = None) -> None:
        """All that one of them has is told to the other."""
        sender = sender or self.one
        receiver, epoch = (self.other, EPOCH) if sender is self.one else (self.one, OTHER)
        after = 0
        while True:
            upto, rows = read(sender, after)
            if upto == after:
                return
            found = PAIR.parse(PAIR.lot(Lot("gw1", epoch, after, upto, tuple(dict(row) for row in rows))))
            assert isinstance(found, Lot)
            assert take(receiver, epoch, found.after, found.upto, found.rows)
            after = upto


@contextmanager
def opened(folder: Path) -> Iterator[Tx]:
    folder.mkdir()
    tx = open_file(folder / "gateway.db", bytes(KEY_BYTES))
    tx.keeps_copies = True
    tx.put_offer(Offer("o-1", {}, {}, audience="everyone", value_cents=300))
    tx.put_offer(Offer("o-2", {}, {}, audience="everyone", value_cents=300, budget_id="b-1"))
    tx.put_member(Member("m-1", "Ada", "de"))
    try:
        yield tx
    finally:
        tx.db.close()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    with ExitStack() as stack:
        yield Two(stack.enter_context(opened(tmp_path / "one")), stack.enter_context(opened(tmp_path / "other")))


def ask(tx: Tx, key: str, asked: Asked) -> dict[str, object]:
    answer, _ = settle(tx, AT, key, asked, lambda: f"r-{key}")
    assert not isinstance(answer, str)
    return {"result": answer.result, "reason": answer.reason, "id": answer.redemption_id}


def reserve(tx: Tx, key: str, offer_id: str = "o-1") -> str:
    found = ask(tx, key, Asked("reserve", offer_id=offer_id))
    assert found["result"] == "reserved", found
    return str(found["id"])


def events(tx: Tx) -> list[str]:
    return [row.type for row in tx.outbox_after(0, 1_000)]


def test_what_somebody_was_shown_counts_at_the_other_box(two: Two) -> None:
    two.one.record(Decision("d-1", AT_MS, "zone", "m-1", "coffee", "bar", "o-1", ()))
    two.one.record(Decision("d-2", AT_MS, "zone", "m-1", "coffee", "bar", None, ()))
    two.one.note_contact("m-1", "c-1", Contact(AT_MS + 1, "o-2", True, "tablet"))
    two.tell()
    assert two.other.contacts("m-1", AT_MS + 2) == two.one.contacts("m-1", AT_MS + 2)
    assert len(two.other.contacts("m-1", AT_MS + 2)) == 2
    assert events(two.other) == []


def test_nobody_who_is_gone_comes_back_by_it(two: Two) -> None:
    two.one.note_contact("m-1", "c-1", Contact(AT_MS, "o-2", True))
    two.one.admit("m-1", Guard(b"k" * 16, 1))
    two.other.erase_member("m-1")
    two.tell()
    assert two.other.answers("m-1") == []
    assert two.other.guards("m-1") == []
    assert two.other.take_counts()["standby.of_nobody"] == 2


def test_a_proof_counts_once_at_both(two: Two) -> None:
    guard = Guard(b"k" * 16, 7)
    assert two.one.admit("m-1", guard)
    two.tell()
    assert not two.other.admit("m-1", guard)
    assert two.other.admit("m-1", Guard(b"k" * 16, 8))


def test_a_sale_that_one_began_is_ended_at_the_other_and_known_to_both(two: Two) -> None:
    held = reserve(two.one, "sale-001")
    two.tell()
    done = ask(two.other, "sale-002", Asked("confirm", held, receipt="R-1"))
    assert done["result"] == "committed"
    two.tell(two.other)
    for tx in (two.one, two.other):
        found = tx.redemption(held)
        assert found is not None
        assert (found.state, found.receipt) == (State.COMMITTED, "R-1")
    assert events(two.other) == ["redemption.committed"]
    assert events(two.one) == ["redemption.reserved"]
    assert ask(two.one, "sale-003", Asked("confirm", held, receipt="R-2"))["reason"] == "redemption.committed"


def test_the_same_request_gets_the_same_answer_from_the_other_one(two: Two) -> None:
    asked = Asked("reserve", offer_id="o-1")
    first = ask(two.one, "sale-001", asked)
    two.tell()
    assert ask(two.other, "sale-001", asked) == first
    assert len(two.other.held()) == 1


def test_a_lease_is_spent_where_it_was_lent(two: Two) -> None:
    two.one.put_lease(LeasePut("", "l-1", "b-1", "cents", 1_000, AT_MS * 2))
    held = reserve(two.one, "sale-001", "o-2")
    two.tell()
    assert ask(two.other, "sale-002", Asked("confirm", held, receipt="R-1"))["result"] == "committed"
    back = ask(two.other, "sale-003", Asked("reverse", held, cents=100))
    assert back["result"] == "reversed"
    two.tell(two.other)
    lease = two.one.lease("l-1")
    assert lease is not None
    assert (lease.held, lease.spent) == (0, 200)
    assert two.other.lease("l-1") is None


@pytest.mark.parametrize("action", ["cancel", "confirm"])
def test_two_that_went_different_ways_stay_as_they_are(two: Two, action: str) -> None:
    held = reserve(two.one, "sale-001")
    two.tell()
    ask(two.one, "sale-002", Asked("confirm", held, receipt="R-1"))  # nobody heard the answer: it was not copied
    ask(two.other, "sale-003", Asked(action, held, receipt="R-1"))  # type: ignore[arg-type]  # both are actions
    two.tell(two.other)
    two.tell()
    one = two.one.redemption(held)
    assert one is not None
    assert one.state is State.COMMITTED


def test_a_coupon_that_is_held_at_both_is_redeemed_at_one(two: Two) -> None:
    """A till asked one box, heard no answer, and asked the other one."""
    held = {}
    for tx, name in ((two.one, "sale-one"), (two.other, "sale-other")):
        held[name] = reserve(tx, name)
        tx.db.execute("UPDATE redemption SET coupon = 'hq/0a' WHERE redemption_id = ?", [held[name]])
    two.tell()
    assert two.other.redemption(held["sale-one"]) is None
    assert two.other.take_counts()["standby.coupon_twice"] == 1
    assert ask(two.other, "sale-002", Asked("confirm", held["sale-other"], receipt="R"))["result"] == "committed"
    two.tell(two.other)
    assert two.one.redemption(held["sale-other"]) is None
    assert two.one.coupon_state("hq/0a") is State.COMMITTED
    assert ask(two.one, "sale-003", Asked("confirm", held["sale-one"], receipt="R"))["reason"] == "coupon.used"
    later = AtTill("till-1", None, Times(AT_MS * 2, AT_MS * 2, AT_MS * 2), False)  # what was held has ended
    settle(two.one, later, "sale-004", Asked("reserve", offer_id="o-1"), lambda: "r-4")
    assert two.one.coupon_state("hq/0a") is State.COMMITTED


def test_a_gap_is_seen_and_nothing_behind_it_is_taken(two: Two) -> None:
    for number in range(4):
        two.one.note_contact("m-1", f"c-{number}", Contact(AT_MS, "o-1", True))
    upto, rows = read(two.one, 2)
    assert not take(two.other, EPOCH, 2, upto, rows)
    assert two.other.answers("m-1") == []
    two.tell()
    assert two.other.copied_from() == (EPOCH, 4)
    assert take(two.other, EPOCH, 2, upto, rows)  # once more changes nothing
    assert len(two.other.answers("m-1")) == 4
    assert not take(two.other, "3e" * 16, 2, upto, rows)  # a box that was put back begins anew


def test_a_lot_is_bounded(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(copying.ROWS + 10):
        two.one.note_contact("m-1", f"c-{number}", Contact(AT_MS, "o-1", True))
    assert read(two.one, 0)[0] == copying.ROWS
    monkeypatch.setattr(copying, "LOT_BYTES", 300)
    upto, rows = read(two.one, 0)
    assert upto == len(rows) < 10
    assert len(json.dumps(rows)) < 1_000
    two.tell()
    assert len(two.other.answers("m-1")) == copying.ROWS + 10


def test_a_copy_that_contradicts_what_is_here_stops_no_other(two: Two) -> None:
    held = reserve(two.one, "sale-001")
    assert ask(two.one, "sale-002", Asked("confirm", held, receipt="R-1"))["result"] == "committed"
    two.one.note_contact("m-1", "c-1", Contact(AT_MS, "o-2", True))
    values = [held, 7, "committed", 1, 1, "", ""]  # nobody else writes that
    two.other.db.execute("INSERT INTO redemption_entry VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    two.tell()
    assert two.other.take_counts()["standby.not_borne"] >= 1
    assert "c-1" in [row["decision_id"] for row in two.other.answers("m-1")]
