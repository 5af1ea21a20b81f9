"""The root key of headquarters that a box names, and the certificates in its file."""

from pathlib import Path

import pytest

from gateway import hqkeys
from gateway.errors import ConfigError
from gateway.store import Store
from tests.rigs.signed import ROOT, keys, public

HEX = public(ROOT).hex()


def test_the_root_key_stands_in_the_configuration_or_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "hq.root"
    path.write_text(f"{HEX}\r\n")
    assert hqkeys.root_of(None) is None
    assert hqkeys.root_of(HEX) == hqkeys.root_of(str(path)) == public(ROOT)


@pytest.mark.parametrize("said", ["", "00", HEX.upper(), HEX + "00", "hq.root", "/no/such/file", "00" * 32])
def test_what_is_no_root_key_is_refused(said: str) -> None:
    with pytest.raises(ConfigError, match="64 hex digits"):
        hqkeys.root_of(said)


WEAK = (1).to_bytes(32, "little").hex()  # a key with which anybody can sign


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 64, HEX.encode() * 2, WEAK.encode()])
def test_a_file_without_a_root_key_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hq.root"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="64 hex digits"):
        hqkeys.root_of(str(path))


async def test_certificates_are_committed_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    assert hqkeys.kept(path) is None
    store = Store(path, "e" * 32, bytes(32))
    kept = hqkeys.KeptKeys(store)
    assert await kept.read() is None
    assert hqkeys.kept(path) is None
    await kept.keep(keys(3))
    assert hqkeys.kept(path) == keys(3), "also for who only looks"
    store.close()
    store = Store(path, "e" * 32, bytes(32))
    assert await hqkeys.KeptKeys(store).read() == keys(3)
    store.close()


async def test_how_far_heads_came_is_committed_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    store = Store(path, "e" * 32, bytes(32))
    kept = hqkeys.KeptKeys(store)
    assert await kept.mark() is None
    await kept.put_mark("00ff 3 7 5")
    store.close()
    store = Store(path, "e" * 32, bytes(32))
    assert await hqkeys.KeptKeys(store).mark() == "00ff 3 7 5"
    store.close()
