"""A bundle names nobody, holds no secret, is bounded, and says what a technician asks first.

test_commands_system.py looks for planted members and keys in the bundle of a running shop.
"""

import io
import json
import random
import zipfile
from pathlib import Path

import pytest

from gateway import bundle, logs
from gateway.bundle import Clockwork, clean
from gateway.config import Config
from gateway.health import LEAST, Health

BEACON = "5eedc0ffee" * 4
CLOCK = Clockwork(1_790_000_000_000, 1_789_999_990_000, False, "alone")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate(
        {
            "gateway": {"tenant": "acme", "store": "munich-1", "id": "gw-1", "data_dir": str(tmp_path / "data")},
            "mqtt": {"host": "broker.example", "username": "u-planted", "password_file": "/etc/planted-password"},
            "http": {"public_url": "https://planted.example", "port": 8080},
            "source": [{"path": "sim:1?fob=planted-fob"}, {"path": "ble:AA:BB:CC:DD:EE:FF", "receiver": "bar"}],
            "receiver": [{"id": "bar", "zone": "coffee", "x_m": 1.0, "y_m": 2.0}],
            "screen": [{"id": "coffee", "zone": "coffee"}],
            "anchor": [{"id": "post", "beacon": f"ibeacon:{BEACON}"}],
        }
    )


def opened(data: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        return {name: made.read(name).decode() for name in made.namelist()}


async def test_it_says_how_the_box_does_and_nothing_of_people_or_secrets(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gateway.db").write_bytes(b"x" * 10)
    health = Health()
    health.set("receiver:bar", "down", 1_790_000_000_000, "no adapter AA:BB:CC:DD:EE:FF", "Plug it in.")
    health.set("receiver:bar", "ok", 1_790_000_001_000)
    health.count("ble.strangers", LEAST - 1)
    health.count("hq.batches", 3)
    monkeypatch.setattr(logs, "recent", logs.Recent())
    found = [{"what": "Broker", "state": "ok", "found": "a broker answers", "step": ""}]
    files = opened(await bundle.collect(config, "1.4.0", health, CLOCK, 7, lambda: found))
    about, parts = json.loads(files["about.json"]), json.loads(files["parts.json"])
    assert (about["gateway"], about["version"]) == ("acme/munich-1/gw-1", "1.4.0")
    assert about["clock"] == {
        "now_ms": CLOCK.now_ms, "surely_ms": CLOCK.surely_ms, "synchronised": False, "reckoning": "alone"
    }  # fmt: skip
    assert [(one["at_ms"], one["state"], one["detail"]) for one in parts["changes"]] == [
        (1_790_000_000_000, "down", "no adapter ..."),
        (1_790_000_001_000, "ok", ""),
    ]
    assert json.loads(files["counters.json"]) == {"events_waiting": 7, "hq.batches": 3}
    assert json.loads(files["disk.json"])["database_bytes"] == {"gateway.db": 10}
    assert json.loads(files["doctor.json"]) == found
    told = json.loads(files["configuration.json"])
    assert told["mqtt"]["host"] == "broker.example" and told["mqtt"]["set"] == ["password_file"]
    assert told["source"] == [{"path": "sim:1", "receiver": None}, {"path": "ble:...", "receiver": "bar"}]
    assert told["anchor"] == [{"id": "post", "placed": False}]
    everything = "".join(files.values())
    for planted in ("planted", BEACON, "AA:BB"):
        assert planted not in everything


def test_without_a_service_it_says_what_the_files_say(config: Config) -> None:
    files = opened(bundle.without_service(config, "1.4.0", ()))
    assert "clock" not in json.loads(files["about.json"])
    assert json.loads(files["disk.json"])["database_bytes"] == {}
    assert {"about.json", "configuration.json", "disk.json", "doctor.json", "log.txt"} == files.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hci0 5A:11:22:33:44:55 is down", "hci0 ... is down"),
        ("dev_5A_11_22_33_44_55", "dev_..."),
        (BEACON, "..."),
        ("card 04c0ffee424200.", "card ...."),
        ("http://x/tablet?key=abc-DEF&more=1", "http://x/tablet?key=...&more=1"),
        ("Token=abc", "Token=..."),
        ("receiver:coffee-nfc failed at flow.py:12", "receiver:coffee-nfc failed at flow.py:12"),
        ("2026-11-23T07:50:00Z 123,456 bytes, 1.4.0+abcdef1", "2026-11-23T07:50:00Z 123,456 bytes, 1.4.0+abcdef1"),
    ],
)
def test_what_looks_like_a_device_a_card_or_a_secret_is_struck(text: str, said: str) -> None:
    assert clean(text) == said


def test_it_is_never_too_large_and_its_newest_lines_stay() -> None:
    rng = random.Random(1)
    lines = [f"{n} " + " ".join(str(rng.random())[2:11] for _ in range(25)) for n in range(logs.MAX_LINES)]
    data = bundle.make({"about.json": {"version": "1"}}, lines)
    assert len(data) <= bundle.MOST_BYTES
    kept = opened(data)["log.txt"].splitlines()
    assert kept[-1] == lines[-1] and bundle.FEWEST_LINES <= len(kept) < len(lines)
    noise = [f"{rng.random():.9f}" for _ in range(40_000)]
    files = opened(bundle.make({"about.json": {"version": "1"}, "doctor.json": noise}, lines))
    assert json.loads(files["doctor.json"]) == {"left_out": "too large"}
    assert json.loads(files["about.json"]) == {"version": "1"}
