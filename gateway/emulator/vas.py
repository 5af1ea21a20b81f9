"""An iPhone with NFC passes: the device's side of Apple VAS, written from the documents and not from our terminal.

Unofficial: kormax/apple-vas, proxmark3's cmdhfvas.c. Not simulated: ECP (the chip's emulator hears it), payment, the
pass on the screen (it answers 6287), sign-up links, filters.
"""

import hashlib
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.emulator.draw import draws

Spec = dict[str, Any]  # JSON: crosses the pipe to the chip's process

OSE = bytes.fromhex("4f53452e5641532e3031")
OK, LOCKED, NO_PASS, NOT_MINE = (bytes.fromhex(status) for status in ("9000", "6287", "6a83", "6a82"))
WRONG_DATA, WRONG_LENGTH, WRONG_PARAMETERS = (bytes.fromhex(status) for status in ("6a80", "6700", "6b00"))
APPLE_EPOCH_S = 978_307_200  # 2001-01-01 UTC
_CURVE = ec.SECP256R1()


def applet(
    passes: list[Spec],
    unix_s: int,
    *,
    variant: int = 1,
    locked: int = 0,
    status: str = "",
    keep: bool = False,
    seed: str = "",
) -> Spec:
    """What `make` takes. `passes`: each made by `nfc_pass`. `unix_s`: the phone's clock, which stands still.

    `variant`: 1 or 2, which derivation it uses. `locked`: how often it wants its owner first. `status`: answered to
    every GET DATA. `keep`: the same ephemeral key for ever, so that its cryptograms repeat. `seed`: the same bytes in
    each run; "" = random.
    """
    return {
        "applet": "vas",
        "passes": passes,
        "unix_s": unix_s,
        "variant": variant,
        "locked": locked,
        "status": status,
        "keep": keep,
        "seed": seed,
    }


def nfc_pass(pass_type_id: str, public: ec.EllipticCurvePublicKey, message: bytes) -> Spec:
    """A pass: its type, the `encryptionPublicKey` and the `message` of its pass.json."""
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return {"pass_type_id": pass_type_id, "public": point.hex(), "message": message.hex()}


def make(spec: Spec) -> "VasPhone":
    """The applet that a spec of this module describes."""
    return VasPhone(spec)


def seal(spec: Spec, private: ec.EllipticCurvePrivateKey, unix_s: int, variant: int) -> bytes:
    """The cryptogram of a pass made by `nfc_pass`, with the phone's ephemeral key."""
    merchant = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, bytes.fromhex(spec["public"]))
    hashed = hashlib.sha256(spec["pass_type_id"].encode()).digest()
    words = b"ApplePay encrypted VAS data"
    info = bytes([13]) + b"id-aes256-GCM" + words + hashed if variant == 1 else words
    key = X963KDF(hashes.SHA256(), 32, info).derive(private.exchange(ec.ECDH(), merchant))
    plain = (unix_s - APPLE_EPOCH_S).to_bytes(4, "big") + bytes.fromhex(spec["message"])
    sealed = AESGCM(key).encrypt(bytes(16), plain, None if variant == 1 else hashed)
    return hashlib.sha256(_x(merchant)).digest()[:4] + _x(private.public_key()) + sealed


class VasPhone:
    """One phone; `select` begins a new session with a fresh key, unless the spec keeps it."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._passes = {hashlib.sha256(one["pass_type_id"].encode()).digest(): one for one in spec["passes"]}
        self._random = draws(spec["seed"])
        self._locked = spec["locked"]
        self._private: ec.EllipticCurvePrivateKey | None = None
        self.select()

    def select(self) -> None:
        """The field comes on."""
        self._is_selected = False
        if self._private is None or not self._spec["keep"]:
            self._private = ec.derive_private_key(int.from_bytes(self._random(32), "big") % 2**255 + 1, _CURVE)

    def answer(self, apdu: bytes) -> bytes:
        """Data and status word."""
        data = apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b""
        if apdu[:4].hex() == "00a40400" and data == OSE:
            self._is_selected = True
            nonce = self._random(4)
            return (
                bytes.fromhex("6f1d50084170706c655061799f210201009f2404") + nonce + bytes.fromhex("9f23040000001e") + OK
            )
        if apdu[:2].hex() != "80ca" or not self._is_selected:
            return NOT_MINE
        if apdu[2:4].hex() != "0101":
            return WRONG_PARAMETERS
        if len(apdu) != 6 + len(data) or not data:
            return WRONG_LENGTH
        return self._get(data)

    def _get(self, data: bytes) -> bytes:
        fields = _fields(data)
        if fields.get("9f22") != b"\x01\x00" or len(fields.get("9f25", b"")) != 32 or len(fields.get("9f26", b"")) != 4:
            return WRONG_DATA
        if fields.get("9f2b", b"\x01\x00\x00\x00\x00") != b"\x01\x00\x00\x00\x00":
            return WRONG_DATA
        if self._spec["status"]:
            return bytes.fromhex(self._spec["status"])
        found = self._passes.get(fields["9f25"])
        if found is None:
            return NO_PASS
        if self._locked:
            self._locked -= 1
            return LOCKED
        assert self._private is not None
        sealed = seal(found, self._private, self._spec["unix_s"], self._spec["variant"])
        inside = bytes.fromhex("9f2a009f27") + _size(sealed) + sealed
        return b"\x70" + _size(inside) + inside + OK


def _x(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)[1:]


def _size(value: bytes) -> bytes:
    return bytes([len(value)]) if len(value) < 128 else bytes([0x81, len(value)])


def _fields(data: bytes) -> dict[str, bytes]:
    """All of a terminal's fields have two-byte tags and short lengths."""
    found = {}
    while len(data) >= 3 and len(data) >= 3 + data[2]:
        found[data[:2].hex()] = data[3 : 3 + data[2]]
        data = data[3 + data[2] :]
    return {} if data else found
