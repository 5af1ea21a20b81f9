"""Measures what sealing costs: a profile looked up, credentials opened at the start, bytes a row.

The same code, rows and moment with a vault that seals and one that does not; each figure has the other beside it.
"""

import gc
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gateway.core import eid
from gateway.core.model import ConsentRecord, ConsentState, Credential, CredentialKind, Member, Purpose, TalkingPoint
from gateway.core.vault import Vault
from gateway.dbfile import open_file
from gateway.records import Tx
from gateway.results import Result

MEMBERS = 2_000
CREDENTIALS = 100_000
LOOKUPS = 100
ROUNDS = 200  # in turn and short, so that a neighbour's load meets both; the best of each counts
READS = 3
PAGE = 50  # as gateway.recognition reads them
NOW_MS = 1_800_000_000_000

_TEXT = {"de": "Der Bergkäse ist jetzt zwölf Monate gereift.", "en": "The mountain cheese is twelve months old now."}
_WHY = {"de": "Interesse: Käse", "en": "Interest: cheese"}


class _Clear(Vault):
    """Seals nothing."""

    def seal(self, place: str, clear: bytes) -> bytes:
        return clear

    def open(self, place: str, sealed: bytes) -> bytes:
        return sealed


def seal(members: int = MEMBERS, credentials: int = CREDENTIALS) -> list[Result]:
    """Sealed beside clear: lookups, opening at the start, bytes."""
    with tempfile.TemporaryDirectory() as folder:
        sealed, clear = (_filled(Path(folder) / f"{name}.db", name, members) for name in ("sealed", "clear"))
        rng = random.Random(2)
        asked = [f"m-{rng.randrange(members):012x}" for _ in range(LOOKUPS)]
        profile = _best_us(lambda tx: [tx.person(one, NOW_MS) for one in asked], sealed, clear)
        row = _best_us(lambda tx: [tx.member(one) for one in asked], sealed, clear)
        size = [tx.sealed_bytes() / members for tx in (sealed, clear)]
        for tx in (sealed, clear):
            _add_credentials(tx, credentials)
        reads = [[_read_s(tx, members + credentials) for tx in (sealed, clear)] for _ in range(READS)]
        opened = [min(times) for times in zip(*reads, strict=True)]
        for tx in (sealed, clear):
            tx.db.close()
    return [
        Result("profile_ratio", profile[0] / profile[1], "", "at most 1.10", {"clear": 1}),
        Result("profile_us", profile[0], "us", "-", {"clear": profile[1]}),
        Result("member_row_us", row[0], "us", "-", {"clear": row[1]}),
        Result("open_credentials_s", opened[0], "s", f"{credentials:,} credentials", {"clear": opened[1]}),
        Result("bytes_per_member", size[0], "bytes", "profile and one key", {"clear": size[1]}),
    ]


def _filled(path: Path, name: str, members: int) -> Tx:
    tx = open_file(path, bytes(32))
    if name == "clear":
        tx = Tx(tx.db, _Clear(bytes(32)))
    rng = random.Random(1)
    given = (Purpose.RECOGNISE_BLE, Purpose.PERSONALISE_OFFERS, Purpose.STAFF_ADVICE)
    points = tuple(TalkingPoint(_TEXT, _WHY) for _ in range(3))
    with tx.db.atomic():
        for n in range(members):
            member_id = f"m-{n:012x}"
            tx.put_member(Member(member_id, f"Muster{n}", "de", ("cheese", "bread"), ("Bergkäse am Stück",), points))
            tx.put_credential(Credential(f"c-{n}", member_id, CredentialKind.EID, rng.randbytes(eid.KEY_BYTES), 10))
            for purpose in given:
                tx.add_consent(
                    ConsentRecord(f"{n}-{purpose}", member_id, purpose, ConsentState.GIVEN, NOW_MS - 1, hq_seq=1)
                )
    return tx


def _add_credentials(tx: Tx, credentials: int) -> None:
    rng = random.Random(3)
    with tx.db.atomic():
        for n in range(credentials):
            tx.put_credential(
                Credential(f"d-{n:012x}", f"n-{n:012x}", CredentialKind.EID, rng.randbytes(eid.KEY_BYTES), 10)
            )


def _best_us(look: Callable[[Tx], object], *stores: Tx) -> list[float]:
    """The best time of one lookup in each of the stores."""
    best = [float("inf")] * len(stores)
    gc.disable()
    for _ in range(ROUNDS):
        for at, tx in enumerate(stores):
            began_s = time.thread_time()
            look(tx)
            best[at] = min(best[at], (time.thread_time() - began_s) / LOOKUPS * 1e6)
    gc.enable()
    return best


def _read_s(tx: Tx, expected: int) -> float:
    """Every credential, as the service reads them when it starts."""
    began_s, after, found = time.thread_time(), "", 0
    while page := tx.holders_after(after, PAGE):
        found += sum(len(credentials) for _, credentials, _ in page)
        after = page[-1][0]
    assert found == expected
    return time.thread_time() - began_s
