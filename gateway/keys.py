"""Secrets of this gateway: read from systemd's credentials, else kept beside the data in files only we can read."""

import os
import secrets
import stat
from pathlib import Path

from gateway.errors import ConfigError

SITE_KEY_BYTES = 32
GATEWAY_KEY_BYTES = 32  # an X25519 private key: any 32 random bytes
TABLET_KEY_BYTES = 16  # 128 random bits, and short enough for a QR code that a tablet reads off a screen


def site_key(data_dir: Path) -> bytes:
    """32 bytes under which static identifiers are hashed. Losing them means that HQ sends every credential again."""
    return bytes.fromhex(_secret(data_dir, "site.key", SITE_KEY_BYTES))


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


def known_site_key(data_dir: Path) -> bytes | None:
    """The site key if it was made already, else None: for whoever only looks. Raises ConfigError."""
    path, from_systemd = _path(data_dir, "site.key")
    return bytes.fromhex(_read(path, SITE_KEY_BYTES, from_systemd=from_systemd)) if path.exists() else None


def copied_site_key(path: Path) -> bytes:
    """The gateway's site key as a scanner has it. Raises ConfigError."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    from_systemd = bool(credentials) and path.is_relative_to(credentials or "")
    return bytes.fromhex(_read(path, SITE_KEY_BYTES, from_systemd=from_systemd))


def _secret(data_dir: Path, name: str, size: int) -> str:
    path, from_systemd = _path(data_dir, name)
    if not from_systemd:
        _create(path, size)
    return _read(path, size, from_systemd=from_systemd)


def _path(data_dir: Path, name: str) -> tuple[Path, bool]:
    """Where a key is, and whether systemd brought it."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    from_systemd = bool(credentials) and (Path(credentials or "") / name).is_file()
    return (Path(credentials or "") / name if from_systemd else data_dir / name), from_systemd


def _read(path: Path, size: int, *, from_systemd: bool) -> str:
    try:
        # systemd guards its credentials by an access list of its own, which shows as a readable group.
        if not from_systemd and path.stat().st_mode & (stat.S_IROTH | stat.S_IRGRP):
            raise ConfigError(f"{path}: others can read this key; expected mode 600 (chmod 600 {path})")
        text = path.read_text(encoding="ascii").strip()
        if len(bytes.fromhex(text)) != size:
            raise ValueError
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: is no key; expected {2 * size} hex digits") from error
    return text


def _create(path: Path, size: int) -> None:
    """Whole or not at all: half a key, from a full disk or a power cut, would lock the gateway out for ever."""
    draft = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(size) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        raise ConfigError(f"{path.parent}: cannot be written ({error.strerror}); expected a data folder") from error
