"""The file beside the database in which the members of a snapshot are made ready, so that the shop's own writer never
waits for it: sealed, chained and without whoever was erased, as they will stand in the database.

Every method but `end` blocks and runs in another thread than the event loop's.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from gateway import wipe
from gateway.apply import apply_member
from gateway.core.changes import BalancePut, Change, LedgerEntry
from gateway.core.model import Event
from gateway.core.vault import Vault
from gateway.dbfile import drop_file, open_beside, refusals
from gateway.errors import StoreError
from gateway.records import Tx
from gateway.tables.rows import FLOOR
from gateway.touched import Touched

FILE = "snapshot.db"
# Ops between two pauses: 3 ms here, 15 ms on a Pi 4. Python runs one thread at a time, so this is what a tap may wait.
STEP = 20
PAUSE_S = 0.002
# What consents and purchases depend on beside the member: of the shop's own `meta`.
MIRRORED = ("clock", "child_programme", "shop", "floor_ms", FLOOR)


@dataclass(slots=True)
class Told:
    """What a chunk has to tell the shop's own database before it is kept: events, entries of the ledger of withdrawals,
    and balances in which steps of this shop are counted."""

    events: list[Event] = field(default_factory=list)
    withdrawals: list[LedgerEntry] = field(default_factory=list)
    balances: list[BalancePut] = field(default_factory=list)


class _StagedTx(Tx):
    """The same tables; what they tell is told only where something waits for a person, and erasures are the shop's."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self.told = Told()
        self.erased: frozenset[bytes] = frozenset()
        super().__init__(db, vault)

    def emit(self, event: Event) -> None:
        if event.type == "consent.parked":
            self.told.events.append(event)

    def is_erased(self, member_id: str) -> bool:
        return bool(self.erased) and self.digest(member_id) in self.erased


class Staging:
    """`site_key` hashes static identifiers; `gateway`: our own "tenant/store/id"."""

    def __init__(self, path: Path, vault: Vault, site_key: bytes, gateway: str) -> None:
        self._path = path
        self._vault = vault
        self._site_key = site_key
        self._gateway = gateway
        self._ended = threading.Event()
        self._lock = threading.RLock()  # `end` waits for what runs
        self._tx: _StagedTx | None = None
        self._erased: frozenset[bytes] = frozenset()

    def open(self, stage: str) -> bool:
        """Whether the file is the one of this name; another one, or one that does not open, is made anew under it."""
        with self._lock:
            try:
                if self._meta("stage") == stage:
                    return True
            except StoreError:  # torn or another's: it is only a copy
                if self._ended.is_set():
                    raise
            self.drop()
            with refusals():
                tx = self._opened()
                tx.begin()
                tx.put_meta("stage", stage)
                tx.commit()
            return False

    def end(self) -> None:
        """What runs ends at its next pause, and nothing of it is kept. It is of no use any more."""
        self._ended.set()
        with self._lock:
            self._close()

    def drop(self) -> None:
        """The file and everything in it. Raises StoreError."""
        with self._lock:
            self._close()
            with refusals():
                drop_file(self._path)

    # --- filling it --------------------------------------------------------------------------------------------

    @property
    def chunks(self) -> int:
        """How many chunks are in it, from the first on."""
        return int(self._meta("chunks") or 0)

    @property
    def ops(self) -> int:
        """How many ops they had; -1 = they are of several revisions of the manifest, so that nothing follows of it."""
        return -1 if self._meta("revisions") else int(self._meta("ops") or 0)

    def take(
        self, changes: Sequence[Change], shop: Mapping[str, str], notices: Mapping[tuple[str, str], str], now_ms: int
    ) -> Told:
        """Apply the next chunk; it is kept by `keep` only. `shop`: MIRRORED of the shop's own database, `notices` its
        texts' hashes. Raises StoreError."""
        touched = Touched()
        with self._lock, refusals():
            tx = self._opened()
            tx.told = Told()
            tx.begin()  # takes back one that was not kept
            tx.take_news()
            tx.keep_meta(True)
            try:
                for key, value in shop.items():
                    tx.put_meta(key, value)
                tx.mirror_notices(notices)
                for number, change in enumerate(changes):
                    if number % STEP == 0 and self._ended.wait(PAUSE_S):
                        raise StoreError("the service ends")
                    apply_member(tx, change, self._site_key, self._gateway, now_ms, touched)
                    if isinstance(change, BalancePut) and any(one.gateway == self._gateway for one in change.counted):
                        tx.told.balances.append(change)
            finally:
                tx.keep_meta(False)
            tx.told.withdrawals = [entry for ledger, entry in tx.take_news() if ledger == "withdrawals"]
            return tx.told

    def keep(self, number: int, ops: int, revision: int) -> None:
        """Commit what `take` applied as the chunk of this number. Raises StoreError."""
        with self._lock, refusals():
            tx = self._opened()
            if not tx.is_begun:
                raise StoreError("the service ends")
            if tx.meta("revision") not in (None, str(revision)):
                tx.put_meta("revisions", "1")
            tx.put_meta("revision", str(revision))
            tx.put_meta("ops", str(int(tx.meta("ops") or 0) + ops))
            tx.put_meta("chunks", str(number + 1))
            tx.commit()

    # --- erasures ----------------------------------------------------------------------------------------------

    def forget(self, digests: frozenset[bytes]) -> int:
        """Whoever these keyed hashes mean is in it no more, nor will be; of how many members bytes were wiped."""
        with self._lock, refusals():
            tx = self._opened()
            news, self._erased = digests - self._erased, digests
            tx.erased = digests
            gone = tx.members_of(news).values() if news else ()
            if not gone:
                return 0
            tx.begin()
            for member_id in gone:
                tx.clear_tables(member_id)
            tx.commit()
            tx.truncate_log()
            self._close()  # closing the file once more would end the locks that SQLite holds on it
            file = os.open(self._path, os.O_RDWR)
            try:
                wipe.wipe(file, wipe.pages_with(file, {one.encode() for one in gone}))
            finally:
                os.close(file)
            return len(gone)

    # --- reading it --------------------------------------------------------------------------------------------

    def rows(
        self, table: str, after: Sequence[object], limit: int
    ) -> tuple[list[tuple[Any, ...]], tuple[str | int, ...]]:
        """The next raw rows of a table, and the primary key of the last of them. Raises StoreError."""
        with self._lock, refusals():
            tx = self._opened()
            rows = tx.rows_after(table, after, limit)
            return rows, tx.key_of(table, rows[-1]) if rows else ()

    # --- inside ------------------------------------------------------------------------------------------------

    def _meta(self, key: str) -> str | None:
        with self._lock, refusals():
            return self._opened().meta(key)

    def _close(self) -> None:
        if self._tx is not None:
            self._tx.db.close()
            self._tx = None

    def _opened(self) -> _StagedTx:
        if self._ended.is_set():
            raise StoreError("the service ends")
        if self._tx is None:
            self._tx = open_beside(self._path, lambda db: _StagedTx(db, self._vault))
            self._tx.erased = self._erased
        return self._tx
