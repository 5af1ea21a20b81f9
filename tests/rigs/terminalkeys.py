"""Terminal keys for tests, each made from a stated hash, and sealed as headquarters seals them."""

import hashlib
import json

from gateway.core import sealing
from gateway.core.changes import KeyPut
from gateway.core.keyring import KeyUse

GATEWAY = "acme/munich-1/gw-1"
PRIVATE = hashlib.sha256(b"gateway test own key").digest()


def secret(name: str) -> str:
    """64 hex digits that nobody else has."""
    return hashlib.sha256(f"gateway test terminal key {name}".encode()).hexdigest()


def material(use: KeyUse, name: str) -> bytes:
    """A key of each use; its secret is `secret(name)`."""
    own: dict[KeyUse, dict[str, object]] = {
        KeyUse.HCE: {"private": secret(name)},
        KeyUse.SMARTTAP: {"collector": "0133ee80", "version": 1, "private": secret(name)},
        KeyUse.VAS: {"pass_type_id": "pass.example.loyalty", "private": secret(name)},
        KeyUse.SUN: {"meta": secret(name)[:32], "file": secret(name)[32:]},
        KeyUse.TAG: {"key_id": secret(name)[:4], "public": secret(name)},
        KeyUse.COUPON: {"key_id": secret(name)[:4], "private": secret(name)},
    }
    return json.dumps(own[use]).encode()


def sealed(
    key_id: str,
    use: KeyUse = KeyUse.SUN,
    from_ms: int = 0,
    until_ms: int | None = None,
    gateway: str = GATEWAY,
    private: bytes = PRIVATE,
    content: bytes | None = None,
) -> KeyPut:
    """The change that brings a key to a gateway; `content` in place of a good material."""
    bound = sealing.info(gateway, key_id, use, from_ms, until_ms)
    inside = material(use, key_id) if content is None else content
    return KeyPut(gateway, key_id, use, from_ms, until_ms, sealing.seal(sealing.public_key(private), inside, bound))
