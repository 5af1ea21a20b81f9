"""TLS end to end with an authority of our own: who is let in, what is replaced on the disk, and what health says."""

import asyncio
import random
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.errors import ConfigError, UnavailableError
from sync import tlsfiles
from sync.link import Address, Transport
from tests.rigs.authority import Authority, Pair
from tests.rigs.broker import MOSQUITTO, Broker
from tests.rigs.packets import scripted
from tests.test_link import take

pytestmark = pytest.mark.broker

needs_mosquitto = pytest.mark.skipif(not MOSQUITTO.exists(), reason="Mosquitto is not installed")
DAY_MS = 86_400_000


def line(port: int, ca: Authority | None, own: Pair | None = None, protocol: str = "auto") -> Transport:
    cert, key = own or (None, None)
    address = Address("127.0.0.1", port, protocol, None, None, ca and ca.file, cert, key)
    return Transport(address, "gw-1", random.Random(1))


def strict(ca: Authority) -> Broker:
    """Mosquitto that lets in whom this authority vouches for, under the name in the certificate."""
    own = ca.issue("broker")
    return Broker(
        "mosquitto",
        f"cafile {ca.file}\ncertfile {own.cert}\nkeyfile {own.key}\n"
        "require_certificate true\nuse_identity_as_username true\n",
    )


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_client_certificate_lets_in_and_nothing_else_does(tmp_path: Path, protocol: str) -> None:
    ca, other = Authority(tmp_path / "ours"), Authority(tmp_path / "others", "somebody")
    with strict(ca) as broker:
        ours = line(broker.port, ca, ca.issue("gw-1"), protocol)
        await ours.connect()
        await ours.subscribe(["t/x"])
        await ours.publish("t/x", b"sealed")
        assert [m.payload for m in await take(ours, 1)] == [b"sealed"]
        await ours.close()
        strangers = {
            "refuses the certificate of this box": line(broker.port, ca, other.issue("gw-1")),
            "none was shown": line(broker.port, ca),
            "authority that is not in ca_file": line(broker.port, other, ca.issue("gw-2")),
            "closes the connection": line(broker.port, None),
        }
        for words, stranger in strangers.items():
            with pytest.raises(UnavailableError, match=words) as told:
                await stranger.connect()
            assert "_file" in told.value.step


@needs_mosquitto
async def test_a_certificate_that_ended_is_told_and_a_new_one_on_the_disk_counts_at_once(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    with strict(ca) as broker:
        ours = line(broker.port, ca, ca.issue("gw-1", (-2, -1)))
        with pytest.raises(UnavailableError, match="refuses the certificate of this box: it has expired"):
            await ours.connect()
        ended_ms = ours.certificate_ends_ms
        assert ended_ms is not None
        pair = ca.issue("gw-1")
        key = pair.key.read_bytes()
        pair.key.write_text("half of it is written")
        with pytest.raises(UnavailableError, match=r"key_file: .* cannot be used") as told:
            await ours.connect()
        assert told.value.step == tlsfiles.STEP
        pair.key.write_bytes(key)
        await ours.connect()
        assert ours.certificate_ends_ms is not None
        assert ours.certificate_ends_ms > ended_ms + DAY_MS
        await ours.close()


def test_what_is_said_about_a_certificate_depends_on_how_long_it_counts() -> None:
    ends_ms = 1_800_000_000_000
    assert tlsfiles.remark(None, ends_ms) is None
    assert tlsfiles.remark(ends_ms, ends_ms - tlsfiles.WARN_MS - 1) is None
    assert tlsfiles.remark(ends_ms, ends_ms - 1, ahead_ms=0) is None
    soon, ended = tlsfiles.remark(ends_ms, ends_ms - 1), tlsfiles.remark(ends_ms, ends_ms, ahead_ms=0)
    assert soon is not None
    assert ended is not None
    assert "ends on 2027-01-15 08:00 UTC" in soon[0]
    assert "ended on 2027-01-15 08:00 UTC" in ended[0]
    assert soon[1] == ended[1] != ""


@pytest.mark.parametrize(
    ("days", "address", "words"),
    [
        ((-2, -1), "127.0.0.1", "certificate has expired"),
        ((1, 2), "127.0.0.1", "is not valid yet, or the clock of this box is wrong"),
        ((-1, 1), "127.0.0.9", "is for another address"),
    ],
)
async def test_what_is_wrong_with_the_brokers_certificate_is_said_in_words(
    tmp_path: Path, days: tuple[float, float], address: str, words: str
) -> None:
    ca = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*ca.issue("broker", days, address))
    async with scripted(tls=context) as broker:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the handshake that fails, at its other end
        with pytest.raises(UnavailableError, match=words):
            await line(broker.port, ca).connect()


async def test_a_port_without_tls_is_told_apart(tmp_path: Path) -> None:
    async with scripted() as broker:
        with pytest.raises(UnavailableError, match="takes the connection, but no TLS") as told:
            await line(broker.port, Authority(tmp_path)).connect()
        assert told.value.step.startswith("Does this port speak TLS?")


def test_files_that_cannot_be_used_are_the_operators_business(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    pair = ca.issue("gw-1")
    other = ca.issue("gw-2")
    (tmp_path / "rubbish.pem").write_text("no certificate")
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"a password"),
        )
    )
    rubbish, missing = tmp_path / "rubbish.pem", tmp_path / "missing.pem"
    for ca_file, cert, key_file, told in (
        (rubbish, None, None, rf"mqtt\.ca_file: {rubbish} cannot be used: there is no certificate"),
        (missing, None, None, rf"mqtt\.ca_file: {missing} cannot be used: No such file"),
        (ca.file, rubbish, pair.key, rf"mqtt\.cert_file: {rubbish} cannot be used: there is no certificate"),
        (ca.file, pair.cert, missing, rf"mqtt\.key_file: {missing} cannot be used: No such file"),
        (ca.file, pair.cert, rubbish, rf"mqtt\.key_file: {rubbish} cannot be used: there is no key"),
        (ca.file, pair.cert, other.key, rf"mqtt\.key_file: {other.key} .* not the key of the certificate"),
        (ca.file, pair.cert, locked, rf"mqtt\.key_file: {locked} .* password locks it"),  # and nobody is asked for it
        (ca.file, pair.cert, None, rf"mqtt\.key_file: {pair.cert} cannot be used: there is no key"),
    ):
        with pytest.raises(ConfigError, match=told):
            tlsfiles.load(ca_file, cert, key_file)
        with pytest.raises(ConfigError, match=told):
            Transport(
                Address("127.0.0.1", 1, ca_file=ca_file, cert_file=cert, key_file=key_file), "a", random.Random(1)
            )


def test_without_files_there_is_no_tls_and_without_ca_file_the_systems_authorities_count(tmp_path: Path) -> None:
    assert tlsfiles.load(None, None, None) is None
    pair = Authority(tmp_path).issue("gw-1")
    found = tlsfiles.load(None, *pair)
    assert found is not None
    assert found.ends_ms is not None
    assert found.context.verify_mode == ssl.CERT_REQUIRED
    assert found.context.check_hostname
