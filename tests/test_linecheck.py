"""The doctor goes in at the broker as the service does, and says what the broker says."""

import asyncio
import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway import lines
from gateway.config import Config, load
from gateway.core.trial import Steered
from gateway.dbfile import DATABASE, open_file
from gateway.linecheck import SERVICE, SHOPS, SPARE, WHAT, line
from sync import tlsfiles
from sync.link import Transport
from tests.rigs.authority import Authority
from tests.rigs.broker import KINDS, MOSQUITTO, Broker, free_port

pytestmark = pytest.mark.broker

needs_mosquitto = pytest.mark.skipif(not MOSQUITTO.exists(), reason="Mosquitto is not installed")


def config(folder: Path, port: int, more: str = "", table: str = "") -> Config:
    path = folder / "g.toml"
    path.write_text(
        f'[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{folder / "data"}"\n{table}'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n{more}'
    )
    return load(path)


def account(file: Path, name: str, password: str) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([program, "-b", "-c", file, name, password], check=True, capture_output=True)


async def test_without_a_table_there_is_no_line(tmp_path: Path) -> None:
    alone = config(tmp_path, 1).model_copy(update={"mqtt": None})
    assert [one.state for one in await line(alone)] == ["missing"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_doctor_is_let_in_and_throws_nobody_out(tmp_path: Path, kind: str) -> None:
    with Broker(kind) as broker:
        ours = config(tmp_path, broker.port)
        service = lines.transport(ours, ours, random.Random(1))
        await service.connect()
        await service.subscribe(["rg/1/t/s/g/down/head"])
        (found,) = await line(ours)
        assert (found.what, found.state) == (WHAT, "ok")
        assert f"127.0.0.1:{broker.port} lets this box in (MQTT {service.protocol})" in found.found
        await service.publish("rg/1/t/s/g/down/head", b"still there")
        async with asyncio.timeout(10):
            assert (await anext(service.messages())).payload == b"still there"
        await service.close()


@needs_mosquitto
async def test_a_password_that_is_not_the_brokers_is_told_as_that(tmp_path: Path) -> None:
    known, ours = tmp_path / "passwords", tmp_path / "password"
    account(known, "gw", "right")
    more = f'username = "gw"\npassword_file = "{ours}"\n'
    with Broker("mosquitto", f"allow_anonymous false\npassword_file {known}") as broker:
        (found,) = await line(config(tmp_path, broker.port, more))
        assert (found.state, "expected the broker's password" in found.found) == ("wrong", True)
        ours.write_text("wrong\n")
        (found,) = await line(config(tmp_path, broker.port, more))
        assert (found.state, "does not let this box's account in" in found.found) == ("wrong", True)
        assert "password_file" in found.step
        ours.write_text("right\n")
        (found,) = await line(config(tmp_path, broker.port, more))
        assert (found.state, "lets this box in (MQTT" in found.found) == ("ok", True)


@needs_mosquitto
async def test_tls_where_there_is_none_and_the_file_that_cannot_be_used_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = Authority(tmp_path / "ca")
    own, box, more = ca.issue("broker"), ca.issue("gw-1"), f'ca_file = "{ca.file}"\n'
    with Broker("mosquitto") as broker:
        (found,) = await line(config(tmp_path, broker.port, more))
        assert (found.state, "takes the connection, but no TLS" in found.found) == ("wrong", True)
    with Broker("mosquitto", f"cafile {ca.file}\ncertfile {own.cert}\nkeyfile {own.key}") as broker:
        more += f'cert_file = "{box.cert}"\nkey_file = "{box.key}"\n'
        (found,) = await line(config(tmp_path, broker.port, more))
        assert found.state == "missing", "this certificate ends tomorrow"
        assert "under TLS" in found.found
        assert "ends on" in found.found
        monkeypatch.setattr(tlsfiles, "remark", lambda *_: None)
        (found,) = await line(config(tmp_path, broker.port, more))
        assert found.state == "ok"
        ca.file.write_text("rubbish")
        (found,) = await line(config(tmp_path, broker.port, more))
        assert (found.state, f"mqtt.ca_file: {ca.file} cannot be used" in found.found) == ("wrong", True)


async def test_a_port_that_says_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.linecheck.LOOK_S", 0.2)
    ours = config(tmp_path, 1)

    async def hangs(self: Transport, *_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Transport, "connect", hangs)
    (found,) = await line(ours)
    assert (found.state, "does not answer" in found.found) == ("wrong", True)


async def test_where_headquarters_moved_the_line_both_brokers_are_looked_at(tmp_path: Path) -> None:
    with Broker("iotcore") as broker:
        ours = config(tmp_path, free_port(), table="broker_steered = true\n")
        tx = open_file(ours.gateway.data_dir / DATABASE, bytes(32))
        with tx.db.atomic():
            document = f'{{"mqtt": {{"host": "127.0.0.1", "port": {broker.port}}}}}'
            tx.put_steered(Steered("s-1", document, 5))
        tx.db.close()
        moved, own = await line(ours)
        assert (moved.what, moved.state) == (WHAT, "ok")
        assert "which headquarters' settings name" in moved.found
        assert (own.what, own.state) == (SPARE, "missing"), "the service runs without it"
        assert "Connection refused" in own.found
        assert own.step
    moved, _ = await line(ours)
    assert moved.state == "wrong"


async def test_what_the_running_service_says_of_its_line_stands_beside_it(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        parts = [{"part": name, "since_ms": 0, "detail": f"{name} hurts", "action": "a"} for name in ("disk", "hq")]
        writer.write(f"HTTP/1.1 200 OK\r\n\r\n{json.dumps({'troubles': parts})}".encode())
        writer.close()

    port = free_port()
    ours = config(tmp_path, free_port(), f"[http]\nport = {port}\n")
    async with await asyncio.start_server(answer, "127.0.0.1", port):
        _, found = await line(ours)
    assert (found.what, found.found) == (SERVICE, "hq hurts (since 1970-01-01 00:00 UTC)")
    assert [one.what for one in await line(ours)] == [WHAT]


async def test_the_broker_between_two_boxes_is_looked_at_as_well(tmp_path: Path) -> None:
    with Broker() as broker:
        table = f'[standby]\nhost = "127.0.0.1"\nport = {broker.port}\nother = "o"\nsecret_file = "/s"\n'
        ours = config(tmp_path, broker.port, table=table)
        assert [(one.what, one.state) for one in await line(ours)] == [(WHAT, "ok"), (SHOPS, "ok")]
    found = (await line(ours))[-1]
    assert (found.what, found.state) == (SHOPS, "wrong")
    assert "neither of the shop's two boxes serves" in found.step
