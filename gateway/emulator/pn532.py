"""A PN532's firmware: host commands in, replies out, as long as the radio and the firmware take.

Source: NXP PN532 user manual (UM0701-02), chapter 7. Times are lower bounds of the real thing. Not simulated: Type B
and F (they find nothing), target mode, two targets at once, the analogue settings, the CIU beyond the registers that
switch the CRC, frames of 7 bits written by hand, the 64-byte FIFO's limits.
"""

import math
from collections.abc import Callable

from gateway.emulator.cards import Card
from gateway.emulator.field import Field

COMMAND_MS = 0.5
GUARD_S = 0.005  # ISO 14443-3, section 5: a card is ready 5 ms after the field
RF_BYTE_S = 9 / 106_000  # 8 bits and parity
RF_TURN_S = 0.0003
LOOK_ON_S = 0.005  # between two looks of a chip that looks for ever; not documented, and enough
CASCADE_BYTES = 19  # SDD and SEL with their answers, for 4 bytes of UID

BAUDS = (9600, 19200, 38400, 57600, 115_200, 230_400, 460_800, 921_600, 1_288_000)

TX_MODE, RX_MODE, FIFO_DATA = 0x6302, 0x6303, 0x6339
CRC_ON = 0x80
SENS_REQ = 0x26
ECP_HEAD = bytes.fromhex("6a01")

OK, TIMED_OUT, CRC_ERROR, BAD_CONTEXT = b"\x00", b"\x01", b"\x02", b"\x27"

# After power on (user manual, section 7.3.1): answers are awaited for 51.2 ms, cards for ever.
FIRST_TIMEOUT_INDEX, FIRST_RETRIES, FOR_EVER = 0x0A, 0xFF, 0xFF
CONFIGURATIONS = {0x01: 1, 0x02: 3, 0x04: 1, 0x05: 3, 0x0A: 11, 0x0B: 8, 0x0C: 3, 0x0D: 9}  # item -> bytes

Wait = Callable[[float], None]


class AbortedError(Exception):
    """The host has cancelled the command at hand."""


def crc_a(data: bytes) -> bytes:
    """ISO 14443-3 CRC_A, low byte first."""
    crc = 0x6363
    for byte in data:
        byte ^= crc & 0xFF
        byte = (byte ^ byte << 4) & 0xFF
        crc = crc >> 8 ^ byte << 8 ^ byte << 3 ^ byte >> 4
    return crc.to_bytes(2, "little")


class Chip:
    """One chip since its power came on.

    `asleep`: deaf until woken. `slow_ms`: the firmware's time for each command. `baud`: the rate it listens at;
    `next_baud`: the one from the host's next ACK on.
    """

    def __init__(self, field: Field, baud: int = 115_200, asleep: bool = False) -> None:
        self.baud = baud
        self.next_baud: int | None = None
        self.asleep = asleep
        self.slow_ms = COMMAND_MS
        self._field = field
        self._field_on = False
        self._registers: dict[int, int] = {}
        self._selected: Card | None = None
        self._timeout_s = timeout_s(FIRST_TIMEOUT_INDEX)
        self._retries = FIRST_RETRIES
        field.power_off()

    def run(self, command: int, data: bytes, wait: Wait) -> bytes | None:
        """The reply's data, or None for a command that the chip refuses. `wait(seconds)` may raise AbortedError."""
        wait(self.slow_ms / 1000)
        match command:
            case 0x00:  # Diagnose: the line test gives back all, the others say that all is well
                return data if data[:1] == b"\x00" else OK
            case 0x02:  # GetFirmwareVersion
                return bytes.fromhex("32010607")
            case 0x04:  # GetGeneralStatus
                target = b"" if self._selected is None else bytes.fromhex("01000000")
                return bytes([0, self._field_on, len(target) // 4]) + target + b"\x00"
            case 0x06:  # ReadRegister
                return bytes(self._registers.get(address, 0) for address in addresses(data, 2))
            case 0x08:  # WriteRegister
                return self._write_registers(data)
            case 0x10 if len(data) == 1 and data[0] < len(BAUDS):  # SetSerialBaudrate: from the host's ACK on
                self.next_baud = BAUDS[data[0]]
                return b""
            case 0x12 | 0x14:  # SetParameters, SAMConfiguration
                return b""
            case 0x16:  # PowerDown, once it has answered
                self._switch_off()
                self.asleep = True
                return OK
            case 0x32 if data:
                return self._configure(data[0], data[1:])
            case 0x4A if len(data) >= 2:
                return self._list_target(data[1], data[2:], wait)
            case 0x42:
                return self._communicate(data, wait)
            case 0x52:
                return self._release()
            case 0x40:  # InDataExchange, which nfcpy uses for Type 1 only
                return BAD_CONTEXT
            case 0x46 | 0x56:  # InJumpForPSL, InJumpForDEP
                return TIMED_OUT
        return None

    def _write_registers(self, data: bytes) -> bytes | None:
        if len(data) % 3:
            return None
        self._registers.update(zip(addresses(data, 3), data[2::3], strict=True))
        return b""

    def _configure(self, item: int, data: bytes) -> bytes | None:
        if len(data) != CONFIGURATIONS.get(item) or (item == 0x02 and data[2] > 16):
            return None
        if item == 0x01 and data[0] & 1:
            self._field_on = True
        elif item == 0x01:
            self._switch_off()
        elif item == 0x02:
            self._timeout_s = timeout_s(data[2])
        elif item == 0x05:
            self._retries = data[2]
        return b""

    def _switch_off(self) -> None:
        self._field_on, self._selected = False, None
        self._field.power_off()

    def _release(self) -> bytes:
        """InRelease: the card is halted, the field stays on."""
        if self._selected is not None:
            self._field.exchange(self._selected, b"\xc2" if self._selected.crc else b"\x50\x00")
        self._selected = None
        return OK

    def _list_target(self, modulation: int, wanted: bytes, wait: Wait) -> bytes:
        if not self._field_on:
            self._field_on = True
            wait(GUARD_S)
        self._selected = None
        if modulation != 0:
            wait(RF_TURN_S)
            return b"\x00"
        heard = False
        tries = math.inf if self._retries == FOR_EVER else self._retries + 1
        while tries > 0:
            tries -= 1
            card, heard = self._field.poll(wanted)
            wait(RF_TURN_S + 2 * RF_BYTE_S)
            if card is None:
                if tries == math.inf:
                    wait(LOOK_ON_S)
                continue
            uid = card.uid
            wait(len(uid) // 3 * (2 * RF_TURN_S + CASCADE_BYTES * RF_BYTE_S))
            self._selected = card
            self._registers.update({TX_MODE: CRC_ON, RX_MODE: CRC_ON})
            return b"\x01\x01" + card.sens_res + bytes([card.sel_res, len(uid)]) + uid
        self._registers[FIFO_DATA] = 0 if heard else SENS_REQ
        return b"\x00"

    def _communicate(self, data: bytes, wait: Wait) -> bytes:
        """InCommunicateThru: one frame out, one back."""
        has_crc = bool(self._registers.get(TX_MODE, 0) & CRC_ON)
        on_air = data + crc_a(data) if has_crc else data
        wait(RF_TURN_S + len(on_air) * RF_BYTE_S)
        frame = on_air[:-2]
        sound = self._field_on and len(frame) > 0 and crc_a(frame) == on_air[-2:]
        if sound and frame.startswith(ECP_HEAD):
            self._field.broadcast(on_air)
        card = self._selected
        if card is None or not sound:
            wait(self._timeout_s)
            return TIMED_OUT
        reply, spoilt, delay_s = self._field.exchange(card, frame)
        wait(min(delay_s, self._timeout_s))
        if reply is None or delay_s > self._timeout_s or not self._field.stays(card):
            wait(max(self._timeout_s - delay_s, 0))
            return TIMED_OUT
        wait((len(reply) + 2) * RF_BYTE_S)
        if self._registers.get(RX_MODE, 0) & CRC_ON:
            nibble = not card.crc and len(reply) == 1  # ACK and NAK carry no CRC
            return CRC_ERROR if spoilt or nibble else OK + reply
        checked = reply + crc_a(reply) if len(reply) > 1 or card.crc else reply
        return OK + (checked[:-1] + bytes([checked[-1] ^ 0xFF]) if spoilt else checked)


def timeout_s(index: int) -> float:
    """RFConfiguration's time-outs: 100 us doubled at each step, and 0 for never."""
    return 100e-6 * 2.0 ** (index - 1) if index else math.inf


def addresses(data: bytes, step: int) -> list[int]:
    """The 16-bit register addresses at every `step`-th byte."""
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, step)]
