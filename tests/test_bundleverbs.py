"""`store-gateway bundle` without a service, and into a file that is there (test_commands_system has the rest)."""

import stat
import zipfile
from pathlib import Path

import pytest

from gateway.__main__ import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{tmp_path / "data"}"\n')
    (tmp_path / "data").mkdir(mode=0o700)
    return path


def test_a_box_without_a_service_has_a_bundle(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = config.with_name("made.zip")
    assert main(["bundle", "--config", str(config), "--out", str(made)]) == 0
    assert "No service runs" in capsys.readouterr().err
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    with zipfile.ZipFile(made) as opened:
        assert "doctor.json" in opened.namelist() and "parts.json" not in opened.namelist()


def test_a_file_that_is_there_is_left_alone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "--config", str(config), "--out", str(config)]) == 78
    assert "expected a new file" in capsys.readouterr().err
    assert config.read_text().startswith("[gateway]")
