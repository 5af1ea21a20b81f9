"""A gateway that is killed at any moment: what its tills were told stands in the ledger, once, and no more is spent."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from gateway.core.changes import LeasePut
from gateway.core.model import Offer
from gateway.store import Store

ROOT = Path(__file__).parents[1]
AMOUNT = 100_000
KILLS = 8

# Twenty tills at a time. Whoever asks numbers their requests, begins again at the first one, and hears each answer.
GATEWAY = """
import asyncio, json, secrets, sys
from dataclasses import asdict
from pathlib import Path
from gateway.checkout import Asked, settle
from gateway.reserving import AtTill
from gateway.core.redemption import Times
from gateway.store import Store

store = Store(Path(sys.argv[1]) / "gateway.db", "e" * 32, bytes(32))
AT = Times(10**12, 10**12, 10**12)

async def ask(till, key, asked):
    at = AtTill(till, None, AT, False)
    answer, _ = await store.run(lambda tx: settle(tx, at, key, asked, lambda: secrets.token_hex(16)))
    print(json.dumps([till, key, asdict(answer)]), flush=True)
    return answer

async def sell(till):
    for number in range(10_000):
        held = await ask(till, f"reserve-{number}", Asked("reserve", offer_id="o-1", cents=100))
        if held.result != "reserved":
            return
        sold = Asked("confirm", held.redemption_id, cents=60, receipt=f"R-{till}-{number}")
        await ask(till, f"confirm-{number}", sold)
        if number % 3 == 0:
            await ask(till, f"reverse-{number}", Asked("reverse", held.redemption_id, cents=10))

async def main():
    await asyncio.gather(*(sell(f"till-{number}") for number in range(20)))

asyncio.run(main())
"""


def run_until_killed(folder: Path, answers: int, then_s: float) -> list[list[object]]:
    """What the tills were told before the power went, a moment after so many answers; a line that was torn was not
    told."""
    program = [sys.executable, "-c", GATEWAY, str(folder)]
    process = subprocess.Popen(program, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE)
    assert process.stdout is not None
    heard = b"".join(process.stdout.readline() for _ in range(answers))
    time.sleep(then_s)
    process.send_signal(signal.SIGKILL)
    lines = (heard + process.stdout.read()).splitlines(keepends=True)
    process.stdout.close()
    process.wait()
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


async def test_what_was_told_is_kept_once_through_kills(tmp_path: Path) -> None:
    store = Store(tmp_path / "gateway.db", "e" * 32, bytes(32))
    await store.run(
        lambda tx: tx.put_offer(Offer("o-1", {}, {}, audience="everyone", budget_id="b-1", value_cents=100))
    )
    await store.run(lambda tx: tx.put_lease(LeasePut("", "l-1", "b-1", "cents", AMOUNT, 2 * 10**12)))
    store.close()

    rng = random.Random(4)
    told: dict[tuple[str, str], dict[str, object]] = {}
    for _ in range(KILLS):
        news = rng.randint(1, 3 * 60)  # behind the answers that it gives again: a few rounds of sixty requests
        for till, key, answer in run_until_killed(tmp_path, len(told) + news, rng.uniform(0, 0.02)):
            assert told.setdefault((str(till), str(key)), answer) == answer  # type: ignore[arg-type]  # JSON objects
    sold = [answer for (_, key), answer in told.items() if answer["result"] == "committed"]
    back = [answer for (_, key), answer in told.items() if answer["result"] == "reversed"]
    assert len(sold) > 50

    with closing(Store(tmp_path / "gateway.db", "e" * 32, bytes(32))) as again:
        entries = await again.run(
            lambda tx: tx.db.execute("SELECT redemption_id, kind, cents FROM redemption_entry").fetchall()
        )
        lease = await again.run(lambda tx: tx.lease("l-1"))
        waiting = [row for row in await again.outbox_after(0, 10**6) if row.type.startswith("redemption.")]
        integrity = await again.run(lambda tx: tx.db.execute("PRAGMA integrity_check").fetchone())
    assert integrity == ("ok",)
    committed = {name for name, kind, _ in entries if kind == "committed"}
    assert len(committed) == sum(kind == "committed" for _, kind, _ in entries)
    assert {answer["redemption_id"] for answer in sold} <= committed
    # Killed after the commit and before the answer: at most one request of each till and kill was not heard.
    assert len(committed) - len(sold) <= 20 * KILLS
    assert sum(kind == "reversed" for _, kind, _ in entries) >= len(back)
    net = sum({"committed": cents, "reversed": -cents}.get(kind, 0) for _, kind, cents in entries)
    assert lease is not None
    assert lease.spent == net
    assert lease.held + lease.spent <= AMOUNT
    assert len(waiting) == len(entries)
