"""The files of this box's own certificate authority, in `data_dir`/https: key and certificate of each in one file.

    authority.pem   the authority; tablets trust its certificate
    server.pem      the certificate that the pages are served under

Both keys are sealed under the root key of this box, like all that is stored: a copy of the files is worth nothing
without it. A file is replaced whole or not at all.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography.x509 import Certificate

from gateway.core import certs
from gateway.core.certs import Hosts, Pair
from gateway.errors import ConfigError
from gateway.lasting import sync_folder

FOLDER = "https"
AUTHORITY = "authority.pem"
SERVER = "server.pem"
MAX_BYTES = 65_536  # an authority is 2 KB; a retailer's chain perhaps 10


def known(data_dir: Path) -> Certificate | None:
    """The authority that devices are to trust, None before it was made. Needs no key. Raises ConfigError."""
    path = _path(data_dir, AUTHORITY)
    return certificate_of(path) if path.exists() else None


def certificate_of(path: Path) -> Certificate:
    """The first certificate of a file. Raises ConfigError."""
    try:
        return certs.certificate_in(_read(path))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def authority(data_dir: Path, roots: Sequence[bytes], title: str, names: Hosts, now_ms: int) -> Pair:
    """The authority, made now if there is none. Raises ConfigError; what does not open is never replaced unasked."""
    found = _opened(_path(data_dir, AUTHORITY), roots)
    return found if found is not None else make_authority(data_dir, roots, title, names, now_ms)


def make_authority(data_dir: Path, roots: Sequence[bytes], title: str, names: Hosts, now_ms: int) -> Pair:
    """A new authority in the place of any other. Raises ConfigError, also before the clock can be right."""
    if not certs.is_plausible(now_ms):
        raise ConfigError("the clock of this box is before 2026; a certificate made now would serve nobody")
    made = certs.new_authority(f"{title} {_year(now_ms)}-{secrets.token_hex(2)}", names, now_ms)
    _write(_path(data_dir, AUTHORITY), certs.packed(made, password(roots[0])))
    return made


def leaf(data_dir: Path, roots: Sequence[bytes], issuer: Pair, names: Hosts, now_ms: int) -> tuple[Pair, str]:
    """The certificate to serve under, and why it was made anew ("" if it was not). Raises ConfigError."""
    path = _path(data_dir, SERVER)
    try:
        found = _opened(path, roots)
    except ConfigError:
        found = None  # of another root key; unlike the authority nobody knows it, so that a new one does
    why = "first" if found is None else certs.due(found.certificate, issuer.certificate, names, now_ms)
    if found is not None and (not why or not certs.is_plausible(now_ms)):
        return found, ""
    made = certs.new_leaf(issuer, names, now_ms)
    _write(path, certs.packed(made, password(roots[0])))
    return made, why


def server_path(data_dir: Path) -> Path:
    """Where `leaf` keeps what is served."""
    return _path(data_dir, SERVER)


def reseal(data_dir: Path, olds: Sequence[bytes], newest: bytes) -> None:
    """Seal both keys under the newest root. What opens with none of them stays: the part `https` tells of it, and the
    shop starts. Raises ConfigError for a disk that refuses."""
    for name in (AUTHORITY, SERVER):
        path = _path(data_dir, name)
        try:
            found = _opened(path, (newest, *olds))
        except ConfigError:
            continue
        if found is not None:
            _write(path, certs.packed(found, password(newest)))


def forget(data_dir: Path) -> None:
    """Take the authority away; the service makes another one. Raises ConfigError."""
    for name in (SERVER, AUTHORITY):
        try:
            _path(data_dir, name).unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(f"{_path(data_dir, name)}: cannot be deleted ({error.strerror})") from error


def password(root: bytes) -> bytes:
    """What the keys' files are sealed with: 64 hex digits that only this root key gives."""
    return hmac.new(root, b"store-gateway https", hashlib.sha256).hexdigest().encode()


def _opened(path: Path, roots: Sequence[bytes]) -> Pair | None:
    if not path.exists():
        return None
    data = _read(path)
    why = ""
    for root in roots:
        try:
            return certs.unpacked(data, password(root))
        except ConfigError as error:
            why = str(error)
    raise ConfigError(f"{path}: {why}; `store-gateway trust --new` makes a new one, which every tablet has to learn")


def _path(data_dir: Path, name: str) -> Path:
    return data_dir / FOLDER / name


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if os.geteuid() == 0:  # run by an administrator, for a service that runs as another user
                owner = path.parent.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                os.chown(path.parent, owner.st_uid, owner.st_gid)
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); expected a data folder") from error


def _year(now_ms: int) -> int:
    return datetime.fromtimestamp(now_ms // 1000, UTC).year
