"""The doctor says in plain words what is missing and what to do."""

import socket

import pytest

from gateway import __main__, doctor
from gateway.config import SourceTable

FILE = """\
[gateway]
tenant = "t"
store = "s"
id = "g"
data_dir = "{data}"
[mqtt]
host = "127.0.0.1"
port = {port}
"""


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process keeps its own log."""
    monkeypatch.setattr("gateway.logs.set_up", lambda: None)


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
    monkeypatch.setattr(doctor, "readers", list)


async def test_a_machine_without_radio_and_reader(tmp_path) -> None:
    findings = {finding.what: finding for finding in await doctor.examine(None)}
    assert findings["Bluetooth"].state == "missing"
    assert findings["Bluetooth"].found.startswith("no Bluetooth adapter")
    assert findings["Bluetooth"].step
    assert findings["NFC"].found == "no NFC reader"
    assert "raspi-config" in findings["NFC"].step


def test_the_command_says_that_the_demo_works_without(capsys) -> None:
    assert __main__.main(["doctor"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "no Bluetooth adapter" in said
    assert "no NFC reader" in said
    assert "The demo works without what is missing" in said


async def test_a_bare_serial_port_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "readers", lambda: ["/dev/ttyS0"])
    findings = {finding.what: finding for finding in await doctor.examine(None)}
    assert findings["NFC"].state == "missing"
    assert findings["NFC"].found.startswith("no NFC reader, unless one is wired to the built-in port /dev/ttyS0")


async def test_a_configuration_is_checked_to_the_broker(tmp_path) -> None:
    path = tmp_path / "g.toml"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        path.write_text(FILE.format(data=tmp_path / "data", port=listener.getsockname()[1]))
        findings = {finding.what: finding for finding in await doctor.examine(path)}
        assert findings["Headquarters"].state == "ok"
        assert findings["Data folder"].state == "ok"
    findings = {finding.what: finding for finding in await doctor.examine(path)}
    assert findings["Headquarters"].state == "wrong"
    assert "does not answer" in findings["Headquarters"].found


async def test_readers_and_adapters_that_are_there_are_named(monkeypatch) -> None:
    async def adapters() -> dict[str, str]:
        return {"hci0": "00:1A:7D:00:00:01"}

    monkeypatch.setattr(doctor, "readers", lambda: ["/dev/ttyUSB0"])
    monkeypatch.setattr(doctor, "adapters", adapters)
    findings = {finding.what: finding for finding in await doctor.examine(None)}
    assert (findings["Bluetooth"].state, findings["NFC"].state) == ("ok", "ok")
    assert "/dev/ttyUSB0" in findings["NFC"].found


def test_a_broken_configuration_is_wrong(tmp_path, capsys) -> None:
    path = tmp_path / "g.toml"
    path.write_text("nonsense")
    assert __main__.main(["doctor", "--config", str(path)]) == 1
    assert "not valid TOML" in " ".join(capsys.readouterr().out.split())


async def test_the_kernels_own_socket_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    source = SourceTable(path="mgmt:hci0", receiver="door")
    monkeypatch.setattr(doctor, "BLUETOOTH", tmp_path)
    assert "no adapter hci0" in doctor._device(source, {}).found
    (tmp_path / "hci0").mkdir()

    def refuse() -> None:
        raise OSError(97, "not supported")

    monkeypatch.setattr(doctor.mgmtwire, "connect", refuse)
    assert doctor._device(source, {}).state == "wrong"
    monkeypatch.setattr(doctor.mgmtwire, "connect", lambda: (tmp_path / "socket").open("w"))
    assert doctor._device(source, {}).state == "ok"
