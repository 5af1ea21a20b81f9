from pathlib import Path

import pytest

from gateway.config import MqttTable, SourceTable, load
from gateway.errors import ConfigError
from gateway.preflight import check, missing_files, speed_of
from tests.rigs.signed import ROOT, public

TABLES = '[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "/data"\n'


def test_a_receiver_that_would_hear_for_nothing_is_told_with_its_line(tmp_path: Path) -> None:
    receivers = "".join(
        f'[[receiver]]\nid = "{name}"\nzone = "{name}"\n{place}'
        for name, place in (("a", "x_m = 0\ny_m = 0\n"), ("b", ""))
    )
    path = tmp_path / "gateway.toml"
    path.write_text(f'{TABLES}{receivers}[[source]]\npath = "ble:hci0"\nreceiver = "b"\n')
    with pytest.raises(ConfigError) as told:
        check(load(path), path)
    assert str(told.value) == (
        f"{path}:12: receiver[2].id: expected x_m and y_m, as the other receivers have them, for 'b'"
    )


def test_the_speed_of_the_sources() -> None:
    assert speed_of(()) == 1.0
    assert speed_of((SourceTable(path="sim:1?speed=10"), SourceTable(path="replay:f?speed=10"))) == 10
    for paths in (("sim:1?speed=10", "replay:f"), ("sim:1?speed=0",), ("sim:1?speed=nan",), ("sim:1?speed=1e9",)):
        with pytest.raises(ConfigError):
            speed_of(tuple(SourceTable(path=path) for path in paths))


def test_one_adapter_serves_one_source(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(
        f"{TABLES}"
        '[[source]]\npath = "ble:hci0"\nreceiver = "a"\n[[source]]\npath = "mgmt:hci0"\nreceiver = "b"\n'
        '[[receiver]]\nid = "a"\nzone = "z"\n[[receiver]]\nid = "b"\nzone = "z"\n'
    )
    with pytest.raises(ConfigError, match=r"gateway.toml:10: source\[2\].path: expected a device of its own"):
        check(load(path), path)


def test_a_file_that_is_named_and_not_there_is_told_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(f'{TABLES}[mqtt]\nhost = "h"\nca_file = "{tmp_path}/ca.pem"\n')
    mqtt = load(path).mqtt
    assert isinstance(mqtt, MqttTable)
    assert missing_files(mqtt, path) == [f"{path}:8: mqtt.ca_file: expected a file, found none at {tmp_path}/ca.pem"]
    with pytest.raises(ConfigError, match="ca_file"):
        check(load(path), path)
    (tmp_path / "ca.pem").write_text("a certificate")
    assert missing_files(mqtt, path) == []
    check(load(path), path)


def test_the_secret_of_two_boxes_is_told_with_its_line(tmp_path: Path) -> None:
    path, secret = tmp_path / "gateway.toml", tmp_path / "pair.secret"
    path.write_text(f'{TABLES}[standby]\nhost = "h"\nother = "o"\nsecret_file = "{secret}"\n')
    with pytest.raises(ConfigError, match=r"gateway.toml:9: standby.secret_file: .*cannot be read"):
        check(load(path), path)
    secret.write_text("too short\n")
    with pytest.raises(ConfigError, match=r"standby.secret_file: .*at least 32 characters"):
        check(load(path), path)
    secret.write_text("0" * 64)
    check(load(path), path)
    path.write_text(path.read_text() + f'cert_file = "{tmp_path}/none.pem"\n')
    with pytest.raises(ConfigError, match=r"standby.cert_file: expected a file"):
        check(load(path), path)


def test_a_root_key_of_headquarters_that_is_none_is_told_with_its_line(tmp_path: Path) -> None:
    path, root = tmp_path / "gateway.toml", tmp_path / "hq.root"
    path.write_text(f'{TABLES}[mqtt]\nhost = "h"\nhq_root = "{root}"\n')
    with pytest.raises(ConfigError, match=r"gateway.toml:8: mqtt.hq_root: expected a root key of headquarters: 64 hex"):
        check(load(path), path)
    root.write_text(public(ROOT).hex())
    check(load(path), path)
