"""The doctor says in plain words what is missing and what to do."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import __main__, doctor, erasures, localca, withdrawals
from gateway.apply import apply
from gateway.clock import world_ms
from gateway.config import SourceTable
from gateway.core import certs, sealing
from gateway.core.changes import Delta, LedgerEntry
from gateway.core.keyring import KeyUse
from gateway.core.model import ConsentRecord, ConsentState, Member, Notice, Purpose, ShopConfig
from gateway.dbfile import DATABASE
from gateway.errors import ConfigError
from gateway.keys import gateway_key, site_key, tablet_key
from gateway.ledgerfile import Ledger, LedgerKind
from gateway.store import Store
from tests.rigs.broker import Broker
from tests.rigs.secure import bring
from tests.rigs.shop import NOTICE
from tests.rigs.terminalkeys import sealed, secret

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
    with Broker() as broker:
        path.write_text(FILE.format(data=tmp_path / "data", port=broker.port))
        findings = {finding.what: finding for finding in await doctor.examine(path)}
        assert findings["Headquarters"].state == "ok"
        assert findings["Data folder"].state == "ok"
    findings = {finding.what: finding for finding in await doctor.examine(path)}
    assert findings["Headquarters"].state == "wrong"
    assert "cannot be reached" in findings["Headquarters"].found


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


async def keys(path: Path) -> doctor.Finding:
    findings = await doctor.examine(path)
    return next(finding for finding in findings if finding.what == "Keys")


async def test_the_doctor_says_which_keys_serve_and_never_a_key(tmp_path: Path) -> None:
    path, data = tmp_path / "g.toml", tmp_path / "data"
    path.write_text(FILE.format(data=data, port=9))
    assert (await keys(path)).found == "none yet"
    assert not data.exists()
    private = gateway_key(data)
    found = await keys(path)
    assert (found.state, found.found) == ("missing", "no terminal key")

    def key(key_id: str, from_ms: int, until_ms: int | None, own: bytes = private):
        return sealed(key_id, KeyUse.SUN, from_ms, until_ms, "t/s/g", own)

    store = Store(data / "gateway.db", "e" * 32, bytes(32))
    for put in (key("sun-1", 0, 4_000_000_000_000), key("sun-2", 4_000_000_000_000 - 86_400_000, None)):
        await store.run(lambda tx, put=put: apply(tx, Delta(tx.hq_version, tx.hq_version + 1, (put,)), b"", 0, "t/s/g"))
    found = await keys(path)
    assert found.state == "ok"
    assert "sun sun-1 serves from 1970-01-01 00:00 UTC until 2096-10-02 07:06 UTC" in found.found
    assert "sun sun-2 will serve from 2096-10-01 07:06 UTC without end" in found.found
    everything = "".join(finding.found + finding.step for finding in await doctor.examine(path))
    assert not any(part in everything for part in (private.hex(), secret("sun-1")[:32], secret("sun-1")[32:]))

    def over(tx) -> None:
        tx.drop_terminal_key("sun-2")
        apply(tx, Delta(tx.hq_version, tx.hq_version + 1, (key("sun-1", 0, 86_400_000),)), b"", 0, "t/s/g")

    await store.run(over)
    found = await keys(path)
    assert found.state == "wrong"
    assert found.found == "no key serves any more for sun:\nsun sun-1 is over, it served until 1970-01-02 00:00 UTC"
    put = key("sun-3", 0, None, b"x" * 32)
    await store.run(lambda tx: apply(tx, Delta(tx.hq_version, tx.hq_version + 1, (put,)), b"", 0, "t/s/g"))
    found = await keys(path)
    assert (found.state, found.found) == ("wrong", "sun-3: not for the key of this box")
    store.close()
    (data / "gateway.key").chmod(0o644)
    assert "others can read" in (await keys(path)).found


@pytest.mark.parametrize("columns", ["80", "40", "200"])
def test_neither_the_public_key_nor_a_path_is_ever_cut(
    columns: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    data, port = tmp_path / "a-rather-long-name-of-a-folder" / "data", "/dev/serial/by-id/" + "usb-reader-" * 12
    path = tmp_path / "g.toml"
    path.write_text(
        FILE.format(data=data, port=9)
        + f'[[source]]\npath = "nfc:{port}"\nreceiver = "a"\n[[receiver]]\nid = "a"\nzone = "z"\n'
    )
    public = sealing.public_key(gateway_key(data)).hex()
    assert __main__.main(["doctor", "--config", str(path)]) == 1
    said = capsys.readouterr().out
    groups = [public[at : at + 8] for at in range(0, 64, 8)]
    assert " ".join(groups) in " ".join(said.split())
    if int(columns) >= 80:
        assert " ".join(groups) in said, "in one line, as hq gateways has it"
    assert f"Source nfc:{port}\n" in said
    assert str(data) in said
    assert "…" not in said


@pytest.mark.parametrize("installed", [True, False])
def test_what_check_config_refuses_is_wrong(installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scard(path: str) -> object:
        if not installed:
            raise ConfigError(f"{path}: needs the extra `pcsc`")
        return object()

    monkeypatch.setattr("drivers.pcsc._scard", scard)
    path = tmp_path / "g.toml"
    path.write_text(
        FILE.format(data=tmp_path / "data", port=9)
        + '[[source]]\npath = "pcsc:"\nreceiver = "a"\n[[receiver]]\nid = "a"\nzone = "z"\n'
    )
    checked = __main__.main(["check-config", str(path)])
    finding = next(f for f in asyncio.run(doctor.examine(path)) if f.what == "Configuration")
    assert (checked == 0, finding.state) == ((True, "ok") if installed else (False, "wrong"))
    assert installed or f"{path}:10: source[1].path" in finding.found


@pytest.mark.parametrize(
    ("notice", "state", "told"),
    [
        (None, "missing", "none yet: nobody is recognised"),
        (replace(NOTICE, contact=""), "missing", "it has no contact: nobody is recognised"),
        (NOTICE, "ok", "version 1, in en"),
    ],
)
async def test_the_doctor_says_whether_there_is_a_whole_notice(
    tmp_path: Path, notice: Notice | None, state: str, told: str
) -> None:
    file = tmp_path / "g.toml"
    file.write_text(FILE.format(data=tmp_path / "data", port=1))
    store = Store(tmp_path / "data" / "gateway.db", "a" * 32, bytes(32))
    await store.run(lambda tx: tx.put_shop(ShopConfig(notice=notice)))
    store.close()
    (finding,) = [finding for finding in await doctor.examine(file) if finding.what == "Privacy notice"]
    assert (finding.state, finding.found) == (state, told)
    assert ("push-config" in finding.step) is (state == "missing")


async def test_a_wallet_key_that_no_reader_uses_is_told(tmp_path: Path) -> None:
    path, data = tmp_path / "g.toml", tmp_path / "data"
    path.write_text(FILE.format(data=data, port=9))
    private = gateway_key(data)
    store = Store(data / "gateway.db", "e" * 32, bytes(32))
    put = sealed("vas-1", KeyUse.VAS, 0, None, "t/s/g", private)
    await store.run(lambda tx: apply(tx, Delta(tx.hq_version, tx.hq_version + 1, (put,)), b"", 0, "t/s/g"))
    store.close()

    async def hints() -> list[str]:
        return [finding.step for finding in await doctor.examine(path) if finding.what == "Apple Wallet"]

    (step,) = await hints()
    assert "apple_vas = true" in step
    path.write_text(path.read_text() + "[nfc]\napple_vas = true\n")
    assert await hints() == []


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("runs", [True, False])
async def test_other_readers_are_looked_at(
    installed: bool, runs: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    socket, port = tmp_path / "pcscd.comm", tmp_path / "ttyACM0"
    if runs:
        socket.touch()
        port.touch()
    monkeypatch.setattr(doctor, "PCSCD", socket)
    monkeypatch.setattr(doctor, "find_spec", lambda name: object() if installed else None)
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{tmp_path}"\n'
        '[[source]]\npath = "pcsc:"\nreceiver = "a"\n'
        f'[[source]]\npath = "serial:{port}"\nreceiver = "b"\n'
        '[[receiver]]\nid = "a"\nzone = "z"\n[[receiver]]\nid = "b"\nzone = "z"\n'
    )
    found = {finding.what: finding for finding in await doctor.examine(config)}
    assert found["Source pcsc:"].state == ("ok" if installed and runs else "wrong")
    assert found[f"Source serial:{port}"].state == ("ok" if runs else "wrong")
    assert installed or "pcsc" in found["Source pcsc:"].step


async def finding(path: Path, what: str) -> doctor.Finding | None:
    return next((one for one in await doctor.examine(path) if one.what == what), None)


async def test_the_doctor_says_where_the_root_key_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, data = tmp_path / "g.toml", tmp_path / "data"
    monkeypatch.setattr("gateway.keys.UNIT", tmp_path / "store-gateway.service")
    path.write_text(FILE.format(data=data, port=9))
    found = await finding(path, "The key of this box")
    assert (found.state, found.found) == ("missing", "none yet")
    assert not data.exists()
    root = site_key(data)
    Store(data / "gateway.db", "e" * 32, root).close()
    found = await finding(path, "The key of this box")
    assert found.state == "missing"
    assert "on the same disk as the data" in found.found
    assert "protects against nothing that takes the whole card" in found.found
    assert "LoadCredentialEncrypted=" in found.step
    everything = "".join(one.found + one.step for one in await doctor.examine(path))
    assert root.hex() not in everything
    (data / "site.key").chmod(0o644)
    found = await finding(path, "The key of this box")
    assert (found.state, "others can read" in found.found) == ("wrong", True)
    (data / "site.key").chmod(0o600)
    (data / "site.key").write_text("33" * 32)
    found = await finding(path, "The key of this box")
    assert (found.state, "root key does not open it" in found.found) == ("wrong", True)
    (data / "site.key").unlink()
    found = await finding(path, "The key of this box")
    assert (found.state, "is not there" in found.found) == ("wrong", True)
    (tmp_path / "store-gateway.service").write_text("LoadCredentialEncrypted=site.key:/x\n")
    found = await finding(path, "The key of this box")
    assert (found.state, found.found.startswith("systemd brings it")) == ("ok", True)
    assert not (data / "site.key").exists()


async def test_the_doctor_names_the_keys_that_a_thief_of_the_card_would_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = tmp_path / "g.toml", tmp_path / "data"
    path.write_text(FILE.format(data=data, port=9))
    site_key(data)
    gateway_key(data)
    tablet_key(data)
    assert await finding(path, "Other keys of this box") is None, (
        "all of it is said of the root key, which lies there too"
    )
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    shutil.move(data / "site.key", credentials / "site.key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    found = await finding(path, "Other keys of this box")
    assert found.state == "missing"
    assert "gateway.key: opens readers' keys" in found.found and "tablet.key: opens the staff's pages" in found.found
    for name in ("gateway.key", "tablet.key"):
        shutil.move(data / name, credentials / name)
    assert await finding(path, "Other keys of this box") is None


async def test_a_key_on_another_disk_is_said_to_be(tmp_path: Path) -> None:
    path, data, other = tmp_path / "g.toml", tmp_path / "data", Path("/dev/shm") / f"doctor-{os.getpid()}"
    path.write_text(FILE.format(data=data, port=9))
    site_key(data)
    if not other.parent.is_dir() or other.parent.stat().st_dev == data.stat().st_dev:
        pytest.skip("no second file system here")
    other.mkdir(mode=0o700)
    try:
        shutil.move(data / "site.key", other / "site.key")
        (data / "site.key").symlink_to(other / "site.key")
        found = await finding(path, "The key of this box")
        assert (found.state, "on another disk than the data" in found.found) == ("ok", True)
    finally:
        shutil.rmtree(other)


async def test_the_doctor_counts_what_does_not_open_and_looks_at_the_folder(tmp_path: Path) -> None:
    path, data = tmp_path / "g.toml", tmp_path / "data"
    path.write_text(FILE.format(data=data, port=9))
    store = Store(data / "gateway.db", "e" * 32, site_key(data))
    await store.run(lambda tx: tx.put_member(Member("m1", "Muster")))
    assert await finding(path, "Stored members") is None
    await store.run(lambda tx: tx._db.execute("UPDATE member SET body = x'00'"))
    store.close()
    found = await finding(path, "Stored members")
    assert (found.state, found.found) == ("wrong", "values that do not open: member 1")
    data.chmod(0o750)
    found = await finding(path, "Data folder")
    assert (found.state, found.step) == ("wrong", f"chmod 700 {data}")


@pytest.mark.parametrize(
    ("kind", "what", "two"),
    [
        (erasures.KIND, "Ledger of erasures", "2 erased"),
        (withdrawals.KIND, "Ledger of withdrawals", "2 changes"),
    ],
)
async def test_the_ledgers_are_looked_at(tmp_path: Path, kind: LedgerKind, what: str, two: str) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(FILE.format(data=tmp_path, port=1))
    path = tmp_path / kind.name

    async def found() -> doctor.Finding:
        return {finding.what: finding for finding in await doctor.examine(config)}[what]

    assert (await found()).found.startswith("none yet")
    Ledger(tmp_path, kind).append([LedgerEntry(bytes(16), 1, 5), LedgerEntry(b"\x01" * 16, 2, 5)])
    assert (await found()).found.endswith(two)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert "half written" in (await found()).found
    path.write_bytes(whole[:-1] + b"?")
    assert (await found()).state == "missing"
    path.write_bytes(b"rubbish")
    assert (await found()).state == "wrong"


async def test_a_consent_log_that_was_changed_is_told_without_a_name(tmp_path: Path) -> None:
    data = tmp_path / "data"
    config = tmp_path / "gateway.toml"
    config.write_text(f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{data}"\n')
    assert "Consent logs" not in {finding.what for finding in await doctor.examine(config)}
    store = Store(data / DATABASE, "e" * 32, site_key(data))
    given = ConsentRecord("e", "pseudonym-0", Purpose.STAFF_ADVICE, ConsentState.GIVEN, 5, hq_seq=1)
    await store.run(lambda tx: [tx.add_consent(replace(given, member_id=f"pseudonym-{n}")) for n in range(3)])
    store.close()
    (found,) = [finding for finding in await doctor.examine(config) if finding.what == "Consent logs"]
    assert found.state == "ok"
    with contextlib.closing(sqlite3.connect(data / DATABASE)) as db, db:
        db.execute("UPDATE consent_head SET mac = x'00' WHERE member_id = 'pseudonym-1'")
    (found,) = [finding for finding in await doctor.examine(config) if finding.what == "Consent logs"]
    assert (found.state, found.found) == ("wrong", "1 were changed from outside")
    assert "hq resend" in found.step


async def test_the_doctor_says_under_what_staff_pages_are_secure(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    plain = FILE.format(data=tmp_path, port=9)
    path.write_text(plain)
    found = await finding(path, "HTTPS")
    assert found is not None and found.state == "missing"
    path.write_text(plain + "[http]\nhttps_port = 8443\n")
    found = await finding(path, "HTTPS")
    assert found is not None and "The next start makes it" in found.step
    hosts, title = certs.hosts("gw.shop"), "Store gateway s g"
    now_ms = world_ms()
    made = localca.authority(tmp_path, [b"r" * 32], title, hosts, now_ms)
    found = await finding(path, "HTTPS")
    assert found is not None and found.state == "ok" and "8443" in found.found
    assert certs.fingerprint(made.certificate) in found.found.replace(" ", "")
    (tmp_path / localca.FOLDER / localca.AUTHORITY).write_text("rubbish")
    found = await finding(path, "HTTPS")
    assert found is not None and found.state == "wrong" and "authority.pem" in found.found
    brought = bring(tmp_path, certs.EARLIEST_MS - 390 * 86_400_000)
    keys = "".join(f'{key} = "{file}"\n' for key, file in brought.items())
    path.write_text(plain + f"[http]\nhttps_port = 8443\n{keys}")
    found = await finding(path, "HTTPS")
    assert found is not None and found.state == "wrong" and "ended" in found.found
    path.write_text(plain + '[http]\nshop_url = "https://gw.shop"\n')
    assert await finding(path, "HTTPS") is None  # a proxy does it
