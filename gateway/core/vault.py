"""What the shop's file may hold in clear, and what only sealed: one root key, and a subkey for each use. Pure.

AES-256-GCM (SP 800-38D) with a random 96-bit nonce; each sealed value is bound to its place, so that none can
be moved to another row or column. Subkeys by HKDF-SHA256 (RFC 5869).
"""

import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import SealError

ROOT_BYTES = 32
MAC_BYTES = 32
_NONCE_BYTES = 12


class Vault:
    """`root`: 32 secret bytes that never stand beside the data."""

    def __init__(self, root: bytes) -> None:
        if len(root) != ROOT_BYTES:
            raise ValueError("a root key has 32 bytes")
        self._fields = AESGCM(_subkey(root, "fields"))
        self._mac_key = _subkey(root, "mac")

    def seal(self, place: str, clear: bytes) -> bytes:
        """`clear` for this place alone, such as "member.body/m-1"; 28 bytes longer."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._fields.encrypt(nonce, clear, place.encode())

    def open(self, place: str, sealed: bytes) -> bytes:
        """What was sealed for this place. Raises SealError for everything else."""
        try:
            return self._fields.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise SealError(place.partition("/")[0]) from None

    def mac(self, use: str, *parts: bytes) -> bytes:
        """32 bytes that nobody can compute without the root. `use` keeps different uses apart."""
        mac = hashlib.blake2b(key=self._mac_key, digest_size=MAC_BYTES, person=use.encode())
        for part in parts:
            mac.update(len(part).to_bytes(8, "big") + part)
        return mac.digest()


def _subkey(root: bytes, use: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"store-gateway vault {use}".encode()).derive(root)
