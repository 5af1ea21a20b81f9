"""The power goes at random moments while the real store writes: what was told to be on the disk is there, and whole.

`POWER_CUTS` and `POWER_SEED` set the length; `make powercuts` cuts 200 times. Root, loop devices and ext4 are needed.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway import erasures, ledgerfile, withdrawals
from gateway.dbfile import DATABASE
from gateway.records import Tx
from gateway.store import Store
from tests.rigs.cardwriter import PURPOSE, Told, body, member, open_store
from tests.rigs.figures import Tell
from tests.rigs.powercut import PowerCut, power_cut
from tests.rigs.seeds import seed
from tests.rigs.system import wait_for

CUTS = int(os.environ.get("POWER_CUTS", "3"))
SEED = seed("POWER_SEED")
EMPTY_EVERY, STARTING_EVERY = 10, 3  # cuts on an empty card; cuts while the service starts
PAGE = 500

pytestmark = pytest.mark.timeout(120 + 20 * CUTS)


@contextmanager
def writing(power: PowerCut, told: Path, number: int) -> Iterator[subprocess.Popen[bytes]]:
    """The writer, until it is killed."""
    command = [sys.executable, "-m", "tests.rigs.cardwriter", str(power.card), str(told), f"{SEED} {number}"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def all_rows(store: Store) -> dict[int, tuple[str, str]]:
    rows, after = {}, 0
    while page := await store.outbox_after(after, PAGE):
        rows |= {row.seq: (row.type, row.body) for row in page}
        after = page[-1].seq
    return rows


async def looked_at(card: Path, before: Told, gone: set[str]) -> tuple[Told, int]:
    """The card after a cut, opened as the product opens it: what stands there, how many events more than were told."""
    store = open_store(card)
    try:
        assert await store.run(lambda tx: tx.db.execute("PRAGMA integrity_check").fetchall()) == [("ok",)]
        assert not store.recovery.doubt
        assert not store.withdrawn_again.doubt
        (acked,), last = set((await store.acknowledged()).values()), await store.last_number()
        assert before.acked <= acked <= last
        assert last >= before.accepted
        rows = await all_rows(store)
        assert list(rows) == list(range(acked + 1, last + 1))
        for number, (kind, told) in rows.items():
            if kind == "visit.moved":
                assert json.loads(told) == body(number)

        def still_known(tx: Tx) -> list[str]:
            return [one for one in gone if tx.has_member(one) or PURPOSE in tx.consents(one) or not tx.is_erased(one)]

        assert await store.run(still_known) == []
    finally:
        store.close()
    for kind, least in ((erasures.KIND, len(gone)), (withdrawals.KIND, len(gone))):
        found = ledgerfile.read(card / "data" / kind.name, kind) or ledgerfile.Found([], 0, 0)
        assert not found.damaged
        assert len(found.entries) >= least
    return Told(last, acked, acked, before.begun, before.erased), last - before.accepted


def test_no_power_cut_loses_or_spoils_what_was_told(tell: Tell) -> None:
    rng = random.Random(SEED)
    accepted = beyond = starting = empty = 0
    gone: set[str] = set()
    with power_cut() as power:
        told = power.beside / "told"
        for number in range(CUTS):
            if number % EMPTY_EVERY == EMPTY_EVERY - 1:
                power.empty()
                told.unlink()
                gone, empty = set(), empty + 1
            began = Told.read(told)
            with writing(power, told, number) as writer:
                if number % STARTING_EVERY == STARTING_EVERY - 1:
                    wait_for((power.card / "data" / DATABASE).exists, "the database")
                    starting += 1
                    time.sleep(rng.uniform(0, 0.3))
                else:
                    wait_for(lambda began=began: Told.read(told).accepted > began.accepted, "the writer")
                    time.sleep(rng.uniform(0, 1.5))
                before = Told.read(told)
                power.cut()
                assert writer.poll() is None
            after = Told.read(told)  # what was told behind the cut is not on this card, but its names are taken
            power.restore()
            gone |= {member(one) for one in range(began.begun + 1, before.erased + 1)}
            found, more = asyncio.run(looked_at(power.card, before, gone))
            accepted, beyond = accepted + before.accepted - began.accepted, beyond + more
            Told(found.accepted, found.asked, found.acked, after.begun + 1, after.begun + 1).write(told)
    tell(
        f"seed {SEED}: {CUTS} power cuts, {starting} of them while the service started, {empty} on a new card; "
        f"{accepted} events told to be on the disk, 0 lost and {beyond} more there; "
        f"{len(gone)} people erased on the last card"
    )
    assert accepted > 10 * CUTS


def test_the_rig_loses_what_was_not_flushed() -> None:
    """Else the test above could not fail: what a program wrote and did not flush is gone."""
    with power_cut() as power:
        kept, lost = power.card / "kept", power.card / "lost"
        with kept.open("wb") as file:
            file.write(b"x" * 100_000)
            file.flush()
            os.fsync(file.fileno())
        lost.write_bytes(b"x" * 100_000)
        power.cut()
        power.restore()
        assert kept.read_bytes() == b"x" * 100_000
        assert not lost.exists() or lost.read_bytes() != b"x" * 100_000
