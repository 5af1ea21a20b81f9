"""Invented colleagues with PINs that are easy to type, for tests of the lock."""

from collections.abc import Iterable

from gateway.core.changes import StaffPut
from gateway.core.model import CredentialKind
from gateway.core.staff import Badge, Colleague, Opens, Role, hashed

SALT = bytes(range(16))
PINS = {"ada": "204060", "bo": "135790", "cy": "864209", "mo": "975310"}
_HASHES = {who: hashed(pin, SALT) for who, pin in PINS.items()}


def badge(who: str) -> Badge:
    return Badge(CredentialKind.CHIP, bytes.fromhex("04a1b2c3d4e5") + bytes([ord(who[0])]))


def colleague(
    who: str = "ada",
    role: Role = "staff",
    opens: Opens = "pin",
    *,
    name: str = "",
    initials: str = "",
    active: bool = True,
    pin_of: str = "",
    badged: bool = False,
) -> Colleague:
    shown = initials or who[:2].upper(), name or f"{who.title()} Invented"
    held = badge(who) if badged or opens != "pin" else None
    return Colleague(who, *shown, role, _HASHES[pin_of or who], held, opens, active)


def crew(*more: Colleague, of: Iterable[str] = ("ada", "bo")) -> StaffPut:
    """Ada and Bo, Mo who is a manager, and whoever else."""
    return StaffPut((*(colleague(who) for who in of), colleague("mo", "manager"), *more))
