"""The one thread that owns the gateway's SQLite file, and its group commits.

`Store.run(work)` runs `work(tx)` in the writer thread and returns its value after COMMIT, never before. Works that
wait together share one commit. They are applied in the order of submission and their callers resume in that order,
so a withdrawal that was submitted after a decision also reaches the screens after it.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypeVar

from gateway import diskstate, erasures, keycopy, lastrun, wipe, withdrawals
from gateway.ballast import BALLAST_BYTES, Ballast
from gateway.core.changes import OutboxRow
from gateway.core.model import Event
from gateway.core.streams import TERMS, Stream
from gateway.dbfile import ASIDE, drop_file, means_damage, open_file
from gateway.errors import StoreError, UnavailableError
from gateway.ledgerfile import Ledger
from gateway.records import Tx

T = TypeVar("T")

# Of works that nobody waits for and that tell nothing, or what happened in the shop.
GROUP_MS = TERMS[Stream.BUSINESS].wait_ms
# What nobody waits for, such as the end of a visit: at an event every two seconds it then shares another's commit. A
# power cut takes at most twice this of it, which nobody was told.
PATIENT_MS = 5_000
# Bytes per event fall little beyond 50 a commit (1.3 KB at 50), and a larger group keeps its members waiting longer.
MAX_GROUP = 50
# 10,000 works x about 1 kB = 10 MB; a disk that is 10,000 commits behind is a broken disk.
MAX_QUEUE = 10_000
# Pages wiped between two commits: 1 MB is 5 ms here, and on a slow SD card 100 ms.
WIPE_PAGES = 256
PAGE_BYTES = 4_096  # SQLite's default, which nothing here changes


@dataclass(slots=True)
class _Job:
    """`work` None ends the thread; `alone` runs outside any transaction; `vital` also while the disk is full."""

    work: Callable[[Tx], object] | None
    within_ms: int
    loop: asyncio.AbstractEventLoop | None = None
    done: "asyncio.Future[Any] | None" = None
    alone: bool = False
    vital: bool = False

    def settle(self, value: object, error: BaseException | None) -> None:
        """To be called on the caller's loop."""
        if self.done is None or self.done.done():  # the caller was cancelled; what it asked for is committed
            return
        if error is None:
            self.done.set_result(value)
        else:
            self.done.set_exception(error)


_Settled = tuple[_Job, object, BaseException | None]


def _settle(ended: Sequence[_Settled]) -> None:
    """Tell the callers, in their order. One call for those of a loop: each wakes it by a write to a pipe."""
    for loop, of_loop in groupby(ended, lambda one: one[0].loop):
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle_here, list(of_loop))


def _settle_here(ended: Sequence[_Settled]) -> None:
    for job, value, error in ended:
        job.settle(value, error)


class Store:
    """Open with `Store(path, new_epoch, root_key)`; `new_epoch` (32 hex digits) names the outbox if the file is new
    or was put back from a backup.

    `identifier_key`: static identifiers and one-time codes are kept as hashes under it. `max_group`: how many works
    share a commit, at most. Raises ConfigError if the file
    cannot be opened (also with another root key) or a newer release wrote it.
    """

    def __init__(
        self, path: Path, new_epoch: str, root_key: bytes, now_ms: int = 0, *, max_group: int = MAX_GROUP
    ) -> None:
        self._max_group = max_group
        self._erasures = Ledger(path.parent, erasures.KIND)
        self._withdrawals = Ledger(path.parent, withdrawals.KIND)
        wal = path.with_name(f"{path.name}-wal")
        self.ended_badly = wal.exists() and wal.stat().st_size > 0  # whoever ends in order leaves none
        self.damaged = False  # SQLite said so of this file
        self._tx = open_file(path, root_key, now_ms)
        self._db = self._tx.db
        self.identifier_key = self._tx.identifier_key
        # Open as long as the database is: closing it would end the locks that SQLite holds on the same file.
        self._file = os.open(path, os.O_RDWR)
        self._folder = path.parent
        restored = lastrun.is_backup(self._tx, path.parent)
        behind = lastrun.is_behind(self._tx, path.parent)
        with contextlib.suppress(OSError, sqlite3.Error):  # a full disk must not keep the service from its start
            lastrun.begin(self._tx, path.parent)
        with self._db.atomic():
            self.recovery = erasures.recover(self._tx, self._erasures)
            self.withdrawn_again = withdrawals.recover(self._tx, self._withdrawals)
            unknown = self.recovery.erased > 0 or self.withdrawn_again.older
            # What the power took between a ledger and its commit is no backup: the numbers since were never given.
            is_old = restored or (unknown and behind) or self.withdrawn_again.doubt
            if is_old or self._tx.meta("epoch") is None:
                _begin_anew(self._tx, new_epoch, now_ms, restored=is_old or self._tx.is_in_pieces)
        with contextlib.suppress(OSError):
            lastrun.end(self._tx, path.parent)
        self._copy_keys()
        self.is_in_pieces = self._tx.is_in_pieces
        self.epoch = str(self._tx.meta("epoch"))
        self.floor = self._tx.floor()  # as the installer left it before this start
        self._copied: Callable[[], Awaitable[None]] | None = None
        self._owes_purge = False
        self._ballast = Ballast(path.with_suffix(".ballast"))
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()  # bounded by MAX_QUEUE in `_submit`
        self._thread = threading.Thread(target=self._write, name="store", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[Tx], T], within_ms: int = 0, *, vital: bool = False) -> T:
        """The value of `work(tx)` after COMMIT. It may wait about `within_ms` for company.

        Raises StoreError if the disk refuses, and whatever `work` raises; in both cases nothing of it is stored.
        `vital` work (acknowledgements, withdrawals, what the line to HQ needs) goes on while the disk is full.
        """
        return await self._submit(work, within_ms, vital=vital)

    def keep_copies(self, copied: Callable[[], Awaitable[None]]) -> None:
        """Keep in mind what the shop's other box is to know; `copied` returns once that is on its way."""
        self._tx.keeps_copies, self._copied = True, copied

    async def copied(self) -> None:
        """The shop's other box can know all that is committed so far. Raises StoreError where it may not."""
        try:
            if self._copied is not None:
                await self._copied()
        except UnavailableError as error:
            raise StoreError(str(error)) from error

    async def purge(self) -> bool:
        """Nothing that was deleted is left in the write-ahead log. False = somebody reads it, try again."""
        return await self._submit(Tx.truncate_log, 0, alone=True)

    async def sweep(self, needles: Collection[bytes] | None) -> Literal["clean", "busy", "held"]:
        """Overwrite the copies of deleted rows in the file that hold one of `needles`, None = all copies there are.

        "busy" = somebody reads the file, try again; "held" = a needle stands in a row that is there. Needles are
        searched beside the writer thread, and only pages that hold one are written.
        """
        if not await self.purge():
            return "busy"
        pages: Collection[int] = wipe.all_pages(self._file) if needles is None else await self._pages_with(needles)
        listed = sorted(pages)
        for start in range(0, len(listed), WIPE_PAGES):
            batch = listed[start : start + WIPE_PAGES]
            if not await self._submit(partial(self._wipe, pages=batch), 0, alone=True):
                return "busy"
        return "held" if needles is not None and listed and await self._pages_with(needles) else "clean"

    async def _pages_with(self, needles: Collection[bytes]) -> Collection[int]:
        return await asyncio.to_thread(wipe.pages_with, self._file, needles)

    async def outbox_after(
        self, seq: int, limit: int, stream: Stream | None = None, upto: int | None = None
    ) -> list[OutboxRow]:
        """Up to `limit` unconfirmed events of a stream, None = of all, after `seq` and up to `upto`, oldest first."""
        return await self.run(lambda tx: tx.outbox_after(seq, limit, stream, upto), vital=True)

    async def outbox_newest(self) -> dict[Stream, int]:
        """Of each stream the highest number that is not confirmed, 0 = there is none."""
        return await self.run(lambda tx: {stream: tx.newest(stream) for stream in Stream}, vital=True)

    async def acknowledge(self, stream: Stream, seq: int) -> None:
        """Delete what HQ confirmed of a stream; what a card or phone shows is then nowhere in the files any more.

        While somebody else reads them, that is made up for at the next call.
        """
        if await self.run(lambda tx: tx.acknowledge(stream, seq), GROUP_MS, vital=True):
            self._owes_purge = True
        if self._owes_purge:
            with contextlib.suppress(StoreError):
                self._owes_purge = not await self.purge()

    async def acknowledged(self) -> dict[Stream, int]:
        """The highest number of each stream that HQ confirmed."""
        return await self.run(lambda tx: {stream: tx.acked(stream) for stream in Stream}, vital=True)

    async def hq_version(self) -> int:
        """The version of HQ's line that is applied here."""
        return await self.run(lambda tx: tx.hq_version, vital=True)

    async def erase_seq(self) -> int:
        """The number up to which HQ's erasures are done here."""
        return await self.run(lambda tx: tx.erase_seq, vital=True)

    async def last_number(self) -> int:
        """The newest number that an event of this outbox has."""
        return await self.run(lambda tx: tx.last_number, vital=True)

    async def renumber(self, new_epoch: str) -> None:
        """Headquarters has numbers of this outbox that nobody here has given: this is a backup of it, and goes on under
        another name (32 hex digits)."""
        await self.run(lambda tx: _begin_anew(tx, new_epoch, 0, restored=True), vital=True)
        self.epoch = new_epoch

    async def next_boot(self) -> int:
        """A boot number never used before, stored before it is used."""

        def raise_boot(tx: Tx) -> int:
            boot = int(tx.meta("boot") or 0) + 1
            tx.put_meta("boot", str(boot))
            return boot

        return await self.run(raise_boot, vital=True)

    def close(self) -> None:
        """Commit what waits, stop the thread and close the file; once more it does nothing."""
        self._jobs.put(_Job(None, 0))
        self._thread.join()

    def _submit(
        self, work: Callable[[Tx], T], within_ms: int, *, alone: bool = False, vital: bool = False
    ) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        if self._jobs.qsize() < MAX_QUEUE:
            self._jobs.put(_Job(work, within_ms, loop, done, alone, vital))
        else:
            done.set_exception(StoreError("the disk is too slow: too many commits wait"))
        return done

    # --- the writer thread -----------------------------------------------------------------------------------

    def _write(self) -> None:
        job = self._jobs.get()
        while job.work is not None:
            if job.alone:
                self._run_alone(job)
                job = self._jobs.get()
            else:
                group, follower = self._gather(job)
                self._commit(group)
                job = follower or self._jobs.get()
        self._db.close()
        os.close(self._file)

    def _gather(self, first: _Job) -> tuple[list[_Job], _Job | None]:
        """`first` and its company, and a job that came meanwhile but can't share their commit.

        Halving the patience with each arrival bounds the whole wait by twice the first one's, without a clock.
        """
        group, wait_ms = [first], float(first.within_ms)
        while len(group) < self._max_group:
            try:
                job = self._jobs.get(timeout=wait_ms / 1000) if wait_ms >= 1 else self._jobs.get_nowait()
            except queue.Empty:
                break
            if job.alone or job.work is None:
                return group, job
            group.append(job)
            wait_ms = min(wait_ms / 2, job.within_ms)
        return group, None

    def _commit(self, group: list[_Job]) -> None:
        if self._ballast.thrown and not self._has_room():
            _settle([(job, None, StoreError("the disk refused: it is full")) for job in group if not job.vital])
            group = [job for job in group if job.vital]
            if not group:
                return
        for last in (False, True):
            try:
                self._commit_together(group)
                return
            except (sqlite3.Error, StoreError) as error:
                self.damaged = self.damaged or means_damage(error)
                self._tx.take_news()
                self._tx.taken_back()
                if last or self._ballast.thrown or "full" not in str(error):
                    refused = diskstate.refusal(self._folder, error)
                    break
                self._ballast.throw()
        _settle([(job, None, refused) for job in group])

    def _has_room(self) -> bool:
        """Whether a full disk has room again: for the ballast itself, or inside our file after deletions."""
        try:
            return self._ballast.load() or self._tx.free_pages() * PAGE_BYTES >= BALLAST_BYTES // 4
        except sqlite3.Error:  # the file cannot even be read: the commit itself says why
            return True

    def _commit_together(self, group: list[_Job]) -> None:
        with self._db.atomic():
            ended = [self._attempt(job) for job in group]
            steps = self._write_ledgers()
        if self._tx.keys_changed:
            self._copy_keys()
        _settle(ended)
        if steps:
            with contextlib.suppress(OSError):  # then a backup of this run may be taken for a step that was torn
                lastrun.end(self._tx, self._folder)

    def _copy_keys(self) -> None:
        with contextlib.suppress(OSError):  # then the next start does it
            keycopy.write(self._folder, self._tx.wrapped())
        self._tx.keys_changed = False

    def _write_ledgers(self) -> bool:
        """On the disk before the commit: never do they know less than the database. False = there was nothing."""
        news = self._tx.take_news()
        if not news:
            return False
        lastrun.count_step(self._tx)
        with contextlib.suppress(OSError):
            drop_file(self._folder / ASIDE)  # whoever it is about may stand there, too
        self._erasures.append([entry for ledger, entry in news if ledger == "erasures"])
        withdrawals.append(self._tx, self._withdrawals, [entry for ledger, entry in news if ledger == "withdrawals"])
        return True

    def _attempt(self, job: _Job) -> _Settled:
        """One work inside its savepoint: its own mistake takes back its own writes and nobody else's."""
        assert job.work is not None
        before, execute = self._tx.unwritten, self._db.conn.execute
        # Always of one name, so that SQLite parses it once: `atomic` draws a new one each time, and that took longer
        # than the work itself.
        execute("SAVEPOINT work")
        self._tx.keep_meta(True)
        try:
            value = job.work(self._tx)
        except BaseException as error:
            if self._db.conn.in_transaction:  # a full disk may have ended all of it
                execute("ROLLBACK TO work")
                execute("RELEASE work")
            if isinstance(error, sqlite3.OperationalError) or not isinstance(error, Exception):
                raise  # full disk, read-only file system: the whole group goes back
            self.damaged = self.damaged or means_damage(error)
            self._tx.take_news(before)
            self._tx.taken_back()
            return job, None, error
        finally:
            self._tx.keep_meta(False)
        execute("RELEASE work")
        return job, value, None

    def _run_alone(self, job: _Job) -> None:
        assert job.work is not None
        try:
            _settle([(job, job.work(self._tx), None)])
        except (sqlite3.Error, OSError) as error:
            self.damaged = self.damaged or means_damage(error)
            _settle([(job, None, diskstate.refusal(self._folder, error))])

    def _wipe(self, tx: Tx, pages: Sequence[int]) -> bool:
        """Overwrite what these pages hold beside their rows, while no copy of them is in the log or in memory."""
        if not tx.truncate_log():
            return False
        tx.let_go_of_pages()
        wipe.wipe(self._file, pages)
        return True


def _begin_anew(tx: Tx, epoch: str, now_ms: int, *, restored: bool) -> None:
    """Name the outbox anew: under the former name headquarters has other events with these numbers. What a restored
    database does not know to be spent, it asks for."""
    tx.put_meta("epoch", epoch)
    if restored and (tx.hq_version or tx.is_in_pieces):
        tx.begin_doubt()
        tx.emit(Event("tills.restored", tx.kept_from(now_ms), {"epoch": epoch}))
