"""The newcomer's way: a fresh clone, `make demo`, and a browser that watches what happens.

The clone borrows this environment's packages; `DEMO_FRESH=1` lets it make its own, as on a new machine.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drivers import team
from gateway import demo
from tests.rigs.browser import chromium
from tests.rigs.figures import Tell
from tests.rigs.system import wait_for

ROOT = Path(__file__).parents[1]
VENV = Path(sys.executable).parents[1]
OPEN_S = 60  # from the start of `make demo`, with the packages installed
CHANGE_S = 30  # from there to a changed screen and an event at headquarters


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a newcomer gets: a clone, or a copy of the files where this is no checkout."""
    target = tmp_path / "clone"
    if (ROOT / ".git").exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
        listed = subprocess.run(
            ["git", "ls-files", "-mo", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
        )
        for name in listed.stdout.split():  # what is not committed yet is to be tested too
            if (ROOT / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target / name)
    else:
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".venv", "__pycache__", ".*_cache"))
    return target


@pytest.fixture
def shop(clone: Path):
    """`make demo` in the clone; its output grows in a file."""
    fresh = "DEMO_FRESH" in os.environ
    command = ["make", "demo"] if fresh else ["make", "demo", f"VENV={VENV}", "-o", f"{VENV}/.runtime"]
    output = clone / "output.txt"
    environment = os.environ | {"PYTHONPATH": str(clone), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    for name in ("MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "ARGS"):  # of a `make test ARGS=...` that runs this
        environment.pop(name, None)
    with output.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=clone,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
        )
    yield process, output
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.browser
@pytest.mark.broker
@pytest.mark.timeout(400)
def test_make_demo_in_a_fresh_clone(shop, tell: Tell) -> None:
    process, output = shop
    patience_s = 300 if "DEMO_FRESH" in os.environ else OPEN_S
    began_s = time.monotonic()
    wait_for(lambda: "Open these pages" in output.read_text(), f"the pages: {output.read_text()}", patience_s)
    opened_s = time.monotonic()
    text = wait_for(lambda: "Headquarters" in (now := output.read_text()) and now, "the addresses", 10)
    urls = dict(re.findall(r"^ +(.+?) {2,}(http\S+)", text, re.MULTILINE))
    with chromium() as browser:
        screen, tablet, hq = (browser.new_page() for _ in range(3))
        screen.goto(urls["Screen at the entrance"])
        hq.goto(urls["Headquarters"])
        tablet.goto(urls["Staff tablet"])
        screen.wait_for_selector("html[data-level='L1']", state="attached", timeout=CHANGE_S * 1000)
        coffee = browser.new_page()
        coffee.goto(urls["Screen at the coffee bar"])
        # Presence alone changes nothing so soon (core.discretion); the first member's tap does at once.
        coffee.wait_for_selector("html[data-level='L3']", state="attached", timeout=CHANGE_S * 1000)
        changed_s = time.monotonic()
        hq.get_by_text("m-001").first.wait_for(timeout=CHANGE_S * 1000)
        arrived_s = time.monotonic()
        staff_id, *_, pin = team.TEAM[0]
        tablet.locator(f".mate[data-staff={staff_id}]").click()
        for digit in pin:
            tablet.locator(f".pin [data-key='{digit}']").click()
        tablet.locator("li.row[data-state=asked] button").first.click(timeout=90_000)
        tablet.wait_for_function("() => document.querySelector('[data-card]')?.dataset.card", timeout=20_000)
        status = browser.new_page()
        status.goto(urls["Shop status"])
        assert status.title()
    stopped_s = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.wait(20)
    tell(
        f"make demo: pages after {opened_s - began_s:.1f} s, then a changed screen after "
        f"{changed_s - opened_s:.1f} s and the event at headquarters after {arrived_s - opened_s:.1f} s; "
        f"Ctrl-C took {time.monotonic() - stopped_s:.2f} s"
    )
    text = output.read_text()
    assert "m-001 is in the shop" in text
    assert "Traceback" not in text


def test_events_become_sentences() -> None:
    assert demo.sentence("visit.entered", {"member_id": "m-1", "zone": "coffee"}) == (
        "green",
        "m-1 is in the shop, near coffee",
    )
    shown = demo.sentence("decision.made", {"member_id": "m-1", "zone": "coffee", "screen": "s", "offer_id": "o"})
    assert shown[1] == "coffee: screen s shows o because m-1 is near"
    silent = demo.sentence("decision.made", {"member_id": "m-1", "zone": "z", "screen": "s", "reasons": [["*", "why"]]})
    assert silent[1].endswith("(why)")
    assert demo.sentence("event.unknown", {}) is None


def test_demos_that_start_together_take_different_ports() -> None:
    with socket.socket() as heard:
        heard.bind(("127.0.0.1", 0))
        heard.listen()
        taken = heard.getsockname()[1]
        with demo._reserved(taken) as other:
            assert other != taken
    with demo._reserved(taken) as first, demo._reserved(taken) as second:
        assert first == taken, "nobody listens there any more"
        assert second not in (0, taken), "nobody listens there yet, but another demo will"
    with demo._reserved(taken) as again:
        assert again == taken
