"""Taps with a fault at every step of their protocol: no hang, nobody taken for another, nothing counted twice.

`TAP_FAULTS` faulty taps (each is followed by a clean one), `TAPS_TOGETHER` pairs at two readers, drawn with `TAP_SEED`;
`make taps` runs the long form. What is printed was measured on the emulated chip: lower bounds of the real thing.
"""

import asyncio
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers import cards, chip
from drivers.talk import Found
from gateway.config import NfcTable
from gateway.emulator.chip import Pn532Rig
from gateway.emulator.pn532 import COMMAND_MS
from gateway.results import percentile
from tests.rigs import desk
from tests.rigs.desk import PEOPLE, READERS, SCREENS, Kinds, counter
from tests.rigs.figures import Tell
from tests.rigs.seeds import seed

FAULTY = int(os.environ.get("TAP_FAULTS", "18"))
TOGETHER = int(os.environ.get("TAPS_TOGETHER", "3"))
SEED = seed("TAP_SEED")

pytestmark = pytest.mark.timeout(120 + 10 * FAULTY + 10 * TOGETHER)

KINDS = ("t2", "t4", "hce", "sun", "smarttap", "vas", "signed", "uid")
GUARDED = ("sun", "vas")  # what could be shown twice, so that the store has to know it
PHONES = ("hce", "smarttap", "vas")
MIXED = ("t4", "hce", "sun", "smarttap")
READER, SCREEN = READERS[0], SCREENS[READERS[0]]

SETTLE_S = 0.2  # two looks: long enough for a card that rests to be counted twice
HOLD_S = 1.2  # after this a phone that was there counts as new
LOOK_S = 0.005
IN_VAIN = 2 * (cards.MISSES_MAX + 1)  # looks, each with Apple's frame and a second one

# What happens at a frame, as the rig is told; and whether the card is still there afterwards.
FAULTS: dict[str, tuple[str, dict[str, object]]] = {
    "pulled": ("drop_after", {"n": 0, "torn": False}),
    "pulled, heard": ("drop_after", {"n": 0, "torn": True}),
    "noise": ("noise", {"n": 1}),
    "much noise": ("noise", {"n": 6}),
    "slow": ("slow", {"ms": 25}),
    "stuck": ("wedge", {"how": "stuck"}),
    "asleep": ("wedge", {"how": "asleep"}),
    "deaf": ("wedge", {"how": "deaf"}),
    "unplugged": ("unplug", {}),
}
LEAVES = ("pulled", "pulled, heard")
WEDGES = ("stuck", "asleep", "deaf")
# Which counters may say why, one of them at least.
WHY = dict.fromkeys(LEAVES, ("nfc.read_failed", "nfc.refused.torn")) | dict.fromkeys(WEDGES, ("nfc.reader_errors",))


@dataclass
class Figures:
    """What a run has measured, in milliseconds."""

    taps: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    unsprung: int = 0
    noticed: list[float] = field(default_factory=list)
    replugged: list[float] = field(default_factory=list)
    unwedged: dict[str, list[float]] = field(default_factory=lambda: {how: [] for how in WEDGES})

    def report(self) -> str:
        by_kind = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        wedges = ", ".join(f"{how} {worst(ms)}" for how, ms in self.unwedged.items())
        return (
            f"{self.taps} taps, {sum(self.faults.values())} with a fault ({by_kind}), {self.unsprung} too late for it\n"
            f"most: unplugged to noticed {worst(self.noticed)} (aim 200), plugged in to reading "
            f"{worst(self.replugged)} (aim 1000), wedged to read {wedges} (aim 5000) ms"
        )


def worst(values: list[float]) -> str:
    return f"{max(values):.0f}" if values else "-"


class Run:
    """One shop, one reader; anna's taps suffer, boris's are clean."""

    def __init__(self, rig: Pn532Rig, shop: desk.Counter) -> None:
        self.rig = rig
        self.shop = shop
        self.kinds = Kinds()
        self.figures = Figures()
        self.replayed = 0

    async def frames(self, kind: str) -> int:
        """How many frames a clean tap takes until it is known whose it is."""
        before = len(self.shop.outcomes)
        self.rig.present(self.kinds.shown[kind](0))
        await self.shop.until(lambda: len(self.shop.outcomes) > before, f"a clean tap of {kind}")
        sent = [frame for way, frame in self.rig.transcript() if way == "->"]
        first = [frame for at, frame in enumerate(sent) if frame not in sent[:at]]
        asked = [frame for frame in first if frame not in (b"\xb2", b"\xb3", b"\xc2")]
        await self._end()
        self.figures.taps += 1
        return len(asked)

    async def faulty(self, kind: str, step: int, fault: str) -> None:
        """Anna's tap, with a fault before frame `step` is heard."""
        since, before = len(self.shop.taps), Counter(self.shop.counts)
        what, more = FAULTS[fault]
        self.rig.trap(step, what, **more)
        self.rig.present(self.kinds.shown[kind](0))
        await self.shop.until(lambda: self._sprung or self._known(since), f"{kind}: step {step}")
        if fault == "unplugged":
            await self._plugged_in_again(since)
        elif fault in LEAVES:
            told = f"{kind}: a reason for {fault} at frame {step}"
            await self.shop.until(lambda: self._says_why(fault, before) or self._known(since), told)
        else:
            await self.shop.until(lambda: self._known(since), f"{kind}: {fault} at frame {step}")
            if fault in WEDGES and self.rig.sprung_ns is not None:
                at_ns = next(at_ns for at_ns, tap in self.shop.taps[since:] if tap.member_id)
                self.figures.unwedged[fault].append((at_ns - self.rig.sprung_ns) / 1e6)
        await asyncio.sleep(SETTLE_S)
        sprung = self.rig.sprung_ns is not None
        members = self.shop.members(since)
        assert members in ([PEOPLE[0]], []), f"{kind}: {fault} at frame {step}"
        if fault in WEDGES and sprung:
            await self.shop.until(lambda: self._says_why(fault, before), f"{kind}: a reason for {fault} at {step}")
        if fault == "unplugged" and sprung:
            assert self.shop.counts["nfc.reader_lost"] == before["nfc.reader_lost"] + 1
        self.figures.taps += 1
        self.figures.faults[fault] += sprung
        self.figures.unsprung += not sprung
        self.rig.slow(COMMAND_MS)
        self.rig.noise(0)
        await self._end()
        if fault in LEAVES and kind in PHONES:  # for so long the next one may be the phone before it, which blinked
            await asyncio.sleep(HOLD_S)
            await self._end()

    async def clean(self, kind: str) -> None:
        """Boris's tap right afterwards is right, once, and its proof counts no second time."""
        since = len(self.shop.taps)
        self.rig.present(self.kinds.shown[kind](1))
        await self.shop.until(lambda: self._known(since), f"a clean tap of {kind}; {self.shop.outcomes[-3:]}")
        await asyncio.sleep(SETTLE_S)
        await self.shop.shop.settle()
        assert self.shop.members(since) == [PEOPLE[1]], kind
        dialogue = self.shop.shop.walls.screens[SCREEN].dialogue
        assert dialogue is not None
        # A name goes soon, and at once when a card is read badly meanwhile.
        assert dialogue.call_name in (PEOPLE[1].title(), None), kind
        if kind in GUARDED:
            self.replayed += 1
            self.shop.ears.presented(READER, next(one for _, _, one in reversed(self.shop.outcomes) if one is not None))
            await self.shop.shop.settle()
            assert self.shop.counts["nfc.refused.replayed"] == self.replayed, kind
        self.figures.taps += 1
        await self._end()

    async def interrupted(self, kind: str) -> None:
        """The reader is unplugged while it looks for cards, and again while one rests that was counted already."""
        since = len(self.shop.taps)
        await self._unplugged()
        self.rig.replug()
        self.rig.present(self.kinds.shown[kind](0))
        await self.shop.until(lambda: self._known(since), f"{kind} after the reader was plugged in")
        await self._unplugged()
        self.rig.replug()
        await self.shop.until(lambda: self.shop.state(READER) == "ok", "the reader to be back")
        await asyncio.sleep(2 * SETTLE_S)
        assert self.shop.members(since) == [PEOPLE[0]], kind
        self.figures.taps += 1
        await self._end()

    async def disturbed(self, kind: str) -> None:
        """A card rests while answers are spoilt and the chip hangs, each for longer than two looks."""
        since = len(self.shop.taps)
        self.rig.present(self.kinds.shown[kind](0))
        await self.shop.until(lambda: self._known(since), f"a clean tap of {kind}")
        self.rig.noise(8)
        await asyncio.sleep(2 * SETTLE_S)
        self.rig.noise(0)
        for how in WEDGES:
            errors = self.shop.counts.get("nfc.reader_errors", 0)
            self.rig.wedge(how)
            await self.shop.until(lambda n=errors: self.shop.counts.get("nfc.reader_errors", 0) > n, f"{how} at rest")
            await self.shop.until(lambda: self.shop.state(READER) == "ok", "the reader to be back")
            await asyncio.sleep(2 * SETTLE_S)
        assert self.shop.members(since) == [PEOPLE[0]], kind
        self.figures.taps += 1
        await self._end()

    async def _unplugged(self) -> None:
        at_ns = time.monotonic_ns()
        self.rig.unplug()
        await self.shop.until(lambda: self.shop.state(READER) == "down", "the reader to be missed")
        self.figures.noticed.append((self.shop.health.states[-1][0] - at_ns) / 1e6)

    async def _plugged_in_again(self, since: int) -> None:
        reader = self.shop
        if self.rig.sprung_ns is None:
            return
        await reader.until(lambda: reader.state(READER) == "down", "the reader to be missed")
        down_ns = reader.health.states[-1][0]
        self.figures.noticed.append((down_ns - (self.rig.sprung_ns or 0)) / 1e6)
        was_known = self._known(since)
        self.rig.replug()
        plugged_ns = time.monotonic_ns()
        await reader.until(lambda: reader.state(READER) == "ok", "the reader to be back")
        if was_known:
            return
        await reader.until(lambda: self._known(since), "the card that rests to be read")
        self.figures.replugged.append((reader.taps[-1][0] - plugged_ns) / 1e6)

    async def _end(self) -> None:
        """Take the card away, and wait until the reader has looked in vain: phones are told apart by that only."""
        self.rig.remove()
        looks = self._looks
        await self.shop.until(lambda: self._looks >= looks + IN_VAIN, "the reader to look for the next card")
        await self.shop.shop.settle()

    def _says_why(self, fault: str, before: Counter[str]) -> bool:
        return any(self.shop.counts.get(name, 0) > before[name] for name in WHY[fault])

    def _known(self, since: int) -> bool:
        return bool(self.shop.members(since))

    @property
    def _looks(self) -> int:
        return self.rig.host_commands().get(chip.LIST_TARGET, 0)

    @property
    def _sprung(self) -> bool:
        return self.rig.sprung_ns is not None


def kept(folder: Path) -> list[int]:
    """The counts in the store's replay guard."""
    db = sqlite3.connect(f"file:{folder / 'gateway.db'}?mode=ro", uri=True)
    try:
        return sorted(count for (count,) in db.execute("SELECT count FROM tap_guard"))
    finally:
        db.close()


def plan(steps: dict[str, int], rng: random.Random) -> list[tuple[str, int, str]]:
    """Each kind with each fault at one step first, then every step, then again at random."""
    names = list(FAULTS)
    first = [
        (KINDS[(at % len(names) + at // len(names)) % len(KINDS)], names[at % len(names)])
        for at in range(len(names) * 8)
    ]
    rounds = [(kind, rng.randrange(steps[kind]), fault) for kind, fault in first]
    every = [(kind, step, fault) for kind in KINDS for step in range(steps[kind]) for fault in FAULTS]
    rest = [one for one in every if one not in rounds]
    rng.shuffle(rest)
    rounds += rest
    while len(rounds) < FAULTY:
        rounds.append(rng.choice(every))
    return rounds[:FAULTY]


async def test_wherever_a_tap_fails_nobody_is_mistaken_and_nothing_hangs(tmp_path: Path, tell: Tell) -> None:
    rng = random.Random(SEED)
    with Pn532Rig() as rig:
        async with counter(tmp_path, rig) as shop:
            run = Run(rig, shop)
            steps = {}
            for kind in KINDS:
                steps[kind] = await run.frames(kind)
                await run.clean(kind)
            for kind, step, fault in plan(steps, rng):
                await run.faulty(kind, step, fault)
                await run.clean(kind)
            for kind in KINDS if len(KINDS) * len(FAULTS) < FAULTY else rng.sample(KINDS, 2):
                await run.interrupted(kind)
                await run.clean(kind)
                await run.disturbed(kind)
                await run.clean(kind)
            counts = shop.counts
    found = [one for _, _, one in shop.outcomes if isinstance(one, Found)]
    cryptograms = {one.once for one in found if one.once}
    counters = {one.token.value: one.count for one in found if one.count is not None}  # the last of each tag
    whole = sum(steps.values()) * len(FAULTS)
    tell(f"seed {SEED}; frames of a clean tap: {steps}; {whole} faults are possible, {len(FAULTS)} at each frame")
    tell(run.figures.report())
    tell(f"{len(cryptograms)} cryptograms and the counters of {len(counters)} tags admitted once each; {counts}")
    assert run.figures.taps >= 2 * (FAULTY + len(KINDS))
    assert counts["nfc.refused.replayed"] == run.replayed  # and so no true proof was
    assert kept(tmp_path) == sorted([*counters.values(), *(1 for _ in cryptograms)])


async def test_two_readers_tapped_together_do_not_delay_each_other(tmp_path: Path, tell: Tell) -> None:
    kinds, alone, together = Kinds(), dict[str, list[float]](), dict[str, list[float]]()
    with Pn532Rig() as one, Pn532Rig() as other:
        async with counter(tmp_path, one, other, nfc=NfcTable()) as shop:
            rigs = dict(zip(READERS, (one, other), strict=True))
            idle = await lag(asyncio.sleep(2))
            for number in range(TOGETHER * len(rigs)):
                reader = READERS[number % len(rigs)]
                await tapped(shop, {reader: rigs[reader]}, kinds, [MIXED[number // len(rigs) % len(MIXED)]], alone)
            rng = random.Random(SEED)
            pairs = [rng.choices(MIXED, k=len(rigs)) for _ in range(TOGETHER)]

            async def all_pairs() -> None:
                for chosen in pairs:
                    await tapped(shop, rigs, kinds, chosen, together)

            busy = await lag(all_pairs())
    tell(f"seed {SEED}; {TOGETHER} pairs; card in the field -> known, median / p95 ms, alone and together:")
    for kind in (*MIXED, "all"):
        tell(f"  {kind}: {spread(alone.get(kind, []))}; {spread(together.get(kind, []))}")
    tell(f"  the loop's lag, median / p99 ms, idle and tapped: {spread(idle, 0.99)}; {spread(busy, 0.99)} (aim 10)")
    assert len(alone["all"]) == len(together["all"]) == 2 * TOGETHER


async def tapped(
    shop: desk.Counter, rigs: dict[str, Pn532Rig], kinds: Kinds, chosen: list[str], taken: dict[str, list[float]]
) -> None:
    """One card at each reader at the same time; adds how long each took. Nobody gets the other's."""
    since = len(shop.taps)
    held = dict(zip(rigs, chosen, strict=True))
    specs = {reader: kinds.shown[kind](READERS.index(reader)) for reader, kind in held.items()}
    at_ns = {reader: rigs[reader].present(specs[reader]) for reader in rigs}
    await shop.until(lambda: len(shop.members(since)) >= len(rigs), f"{held} together")
    for reader, rig in rigs.items():
        [(known_ns, tap)] = [one for one in shop.taps[since:] if one[1].reader == reader and one[1].member_id]
        assert tap.member_id == PEOPLE[READERS.index(reader)]
        for name in (held[reader], "all"):
            taken.setdefault(name, []).append((known_ns - at_ns[reader]) / 1e6)
        rig.remove()
    await asyncio.sleep(HOLD_S)
    await shop.shop.settle()
    assert len(shop.members(since)) == len(rigs)


async def lag(work: Coroutine[object, object, None]) -> list[float]:
    """How much later than asked for the event loop came back, in milliseconds, while `work` ran."""
    doing, late = asyncio.ensure_future(work), []
    while not doing.done():
        began_ns = time.monotonic_ns()
        await asyncio.sleep(LOOK_S)
        late.append((time.monotonic_ns() - began_ns) / 1e6 - LOOK_S * 1000)
    await doing
    return late


def spread(values: list[float], high: float = 0.95) -> str:
    return f"{percentile(values, 0.5):.1f} / {percentile(values, high):.1f}" if values else "-"
