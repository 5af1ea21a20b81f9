"""Type 2 tags (NTAG21x) and MIFARE Classic, as far as they answer without keys. Frames come and go without CRC.

Sources: NXP NTAG213/215/216 data sheet, sections 8.5 and 10; NXP MF1S50yyX, section 10.
Not simulated: passwords, counters, lock bits that lock, signatures; of a Classic all that needs a key.
"""

from dataclasses import dataclass

PAGE = 4
ACK, NAK = b"\x0a", b"\x00"
CLASSIC_NAK = b"\x04"


@dataclass(frozen=True, slots=True)
class Chip:
    """One of the NTAG family."""

    pages: int
    user_bytes: int
    cc: bytes
    version: bytes
    lock_tlv: bytes = b""  # as it leaves the factory: where the dynamic lock bytes are


CHIPS = {
    "ntag213": Chip(45, 144, bytes.fromhex("e1101200"), bytes.fromhex("0004040201000f03"), bytes.fromhex("0103a00c34")),
    "ntag215": Chip(135, 504, bytes.fromhex("e1103e00"), bytes.fromhex("0004040201001103")),
    "ntag216": Chip(231, 888, bytes.fromhex("e1106d00"), bytes.fromhex("0004040201001303")),
}


def memory(
    chip: Chip, uid: bytes, ndef: bytes | None, *, cc: bytes | None, announce: int | None, lock_tlv: bool
) -> bytes:
    """A tag's pages. `ndef` None: never formatted; `announce`: the length that the TLV states. Raises ValueError."""
    bcc = [0x88 ^ uid[0] ^ uid[1] ^ uid[2], uid[3] ^ uid[4] ^ uid[5] ^ uid[6]]
    container = bytes(PAGE) if ndef is None else chip.cc
    head = uid[:3] + bytes([bcc[0]]) + uid[3:7] + bytes([bcc[1], 0x48, 0, 0]) + (container if cc is None else cc)
    if lock_tlv and not chip.lock_tlv:
        raise ValueError("this tag has no lock control TLV")
    user = chip.lock_tlv if lock_tlv else b""
    if ndef is not None:
        length = len(ndef) if announce is None else announce
        user += b"\x03" + (bytes([length]) if length < 255 else b"\xff" + length.to_bytes(2, "big")) + ndef
        if announce is None:
            user += b"\xfe"
    if len(user) > chip.user_bytes:
        raise ValueError(f"this tag holds {chip.user_bytes} bytes")
    return (head + user).ljust(chip.pages * PAGE, b"\x00")


class Type2:
    """An NTAG."""

    sens_res = bytes.fromhex("0044")
    sel_res = 0x00
    crc = False
    delay_ms = 0.0

    def __init__(self, uid: bytes, chip: Chip, pages: bytes) -> None:
        self.uid = uid
        self._chip = chip
        self._pages = bytearray(pages)
        self.power_off()

    def power_off(self) -> None:
        self._listens = self._halted = False

    def hear(self, frame: bytes, now_ms: int) -> None:
        """A frame to nobody."""

    def polled(self, now_ms: int) -> bool:
        """Whether it answers REQA now."""
        return not self._halted

    def select(self) -> None:
        self._listens = True

    def answer(self, frame: bytes) -> bytes | None:
        """The reply, or None for silence: not selected, halted, or refused before."""
        if not self._listens:
            return None
        if frame[:1] == b"\x50":  # HLTA
            self._listens, self._halted = False, True
            return None
        reply = self._reply(frame)
        if len(reply) == 1 and reply != ACK:
            self._listens = False  # after a NAK a tag is idle until it is selected again
        return reply

    def _reply(self, frame: bytes) -> bytes:
        last = self._chip.pages - 1
        match list(frame):
            case [0x60]:  # GET_VERSION
                return self._chip.version
            case [0x30, page] if page <= last:  # READ: 4 pages, goes on at page 0
                return bytes((self._pages * 2)[page * PAGE : page * PAGE + 16])
            case [0x3A, first, end] if first <= end <= last:  # FAST_READ
                return bytes(self._pages[first * PAGE : end * PAGE + PAGE])
            case [0xA2, page, *data] if 4 <= page <= last and len(data) == PAGE:  # WRITE
                self._pages[page * PAGE : page * PAGE + PAGE] = bytes(data)
                return ACK
        return NAK


class Classic(Type2):
    """A MIFARE Classic 1K: without its keys it gives its UID only."""

    sens_res = bytes.fromhex("0004")
    sel_res = 0x08

    def __init__(self, uid: bytes) -> None:
        super().__init__(uid, CHIPS["ntag213"], b"")

    def _reply(self, frame: bytes) -> bytes:
        return CLASSIC_NAK
