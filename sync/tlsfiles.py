"""The files behind a TLS connection: read anew for each one, so that what was replaced on the disk counts at once."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from gateway.errors import ConfigError

# Before a certificate ends there is time for a letter, a holiday and a second try.
WARN_MS = 14 * 86_400_000

STEP = "Put the file right that is named here; the next try reads it anew. The cable is not to blame."


_NO_CERTIFICATE = "there is no certificate in it"


@dataclass(frozen=True, slots=True)
class Tls:
    """What a connection uses, and when the certificate that we show ends (None = we show none, or it does not say)."""

    context: ssl.SSLContext
    ends_ms: int | None


def load(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> Tls | None:
    """None without any file: no TLS. Without `ca_file` the system's authorities count. Raises ConfigError."""
    if ca_file is None and cert_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is an OSError
        raise _unusable("ca_file", ca_file, error, _NO_CERTIFICATE) from error
    if cert_file is None:
        return Tls(context, None)
    try:
        # A password of our own making: OpenSSL would ask at the terminal for the one of a locked key.
        context.load_cert_chain(cert_file, key_file, password="")
        return Tls(context, _ends_ms(cert_file))
    except OSError as error:
        if not _is_certificate(cert_file):
            raise _unusable("cert_file", cert_file, error, _NO_CERTIFICATE) from error
        mismatch = getattr(error, "reason", None) == "KEY_VALUES_MISMATCH"
        why = "it is not the key of the certificate" if mismatch else "there is no key in it, or a password locks it"
        raise _unusable("key_file", key_file or cert_file, error, why) from error


def _unusable(key: str, file: Path | None, error: OSError, content: str) -> ConfigError:
    """OpenSSL says nothing of which file it read, and little of why: `content`, where it could be read."""
    why = content if isinstance(error, ssl.SSLError) else error.strerror or error.__class__.__name__
    return ConfigError(f"mqtt.{key}: {file} cannot be used: {why}")


def _is_certificate(file: Path) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(file.read_bytes()))
    except (OSError, ValueError):
        return False


def _ends_ms(cert_file: Path) -> int | None:
    try:
        first = x509.load_pem_x509_certificates(cert_file.read_bytes())[0]
    except ValueError:  # OpenSSL took it; only the date is not known
        return None
    return int(first.not_valid_after_utc.timestamp() * 1000)


def remark(ends_ms: int | None, now_ms: int, ahead_ms: int = WARN_MS) -> tuple[str, str] | None:
    """What is to be said about the certificate that this box shows, and what helps; None = more than `ahead_ms` are
    left of it."""
    if ends_ms is None or ends_ms - now_ms > ahead_ms:
        return None
    verb = "ended" if ends_ms <= now_ms else "ends"
    day = datetime.fromtimestamp(ends_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"the certificate with which this box shows itself to the broker {verb} on {day}",
        "Ask headquarters for a new certificate and put it in place of cert_file and key_file; the next connection"
        " uses it, nothing needs a restart.",
    )
