"""A phone with the retailer's app, built from docs/phone-app.md alone. Nothing here is shared with the terminal's end.

Not simulated: the screen lock's own silence, the Keystore's delay, two apps with the same AID.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Spec = dict[str, Any]  # JSON: crosses the pipe to the chip's process

P256, ED25519 = "p256", "ed25519"
# What a forger or a broken app may do instead of the truth.
LIES = (
    "",
    "place",  # signs for another shop
    "nonce",  # signs an older nonce
    "wrapped",  # signs for another ephemeral key: an answer taken out of its envelope and sealed anew
    "key",  # shows another key than the one that signs
    "replay",  # repeats its first answer for ever
    "reader",  # seals to a key that is not the reader's
)

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_OK, _WRONG_LENGTH, _WRONG_DATA = b"\x90\x00", b"\x67\x00", b"\x6a\x80"
_NO_KEY, _NOT_NOW, _NO_COMMAND, _NOT_FOUND = b"\x6a\x88", b"\x69\x85", b"\x6d\x00", b"\x6a\x82"


def p256_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The private key 1 + SHA-256(text) mod (n - 1), for tests and vectors."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
    return ec.derive_private_key(1 + number % (_ORDER - 1), ec.SECP256R1())


def ed25519_key(text: str) -> ed25519.Ed25519PrivateKey:
    """The private key SHA-256(text), for tests and vectors."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(text.encode()).digest())


def compressed(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The 33 bytes of the public point."""
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)


def spec(
    seed: str,
    readers: Sequence[bytes],
    algorithm: str = P256,
    tenant: str = "muster",
    *,
    locked: bool = False,
    lie: str = "",
    ephemeral: str = "",
) -> Spec:
    """A phone whose key follows from the text `seed` and that knows the reader keys `readers` (33 bytes each).

    `locked`: it answers "not now". `lie`: one of LIES. `ephemeral`: the text of a key that replaces the random ones, so
    that the same challenge gives the same answer; for vectors.
    """
    if algorithm not in (P256, ED25519) or lie not in LIES:
        raise ValueError("no such algorithm or lie")
    return {
        "applet": "hce",
        "seed": seed,
        "readers": [reader.hex() for reader in readers],
        "algorithm": algorithm,
        "tenant": tenant,
        "locked": locked,
        "lie": lie,
        "ephemeral": ephemeral,
    }


class App:
    """The app's end of the two commands."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._tenant: str = spec["tenant"]
        self._locked: bool = spec["locked"]
        self._lie: str = spec["lie"]
        points = [bytes.fromhex(reader) for reader in spec["readers"]]
        self._readers = {hashlib.sha256(point).digest()[:4]: point for point in points}
        hashed = hashlib.sha256(b"store-gateway hce aid v1" + self._tenant.encode()).digest()
        self._aid = bytes.fromhex("f04741544557415901") + hashed[:7]
        self._signs: _Signer = _Ed25519(spec["seed"]) if spec["algorithm"] == ED25519 else _P256(spec["seed"], spec)
        self._selected = False
        self._first = b""
        self._old_nonce = bytes(16)

    @property
    def value(self) -> bytes:
        """What headquarters registers: 33 bytes of P-256, or 32 of Ed25519."""
        return self._signs.shown if self._spec["algorithm"] == P256 else self._signs.shown[1:]

    def select(self) -> None:
        """The field came on: no application is selected."""
        self._selected = False

    def answer(self, apdu: bytes) -> bytes:
        """Data and status bytes. 6A82 for whatever is not for this app."""
        if apdu[:4] == b"\x00\xa4\x04\x00":
            self._selected = apdu[4:] in (bytes([16]) + self._aid, bytes([16]) + self._aid + b"\x00")
            return b"SG\x01" + b"".join(self._readers) + _OK if self._selected else _NOT_FOUND
        if not self._selected:
            return _NOT_FOUND
        if apdu[:2] != b"\x80\x10":
            return _NO_COMMAND
        if len(apdu) < 6 or len(apdu) != 6 + apdu[4] or not 29 <= apdu[4] <= 75:
            return _WRONG_LENGTH
        return self._challenged(apdu[5:-1])

    def _challenged(self, challenge: bytes) -> bytes:
        place = challenge[26:]
        if challenge[0] != 1 or challenge[25] != len(place) or not place.startswith(self._tenant.encode() + b"/"):
            return _WRONG_DATA
        if challenge[1:5] not in self._readers:
            return _NO_KEY
        if self._locked:
            return _NOT_NOW
        answer = self._sealed(challenge, self._readers[challenge[1:5]])
        self._first = self._first or answer
        return (self._first if self._lie == "replay" else answer) + _OK

    def _sealed(self, challenge: bytes, reader: bytes) -> bytes:
        fixed = self._spec["ephemeral"]
        ephemeral = p256_key(fixed) if fixed else ec.generate_private_key(ec.SECP256R1())
        point = compressed(ephemeral)
        shown = _Ed25519("another").shown if self._lie == "key" else self._signs.shown
        signature = self._signs.sign(self._claimed(challenge) + reader + self._wrapped(point) + shown)
        if self._lie == "reader":
            reader = compressed(p256_key("another"))
        shared = ephemeral.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), reader))
        # HKDF-SHA256 (RFC 5869) for 16 bytes: one step of extract, one of expand.
        extracted = hmac.digest(challenge[5:21], shared, "sha256")
        key = hmac.digest(extracted, b"store-gateway hce seal v1" + reader + point + b"\x01", "sha256")[:16]
        return b"\x01" + point + AESGCM(key).encrypt(bytes(12), shown + signature, challenge)

    def _claimed(self, challenge: bytes) -> bytes:
        if self._lie == "place":
            challenge = challenge[:-1] + bytes([challenge[-1] ^ 1])
        if self._lie == "nonce":
            old, self._old_nonce = self._old_nonce, challenge[5:21]
            challenge = challenge[:5] + old + challenge[21:]
        return b"store-gateway hce sign v1" + challenge

    def _wrapped(self, point: bytes) -> bytes:
        return compressed(p256_key("another")) if self._lie == "wrapped" else point


class _Ed25519:
    def __init__(self, seed: str) -> None:
        self._private = ed25519_key(seed)
        self.shown = b"\xed" + self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


class _P256:
    def __init__(self, seed: str, spec: Spec) -> None:
        self._private = p256_key(seed)
        self.shown = compressed(self._private)
        self._deterministic = bool(spec["ephemeral"])  # RFC 6979, so that a vector can be made again

    def sign(self, message: bytes) -> bytes:
        scheme = ec.ECDSA(hashes.SHA256(), deterministic_signing=self._deterministic)
        r, s = utils.decode_dss_signature(self._private.sign(message, scheme))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


_Signer = _Ed25519 | _P256


def make(spec: Spec) -> App:
    """The phone that a spec of this module describes."""
    return App(spec)
