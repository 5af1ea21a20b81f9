"""What the chain over the consent log costs a decision, a start and the card: `store-gateway bench consent`."""

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from gateway.core.consent import may
from gateway.core.model import AgeGate, ClockQuality, ConsentRecord, ConsentState, Purpose
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from gateway.results import Result
from gateway.tables.consents import MAX_READ

MEMBERS = 2_000  # far more than the store keeps read
ROUNDS = 2_000
NOW_MS = 1_800_000_000_000
_PAGE = 50  # as recognition.PAGE


def consent() -> list[Result]:
    """Members with a grant for each of the eight purposes and all that a record can say."""
    with _shop() as tx:
        names = [f"m{n:05}" for n in range(MEMBERS)]
        appended_us = _each_us(lambda n: _append(tx, names[n]), len(names)) / len(Purpose)
        first_us = _each_us(lambda n: tx.consents(names[n % MEMBERS]), ROUNDS)
        again_us = _each_us(lambda n: tx.consents(names[n % (MAX_READ // 2)]), ROUNDS)
        pages = MEMBERS // _PAGE
        start_us = _each_us(lambda n: tx.consents_between(names[n * _PAGE], names[n * _PAGE + _PAGE - 1]), pages)
        standing = tx.consents(names[0])
        gate_us = _each_us(lambda n: may(Purpose.STAFF_ADVICE, standing, NOW_MS + 1), ROUNDS * 10)
        (stored,) = tx._one("SELECT sum(length(body) + length(prev) + length(mac)) FROM consent")
    return [
        Result("consents_first_us", first_us, "us a member", "read and checked: at most 500"),
        Result("consents_again_us", again_us, "us a member", "while nothing changed: at most 100"),
        Result("consents_start_us", start_us / _PAGE, "us a member", "read at the start: at most 300"),
        Result("consent_append_us", appended_us, "us a record", "checked before and written: at most 1,000"),
        Result("may_us", gate_us, "us", "at most 5"),
        Result("entry_bytes", stored / MEMBERS / len(Purpose), "bytes", "at most 600"),
    ]


@contextmanager
def _shop() -> Iterator[Tx]:
    with tempfile.TemporaryDirectory() as folder:
        db = Database(Path(folder) / "bench.db")
        migrate(db)
        try:
            with db.atomic():
                yield Tx(db, Vault(secrets.token_bytes(32)))
        finally:
            db.close()


def _append(tx: Tx, member_id: str) -> None:
    receipt_id = secrets.token_hex(16)
    for purpose in Purpose:
        record = ConsentRecord(
            event_id=secrets.token_hex(16),
            member_id=member_id,
            purpose=purpose,
            state=ConsentState.GIVEN,
            given_at_ms=NOW_MS,
            hq_seq=1,
            notice_version="2026-11",
            channel="tablet",
            receipt_id=receipt_id,
            notice_id="notice-1",
            notice_sha256=secrets.token_hex(32),
            language="de",
            jurisdiction="EU",
            method="toggle",
            device_id="tablet-1",
            store_id="acme/munich-1/gw-1",
            age_gate=AgeGate.OVER_16,
            clock=ClockQuality.SYNCHRONISED,
        )
        tx.take_consent(record, NOW_MS)


def _each_us(work: Callable[[int], object], times: int) -> float:
    began_s = time.perf_counter()
    for number in range(times):
        work(number)
    return (time.perf_counter() - began_s) / times * 1e6
