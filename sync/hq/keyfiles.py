"""Operators' key files: made, read, and sealed for gateways. The only place of headquarters that sees a key in clear.

docs/keys.md says what stands in them and where they are kept. Nothing here writes to the ledger.
"""

import base64
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.core import keyring, sealing
from gateway.core.changes import KeyPut
from gateway.core.keyring import KeyUse, SunKey
from gateway.errors import ConfigError, PeerError
from sync import messages
from sync.hq.file import Row

MAX_FILE_BYTES = 8_192
# The order of P-256's group (FIPS 186-5; SEC 2, section 2.4.2): private keys are 1 to one less.
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")  # as sync.fields.Id

# SubjectPublicKeyInfo up to a compressed point of P-256 (RFC 5480, section 2): id-ecPublicKey, secp256r1, 33 bytes in a
# bit string. The library writes uncompressed points only.
_SPKI_COMPRESSED = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")

_EXPECTED = 'a JSON object of key_id, use, from, until and material, times such as "2026-12-01T08:00:00+01:00" or null'


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key in clear, as an operator keeps it. `material`: canonical JSON (gateway.core.keyring.parse)."""

    key_id: str
    use: KeyUse
    from_ms: int
    until_ms: int | None
    material: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Made:
    """`push`: the file for push-key. `other`, with the ending of its name: what has to be known elsewhere, if any."""

    push: Row = field(repr=False)
    ending: str = ""
    other: Row = field(default_factory=dict, repr=False)


def read(path: Path) -> KeyFile:
    """A key file that is complete and whose key parses. ConfigError names what is wrong, never a value."""
    row = load(path, _EXPECTED)
    if row.keys() != {"key_id", "use", "from", "until", "material"} or not isinstance(row["key_id"], str):
        raise ConfigError(f"{path}: expected {_EXPECTED}")
    if _KEY_ID.fullmatch(row["key_id"]) is None:
        raise ConfigError(f"{path}: key_id: expected 1 to 64 letters, digits and . _ : -, the first a letter or digit")
    try:
        use = KeyUse(row["use"])
        from_ms, until_ms = _ms(row["from"]), None if row["until"] is None else _ms(row["until"])
    except (ValueError, TypeError):
        uses = ", ".join(KeyUse)
        raise ConfigError(f"{path}: expected {_EXPECTED}; a use is one of {uses}") from None
    if until_ms is not None and until_ms <= from_ms:
        raise ConfigError(f"{path}: until: expected a time after from")
    material = json.dumps(row["material"], separators=(",", ":"), sort_keys=True).encode()
    try:
        keyring.parse(use, material)
    except PeerError as error:
        raise ConfigError(f"{path}: material: expected the fields of {use} (docs/keys.md); see {error.field}") from None
    return KeyFile(row["key_id"], use, from_ms, until_ms, material)


def seal_for(key: KeyFile, gateways: Iterable[Row]) -> tuple[list[Row], list[tuple[str, str]]]:
    """A key.put op for each gateway of the ledger, and those that were left out, with the reason."""
    ops: list[Row] = []
    left_out: list[tuple[str, str]] = []
    for row in gateways:
        name = f"{row['tenant']}/{row['store']}/{row['gateway']}"
        if not row["key"]:
            left_out.append((name, "has told no public key yet; it does when it connects"))
        elif row["pending_key"]:
            left_out.append((name, "shows another public key than before; see hq gateways and hq trust-gateway"))
        else:
            bound = sealing.info(name, key.key_id, key.use, key.from_ms, key.until_ms)
            try:
                sealed = sealing.seal(bytes.fromhex(row["key"]), key.material, bound)
            except PeerError:
                left_out.append((name, "has a public key that nothing can be sealed for"))
                continue
            ops.append(messages.op_of(KeyPut(name, key.key_id, key.use, key.from_ms, key.until_ms, sealed)))
    return ops, left_out


def make(use: KeyUse, now_ms: int, random: Callable[[int], bytes], own: Row) -> Made:
    """A fresh key. `random(n)`: n secret bytes. `own`: what the use needs beside it: `collector` and `version` for
    smarttap, `pass_type_id` for vas, `diversified` and perhaps `system` for sun. ConfigError for what does not
    fit there."""
    made = _make(use, now_ms, random, own)
    try:
        keyring.parse(use, json.dumps(made.push["material"]).encode())
    except PeerError as error:
        raise ConfigError(f"make-key {use}: {error.field}: expected another form (docs/keys.md)") from None
    return made


def _make(use: KeyUse, now_ms: int, random: Callable[[int], bytes], own: Row) -> Made:
    name = random(4).hex()
    head = {"key_id": f"{use}-{name}", "use": use.value, "from": _text(now_ms), "until": None}
    if use is KeyUse.SUN:
        material: Row = {"meta": random(16).hex(), "file": random(16).hex(), **own}
        return Made({**head, "material": material})
    if use is KeyUse.TAG:
        private = Ed25519PrivateKey.from_private_bytes(random(32))
        shown = private.public_key().public_bytes_raw().hex()
        issuing = {"key_id": name, "use": use.value, "private": private.private_bytes_raw().hex()}
        return Made({**head, "material": {"key_id": name, "public": shown}}, "issuing", issuing)
    if use is KeyUse.COUPON:
        private = Ed25519PrivateKey.from_private_bytes(random(32))
        shown = private.public_key().public_bytes_raw().hex()
        material = {"key_id": name, "private": private.private_bytes_raw().hex()}
        return Made({**head, "material": material}, "public", {"key_id": name, "key": shown})
    scalar = int.from_bytes(random(40)) % (_P256_ORDER - 1) + 1  # 64 bits more than needed: no bias that matters
    material = {**own, "private": scalar.to_bytes(32).hex()}
    private_key = derive_private_key(scalar, SECP256R1())
    if use is KeyUse.HCE:
        own = {"key_id": keyring.reader_id(private_key.public_key()).hex()}  # by which phones name it
    elif use is KeyUse.VAS:
        own = {**own, "encryption_public_key": _for_a_pass(private_key)}
    public_part = {"key_id": head["key_id"], "use": use.value, **own, **_public(private_key)}
    return Made({**head, "material": material}, "public", public_part)


def write(made: Made, path: Path) -> Sequence[Path]:
    """Write the file, and beside it the other one; neither is ever overwritten. Mode 600. Returns the paths."""
    rows = [(path, made.push)]
    if made.other:
        rows.append((path.with_name(f"{path.stem}.{made.ending}.json"), made.other))
    for target, _ in rows:
        if target.exists():
            raise ConfigError(f"{target}: is there already; expected a new file")
    for target, row in rows:
        write_new(target, row)
    return [target for target, _ in rows]


def read_sun(path: Path) -> SunKey:
    """The keys of NTAG 424 DNA tags. Raises ConfigError."""
    file = read(path)
    key = keyring.parse(file.use, file.material)
    if not isinstance(key, SunKey):
        raise ConfigError(f"{path}: expected a key of use sun, as hq make-key sun wrote it; found {file.use}")
    return key


def read_issuing(path: Path) -> tuple[str, Ed25519PrivateKey]:
    """The name on the tags and the private key with which ids are signed. Raises ConfigError."""
    row = load(path, _EXPECTED)
    try:
        if row["use"] != KeyUse.TAG or not isinstance(row["key_id"], str):
            raise ValueError
        return row["key_id"], Ed25519PrivateKey.from_private_bytes(bytes.fromhex(row["private"]))
    except (KeyError, ValueError, TypeError):
        raise ConfigError(f"{path}: expected the issuing file that hq make-key tag wrote") from None


def _public(private: EllipticCurvePrivateKey) -> Row:
    key = private.public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {"public": key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex(), "pem": pem}


def _for_a_pass(private: EllipticCurvePrivateKey) -> str:
    """A pass's `encryptionPublicKey`: base64 of SubjectPublicKeyInfo (DER) with a compressed point."""
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return base64.b64encode(_SPKI_COMPRESSED + point).decode()


def load(path: Path, expected: str) -> Row:
    """The JSON object of a file that nobody else can read. Raises ConfigError, which says what was `expected`."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{path}: others can read this key; expected mode 600 (chmod 600 {path})")
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected a key file") from error
    try:
        if len(content) > MAX_FILE_BYTES:
            raise PeerError("too_large")
        return messages.load_object(content)
    except PeerError:
        raise ConfigError(f"{path}: expected {expected}") from None


def write_new(path: Path, row: Row) -> None:
    """A new file of mode 600, on the disk on return. Raises ConfigError, also if it is there already."""
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(json.dumps(row, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); expected a new file") from error


def _ms(text: str) -> int:
    """Raises ValueError, TypeError for what is no time with its zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or moment.year < 1970:
        raise ValueError
    return round(moment.timestamp() * 1000)


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat()
