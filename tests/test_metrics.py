"""display.metrics: Prometheus' text of parts, counters and the process, and the file with its token."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from display.hub import Hub
from display.metrics import Metrics, shows, token_in
from gateway.errors import ConfigError
from gateway.health import Health
from tests.rigs.shopfront import FakePath, HandClock

TOKEN = "0123456789abcdef"


def test_every_part_and_counter_is_there_and_strangers_stay_coarse() -> None:
    clock, health = HandClock(), Health()
    hub = Hub(clock, health)
    hub.screens = FakePath().screens
    health.set("store", "down", 5_000)
    health.set("receiver:till", "ok", 7_000)
    health.count("nfc.taps", 3)
    health.count("ble.strangers", 4)  # fewer than may be told
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(Metrics(hub, health, clock, "1.2.3").text().decode())
        for sample in family.samples
    }
    assert found["store_gateway_info", "1.2.3"] == 1
    assert found["store_gateway_part_state", "store"] == 2
    assert found["store_gateway_part_since_seconds", "receiver:till"] == 7
    assert found["store_gateway_counted_total", "nfc.taps"] == 3
    assert ("store_gateway_counted_total", "ble.strangers") not in found
    assert found["store_gateway_screen_connected", "wine"] == 0
    assert found["process_resident_memory_bytes",] > 1e6


def test_the_token_stands_alone_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert token_in(file) == TOKEN
    for wrong in (b"", b"short", b"two words, both of them long", b"\xff" * 20, b"a" * 300, b"0123456789abcde\x00f"):
        file.write_bytes(wrong)
        with pytest.raises(ConfigError, match="expected") as found:
            token_in(file)
        assert "words" not in str(found.value)
    with pytest.raises(ConfigError, match="expected"):
        token_in(tmp_path / "none")


def test_only_the_whole_token_opens() -> None:
    assert shows(f"Bearer {TOKEN}", TOKEN) and shows(f"bearer  {TOKEN}", TOKEN)
    for wrong in (None, "", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \u00e4"):
        assert not shows(wrong, TOKEN)
    assert not shows("Bearer ", "")
