"""Resolvable private addresses: which colleague's phone is behind a random address (Core, Vol 3 Part H, 2.2.2).

For staff phones only, because every new address on the air, a stranger's too, costs one AES for each key in here.
Remembers addresses as keyed hashes only, and only for a quarter of an hour.
"""

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

IRK_BYTES = 16
ADDRESS_BYTES = 6
_PRAND_BYTES = 3
# Core, Vol 6 Part B, 1.3.2.2: the two highest bits of a resolvable private address are 01.
_TYPE_MASK, _RESOLVABLE = 0xC0, 0x40

# The colleagues of the largest shop. All keys against one new address take 0.1 ms on x86-64.
MAX_IRKS = 500

# Phones keep an address for 15 minutes (Core, Vol 3 Part C, appendix A). 200 phones need 200 entries; the bound is for
# somebody who invents addresses. 4,096 entries are 0.6 MB.
REMEMBERED_MS = 15 * 60_000
MAX_REMEMBERED = 4096

# An inventor of addresses gets no more than this: at MAX_IRKS 0.5 % of an x86-64 core. 200 phones need one in 4 s, and
# a coach party of 100 is through after two seconds.
SEARCHES_PER_S = 50

_MARK_BYTES = 8
_ZEROS = bytes(13)


def ah(irk: bytes, prand: bytes) -> bytes:
    """The 3-byte hash of 3 random bytes under an identity resolving key of 16 bytes."""
    return _encryptor(irk).update(_ZEROS + prand)[-_PRAND_BYTES:]


def resolvable(address: bytes) -> bool:
    """Whether a random address, 6 bytes, most significant first, has the form that a key may resolve."""
    return len(address) == ADDRESS_BYTES and address[0] & _TYPE_MASK == _RESOLVABLE


class Irks:
    """The keys of known phones. `mark_key` is random for each process, so that what is remembered says nothing."""

    def __init__(self, mark_key: bytes) -> None:
        self._mark_key = mark_key
        self._keys: dict[str, CipherContext] = {}
        self._remembered: dict[bytes, tuple[int, str | None]] = {}  # mark -> until_ms, whose; oldest first
        self._second = 0
        self._searches = 0

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, credential_id: str, irk: bytes) -> bool:
        """Add or re-key a phone; `irk` has 16 bytes. False, and nothing is done, if MAX_IRKS are here already."""
        if len(self._keys) >= MAX_IRKS and credential_id not in self._keys:
            return False
        self._keys[credential_id] = _encryptor(irk)
        self._remembered.clear()
        return True

    def drop(self, credential_id: str) -> None:
        """Forget a phone; unknown ids are fine."""
        if self._keys.pop(credential_id, None) is not None:
            self._remembered.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._keys.clear()
        self._remembered.clear()

    def resolve(self, address: bytes, now_ms: int) -> str | None:
        """The credential behind an address, 6 bytes, most significant first; None for everybody else, and for a new
        address beyond SEARCHES_PER_S."""
        if not self._keys or not resolvable(address):
            return None
        mark = hashlib.blake2b(address, digest_size=_MARK_BYTES, key=self._mark_key).digest()
        known = self._remembered.get(mark)
        if known is not None:
            if known[0] - REMEMBERED_MS <= now_ms < known[0]:  # also after the clock was set back
                return known[1]
            del self._remembered[mark]
        if not self._may_search(now_ms):
            return None
        found = self._search(address)
        if len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[mark] = now_ms + REMEMBERED_MS, found
        return found

    def _search(self, address: bytes) -> str | None:
        block, expected = _ZEROS + address[:_PRAND_BYTES], address[_PRAND_BYTES:]
        for credential_id, encryptor in self._keys.items():
            if encryptor.update(block).endswith(expected):
                return credential_id
        return None

    def _may_search(self, now_ms: int) -> bool:
        second = now_ms // 1000
        if second != self._second:
            self._second, self._searches = second, 0
        self._searches += 1
        return self._searches <= SEARCHES_PER_S


def _encryptor(irk: bytes) -> CipherContext:
    # ECB over one block: the specification's function e(), not a cipher mode.
    return Cipher(algorithms.AES128(irk), modes.ECB()).encryptor()
