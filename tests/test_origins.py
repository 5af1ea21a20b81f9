"""What a box is to run with, for people: the doctor and check-config say whose each value is."""

from pathlib import Path

import pytest

from gateway import __main__ as command
from gateway.config import Config, load
from gateway.core.trial import Steered
from gateway.dbfile import DATABASE, open_file
from gateway.doctor import examine
from gateway.origins import origins

FILE = """
[gateway]
tenant = "t"
store = "s"
id = "g"
data_dir = "{data}"
[nfc]
poll_ms = 60
[[screen]]
id = "bar"
zone = "coffee"
"""
DOCUMENT = '{"screen": [{"id": "wine", "zone": "wine"}], "nfc": {"poll_ms": 90, "chip_numbers": true}}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(FILE.format(data=tmp_path / "data"))
    return path


def steer(config: Config, document: str) -> None:
    tx = open_file(config.gateway.data_dir / DATABASE, bytes(32))
    with tx.db.atomic():
        tx.put_steered(Steered("s-1", document, 5))
    tx.db.close()


def test_a_box_that_nobody_steers_says_nothing(file: Path) -> None:
    config = load(file)
    assert origins(config) is None
    tx = open_file(config.gateway.data_dir / DATABASE, bytes(32))
    tx.db.close()
    assert origins(config) is None


def test_each_value_says_whose_it_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load(file)
    steer(config, DOCUMENT)
    found = origins(config)
    assert found is not None
    assert "screen bar: zone coffee (this file)" in found.lines
    assert "screen wine: zone wine (headquarters)" in found.lines
    assert "nfc.poll_ms: 60 (this file)" in found.lines
    assert "nfc.chip_numbers: True (headquarters)" in found.lines
    assert "nfc.apple_vas: False (default)" in found.lines
    assert found.overruled == ("nfc.poll_ms",)
    assert command.main(["check-config", str(file)]) == 0
    told = capsys.readouterr().out
    assert "screen wine: zone wine (headquarters)" in told
    assert "nfc.poll_ms: the file overrules headquarters" in told


async def test_settings_that_do_not_go_with_the_file_are_told_with_what_to_do(file: Path) -> None:
    config = load(file)
    steer(config, '{"receiver": [{"id": "a", "zone": "x", "screen": "nowhere"}]}')
    found = origins(config)
    assert found is not None
    assert found.misfit == "fields receiver.0.screen"
    assert all("headquarters" not in line for line in found.lines)
    finding = next(one for one in await examine(file) if one.what == "Headquarters' settings")
    assert finding.state == "missing"
    assert "counts alone" in finding.step
