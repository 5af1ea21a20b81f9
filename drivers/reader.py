"""The thread of one card reader: opens it, looks for cards, asks them who they are, and recovers by itself.

Knows neither nfcpy nor asyncio. A card's UID and bytes never leave the locals of a look, but as its outcome.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drivers import cards, chip, resolve
from drivers.faults import FaultError, LostError, silent, unplugged
from drivers.frontend import Card, Frontend
from drivers.talk import CardGoneError, Found, Outcome, Refused, Terminal
from drivers.uart import NODE_MS
from gateway.core.keyring import VasKey
from gateway.core.model import CredentialKind, Trouble

# One card's whole conversation. 600 bytes take 345 ms on the emulator and a slow phone three times as long; a card that
# answers for ever (chaining, waiting time extensions) must not keep the thread. Below nfc.STOP_MS.
READ_MS = 3_000

# Faults in a row before the reader is opened anew. The first may be a byte that was lost on the line; each costs at
# most chip.CHIP_MS, and so much more leaves 4 s of the 5 s in which a wedged chip has to be back.
FAULTS_MAX = 2

# Between closing a reader that worked and opening it anew: boards that reset by DTR need to see it fall.
SETTLE_MS = 100

# Between two tries to open a reader that is there but refuses, doubling; and a USB reader that is not there, which can
# only be searched for.
FIRST_DELAY_MS = 200
MAX_DELAY_MS = 5_000
ABSENT_MS = 500

# A PN532 looks for cards by itself, and the processor sleeps, once nobody was there for so long: above
# cards.PHONE_HOLD_MS, so that whoever comes again is new by then. Our own look after each WATCH_MS shows that the chip
# is well: with the faults, SETTLE_MS and a chip's first answer that leaves a second of the 5 s in which it has to be
# back.
QUIET_MS = 1_200
WATCH_MS = 2_000
# A chip that so often did not wait, failed at it, or slept through a card which our next look found, and never noticed
# anybody in between, is not asked to watch again.
DOUBTS_MAX = 3

# A phone that wanted to be unlocked is asked again after so long, if it did not leave the field meanwhile.
ASK_AGAIN_MS = 1_000


@dataclass(frozen=True, slots=True)
class Link:
    """How the thread speaks to the rest; each may be called from any thread and returns at once."""

    presented: Callable[[Outcome], None]
    count: Callable[[str], None]
    state: Callable[[LostError | None], None]  # None: it listens


class Reader:
    """What one reader's thread does. `port`: the device node of a PN532 that we open ourselves, else nfcpy's `path`."""

    def __init__(
        self,
        path: str,
        port: str | None,
        terminal: Terminal,
        link: Link,
        stop: threading.Event,
        baud: int = chip.BAUD,
    ) -> None:
        self._baud = baud
        self._path = path
        self._port = port
        self._terminal = terminal
        self._link = link
        self._stop = stop
        self._hold = cards.Hold()
        self._torn = cards.Torn()
        self._faults = 0  # in a row
        self._wake = b""  # what was sent for phones at the last look
        self._works = False  # it has looked since it was opened
        self._busy_ms = 0  # when somebody was last in the field
        self._slept = False  # the chip has watched, and nobody came
        self._doubts = 0  # whether it can
        self._moved_ms = _monotonic_ms()

    @property
    def still_ms(self) -> int:
        """For how long the thread has not moved; to be asked from any thread. Nothing it does takes more than seconds,
        unless a driver below it hangs."""
        return _monotonic_ms() - self._moved_ms

    def run(self) -> None:
        """Open, listen, and open again after whatever happens, until told to stop."""
        delay_ms = FIRST_DELAY_MS
        while not self._stop.is_set():
            self._moved_ms = _monotonic_ms()
            clf = Frontend(self._stop, _monotonic_ms)
            lost: LostError | None = None
            try:
                clf.start(self._path, self._port, self._baud)
                self._link.state(None)
                self._listen(clf)
            except LostError as error:
                lost = error
                self._link.state(error)
                self._link.count("nfc.reader_lost")
            finally:
                clf.shut(politely=lost is None)
            if lost is not None:
                self._torn.over()  # whoever was torn has left by the time it is back
                if self._works:
                    self._works, delay_ms = False, SETTLE_MS
                came = self._wait_to_open(lost, delay_ms)
                delay_ms = FIRST_DELAY_MS if came else min(delay_ms * 2, MAX_DELAY_MS)

    def _listen(self, clf: Frontend) -> None:
        """Until told to stop. Raises LostError."""
        self._faults = 0
        self._slept, self._doubts, self._busy_ms = False, 0 if clf.can_watch else DOUBTS_MAX, _monotonic_ms()
        while not self._stop.is_set():
            try:
                self._look(clf)
                self._faults, self._works = 0, True
                if not self._torn.once:
                    self._rest(clf)
            except FaultError:
                self._link.count("nfc.reader_errors")
                self._faults += 1
                if not self._is_there:
                    raise unplugged() from None
                if self._faults == FAULTS_MAX:
                    raise silent() from None
                clf.abort()

    def _rest(self, clf: Frontend) -> None:
        """Between two looks: a pause, or the chip watches once nobody came for long. Raises FaultError, LostError."""
        if self._wake or self._doubts >= DOUBTS_MAX or _monotonic_ms() - self._busy_ms < QUIET_MS:
            self._pause(cards.WAKE_EVERY_MS if self._wake else self._terminal.nfc.poll_ms)
            return
        self._moved_ms = _monotonic_ms()
        self._doubts += 1  # unless it does that well
        found = clf.watch(WATCH_MS)
        self._slept = found is False
        if self._slept:
            self._doubts -= 1
        elif found:
            self._doubts, self._busy_ms = 0, _monotonic_ms()

    def _came(self) -> None:
        """Our own look found somebody."""
        self._busy_ms = _monotonic_ms()
        self._doubts += self._slept
        self._slept = False

    def _look(self, clf: Frontend) -> None:
        """One look at the field; stays while a card rests there. Raises FaultError, LostError."""
        card = None
        self._wake = self._wake_frame()
        try:
            card = clf.find(self._wake)
            if card is None:
                self._deliver(self._torn.nothing())
                self._hold.missed(_monotonic_ms())
                return
            self._came()
            outcome = self._ask(clf, card)
        except FaultError:
            if card is not None:
                self._deliver(self._torn.failed(clf.heard > 0, _monotonic_ms()))
            raise
        except CardGoneError:
            if self._stop.is_set():
                return
            self._came()
            self._link.count("nfc.read_failed")
            if card is None or not clf.spent:
                self._deliver(self._torn.failed(card is not None and clf.heard > 0, _monotonic_ms()))
                return
            outcome = Refused("endless", Trouble.AGAIN)
        self._torn.over()
        if self._hold.take(outcome, card.uid, _monotonic_ms()):
            self._link.presented(outcome)
        self._stay(clf, card, outcome)
        self._hold.missed(_monotonic_ms())
        self._came()

    def _wake_frame(self) -> bytes:
        """The frame that makes an iPhone show its passes, only where the shop wants them and can read one."""
        talk = self._terminal.talk()
        return cards.WAKE_VAS if talk.apple_vas and talk.keyring.of(VasKey, talk.now_ms) else b""

    def _ask(self, clf: Frontend, card: Card) -> Outcome:
        """The conversation with a card. Raises CardGoneError, FaultError."""
        talk = self._terminal.talk(card.uid)
        clf.allow(READ_MS)
        card.begin()
        if card.is_iso_dep:
            return resolve.iso_dep(card.exchange, talk)
        ndef = card.ndef()
        if ndef is None and card.is_half_written():
            return Refused("half_written", Trouble.AGAIN)
        return resolve.message(ndef, talk) if ndef else resolve.chip(talk)

    def _deliver(self, refused: Refused | None) -> None:
        """What came of a card that left."""
        if refused is not None and self._hold.take(refused, b"", _monotonic_ms()):
            self._link.presented(refused)

    def _stay(self, clf: Frontend, card: Card, outcome: Outcome) -> None:
        """Until the card has left. Raises FaultError, LostError."""
        if isinstance(outcome, Found) and outcome.token.kind is CredentialKind.PASS and card.is_iso_dep:
            card.deselect()  # a wallet shows that it is done when it was let go and the field went off
            self._outwait(clf, card)
            return
        began_ms = _monotonic_ms()
        wants_again = isinstance(outcome, Refused) and outcome.trouble is Trouble.UNLOCK
        while not self._stop.is_set():
            self._pause(self._terminal.nfc.poll_ms)
            now_ms = _monotonic_ms()
            if (wants_again and now_ms - began_ms >= ASK_AGAIN_MS) or not card.answers():
                return
            self._faults = 0
            self._hold.seen(_monotonic_ms())

    def _outwait(self, clf: Frontend, card: Card) -> None:
        """Until a phone that was let go has left: it is looked at, and asked nothing."""
        misses = 0
        while not self._stop.is_set() and misses < cards.MISSES_MAX:
            self._pause(self._terminal.nfc.poll_ms)
            try:
                found = clf.find()
            except CardGoneError:
                return
            if found is None:
                misses += 1
                self._hold.missed(_monotonic_ms())
            elif found.uid == card.uid or (cards.is_random(found.uid) and cards.is_random(card.uid)):
                misses = 0
                self._hold.seen(_monotonic_ms())
            else:
                return

    @property
    def _is_there(self) -> bool:
        return self._port is None or Path(self._port).exists()

    def _pause(self, ms: int) -> None:
        """Between two looks. Raises LostError as soon as the reader is unplugged."""
        self._moved_ms = _monotonic_ms()
        until_ms = self._moved_ms + ms
        while not self._stop.is_set() and (left_ms := until_ms - _monotonic_ms()) > 0:
            self._stop.wait(min(left_ms, NODE_MS) / 1000)
            if not self._is_there:
                raise unplugged()

    def _wait_to_open(self, lost: LostError, delay_ms: int) -> bool:
        """Until a try is worth while: True as soon as the device has come (back), else False after `delay_ms`."""
        if self._port is None:
            self._stop.wait((ABSENT_MS if lost.absent else delay_ms) / 1000)
            return False
        until_ms = _monotonic_ms() + delay_ms
        was_there = True
        while not self._stop.is_set():
            self._moved_ms = _monotonic_ms()  # it may be away for days, and is no driver that hangs
            is_there = self._is_there
            if is_there and (not was_there or _monotonic_ms() >= until_ms):
                return not was_there
            was_there = is_there
            self._stop.wait(NODE_MS / 1000)
        return False


def _monotonic_ms() -> int:
    # The radio's own time, not the shop's: a simulated shop may run faster, a card does not.
    return time.monotonic_ns() // 1_000_000
