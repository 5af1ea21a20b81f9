"""A shop's own certificate authority and the certificate of its box (RFC 5280). Values only; no files, no clock.

The authority may vouch for this gateway's names and for private addresses alone (critical name constraints, section
4.2.1.10), for servers alone, and for no further authority (path length 0). So whoever takes its key can pretend to be
this gateway, or something at a private address, towards devices that trust it; nothing on the internet.
"""

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError

# No certificate can have been made before this program was: a box without a clock chip starts in 1970, or years ago.
EARLIEST_MS = 1_767_225_600_000  # 2026-01-01
AUTHORITY_DAYS = 3_650
LEAF_DAYS = 397  # Apple refuses more than 398 of authorities that ship with it; we stay below for ours, too
BACKDATED_MS = DAY_MS  # a tablet's clock may be behind ours; it is within LEAF_DAYS
RENEW_MS = 30 * DAY_MS  # < LEAF_DAYS; a shop that is closed for its holidays still comes back in time
MAX_NAMES = 16
MAX_ADDRESSES = 32  # containers and VPNs give a box a dozen

_PRIVATE = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
)
PRIVATE = tuple(ipaddress.ip_network(text) for text in _PRIVATE)
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Hosts:
    """How a box is called: names in lower case and private addresses, each once, in a fixed order."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def hosts(*called: str) -> Hosts:
    """What of these can stand in a certificate of ours: host names, and addresses from private networks."""
    names: dict[str, None] = {}
    addresses: dict[Address, None] = {}
    for one in called:
        number = address_of(one)
        if number is None:
            name = one.lower().rstrip(".")
            if _NAME.fullmatch(name) and not name.replace(".", "").isdigit():
                names[name] = None
        elif is_private(number):
            addresses[number] = None
    told = sorted(addresses, key=lambda number: (number.version, int(number)))[:MAX_ADDRESSES]
    return Hosts(tuple(sorted(names)[:MAX_NAMES]), tuple(map(str, told)))


def address_of(text: str) -> Address | None:
    """The address that this is, None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_private(number: Address) -> bool:
    """Whether an authority of ours may vouch for it."""
    return any(number.version == network.version and number in network for network in PRIVATE)


def is_plausible(now_ms: int) -> bool:
    """Whether this can be the time at all."""
    return now_ms >= EARLIEST_MS


def new_authority(title: str, names: Hosts, now_ms: int) -> Pair:
    """An authority for these names, what is below them, and private addresses. `title`: what devices list it as."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in names.names]
    permitted += [x509.IPAddress(network) for network in PRIVATE]
    usage = _usage(sign=False)
    # It begins with the program's own time, so that a clock which was ahead when it was made does no harm.
    built = (
        _builder(subject, subject, key, EARLIEST_MS, now_ms + AUTHORITY_DAYS * DAY_MS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .sign(key, SHA256())
    )
    return Pair(built, key)


def new_leaf(authority: Pair, names: Hosts, now_ms: int) -> Pair:
    """A certificate for what of `names` the authority may vouch for, from yesterday on, for LEAF_DAYS in all."""
    key = ec.generate_private_key(ec.SECP256R1())
    told = covered(authority.certificate, names)
    sought: list[x509.GeneralName] = [x509.DNSName(name) for name in told.names]
    sought += [x509.IPAddress(ipaddress.ip_address(text)) for text in told.addresses]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store gateway")])  # a space: no host's name
    issuer = authority.certificate
    begins_ms = now_ms - BACKDATED_MS
    ends_ms = min(begins_ms + LEAF_DAYS * DAY_MS, _ms(issuer.not_valid_after_utc))
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    built = (
        _builder(subject, issuer.subject, key, max(begins_ms, EARLIEST_MS), ends_ms)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(sought), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority.key, SHA256())
    )
    return Pair(built, key)


def covered(authority: x509.Certificate, names: Hosts) -> Hosts:
    """What of `names` this authority may vouch for."""
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    bases = [one.value for one in permitted if isinstance(one, x509.DNSName)]
    fitting = [name for name in names.names if any(name == base or name.endswith(f".{base}") for base in bases)]
    return Hosts(tuple(fitting), names.addresses)


def named(leaf: x509.Certificate) -> Hosts:
    """What a certificate stands for; of one that a retailer brought, wildcards as they are."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Hosts((), ())
    return Hosts(
        tuple(sorted(found.get_values_for_type(x509.DNSName))),
        tuple(map(str, found.get_values_for_type(x509.IPAddress))),
    )


def due(leaf: x509.Certificate, authority: x509.Certificate, names: Hosts, now_ms: int) -> str:
    """Why a new certificate is to be made, "" while this one serves."""
    if not is_from(leaf, authority):
        return "authority"
    if set(covered(authority, names).names) - set(named(leaf).names):
        return "names"
    if set(names.addresses) - set(named(leaf).addresses):
        return "names"
    if _ms(leaf.not_valid_before_utc) > now_ms:
        return "early"  # a clock that was ahead made it
    if _ms(leaf.not_valid_after_utc) - now_ms < min(RENEW_MS, _ms(authority.not_valid_after_utc) - now_ms):
        return "end"
    return ""


def ends_ms(certificate: x509.Certificate) -> int:
    """When it ends, UTC milliseconds."""
    return _ms(certificate.not_valid_after_utc)


def is_from(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether this authority's key signed it."""
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the certificate as 64 upper-case hex digits."""
    return certificate.fingerprint(SHA256()).hex().upper()


def packed(pair: Pair, password: bytes) -> bytes:
    """Key and certificate in one PEM file; the key opens with the password alone."""
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    return key + pair.certificate.public_bytes(Encoding.PEM)


def unpacked(data: bytes, password: bytes) -> Pair:
    """What `packed` made. Raises ConfigError("...") for another password, or for what is no such file."""
    try:
        key = load_pem_private_key(data, password)
        certificate = x509.load_pem_x509_certificate(data)
    except (ValueError, TypeError):
        raise ConfigError("does not open with the key of this box") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise ConfigError("holds a certificate of another key")
    return Pair(certificate, key)


def certificate_in(data: bytes) -> x509.Certificate:
    """The first certificate of a PEM file; needs no password. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError:
        raise ConfigError("holds no certificate") from None


def der(certificate: x509.Certificate) -> bytes:
    """The form that devices install."""
    return certificate.public_bytes(Encoding.DER)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, from_ms: int, until_ms: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(from_ms))
        .not_valid_after(_moment(until_ms))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not sign,
        crl_sign=not sign,
        encipher_only=False,
        decipher_only=False,
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=ms // 1000)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
