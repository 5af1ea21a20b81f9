"""Erasures in whatever order things come, go, are replayed and restored: who was erased is never known again.

`ERASURE_STEPS` sets the steps of one run; every step is checked, and each run searches all files at its end.
"""

import asyncio
import os
import shutil
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.apply import _about as about_whom
from gateway.core.changes import Change, Delta, Erasure, Erasures, MemberErase
from gateway.core.model import ConsentRecord, ConsentState, CredentialKind, Member, Purpose, Token
from tests.rigs.confirm import confirmed
from tests.rigs.shop import Shop, basics, member

STEPS = int(os.environ.get("ERASURE_STEPS", "30"))
RUNS = 25
NAMES = [f"pseudonym-{letter}" for letter in "abcdef"]
ALL = tuple(Purpose)

acts = st.one_of(
    st.tuples(st.sampled_from(["put", "order", "ask", "delta"]), st.integers(0, len(NAMES) - 1)),
    st.tuples(
        st.sampled_from(["restart", "backup", "restore", "replay", "stale", "head", "settle"]), st.integers(0, 9)
    ),
)


class Life:
    """One shop and headquarters' side of it. `gone`: who was erased, by whichever way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gone: set[str] = set()
        self.sent: list[Erasures] = []
        self.deltas: list[Delta] = []
        self.backup: bytes | None = None
        self.seq = 0

    async def begin(self) -> None:
        self.shop = Shop(self.folder)
        await self.shop.flow.start()
        await self.change(*basics())

    async def change(self, *changes) -> None:
        have = await self.shop.store.hq_version()
        delta = Delta(have, have + 1, changes)
        self.deltas.append(delta)
        await self.shop.flow.on_hq_change(delta)

    async def act(self, kind: str, number: int) -> None:
        name = NAMES[number % len(NAMES)]
        match kind:
            case "put":
                await self.change(*member(name, *ALL))
            case "delta":
                await self.change(MemberErase(name))
                self.gone.add(name)
            case "order":
                self.seq += 1
                self.sent.append(Erasures(self.seq - 1, self.seq, (Erasure(self.seq, name),)))
                await self.shop.flow.on_erasures(self.sent[-1])
                self.gone.add(name)
            case "ask":
                if await self.shop.flow.on_erase(name, "screen") == "ok":
                    self.gone.add(name)
            case "head":
                await self.shop.flow.on_head(self.seq)
            case "replay" if self.sent:
                await self.shop.flow.on_erasures(self.sent[number % len(self.sent)])
            case "stale":
                await self.shop.flow.on_hq_change(self.deltas[number % len(self.deltas)])
            case "restart":
                await self.restart()
            case "backup":
                await self.restart()
                self.backup = (self.folder / "gateway.db").read_bytes()
            case "restore" if self.backup is not None:
                await self.restart(self.backup)
            case "settle":
                await self.shop.settle()

    async def restart(self, database: bytes | None = None) -> None:
        await self.shop.settle()
        await self.shop.store.purge()
        self.shop.store.close()
        if database is not None:
            for name in ("gateway.db-wal", "gateway.db-shm"):
                (self.folder / name).unlink(missing_ok=True)
            (self.folder / "gateway.db").write_bytes(database)
        self.shop = Shop(self.folder)
        await self.shop.flow.start()

    async def check(self) -> None:
        def known(tx) -> set[str]:
            return {m for m in self.gone if tx.has_member(m) or tx.credentials(m) or tx.consents(m)}

        assert await self.shop.store.run(known) == set()
        for name in self.gone:
            token = Token(CredentialKind.IBEACON, name.encode().ljust(20, b"-"))
            assert self.shop.resolver.resolve(token, self.shop.clock.ms) is None

    async def end(self) -> None:
        """Headquarters confirms all, and orders what was asked for; then no byte is left."""
        for name in sorted(self.gone):
            await self.act("order", NAMES.index(name))
        await confirmed(self.shop.store, 10**6)
        await self.shop.settle()
        await self.shop.tick(1)
        await self.shop.store.purge()
        data = b"".join(path.read_bytes() for path in self.folder.iterdir())
        assert [name for name in self.gone if name.encode() in data] == []
        alive = await self.shop.store.run(lambda tx: [name for name in NAMES if tx.has_member(name)])
        assert not self.gone & set(alive)
        self.shop.store.close()


@settings(max_examples=RUNS, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(acts, min_size=STEPS // 2, max_size=STEPS))
def test_nobody_who_was_erased_comes_back(steps: list[tuple[str, int]]) -> None:
    folder = Path(tempfile.mkdtemp())

    async def live() -> None:
        life = Life(folder)
        await life.begin()
        for kind, number in steps:
            await life.act(kind, number)
            await life.check()
        await life.end()

    try:
        asyncio.run(live())
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("kind", get_args(Change), ids=lambda kind: kind.__name__)
def test_no_kind_of_change_brings_an_erased_member_back(kind: type) -> None:
    """Also one that is added later: whatever field says whom it is about, the ledger has to be asked about them."""
    record = ConsentRecord("e-1", NAMES[0], Purpose.STAFF_ADVICE, ConsentState.GIVEN, 1)
    about = {"member": Member(NAMES[0]), "record": record, "member_id": NAMES[0]}
    names = {one.name for one in fields(kind)}
    change = object.__new__(kind)
    for name in names:
        object.__setattr__(change, name, about.get(name))
    assert about_whom(change) == (NAMES[0] if names & about.keys() and kind is not MemberErase else None)
