"""The verbs of `store-gateway release`: who makes releases signs them, and anybody looks at one (docs/updates.md)."""

import argparse
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.clock import world_ms
from gateway.core import release
from gateway.core.release import ARCHITECTURES, WHY, Package, Release
from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError
from gateway.finding import moment
from gateway.releasefiles import TRUSTED, check_package, read_manifest, trusted_keys
from gateway.terminal import Defaults, grouped, out, say, whole
from sync.hq import keyfiles

_DEB = re.compile(rf"store-gateway_([0-9.]+)_({'|'.join(ARCHITECTURES)})\.deb")
_KEY = "the file of a key for releases, as release keygen wrote it"


def add_verbs(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    text = "make a key for releases; its public half goes into every box"
    keygen = verbs.add_parser("keygen", help=text, description=text, formatter_class=Defaults)
    keygen.set_defaults(verb=_keygen)
    keygen.add_argument("--out", type=Path, required=True, help="the new file, mode 600; keep it off line")
    text = "make a release of the packages in a folder: write the signed file beside them"
    sign = verbs.add_parser("sign", help=text, description=text, formatter_class=Defaults)
    sign.set_defaults(verb=_sign)
    sign.add_argument("folder", type=Path, help="with store-gateway_VERSION_ARCHITECTURE.deb, all of one version")
    sign.add_argument("--key", type=Path, action="append", required=True, help="may be repeated, for a change of keys")
    sign.add_argument("--from", dest="lowest", default="0.1", help="the lowest version that it updates from")
    sign.add_argument("--days", type=whole(1, 3_650), help="how long it may be installed; for ever without")
    text = "whether this box would trust a release, and whether it is whole"
    verify = verbs.add_parser("verify", help=text, description=text, formatter_class=Defaults)
    verify.set_defaults(verb=_verify)
    verify.add_argument("manifest", type=Path, help="store-gateway-VERSION.release.json; its packages lie beside it")
    verify.add_argument("--keys", type=Path, default=TRUSTED, help="the public keys that are trusted")


def _keygen(arguments: argparse.Namespace) -> int:
    private = Ed25519PrivateKey.from_private_bytes(secrets.token_bytes(release.KEY_BYTES))
    public = private.public_key().public_bytes_raw().hex()
    row = {"use": "release", "public": public, "private": private.private_bytes_raw().hex()}
    keyfiles.write_new(arguments.out, row)
    say(f"{arguments.out}: the key for releases. Keep it off line, and a copy elsewhere; only release sign needs it.")
    say(f"Its public half:  {grouped(public)}")
    say(f"This line goes into {TRUSTED} of every box:")
    out.print(public, markup=False, highlight=False, soft_wrap=True)
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    keys = [_private(path) for path in arguments.key]
    found = {path: match for path in sorted(arguments.folder.glob("*.deb")) if (match := _DEB.fullmatch(path.name))}
    versions = {match[1] for match in found.values()}
    if len(versions) != 1:
        raise ConfigError(f"{arguments.folder}: expected packages of one version, found {sorted(versions) or 'none'}")
    (version,) = versions
    packages = {match[2]: _package(path) for path, match in found.items()}
    now_ms = world_ms()
    until_ms = None if arguments.days is None else now_ms + arguments.days * DAY_MS
    path = arguments.folder / release.MANIFEST.format(version=version)
    try:
        text = release.signed(Release(version, arguments.lowest, packages, now_ms, until_ms), *keys)
        path.write_bytes(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    out.print(f"{path}: {version} for {', '.join(sorted(packages))}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    found = read_manifest(arguments.manifest, trusted_keys(arguments.keys))
    if isinstance(found, str):
        say(f"{arguments.manifest}: {WHY[found][0]}. {WHY[found][1]}", "red")
        return 1
    until = "" if found.until_ms is None else f", until {moment(found.until_ms)}"
    out.print(f"{found.version}, from {found.lowest} on, made {moment(found.made_ms)}{until}", highlight=False)
    bad = False
    for machine, package in found.packages.items():
        is_whole = check_package(arguments.manifest.with_name(package.name), package)
        bad = bad or not is_whole
        said = "ok" if is_whole else WHY["package"][0]
        out.print(f"{machine:6} {package.name}: {said}", markup=False, highlight=False, soft_wrap=True)
    return int(bad)


def _private(path: Path) -> Ed25519PrivateKey:
    row = keyfiles.load(path, _KEY)
    try:
        if row["use"] != "release":
            raise ValueError
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(row["private"]))
    except (KeyError, ValueError, TypeError):
        raise ConfigError(f"{path}: expected {_KEY}") from None


def _package(path: Path) -> Package:
    def blocks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                yield block

    try:
        return release.package_of(blocks(), path.name)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
