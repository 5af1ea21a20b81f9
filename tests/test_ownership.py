"""Whose a box is, by its file, and how that file is written."""

import tomllib
from pathlib import Path

import pytest

from gateway import config, ownership
from gateway.__main__ import main
from gateway.errors import ConfigError

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "systemd" / "gateway.toml.example"


def test_the_example_is_nobodys_until_it_is_named(tmp_path: Path) -> None:
    tables = ownership.nobodys(EXAMPLE)
    assert tables is not None and ownership.whose(EXAMPLE) == ""
    assert ownership.data_dir(tables) == Path("/var/lib/store-gateway")
    path = tmp_path / "gateway.toml"
    path.write_text(ownership.named(tables, "a/b/c", {"host": "b.example"}, {"screen": [{"id": "x", "zone": "y"}]}))
    assert ownership.nobodys(path) is None and ownership.whose(path) == "a/b/c"
    loaded = config.text_and_tables(path)[1]
    assert loaded["source"] == tables["source"] and loaded["screen"] == [{"id": "x", "zone": "y"}]
    assert loaded["gateway"]["broker_steered"] is True and loaded["mqtt"] == {"host": "b.example"}
    path.write_text(ownership.unnamed(loaded))
    again = ownership.nobodys(path)
    assert again is not None and "mqtt" not in again and again["source"] == tables["source"]


def test_a_standby_goes_with_its_shop() -> None:
    standby = {"other": "gw2"}
    tables = {"gateway": {"tenant": "a", "store": "b", "id": "c"}, "standby": standby}
    for gateway, kept in (("a/b/c", standby), ("a/d/c", None)):
        assert tomllib.loads(ownership.named(tables, gateway, {"host": "x"}, {})).get("standby") == kept


def test_no_file_is_nobodys_and_half_an_identity_is_somebodys(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    assert ownership.nobodys(path) is not None and ownership.whose(path) == ""
    path.write_text('[gateway]\ntenant = "a"\n')
    assert ownership.nobodys(path) is None and ownership.whose(path) == ""
    path.write_text("[scanner]\n")
    assert ownership.nobodys(path) is None
    path.write_text("x = ")
    with pytest.raises(ConfigError):
        ownership.nobodys(path)


def test_what_is_written_is_read_back() -> None:
    tables = {"a": {"text": 'a "q" \\ é 😀', "n": -3, "f": 1.5, "yes": True}, "b": [{"x": "1"}, {"x": "2"}]}
    assert tomllib.loads(ownership.written(tables)) == tables
    with pytest.raises(ValueError, match="text"):
        ownership.written({"a": {"x": [1]}})


def test_the_hardware_of_the_example_is_checked_though_it_is_nobodys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", str(EXAMPLE)]) == 0
    assert "belongs to nobody yet" in capsys.readouterr().err
    (tmp_path / "gateway.toml").write_text(EXAMPLE.read_text().replace('zone = "entrance"', 'zone = "Entrance"'))
    assert main(["check-config", str(tmp_path / "gateway.toml")]) == 78
    assert "receiver[1].zone" in capsys.readouterr().err
