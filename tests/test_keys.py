"""Keys are made once, private, and refused when others could read them."""

import os
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.keys import (
    GATEWAY_KEY_BYTES,
    SITE_KEY_BYTES,
    TABLET_KEY_BYTES,
    beside,
    copied_identifier_key,
    gateway_key,
    known_gateway_key,
    roots,
    site_key,
    tablet_key,
    write_identifier_key,
)


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = site_key(data)
    assert len(key) == SITE_KEY_BYTES
    assert site_key(data) == key
    assert (data / "site.key").stat().st_mode & 0o777 == 0o600
    assert data.stat().st_mode & 0o777 == 0o700
    assert tablet_key(data) != key.hex()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    site_key(tmp_path)
    (tmp_path / "site.key").chmod(0o644)
    with pytest.raises(ConfigError, match="others can read"):
        site_key(tmp_path)


@pytest.mark.parametrize("text", ["", "abc", "zz" * 16, "ab" * 15, "\u00e4" * 64])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tablet.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="is no key"):
        tablet_key(tmp_path)


def test_systemd_credentials_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "site.key").write_text("ab" * SITE_KEY_BYTES)
    (credentials / "site.key").chmod(0o440)  # how an access list for the service shows
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert site_key(tmp_path / "data") == b"\xab" * SITE_KEY_BYTES
    assert not (tmp_path / "data" / "site.key").exists()


def test_with_every_key_as_credential_none_is_written_beside_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, size in (
        ("site.key", SITE_KEY_BYTES),
        ("gateway.key", GATEWAY_KEY_BYTES),
        ("tablet.key", TABLET_KEY_BYTES),
    ):
        (credentials / name).write_text("ab" * size)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    data = tmp_path / "data"
    assert (site_key(data), gateway_key(data), tablet_key(data)) == (
        b"\xab" * 32,
        b"\xab" * 32,
        "ab" * TABLET_KEY_BYTES,
    )
    assert beside(data) == () and not (data / "site.key").exists()


def test_a_scanner_reads_a_copy_of_the_site_key_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "site.key"
    with pytest.raises(ConfigError, match="is no key"):
        copied_identifier_key(path)
    assert not path.exists()
    path.write_text("cd" * SITE_KEY_BYTES)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others can read"):
        copied_identifier_key(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert copied_identifier_key(path) == b"\xcd" * SITE_KEY_BYTES


def test_a_data_folder_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        site_key(tmp_path / "file" / "data")


def test_half_a_key_from_a_full_disk_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(ConfigError, match="No space left"):
        site_key(tmp_path)
    monkeypatch.undo()
    assert len(site_key(tmp_path)) == SITE_KEY_BYTES


def test_looking_for_the_gateways_key_makes_none(tmp_path: Path) -> None:
    assert known_gateway_key(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    key = gateway_key(tmp_path)
    assert (len(key), known_gateway_key(tmp_path)) == (32, key)
    assert (tmp_path / "gateway.key").stat().st_mode & 0o777 == 0o600


def test_the_gateways_key_may_be_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gateway.key").write_text("ab" * 32)
    (tmp_path / "gateway.key").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert gateway_key(tmp_path / "data") == known_gateway_key(tmp_path / "data") == b"\xab" * 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_nobody_else_may_read_or_change_a_key(tmp_path: Path, mode: int) -> None:
    site_key(tmp_path)
    (tmp_path / "site.key").chmod(mode)
    with pytest.raises(ConfigError, match="others can read this key; expected mode 600"):
        site_key(tmp_path)


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for make in (site_key, tablet_key, gateway_key):
        make(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    for make in (site_key, tablet_key, gateway_key):
        with pytest.raises(ConfigError, match="belongs to another user"):
            make(tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="gives files away")
def test_an_administrator_reads_the_services_keys_and_makes_them_for_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, 12_345, 12_346)
    key = site_key(data)
    about = (data / "site.key").stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (12_345, 12_346, 0o600)
    assert site_key(data) == key
    os.chown(data / "site.key", 12_347, 12_346)
    with pytest.raises(ConfigError, match="belongs to another user"):
        site_key(data)


@pytest.mark.parametrize("make", [site_key, tablet_key, gateway_key])
def test_no_key_is_made_beside_one_that_systemd_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make) -> None:
    monkeypatch.setattr("gateway.keys.UNIT", tmp_path / "store-gateway.service")
    names = "".join(f"LoadCredentialEncrypted={name}.key:/x\n" for name in ("site", "tablet", "gateway"))
    (tmp_path / "store-gateway.service").write_text(names)
    with pytest.raises(ConfigError, match="systemd brings"):
        make(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_looking_for_the_root_makes_none(tmp_path: Path) -> None:
    assert roots(tmp_path / "data", make=False) == ()
    assert not (tmp_path / "data").exists()


def test_the_key_for_scanners_is_written_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "copy.key"
    write_identifier_key(path, b"\xcd" * 32)
    assert copied_identifier_key(path) == b"\xcd" * 32
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="expected a new file"):
        write_identifier_key(path, b"\xce" * 32)
