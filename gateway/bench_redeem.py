"""How many redemptions a shop's tills get through, and how long a cashier waits: `store-gateway bench redeem`."""

import asyncio
import secrets
import tempfile
import time
from pathlib import Path

from gateway.checkout import Answer, Asked, settle
from gateway.core.changes import CouponsPut, LeasePut
from gateway.core.model import Offer
from gateway.core.redemption import CouponClass, Times
from gateway.records import Tx
from gateway.reserving import AtTill
from gateway.results import Result
from gateway.store import Store

TILLS = 100
SALES = 30  # of each till: a reservation and a receipt
DAY = 5_000  # redemptions that stand in the ledger of today already: a busy shop at noon
NOW_MS = 1_800_000_000_000
TIMES = Times(NOW_MS, NOW_MS, NOW_MS)
AMOUNT = 10**9


def redeem() -> list[Result]:
    """A hundred tills at once on a real file, out of a lease and within a day's limit, headquarters away."""
    waits_ms, seconds, alone_ms = asyncio.run(_redeem())
    waits_ms.sort()
    return [
        Result("redeem_per_s", TILLS * SALES / seconds, "sales/s", "each reserved and confirmed: at least 50"),
        Result("redeem_p99_ms", waits_ms[len(waits_ms) * 99 // 100], "ms", "one request of 100 tills: at most 1,000"),
        Result("redeem_alone_ms", alone_ms, "ms", "one request, nobody else: at most 50"),
    ]


async def _redeem() -> tuple[list[float], float, float]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.db", secrets.token_hex(16), bytes(32))
        try:
            await store.run(_fill)
            waits_ms: list[float] = []
            began_s = time.perf_counter()
            await asyncio.gather(*(_sell(store, f"till-{number}", SALES, waits_ms) for number in range(TILLS)))
            seconds = time.perf_counter() - began_s
            alone_ms: list[float] = []
            await _sell(store, "till-alone", SALES, alone_ms)
        finally:
            store.close()
    return waits_ms, seconds, sorted(alone_ms)[len(alone_ms) // 2]


def _fill(tx: Tx) -> None:
    tx.put_coupon_rules(CouponsPut((CouponClass("day", "lease"),)))
    tx.put_lease(LeasePut("", "l-1", "b-1", "cents", AMOUNT, NOW_MS * 2))
    tx.put_offer(Offer("o-1", {}, {}, audience="everyone", value_cents=300, budget_id="b-1", coupon_class="day"))
    at = AtTill("till-before", None, TIMES, hq_there=False)
    for number in range(DAY):
        held, _ = settle(tx, at, f"reserve-{number:08}", Asked("reserve", offer_id="o-1"), _new_id)
        assert isinstance(held, Answer)
        sold = Asked("confirm", str(held.redemption_id), receipt=f"R-{number}")
        settle(tx, at, f"confirm-{number:08}", sold, _new_id)
    tx.put_coupon_rules(CouponsPut((CouponClass("day", "lease", day_cents=AMOUNT),)))  # each sums the day from now on


async def _sell(store: Store, till: str, sales: int, waits_ms: list[float]) -> None:
    at = AtTill(till, None, TIMES, hq_there=False)

    async def ask(asked: Asked) -> Answer:
        began_s = time.perf_counter()
        outcome, _ = await store.run(lambda tx: settle(tx, at, secrets.token_hex(8), asked, _new_id))
        waits_ms.append((time.perf_counter() - began_s) * 1000)
        assert isinstance(outcome, Answer)
        assert outcome.result != "refused"
        return outcome

    for number in range(sales):
        held = await ask(Asked("reserve", offer_id="o-1"))
        await ask(Asked("confirm", str(held.redemption_id), receipt=f"R-{till}-{number}"))


def _new_id() -> str:
    return secrets.token_hex(16)
