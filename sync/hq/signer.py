"""Headquarters' signing keys: the root key's file, the file of the roles' keys, and what signs with them.

docs/keys.md says who keeps which file where. Nothing here writes to the ledger.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError
from gateway.health import Health, State
from sync import signing
from sync.fields import MAX_MS
from sync.hq import keyfiles
from sync.hq.file import Row
from sync.signing import ROLE_OF, Certificate, Role

# A key counts from the day before it was made: the clocks of shops differ.
EARLIER_MS = DAY_MS
WARN_MS = 30 * DAY_MS

log = logging.getLogger(__name__)

_ROOT = "the root key's file, as hq make-root-key wrote it"
_KEYS = "the file of signing keys, as hq make-signing-keys wrote it"
_RENEW = "Make new signing keys with the root key (hq make-signing-keys, docs/keys.md), and start hq serve with them."


class _Key(NamedTuple):
    private: Ed25519PrivateKey
    certificate: Certificate


class Signer:
    """Signs what goes down, each message with its role's key."""

    def __init__(self, keys: Iterable[_Key]) -> None:
        self._by_role = {key.certificate.role: key for key in keys}
        self._ends_ms = min(key.certificate.until_ms for key in self._by_role.values())
        self.keys = signing.keys(key.certificate for key in self._by_role.values())  # the message that shows them

    def sign(self, topic: str, leaf: str, body: bytes, until_ms: int = 0) -> bytes:
        """The message as it travels. `until_ms`: how long it counts, 0 = without end."""
        key = self._by_role[ROLE_OF[leaf]]
        return signing.sign(key.private, key.certificate.number, topic, body, until_ms)

    def tell(self, health: Health, before: State, now_ms: int) -> State:
        """Say in health how long the keys serve, and in the log where that is another state than `before`."""
        state, detail, action = self.outlook(now_ms)
        if state not in ("ok", before):
            log.warning("signing: %s. %s", detail, action)
        health.set("signing", state, now_ms, detail, action)
        return state

    def outlook(self, now_ms: int) -> tuple[State, str, str]:
        """How long the keys serve, for health: state, what is so, what to do."""
        day = datetime.fromtimestamp(self._ends_ms // 1000, UTC).strftime("%Y-%m-%d")
        if now_ms > self._ends_ms:
            return "down", f"the keys that sign ended on {day}: shops drop what is sent", _RENEW
        if now_ms > self._ends_ms - WARN_MS:
            return "degraded", f"the keys that sign end on {day}, and from then on shops drop what is sent", _RENEW
        return "ok", f"signs until {day}", ""


def make_root(path: Path, random: Callable[[int], bytes]) -> str:
    """A new root key in a new file of mode 600; its public half in hex. `random(n)`: n secret bytes. ConfigError."""
    private = Ed25519PrivateKey.from_private_bytes(random(signing.KEY_BYTES))
    public = private.public_key().public_bytes_raw().hex()
    keyfiles.write_new(path, {"use": "root", "public": public, "private": private.private_bytes_raw().hex()})
    return public


def make_keys(
    root: Path, path: Path, roles: Iterable[Role], days: int, now_ms: int, random: Callable[[int], bytes]
) -> list[Certificate]:
    """New keys for `roles`, certified by the root key's file; those of other roles stay as they are in the file at
    `path`. All of them as they are then. ConfigError, and the file is as it was."""
    private_root = _root_key(root)
    public_root = private_root.public_key().public_bytes_raw()
    keys = {key.certificate.role: key for key in (_read(path, public_root) if path.exists() else ())}
    for role in roles:
        before = keys[role].certificate.number if role in keys else 0
        # Seconds since 1970, so that who lost the file that was makes no lower number than it had.
        number, private = max(before + 1, now_ms // 1000), Ed25519PrivateKey.from_private_bytes(random(32))
        dates = now_ms - EARLIER_MS, now_ms + days * DAY_MS
        public = private.public_key().public_bytes_raw()
        keys[role] = _Key(private, signing.certify(private_root, role, number, public, *dates))
    missing = [role for role in Role if role not in keys]
    if missing:
        raise ConfigError(f"{path}: expected keys of all roles; leave out --role, or name also {', '.join(missing)}")
    _write(path, public_root, keys.values())
    return [key.certificate for key in keys.values()]


def read(path: Path) -> Signer:
    """What signs with the keys of this file. Raises ConfigError."""
    return Signer(_read(path, None))


def _root_key(path: Path) -> Ed25519PrivateKey:
    row = keyfiles.load(path, _ROOT)
    try:
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(row["private"]))
        if row["use"] != "root" or private.public_key().public_bytes_raw().hex() != row["public"]:
            raise ValueError
    except (KeyError, ValueError, TypeError):
        raise ConfigError(f"{path}: expected {_ROOT}") from None
    return private


def _read(path: Path, root: bytes | None) -> list[_Key]:
    """`root`: by which they have to be certified, None = by the one that the file names."""
    row = keyfiles.load(path, _KEYS)
    try:
        if row["use"] != "signing":
            raise ValueError
        named = bytes.fromhex(row["root"])
        keys = [_key_of(one) for one in row["keys"]]
    except (KeyError, ValueError, TypeError):
        raise ConfigError(f"{path}: expected {_KEYS}") from None
    if root is not None and named != root:
        raise ConfigError(f"{path}: certified by another root key; expected a new file, and its root key in every shop")
    whole = {key.certificate.role for key in keys} >= set(Role)
    if not whole or not all(signing.is_certified(key.certificate, named) for key in keys):
        raise ConfigError(f"{path}: expected a key of each role that the root key certified; make them anew")
    return keys


def _key_of(row: Row) -> _Key:
    """Raises KeyError, ValueError, TypeError."""
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(row["private"]))
    numbers = row["number"], row["from_ms"], row["until_ms"]
    if not all(type(one) is int and 0 <= one <= MAX_MS for one in numbers):
        raise ValueError
    public, signature = private.public_key().public_bytes_raw(), bytes.fromhex(row["signature"])
    return _Key(private, Certificate(Role(row["role"]), numbers[0], public, numbers[1], numbers[2], signature))


def _write(path: Path, root: bytes, keys: Iterable[_Key]) -> None:
    """Whole or not at all, in place of what was there."""
    listed = [
        {
            "role": str(key.certificate.role),
            "number": key.certificate.number,
            "from_ms": key.certificate.from_ms,
            "until_ms": key.certificate.until_ms,
            "signature": key.certificate.signature.hex(),
            "private": key.private.private_bytes_raw().hex(),
        }
        for key in keys
    ]
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        keyfiles.write_new(draft, {"use": "signing", "root": root.hex(), "keys": listed})
        draft.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
