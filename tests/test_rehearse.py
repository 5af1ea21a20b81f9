"""A recording runs through the whole path at once and leaves nothing behind."""

import tempfile
from pathlib import Path

import pytest

from gateway.config import Config, GatewayTable
from gateway.errors import ConfigError
from gateway.rehearse import replay

RECORDING = Path(__file__).parent / "recordings" / "shop_minute.jsonl"


def test_a_recording_is_counted_and_its_folder_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    health, seconds = replay(RECORDING, None)
    assert health.counts["ble.strangers"] + health.counts["ble.find_hub"] > 1_000
    assert health.counts.get("supervisor.crashes", 0) == 0
    assert seconds > 0
    assert list(tmp_path.iterdir()) == []


def test_a_gateway_lends_its_data(tmp_path: Path) -> None:
    base = Config(gateway=GatewayTable(tenant="t", store="s", id="g", data_dir=tmp_path / "data"))
    replay(RECORDING, base)
    assert (tmp_path / "data" / "gateway.db").exists()


def test_a_missing_recording_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        replay(tmp_path / "absent.jsonl", None)
