"""Requests that schemathesis draws from the routes themselves, to the real service, as each role.

Valid and invalid values of every parameter and body, and bodies of no form at all; each route is asked by everybody,
let in or not. The service is a process of its own, with a simulated shop walking through it.
"""

import json
import random
import re
import urllib.parse
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import requests
import schemathesis
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from display.api import create_app
from display.hub import Hub
from drivers import goods
from drivers.people import population
from gateway.health import Health
from tests.rigs.paired import ELSEWHERE, devices_of
from tests.rigs.shopfront import KEY, FakePath, HandClock
from tests.rigs.system import System, wait_for

TABLES = """
[[source]]
path = "sim:1?speed=20"
[[receiver]]
id = "entrance-ble"
zone = "entrance"
[[receiver]]
id = "coffee-ble"
zone = "coffee"
[[receiver]]
id = "wine-ble"
zone = "wine"
[[receiver]]
id = "till-ble"
zone = "till"
[[receiver]]
id = "entrance-nfc"
zone = "entrance"
door = true
[[receiver]]
id = "coffee-nfc"
zone = "coffee"
screen = "coffee"
[[receiver]]
id = "advice-nfc"
zone = "wine"
advice = true
[[receiver]]
id = "till-nfc"
zone = "till"
till = "till-1"
[[screen]]
id = "coffee"
zone = "coffee"
[[screen]]
id = "wine"
zone = "wine"
"""
DEVICES = {
    "coffee": {"kind": "screen", "role": "display", "place": "coffee"},
    "staff": {"kind": "tablet", "role": "staff"},
    "manager": {"kind": "tablet", "role": "manager"},
    "installer": {"kind": "tablet", "role": "installer"},
    "till-1": {"kind": "till", "role": "till", "place": "till-1"},
}
ROLES = (*DEVICES, "nobody", "box", "phone")
KNOWN = {"screen": "coffee", "till": "till-1"}  # else every answer would be that there is none of this name
ANSWER_S = 20
READ_BYTES = 65_536
RAW = (b"", b"\0", b"[]", b"{", b'{"a":' * 3_000, b"\xff\xfe", b'{"n":1e999}', b"null", b"x" * 20_000, b'"\\ud800"')
FORMS = ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b")
# A part may be in trouble; what is asked for is nothing that can break.
MAY_BE_RED = ("/healthz",)


class BrokenError(Exception):
    """The service said 5xx, hung up or ended; with what it was asked."""


@dataclass
class Tally:
    """`let_in`: of each role, how often it was neither refused nor told that it comes too often."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    let_in: Counter[str] = field(default_factory=Counter)
    routes: set[str] = field(default_factory=set)
    grown_mb: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)


def document() -> dict[str, Any]:
    """The OpenAPI document of every route, pages included, which the published one leaves out."""
    clock, health, fake = HandClock(), Health(), cast(Any, SimpleNamespace())  # its routes are never called
    path = FakePath(tills=frozenset({"till-1"}))
    devices = devices_of(cast(Any, SimpleNamespace(run=None)), clock, health)
    parts = {
        "devices": devices,
        "me": fake,
        "takeaways": fake,
        "showing": (fake, fake),
        "installing": fake,
        "staffing": fake,
    }
    app = create_app(path, Hub(clock, health), health, clock, KEY, "1", handovers=fake, **parts)
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    for route in routes:
        route.include_in_schema = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one name for GET and HEAD of the same
        return get_openapi(title="store-gateway", version="1", routes=routes)


@contextmanager
def served(folder: Path) -> Iterator[tuple[System, dict[str, requests.Session]]]:
    """A shop with people in it, and a browser of each role."""
    with System(folder, TABLES, [*population(1, 12), *goods.ops()]) as system, ExitStack() as end:
        browsers = {role: end.enter_context(requests.Session()) for role in ROLES}
        for role, browser in browsers.items():
            browser.headers.update({} if role == "box" else ELSEWHERE)
        link = end.enter_context(requests.Session())
        link.get(system.tablet_url, timeout=ANSWER_S)
        for role, device in DEVICES.items():
            shown = browsers[role].post(f"{system.url}/api/v1/pairing", json={"kind": device["kind"]}, timeout=ANSWER_S)
            approving = {**device, "code": shown.json()["code"]}
            said = link.post(f"{system.url}/api/v1/devices/approve", json=approving, timeout=ANSWER_S).json()
            assert said["result"] == "ok", (role, said)
        begun = browsers["phone"].post(f"{system.url}/api/v1/scan/begin", json={}, timeout=ANSWER_S)
        assert begun.json()["result"] == "ok", begun.text
        wait_for(lambda: system.counts().get("ble.sightings"), "somebody in the shop")
        yield system, browsers


def fuzz(folder: Path, count: int, seed: int) -> Tally:
    """About so many cases. Raises BrokenError at the first that breaks something."""
    tally, rng = Tally(), random.Random(seed)
    operations = [found.ok() for found in schemathesis.openapi.from_dict(document()).get_all_operations()]
    each = max(1, round(count / len(operations) / len(ROLES)))
    with served(folder) as (system, browsers):
        before_kb = _memory_kb(system.gateway.pid)
        for number, operation in enumerate(operations):
            kept = {name: KNOWN[name] for name in re.findall(r"{(\w+)}", operation.path) if name in KNOWN}
            cases = drawn(operation, each * len(ROLES), seed + number, kept)
            rng.shuffle(cases)
            for place, (role, browser) in enumerate(browsers.items()):
                own = cases[place :: len(ROLES)][:each]
                for case in own:
                    _ask(system, browser, role, operation.label, case, tally)
                for _ in range(each - len(own)):  # what takes no parameter is soon drawn to its end
                    _ask(system, browser, role, operation.label, _spoilt(rng, rng.choice(cases)), tally)
        tally.grown_mb = (_memory_kb(system.gateway.pid) - before_kb) / 1_000
        tally.counts = system.counts()
        log = system.gateway.log.read_text(errors="replace")
        if "Traceback" in log or not tally.counts:
            raise BrokenError(log[-8_000:])
    return tally


def drawn(operation: Any, count: int, seed: int, kept: dict[str, str]) -> list[dict[str, Any]]:
    """At most so many requests for this route; where it has a body, half of them with one that is not valid."""
    found: list[dict[str, Any]] = []
    invalid = count // 2 if operation.body else 0
    for mode, share in ((GenerationMode.POSITIVE, count - invalid), (GenerationMode.NEGATIVE, invalid)):
        if not share:
            continue
        strategy = operation.as_strategy(generation_mode=mode, path_parameters=kept or None)

        @seeded(seed)
        @settings(
            max_examples=share,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def take(case: Any) -> None:
            found.append(case.as_transport_kwargs(base_url="http://gateway"))

        with suppress(Unsatisfiable):  # nothing invalid can be said there
            take()
    return found


def _spoilt(rng: random.Random, case: dict[str, Any]) -> dict[str, Any]:
    """The same with a body that has no form, or another form than it says, and a parameter that nobody knows."""
    headers = {**(case.get("headers") or {}), "Content-Type": rng.choice(FORMS)}
    rest = {key: value for key, value in case.items() if key not in ("json", "data", "files", "headers")}
    params = {**(case.get("params") or {}), rng.choice(("id", "key", "page", "c", "x")): rng.choice(RAW)[:200]}
    return {**rest, "data": rng.choice(RAW), "headers": headers, "params": params}


def _ask(system: System, browser: requests.Session, role: str, label: str, case: dict[str, Any], tally: Tally) -> None:
    parts = urllib.parse.urlsplit(case["url"])
    case = {**case, "url": system.url + urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))}
    case["cookies"] = dict(case.get("cookies") or {}) | browser.cookies.get_dict()
    told = f"{role}: {label} {json.dumps(case, default=repr, ensure_ascii=True)[:4_000]}"
    try:
        with browser.request(**case, timeout=ANSWER_S, stream=True, allow_redirects=False) as answer:
            status = answer.status_code
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                answer.raw.read(READ_BYTES)
    except (requests.exceptions.InvalidJSONError, ValueError):
        return  # no HTTP client can say that
    except requests.exceptions.RequestException as error:
        raise BrokenError(f"{told}: {error!r}") from error
    if status >= 500 and parts.path not in MAY_BE_RED:
        raise BrokenError(f"{told}: {status}\n{system.gateway.log.read_text(errors='replace')[-4_000:]}")
    tally.cases += 1
    tally.statuses[status] += 1
    tally.routes.add(label)
    if status not in (401, 403, 429):
        tally.let_in[role] += 1


def _memory_kb(pid: int) -> int:
    """The most of its memory that lay in RAM until now."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmHWM:")[2].split()[0])
