"""What it costs to take a snapshot of the members: `store-gateway bench snapshot`, on the product's own parts.

Headquarters is a folder of chunks. Staging and switch of 100,000 members are real from the first byte on, in a process
of its own whose memory is watched, with a shop beside it that commits fifty times a second. For the switch of a million
(`--million`) both generations are filled with rows of the same sizes and random bytes, because staging them takes an
hour; the switch is the product's.
"""

import asyncio
import hashlib
import json
import multiprocessing
import os
import random
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gateway import switching
from gateway.core.changes import Change, ConsentAdd, CredentialPut, MemberPut
from gateway.core.fetching import Piece, Want
from gateway.core.model import ConsentRecord, ConsentState, CredentialKind, Event, Member, Purpose, TalkingPoint
from gateway.core.snapshot import PART_CHUNKS, ManifestPart
from gateway.errors import PeerError
from gateway.health import Health
from gateway.records import Tx
from gateway.results import Result
from gateway.snapshots import Snapshots
from gateway.store import Store
from gateway.tables.beside import BEFORE, NEXT
from gateway.tables.snapshots import Underway
from gateway.touched import Touched
from sync import ops, snapshot_messages
from sync.messages import compact

MEMBERS, MILLION = 100_000, 1_000_000
KILLS, KILLED_MEMBERS = 50, 3_000
OPS_A_CHUNK, KILLED_OPS_A_CHUNK = 700, 100  # packed, 700 ops of these members are 50 KiB
RUN_S = (0.1, 1.0)  # of a process before it is killed, from its first question on
PROBE_S = 0.02  # between two commits of the shop
FILL_ROWS = 20_000  # a commit, where no shop is beside it
ACTS = 200  # members of whom only this shop knows something
NOW_MS = 1_800_000_000_000
VERSION = 6_000_000
MEMBER_BYTES, CREDENTIAL_BYTES, CONSENT_BYTES = 405, 56, 250  # as a profile of 365 bytes and its rows are stored
GOALS = {
    "switch_100k_s": "at most 1",
    "switch_1m_s": "at most 4",
    "extra_mb": "at most 60",
    "resent_chunks_max": "at most 1",
    "refused": "at least 2 of 2",
}
_TEXT = {"de": "Fragt gern nach neuen Röstungen", "en": "Likes to ask for new roasts"}


class _Clock:
    speed = 1.0

    def now_ms(self) -> int:
        return NOW_MS + int(time.monotonic() * 1000)

    async def sleep(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)


def snapshot(million: bool = False) -> list[Result]:
    """Staging, switch, memory, interruptions, refusals."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(1, mp_context=spawn) as apart:
        folder = Path(name)
        _write_chunks(folder / "hq", MEMBERS, OPS_A_CHUNK)
        found: dict[str, float] = apart.submit(_taken, folder, MEMBERS).result()
        if million:
            found |= apart.submit(_million, folder / "million", MILLION).result()
        _write_chunks(folder / "small", KILLED_MEMBERS, KILLED_OPS_A_CHUNK)
        found["resent_chunks_max"] = _interrupted(folder, random.Random(1))
        found["refused"] = asyncio.run(_refused(folder))
    units = {
        "extra_mb": "MB",
        "longest_wait_ms": "ms",
        "resent_chunks_max": f"chunks ({KILLS} kills)",
        "refused": "of 2",
    }
    return [Result(name, value, units.get(name, "s"), GOALS.get(name, "-")) for name, value in found.items()]


# --- headquarters ------------------------------------------------------------------------------------------------


def people(count: int, seed: int = 1) -> Iterator[Change]:
    """Members of a profile of 365 bytes, one or two credentials, two or three consents."""
    rng = random.Random(seed)
    for number in range(count):
        who = f"m-{number:08x}{rng.getrandbits(64):016x}"
        talk = (TalkingPoint(_TEXT, _TEXT),)
        yield MemberPut(Member(who, f"Name{rng.getrandbits(24):x}", "de", ("coffee", "wine"), ("Espresso",), talk))
        yield CredentialPut(f"c-{who}", who, CredentialKind.EID, rng.randbytes(16))
        if number % 2:
            yield CredentialPut(f"k-{who}", who, CredentialKind.NDEF, f"https://card.example/{who}".encode())
        for purpose in list(Purpose)[: 2 + number % 2]:
            event = f"{rng.getrandbits(128):032x}"
            yield ConsentAdd(ConsentRecord(event, who, purpose, ConsentState.GIVEN, NOW_MS - 10_000, hq_seq=number + 1))


def _write_chunks(folder: Path, members: int, each: int) -> None:
    folder.mkdir(mode=0o700)
    hashes: list[str] = []
    lines: list[str] = []
    count = 0

    def close() -> None:
        data = snapshot_messages.chunk(lines)
        hashes.append(hashlib.sha256(data).hexdigest())
        (folder / hashes[-1]).write_bytes(data)
        lines.clear()

    for change in people(members):
        lines.append(compact(ops.dump(change)))
        count += 1
        if len(lines) == each:
            close()
    if lines:
        close()
    (folder / "manifest").write_text(json.dumps({"hashes": hashes, "members": members, "ops": count}))


def _parts(folder: Path, version: int = VERSION) -> list[ManifestPart]:
    told = json.loads((folder / "manifest").read_text())
    hashes, count = told["hashes"], -(-len(told["hashes"]) // PART_CHUNKS)
    whole = (hashlib.sha256(b"%d" % version).hexdigest()[:32], 1, version, 0, NOW_MS, NOW_MS + 7 * 86_400_000)
    sizes = told["members"], told["ops"], len(hashes)
    cut = [hashes[at : at + PART_CHUNKS] for at in range(0, len(hashes), PART_CHUNKS)]
    return [
        ManifestPart(*whole, *sizes, part + 1, count, part * PART_CHUNKS, tuple(listed))
        for part, listed in enumerate(cut)
    ]


async def _line(snapshots: Snapshots, folder: Path, asked: Path | None = None) -> None:
    """Answers at once; `asked` gets a line for each question."""
    while True:
        for want in await snapshots.chunks.next_wants():
            if asked is not None:
                with asked.open("a") as file:
                    file.write(f"{want.sha256}\n")
            snapshots.chunks.take(_answer(folder, want))


def _answer(folder: Path, want: Want) -> Piece:
    data = (folder / want.sha256).read_bytes()
    return Piece(want.sha256, 0, len(data), data)


# --- the gateway -------------------------------------------------------------------------------------------------


async def _open(folder: Path, hq: Path) -> tuple[Store, Snapshots]:
    store = Store(folder / "gateway.db", secrets.token_hex(16), bytes(32))

    async def follow(touched: Touched) -> None:
        """No surface is here."""

    parse = snapshot_messages.parse_chunk
    place = store, folder, "bench/bench/bench", parse, _Clock(), Health()
    snapshots = Snapshots(*place, frozenset, follow, lambda: None, lambda: NOW_MS)
    for part in _parts(hq):
        await snapshots.on_part(part)

    def lack_members(tx: Tx) -> None:
        tx.put_meta("hq_version", str(VERSION))
        tx.put_meta("members_version", "0")

    await store.run(lack_members)
    return store, snapshots


def _taken(folder: Path, members: int) -> dict[str, float]:
    return asyncio.run(_measure(folder, members))


async def _measure(folder: Path, members: int) -> dict[str, float]:
    store, snapshots = await _open(folder / "shop", folder / "hq")
    line = asyncio.ensure_future(_line(snapshots, folder / "hq"))
    probe = _Probe(store)
    probing = asyncio.ensure_future(probe.run())
    began_s, times = time.perf_counter(), dict[str, float]()
    while (underway := await store.run(Tx.snapshot)) is not None:
        step_s = time.perf_counter()
        if await snapshots.turn():
            await asyncio.wait_for(snapshots._stir.wait(), 1)  # what `run` does
            snapshots._stir.clear()
        times[underway.step] = times.get(underway.step, 0.0) + time.perf_counter() - step_s
    line.cancel()
    probing.cancel()
    await asyncio.wait((line, probing))
    counted = await store.run(lambda tx: tx.member_count())
    assert counted == members, counted
    taken_s = time.perf_counter() - began_s
    snapshots.chunks.end()
    store.close()
    return {
        "stage_100k_s": times["staging"],
        "copy_100k_s": taken_s - times["staging"] - times["ready"],
        "switch_100k_s": times["ready"],
        "longest_wait_ms": probe.longest_s * 1000,
        "extra_mb": (probe.most_bytes - probe.first_bytes) / 1e6,
    }


class _Probe:
    """The shop beside it: an event now and then. `longest_s`: what one of its commits took at most."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.longest_s = 0.0
        self.first_bytes = self.most_bytes = _resident_bytes()

    async def run(self) -> None:
        while True:
            began_s = time.perf_counter()
            await self._store.run(lambda tx: tx.emit(Event("visit.moved", NOW_MS, {"n": 1})))
            self.longest_s = max(self.longest_s, time.perf_counter() - began_s)
            self.most_bytes = max(self.most_bytes, _resident_bytes())
            await asyncio.sleep(PROBE_S)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- a million ---------------------------------------------------------------------------------------------------


def _million(folder: Path, members: int) -> dict[str, float]:
    return asyncio.run(_switch_million(folder, members))


async def _switch_million(folder: Path, members: int) -> dict[str, float]:
    store = Store(folder / "gateway.db", secrets.token_hex(16), bytes(32))
    await _fill(store, members)
    await store.run(lambda tx: tx.exchange(NEXT, BEFORE))
    await store.run(lambda tx: [tx.drop_some(BEFORE, 1) for _ in range(16)])
    await _fill(store, members)

    def ready(tx: Tx) -> None:
        tx.begin_noting()
        for change in people(ACTS, seed=2):  # they joined here
            if isinstance(change, MemberPut):
                tx.put_member(change.member)
            elif isinstance(change, ConsentAdd):
                tx.take_consent(replace(change.record, hq_seq=0), NOW_MS)
        marks, schema = tx.form()
        tx.put_meta("hq_version", str(VERSION))
        sizes = 0, 0, 0  # of which the switch knows nothing
        tx.put_snapshot(Underway("a" * 32, 1, VERSION, 0, 0, *sizes, "ready", marks=marks, schema=schema))

    await store.run(ready)
    began_s = time.perf_counter()
    touched = await store.run(lambda tx: switching.switch(tx, (), NOW_MS))
    switch_s = time.perf_counter() - began_s
    assert touched is not None
    store.close()
    return {"switch_1m_s": switch_s}


async def _fill(store: Store, members: int) -> None:
    await store.run(lambda tx: tx.make_next())
    for first in range(0, members, FILL_ROWS):
        names = [f"m-{number:08x}" for number in range(first, min(first + FILL_ROWS, members))]
        for table, rows in _rows(names).items():
            await store.run(partial(Tx.put_next, table=table, rows=rows))


def _rows(names: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    mac = bytes(32)
    kinds = (("c", CredentialKind.EID), ("k", CredentialKind.NDEF))
    return {
        "member": [(one, os.urandom(MEMBER_BYTES)) for one in names],
        "credential": [
            (f"{word}-{one}", one, kind.value, os.urandom(CREDENTIAL_BYTES), 10, 0, 0)
            for word, kind in kinds
            for number, one in enumerate(names)
            if number % 2 or word == "c"
        ],
        "consent_head": [(one, os.urandom(80), mac) for one in names],
        "consent": [
            (one, n + 1, None, os.urandom(CONSENT_BYTES), mac, mac)
            for number, one in enumerate(names)
            for n in range(2 + number % 2)
        ],
    }


# --- interruptions and refusals ----------------------------------------------------------------------------------


def _interrupted(folder: Path, rng: random.Random) -> float:
    """The most chunks that were asked for once more after one kill."""
    most, kills, round_ = 0, 0, 0
    spawn = multiprocessing.get_context("spawn")
    while kills < KILLS:
        round_ += 1
        asked, shop = folder / f"asked-{round_}", folder / f"shop-{round_}"
        asked.touch()
        seen: set[str] = set()
        done = False
        while not done and kills < KILLS:
            before = len(asked.read_text().splitlines())
            child = spawn.Process(target=_child, args=(shop, folder / "small", asked))
            child.start()
            while child.is_alive() and len(asked.read_text().splitlines()) == before:
                child.join(0.02)
            child.join(rng.uniform(*RUN_S))
            done = not child.is_alive()
            child.kill()
            child.join()
            kills += not done
            again = asked.read_text().splitlines()[before:]
            most = max(most, len(seen & set(again)))
            seen |= set(again)
    return float(most)


def _child(shop: Path, hq: Path, asked: Path) -> None:
    async def run() -> None:
        store, snapshots = await _open(shop, hq)
        line = asyncio.ensure_future(_line(snapshots, hq, asked))
        taking = asyncio.ensure_future(snapshots.run())
        while await store.run(Tx.snapshot) is not None:  # noqa: ASYNC110 - another task of this process ends it
            await asyncio.sleep(0.05)
        for one in (line, taking):
            one.cancel()
        store.close()

    asyncio.run(run())


async def _refused(folder: Path) -> float:
    """How many of these are: a chunk that was tampered with, and a manifest that is older than one that was taken."""
    store, snapshots = await _open(folder / "refusing", folder / "small")
    found = 0
    while (underway := await store.run(Tx.snapshot)) is not None:
        await snapshots.turn()
        if snapshots.chunks._want is not None and underway.step == "staging":
            piece = _answer(folder / "small", snapshots.chunks._want)
            snapshots.chunks.take(replace(piece, data=piece.data[:-1] + bytes([piece.data[-1] ^ 1])))
    found += await store.run(lambda tx: tx.member_count()) == 0
    try:
        for part in _parts(folder / "small", VERSION - 1):
            await snapshots.on_part(part)
    except PeerError as error:
        found += error.reason == "snapshot_rolled_back"
    snapshots.chunks.end()
    store.close()
    return float(found)
