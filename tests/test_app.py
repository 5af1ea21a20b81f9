"""The wired gateway as a process: it starts, says so, survives what it may, and ends within two seconds."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gateway import app
from gateway.clock import ShopClock
from gateway.config import Config
from gateway.core.changes import Delta
from gateway.core.keyring import SunKey
from gateway.keys import gateway_key
from tests.rigs.broker import free_port
from tests.rigs.system import WAIT_S, Process, get, wait_for
from tests.rigs.terminalkeys import sealed, secret

TABLES = '[gateway]\ntenant = "t"\nstore = "s"\nid = "g"\ndata_dir = "{data}"\n[http]\nport = {port}\n'


@pytest.fixture
def config(tmp_path: Path):
    """Writes a configuration; gives its path and port."""

    def write(tables: str = "") -> tuple[Path, int]:
        port = free_port()
        path = tmp_path / "gateway.toml"
        path.write_text(TABLES.format(data=tmp_path / "data", port=port) + tables)
        return path, port

    return write


def parts(port: int) -> dict[str, str]:
    status = get(f"http://127.0.0.1:{port}/api/v1/status") or {"parts": []}
    return {part["name"]: part["state"] for part in status["parts"]}


def test_it_starts_without_radio_reader_and_headquarters(config, tmp_path: Path) -> None:
    path, port = config(
        '[[source]]\npath = "ble:hci0"\nreceiver = "a"\n[[source]]\npath = "nfc:/dev/no-reader"\nreceiver = "b"\n'
        '[mqtt]\nhost = "127.0.0.1"\nport = 9\n[[receiver]]\nid = "a"\nzone = "x"\n[[receiver]]\nid = "b"\nzone = "x"\n'
    )
    environment = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/no-bus"}
    process = Process(["run", "--config", str(path)], tmp_path / "log", environment)
    process.start()
    try:
        wait_for(lambda: parts(port).get("receiver:a") == "down", "the radio to be reported down")
        wait_for(lambda: parts(port).get("receiver:b") == "down", "the reader to be reported down")
        wait_for(lambda: parts(port).get("hq") in ("degraded", "down"), "headquarters to be reported away")
        assert parts(port)["pages"] == "ok"
    finally:
        assert process.stop() == 0
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert f"serving http://localhost:{port}/" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_a_stream_open(config, tmp_path: Path, number: signal.Signals) -> None:
    path, port = config('[[screen]]\nid = "bar"\nzone = "x"\n')
    process = Process(["run", "--config", str(path)], tmp_path / "log")
    process.start()
    try:
        wait_for(lambda: parts(port), "the pages")
        with socket.create_connection(("127.0.0.1", port)) as stream:
            stream.sendall(b"GET /api/v1/screens/bar/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" in stream.recv(100)
            began_s = time.monotonic()
            process._process.send_signal(number)
            assert process._process.wait(WAIT_S) == 0
            print(f"ended in {time.monotonic() - began_s:.2f} s")
    finally:
        process.kill()  # one that did not end would be blamed on another test


def test_a_taken_port_is_told_and_waited_for(config, tmp_path: Path) -> None:
    path, port = config()
    process = Process(["run", "--config", str(path)], tmp_path / "log")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        process.start()
        wait_for(lambda: f"port {port} on 127.0.0.1 is in use" in (tmp_path / "log").read_text(), "the explanation")
    try:
        assert wait_for(lambda: parts(port).get("pages") == "ok", "the pages after the port is free")
    finally:
        process.stop()


def test_the_broken_options_of_a_source_exit_78(config) -> None:
    path, _ = config('[[source]]\npath = "sim:1?speed=fast"\n')
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "--config", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 78
    assert f"{path}:9: source[1].path: " in done.stderr
    assert "speed" in done.stderr


@pytest.mark.parametrize(
    ("lines", "more", "told"),
    [
        ('host = "0.0.0.0"\n', False, True),
        ('host = "0.0.0.0"\n', True, False),
        ("", False, False),
        ('public_url = "https://shop.example"\n', False, True),  # a proxy on this box lets anybody in
    ],
)
def test_the_start_says_when_phones_are_not_kept_apart(
    config, tmp_path: Path, lines: str, more: bool, told: bool
) -> None:
    path, port = config()
    phones = free_port()
    path.write_text(path.read_text() + lines + (f"phones_port = {phones}\n" if more else ""))
    process = Process(["run", "--config", str(path)], tmp_path / "log")
    process.start()
    try:
        health = f"http://127.0.0.1:{port}/healthz"
        wait_for(lambda: ((get(health) or {}).get("parts") or {}).get("pages") == "ok", "the pages to be served")
        if more:
            assert get(f"http://127.0.0.1:{phones}/api/v1/status") is None
            assert "Notice" in urllib.request.urlopen(f"http://127.0.0.1:{phones}/notice").read().decode().title()
    finally:
        assert process.stop() == 0
    assert ("http.phones_port" in (tmp_path / "log").read_text()) == told


def test_behind_a_proxy_on_this_box_localhost_is_nobodys_name(config, tmp_path: Path) -> None:
    path, port = config()
    urls = 'public_url = "https://shop.example"\nshop_url = "http://gateway.shop.example"\n'
    path.write_text(path.read_text() + urls)
    process = Process(["run", "--config", str(path)], tmp_path / "log")
    process.start()
    try:
        wait_for(lambda: _status(f"http://127.0.0.1:{port}/notice") == 200, "the pages to be served")
        assert _status(f"http://127.0.0.1:{port}/api/v1/status") == 404
        asked = _status(f"http://127.0.0.1:{port}/api/v1/status", "gateway.shop.example")
        assert asked == 401  # the right name, but behind a proxy nobody is this box's own browser
    finally:
        assert process.stop() == 0


def _status(url: str, host: str | None = None) -> int | None:
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return None


async def test_a_key_from_headquarters_reaches_the_readers_and_rotates_over_a_restart(tmp_path: Path) -> None:
    who = {"tenant": "t", "store": "s", "id": "g", "data_dir": str(tmp_path)}
    config = Config.model_validate({"gateway": who})
    private = gateway_key(tmp_path)
    soon_ms = ShopClock().now_ms() + 3_600_000
    old = sealed("old", until_ms=soon_ms + 2_000, gateway="t/s/g", private=private)
    new = sealed("new", from_ms=soon_ms + 1_000, gateway="t/s/g", private=private)
    for change in (old, new):
        gateway = app.Gateway(config, ShopClock(), asyncio.Event())
        await gateway._flow.start()
        have = await gateway._store.hq_version()
        assert await gateway._flow.on_hq_change(Delta(have, have + 1, (change,))) == "applied"
        terminal = gateway._ears.terminal
        assert terminal is not None
        tried = [[key.meta.hex() for key in terminal.keyring.of(SunKey, soon_ms + ms)] for ms in (999, 1_000, 2_000)]
        await gateway.close()
    first, second = secret("old")[:32], secret("new")[:32]
    assert tried == [[first], [second, first], [second]]
