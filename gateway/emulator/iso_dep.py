"""A card or phone that speaks ISO 14443-4: blocks, chaining, waiting times, and APDUs handed to its applets.

Knows no applet and no clock. Frames come and go without CRC. Rules: ISO 14443-4:2018, section 7.5 (B, D, E, 10 to 13).
Not simulated: CID, NAD, other rates than 106 kbit/s, ISO 7816-4 logical channels and command chaining (CLA 10).
"""

import secrets
from collections import deque
from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import Protocol

NOT_FOUND, WRONG_LENGTH, NO_SUCH_COMMAND = b"\x6a\x82", b"\x67\x00", b"\x6d\x00"
SELECT_BY_NAME = bytes.fromhex("00a404")

FRAME_SIZES = (16, 24, 32, 40, 48, 64, 96, 128, 256)  # ISO 14443-4, table 1: FSDI and FSCI 0 to 8
DEFAULT_FSCI, DEFAULT_FWI = 2, 4
COMMAND_BYTES = 65_544  # the longest extended APDU; more in one chain is not answered
APDUS_KEPT = 1_000  # of one card, for tests; endless readers must not fill the memory

ENDLESS = -1  # S(WTX) for ever
WTXM_MAX = 59

# A phone shows its pass while polling frames come and for a while after; the length is an assumption.
ECP_KEEP_MS = 2_000
ECP_HEAD, ECP_IGNORE = bytes.fromhex("6a01"), 0xCF


class Applet(Protocol):
    """A program in a card or phone."""

    def select(self) -> None:
        """The field went on: a new session."""

    def answer(self, apdu: bytes) -> bytes:
        """Data and status word; 6A82 for a SELECT that means another applet."""


class State(Enum):
    """ISO 14443-3 and -4, seen from the card."""

    OFF = 0
    IDLE = 1
    ACTIVE = 2  # selected, waits for RATS
    PROTOCOL = 3
    HALT = 4  # silent until the field was off


@dataclass(frozen=True, slots=True)
class Manners:
    """How a card behaves around its applets.

    `listens_ecp`: silent until a polling frame wakes it, and then for `react_ms`. `think_ms`: for each APDU, and
    `applet_think_ms` for those of one applet by its place, but for SELECT. `wtx`: so many S(WTX)
    before each answer, or ENDLESS. `extended`: takes APDUs of extended length.
    """

    ats: bytes
    sel_res: int = 0x20
    listens_ecp: bool = False
    react_ms: float = 80
    think_ms: float = 0
    applet_think_ms: tuple[float | None, ...] = ()
    wtx: int = 0
    extended: bool = False


class IsoDep:
    """One card or phone in front of the antenna."""

    crc = True

    def __init__(self, uid: bytes | None, applets: list[Applet], manners: Manners) -> None:
        """`uid` None: 08 and three random bytes, new at each power up (ISO 14443-3, section 6.5.4)."""
        self._random_uid = uid is None
        self.uid = uid or bytes(4)
        self.sens_res = bytes.fromhex("0004") if len(self.uid) == 4 else bytes.fromhex("0344")
        self.sel_res = manners.sel_res
        self.delay_ms = 0.0
        self.apdus: deque[tuple[bytes, bytes]] = deque(maxlen=APDUS_KEPT)
        self._applets = applets
        self._manners = manners
        self._fsc, self._fwt_ms = _capabilities(manners.ats)
        self._fsd = FRAME_SIZES[DEFAULT_FSCI]
        self._woken_ms: int | None = None
        self._heard_ms = 0
        self.power_off()

    def power_off(self) -> None:
        self._state = State.OFF
        self._selected: int | None = None
        self._number = 1  # rule B
        self._command = b""
        self._parts: list[bytes] = []
        self._last = b""
        self._waits = 0
        self._waiting = False
        self._think_left_ms = 0.0

    def hear(self, frame: bytes, now_ms: int) -> None:
        """A frame to nobody, with its CRC: wakes phones that listen for polling frames."""
        if frame.startswith(ECP_HEAD) and frame[2:3] != bytes([ECP_IGNORE]):
            if self._woken_ms is None or now_ms - self._heard_ms > ECP_KEEP_MS:
                self._woken_ms = now_ms
            self._heard_ms = now_ms

    def polled(self, now_ms: int) -> bool:
        """Whether it answers REQA now."""
        if self._manners.listens_ecp and self._state is State.OFF:
            woken_ms = self._woken_ms
            if woken_ms is None or now_ms - self._heard_ms > ECP_KEEP_MS:
                return False
            if now_ms - woken_ms < self._manners.react_ms:
                return False
        self._power_on()
        return self._state in (State.IDLE, State.ACTIVE)

    def select(self) -> None:
        """Anticollision is over: it waits for RATS."""
        self._power_on()
        self._state = State.ACTIVE

    def answer(self, frame: bytes) -> bytes | None:
        """The reply to a frame, or None for silence; `delay_ms` then tells how long it takes."""
        self.delay_ms = 0.0
        if self._state is State.ACTIVE:
            return self._before_rats(frame)
        if self._state is not State.PROTOCOL or not frame or len(frame) + 2 > self._fsc:
            return None
        pcb = frame[0]
        if pcb & 0xEE == 0x02:  # I-block, without CID and NAD
            self._number ^= 1  # rule D
            return self._take(frame[1:], more=bool(pcb & 0x10))
        if pcb & 0xFE == 0xA2 or pcb & 0xFE == 0xB2:
            return self._acknowledged(pcb)
        if pcb == 0xF2 and self._waiting:  # S(WTX): the reader agrees to wait
            self._waiting = False
            return self._ask_to_wait() if self._waits else self._next_part()
        if pcb == 0xC2:  # S(DESELECT)
            self._state = State.HALT
            return b"\xc2"
        if pcb & 0xF0 == 0xD0 and self._last == b"":  # PPS, right after the ATS
            return frame[:1]
        return None

    def _power_on(self) -> None:
        if self._state is not State.OFF:
            return
        self._state = State.IDLE
        if self._random_uid:
            self.uid = b"\x08" + secrets.token_bytes(3)
        for applet in self._applets:
            applet.select()

    def _before_rats(self, frame: bytes) -> bytes | None:
        if frame[:1] == b"\xe0" and len(frame) == 2 and self._manners.ats:
            self._state = State.PROTOCOL
            self._fsd = FRAME_SIZES[min(frame[1] >> 4, 8)]
            return self._manners.ats
        if frame == b"\x50\x00":  # HLTA
            self._state = State.HALT
        return None

    def _take(self, part: bytes, more: bool) -> bytes | None:
        """A part of a command, and the answer when it is whole."""
        self._parts, self._waiting = [], False
        self._command += part
        if len(self._command) > COMMAND_BYTES:
            return None
        if more:
            return self._send(bytes([0xA2 | self._number]))
        command, self._command = self._command, b""
        if not command:
            return self._send(bytes([0x02 | self._number]))  # an empty block asks for one
        reply = self._apdu(command)
        self.apdus.append((command, reply))
        size = self._fsd - 3  # PCB and CRC
        self._parts = [reply[at : at + size] for at in range(0, len(reply), size)]
        self._think_left_ms = self._think_ms(command)
        self._waits = self._manners.wtx or int(self._think_left_ms > self._fwt_ms)
        return self._ask_to_wait() if self._waits else self._next_part()

    def _think_ms(self, command: bytes) -> float:
        own, place, general = self._manners.applet_think_ms, self._selected, self._manners.think_ms
        if place is None or place >= len(own) or command[1:2] == b"\xa4":
            return general
        chosen = own[place]
        return general if chosen is None else chosen

    def _ask_to_wait(self) -> bytes:
        """S(WTX) in place of the answer (rule 10)."""
        self._waiting = True
        if self._waits > 0:
            self._waits -= 1
        self.delay_ms = min(self._think_left_ms, self._fwt_ms / 2)
        self._think_left_ms -= self.delay_ms
        return self._send(bytes([0xF2, max(1, min(WTXM_MAX, ceil(self._think_left_ms / self._fwt_ms)))]))

    def _next_part(self) -> bytes:
        """The answer's next block."""
        part = self._parts.pop(0)
        self.delay_ms, self._think_left_ms = self._think_left_ms, 0.0
        return self._send(bytes([0x02 | (0x10 if self._parts else 0) | self._number]) + part)

    def _acknowledged(self, pcb: int) -> bytes | None:
        """R(ACK) or R(NAK)."""
        if pcb & 1 == self._number:
            return self._last or None  # rule 11
        if pcb & 0x10:
            return bytes([0xA2 | self._number])  # rule 12
        if not self._parts or self._waiting:
            return None
        self._number ^= 1  # rules E and 13
        return self._next_part()

    def _send(self, block: bytes) -> bytes:
        self._last = block
        return block

    def _apdu(self, apdu: bytes) -> bytes:
        """SELECT by name goes to the first applet that knows it, all else to the one that was selected."""
        if not _sound(apdu, self._manners.extended):
            return WRONG_LENGTH
        if apdu.startswith(SELECT_BY_NAME):
            if len(apdu) <= 5:
                return NOT_FOUND
            for place, applet in enumerate(self._applets):
                reply = applet.answer(apdu)
                if reply != NOT_FOUND:
                    self._selected = place
                    return reply
            return NOT_FOUND
        if self._selected is None:
            return NOT_FOUND if apdu[1] == 0xA4 else NO_SUCH_COMMAND
        return self._applets[self._selected].answer(apdu)


def _capabilities(ats: bytes) -> tuple[int, float]:
    """The frame size that a card takes, and the milliseconds that it may let pass (ISO 14443-4, section 5.2)."""
    fsci, fwi = DEFAULT_FSCI, DEFAULT_FWI
    if len(ats) > 1:
        fsci = min(ats[1] & 0x0F, 8)
        at = 2 + bool(ats[1] & 0x10)  # TA
        if ats[1] & 0x20 and len(ats) > at:
            fwi = min(ats[at] >> 4, 14)
    return FRAME_SIZES[fsci], 4096 / 13_560 * 2**fwi


def _sound(apdu: bytes, extended: bool) -> bool:
    """Whether an APDU is as long as it says (ISO 7816-4, section 5.2)."""
    if len(apdu) <= 5:
        return len(apdu) >= 4
    if apdu[4]:
        return len(apdu) - 5 - apdu[4] in (0, 1)
    length = int.from_bytes(apdu[5:7], "big")
    return extended and len(apdu) >= 7 and (len(apdu) == 7 or len(apdu) - 7 - length in (0, 2))
