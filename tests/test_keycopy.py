"""The wrapped keys beside the database: as they are in it, and never as they were."""

import secrets
from pathlib import Path

import pytest

from gateway import keycopy, rekey
from gateway.core.vault import KeyUse, WrappedKey
from gateway.dbfile import ASIDE, DATABASE
from gateway.keys import site_key
from gateway.records import Tx
from gateway.store import Store

KEYS = [WrappedKey(1, KeyUse.SITE, b"\x01" * 60), WrappedKey(2, KeyUse.FIELDS, b"\x02" * 60)]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert keycopy.read(tmp_path) == []
    keycopy.write(tmp_path, KEYS)
    assert keycopy.read(tmp_path) == KEYS
    assert (tmp_path / keycopy.NAME).stat().st_mode & 0o077 == 0
    before = (tmp_path / keycopy.NAME).stat().st_mtime_ns
    keycopy.write(tmp_path, KEYS)
    assert (tmp_path / keycopy.NAME).stat().st_mtime_ns == before  # the same again writes nothing


@pytest.mark.parametrize("text", ["rubbish", "1 site zz\n", "x site 00\n", "1 other 00\n", "1 site\n"])
def test_rubbish_is_no_copy(tmp_path: Path, text: str) -> None:
    (tmp_path / keycopy.NAME).write_text(text)
    assert keycopy.read(tmp_path) == []


def test_bytes_that_are_no_text_are_no_copy(tmp_path: Path) -> None:
    (tmp_path / keycopy.NAME).write_bytes(bytes(range(128, 256)))
    assert keycopy.read(tmp_path) == []


def test_what_stood_there_before_is_overwritten(tmp_path: Path) -> None:
    keycopy.write(tmp_path, KEYS)
    with (tmp_path / keycopy.NAME).open("rb") as former:
        keycopy.write(tmp_path, KEYS[:1])
        assert not any(former.read())
    assert keycopy.read(tmp_path) == KEYS[:1]


async def test_the_copy_follows_a_new_root_and_a_new_field_key(tmp_path: Path) -> None:
    root = site_key(tmp_path)
    store = Store(tmp_path / DATABASE, secrets.token_hex(16), root)
    first = keycopy.read(tmp_path)
    assert first == await store.run(Tx.wrapped) and len(first) == 2
    await store.run(lambda tx: tx.add_field_key([root], 5))
    assert len(keycopy.read(tmp_path)) == 3
    await store.run(Tx.drop_old_field_keys)
    assert [key.key_id for key in keycopy.read(tmp_path)] == [1, 3]
    store.close()
    (tmp_path / ASIDE).touch()
    rekey.rotate_root(tmp_path)
    again = keycopy.read(tmp_path)
    assert [key.key_id for key in again] == [1, 3] and again[0].wrapped != first[0].wrapped
    assert not (tmp_path / ASIDE).exists()  # the old root opens its keys
