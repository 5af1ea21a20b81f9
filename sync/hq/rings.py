"""Rings of stores, in which something new is rolled out: how operators name them, and which gateway is in which. Pure.

A ring is a text: "all", a share of all stores such as "5%", or stores by name with `*` and `?`, with commas between:
"store-7", "acme/munich-*", "acme/berlin-1/gw-1". A gateway is in the first ring that names it.
"""

import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, Decimal
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from gateway.errors import ConfigError
from sync.hq import tomlfiles

ALL = "all"
# One store in a hundred finds what breaks everywhere, one in ten what breaks in some.
USUAL = ("1%", "10%", ALL)
MAX_RINGS = 20
MAX_TEXT = 4_000  # characters of one ring: 200 stores by name

_SHARE = re.compile(r"\d{1,3}(?:\.\d{1,2})?%")
_NAME = re.compile(r"[\w.*?-]+(?:/[\w.*?-]+){0,2}", re.ASCII)
_EXPECTED = "expected all, a share such as 5%, or stores such as store-7,acme/munich-*"


def named(texts: Sequence[str]) -> tuple[str, ...]:
    """Rings as --ring gives them: "1:store-7", "2:5%" and so on. Raises ConfigError."""
    found = []
    for number, text in enumerate(texts, start=1):
        before, colon, who = text.partition(":")
        if not colon or before.strip() != str(number):
            raise ConfigError(f"--ring {text:.80}: expected {number}:WHO, the rings one after another from 1")
        found.append(who)
    return checked(found, "--ring")


def in_file(path: Path) -> tuple[str, ...]:
    """Rings of a TOML file: rings = ["store-7", "5%", "all"]. Raises ConfigError."""
    found = tomlfiles.read(path, "docs/hq.md")
    listed = found.get("rings")
    if found.keys() != {"rings"} or not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise ConfigError(f'{path}: expected rings = ["store-7", "5%", "all"] and nothing else')
    return checked(listed, str(path))


def checked(texts: Sequence[str], where: str) -> tuple[str, ...]:
    """The rings in one spelling. Raises ConfigError."""
    if not 0 < len(texts) <= MAX_RINGS:
        raise ConfigError(f"{where}: expected 1 to {MAX_RINGS} rings; found {len(texts)}")
    rings = tuple(_checked(text, f"{where} {number}") for number, text in enumerate(texts, start=1))
    if ALL in rings[:-1]:
        raise ConfigError(f"{where}: nobody is left behind the ring of all; expected it at the end")
    return rings


def _checked(text: str, where: str) -> str:
    text = text.replace(" ", "")
    if text in (ALL, "100%"):
        return ALL
    if _SHARE.fullmatch(text):
        if not 0 < Decimal(text[:-1]) < 100:
            raise ConfigError(f"{where}: expected a share above 0% and up to 100%; found {text}")
        return text
    if len(text) > MAX_TEXT or not all(_NAME.fullmatch(one) for one in text.split(",")):
        raise ConfigError(f"{where}: {_EXPECTED}; found {text:.80}")
    return text


def members(rings: Sequence[str], gateways: Iterable[str]) -> dict[str, int]:
    """Of each gateway ("tenant/store/id") that is in a ring its number, from 1."""
    names = sorted(gateways)
    # By a hash of the store's name: the same stores each time, and all gateways of a store together.
    order = sorted({_store(name) for name in names}, key=lambda store: sha256(store.encode()).digest())
    rank = {store: place for place, store in enumerate(order)}
    found: dict[str, int] = {}
    for number, ring in enumerate(rings, start=1):
        least = _count(ring, len(order))
        for name in names:
            if name not in found and (rank[_store(name)] < least or _is_named(ring, name)):
                found[name] = number
    return found


def _store(name: str) -> str:
    return name.rpartition("/")[0]


def _count(ring: str, stores: int) -> int:
    """How many stores a share is, at least one; of the stores of the rings before it as well."""
    if ring == ALL:
        return stores
    if not ring.endswith("%"):
        return 0
    return int((Decimal(ring[:-1]) * stores / 100).to_integral_value(ROUND_CEILING))


def _is_named(ring: str, name: str) -> bool:
    _, store, _ = name.split("/")
    return any(fnmatchcase(text, one) for one in ring.split(",") for text in (store, _store(name), name))
