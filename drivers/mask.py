"""A stranger's bytes -> random bytes of the same shape, for recordings that may be kept and passed on. Pure.

The same contents get the same replacement as long as the key lives. The key is random, belongs to one recording and is
written nowhere, so nothing leads back. No four bytes in a row of what is replaced stay as they were.
"""

import hashlib
from collections.abc import Callable, Iterator

from drivers import frames
from gateway.core.model import CredentialKind
from gateway.errors import PeerError

KEY_BYTES = 32
# Random contents may by chance begin like a frame of ours (1 in 256 at worst); then the next replacement is tried.
TRIES = 16
_RUN_BYTES = 4

# Core, Vol 6 Part B, 1.3.2: the two highest bits say which kind of random address it is.
_ADDRESS_KIND = 0xC0

# NFC Data Exchange Format 1.0, section 3.2.
_SHORT, _HAS_ID, _FORMAT, _WELL_KNOWN = 0x10, 0x08, 0x07, 0x01
_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789"
_POINTS = b"/.:"  # what gives a URI its shape

# (candidate, original byte) -> replacement
_Choice = Callable[[int, int], int]


class Mask:
    """`key` has KEY_BYTES random bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def address(self, address: bytes) -> bytes:
        """Another address of the same kind; empty stays empty."""
        if not address:
            return b""
        made = self._noise(b"address", address)
        return bytes([address[0] & _ADDRESS_KIND | made[0] & ~_ADDRESS_KIND]) + made[1:]

    def ad(self, ad: bytes) -> bytes:
        """AD structures of the same lengths, types and kinds (`frames.contents` says what a kind is).

        `frames.decode` says the same of both: the same kind of token, of no token, or of mistake. (But what is cut off
        in the middle of a frame of ours may look like a stranger's afterwards.)
        """
        outcome = _outcome(ad)
        for number in range(TRIES):
            made = self._ad(ad, bytes([number]))
            if _outcome(made) == outcome:
                break
        return made

    def _ad(self, ad: bytes, salt: bytes) -> bytes:
        made = bytearray(len(ad))  # what stands behind the last structure is nobody's: zeros
        for length, start, end in frames.structures(ad):
            kind, data = ad[start], ad[start + 1 : end]
            for part in frames.contents(kind, data):
                data = data[: part.start or 0] + self._part(bytes([kind]) + salt, data, part)
            made[start - 1 : end] = bytes([length, kind]) + data
        return bytes(made)

    def _part(self, label: bytes, data: bytes, part: slice) -> bytes:
        """`data` from the beginning of `part` on, with `part` replaced."""
        rest = data[part.stop :] if part.stop is not None else b""
        return self._noise(label, data[part]) + rest

    def ndef(self, message: bytes) -> bytes:
        """An NDEF message of the same records and lengths; URIs and texts stay readable as such."""
        made = b""
        for header, name, label, payload in _records(message):
            made += header
            well_known = bool(header) and header[0] & _FORMAT == _WELL_KNOWN
            made += name if well_known else self._noise(b"type", name, _as_text)
            made += self._noise(b"id", label, _as_text)
            if well_known and name in (b"U", b"T"):
                made += payload[:1] + self._noise(b"text", payload[1:], _as_text)
            else:
                made += self._noise(b"payload", payload)
        return made

    def _noise(self, label: bytes, content: bytes, choose: _Choice = lambda candidate, _: candidate) -> bytes:
        stream = hashlib.shake_128(self._key + bytes([len(label)]) + label + content).digest(len(content))
        runs = {content[at : at + _RUN_BYTES] for at in range(len(content) - _RUN_BYTES + 1)}
        made = bytearray()
        for candidate, original in zip(stream, content, strict=True):
            made.append(choose(candidate, original))
            while bytes(made[-_RUN_BYTES:]) in runs:
                candidate = candidate + 1 & 0xFF
                made[-1] = choose(candidate, 0)
        return bytes(made)


def _as_text(candidate: int, original: int) -> int:
    return original if original in _POINTS else _LETTERS[candidate % len(_LETTERS)]


def _outcome(ad: bytes) -> CredentialKind | frames.Other | str:
    try:
        found = frames.decode(ad)
    except PeerError as error:
        return error.reason
    return found if isinstance(found, frames.Other) else found.kind


def _records(message: bytes) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    """(header, type, id, payload) of each record; what is none comes last as a payload without a header."""
    at = 0
    while at < len(message):
        flags = message[at]
        sizes = 1 if flags & _SHORT else 4
        head = at + 2 + sizes + bool(flags & _HAS_ID)
        if head > len(message):
            break
        name_bytes = message[at + 1]
        payload_bytes = int.from_bytes(message[at + 2 : at + 2 + sizes], "big")
        id_bytes = message[head - 1] if flags & _HAS_ID else 0
        ends = [head + name_bytes, head + name_bytes + id_bytes, head + name_bytes + id_bytes + payload_bytes]
        if ends[2] > len(message):
            break
        yield message[at:head], message[head : ends[0]], message[ends[0] : ends[1]], message[ends[1] : ends[2]]
        at = ends[2]
    if at < len(message):
        yield b"", b"", b"", message[at:]
