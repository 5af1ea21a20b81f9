"""The NDEF message of a Type 2 tag, 16 bytes at a time (NFC Forum Type 2 Tag, section 6; PC/SC part 3, 3.2.2.1.8)."""

from drivers import tags
from drivers.talk import Exchange, Refused
from gateway.core.model import Trouble

CC_PAGE, DATA_PAGE = 3, 4
PAGES_A_READ = 4
CC_MAGIC = 0xE1
NDEF, TERMINATOR, NULL = 0x03, 0xFE, 0x00
AGAIN = Refused("type2.read", Trouble.AGAIN)


def read(exchange: Exchange) -> bytes | Refused | None:
    """The message; None where the tag carries none, Refused where it is half written. Raises CardGoneError."""
    head = _block(exchange, CC_PAGE)
    if head is None or head[0] != CC_MAGIC:
        return None
    size = min(head[2] * 8, tags.MESSAGE_BYTES_MAX)
    data = bytearray(head[4:])
    page = CC_PAGE + PAGES_A_READ
    while (found := _message(bytes(data), size)) is None and len(data) < size:
        block = _block(exchange, page)
        if block is None:
            return AGAIN
        data += block
        page += PAGES_A_READ
    if found is None:
        return AGAIN  # its own length leads out of the tag
    return found or None


def _block(exchange: Exchange, page: int) -> bytes | None:
    reply = exchange(bytes([0xFF, 0xB0, 0x00, page & 0xFF, 16]))
    return reply[:16] if len(reply) == 18 and reply[-2:] == b"\x90\x00" and page <= 0xFF else None


def _message(data: bytes, size: int) -> bytes | None:
    """The NDEF TLV's value, b"" if there is none, None if more bytes are needed."""
    at = 0
    while at < min(len(data), size):
        tag = data[at]
        at += 1
        if tag == NULL:
            continue
        if tag == TERMINATOR:
            return b""
        if at >= len(data):
            return None
        length = data[at]
        at += 1
        if length == 0xFF:
            if at + 2 > len(data):
                return None
            length = int.from_bytes(data[at : at + 2], "big")
            at += 2
        if tag == NDEF:
            return data[at : at + length] if at + length <= len(data) else None
        at += length
    return b"" if at >= size else None
