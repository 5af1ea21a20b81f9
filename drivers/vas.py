"""Apple VAS, the terminal's side: a conversation that ends with the message of an NFC pass. Pure.

Unofficial: kormax/apple-vas and proxmark3's cmdhfvas.c. Off unless `[nfc] apple_vas` is set; docs/wallets.md has
Apple's terms, and what this proves (Proof.BEARER, and why).
"""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from drivers import iso7816
from drivers.talk import Exchange, Found, Outcome, Refused, Talk
from gateway.core.keyring import VasKey
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.errors import PeerError

LABEL = b"ApplePay"  # tag 50 of the answer to SELECT OSE.VAS.01
GET_DATA = bytes.fromhex("80ca0101")  # P2 01 = the pass itself, 00 = only a sign-up link

# Pass types asked for in one tap. Each question costs a phone some 15 ms, and a wallet tap has to end in 200.
PASS_TYPES_MAX = 3
# Apple cuts the message of a pass at 64 bytes; an answer to a short command has at most 256.
VALUE_BYTES_MAX = 256

_VERSION = bytes.fromhex("0100")
_CAPABLE = bytes.fromhex("008000")  # VAS supported, no authentication asked, payment terminal
_VAS_ONLY, _MORE_FOLLOW = 0x02, 0x80
_FILTER = bytes.fromhex("0100000000")  # as in the published trace; phones refuse other values

_NO_PASS = 0x6A83
_REASONS = {
    0x6287: ("locked", Trouble.UNLOCK),
    0x6984: ("user_action", Trouble.UNLOCK),
    0x6700: ("request", Trouble.REFUSED),
    0x6A80: ("request", Trouble.REFUSED),
    0x6B00: ("request", Trouble.REFUSED),
}

APPLE_EPOCH_S = 978_307_200  # 2001-01-01 UTC
_CURVE = ec.SECP256R1()
_KEY_ID_BYTES, _X_BYTES, _TAG_BYTES, _TIME_BYTES = 4, 32, 16, 4
_IV = bytes(16)
_KEY_BYTES = 32
_INFO = b"ApplePay encrypted VAS data"
_ALGORITHM = b"\x0did-aes256-GCM"


def converse(exchange: Exchange, talk: Talk, ose: bytes) -> Outcome:
    """Ask for a pass of each of our pass types in turn, the newest key's first.

    `ose`: the data of the answer to SELECT OSE.VAS.01. None = no pass of ours. Raises CardGoneError.
    """
    keys = talk.keyring.of(VasKey, talk.now_ms)
    pass_types = list(dict.fromkeys(key.pass_type_id for key in keys))[:PASS_TYPES_MAX]
    try:
        if (iso7816.find(ose, 0x6F, 0x9F21) or _VERSION)[:1] != _VERSION[:1]:
            raise PeerError("version")
        for at, pass_type in enumerate(pass_types):
            asked = request(pass_type, more=at + 1 < len(pass_types))
            data, status = iso7816.split(exchange(iso7816.command(GET_DATA, asked)))
            if status == _NO_PASS:
                continue
            if status == iso7816.NOT_FOUND:
                return None
            if status != iso7816.OK:
                reason, trouble = _REASONS.get(status, ("status", Trouble.AGAIN))
                return Refused(f"vas.{reason}", trouble)
            return opened(data, [key for key in keys if key.pass_type_id == pass_type])
    except PeerError as error:
        return Refused(f"vas.{error.reason}")
    return None


def request(pass_type_id: str, more: bool = False, url: bytes = b"") -> bytes:
    """Data of GET DATA, mode "VAS only". `more`: we ask for another pass after this; `url`: a sign-up link, or none."""
    mode = _VAS_ONLY | (_MORE_FOLLOW if more else 0)
    data = iso7816.tlv(0x9F22, _VERSION) + iso7816.tlv(0x9F25, hashlib.sha256(pass_type_id.encode()).digest())
    data += iso7816.tlv(0x9F26, _CAPABLE + bytes([mode])) + iso7816.tlv(0x9F2B, _FILTER)
    return data + (iso7816.tlv(0x9F29, url) if url else b"")


def opened(data: bytes, keys: list[VasKey]) -> Found:
    """What the answer to GET DATA holds: made when the phone says, and good for once. Raises PeerError."""
    sealed = iso7816.find(data, 0x70, 0x9F27)
    if sealed is None:
        raise PeerError("no_cryptogram")
    plain = decrypt(sealed, keys)
    seconds, value = int.from_bytes(plain[:_TIME_BYTES], "big"), plain[_TIME_BYTES:]
    try:
        value.decode()
    except UnicodeDecodeError:
        raise PeerError("value_text") from None  # the library's message quotes the value
    if not 0 < len(value) <= VALUE_BYTES_MAX:
        raise PeerError("value_size")
    return Found(
        Token(CredentialKind.PASS, value),
        Proof.BEARER,
        once=hashlib.sha256(sealed).digest(),
        made_ms=(seconds + APPLE_EPOCH_S) * 1000,
    )


def decrypt(sealed: bytes, keys: list[VasKey]) -> bytes:
    """The plain bytes of a cryptogram: 4 of time, then the message. `keys` are all of the pass type asked for.

    Raises PeerError: "cryptogram_size", "other_key" (sealed for a key that we do not hold), "point", "cryptogram".
    """
    if len(sealed) < _KEY_ID_BYTES + _X_BYTES + _TIME_BYTES + _TAG_BYTES:
        raise PeerError("cryptogram_size")
    ours = [key for key in keys if key_id(key) == sealed[:_KEY_ID_BYTES]]
    if not ours:
        raise PeerError("other_key")
    x, rest = sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + _X_BYTES], sealed[_KEY_ID_BYTES + _X_BYTES :]
    try:
        point = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, b"\x02" + x)  # Z is the same with either Y
    except ValueError:
        raise PeerError("point") from None
    for key in ours:
        shared = key.private.exchange(ec.ECDH(), point)
        hashed = hashlib.sha256(key.pass_type_id.encode()).digest()
        for info, extra in ((_ALGORITHM + _INFO + hashed, None), (_INFO, hashed)):
            try:
                return AESGCM(derived(shared, info)).decrypt(_IV, rest, extra)
            except InvalidTag:
                continue
    raise PeerError("cryptogram")


def derived(shared: bytes, info: bytes) -> bytes:
    """The AES key: X9.63 KDF with SHA-256, 32 bytes."""
    return X963KDF(hashes.SHA256(), _KEY_BYTES, info).derive(shared)


def key_id(key: VasKey) -> bytes:
    """The 4 bytes by which a phone names a merchant's key: the beginning of SHA-256 over its point's X."""
    x = key.private.public_key().public_numbers().x
    return hashlib.sha256(x.to_bytes(_X_BYTES, "big")).digest()[:_KEY_ID_BYTES]
