"""The NDEF application of a Type 4 tag (NFC Forum T4T 1.0) -> the bytes of its message. Knows no records.

Five exchanges for a message of up to 94 bytes, six for most others: SELECT application, SELECT and READ the capability
container, SELECT and READ the file.
"""

from drivers.tags import MESSAGE_BYTES_MAX
from drivers.talk import Exchange, Refused
from gateway.core.model import Trouble

_SELECT_APPLICATION = bytes.fromhex("00a4040007d27600008501")  # the last byte of the name is the version
_VERSION_2, _VERSION_1 = 0x01, 0x00
_CC_FILE = bytes.fromhex("e103")

# The capability container up to its first TLV, which describes the NDEF file (T4T 1.0, section 4.2).
_CC_BYTES = 15
_NDEF_FILE_TLV = b"\x04\x06"
_MLE_MIN = 15  # T4T 1.0, section 4.2: 000F to FFFF
_READ_FREE = 0x00
_LENGTH_BYTES = 2  # NLEN, before the message

# Most tags answer in one read: a SUN URL takes 72 bytes and its host and path. More would cost the short ones more than
# it saves: a byte takes 0.17 ms, a further read 6 ms (measured on the emulated chip).
FIRST_READ_BYTES = 96

READ_BYTES_MAX = 255  # the Le of a short APDU; 00 would be 256, which some cards take for 0

# 8,192 bytes in reads of 255 are 33. A card that wants more has answers so short that a tap would take seconds.
READS_MAX = 64

_OK = b"\x90\x00"
_END_OF_FILE = b"\x62\x82"  # with data: fewer than asked for (ISO 7816-4)

# The card can't be read as it is: holding it again may help if it was written half or left early.
_NO_CC = Refused("ndef_cc", Trouble.AGAIN)
_NO_READ = Refused("ndef_read", Trouble.AGAIN)
# Nobody's card of ours: trying again would not help.
_TOO_LARGE = Refused("ndef_size", Trouble.REFUSED)
_LOCKED = Refused("ndef_locked", Trouble.REFUSED)


def read(exchange: Exchange) -> bytes | Refused | None:
    """The NDEF message, b"" for an empty file, None without an NDEF application. Raises CardGoneError.

    Refused: "ndef_cc" (no usable capability container), "ndef_locked" (reading needs a key), "ndef_size" (above 8192
    bytes, or in too many pieces; nothing of it was read), "ndef_read" (the file ends before its message).
    """
    for version in (_VERSION_2, _VERSION_1):
        if _taken(exchange(_SELECT_APPLICATION + bytes([version, 0x00]))):
            break
    else:
        return None
    p2 = 0x0C if version == _VERSION_2 else 0x00  # T4T 1.0 and 2.0, section 5.4.3: no answer data; any
    cc = _read_binary(exchange, 0, _CC_BYTES) if _taken(exchange(_select_file(p2, _CC_FILE))) else b""
    if len(cc) < _CC_BYTES or cc[7:9] != _NDEF_FILE_TLV:
        return _NO_CC
    most, file_bytes = int.from_bytes(cc[3:5], "big"), int.from_bytes(cc[11:13], "big")
    if most < _MLE_MIN or file_bytes < _LENGTH_BYTES:  # a Le of 0 would mean 256
        return _NO_CC
    if cc[13] != _READ_FREE:
        return _LOCKED
    if not _taken(exchange(_select_file(p2, cc[9:11]))):
        return _NO_READ
    return _message(exchange, min(most, READ_BYTES_MAX), file_bytes)


def _message(exchange: Exchange, step: int, file_bytes: int) -> bytes | Refused:
    """The message in the selected file: two bytes of length, then as many bytes."""
    data = _read_binary(exchange, 0, min(step, FIRST_READ_BYTES, file_bytes))
    if len(data) < _LENGTH_BYTES:  # who answers a read beyond its message with an error may still tell its length
        data = _read_binary(exchange, 0, _LENGTH_BYTES)
        if len(data) < _LENGTH_BYTES:
            return _NO_READ
    whole = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    if whole - _LENGTH_BYTES > MESSAGE_BYTES_MAX or whole - len(data) > step * READS_MAX:
        return _TOO_LARGE
    if whole > file_bytes:
        return _NO_READ
    for _ in range(READS_MAX):
        if len(data) >= whole:
            return data[_LENGTH_BYTES:whole]
        more = _read_binary(exchange, len(data), min(step, whole - len(data)))
        if not more:
            return _NO_READ
        data += more
    return data[_LENGTH_BYTES:whole] if len(data) >= whole else _NO_READ


def _select_file(p2: int, file_id: bytes) -> bytes:
    return bytes([0x00, 0xA4, 0x00, p2, 0x02]) + file_id


def _read_binary(exchange: Exchange, offset: int, wanted: int) -> bytes:
    """Up to `wanted` bytes, b"" for none; what a card sends beyond that is dropped."""
    answer = exchange(bytes([0x00, 0xB0, offset >> 8, offset & 0xFF, wanted]))
    return answer[:-2][:wanted] if answer[-2:] in (_OK, _END_OF_FILE) else b""


def _taken(answer: bytes) -> bool:
    return answer[-2:] == _OK
