"""What a release of this software is, who vouches for it, and whether a box may take it. Pure: no file, no clock.

A manifest says which package is for which machine, by size and SHA-256, and is signed with Ed25519 (RFC 8032) in the
form of TUF (The Update Framework, specification 1.0, section 4.2): the signed part, and signatures beside it. A "no" is
one of the words of `WHY`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.core import ed25519

PRODUCT = "store-gateway"
ARCHITECTURES = ("amd64", "arm64")
MANIFEST = "store-gateway-{version}.release.json"
KEY_BYTES = 32

# An honest manifest has under 1 kB for each machine and signature; it is read whole before anybody vouches for it.
MAX_MANIFEST_BYTES = 65_536
# The package has 40 MB; a box with 1 GB of card left must not be filled by a number in a file.
MAX_PACKAGE_BYTES = 500_000_000
MAX_KEYS = 16
MAX_SIGNATURES = 32

# What is signed begins with what it is, so that no signature counts for anything else.
_SIGNED = b"store-gateway release 1\0"
_VERSION = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5}){1,3}")
_NAME = re.compile(r"store-gateway_[0-9.]{1,24}_[a-z0-9]{1,16}\.deb")

# Why a release is refused, in words for whoever stands before the box, and what to do.
WHY: Mapping[str, tuple[str, str]] = {
    "missing": ("no such release is in the folder", "Put the whole folder of the release there."),
    "form": ("the release's file is damaged, or no release", "Copy the whole folder of the release once more."),
    "keys": ("this box trusts no maker of releases yet", "Put their public key into /etc/store-gateway/release.pub."),
    "signature": ("nobody whom this box trusts signed the release", "Take the release from your own headquarters."),
    "product": ("the release is of other software", "Take a release of store-gateway."),
    "expired": ("the release is too old to be installed", "Take a newer release."),
    "same": ("this release runs already", "Nothing to do."),
    "old": ("the release is older than what runs", "Take a newer one; an older one needs a technician at the box."),
    "from": ("what runs is too old for this release", "Install a release between the two first."),
    "machine": ("the release has nothing for this kind of machine", "Take the release for this machine."),
    "package": ("the release's package is missing, damaged or another", "Copy the whole folder of the release again."),
}


@dataclass(frozen=True, slots=True)
class Package:
    """One machine's .deb file: its name without a folder, its size in bytes, and its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Release:
    """`lowest`: from which version on it can be installed over another. `until_ms`: None = it never expires."""

    version: str
    lowest: str
    packages: Mapping[str, Package]
    made_ms: int
    until_ms: int | None = None


def is_version(text: str) -> bool:
    """Whether it is two to four numbers with dots between them: no other version can be ordered surely."""
    return _VERSION.fullmatch(text) is not None


def order(version: str) -> tuple[int, ...]:
    """What versions are compared by; 1.2 is 1.2.0. Raises ValueError for what is no version."""
    if not is_version(version):
        raise ValueError("a version is two to four numbers with dots")
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def signed(release: Release, *keys: Ed25519PrivateKey) -> bytes:
    """The manifest as a file. Raises ValueError for what no box would take."""
    body: dict[str, Any] = {
        "product": PRODUCT,
        "version": release.version,
        "from": release.lowest,
        "made_ms": release.made_ms,
        "packages": {
            machine: {"name": one.name, "size": one.size, "sha256": one.sha256}
            for machine, one in release.packages.items()
        },
    }
    if release.until_ms is not None:
        body["until_ms"] = release.until_ms
    if _release(body) is None:
        raise ValueError("a version, machine or package of the release is not as it has to be")
    signatures = [
        {"key": key.public_key().public_bytes_raw().hex(), "signature": key.sign(_SIGNED + _canonical(body)).hex()}
        for key in keys
    ]
    return json.dumps({"signed": body, "signatures": signatures}, indent=1, sort_keys=True).encode() + b"\n"


def read(manifest: bytes, keys: Iterable[bytes]) -> Release | str:
    """The release of a manifest that one of `keys` (32 bytes each) signed; else the word of WHY for which it is
    refused."""
    known = {key.hex(): key for key in keys}
    if not known:
        return "keys"
    if len(manifest) > MAX_MANIFEST_BYTES:
        return "form"
    try:
        whole = json.loads(manifest)
        body, signatures = whole["signed"], whole["signatures"]
        text = _SIGNED + _canonical(body)
        pairs = [(known.get(one["key"]), bytes.fromhex(one["signature"])) for one in signatures[:MAX_SIGNATURES]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "form"
    if not any(key is not None and _fits(key, signature, text) for key, signature in pairs):
        return "signature"
    if not isinstance(body, dict) or body.get("product") != PRODUCT:
        return "product"
    return _release(body) or "form"


def refused(release: Release, runs: str, machine: str, now_ms: int, *, older: bool = False) -> str:
    """Why a box on which version `runs` serves must not take it, as a word of WHY; "" = it may. `older`: the operator
    at the box wants what is older, too."""
    if release.until_ms is not None and now_ms > release.until_ms:
        return "expired"
    if machine not in release.packages:
        return "machine"
    if release.version == runs:
        return "same"
    if not is_version(runs):  # of a developer's checkout nobody can say
        return "" if older else "old"
    if order(release.version) <= order(runs):
        return "" if older else "old"
    return "from" if order(runs) < order(release.lowest) else ""


def public_keys(text: str) -> list[bytes]:
    """The keys of release.pub: 64 hex digits a line, words behind them and lines that begin with # are comments.
    Raises ValueError with the number of the line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        key = bytes.fromhex(words[0]) if re.fullmatch("[0-9a-f]{64}", words[0]) else b""
        if len(key) != KEY_BYTES or ed25519.is_anybodys(key):
            raise ValueError(f"line {number}: expected a public key of 64 hex digits")
        found.append(key)
    if len(found) > MAX_KEYS:
        raise ValueError(f"expected at most {MAX_KEYS} keys")
    return found


def package_of(content: Iterable[bytes], name: str) -> Package:
    """What a manifest says of a package with this content."""
    size, digest = 0, hashlib.sha256()
    for block in content:
        size += len(block)
        digest.update(block)
    return Package(name, size, digest.hexdigest())


def _canonical(body: object) -> bytes:
    """One text for one value, whoever wrote it. Raises ValueError for what JSON cannot say."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _fits(key: bytes, signature: bytes, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _release(body: Mapping[str, Any]) -> Release | None:
    """None where a field is missing or is not of its kind; what a newer release adds is passed over."""
    version, lowest, until_ms = body.get("version"), body.get("from"), body.get("until_ms")
    if not (isinstance(version, str) and isinstance(lowest, str) and is_version(version) and is_version(lowest)):
        return None
    if not _is_whole(body.get("made_ms")) or not (until_ms is None or _is_whole(until_ms)):
        return None
    packages, listed = {}, body.get("packages")
    if not isinstance(listed, dict):
        return None
    for machine in ARCHITECTURES:
        if machine in listed:
            package = _package(listed[machine])
            if package is None:
                return None
            packages[machine] = package
    return Release(version, lowest, packages, body["made_ms"], until_ms) if packages else None


def _package(row: object) -> Package | None:
    if not isinstance(row, dict):
        return None
    name, size, sha256 = row.get("name"), row.get("size"), row.get("sha256")
    if not (isinstance(name, str) and _NAME.fullmatch(name) and isinstance(sha256, str)):
        return None
    if not (
        isinstance(size, int) and _is_whole(size) and size <= MAX_PACKAGE_BYTES and re.fullmatch("[0-9a-f]{64}", sha256)
    ):
        return None
    return Package(name, size, sha256)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
