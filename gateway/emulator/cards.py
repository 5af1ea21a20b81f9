"""Cards for the PN532 rig: what a card answers to each frame, without CRC. Runs in the rig's own process.

Not simulated: anticollision, passwords, encryption, writing, sectors above the first.
"""

import secrets
from typing import Any, Protocol

Spec = dict[str, Any]  # JSON: crosses the pipe to the rig's process

NTAG213_PAGES = 45
NTAG213_VERSION = bytes.fromhex("0004040201000f03")
NTAG213_CC = bytes.fromhex("e1101200")
NAK = b"\x00"

NDEF_APPLICATION = bytes.fromhex("00a4040007d2760000850101")
CC_FILE, NDEF_FILE = bytes.fromhex("e103"), bytes.fromhex("e104")
TYPE4_CC = bytes.fromhex("000f20003b00340406e10408000000")  # mapping 2.0, MLe 59, MLc 52, file E104 of 2048 bytes
TYPE4_ATS = bytes.fromhex("0578807002")
FRAME_BYTES = 253  # FSD 256 less PCB and CRC


def type2(ndef: bytes | None, uid: str = "04a1b2c3d4e5f6") -> Spec:
    """An NTAG213 with an NDEF message of up to 140 bytes; None = without capability container."""
    return {"kind": "type2", "ndef": None if ndef is None else ndef.hex(), "uid": uid}


def type4(
    ndef: bytes | None,
    uid: str | None = "04112233445566",
    ats: bytes = TYPE4_ATS,
    cc: bytes = TYPE4_CC,
    endless: bool = False,
) -> Spec:
    """An ISO-DEP card or phone.

    `ndef` None = without NDEF application; `uid` None = a new random one each time; `endless` = it announces a
    message and then answers every READ BINARY for it with nothing.
    """
    return {
        "kind": "type4",
        "ndef": None if ndef is None else ndef.hex(),
        "uid": uid,
        "ats": ats.hex(),
        "cc": cc.hex(),
        "endless": endless,
    }


def classic(uid: str = "5a6b7c8d") -> Spec:
    """A MIFARE Classic, which answers nothing useful without its keys."""
    return {"kind": "classic", "uid": uid}


class Card(Protocol):
    sens_res: bytes  # as the PN532 reports it
    sel_res: int
    crc: bool  # the chip checks the CRC itself (ISO-DEP), or the host does (Type 2)
    uid: bytes

    def select(self) -> None:
        """Anticollision is over: the card listens."""

    def power_off(self) -> None: ...

    def answer(self, frame: bytes) -> bytes | None:
        """The reply to a frame, or None for silence."""


class Type2:
    """NTAG213, or with `classic` a MIFARE Classic that refuses everything."""

    sens_res = bytes.fromhex("0044")
    crc = False

    def __init__(self, uid: bytes, ndef: bytes | None, classic: bool = False) -> None:
        self.uid = uid
        self.sel_res = 0x08 if classic else 0x00
        self._classic = classic
        self._listens = False
        tlv = b"" if ndef is None else bytes([3, len(ndef)]) + ndef + b"\xfe"
        head = uid[:3] + b"\x00" + uid[3:7] + b"\x00\x48\x00\x00" + (bytes(4) if ndef is None else NTAG213_CC)
        memory = head.ljust(16, b"\x00") + tlv
        if len(memory) > NTAG213_PAGES * 4 - 20:
            raise ValueError("an NTAG213 holds 144 bytes")
        self._memory = memory.ljust(NTAG213_PAGES * 4, b"\x00")

    def select(self) -> None:
        self._listens = True

    def power_off(self) -> None:
        self._listens = False

    def answer(self, frame: bytes) -> bytes | None:
        if not self._listens:
            return None
        command = frame[0]
        if command == 0x50:  # HLTA
            self._listens = False
            return None
        if not self._classic:
            if command == 0x60:  # GET_VERSION
                return NTAG213_VERSION
            if command == 0x30 and frame[1] < NTAG213_PAGES:  # READ, wraps round to page 0
                return (self._memory * 2)[frame[1] * 4 : frame[1] * 4 + 16]
            if command == 0x3A and frame[1] <= frame[2] < NTAG213_PAGES:  # FAST_READ
                return self._memory[frame[1] * 4 : frame[2] * 4 + 4]
        self._listens = False  # after a NAK a Type 2 tag is idle until it is selected again
        return NAK


class Type4:
    """ISO 14443-4 block protocol with an NFC Forum Type 4 NDEF application behind it."""

    sel_res = 0x20
    crc = True

    def __init__(self, uid: bytes | None, ndef: bytes | None, ats: bytes, cc: bytes, endless: bool) -> None:
        self._random_uid = uid is None
        self.uid = uid or bytes(4)
        self.sens_res = bytes.fromhex("0004") if uid is None else bytes.fromhex("0344")
        self._ats = ats
        self._endless = endless
        self._files = {} if ndef is None else {CC_FILE: cc, NDEF_FILE: len(ndef).to_bytes(2, "big") + ndef}
        self.power_off()

    def select(self) -> None:
        if self._random_uid:
            self.uid = b"\x08" + secrets.token_bytes(3)

    def power_off(self) -> None:
        self._active = False
        self._file = b""
        self._command = b""
        self._pending: list[bytes] = []
        self._last = b""

    def answer(self, frame: bytes) -> bytes | None:
        pcb = frame[0]
        if pcb == 0xE0:  # RATS
            self._active = True
            self._last = b""
            return self._ats
        if not self._active:
            return None
        if pcb & 0xF6 == 0xB2:  # R(NAK): the last block once more, or "still here"
            if self._last and self._last[0] & 1 == pcb & 1:
                return self._last
            return bytes([0xA2 | (self._last[0] & 1 if self._last else 1)])
        if pcb & 0xF6 == 0xA2:  # R(ACK): the next part of a long answer
            if self._last and self._last[0] & 1 == pcb & 1:
                return self._last
            return self._block(pcb & 1)
        if pcb & 0xF7 == 0xC2:  # S(DESELECT)
            self._active = False
            return frame[:1]
        if pcb & 0xE2 == 0x02:
            self._command += frame[1:]
            if pcb & 0x10:  # more to come
                self._last = bytes([0xA2 | pcb & 1])
                return self._last
            reply, self._command = self._apdu(self._command), b""
            self._pending = [reply[at : at + FRAME_BYTES] for at in range(0, len(reply), FRAME_BYTES)]
            return self._block(pcb & 1)
        return None

    def _block(self, number: int) -> bytes | None:
        if not self._pending:
            return None
        part = self._pending.pop(0)
        self._last = bytes([0x02 | (0x10 if self._pending else 0) | number]) + part
        return self._last

    def _apdu(self, apdu: bytes) -> bytes:
        if apdu.startswith(NDEF_APPLICATION) and self._files:
            return b"\x90\x00"
        if apdu[:4] == bytes.fromhex("00a4000c") and apdu[5:7] in self._files:
            self._file = self._files[apdu[5:7]]
            return b"\x90\x00"
        if apdu[:2] == bytes.fromhex("00b0") and self._file:
            offset, wanted = int.from_bytes(apdu[2:4], "big"), apdu[4] if len(apdu) > 4 else 0
            if self._endless and self._file is self._files[NDEF_FILE] and offset >= 2:
                wanted = 0
            return self._file[offset : offset + wanted] + b"\x90\x00"
        return b"\x6a\x82"


def make(spec: Spec) -> Card:
    """The card that a spec of this module describes."""
    ndef = bytes.fromhex(spec["ndef"]) if spec.get("ndef") is not None else None
    uid = bytes.fromhex(spec["uid"]) if spec.get("uid") is not None else None
    if spec["kind"] == "type4":
        return Type4(uid, ndef, bytes.fromhex(spec["ats"]), bytes.fromhex(spec["cc"]), spec["endless"])
    if uid is None:
        raise ValueError("only phones change their UID")
    return Type2(uid, ndef, classic=spec["kind"] == "classic")
