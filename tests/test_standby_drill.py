"""Two real boxes of one shop and a real broker: whoever serves is killed, is cut off and comes back. Nobody is met
twice in a visit, no coupon is redeemed twice, and never do two serve.

`make standby` runs it: on loopback, and as root in network namespaces, where cables are pulled too. It prints what
happened. What is in `make test` instead: test_seat.py, test_pair.py, test_copying.py, test_duty.py.
"""

import os
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from gateway import broker
from tests.rigs.figures import Tell
from tests.rigs.system import counts, wait_for
from tests.rigs.twoboxes import Shop

MET = 5  # members that were met before the first box goes

pytestmark = [
    pytest.mark.broker,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.environ.get("STANDBY_DRILL") != "1", reason="make standby"),
    pytest.mark.skipif(broker.mosquitto() is None, reason="needs Mosquitto"),
]


def on_disk(shop: Shop, table: str, what: str, which: str) -> Counter[str]:
    """How often something stands in the files of both boxes together; what was copied is one with what it is of."""
    found: set[tuple[str, str]] = set()
    for box in shop.boxes:
        with closing(sqlite3.connect(f"file:{box.data / 'gateway.db'}?mode=ro", uri=True)) as db:
            found |= set(db.execute(f"SELECT {table}_id, {what} FROM {table} WHERE {which}"))
    return Counter(what for _, what in found)


def met(shop: Shop) -> Counter[str]:
    """How often each member was shown something by their presence."""
    return on_disk(shop, "decision", "member_id", "offer_id IS NOT NULL")


def booked(shop: Shop) -> Counter[str]:
    """How often each coupon stands in headquarters' ledger."""
    with closing(sqlite3.connect(f"file:{shop.hq_db}?mode=ro", uri=True)) as db:
        return Counter(one for (one,) in db.execute("SELECT coupon FROM redemption_entry WHERE kind = 'committed'"))


def sells(shop: Shop, more: int = 10) -> None:
    sold = len(shop.told.committed)
    wait_for(lambda: len(shop.told.committed) > sold + more, "the till to sell")


def judge(shop: Shop, tell: Tell, taken_s: dict[str, float]) -> None:
    """Stop, and count what headquarters and the till were told."""
    shop.stop_selling()
    assert shop.failed == []
    at_till = shop.told
    contacts = met(shop)
    redeemed = on_disk(shop, "redemption", "coupon", "state = 'committed'")
    ledger = booked(shop)
    tell(
        f"taken over: {', '.join(f'{what} {seconds:.1f} s' for what, seconds in taken_s.items())}; members met "
        f"{len(contacts)}, contacts {contacts.total()}, most of one {max(contacts.values(), default=0)}; coupons "
        f"redeemed {len(redeemed)}, twice {sum(n > 1 for n in redeemed.values())}, told {len(at_till.committed)}; "
        f"till asked {at_till.asked} times, longest answer {at_till.longest_s:.1f} s, refused {dict(at_till.refused)}; "
        f"at headquarters {ledger.total()} coupons, twice {sum(n > 1 for n in ledger.values())}"
    )
    assert len(contacts) >= MET
    assert max(contacts.values()) == 1
    assert len(at_till.committed) > 20
    assert max(at_till.committed.values()) == max(redeemed.values()) == max(ledger.values()) == 1
    assert set(at_till.refused) <= {"coupon.used", "coupon.held", "redemption.committed", "stopped"}


def test_one_that_is_killed_is_followed_and_nothing_happens_twice(tmp_path: Path, tell: Tell) -> None:
    with Shop(tmp_path, cables=False) as shop:
        assert shop.serving() == ["gw1"]
        shop.sell()
        sells(shop)
        wait_for(lambda: len(met(shop)) >= MET, "members to be met")
        shop.box("gw1").process.kill()
        killed_s = shop.until_served_by("gw2")
        sells(shop)
        before = len(met(shop))
        wait_for(lambda: len(met(shop)) > before, "somebody to be met there")
        judge(shop, tell, {"killed": killed_s})


def test_one_that_is_killed_cut_off_or_comes_back(tmp_path: Path, tell: Tell) -> None:
    with Shop(tmp_path, cables=True) as shop:
        shop.sell()
        one, other = shop.box("gw1"), shop.box("gw2")
        taken_s = {}
        sells(shop)
        wait_for(lambda: len(met(shop)) >= MET, "members to be met")
        one.process.kill()
        taken_s["killed"] = shop.until_served_by("gw2")
        sells(shop)
        one.process.start()
        wait_for(lambda: shop.get(one, "/api/v1/serving"), "the first box")
        sells(shop, 30)
        assert shop.serving() == ["gw2"]  # it came back as the standby
        shop.cut(other)
        taken_s["cut off"] = shop.until_served_by("gw1")
        assert counts(other.data)["standby.stood_down"] == 1  # asked on its own disk, for its cable is out
        sells(shop)
        shop.heal(other)
        wait_for(lambda: shop.get(other, "/api/v1/serving"), "the second box")
        sells(shop, 30)
        assert shop.serving() == ["gw1"]
        one.process.stop()
        taken_s["stopped"] = shop.until_served_by("gw2")
        sells(shop)
        judge(shop, tell, taken_s)
