"""What is in front of the antenna, what was said, and what goes wrong in the air. Knows no chip and no time on air.

Its lock is held for moments only, never while time passes.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.emulator.cards import Card
from gateway.emulator.iso_dep import IsoDep

FRAMES_KEPT = 10_000  # of one card; readers that ask for ever must not fill the memory
ECP_KEPT = 1_000

TO_CARD, FROM_CARD = "->", "<-"
CASCADE_TAG = b"\x88"


class Answer(NamedTuple):
    """A card's answer. `data` None: silence. `spoilt`: its CRC arrives wrong."""

    data: bytes | None = None
    spoilt: bool = False
    delay_s: float = 0.0


class Poll(NamedTuple):
    """Who was found. `card` None and `heard`: somebody answered REQA, but nobody could be selected."""

    card: Card | None = None
    heard: bool = False


def cascaded(uid: bytes) -> bytes:
    """A UID as the chip is asked for it, with cascade tags (ISO 14443-3, section 6.5.4)."""
    if len(uid) > 4:
        uid = CASCADE_TAG + uid
    return uid if len(uid) <= 8 else uid[:4] + CASCADE_TAG + uid[4:]


class Field:
    """The air between the antenna and what is held before it. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cards: list[Card] = []
        self._left: int | None = None
        self._torn = False
        self._noise = 0
        self._trap: tuple[int, Callable[[], None]] | None = None
        self._sprung_ns: int | None = None
        self._garble = 0.0
        self._random = random.Random(0)
        self._frames: deque[tuple[str, bytes]] = deque(maxlen=FRAMES_KEPT)
        self._ecp: deque[tuple[int, bytes]] = deque(maxlen=ECP_KEPT)
        self._apdus: list[tuple[bytes, bytes]] = []

    def put(self, cards: Sequence[Card], *, drop_after: int | None = None, garble: float = 0.0, seed: int = 0) -> int:
        """Replace what is there; returns time.monotonic_ns() of that moment. An empty sequence takes all away,
        also a trap.

        `drop_after`: see there. `garble`: the share of polls that two cards spoil for each other, drawn with `seed`,
        as is who of them answers.
        """
        with self._lock:
            if cards:
                self._frames.clear()
                self._apdus = []
                self._random, self._garble = random.Random(seed), garble
            else:
                self._keep_apdus()
                self._trap = None
            self._cards, self._left, self._torn = list(cards), drop_after, False
            return time.monotonic_ns()

    def drop_after(self, exchanges: int, torn: bool = False) -> None:
        """All cards leave after so many more exchanges. `torn`: the next frame is still heard, its answer is not."""
        with self._lock:
            self._left, self._torn = exchanges, torn

    def make_noise(self, answers: int) -> None:
        """The next so many answers arrive with a wrong CRC."""
        with self._lock:
            self._noise = answers

    def set_trap(self, exchanges: int, trap: Callable[[], None]) -> None:
        """After so many more exchanges `trap` is called once, before the card hears the next frame."""
        with self._lock:
            self._trap, self._sprung_ns = (exchanges, trap), None

    @property
    def sprung_ns(self) -> int | None:
        """time.monotonic_ns() at which the last trap was called, None = not yet."""
        return self._sprung_ns

    def power_off(self) -> None:
        """The reader's field goes off."""
        with self._lock:
            for card in self._cards:
                card.power_off()

    def poll(self, wanted: bytes = b"") -> Poll:
        """REQA and anticollision: one of the cards, or the one whose UID, with cascade tags, is `wanted`."""
        with self._lock:
            now_ms = time.monotonic_ns() // 1_000_000
            awake = [card for card in self._cards if card.polled(now_ms)]
            if len(awake) > 1 and self._random.random() < self._garble:
                return Poll(None, True)
            found = [card for card in awake if wanted in (b"", cascaded(card.uid))]
            if not found:
                return Poll(None, bool(awake))
            card = self._random.choice(found)
            card.select()
            return Poll(card, True)

    def broadcast(self, frame: bytes) -> None:
        """A polling frame, with its CRC."""
        with self._lock:
            now_ns = time.monotonic_ns()
            self._ecp.append((now_ns, frame))
            for card in self._cards:
                card.hear(frame, now_ns // 1_000_000)

    def exchange(self, card: Card, frame: bytes) -> Answer:
        """A frame to the card that was selected, without CRC."""
        trap = self._spring(card)
        if trap is not None:
            trap()
        with self._lock:
            if self._left == 0 and not self._torn:
                self._leave()
            if card not in self._cards:
                return Answer()
            self._frames.append((TO_CARD, frame))
            data = card.answer(frame)
            if self._left == 0:
                self._leave()
                return Answer()
            if data is not None:
                self._frames.append((FROM_CARD, data))
            if self._left is not None:
                self._left -= 1
                if self._left == 0 and not self._torn:
                    self._leave()
            spoilt = data is not None and self._noise > 0
            self._noise -= spoilt
            return Answer(data, spoilt, card.delay_ms / 1000)

    def stays(self, card: Card) -> bool:
        """Whether the card is still there, or left by the rules of `drop_after` after its answer."""
        with self._lock:
            return card in self._cards or self._left == 0

    def transcript(self) -> list[tuple[str, bytes]]:
        """Frames exchanged since the card was presented, as ("->" to it or "<-" from it, bytes without CRC)."""
        with self._lock:
            return list(self._frames)

    def apdus(self) -> list[tuple[bytes, bytes]]:
        """APDUs and their responses since the card was presented."""
        with self._lock:
            self._keep_apdus()
            return self._apdus

    def ecp(self) -> list[tuple[int, bytes]]:
        """Polling frames with their CRC, and time.monotonic_ns() of each."""
        with self._lock:
            return list(self._ecp)

    def _spring(self, card: Card) -> Callable[[], None] | None:
        with self._lock:
            if self._trap is None or card not in self._cards:
                return None
            left, trap = self._trap
            if left > 0:
                self._trap = (left - 1, trap)
                return None
            self._trap, self._sprung_ns = None, time.monotonic_ns()
            return trap

    def _leave(self) -> None:
        self._keep_apdus()
        self._cards = []

    def _keep_apdus(self) -> None:
        if self._cards:
            self._apdus = [pair for card in self._cards if isinstance(card, IsoDep) for pair in card.apdus]
