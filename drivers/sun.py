"""NTAG 424 DNA: the URL that a tag writes anew for each tap (SUN, NXP AN12196) -> which tag it is, and its counter.

Pure. Reading the tag is drivers.type4's; that a counter counts once is the store's guard. How a tag is prepared:
docs/tags-sun.md.
"""

import hmac
import re
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.cmac import CMAC

from drivers.talk import Found, Outcome, Refused, Talk
from gateway.core.keyring import SunKey
from gateway.core.model import CredentialKind, Proof, Token

# Keys tried for one tap, newest first. Two serve while a key is changed, and tags of several makers add a few; 16 that
# do not fit cost 0.5 ms on x86-64, so about 3 ms on a Pi.
KEYS_MAX = 16

# The names of a plain mirror. AN12196 leaves them open; these are the ones that its tools write.
UID, COUNTER = "uid", "ctr"

# The application's DF name (NT4H2421Gx, section 8.2.2) stands where AN10922 puts the AID.
AID = bytes.fromhex("d2760000850101")
AN10922_INPUT_MAX = 31

_BLOCK = 16
_MIRRORS_UID_AND_COUNTER = 0xC7  # PICCDataTag: UID, counter, UID of 7 bytes (AN12196, section 3.4.2)
FOR_MAC = bytes.fromhex("3cc300010080")  # SV2 (AN12196, section 3.3)
FOR_FILE = bytes.fromhex("c33c00010080")  # SV1

# A tag writes capitals only; int() and bytes.fromhex() would also take blanks, signs and underscores.
_FIELD = re.compile(r"(?<=[?&#])([^=&?#]+)=([^&?#]*)")
_HEX = re.compile(r"(?:[0-9A-F]{2})+")
_PICC_CHARS, _LRP_CHARS, _MAC_CHARS, _UID_CHARS, _COUNTER_CHARS = 32, 48, 16, 14, 6

# Texts of this form change with each tap, so they are nobody's fixed name, whether or not we can read them.
_USUAL = re.compile(r"[?&#](?:picc_data=[0-9A-F]{32}(?:[0-9A-F]{16})?|uid=[0-9A-F]{14}&ctr=[0-9A-F]{6})(?![^&#])")
_USUAL_MAC = re.compile(r"[?&#]cmac=[0-9A-F]{16}(?![^&#])")

# Why a text of our form is refused, the nearest miss last: of several keys, the nearest speaks.
_REASONS = ("sun.form", "sun.lrp", "sun.picc", "sun.mac")


class Shown(NamedTuple):
    """What a true message says. `uid`: 7 bytes. `file`: the decrypted file data, b"" = none."""

    uid: bytes
    counter: int
    file: bytes


def judge(text: str, talk: Talk) -> Outcome:
    """What a tag's text shows: None without our parameters, else whose it is or why not.

    Reasons: "sun.form" (parameters missing, twice, out of order, not hexadecimal), "sun.lrp" (a tag in LRP mode),
    "sun.picc" (no key opens it), "sun.mac" (a key opens it, but did not sign it), "sun.uid" (from another chip),
    "sun.no_key" (the usual parameters, and no key that serves has these names).
    """
    nearest = None
    for key in talk.keyring.of(SunKey, talk.now_ms)[:KEYS_MAX]:
        shown = read(text, key)
        if isinstance(shown, Shown):
            if talk.uid and not talk.is_phone and talk.uid != shown.uid:
                return Refused("sun.uid")  # no NTAG 424 shows a fixed UID and signs another
            return Found(Token(CredentialKind.SUN, shown.uid), Proof.PROVEN, count=shown.counter)
        if shown is not None and (nearest is None or _REASONS.index(shown) > _REASONS.index(nearest)):
            nearest = shown
    if nearest is None and _USUAL.search(text) and _USUAL_MAC.search(text):
        nearest = "sun.no_key"
    return None if nearest is None else Refused(nearest)


def read(text: str, key: SunKey) -> Shown | str | None:
    """What one key makes of a text: the message, or a reason of `judge`, or None without this key's parameters."""
    fields = {found[1]: found for found in _FIELD.finditer(text)}
    hidden = key.picc in fields
    if not hidden and key.cmac not in fields and not (UID in fields and COUNTER in fields):
        return None
    head = (key.picc,) if hidden else (UID, COUNTER)
    names = (*head, key.enc, key.cmac)
    order = tuple(found[1] for found in _FIELD.finditer(text) if found[1] in names)
    if order not in (names, (*head, key.cmac)):
        return "sun.form"
    values = [fields[name] for name in order]
    if not all(_HEX.fullmatch(value[2]) for value in values):
        return "sun.form"
    if hidden:
        first, *rest = values
        if len(first[2]) == _LRP_CHARS:
            return "sun.lrp"
        if len(first[2]) != _PICC_CHARS:
            return "sun.form"
        plain = _decrypt(key.meta, bytes(_BLOCK), bytes.fromhex(first[2]))
        if plain[0] != _MIRRORS_UID_AND_COUNTER:
            return "sun.picc"
        uid, counter = plain[1:8], plain[8:11]
    else:
        first, second, *rest = values
        if len(first[2]) != _UID_CHARS or len(second[2]) != _COUNTER_CHARS:
            return "sun.form"
        uid, counter = bytes.fromhex(first[2]), bytes.fromhex(second[2])[::-1]
    *files, mac = rest
    if len(mac[2]) != _MAC_CHARS or any(len(file[2]) % (2 * _BLOCK) for file in files):
        return "sun.form"
    file_key = file_key_of(key, uid)
    # What the MAC covers begins at a place of the issuer's choice and ends before the MAC (AN12196, section 3.4.4):
    # at the MAC itself or at the file data, at the first mirror; or it is the file data without the MAC's name.
    starts = (rest[0].start(2), first.start(2))
    covered = [text[start : mac.start(2)] for start in starts] + [file[2] for file in files]
    session = session_key(file_key, FOR_MAC, uid, counter)
    given = bytes.fromhex(mac[2])
    if not any(hmac.compare_digest(sdm_mac(session, one.encode()), given) for one in covered):
        return "sun.mac"
    data = b"".join(open_file(file_key, uid, counter, bytes.fromhex(file[2])) for file in files)
    return Shown(uid, int.from_bytes(counter, "little"), data)


def session_key(file_key: bytes, use: bytes, uid: bytes, counter: bytes) -> bytes:
    """The 16-byte key of one tap; `counter`: 3 bytes, least significant first (AN12196, section 3.3)."""
    return cmac(file_key, use + uid + counter)


def sdm_mac(session: bytes, covered: bytes) -> bytes:
    """The 8 bytes that a tag shows of its MAC: every second one of 16 (AN12196, section 3.4.4)."""
    return cmac(session, covered)[1::2]


def open_file(file_key: bytes, uid: bytes, counter: bytes, data: bytes) -> bytes:
    """Encrypted file data in clear; whole blocks of 16 bytes (AN12196, section 3.4.3)."""
    session = session_key(file_key, FOR_FILE, uid, counter)
    return _decrypt(session, _encrypt(session, counter.ljust(_BLOCK, b"\0")), data)


def file_key_of(key: SunKey, uid: bytes) -> bytes:
    """The 16-byte file key (SDMFileRead) of the tag with this 7-byte UID; without diversification all have the same."""
    return diversified(key.file, uid + AID + key.system) if key.diversified else key.file


def diversified(master: bytes, data: bytes) -> bytes:
    """One tag's AES-128 key by AN10922, section 2.2; `data`: 1 to 31 bytes, here UID, AID, system identifier.

    Always two blocks, so below 16 bytes of `data` it differs from a plain CMAC of 01 and `data`.
    """
    if not 1 <= len(data) <= AN10922_INPUT_MAX:
        raise ValueError("AN10922 takes 1 to 31 bytes")
    whole = len(data) == AN10922_INPUT_MAX
    padded = b"\x01" + data if whole else (b"\x01" + data + b"\x80").ljust(2 * _BLOCK, b"\0")
    subkey = _doubled(_encrypt(master, bytes(_BLOCK)))
    if not whole:
        subkey = _doubled(subkey)
    last = bytes(a ^ b for a, b in zip(padded[_BLOCK:], subkey, strict=True))
    return _encrypt(master, padded[:_BLOCK] + last)[-_BLOCK:]


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC, 16 bytes (RFC 4493)."""
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def _doubled(block: bytes) -> bytes:
    """Times x in GF(2^128) (RFC 4493, section 2.3)."""
    number = int.from_bytes(block, "big") << 1
    return ((number ^ 0x87 if number >> 128 else number) & (1 << 128) - 1).to_bytes(_BLOCK, "big")


def _encrypt(key: bytes, blocks: bytes) -> bytes:
    """AES-CBC from a zero vector; of one block it is AES itself."""
    encryptor = Cipher(AES(key), CBC(bytes(_BLOCK))).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def _decrypt(key: bytes, vector: bytes, blocks: bytes) -> bytes:
    decryptor = Cipher(AES(key), CBC(vector)).decryptor()
    return decryptor.update(blocks) + decryptor.finalize()
