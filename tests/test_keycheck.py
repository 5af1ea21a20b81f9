"""What the doctor says of headquarters' signature; what it says of readers' keys is in test_doctor.py."""

from pathlib import Path

import pytest

from gateway import hqkeys
from gateway.config import load
from gateway.dbfile import DATABASE
from gateway.finding import Finding
from gateway.keycheck import signature
from gateway.store import Store
from gateway.terminal import grouped
from tests.rigs.signed import DAY_MS, NOW_MS, ROOT, key, keys, public

HEX = public(ROOT).hex()


@pytest.fixture
def look(tmp_path: Path):
    def looked(mqtt: str, now_ms: int = NOW_MS) -> list[Finding]:
        path = tmp_path / "gateway.toml"
        path.write_text(
            f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{tmp_path}/data"\n{mqtt}', encoding="utf-8"
        )
        return signature(load(path), now_ms)

    return looked


def test_a_shop_without_headquarters_needs_none(look) -> None:
    assert look("") == []


def test_a_shop_that_looks_at_no_signature_is_told_what_that_means(look) -> None:
    (found,) = look('[mqtt]\nhost = "h"\n')
    assert found.state == "missing"
    assert "whoever has headquarters' account" in found.found
    assert "hq_root" in found.step


def test_a_wrong_root_key_is_named(look) -> None:
    (found,) = look('[mqtt]\nhost = "h"\nhq_root = "abc"\n')
    assert found.state == "wrong"
    assert "64 hex digits" in found.found


async def test_the_keys_that_are_believed_are_shown_and_those_that_ended(look, tmp_path: Path) -> None:
    mqtt = f'[mqtt]\nhost = "h"\nhq_root = "{HEX}"\n'
    (found,) = look(mqtt)
    assert found.state == "missing"
    assert grouped(HEX) in found.found
    assert "--signing-keys" in found.step
    store = Store(tmp_path / "data" / DATABASE, "e" * 32, bytes(32))
    await hqkeys.KeptKeys(store).keep(keys(7))
    (found,) = look(mqtt)
    assert found.state == "ok"
    assert "erase: number 7, until 2027-11-" in found.found
    (found,) = look(mqtt, NOW_MS + 366 * DAY_MS)
    assert found.state == "wrong"
    assert "make-signing-keys" in found.step
    (found,) = look(mqtt.replace(HEX, public(key("a new root")).hex()))
    assert found.state == "missing", "the former root's keys are not believed"
    await hqkeys.KeptKeys(store).keep(b"rubbish")
    assert look(mqtt)[0].state == "missing"
    store.close()
