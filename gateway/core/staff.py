"""Colleagues as headquarters names them: who they are on the lock, what they may do, how a PIN is proven. Pure."""

import hashlib
import hmac
import itertools
import re
from dataclasses import dataclass, field
from typing import Literal

from gateway.core.model import CredentialKind

PIN_DIGITS = 6
_PIN = re.compile(rf"[0-9]{{{PIN_DIGITS}}}")

# One hash takes n x r x 128 bytes (16 MiB) and some 50 ms on x86-64, 200 ms on a Pi 4. Two run at once, so 32 MiB.
# A million PINs are then half a day of a fast machine's, for whoever has both the file and the key that seals it.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
MAX_SCRYPT_N, MAX_SCRYPT_P = 2**16, 4  # what headquarters may ask of a small box: 64 MiB each
SALT_BYTES = 16
HASH_BYTES = 32

# Of one shop. A hypermarket has some 400 people, of whom a part carries a tablet; 200 x 400 bytes are 80 kB.
MAX_COLLEAGUES = 200

Role = Literal["staff", "manager", "installer"]
# What opens a lock: the PIN; a badge or the PIN; a badge and then the PIN.
Opens = Literal["pin", "badge", "both"]


@dataclass(frozen=True, slots=True)
class PinHash:
    """scrypt of a PIN's six digits (ASCII), with its own salt and parameters."""

    salt: bytes
    digest: bytes = field(repr=False)
    n: int = SCRYPT_N
    r: int = SCRYPT_R
    p: int = SCRYPT_P


@dataclass(frozen=True, slots=True)
class Badge:
    """A card by which a colleague is known at a reader; `value` as in `CredentialPut`, or its keyed hash once it is
    stored."""

    kind: CredentialKind
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Colleague:
    """`initials` and `name` stand on the lock; whoever is not `active` opens none."""

    staff_id: str
    initials: str
    name: str
    role: Role
    pin: PinHash
    badge: Badge | None = None
    opens: Opens = "pin"
    active: bool = True


def is_pin(text: str) -> bool:
    """Whether a text is six digits that are not all the same and no run such as 123456."""
    if not _PIN.fullmatch(text):
        return False
    steps = {int(b) - int(a) for a, b in itertools.pairwise(text)}
    return len(steps) > 1 or steps.pop() not in (-1, 0, 1)


def hashed(pin: str, salt: bytes) -> PinHash:
    """A PIN as it is kept. Takes 50 ms of a core."""
    return PinHash(salt, _scrypt(pin, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P))


def fits(pin: str, kept: PinHash) -> bool:
    """Whether this is the PIN; takes the same time for a wrong one."""
    return hmac.compare_digest(_scrypt(pin, kept.salt, kept.n, kept.r, kept.p), kept.digest)


def _scrypt(pin: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    room = 128 * r * (n + p + 2)
    return hashlib.scrypt(pin.encode(), salt=salt, n=n, r=r, p=p, maxmem=room, dklen=HASH_BYTES)
