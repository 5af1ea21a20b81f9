"""What the shop's file may hold in clear, and what only sealed: its keys, and how values are sealed with them. Pure.

Three steps. A root key, kept outside the file, wraps the data keys; these lie in the file. One of them, the site's,
gives the keys of keyed hashes and MACs and is never changed; the others, the field keys, seal values. So the root can
be changed by wrapping a few keys anew, and a field key by sealing anew, and nobody has to send anything again.

AES-256-GCM (SP 800-38D) with a random 96-bit nonce. One key may so seal 2^32 values (8.3 there), at 20,000 events a
day for 500 years. Each value names its key and is bound to its place: none can be moved to another row or column.
Subkeys by HKDF-SHA256 (RFC 5869).
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import SealError

KEY_BYTES = 32
MAC_BYTES = 32
KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_HEAD_BYTES = KEY_ID_BYTES + _NONCE_BYTES
SEAL_BYTES = _HEAD_BYTES + 16  # how much longer a sealed value is: key id, nonce, tag


class KeyUse(StrEnum):
    """What a data key is for; in the file as these words."""

    SITE = "site"
    FIELDS = "fields"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it lies in the file."""

    key_id: int
    use: KeyUse
    wrapped: bytes


class Vault:
    """Seals with the newest field key and opens with all of them.

    `site`: the site's 32 secret bytes. `fields`: 32 bytes by key id; without, it seals with key 0, a subkey of the
    site's.
    """

    def __init__(self, site: bytes, fields: Mapping[int, bytes] | None = None) -> None:
        if len(site) != KEY_BYTES:
            raise ValueError("a key has 32 bytes")
        self.identifier_key = _subkey(site, "identifiers")  # static identifiers and one-time codes are hashed under it
        self._mac_key = _subkey(site, "mac")
        fields = fields or {0: _subkey(site, "fields")}
        self._fields = {key_mark(key_id): AESGCM(key) for key_id, key in fields.items()}
        self._newest = key_mark(max(fields))

    def hold_those_of(self, other: "Vault") -> None:
        """From now on seal with the newest of the other's field keys and open with those alone."""
        self._fields, self._newest = other._fields, other._newest

    @property
    def newest(self) -> bytes:
        """The mark of the key that seals, with which its values begin."""
        return self._newest

    @property
    def marks(self) -> frozenset[bytes]:
        """The marks of all field keys that it holds."""
        return frozenset(self._fields)

    def seal(self, place: str, clear: bytes) -> bytes:
        """`clear` for this place alone, such as "member.body/m-1"; SEAL_BYTES longer."""
        nonce = os.urandom(_NONCE_BYTES)  # secrets.token_bytes is this and more steps
        return self._newest + nonce + self._fields[self._newest].encrypt(nonce, clear, place.encode())

    def open(self, place: str, sealed: bytes) -> bytes:
        """What was sealed for this place. Raises SealError for everything else."""
        try:
            key = self._fields[sealed[:KEY_ID_BYTES]]
            return key.decrypt(sealed[KEY_ID_BYTES:_HEAD_BYTES], sealed[_HEAD_BYTES:], place.encode())
        except (InvalidTag, ValueError, KeyError):
            raise SealError(place.partition("/")[0]) from None

    def mac(self, use: str, *parts: bytes) -> bytes:
        """32 bytes that nobody can compute without the site's key. `use` keeps different uses apart."""
        mac = hashlib.blake2b(key=self._mac_key, digest_size=MAC_BYTES, person=use.encode())
        for part in parts:
            mac.update(len(part).to_bytes(8, "big") + part)
        return mac.digest()


def key_mark(key_id: int) -> bytes:
    """How a sealed value names its key."""
    return key_id.to_bytes(KEY_ID_BYTES, "big")


def wrap(root: bytes, key_id: int, use: KeyUse, key: bytes) -> WrappedKey:
    """A data key for the file: it opens with this root, under this id and for this use alone."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return WrappedKey(key_id, use, nonce + _wrapper(root).encrypt(nonce, key, _bound(key_id, use)))


def unwrap(root: bytes, row: WrappedKey) -> bytes:
    """The data key itself. Raises SealError with another root, id or use."""
    try:
        nonce, sealed = row.wrapped[:_NONCE_BYTES], row.wrapped[_NONCE_BYTES:]
        return _wrapper(root).decrypt(nonce, sealed, _bound(row.key_id, row.use))
    except (InvalidTag, ValueError):
        raise SealError("data_key") from None


def unlock(root: bytes, rows: Iterable[WrappedKey]) -> Vault:
    """The vault of these keys. Raises SealError if one does not open, or a use has none."""
    keys: dict[KeyUse, dict[int, bytes]] = {use: {} for use in KeyUse}
    for row in rows:
        keys[row.use][row.key_id] = unwrap(root, row)
    if len(keys[KeyUse.SITE]) != 1 or not keys[KeyUse.FIELDS]:
        raise SealError("data_key")
    (site,) = keys[KeyUse.SITE].values()
    return Vault(site, keys[KeyUse.FIELDS])


def _wrapper(root: bytes) -> AESGCM:
    return AESGCM(_subkey(root, "wrap"))


def _bound(key_id: int, use: KeyUse) -> bytes:
    return f"data_key/{key_id}/{use}".encode()


def _subkey(key: bytes, use: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"store-gateway vault {use}".encode()).derive(key)
