"""The kiosk's scripts and the page before the gateway is there: what systemd is told, and what a passer-by sees."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.rigs.broker import free_port
from tests.rigs.browser import chromium
from tests.rigs.frames import luminance
from tests.rigs.system import wait_for

KIOSK = Path(__file__).parents[1] / "systemd" / "kiosk"


@contextmanager
def gateway(body: str, port: int = 0) -> Iterator[str]:
    """Somebody who answers everything with `body`; their address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fed(tmp_path: Path, url: str) -> int:
    """How often the watchdog was fed in five looks."""
    told = tmp_path / "told"
    told.write_text("")
    for name, words in (("systemd-notify", f'echo "$@" >> {told}\n'), ("sleep", f"echo look >> {told}\n")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{words}")
        program.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    running = subprocess.Popen([KIOSK / "watchdog", url], env=environment)
    try:
        wait_for(lambda: told.read_text().count("look") >= 5, "five looks")
    finally:
        running.kill()
        running.wait()
    lines = told.read_text().splitlines()
    assert lines[0] == "--ready"
    return lines[: lines.index("look") + 8].count("WATCHDOG=1")


@pytest.mark.parametrize(
    ("showing", "alive"), [("draws", True), ("frozen", False), ("silent", False), ("away", False), ("never", True)]
)
def test_systemd_is_told_while_the_screen_draws(tmp_path: Path, showing: str, alive: bool) -> None:
    with gateway(f'{{"showing":"{showing}","age_ms":5}}') as url:
        assert (fed(tmp_path, url) > 0) is alive


def test_a_browser_is_left_alone_while_the_gateway_is_away(tmp_path: Path) -> None:
    assert fed(tmp_path, f"http://127.0.0.1:{free_port()}") > 0


def test_the_browser_begins_with_the_local_page_and_a_fresh_profile(tmp_path: Path) -> None:
    notify = tmp_path / "systemd-notify"
    notify.write_text("#!/bin/sh\nexit 0\n")
    notify.chmod(0o755)
    old = tmp_path / "profile" / "Default"
    (old / "Local Storage").mkdir(parents=True)
    (old / "Local Storage" / "kept").write_text("proofs")
    (old / "Preferences").write_text("crashed")
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUNTIME_DIRECTORY": str(tmp_path)}
    compositor = tmp_path / "compositor"
    compositor.write_text('#!/bin/sh\necho "$XDG_RUNTIME_DIR $@"\n')
    compositor.chmod(0o755)
    environment |= {"SCREEN": "coffee", "KIOSK_COMPOSITOR": str(compositor), "KIOSK_BROWSER": "chromium"}
    running = subprocess.Popen(
        [KIOSK / "kiosk"], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stdout is not None
    line = running.stdout.readline()
    os.killpg(running.pid, 9)  # the watchdog stays after our "browser"
    running.wait()
    running.stdout.close()
    assert line.startswith(f"{tmp_path} chromium --kiosk ")  # the unit's ProtectHome hides a login's own folder
    assert line.rstrip().endswith("/waiting.html#http://localhost:8080/screen?id=coffee")
    assert f"--user-data-dir={tmp_path}/profile" in line
    assert (old / "Local Storage" / "kept").exists() and not (old / "Preferences").exists()


@pytest.mark.browser
def test_the_local_page_is_never_black_and_gives_way(tmp_path: Path) -> None:
    port = free_port()
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 640, "height": 360})
        page.goto(f"{(KIOSK / 'waiting.html').as_uri()}#http://127.0.0.1:{port}/screen?id=coffee")
        mean, spread = luminance(page.screenshot())
        assert mean > 20 and spread > 8
        assert "Schön" in page.inner_text("h1")
        time.sleep(0.5)
        with gateway("<h1>the screen</h1>", port):
            page.wait_for_url("http://127.0.0.1:*/screen?id=coffee", timeout=30_000)
            assert page.inner_text("h1") == "the screen"


def test_the_unit_says_what_the_scripts_need() -> None:
    unit = (KIOSK.parent / "store-gateway-kiosk.service").read_text()
    for line in ("Type=notify", "NotifyAccess=all", "WatchdogSec=60", "Restart=always", "MemoryMax="):
        assert f"\n{line}" in unit
    # A login's session takes the browser out of the unit: its locks do not hold, and systemd does not hear it.
    assert "PAMName=" not in unit and "\nWants=seatd.service\n" in unit
    assert (KIOSK / "kiosk").stat().st_mode & 0o111 and (KIOSK / "watchdog").stat().st_mode & 0o111
