"""Short commands, status words and BER-TLV as ISO/IEC 7816-4 writes them. Knows no application."""

from gateway.errors import PeerError

# A short command asks for at most 256 bytes; phones that ignore this still stay far below 4 KiB.
REPLY_BYTES_MAX = 4096
DATA_BYTES_MAX = 255  # of a short command
OK = 0x9000
NOT_FOUND = 0x6A82  # no such application


def command(head: bytes, data: bytes = b"") -> bytes:
    """CLA INS P1 P2, then Lc and data if there are any, then Le 00. Raises ValueError above 255 bytes of data."""
    if len(data) > DATA_BYTES_MAX:
        raise ValueError("a short command carries 255 bytes")
    return head + (bytes([len(data)]) + data if data else b"") + b"\x00"


def select(aid: bytes) -> bytes:
    """SELECT by application id, first or only occurrence."""
    return command(b"\x00\xa4\x04\x00", aid)


def split(reply: bytes) -> tuple[bytes, int]:
    """Data and status word. Raises PeerError "reply_size"."""
    if not 2 <= len(reply) <= REPLY_BYTES_MAX:
        raise PeerError("reply_size")
    return reply[:-2], int.from_bytes(reply[-2:], "big")


def tlv(tag: int, value: bytes) -> bytes:
    """One data object; `tag` as it is written, for instance 0x9F25. Values up to 65,535 bytes."""
    head = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    size = len(value)
    if size < 0x80:
        return head + bytes([size]) + value
    if size < 0x100:
        return head + b"\x81" + bytes([size]) + value
    return head + b"\x82" + size.to_bytes(2, "big") + value


def tlvs(data: bytes) -> list[tuple[int, bytes]]:
    """The data objects of one level, in their order. Raises PeerError "tlv_malformed"."""
    found = []
    at = 0
    while at < len(data):
        tag, at = _tag(data, at)
        size, at = _size(data, at)
        if at + size > len(data):
            raise PeerError("tlv_malformed")
        found.append((tag, data[at : at + size]))
        at += size
    return found


def find(data: bytes, *path: int) -> bytes | None:
    """The value behind the tags of `path`, one level each, the first where a tag repeats; None if it is not there.

    Levels beside the path are not opened, so depth costs nothing. Raises PeerError "tlv_malformed".
    """
    for tag in path:
        value = next((value for name, value in tlvs(data) if name == tag), None)
        if value is None:
            return None
        data = value
    return data


def _tag(data: bytes, at: int) -> tuple[int, int]:
    tag = data[at]
    at += 1
    if tag & 0x1F != 0x1F:
        return tag, at
    for _ in range(2):  # tags of up to three bytes (ISO/IEC 7816-4, section 6.3)
        if at >= len(data):
            break
        byte = data[at]
        tag, at = tag << 8 | byte, at + 1
        if not byte & 0x80:
            return tag, at
    raise PeerError("tlv_malformed")


def _size(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise PeerError("tlv_malformed")
    size = data[at]
    at += 1
    if size < 0x80:
        return size, at
    width = size & 0x7F
    if not 1 <= width <= 2 or at + width > len(data):
        raise PeerError("tlv_malformed")
    return int.from_bytes(data[at : at + width], "big"), at + width
