"""A phone with Google Wallet: the mobile side of Smart Tap 2.1, written from the documents and not from our terminal.

developers.google.com/wallet/smart-tap; kormax/google-smart-tap. It checks what a real one checks: the collector's
signature, session, sequence and merchant. Not simulated: payment, PUSH DATA, the choice on the screen (it answers
9302).
"""

import hmac
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.emulator.draw import draws

Spec = dict[str, Any]  # JSON: crosses the pipe to the chip's process

OSE = bytes.fromhex("4f53452e5641532e3031")
AID = bytes.fromhex("a000000476d0000111")
OK, NO_PASS, MORE, CHOOSE = (bytes.fromhex(status) for status in ("9000", "9001", "9100", "9302"))
MALFORMED, UNKNOWN_COLLECTOR, NOT_MINE = (bytes.fromhex(status) for status in ("9401", "9500", "6a82"))
_CURVE = ec.SECP256R1()


def applet(
    merchants: list[Spec],
    *,
    old: bool = False,
    compressed: bool = False,
    chunk: int = 0,
    statuses: dict[str, list[str]] | None = None,
    plain: bytes | None = None,
    seed: str = "",
) -> Spec:
    """What `make` takes. `merchants`: each made by `merchant`.

    `old`: nonce and key come with the second SELECT only. `compressed`: zlib. `chunk`: answers to GET DATA in parts of
    so many bytes, 0 = whole. `statuses`: status words to answer at "ose", "select", "negotiate", "get" or "more" before
    it behaves. `plain`: what is sealed in place of the pass. `seed`: the same bytes in each run; "" = random.
    """
    return {
        "applet": "smarttap",
        "merchants": merchants,
        "old": old,
        "compressed": compressed,
        "chunk": chunk,
        "statuses": statuses or {},
        "plain": None if plain is None else plain.hex(),
        "seed": seed,
    }


def merchant(
    collector: bytes, version: int, public: ec.EllipticCurvePublicKey, values: list[bytes], form: int = 0
) -> Spec:
    """A merchant whose key the wallet knows, and the values of that merchant's loyalty passes.

    `form`: the format byte that stands before each value; -1 = as an RTD Text record.
    """
    return {
        "collector": collector.hex(),
        "version": version,
        "public": _point(public).hex(),
        "values": [value.hex() for value in values],
        "form": form,
    }


def make(spec: Spec) -> "SmartTapPhone":
    """The applet that a spec of this module describes."""
    return SmartTapPhone(spec)


def loyalty(value: bytes, form: int = 0) -> bytes:
    """The plain message of a bundle with one pass: issuer, then the service number."""
    text = _record(b"T", b"\x02en" + value, tnf=1, own_id=b"n")
    number = text if form < 0 else _record(b"n", bytes([form]) + value)
    return _message(_record(b"asv", _message(_record(b"i", b"\x04" + bytes(5)), _record(b"ly", _message(number)))))


class SmartTapPhone:
    """One phone; `select` begins a new session with a fresh nonce and key."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._merchants = {(bytes.fromhex(m["collector"]), m["version"]): m for m in spec["merchants"]}
        self._random = draws(spec["seed"])
        self._statuses = {step: [bytes.fromhex(one) for one in many] for step, many in spec["statuses"].items()}
        self.select()

    def select(self) -> None:
        """The field comes on."""
        self._nonce = self._random(32)
        self._private = ec.derive_private_key(int.from_bytes(self._random(32), "big") % 2**255 + 1, _CURVE)
        self._public = _point(self._private.public_key())
        self._session = b""
        self._keys = b""
        self._collector = b""
        self._rest = b""

    def answer(self, apdu: bytes) -> bytes:
        """Data and status word."""
        head, data = apdu[:4].hex(), apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b""
        steps: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
            "90530000": ("negotiate", self._negotiate),
            "90500000": ("get", self._get),
            "90c00000": ("more", lambda _: self._part()),
        }
        if head == "00a40400" and data == OSE:
            return self._late("ose") or self._ose()
        if head == "00a40400" and data == AID:
            return self._late("select") or self._select_again()
        if head not in steps:
            return NOT_MINE
        step, do = steps[head]
        try:
            return self._late(step) or do(data)
        except (IndexError, KeyError, ValueError):
            return MALFORMED

    def _late(self, step: str) -> bytes:
        waiting = self._statuses.get(step)
        return waiting.pop(0) if waiting else b""

    def _ose(self) -> bytes:
        parts = _tlv("50", b"AndroidPay") + _tlv("c0", b"\x00\x01")
        range_ = b"" if self._spec["old"] else _tlv("73", bytes.fromhex("df6d020000df4d020001df620103"))
        if not self._spec["old"]:
            parts += _tlv("c1", bytes.fromhex("cc00000000008080")) + _tlv("c2", self._nonce) + _tlv("c3", self._public)
        parts += _tlv("a5", _tlv("bf0c", _tlv("61", _tlv("4f", AID) + _tlv("87", b"\x01") + range_)))
        return _tlv("6f", parts) + OK

    def _select_again(self) -> bytes:
        self.select()
        return bytes.fromhex("00000001") + _message(_record(b"mdn", b"\x04" + self._nonce, own_id=b"mdn")) + OK

    def _negotiate(self, data: bytes) -> bytes:
        asked = _only(data, b"ngr")
        if asked[:2] != b"\x00\x01":
            return MALFORMED
        records = dict(_records(asked[2:]))
        session, crypto = records[b"ses"], records[b"cpr"]
        nonce, is_live, public = crypto[:32], crypto[32], crypto[33:66]
        version, signed = int.from_bytes(crypto[66:70], "big"), dict(_records(crypto[70:]))
        signature, collector = signed[b"sig"], signed[b"cld"]
        if session[8:] != b"\x00\x01" or is_live != 1 or signature[:1] + collector[:1] != b"\x04\x04":
            return MALFORMED
        known = self._merchants.get((collector[1:], version))
        if known is None:
            return UNKNOWN_COLLECTOR
        blob = nonce + self._nonce + collector[1:] + public
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, bytes.fromhex(known["public"]))
        try:
            key.verify(signature[1:], blob, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return UNKNOWN_COLLECTOR
        shared = self._private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, public))
        self._keys = HKDF(hashes.SHA256(), 48, self._public, blob + signature[1:]).derive(shared)
        self._session, self._collector, self._known = session[:8], collector[1:], known
        inside = _message(_record(b"ses", self._session + b"\x01\x01"), _record(b"dpk", self._public))
        return _message(_record(b"nrs", inside)) + OK

    def _get(self, data: bytes) -> bytes:
        asked = _only(data, b"srq")
        if asked[:2] != b"\x00\x01" or not self._keys:
            return MALFORMED
        records = dict(_records(asked[2:]))
        wanted = [payload for name, payload in _records(records[b"slr"]) if name == b"str"]
        if records[b"ses"] != self._session + b"\x01\x01" or _only(records[b"mer"], b"cld")[1:] != self._collector:
            return MALFORMED
        values = [bytes.fromhex(value) for value in self._known["values"]] if {b"\x00", b"\x03"} & set(wanted) else []
        inside = [_record(b"ses", self._session + b"\x02\x01")]
        if not values:
            return _message(_record(b"srs", _message(*inside))) + NO_PASS
        if len(values) > 1:
            return CHOOSE
        plain = loyalty(values[0], self._known["form"])
        inside.append(_record(b"reb", self._bundle(bytes.fromhex(self._spec["plain"] or plain.hex()))))
        self._rest = _message(_record(b"srs", _message(*inside)))
        return self._part()

    def _bundle(self, plain: bytes) -> bytes:
        packed = zlib.compress(plain) if self._spec["compressed"] else plain
        vector = self._random(12)
        sealed = vector + Cipher(algorithms.AES(self._keys[:16]), modes.CTR(vector + bytes(4))).encryptor().update(
            packed
        )
        flag = 3 if self._spec["compressed"] else 1
        return bytes([flag]) + sealed + hmac.digest(self._keys[16:], sealed, "sha256")

    def _part(self) -> bytes:
        size = self._spec["chunk"] or len(self._rest)
        part, self._rest = self._rest[:size], self._rest[size:]
        return part + (MORE if self._rest else OK)


def _point(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def _tlv(tag: str, value: bytes) -> bytes:
    size = bytes([len(value)]) if len(value) < 128 else bytes([0x81, len(value)])
    return bytes.fromhex(tag) + size + value


def _record(kind: bytes, payload: bytes, tnf: int = 4, own_id: bytes = b"") -> tuple[int, bytes]:
    """TNF and flags without begin and end, and the rest of the record."""
    is_short = len(payload) < 256
    flags = tnf | (0x10 if is_short else 0) | (0x08 if own_id else 0)
    rest = bytes([len(kind)]) + len(payload).to_bytes(1 if is_short else 4, "big")
    return flags, rest + (bytes([len(own_id)]) if own_id else b"") + kind + own_id + payload


def _message(*records: tuple[int, bytes]) -> bytes:
    parts = []
    for at, (flags, rest) in enumerate(records):
        flags |= (0x80 if at == 0 else 0) | (0x40 if at == len(records) - 1 else 0)
        parts.append(bytes([flags]) + rest)
    return b"".join(parts)


def _records(message: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and payload of each external short record, which is all that a terminal sends."""
    while message:
        if message[0] & 0x3F != 0x14:
            raise ValueError("no short external record without id")
        begin, size = 3 + message[1], message[2]
        if begin + size > len(message):
            raise ValueError("cut short")
        yield message[3:begin], message[begin : begin + size]
        message = message[begin + size :]


def _only(message: bytes, name: bytes) -> bytes:
    [(found, payload)] = _records(message)
    if found != name:
        raise ValueError("another record")
    return payload
