"""Headquarters' half of provisioning: what a new box is given, checked and put together. Records nothing."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.core import provision, release
from gateway.core.provision import Provision
from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError

MAX_PEM_BYTES = 12_288
_BROKER = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[^\s:/\[\]]{1,253})(?::([0-9]{1,5}))?")
PORT, TLS_PORT = 1883, 8883


def broker(text: str, *, tls: bool) -> dict[str, Any]:
    """host and port of `HOST[:PORT]`. Raises ConfigError."""
    found = _BROKER.fullmatch(text)
    port = int(found[2] or (TLS_PORT if tls else PORT)) if found else 0
    if found is None or not 1 <= port <= 65_535:
        raise ConfigError(f"--broker: expected HOST or HOST:PORT, found {text!r}")
    return {"host": found[1].strip("[]"), "port": port}


def files(paths: Mapping[str, Path | None]) -> dict[str, str]:
    """The text of each that is named, by provision.FILES. Raises ConfigError for what no box could use."""
    found = {kind: _text(kind, path) for kind, path in paths.items() if path is not None}
    if "password" in found:
        found["password"] = found["password"].strip()
        if not found["password"]:
            raise ConfigError("--password-file: expected a password, found nothing")
    if ("cert" in found) != ("key" in found):
        raise ConfigError("--cert and --key: expected both or neither")
    if "ca" in found:
        _certificates("ca", found["ca"])
    if "cert" in found:
        public = _certificates("cert", found["cert"])[0].public_key()
        if public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != _public(found["key"]):
            raise ConfigError("--cert and --key: expected a pair, but the key is another one's")
    return found


def releases(path: Path | None) -> tuple[str, ...]:
    """The keys of a release.pub. Raises ConfigError."""
    if path is None:
        return ()
    try:
        return tuple(key.hex() for key in release.public_keys(_text("release-pub", path)))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def code(text: str) -> str:
    """The code that a box shows. Raises ConfigError."""
    plain = provision.plain_code(text)
    if text and not provision.is_code(plain):
        raise ConfigError("--code: expected the eight letters and digits that the box shows, such as ABCD-EFGH")
    return plain


def made(
    gateway: str, mqtt: Mapping[str, Any], days: int, now_ms: int, random: Callable[[int], bytes], **rest: Any
) -> Provision:
    """What a box becomes; `rest` as in Provision. A number of its own tells two files apart."""
    return Provision(random(8).hex(), gateway, now_ms, now_ms + days * DAY_MS, mqtt, **rest)


def write(made: Provision, code: str, path: Path, random: Callable[[int], bytes]) -> str:
    """A new file of mode 600, on the disk on return; the one line in it. Raises ConfigError."""
    try:
        text = provision.written(made, code, random)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); expected a new file") from error
    return text


def _text(kind: str, path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > MAX_PEM_BYTES:
            raise ValueError
        return data.decode()
    except OSError as error:
        raise ConfigError(f"--{kind}: {path}: cannot be read ({error.strerror})") from error
    except ValueError:
        raise ConfigError(f"--{kind}: {path}: expected text of at most {MAX_PEM_BYTES} bytes") from None


def _certificates(kind: str, text: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise ConfigError(f"--{kind}: expected one or more certificates in PEM") from None


def _public(text: str) -> bytes:
    try:
        return (
            load_pem_private_key(text.encode(), None)
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
    except (TypeError, ValueError):
        raise ConfigError("--key: expected a private key in PEM, without a password") from None
