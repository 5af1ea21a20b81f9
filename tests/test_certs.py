"""gateway.core.certs: what devices check of a certificate holds, and a stolen authority can do no more than it may."""

import ipaddress
import shutil
import ssl
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import certs
from gateway.core.certs import Pair
from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError

NOW_MS = time.time_ns() // 1_000_000
HOSTS = certs.hosts("localhost", "127.0.0.1", "gw.shop", "gw.local", "10.1.2.3", "::1")
AUTHORITY = certs.new_authority("Store gateway munich-1 gw-1", HOSTS, NOW_MS)


def leaf_for(*names: x509.GeneralName, ca: bool = False, issuer: Pair = AUTHORITY) -> Pair:
    """What a thief of the authority's key could make: a certificate for whatever they like."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    title = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody else" if issuer is AUTHORITY else "below")]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(title)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Pair(builder.sign(issuer.key, SHA256()), key)


def shake_hands(served: Pair, name: str, folder: Path, *between: x509.Certificate) -> str:
    """A real TLS handshake in memory with a device that trusts AUTHORITY; "" or why the device breaks off."""
    path = folder / "served.pem"
    key = served.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(one.public_bytes(Encoding.PEM) for one in (served.certificate, *between))
    path.write_bytes(key + chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=certs.der(AUTHORITY.certificate))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    device = client.wrap_bio(to_client, to_server, server_hostname=name)
    box = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (device, box):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return ""


@pytest.mark.parametrize("name", ["gw.shop", "gw.local", "10.1.2.3", "localhost", "127.0.0.1"])
def test_a_device_that_trusts_the_authority_accepts_each_name(name: str, tmp_path: Path) -> None:
    assert shake_hands(certs.new_leaf(AUTHORITY, HOSTS, NOW_MS), name, tmp_path) == ""


def test_it_refuses_another_name(tmp_path: Path) -> None:
    assert "not valid for" in shake_hands(certs.new_leaf(AUTHORITY, HOSTS, NOW_MS), "other.shop", tmp_path)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (x509.DNSName("bank.example"), "bank.example"),
        (x509.DNSName("agw.shop"), "agw.shop"),
        (x509.DNSName("shop"), "shop"),
        (x509.IPAddress(ipaddress.ip_address("8.8.8.8")), "8.8.8.8"),
        (x509.IPAddress(ipaddress.ip_address("172.32.0.1")), "172.32.0.1"),
    ],
)
def test_a_stolen_authority_cannot_pretend_to_be_a_site(name: x509.GeneralName, asked: str, tmp_path: Path) -> None:
    assert shake_hands(leaf_for(name), asked, tmp_path) == "permitted subtree violation"


def test_a_stolen_authority_is_worth_its_own_names(tmp_path: Path) -> None:
    """The other side of the test above: without the constraint it would be accepted."""
    assert shake_hands(leaf_for(x509.DNSName("gw.shop")), "gw.shop", tmp_path) == ""


def test_a_stolen_authority_makes_no_further_authority(tmp_path: Path) -> None:
    between = leaf_for(ca=True)
    below = leaf_for(x509.DNSName("gw.shop"), issuer=between)
    assert shake_hands(below, "gw.shop", tmp_path, between.certificate) == "path length constraint exceeded"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_finds_nothing_wrong(tmp_path: Path) -> None:
    leaf = certs.new_leaf(AUTHORITY, HOSTS, NOW_MS)
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "leaf.pem").write_bytes(leaf.certificate.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", "leaf.pem"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout.strip()) == (0, "leaf.pem: OK")


def test_what_makes_an_authority() -> None:
    found = AUTHORITY.certificate.extensions
    constraints = found.get_extension_for_class(x509.NameConstraints)
    usage = found.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical and usage.critical
    assert usage.value.key_cert_sign and not usage.value.digital_signature
    assert list(found.get_extension_for_class(x509.ExtendedKeyUsage).value) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    assert certs.ends_ms(AUTHORITY.certificate) == (NOW_MS // 1000 * 1000) + certs.AUTHORITY_DAYS * DAY_MS


def test_a_certificate_serves_no_longer_than_devices_accept() -> None:
    leaf = certs.new_leaf(AUTHORITY, HOSTS, NOW_MS).certificate
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=certs.LEAF_DAYS)
    assert certs.LEAF_DAYS < 398
    assert leaf.not_valid_before_utc < datetime.now(UTC) - timedelta(hours=23)
    assert certs.RENEW_MS < certs.LEAF_DAYS * DAY_MS


def test_none_outlives_its_authority() -> None:
    late_ms = certs.ends_ms(AUTHORITY.certificate) - 20 * DAY_MS
    leaf = certs.new_leaf(AUTHORITY, HOSTS, late_ms).certificate
    assert leaf.not_valid_after_utc == AUTHORITY.certificate.not_valid_after_utc
    assert certs.due(leaf, AUTHORITY.certificate, HOSTS, late_ms) == ""  # a new one would end no later


def test_an_authority_that_a_fast_clock_made_serves_today() -> None:
    """Its box was years ahead; after the correction the certificate is made anew and the authority stays."""
    ahead_ms = NOW_MS + 3_000 * DAY_MS
    authority = certs.new_authority("t", HOSTS, ahead_ms)
    leaf = certs.new_leaf(authority, HOSTS, ahead_ms)
    assert authority.certificate.not_valid_before_utc < datetime.now(UTC)
    assert certs.due(leaf.certificate, authority.certificate, HOSTS, NOW_MS) == "early"


@pytest.mark.parametrize(("days", "why"), [(0, ""), (300, ""), (365, ""), (367, "end"), (400, "end"), (-30, "early")])
def test_when_a_new_one_is_due(days: int, why: str) -> None:
    leaf = certs.new_leaf(AUTHORITY, HOSTS, NOW_MS).certificate
    assert certs.due(leaf, AUTHORITY.certificate, HOSTS, NOW_MS + days * DAY_MS) == why


def test_another_name_address_or_authority_makes_it_due() -> None:
    leaf = certs.new_leaf(AUTHORITY, HOSTS, NOW_MS).certificate
    more = certs.hosts(*HOSTS.names, *HOSTS.addresses, "10.9.9.9")
    assert certs.due(leaf, AUTHORITY.certificate, more, NOW_MS) == "names"
    fewer = certs.hosts("gw.shop")
    assert certs.due(leaf, AUTHORITY.certificate, fewer, NOW_MS) == ""  # an address that comes and goes
    other = certs.new_authority("Store gateway munich-1 gw-1", HOSTS, NOW_MS)
    assert certs.due(leaf, other.certificate, HOSTS, NOW_MS) == "authority"


def test_a_name_that_the_authority_may_not_vouch_for_is_left_out() -> None:
    named = certs.hosts("gw.shop", "tablet.gw.shop", "gw.new")
    leaf = certs.new_leaf(AUTHORITY, named, NOW_MS).certificate
    assert certs.named(leaf).names == ("gw.shop", "tablet.gw.shop")
    assert certs.due(leaf, AUTHORITY.certificate, named, NOW_MS) == ""  # else it would be made anew for ever


def test_what_a_box_may_be_called() -> None:
    found = certs.hosts(
        "GW.Shop.", "gw.shop", "8.8.8.8", "192.168.1.5", "fe80::1", "fd00::2", "bad_name", "", "1.2.3.999"
    )
    assert found.names == ("gw.shop",)
    assert found.addresses == ("192.168.1.5", "fd00::2", "fe80::1")


@given(st.lists(st.integers(0, 2**32 - 1), max_size=80), st.lists(st.text(max_size=70), max_size=40))
def test_whatever_a_box_is_called_there_is_a_certificate(numbers: list[int], names: list[str]) -> None:
    found = certs.hosts("localhost", *(str(ipaddress.IPv4Address(number)) for number in numbers), *names)
    assert len(found.names) <= certs.MAX_NAMES and len(found.addresses) <= certs.MAX_ADDRESSES
    assert all(certs.is_private(ipaddress.ip_address(one)) for one in found.addresses)
    assert certs.named(certs.new_leaf(AUTHORITY, found, NOW_MS).certificate).addresses == found.addresses


def test_a_file_opens_with_its_password_alone() -> None:
    data = certs.packed(AUTHORITY, b"right")
    assert b"ENCRYPTED" in data
    assert certs.unpacked(data, b"right").certificate == AUTHORITY.certificate
    for other in (b"wrong", b""):
        with pytest.raises(ConfigError, match="does not open"):
            certs.unpacked(data, other)
    for broken in (b"", data[:100], b"x" * 500):
        with pytest.raises(ConfigError):
            certs.unpacked(broken, b"right")


def test_key_and_certificate_belong_together() -> None:
    other = certs.new_authority("t", HOSTS, NOW_MS)
    mixed = certs.packed(Pair(other.certificate, AUTHORITY.key), b"p")
    with pytest.raises(ConfigError, match="another key"):
        certs.unpacked(mixed, b"p")


def test_the_fingerprint_is_what_devices_show() -> None:
    assert certs.fingerprint(AUTHORITY.certificate) == AUTHORITY.certificate.fingerprint(SHA256()).hex().upper()


@pytest.mark.parametrize(("ms", "plausible"), [(0, False), (certs.EARLIEST_MS - 1, False), (certs.EARLIEST_MS, True)])
def test_a_clock_before_the_program_is_wrong(ms: int, plausible: bool) -> None:
    assert certs.is_plausible(ms) is plausible
