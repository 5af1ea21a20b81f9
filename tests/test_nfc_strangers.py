"""Strangers who tap leave the service as it was: nobody in its heap or files, next to nobody in freed memory.

The real service in the systemd unit's environment, with real nfcpy and an emulated chip as its reader, takes chip
numbers and holds a key of each use, so every conversation goes as far as it can. `make strangers` is the long form.
"""

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers import cards
from gateway import keys
from gateway.apply import apply
from gateway.core import sealing
from gateway.core.changes import ConfigPut, ConsentAdd, CredentialPut, Delta, MemberPut
from gateway.core.model import ConsentRecord, ConsentState, Member, Purpose, ShopConfig
from gateway.emulator.chip import Pn532Rig
from gateway.store import Store
from tests.rigs import system, tapping, traces
from tests.rigs.broker import free_port
from tests.rigs.flooded import PLANTED, PLANTED_INTEGERS, Flooded, unit_environment
from tests.rigs.shop import NOTICE
from tests.rigs.system import get, wait_for

STRANGERS = int(os.environ.get("NFC_STRANGERS", "20"))  # each kind once
GATEWAY = "test/musterstadt/gw1"
GAP_S = 0.3  # two looks without a card, with room for a slow machine
PHONE_GAP_S = cards.PHONE_HOLD_MS / 1000 + GAP_S
SEEN_S = 3.0  # what is not news within so long is none
SETTLE_S = 1.5  # many looks at an empty field

# Strangers in freed memory when the last of them has left: what is freed is overwritten, but for 8 bytes of a block
# here and there. Seen: none; with nfcpy's own Type 2 tag 5 of 40.
MAX_LATEST = 1
# And after the members' taps that follow. Seen: none.
MAX_REMNANTS = 1


class Desk:
    """The service, its reader, and hands that hold cards before it."""

    def __init__(self, folder: Path, rig: Pn532Rig) -> None:
        self.data, port = folder / "data", free_port()
        self._url, self._rig = f"http://127.0.0.1:{port}/api/v1/status", rig
        config = folder / "gateway.toml"
        config.write_text(
            f'[gateway]\ntenant = "test"\nstore = "musterstadt"\nid = "gw1"\ndata_dir = "{self.data}"\n'
            f"[http]\nport = {port}\n[nfc]\napple_vas = true\nchip_numbers = true\n"
            f'[[source]]\npath = "nfc:{rig.path}"\nreceiver = "bar-nfc"\n'
            '[[receiver]]\nid = "bar-nfc"\nzone = "coffee"\nscreen = "bar"\n[[screen]]\nid = "bar"\nzone = "coffee"\n'
        )
        fill(self.data)
        self.process = Flooded(config, self.data / "service.log", unit_environment())
        wait_for(self._listens, "the reader")

    def counts(self) -> dict[str, int]:
        return {name: count for name, count in system.counts(self.data).items() if name.startswith("nfc.")}

    def tap(self, spec: dict[str, Any], drop_after: int | None = None) -> None:
        """Until it was delivered, or was no news."""
        before, until_s = self.counts(), time.monotonic() + SEEN_S
        self._rig.present(spec, drop_after)
        while self.counts() == before and time.monotonic() < until_s:
            time.sleep(0.02)
        self._rig.remove()
        time.sleep(PHONE_GAP_S if spec["uid"] is None else GAP_S)

    def search_memory(self, others: dict[bytes, int]) -> set[int]:
        """Strangers of whom something is anywhere in the process's memory."""
        return {number for number in traces.in_memory(self.process.pid, others) if number <= STRANGERS}

    def search_heap(self) -> set[int]:
        return set(self.process.ask("heap"))

    def _listens(self) -> bool:
        status = get(self._url) or {"parts": []}
        return any(part["name"] == "receiver:bar-nfc" and part["state"] == "ok" for part in status["parts"])


def fill(data: Path) -> None:
    """A member for each kind of credential, and the shop's keys."""
    data.mkdir(mode=0o700)
    root_key, now_ms = keys.site_key(data), time.time_ns() // 1_000_000
    changes: list[Any] = [ConfigPut(ShopConfig(notice=NOTICE))]
    for at, own in enumerate(tapping.members()):
        record = ConsentRecord(f"m-{at}-1", f"m-{at}", Purpose.RECOGNISE_NFC, ConsentState.GIVEN, 1, hq_seq=1)
        credential = CredentialPut(f"m-{at}-nfc", f"m-{at}", own.kind, own.value)
        changes += [MemberPut(Member(f"m-{at}")), credential, ConsentAdd(record)]
    changes += tapping.sealed(GATEWAY, sealing.public_key(keys.gateway_key(data)))
    store = Store(data / "gateway.db", "e" * 32, root_key)

    async def applied() -> None:
        await store.run(lambda tx: apply(tx, Delta(0, 1, tuple(changes)), store.identifier_key, now_ms, GATEWAY))

    asyncio.run(applied())
    store.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Pn532Rig() as rig:
        one = Desk(tmp_path, rig)
        try:
            yield one
        finally:
            assert one.process.close() == 0


@pytest.mark.timeout(900 if STRANGERS > 100 else 180)
def test_strangers_who_tap_leave_nothing(desk: Desk) -> None:
    public_keys: dict[bytes, int] = {}
    for number in range(1, STRANGERS + 1):
        held = tapping.stranger(number)
        public_keys |= dict.fromkeys(held.items, number)
        desk.tap(held.spec, held.drop_after)
    time.sleep(SETTLE_S)
    latest = desk.search_memory(public_keys)
    for own in tapping.members():
        desk.tap(own.shown(1))
    time.sleep(SETTLE_S)
    remnants, heap, counts = desk.search_memory(public_keys), desk.search_heap(), desk.counts()
    print(f"\n{STRANGERS} strangers' taps: {json.dumps(counts)}; in memory after the last: {sorted(latest)}, ", end="")
    print(f"after {len(tapping.members())} members' taps: {sorted(remnants)}; in the heap: {sorted(heap)}")
    assert {number for number in heap if number <= STRANGERS} == set()
    assert traces.in_files(desk.data) == set()
    assert len(latest) <= MAX_LATEST and len(remnants) <= MAX_REMNANTS
    assert counts["nfc.taps"] == len(tapping.members())
    assert sum(counts.values()) >= STRANGERS
    searches_find_what_is_planted(desk)


def searches_find_what_is_planted(desk: Desk) -> None:
    """In the heap, in memory, in files."""
    assert desk.process.ask("plant") == len(PLANTED)
    assert set(PLANTED) <= desk.search_heap()
    assert set(PLANTED) - set(PLANTED_INTEGERS) <= traces.in_memory(desk.process.pid)
    assert traces.in_memory(desk.process.pid, {b"musterstadt": 1}) >= {1}
    (desk.data / "planted.log").write_text(tapping.uid(PLANTED[0]))
    assert traces.in_files(desk.data) == {PLANTED[0]}


@pytest.mark.parametrize("number", range(1, tapping.KINDS + 1))
def test_each_kind_of_stranger_bears_the_marks_or_has_a_key(number: int) -> None:
    held = tapping.stranger(number)
    texts = re.findall(r'"((?:[0-9a-f]{2}){6,})"', json.dumps(held.spec))
    borne = set().union(*(traces.found(text.encode()) | traces.found(bytes.fromhex(text)) for text in texts))
    assert borne == (set() if held.items else {number})
