"""gateway.localca: files that are whole or not there, sealed under the root key, and never replaced unasked."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import keys, localca, rekey
from gateway.core import certs
from gateway.core.spans import DAY_MS
from gateway.dbfile import DATABASE
from gateway.errors import ConfigError
from gateway.store import Store

NOW_MS = 1_790_000_000_000
HOSTS = certs.hosts("localhost", "gw.shop", "10.1.2.3")
ROOT, OTHER = b"a" * 32, b"b" * 32


def made(folder: Path, now_ms: int = NOW_MS) -> certs.Pair:
    return localca.authority(folder, [ROOT], "Store gateway munich-1 gw-1", HOSTS, now_ms)


def test_the_authority_is_made_once(tmp_path: Path) -> None:
    assert localca.known(tmp_path) is None
    first = made(tmp_path)
    assert made(tmp_path, NOW_MS + 100 * DAY_MS).certificate == first.certificate == localca.known(tmp_path)
    assert first.certificate.subject.rfc4514_string().startswith("CN=Store gateway munich-1 gw-1 2026-")


def test_only_we_can_read_it_and_it_is_sealed(tmp_path: Path) -> None:
    made(tmp_path)
    folder = tmp_path / localca.FOLDER
    path = folder / localca.AUTHORITY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [one.name for one in folder.iterdir()] == [localca.AUTHORITY]
    with pytest.raises(TypeError):
        load_pem_private_key(path.read_bytes(), None)


def test_before_the_clock_can_be_right_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the clock of this box is before 2026"):
        made(tmp_path, 86_400_000)
    assert localca.known(tmp_path) is None


def test_another_root_key_opens_nothing_and_replaces_nothing(tmp_path: Path) -> None:
    first = made(tmp_path)
    with pytest.raises(ConfigError, match="does not open with the key of this box; `store-gateway trust --new`"):
        localca.authority(tmp_path, [OTHER], "t", HOSTS, NOW_MS)
    assert localca.known(tmp_path) == first.certificate


@pytest.mark.parametrize("broken", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_broken_file_is_named(tmp_path: Path, broken: bytes) -> None:
    made(tmp_path)
    path = tmp_path / localca.FOLDER / localca.AUTHORITY
    path.write_bytes(broken)
    with pytest.raises(ConfigError, match=r"authority\.pem"):
        made(tmp_path)
    with pytest.raises(ConfigError, match=r"authority\.pem"):
        localca.known(tmp_path)
    assert path.read_bytes() == broken


def test_a_leaf_is_made_anew_when_it_is_due(tmp_path: Path) -> None:
    authority = made(tmp_path)
    first, why = localca.leaf(tmp_path, [ROOT], authority, HOSTS, NOW_MS)
    assert why == "first"
    again, why = localca.leaf(tmp_path, [ROOT], authority, HOSTS, NOW_MS + 300 * DAY_MS)
    assert (again.certificate, why) == (first.certificate, "")
    later, why = localca.leaf(tmp_path, [ROOT], authority, HOSTS, NOW_MS + 370 * DAY_MS)
    assert why == "end" and later.certificate != first.certificate
    assert localca.leaf(tmp_path, [ROOT], authority, HOSTS, NOW_MS + 371 * DAY_MS)[1] == ""


def test_without_a_plausible_time_the_old_one_goes_on(tmp_path: Path) -> None:
    authority = made(tmp_path)
    first, _ = localca.leaf(tmp_path, [ROOT], authority, HOSTS, NOW_MS)
    at_start, why = localca.leaf(tmp_path, [ROOT], authority, HOSTS, 0)  # 1970, until a time server answers
    assert (at_start.certificate, why) == (first.certificate, "")


def test_a_leaf_of_another_root_key_is_simply_made_anew(tmp_path: Path) -> None:
    authority = made(tmp_path)
    localca.leaf(tmp_path, [ROOT], authority, HOSTS, NOW_MS)
    assert localca.leaf(tmp_path, [OTHER], authority, HOSTS, NOW_MS)[1] == "first"


def test_a_new_root_key_takes_the_authority_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(keys, "UNIT", tmp_path / "store-gateway.service")
    data = tmp_path / "data"
    Store(data / DATABASE, "e" * 32, rekey.root_key(data), NOW_MS).close()
    old = rekey.root_keys(data)
    first = localca.authority(data, old, "t", HOSTS, NOW_MS)
    rekey.rotate_root(data)
    assert rekey.root_keys(data) != old
    assert localca.authority(data, rekey.root_keys(data), "t", HOSTS, NOW_MS).certificate == first.certificate
    with pytest.raises(ConfigError):
        localca.authority(data, old, "t", HOSTS, NOW_MS)


def test_what_cannot_be_opened_does_not_stop_a_change_of_the_root_key(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / localca.FOLDER / localca.AUTHORITY
    before = path.read_bytes()
    localca.reseal(tmp_path, [OTHER], b"c" * 32)
    assert path.read_bytes() == before


def test_a_new_authority_takes_the_place_of_the_old(tmp_path: Path) -> None:
    first = made(tmp_path)
    old_leaf, _ = localca.leaf(tmp_path, [ROOT], first, HOSTS, NOW_MS)
    second = localca.make_authority(tmp_path, [ROOT], "Store gateway munich-1 gw-1", HOSTS, NOW_MS)
    assert second.certificate.subject != first.certificate.subject  # so that people can tell them apart
    leaf, why = localca.leaf(tmp_path, [ROOT], second, HOSTS, NOW_MS)
    assert why == "authority" and leaf.certificate != old_leaf.certificate


def test_forgetting_leaves_no_file(tmp_path: Path) -> None:
    localca.leaf(tmp_path, [ROOT], made(tmp_path), HOSTS, NOW_MS)
    localca.forget(tmp_path)
    localca.forget(tmp_path)
    assert list((tmp_path / localca.FOLDER).iterdir()) == []


def test_a_draft_of_a_power_cut_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / localca.FOLDER
    folder.mkdir()
    (folder / f"{localca.AUTHORITY}.new").write_bytes(b"half")
    assert made(tmp_path).certificate == localca.known(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_refuses_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot be written"):
        made(tmp_path)
