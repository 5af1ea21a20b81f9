"""The NFC Forum Type 4 NDEF application as an applet: a capability container and one NDEF file, read only.

Source: NFC Forum Type 4 Tag 2.0, sections 5 and 7. Not simulated: mapping version 1, writing.
"""

from typing import Any

NAME = bytes.fromhex("d2760000850101")
CC_FILE = bytes.fromhex("e103")
CC = bytes.fromhex("000f20003b00340406e10408000000")  # mapping 2.0, MLe 59, MLc 52, file E104 of 2048 bytes
CC_CONTROL = slice(9, 11)  # the NDEF file's name in a capability container

OK = b"\x90\x00"
NOT_ALLOWED, NOT_FOUND, WRONG_P1_P2, WRONG_OFFSET, NO_SUCH_COMMAND = (
    bytes.fromhex(word) for word in ("6986", "6a82", "6a86", "6b00", "6d00")
)


def applet(ndef: bytes, cc: bytes = CC, announce: int | None = None, endless: bool = False) -> dict[str, Any]:
    """The spec of an application that holds a message.

    `announce`: the length that the file states, filled up with zeros, up to 65,535. `endless`: it answers every READ
    BINARY beyond that length with nothing.
    """
    return {"applet": "ndef", "ndef": ndef.hex(), "cc": cc.hex(), "announce": announce, "endless": endless}


class Ndef:
    """What `applet` describes."""

    def __init__(self, cc: bytes, file: bytes, endless: bool) -> None:
        self._files = {CC_FILE: cc, cc[CC_CONTROL]: file}
        self._ndef_file = file
        self._endless = endless
        self.select()

    def select(self) -> None:
        """The field went on."""
        self._open = False
        self._file: bytes | None = None

    def answer(self, apdu: bytes) -> bytes:
        """Data and status word."""
        match apdu[1], apdu[2]:
            case 0xA4, 0x04:
                self._open, self._file = apdu[5 : 5 + apdu[4]] == NAME, None
                return OK if self._open else NOT_FOUND
            case 0xA4, 0x00:
                found = self._files.get(apdu[5:7]) if self._open else None
                self._file = found if found is not None else self._file
                return NOT_FOUND if found is None else OK
            case 0xA4, _:
                return WRONG_P1_P2
            case 0xB0, _:
                return self._read(int.from_bytes(apdu[2:4], "big"), (apdu[4] or 256) if len(apdu) == 5 else 0)
        return NO_SUCH_COMMAND

    def _read(self, offset: int, wanted: int) -> bytes:
        if self._file is None:
            return NOT_ALLOWED
        if offset > min(len(self._file), 0x7FFF):  # the highest bit would name another file
            return WRONG_OFFSET
        if self._endless and self._file is self._ndef_file and offset >= 2:
            wanted = 0
        return self._file[offset : offset + wanted] + OK


def make(spec: dict[str, Any]) -> Ndef:
    """The applet that a spec describes."""
    message = bytes.fromhex(spec["ndef"])
    length = len(message) if spec["announce"] is None else int(spec["announce"])
    return Ndef(bytes.fromhex(spec["cc"]), length.to_bytes(2, "big") + message.ljust(length, b"\x00"), spec["endless"])
