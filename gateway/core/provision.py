"""What a provisioning file says: who a box is, where its broker is, and what it needs to be believed there. Pure.

Headquarters writes one file for each box, as one line of JSON. `check` is the SHA-256 of all else in it, so that a torn
or changed file is told; it vouches for nobody. With the code that a box shows, what is secret in the file is sealed
(AES-256-GCM under scrypt, RFC 7914) and opens on that box alone. A "no" is one of the words of `WHY`.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway.core import ed25519
from gateway.core.spans import DAY_MS

VERSION = 1
NAME = "store-gateway-provision"  # of the file: what begins with it and ends with .json
# A key and certificate of RSA 4096, and a chain of three authorities, sealed, stay below; a page may send as much
# (display.guard.MAX_BODY).
MAX_FILE_BYTES = 16_384
DAYS = 14
MAX_DAYS = 366
FILES = ("password", "ca", "cert", "key")
TABLES = ("http", "source", "receiver", "screen", "anchor", "nfc")  # of a configuration, which headquarters may lay out
MAX_RELEASE_KEYS = 16

# No letter is taken for another one or for a digit. 31^8 codes at 0.05 s and 32 MB each are 1,300 years of one core
# for whoever found a sealed file and has no code; at the box itself guesses are counted.
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
CODE_LETTERS = 8
_SCRYPT_N, _SCRYPT_R = 2**15, 8
_SALT_BYTES, _NONCE_BYTES = 16, 12

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,23}(/[a-z0-9][a-z0-9-]{0,23}){2}")
_HEX = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"[0-9a-f]{16}")
_OUTER = {"store_gateway_provision", "id", "gateway", "made_ms", "until_ms", "check"}

# Why a file is refused, in words for whoever stands before the box, and what to do.
WHY: Mapping[str, tuple[str, str]] = {
    "missing": ("there is no provisioning file", f"Copy {NAME}.json to the top of the stick, and plug it in again."),
    "stick": ("the stick cannot be read", "Format it as FAT or exFAT, copy the file to it, and plug it in again."),
    "many": ("several provisioning files fit", "Leave only the file for this box, and try again."),
    "form": ("this is no provisioning file", "Take the file that headquarters wrote with hq provision."),
    "torn": ("the file is damaged or was changed", "Copy it once more; else have headquarters make a new one."),
    "newer": ("the file is for a newer release of this software", "Update this box first, or write it with the older."),
    "code": ("the file is for another box", "Have headquarters make one with the code that this screen shows."),
    "stale": ("the file has ended", "Have headquarters make a new one (hq provision)."),
    "clock": (
        "the file has ended by this box's clock, which nobody vouches for",
        "Connect the network, so that the box learns the time, and try again.",
    ),
    "already": (
        "this box belongs to a shop already",
        "To move it: sudo store-gateway provision --reset TENANT/STORE/ID",
    ),
    "data": (
        "another shop's data are still on this box",
        "Wipe them first: sudo store-gateway provision --reset none",
    ),
    "config": ("what the file says does not go with this box", "Tell headquarters; store-gateway doctor says more."),
    "disk": ("the card refuses to write", "Free space on the card or replace it, then try again."),
}


@dataclass(frozen=True, slots=True)
class Provision:
    """`gateway`: tenant/store/id. `mqtt`: of [mqtt] what is no file. `files`: text by one of FILES. `hq_root`: 64 hex
    digits or "". `releases`: whose releases the box takes, 64 hex digits each. `layout`: tables of TABLES that stand in
    place of the box's own. `name`: of the shop, for people."""

    number: str
    gateway: str
    made_ms: int
    until_ms: int
    mqtt: Mapping[str, Any]
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    hq_root: str = ""
    releases: tuple[str, ...] = ()
    layout: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


def plain_code(text: str) -> str:
    """A code as it is compared: however somebody typed it."""
    return "".join(sign for sign in text.upper() if sign.isalnum())[: 2 * CODE_LETTERS]


def is_code(text: str) -> bool:
    return len(text) == CODE_LETTERS and all(sign in LETTERS for sign in text)


def make_code(below: Callable[[int], int]) -> str:
    """A new code. `below(n)`: a secret number from 0 to n - 1."""
    return "".join(LETTERS[below(len(LETTERS))] for _ in range(CODE_LETTERS))


def shown_code(code: str) -> str:
    """A code as people read it."""
    return f"{code[: CODE_LETTERS // 2]}-{code[CODE_LETTERS // 2 :]}"


def written(provision: Provision, code: str, random: Callable[[int], bytes]) -> str:
    """The file, one line without its end. `code`: of the one box that may open it, "" = any. Raises ValueError for what
    no box would take."""
    head = {
        "store_gateway_provision": VERSION,
        "id": provision.number,
        "gateway": provision.gateway,
        "made_ms": provision.made_ms,
        "until_ms": provision.until_ms,
    }
    body: dict[str, Any] = {"mqtt": dict(provision.mqtt)}
    body |= {name: dict(rows) for name in ("files", "layout") if (rows := getattr(provision, name))}
    body |= {name: value for name in ("hq_root", "name") if (value := getattr(provision, name))}
    if provision.releases:
        body["releases"] = list(provision.releases)
    if code:
        salt, nonce = random(_SALT_BYTES), random(_NONCE_BYTES)
        closed = AESGCM(_key(code, salt)).encrypt(nonce, _canonical(body), _canonical(head))
        whole = head | {"sealed": base64.b64encode(salt + nonce + closed).decode()}
    else:
        whole = head | {"body": body}
    text = _canonical(whole | {"check": _check(whole)}).decode()
    found = read(text.encode(), code)
    if isinstance(found, str):
        raise ValueError(f"a box would refuse it: {WHY[found][0]}")
    return text


def number_of(data: bytes) -> str:
    """The id in a file, as far as its form goes; "" for none."""
    whole = _tree(data) if len(data) <= MAX_FILE_BYTES else None
    number = whole.get("id") if isinstance(whole, dict) else None
    return number if isinstance(number, str) and _NUMBER.fullmatch(number) else ""


def is_sealed(data: bytes) -> bool:
    """Whether it is a file for one box alone, as far as its form goes."""
    whole = _tree(data)
    return isinstance(whole, dict) and "sealed" in whole


def read(data: bytes, code: str) -> Provision | str:
    """What a file says; else the word of WHY for which it is refused. `code`: of this box, "" = it has none. Whether it
    has ended is up to `ended`."""
    whole = _tree(data) if len(data) <= MAX_FILE_BYTES else None
    if not isinstance(whole, dict) or type(whole.get("store_gateway_provision")) is not int:
        return "form"
    if whole["store_gateway_provision"] != VERSION:
        return "newer"
    try:
        if whole.get("check") != _check({name: value for name, value in whole.items() if name != "check"}):
            return "torn"
    except (ValueError, RecursionError):
        return "torn"
    head = {name: value for name, value in whole.items() if name in _OUTER and name != "check"}
    if "sealed" not in whole:
        return _provision(head, whole.get("body"), whole.keys() - _OUTER - {"body"})
    body = _opened(whole["sealed"], code, head)
    return "code" if body is None else _provision(head, body, whole.keys() - _OUTER - {"sealed"})


def ended(provision: Provision, now_ms: int, *, known: bool) -> str:
    """Why its time forbids it, as a word of WHY; "" = it does not. `known`: the time is synchronised with the world's.

    A box without a clock chip begins with the time of its last shutdown, so an end that is past is past indeed, unless
    somebody set the clock ahead: that is told apart. An end that is not reached may be past too: whoever takes the file
    says so and looks again (gateway.provisioned).
    """
    if now_ms < provision.until_ms:
        return ""
    return "stale" if known else "clock"


def _provision(head: Mapping[str, Any], body: object, surplus: set[str]) -> Provision | str:
    number, gateway = head.get("id"), head.get("gateway")
    made_ms, until_ms = head.get("made_ms"), head.get("until_ms")
    if surplus or not isinstance(body, dict) or not isinstance(number, str) or not isinstance(gateway, str):
        return "form"
    if not (_NUMBER.fullmatch(number) and _NAME.fullmatch(gateway) and _is_time(made_ms) and _is_time(until_ms)):
        return "form"
    assert isinstance(made_ms, int) and isinstance(until_ms, int)
    if not 0 < until_ms - made_ms <= MAX_DAYS * DAY_MS:
        return "form"
    if body.keys() - {"mqtt", "files", "hq_root", "releases", "layout", "name"}:
        return "form"
    rest: dict[str, Any] = {name: body[name] for name in ("files", "hq_root", "layout", "name") if name in body}
    found = Provision(number, gateway, made_ms, until_ms, body.get("mqtt") or {}, **rest)
    releases = body.get("releases", [])
    if not _is_whole(found) or not isinstance(releases, list) or len(releases) > MAX_RELEASE_KEYS:
        return "form"
    if not all(_is_key(one) for one in releases):
        return "form"
    return Provision(number, gateway, made_ms, until_ms, found.mqtt, **rest, releases=tuple(releases))


def _is_whole(found: Provision) -> bool:
    """Whether each part is of its kind; what tables mean is settled by who reads configurations."""
    mqtt, files, layout = found.mqtt, found.files, found.layout
    if not (isinstance(mqtt, dict) and isinstance(files, dict) and isinstance(layout, dict)):
        return False
    if mqtt.keys() - {"host", "port", "protocol", "username"} or not isinstance(mqtt.get("host"), str):
        return False
    if not all(name in FILES and isinstance(text, str) and text for name, text in files.items()):
        return False
    if not all(sign.isprintable() or sign in "\r\n" for text in files.values() for sign in text):
        return False
    if ("cert" in files) != ("key" in files) or layout.keys() - {*TABLES}:
        return False
    named = isinstance(found.name, str) and len(found.name) <= 80 and found.name.isprintable()
    return named and (found.hq_root == "" or _is_key(found.hq_root))


def _is_key(text: object) -> bool:
    return isinstance(text, str) and bool(_HEX.fullmatch(text)) and not ed25519.is_anybodys(bytes.fromhex(text))


def _is_time(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _opened(sealed: object, code: str, head: Mapping[str, Any]) -> object:
    """The body, None where this code does not open it."""
    try:
        data = base64.b64decode(str(sealed), validate=True)
        salt, nonce = data[:_SALT_BYTES], data[_SALT_BYTES : _SALT_BYTES + _NONCE_BYTES]
        if not is_code(code) or len(nonce) < _NONCE_BYTES:
            return None
        text = AESGCM(_key(code, salt)).decrypt(nonce, data[_SALT_BYTES + _NONCE_BYTES :], _canonical(head))
    except (ValueError, InvalidTag):
        return None
    return _tree(text)


def _key(code: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=_SCRYPT_R, p=1).derive(code.encode())


def _check(whole: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(whole)).hexdigest()


def _canonical(value: object) -> bytes:
    """One text for one value, whoever wrote it. Raises ValueError for what JSON cannot say."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _tree(data: bytes) -> object:
    """None for what is no JSON."""
    try:
        return json.loads(data.removeprefix(b"\xef\xbb\xbf"))  # some editors put a mark before it
    except (ValueError, RecursionError):
        return None
