"""Secrets of this gateway: read from systemd's credentials, else kept beside the data in files only we can read."""

import contextlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from gateway.dbfile import DATABASE
from gateway.errors import ConfigError
from gateway.lasting import sync_folder
from sync.pair_messages import MIN_SECRET

ROOT = "site.key"
NEXT = "site.key.next"  # while the root is changed
UNIT = Path("/etc/systemd/system/store-gateway.service")
OTHERS = ("gateway.key", "tablet.key")
SITE_KEY_BYTES = 32
GATEWAY_KEY_BYTES = 32  # an X25519 private key: any 32 random bytes
TABLET_KEY_BYTES = 16  # 128 random bits, and short enough for a QR code that a tablet reads off a screen

LOST = (
    "{path}: is not there, and the data beside it was sealed with it. Bring it back, or run this with the credential "
    "that the service has (docs/keys.md); if it is lost, move the database away and headquarters sends everything again"
)


@dataclass(frozen=True, slots=True)
class Root:
    """A root key, where it is, and whether systemd brought it there."""

    key: bytes
    path: Path
    from_systemd: bool


def roots(data_dir: Path, *, make: bool = True) -> tuple[Root, ...]:
    """The root key of this box, and before it the one that is to follow while it is changed.

    Where there is no data yet it is made, or with `make` False there is none. Raises ConfigError, also if it is lost.
    """
    path, from_systemd = _path(data_dir, ROOT)
    if not from_systemd:
        path = path.resolve()  # it may be a link to another disk
    coming, coming_from_systemd = _path(data_dir, NEXT)
    if not coming_from_systemd:
        coming = path.with_name(NEXT)
    found = []
    # What systemd brings is served as long as its unit says so: a file does not follow on it.
    if coming_from_systemd or (not from_systemd and coming.exists()):
        found.append(Root(_root(coming, coming_from_systemd), coming, coming_from_systemd))
    if not found and not path.exists():
        if (data_dir / DATABASE).exists():
            raise ConfigError(LOST.format(path=path))
        if make:
            _make(path, ROOT, SITE_KEY_BYTES)
    if path.exists():
        found.append(Root(_root(path, from_systemd), path, from_systemd))
    return tuple(found)


def site_key(data_dir: Path) -> bytes:
    """The root key of this box, 32 bytes, under which the keys of its data lie. Raises ConfigError.

    Losing it means that HQ sends everything again. Whoever opens the data asks `rekey.root_key`, which also ends a
    change of the root that was interrupted.
    """
    return roots(data_dir)[-1].key


def make_next_root(data_dir: Path) -> None:
    """A new root key beside the one that serves. Raises ConfigError."""
    _create((data_dir / ROOT).resolve().with_name(NEXT), SITE_KEY_BYTES)


def take_over(coming: Root) -> None:
    """The root key that was to follow is the root key now; after this no power cut brings the old one back."""
    try:
        coming.path.rename(coming.path.with_name(ROOT))
        sync_folder(coming.path.parent)
    except OSError as error:
        raise ConfigError(f"{coming.path}: cannot be renamed to {ROOT} ({error.strerror})") from error


def systemd_brings(name: str) -> bool:
    """Whether this box's unit hands a credential of this name to the service."""
    for file in (UNIT, *sorted(UNIT.with_name(f"{UNIT.name}.d").glob("*.conf"))):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            for line in file.read_text(encoding="utf-8").splitlines():
                setting, _, value = line.partition("=")
                if setting.strip().startswith("LoadCredential") and value.strip().startswith(f"{name}:"):
                    return True
    return False


def write_identifier_key(path: Path, key: bytes) -> None:
    """A new file with the key under which identifiers are hashed, for a scanner. Raises ConfigError."""
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(key.hex() + "\n")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); expected a new file") from error


def tablet_key(data_dir: Path) -> str:
    """The key in the link that lets a tablet in (32 hex digits)."""
    return _secret(data_dir, "tablet.key", TABLET_KEY_BYTES)


def gateway_key(data_dir: Path) -> bytes:
    """32 secret bytes, the X25519 key for which headquarters seals. Losing them means that it seals every key again."""
    return bytes.fromhex(_secret(data_dir, "gateway.key", GATEWAY_KEY_BYTES))


def known_gateway_key(data_dir: Path) -> bytes | None:
    """The same if it was made already, else None: for whoever only looks. Raises ConfigError."""
    path, from_systemd = _path(data_dir, "gateway.key")
    return bytes.fromhex(_read(path, GATEWAY_KEY_BYTES, from_systemd=from_systemd)) if path.exists() else None


def beside(data_dir: Path) -> tuple[str, ...]:
    """Which keys but the root lie in the data folder, where whoever takes the card has them."""
    return tuple(name for name in OTHERS if (data_dir / name).exists())


def copied_identifier_key(path: Path) -> bytes:
    """The key under which the gateway hashes identifiers, as a scanner has it. Raises ConfigError."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    from_systemd = bool(credentials) and path.is_relative_to(credentials or "")
    return bytes.fromhex(_read(path, SITE_KEY_BYTES, from_systemd=from_systemd))


def _secret(data_dir: Path, name: str, size: int) -> str:
    path, from_systemd = _path(data_dir, name)
    if not from_systemd:
        _make(path, name, size)
    return _read(path, size, from_systemd=from_systemd)


def _path(data_dir: Path, name: str) -> tuple[Path, bool]:
    """Where a key is, and whether systemd brought it."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    from_systemd = bool(credentials) and (Path(credentials or "") / name).is_file()
    return (Path(credentials or "") / name if from_systemd else data_dir / name), from_systemd


def _root(path: Path, from_systemd: bool) -> bytes:
    return bytes.fromhex(_read(path, SITE_KEY_BYTES, from_systemd=from_systemd))


def _guard(path: Path) -> None:
    """Only we may read or change this key. Raises ConfigError, and OSError without such a file."""
    about = path.stat()
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: others can read this key; expected mode 600 (chmod 600 {path})")
    owners = {os.geteuid()}
    if os.geteuid() == 0:  # an administrator who looks at the service's own
        owners.add(path.parent.stat().st_uid)
    if about.st_uid not in owners:
        raise ConfigError(f"{path}: belongs to another user; expected the user of the service (chown it to that one)")


def _read(path: Path, size: int, *, from_systemd: bool) -> str:
    try:
        if (
            not from_systemd
        ):  # systemd guards its credentials by an access list of its own: it shows as a readable group
            _guard(path)
        text = path.read_text(encoding="ascii").strip()
        if len(bytes.fromhex(text)) != size:
            raise ValueError
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: is no key; expected {2 * size} hex digits") from error
    return text


def _make(path: Path, name: str, size: int) -> None:
    """A key that is not there yet; not beside one that only the service has."""
    if not path.exists() and systemd_brings(name):
        raise ConfigError(
            f"{path}: is not there; systemd brings {name} to the service (docs/keys.md: run this as it does)"
        )
    _create(path, size)


def _create(path: Path, size: int) -> None:
    """Whole or not at all: half a key, from a full disk or a power cut, would lock the gateway out for ever."""
    draft = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(size) + "\n")
            file.flush()
            os.fsync(file.fileno())
            if os.geteuid() == 0:  # run by an administrator, for a service that runs as another user
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path.parent}: cannot be written ({error.strerror}); expected a data folder") from error


def pair_secret(path: Path) -> str:
    """What the shop's two boxes share. Raises ConfigError."""
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read; expected the secret of the shop's two boxes") from error
    if len(found) < MIN_SECRET:
        raise ConfigError(f"{path}: expected at least {MIN_SECRET} characters (openssl rand -hex 32)")
    return found
