"""A release on a disk: what is copied is what is checked, and nothing but plain files is read."""

import os
from pathlib import Path

import pytest

from gateway import releasefiles
from gateway.core import release
from gateway.core.release import Package
from gateway.errors import ConfigError
from tests.test_release import MANIFEST, made, public

NAME = "store-gateway_1.2.3_arm64.deb"
DEB = release.package_of([b"package"], NAME)


def test_keys_are_read_and_a_box_without_the_file_trusts_nobody(tmp_path: Path) -> None:
    path = tmp_path / "release.pub"
    assert releasefiles.trusted_keys(path) == []
    path.write_text(public("ours").hex())
    path.chmod(0o644)
    assert releasefiles.trusted_keys(path) == [public("ours")]


def test_keys_that_others_may_write_or_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "release.pub"
    path.write_text("rubbish")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="line 1"):
        releasefiles.trusted_keys(path)
    path.write_text(public("ours").hex())
    path.chmod(0o664)
    with pytest.raises(ConfigError, match="chmod 644"):
        releasefiles.trusted_keys(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        releasefiles.trusted_keys(path)


def test_a_manifest_is_read_from_a_plain_file_alone(tmp_path: Path) -> None:
    keys = [public("ours")]
    path = tmp_path / "a.release.json"
    assert releasefiles.read_manifest(path, keys) == "form"
    path.write_bytes(MANIFEST)
    assert releasefiles.read_manifest(path, keys) == made()
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(path)
    os.mkfifo(pipe)
    for other in (link, pipe, tmp_path):
        assert releasefiles.read_manifest(other, keys) == "form"


@pytest.mark.parametrize("content", [b"packagE", b"packag", b"package and more", b""])
def test_another_package_is_never_taken(tmp_path: Path, content: bytes) -> None:
    source, target = tmp_path / NAME, tmp_path / "copy.deb"
    source.write_bytes(content)
    target.write_bytes(b"of the last time")
    assert not releasefiles.check_package(source, DEB)
    assert not releasefiles.copy_package(source, target, DEB)
    assert not target.exists()


def test_the_package_is_copied_whole_and_a_link_is_not_followed(tmp_path: Path) -> None:
    source, target = tmp_path / NAME, tmp_path / "copy.deb"
    assert not releasefiles.copy_package(source, target, DEB)
    source.write_bytes(b"package")
    assert releasefiles.check_package(source, DEB)
    assert releasefiles.copy_package(source, target, DEB)
    assert target.read_bytes() == b"package"
    link = tmp_path / "link"
    link.symlink_to(source)
    assert not releasefiles.check_package(link, DEB)
    assert not releasefiles.copy_package(link, target, DEB)


def test_a_file_without_end_fills_no_disk(tmp_path: Path) -> None:
    source, target = tmp_path / NAME, tmp_path / "copy.deb"
    with source.open("wb") as file:
        file.truncate(1 << 40)
    assert not releasefiles.copy_package(source, target, Package(NAME, 100, "0" * 64))
    assert not target.exists()
