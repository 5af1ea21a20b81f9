"""Somebody joins at a shop's tablet: real processes, a real broker, and headquarters that learns of it."""

import http.cookiejar
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import Purpose
from tests.rigs.system import System, get, wait_for

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

NAME = "Zora Testname"
TABLES = '[[screen]]\nid = "coffee"\nzone = "coffee"\n'


class Tablet:
    """A browser with cookies, over a real socket."""

    def __init__(self, system: System) -> None:
        self.url = system.url
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self._open.open(system.tablet_url, timeout=10).read()

    def get(self, url: str) -> Any:
        return json.loads(self._open.open(f"{self.url}{url}", timeout=10).read())

    def page(self, url: str) -> str:
        return self._open.open(f"{self.url}{url}", timeout=10).read().decode()

    def post(self, url: str, body: object) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/v1/{url}", json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        return json.loads(self._open.open(request, timeout=10).read())


def join(tablet: Tablet, name: str) -> dict[str, Any]:
    """Hand the tablet over, join, and take it back."""
    handed = tablet.post("tablet/handover", {"kind": "enrol", "pin": "2468"})
    tablet.page(handed["url"])
    notice = tablet.get("/api/v1/me")["notice"]
    language = next(iter(notice["texts"]))
    form = {
        "call_name": name,
        "language": "de",
        "age": "16plus",
        "choices": {purpose.value: purpose is Purpose.RECOGNISE_NFC for purpose in Purpose},
        "notice_version": notice["version"],
        "notice_sha256": notice["sha256"][language],
    }
    joined = tablet.post("me/enrol", form)
    assert joined["result"] == "ok"
    assert tablet.post("tablet/unlock", {"pin": "2468"})["result"] == "ok"
    return joined


def named(system: System, name: str) -> list[dict[str, Any]]:
    return [one for one in get(f"{system.hq_url}/api/v1/members") or [] if one["call_name"] == name]


def states(system: System, name: str) -> dict[str, str]:
    """What headquarters holds of the consents of the member of this name."""
    return {purpose: one["state"] for member in named(system, name) for purpose, one in member["consents"].items()}


def test_headquarters_learns_who_joined_also_after_an_outage_and_a_kill(tmp_path: Path) -> None:
    with System(tmp_path, TABLES, signed=True) as system:
        tablet = Tablet(system)
        join(tablet, NAME)
        (member,) = wait_for(lambda: named(system, NAME), "headquarters to know who joined")
        assert len(member["member_id"]) == 32
        wait_for(lambda: states(system, NAME).get("recognise_nfc") == "given", "headquarters to know the consents")
        assert set(states(system, NAME).values()) == {"given", "refused"}
        assert set(states(system, NAME)) == {purpose.value for purpose in Purpose}

        system.broker.stop()
        join(tablet, f"{NAME} offline")
        system.gateway.kill()
        system.gateway.start()
        wait_for(lambda: get(f"{system.url}/api/v1/status"), "the gateway again")
        assert named(system, f"{NAME} offline") == []
        system.broker.start()
        wait_for(lambda: named(system, f"{NAME} offline"), "headquarters to hear of the outage")
        wait_for(
            lambda: states(system, f"{NAME} offline").get("recognise_nfc") == "given", "the consents of the outage"
        )
        enrolled = wait_for(
            lambda: (
                (found := [e for e in system.events() if e["type"] == "member.enrolled"]) and len(found) == 2 and found
            ),
            "both events",
        )
    assert NAME not in json.dumps(enrolled)  # the name stands in the line of versions alone
    for log in tmp_path.glob("*.log"):
        assert NAME not in log.read_text()
