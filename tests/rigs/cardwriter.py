"""A small shop for power cuts: `python -m tests.rigs.cardwriter CARD TOLD SEED` writes through the real Store.

Events come one by one and share commits, acknowledgements delete them, members come, take back a consent and are
erased, until it is killed.
The file TOLD, off the card, says how far it was told that its work is on the disk. What each event holds follows from
its number, so that whoever looks knows what must stand there.
"""

import asyncio
import os
import random
import secrets
import struct
import sys
from dataclasses import astuple, dataclass
from pathlib import Path

from gateway import rekey
from gateway.core.model import Act, ConsentRecord, ConsentState, Event, Member, Purpose
from gateway.dbfile import DATABASE
from gateway.records import Tx
from gateway.store import GROUP_MS, Store
from tests.rigs.confirm import confirm

NOW_MS = 1_800_000_000_000
PURPOSE = Purpose.RECOGNISE_NFC
AT_ONCE = 12  # works that wait for their commit at any moment
_FORM = struct.Struct("<5Q")


@dataclass
class Told:
    """`accepted`: the highest event whose commit was told. `asked`, `acked`: up to where an acknowledgement was given
    to the store, and came back. `begun`, `erased`: the highest member who was there, and whose end was told."""

    accepted: int = 0
    asked: int = 0
    acked: int = 0
    begun: int = 0
    erased: int = 0

    def write(self, path: Path) -> None:
        fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        os.pwrite(fd, _FORM.pack(*astuple(self)), 0)
        os.close(fd)

    @classmethod
    def read(cls, path: Path) -> "Told":
        return cls(*_FORM.unpack(path.read_bytes())) if path.exists() else cls()


def body(number: int) -> dict[str, object]:
    """What event `number` says; some fill more than a page."""
    fill = random.Random(number)
    return {"n": number, "fill": fill.randbytes(fill.choice((20, 100, 400, 3_000))).hex()}


def member(number: int) -> str:
    return f"member-{number:06}"


def open_store(card: Path, now_ms: int = NOW_MS) -> Store:
    """As the product opens it."""
    return Store(card / "data" / DATABASE, secrets.token_hex(16), rekey.root_key(card / "data"), now_ms)


class Writer:
    def __init__(self, card: Path, path: Path, rng: random.Random) -> None:
        self._store = open_store(card)
        self._path = path
        self._rng = rng
        self.told = Told.read(path)

    async def run(self) -> None:
        await asyncio.gather(*(self._events() for _ in range(AT_ONCE)), self._acknowledge(), self._members())

    async def _events(self) -> None:
        while True:
            number = await self._store.run(_emit_next, self._rng.choice((0, GROUP_MS)))
            self._tell(accepted=number)
            await asyncio.sleep(self._rng.random() / 100)

    async def _acknowledge(self) -> None:
        while True:
            await asyncio.sleep(self._rng.random() / 5)
            number = self._rng.randint(self.told.acked, self.told.accepted)
            self._tell(asked=number)
            await self._store.run(lambda tx, number=number: confirm(tx, number), GROUP_MS)
            self._tell(acked=number)

    async def _members(self) -> None:
        number = self.told.begun
        while True:
            number += 1
            name = member(number)
            await self._store.run(lambda tx, name=name: _join(tx, name))
            self._tell(begun=number)
            await self._store.run(lambda tx, name=name: _take_back(tx, name), vital=True)
            await self._store.run(lambda tx, name=name: tx.erase_member(name, at_ms=NOW_MS), vital=True)
            self._tell(erased=number)
            await asyncio.sleep(self._rng.random() / 5)

    def _tell(self, **news: int) -> None:
        for name, value in news.items():
            setattr(self.told, name, max(getattr(self.told, name), value))
        self.told.write(self._path)


def _emit_next(tx: Tx) -> int:
    number = tx.last_number + 1
    tx.emit(Event("visit.moved", NOW_MS, body(number)))
    return number


def _join(tx: Tx, name: str) -> None:
    tx.put_member(Member(name, f"Call-{name}"))
    tx.take_consent(ConsentRecord(f"given-{name}", name, PURPOSE, ConsentState.GIVEN, NOW_MS - 1), NOW_MS)


def _take_back(tx: Tx, name: str) -> None:
    tx.record_act(name, {PURPOSE: False}, Act("1", "screen"), NOW_MS, lambda: secrets.token_hex(16))


if __name__ == "__main__":
    asyncio.run(Writer(Path(sys.argv[1]), Path(sys.argv[2]), random.Random(sys.argv[3])).run())
