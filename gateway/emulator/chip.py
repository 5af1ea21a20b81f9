"""A PN532 chip in HSU mode on a pseudo-terminal, in a process of its own, with cards to hold in front of it.

Use `with Pn532Rig() as rig:` and open `nfc:{rig.path}`. Times on the wire (UART and 106 kbit/s) and 0.5 ms for each
chip command are slept, so latencies are lower bounds of the real thing. Not simulated: Type B and F, target mode,
anticollision between several cards, the chip's own analogue settings.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import termios
import threading
import time
import tty
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.emulator import cards

REPLY_LIMIT_S = 30  # the child answers in microseconds; a loaded CI machine may take seconds to start it
ROOT = Path(__file__).parents[2]


class Pn532Rig:
    """The test's side: starts the chip's process and tells it what happens in front of the antenna."""

    path: str

    def __init__(self, baud: int = 115_200) -> None:
        """`baud` is the rate that the chip was left at."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway.emulator.chip", str(baud)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.path = self._read()["path"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def present(self, card: cards.Spec, drop_after: int | None = None) -> int:
        """Hold a card in front of the antenna; returns time.monotonic_ns() of the moment it is there.

        `drop_after` pulls it away again after so many frames have been exchanged with it.
        """
        return int(self._do("present", card=card, drop_after=drop_after)["at_ns"])

    def remove(self) -> int:
        """Take the card away; returns time.monotonic_ns() of that moment."""
        return int(self._do("remove")["at_ns"])

    def drop_after(self, exchanges: int) -> None:
        """The card that is there now is pulled away after so many more frames have been exchanged with it."""
        self._do("drop_after", n=exchanges)

    def noise(self, exchanges: int) -> None:
        """The next so many answers of a card arrive with a CRC error."""
        self._do("noise", n=exchanges)

    def unplug(self) -> None:
        """The serial device vanishes."""
        self._do("unplug")

    @property
    def baud(self) -> int:
        """The rate that the chip listens at now."""
        return int(self._do("baud")["baud"])

    def close(self) -> None:
        """End the process; harmless when it has ended."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()

    def _do(self, what: str, **more: object) -> dict[str, Any]:
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(json.dumps({"do": what, **more}) + "\n")
        pipe.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        pipe = self._process.stdout
        assert pipe is not None
        ready, _, _ = select.select([pipe], [], [], REPLY_LIMIT_S)
        line = pipe.readline() if ready else ""
        if not line:
            self.close()
            raise RuntimeError("the PN532 rig's process does not answer")
        reply: dict[str, Any] = json.loads(line)
        return reply


# --- the chip's process -------------------------------------------------------------------------------------

ACK = bytes.fromhex("0000ff00ff00")
SYNTAX_ERROR = bytes.fromhex("0000ff01ff7f8100")
BAUDS = (9600, 19200, 38400, 57600, 115_200, 230_400, 460_800, 921_600, 1_288_000)
SPEEDS = {getattr(termios, f"B{baud}"): baud for baud in BAUDS if hasattr(termios, f"B{baud}")}

COMMAND_S = 0.0005
RF_BYTE_S = 9 / 106_000  # 8 bits and parity
RF_TURN_S = 0.0003
NO_TIMEOUT_S = 1.0  # index 0 means "for ever", which helps nobody

TX_MODE, RX_MODE, FIFO_DATA = 0x6302, 0x6303, 0x6339
CRC_ON = 0x80
SENS_REQ = 0x26

OK, TIMED_OUT, CRC_ERROR, BAD_CONTEXT = b"\x00", b"\x01", b"\x02", b"\x27"


def frame(body: bytes) -> bytes:
    """A host frame (PN532 user manual, section 6.2.1), extended above 255 bytes."""
    head = (
        bytes([len(body), -len(body) & 0xFF])
        if len(body) < 256
        else b"\xff\xff" + len(body).to_bytes(2, "big") + bytes([-sum(len(body).to_bytes(2, "big")) & 0xFF])
    )
    return b"\x00\x00\xff" + head + body + bytes([-sum(body) & 0xFF, 0])


def crc_a(data: bytes) -> bytes:
    """ISO 14443-3 CRC_A, low byte first."""
    crc = 0x6363
    for byte in data:
        byte ^= crc & 0xFF
        byte = (byte ^ byte << 4) & 0xFF
        crc = crc >> 8 ^ byte << 8 ^ byte << 3 ^ byte >> 4
    return crc.to_bytes(2, "little")


class Field:
    """What is in front of the antenna. The lock is held for moments only, never while time passes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._card: cards.Card | None = None
        self._left: int | None = None
        self._noise = 0

    def put(self, card: cards.Card | None, exchanges: int | None = None) -> int:
        with self._lock:
            self._card, self._left = card, exchanges
            return time.monotonic_ns()

    def drop_after(self, n: int) -> None:
        with self._lock:
            self._left = n

    def make_noise(self, n: int) -> None:
        with self._lock:
            self._noise = n

    def card(self) -> cards.Card | None:
        with self._lock:
            return self._card

    def exchange(self, card: cards.Card, data: bytes) -> tuple[bytes | None, bool]:
        """(answer or None for silence, whether noise spoils it) of the card that was selected."""
        with self._lock:
            if self._left == 0:
                self._card = None
            if self._left:
                self._left -= 1
            if self._card is not card:
                return None, False
            reply = card.answer(data)
            spoilt = reply is not None and self._noise > 0
            self._noise -= spoilt
            return reply, spoilt


class Chip:
    """Commands in, replies out; sleeps as long as the radio would take."""

    def __init__(self, field: Field, baud: int) -> None:
        self.baud = baud
        self.next_baud: int | None = None
        self._field = field
        self._registers: dict[int, int] = {}
        self._selected: cards.Card | None = None
        self._timeout_s = NO_TIMEOUT_S

    def run(self, command: int, data: bytes) -> bytes | None:
        """The reply's data, or None for a command that the chip refuses."""
        time.sleep(COMMAND_S)
        match command:
            case 0x02:  # GetFirmwareVersion
                return bytes.fromhex("32010607")
            case 0x00:  # Diagnose: communication line test
                return data if data[:1] == b"\x00" else OK
            case 0x04:  # GetGeneralStatus
                return bytes([0, self._selected is not None, 0, 0])
            case 0x06:  # ReadRegister
                return bytes(self._registers.get(address, 0) for address in addresses(data, 2))
            case 0x08:  # WriteRegister
                self._registers.update(zip(addresses(data, 3), data[2::3], strict=True))
                return b""
            case 0x10:  # SetSerialBaudrate: from the host's ACK on
                self.next_baud = BAUDS[data[0]]
                return b""
            case 0x12 | 0x14:  # SetParameters, SAMConfiguration
                return b""
            case 0x16:  # PowerDown
                return OK
            case 0x32:
                return self._configure(data[0], data[1:])
            case 0x4A:
                return self._list_target(data[1], data[2:])
            case 0x42:
                return self._communicate(data)
            case 0x52:  # InRelease
                self._field_off()
                return OK
            case 0x40:  # InDataExchange, for Type 1 only
                return BAD_CONTEXT
            case 0x46 | 0x56:  # InJumpForPSL, InJumpForDEP
                return TIMED_OUT
        return None

    def _configure(self, item: int, data: bytes) -> bytes:
        if item == 0x01 and not data[0] & 1:
            self._field_off()
        elif item == 0x02:
            self._timeout_s = 100e-6 * 2 ** (data[2] - 1) if data[2] else NO_TIMEOUT_S
        return b""

    def _field_off(self) -> None:
        if self._selected is not None:
            self._selected.power_off()
        self._selected = None

    def _list_target(self, modulation: int, wanted: bytes) -> bytes:
        card = self._field.card() if modulation == 0 else None
        time.sleep(0.005)  # field on, guard time, REQA and anticollision
        if card is not None:
            card.select()
            cascaded = b"\x88" + card.uid if len(card.uid) > 4 else card.uid
            if wanted in (b"", cascaded):
                self._selected = card
                self._registers.update({TX_MODE: CRC_ON, RX_MODE: CRC_ON})
                return b"\x01\x01" + card.sens_res + bytes([card.sel_res, len(card.uid)]) + card.uid
        self._registers[FIFO_DATA] = SENS_REQ
        return b"\x00"

    def _communicate(self, data: bytes) -> bytes:
        reply, spoilt = None, False
        if self._selected is not None:
            reply, spoilt = self._field.exchange(self._selected, data)
        if self._selected is None or reply is None:
            time.sleep(self._timeout_s)
            return TIMED_OUT
        time.sleep(RF_TURN_S + (len(data) + len(reply) + 4) * RF_BYTE_S)
        if self._registers.get(RX_MODE, 0) & CRC_ON:
            nibble = not self._selected.crc and len(reply) == 1  # ACK and NAK carry no CRC
            return CRC_ERROR if spoilt or nibble else OK + reply
        checked = reply + crc_a(reply) if len(reply) > 1 else reply
        return OK + (checked[:-1] + bytes([checked[-1] ^ 0xFF]) if spoilt else checked)


def addresses(data: bytes, step: int) -> list[int]:
    """The 16-bit register addresses at every `step`-th byte."""
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, step)]


class Line:
    """The pseudo-terminal between host and chip."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._master, self._slave = os.openpty()  # the slave stays open: hosts open and close it as they like
        tty.setraw(self._slave)
        self._wake_r, self._wake_w = os.pipe()
        self._buffer = b""
        self.path = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        os.write(self._wake_w, b"x")
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._wake_r], [], [])
            if self._wake_r in ready:
                return
            data = os.read(self._master, 1024)
            host = SPEEDS.get(termios.tcgetattr(self._slave)[5])
            # An ACK that confirms a new rate counts at any speed: the host may have switched since it wrote it.
            if host != self._chip.baud and self._chip.next_baud is None:
                self._buffer = b""
                continue
            self._buffer += data
            while self._take():
                pass

    def _take(self) -> bool:
        """Handle one frame of the buffer; False when none is complete."""
        start = self._buffer.find(b"\x00\x00\xff")
        if start < 0:
            self._buffer = self._buffer[-2:]
            return False
        self._buffer = self._buffer[start:]
        if len(self._buffer) < 6:
            return False
        if self._buffer.startswith(ACK):
            self._buffer = self._buffer[6:]
            if self._chip.next_baud is not None:
                self._chip.baud, self._chip.next_baud = self._chip.next_baud, None
            return True
        extended = self._buffer[3:5] == b"\xff\xff"
        head = 8 if extended else 5
        if len(self._buffer) < head:
            return False
        length = int.from_bytes(self._buffer[5:7], "big") if extended else self._buffer[3]
        if len(self._buffer) < head + length + 2:
            return False
        body, check = self._buffer[head : head + length], self._buffer[head + length]
        self._buffer = self._buffer[head + length + 2 :]
        time.sleep((head + length + 2) * 10 / self._chip.baud)
        self._answer(body, (sum(body) + check) & 0xFF == 0 and body[:1] == b"\xd4" and len(body) > 1)
        return True

    def _answer(self, body: bytes, sound: bool) -> None:
        if not sound:
            self._write(SYNTAX_ERROR)
            return
        self._chip.next_baud = None
        self._write(ACK)
        reply = self._chip.run(body[1], body[2:])
        self._write(SYNTAX_ERROR if reply is None else frame(bytes([0xD5, body[1] + 1]) + reply))

    def _write(self, data: bytes) -> None:
        time.sleep(len(data) * 10 / self._chip.baud)  # 8 bits, start and stop
        os.write(self._master, data)


def _say(value: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main(baud: int) -> None:
    """Serve one chip until standard input ends; one JSON object a line in and out."""
    field = Field()
    chip = Chip(field, baud)
    line = Line(chip)
    _say({"path": line.path})
    for text in sys.stdin:
        order = json.loads(text)
        reply: dict[str, object] = {}
        match order["do"]:
            case "present":
                reply["at_ns"] = field.put(cards.make(order["card"]), order["drop_after"])
            case "remove":
                reply["at_ns"] = field.put(None)
            case "drop_after":
                field.drop_after(order["n"])
            case "noise":
                field.make_noise(order["n"])
            case "baud":
                reply["baud"] = chip.baud
            case "unplug":
                line.unplug()
        _say(reply)


if __name__ == "__main__":
    main(int(sys.argv[1]))
