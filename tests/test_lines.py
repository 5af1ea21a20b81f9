"""The lines to the broker."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.lines import password


def test_the_brokers_password_stands_in_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    with pytest.raises(ConfigError, match="broker's password"):
        password(path)
    path.write_text("sesame\n")
    assert (password(path), password(None)) == ("sesame", None)
