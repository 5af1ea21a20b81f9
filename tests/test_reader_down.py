"""A reader that fails is told: the real service's health and its tablets' stream, and how long that took."""

import http.cookiejar
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway import keys
from gateway.emulator.chip import Pn532Rig
from tests.rigs.desk import Service, service
from tests.rigs.figures import Tell
from tests.rigs.system import wait_for

pytestmark = pytest.mark.timeout(240)

STREAM_S = 15  # the stream beats more often than that


def healthz(shop: Service) -> int:
    try:
        with urllib.request.urlopen(f"{shop.url}/healthz", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@contextmanager
def tablet(shop: Service) -> Iterator[Callable[[bool], dict[str, Any] | None]]:
    """A signed-in tablet; `told(True)` waits for its first trouble, `told(False)` until there is none."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(jar)
    browser.open(f"{shop.url}/tablet?key={keys.tablet_key(shop.data)}", timeout=STREAM_S).close()
    with browser.open(f"{shop.url}/api/v1/tablet/stream", timeout=STREAM_S) as stream:

        def told(wanted: bool) -> dict[str, Any] | None:
            for line in stream:
                body = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if "troubles" in body and bool(body["troubles"]) is wanted:
                    return body["troubles"][0] if wanted else None
            raise AssertionError("the stream has ended")

        yield told


def dead(rig: Pn532Rig) -> None:
    """A chip that answers nothing, however often it is opened: slower than anybody waits for it."""
    rig.slow(60_000)


@pytest.mark.parametrize(
    ("breaks", "mends"),
    [
        pytest.param(Pn532Rig.unplug, Pn532Rig.replug, id="unplugged"),
        pytest.param(dead, lambda rig: (rig.slow(0.5), rig.replug()), id="dead"),
    ],
)
def test_staff_and_monitoring_are_told_of_a_reader_that_is_down(
    tmp_path: Path,
    tell: Tell,
    breaks: Callable[[Pn532Rig], object],
    mends: Callable[[Pn532Rig], object],
    request: pytest.FixtureRequest,
) -> None:
    with Pn532Rig() as rig, service(tmp_path, rig) as shop, tablet(shop) as told:
        assert healthz(shop) == 200
        began_s = time.monotonic()
        breaks(rig)
        wait_for(lambda: healthz(shop) == 503, "healthz to say so")
        health_s = time.monotonic() - began_s
        trouble = told(True)
        tablet_s = time.monotonic() - began_s
        began_s = time.monotonic()
        mends(rig)
        wait_for(lambda: healthz(shop) == 200, "healthz to be well again")
        told(False)
        mended_s = time.monotonic() - began_s
    tell(
        f"{request.node.callspec.id}: healthz 503 after {health_s:.1f} s, the tablet is told after "
        f"{tablet_s:.1f} s (aim 10), all well {mended_s:.1f} s after it was mended"
    )
    assert trouble is not None
    assert trouble["kind"] == "reader"
    assert trouble["receiver"] == "coffee-nfc"
