"""Headquarters' half: what is put into a provisioning file is what a box can use."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.core import provision
from gateway.errors import ConfigError
from sync.hq import provisioning
from tests.rigs.provisioned import CODE, NOW_MS, ROOT_KEY, WHO, provided


def pair() -> tuple[str, str]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gw1")])
    day = datetime.fromtimestamp(NOW_MS // 1000, UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + timedelta(days=9))
    text = made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return text, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_pair_and_its_authority_go_in_whole(tmp_path: Path) -> None:
    cert, key = pair()
    paths = {"ca": tmp_path / "ca", "cert": tmp_path / "cert", "key": tmp_path / "key", "password": tmp_path / "pw"}
    for kind, text in {"ca": cert, "cert": cert, "key": key, "password": "secret\n"}.items():
        paths[kind].write_text(text)
    found = provisioning.files(paths)
    assert found == {"ca": cert, "cert": cert, "key": key, "password": "secret"}
    made = provisioning.made(WHO, {"host": "b"}, 14, NOW_MS, os.urandom, files=found)
    text = provisioning.write(made, CODE, tmp_path / "out.json", os.urandom)
    assert provision.read((tmp_path / "out.json").read_bytes(), CODE) == made and text
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="new file"):
        provisioning.write(made, "", tmp_path / "out.json", os.urandom)


def test_what_no_box_could_use_is_refused_at_headquarters(tmp_path: Path) -> None:
    (cert, key), (_, another) = pair(), pair()
    rows = {"cert": cert, "key": key, "another": another, "rubbish": "x", "nothing": " \n", "long": "x" * 20_000}
    for name, text in rows.items():
        (tmp_path / name).write_text(text)

    def refused(match: str, **paths: str) -> None:
        with pytest.raises(ConfigError, match=match):
            provisioning.files({kind: tmp_path / name for kind, name in paths.items()})

    refused("both", cert="cert")
    refused("pair", cert="cert", key="another")
    refused("private key", cert="cert", key="rubbish")
    refused("certificates", ca="rubbish")
    refused("found nothing", password="nothing")
    refused("at most", ca="long")
    refused("cannot be read", ca="none")


def test_brokers_codes_and_keys(tmp_path: Path) -> None:
    assert provisioning.broker("b.example", tls=True) == {"host": "b.example", "port": 8883}
    assert provisioning.broker("[2001:db8::1]:1884", tls=False) == {"host": "2001:db8::1", "port": 1884}
    for wrong in ("", "b:0", "b:70000", "a b", "http://b"):
        with pytest.raises(ConfigError):
            provisioning.broker(wrong, tls=False)
    assert provisioning.code("abcd-efgh") == CODE and provisioning.code("") == ""
    with pytest.raises(ConfigError):
        provisioning.code("ABC")
    (tmp_path / "release.pub").write_text(f"# ours\n{ROOT_KEY} since 2026\n")
    assert provisioning.releases(tmp_path / "release.pub") == (ROOT_KEY,) and provisioning.releases(None) == ()
    (tmp_path / "release.pub").write_text("x")
    with pytest.raises(ConfigError, match="line 1"):
        provisioning.releases(tmp_path / "release.pub")


def test_two_files_have_two_numbers() -> None:
    one, two = (provisioning.made(WHO, provided().mqtt, 14, NOW_MS, os.urandom) for _ in range(2))
    assert one.number != two.number
