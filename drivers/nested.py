"""NDEF records inside records, as Google Smart Tap nests them, and the text of their values. Pure.

developers.google.com/wallet/smart-tap, NDEF records. Each level is opened by whoever knows what is in it, so depth
can't run away. Not for tags: their messages are drivers.tags.
"""

from typing import NamedTuple

from gateway.errors import PeerError

# A session's message has 5 records, a bundle one for each pass; 64 keep a hostile one cheap.
RECORDS_MAX = 64
# Google takes ASCII of a member's number; the longest that any of our tags may carry has 512 bytes as well.
VALUE_BYTES_MAX = 512

_BEGIN, _END, _CHUNK, _SHORT, _HAS_ID, _TNF = 0x80, 0x40, 0x20, 0x10, 0x08, 0x07
_WELL_KNOWN, _EXTERNAL = 1, 4
_BCD_PAD = 0xF


class Record(NamedTuple):
    """`name`: three letters or so, such as b"ses". `is_text`: an RTD Text record, without format byte."""

    name: bytes
    payload: bytes
    is_text: bool = False


def encode(*records: tuple[bytes, bytes]) -> bytes:
    """A message of external records (name, payload), short where they fit."""
    parts = []
    for at, (name, payload) in enumerate(records):
        head = _EXTERNAL | (_BEGIN if at == 0 else 0) | (_END if at == len(records) - 1 else 0)
        if len(payload) < 0x100:
            parts.append(bytes([head | _SHORT, len(name), len(payload)]))
        else:
            parts.append(bytes([head, len(name)]) + len(payload).to_bytes(4, "big"))
        parts += [name, payload]
    return b"".join(parts)


def parse(message: bytes) -> tuple[Record, ...]:
    """The records of one level; an empty message has none.

    An external record is named by its type, a well-known one by its id. Raises PeerError "record_malformed" for
    anything cut short, chunked or without proper begin and end, "record_count" above 64.
    """
    records: list[Record] = []
    at = 0
    while at < len(message):
        if len(records) == RECORDS_MAX:
            raise PeerError("record_count")
        flags = message[at]
        record, at = _record(message, at)
        records.append(record)
        is_first, is_last = len(records) == 1, at == len(message)
        if bool(flags & _BEGIN) is not is_first or bool(flags & _END) is not is_last:
            raise PeerError("record_malformed")
    return tuple(records)


def one(records: tuple[Record, ...], name: bytes) -> Record:
    """The first record of that name, which the caller spells out. Raises PeerError "no_NAME"."""
    for record in records:
        if record.name == name:
            return record
    raise PeerError(f"no_{name.decode()}")


def text(record: Record) -> bytes:
    """A value as UTF-8, 1 to 512 bytes: by its format byte, or an RTD Text record's text.

    Formats: 00 unspecified (taken as UTF-8), 01 ASCII, 02 UTF-8, 03 UTF-16, 04 binary (as hex digits), 05 BCD.
    Raises PeerError: "value_format", "value_size", "value_text".
    """
    if not record.payload:
        raise PeerError("value_size")
    head, rest = record.payload[0], record.payload[1:]
    if len(rest) > VALUE_BYTES_MAX:  # before anything is made of it
        raise PeerError("value_size")
    try:
        found = _rtd_text(head, rest) if record.is_text else _formatted(head, rest)
        value = found.encode()
    except UnicodeError:
        raise PeerError("value_text") from None  # the library's message quotes the value
    if not 0 < len(value) <= VALUE_BYTES_MAX:
        raise PeerError("value_size")
    return value


def _record(message: bytes, at: int) -> tuple[Record, int]:
    flags = message[at]
    kind = flags & _TNF
    head = 1 + 1 + (1 if flags & _SHORT else 4) + (1 if flags & _HAS_ID else 0)
    if flags & _CHUNK or kind not in (_WELL_KNOWN, _EXTERNAL) or at + head > len(message):
        raise PeerError("record_malformed")
    type_size = message[at + 1]
    wide = at + 2
    after = wide + (1 if flags & _SHORT else 4)
    size = int.from_bytes(message[wide:after], "big")
    id_size = message[after] if flags & _HAS_ID else 0
    begin = at + head
    end = begin + type_size + id_size + size
    if end > len(message):
        raise PeerError("record_malformed")
    kind_name = message[begin : begin + type_size]
    own_id = message[begin + type_size : begin + type_size + id_size]
    name = own_id if kind == _WELL_KNOWN else kind_name
    return Record(name, message[end - size : end], kind == _WELL_KNOWN and kind_name == b"T"), end


def _formatted(form: int, value: bytes) -> str:
    match form:
        case 0x00 | 0x02:
            return value.decode("utf-8")
        case 0x01:
            return value.decode("ascii")
        case 0x03:
            return _utf16(value)
        case 0x04:
            return value.hex()
        case 0x05:
            return _bcd(value)
    raise PeerError("value_format")


def _rtd_text(status: int, rest: bytes) -> str:
    """RTD Text 1.0, section 3.2.1: bit 7 is UTF-16, the low six bits the language's length."""
    value = rest[status & 0x3F :]
    return _utf16(value) if status & 0x80 else value.decode("utf-8")


def _utf16(value: bytes) -> str:
    marked = value[:2] in (b"\xff\xfe", b"\xfe\xff")
    return value.decode("utf-16" if marked else "utf-16-be")


def _bcd(value: bytes) -> str:
    """Two digits a byte, the first in the high half; an F at the very end fills up."""
    halves = [half for byte in value for half in (byte >> 4, byte & 0xF)]
    if halves and halves[-1] == _BCD_PAD:
        halves.pop()
    if any(half > 9 for half in halves):
        raise PeerError("value_text")
    return "".join(map(str, halves))
