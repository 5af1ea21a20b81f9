"""A shop is set up by its page's routes on the running program: a fob, a walk, a map that the next start uses."""

import http.cookiejar
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from gateway import keys
from tests.rigs.broker import free_port
from tests.rigs.system import Process, get, wait_for

FOB = "00112233445566778899aabbccddeeff01020304"
ZONES = ("entrance", "coffee", "wine", "till")
SPEED = 30  # a spot of 20 s takes 0.7 s


class Installer:
    """A device with the manager's link."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())).open
        self._open(f"{url}/install?key={key}").read()

    def get(self, path: str) -> Any:
        return json.load(self._open(f"{self._url}/api/v1/install{path}"))

    def post(self, path: str, **form: Any) -> str:
        asked = urllib.request.Request(f"{self._url}/api/v1/install{path}", json.dumps(form).encode())
        asked.add_header("Content-Type", "application/json")
        return str(json.load(self._open(asked))["result"])


@pytest.mark.timeout(300)  # two starts and five minutes of the shop's time, on a machine that may be busy
def test_a_walk_in_the_simulated_shop_is_used_from_the_next_start(tmp_path: Path) -> None:
    port, data, file = free_port(), tmp_path / "data", tmp_path / "gateway.toml"
    receivers = "".join(f'[[receiver]]\nid = "{zone}-ble"\nzone = "{zone}"\n' for zone in ZONES)
    file.write_text(
        f'[gateway]\ntenant = "test"\nstore = "musterstadt"\nid = "gw1"\ndata_dir = "{data}"\n[http]\nport = {port}\n'
        f'[[source]]\npath = "sim:1?members=0&strangers=0&speed={SPEED}&fob={FOB}"\n{receivers}'
    )
    url, gateway = f"http://127.0.0.1:{port}", Process(["run", "--config", str(file)], tmp_path / "gateway.log")
    gateway.start()
    try:
        wait_for(lambda: get(f"{url}/api/v1/status"), "the gateway's pages")
        own = Installer(url, keys.tablet_key(data))
        assert own.get("")["in_use"] == "receivers"
        assert own.post("/fob", beacon=f"ibeacon:{FOB}") == "ok"
        for number, zone in enumerate(ZONES):

            def loudest() -> str:
                if own.get("/fob")["left_ms"] == 0:  # ten minutes of a fast shop are soon over
                    own.post("/fob", beacon=f"ibeacon:{FOB}")
                return str(next((one["receiver"] for one in own.get("/fob")["levels"]), ""))

            wait_for(lambda zone=zone, loudest=loudest: loudest() == f"{zone}-ble", f"the fob in {zone}")
            assert own.post("/walk", act="stand", zone=zone, x_m=2 + 4 * number, y_m=3) == "ok"
            wait_for(lambda number=number: len(own.get("/walk")["spots"]) == number + 1, f"the spot in {zone}")
        walk = own.get("/walk")
        assert [one["zone"] for one in walk["qualities"]] == list(ZONES)
        assert walk["unfit"] == []
        places = {f"{zone}-ble": [2 + 4 * number, 2] for number, zone in enumerate(ZONES)}
        plan = {"revision": 0, "width_m": 20, "depth_m": 14, "receivers": places}
        assert own.post("/floor", **plan) == "ok"
        assert own.post("/map") == "ok"
        assert gateway.stop() == 0
        gateway.start()
        wait_for(lambda: get(f"{url}/api/v1/status"), "the gateway's pages again")
        again = Installer(url, keys.tablet_key(data)).get("")
        assert (again["in_use"], again["unfit"], again["unplaced"]) == ("walk", "", [])
        assert again["floor"]["receivers"] == places
    finally:
        gateway.stop()
    written = (
        b"".join(one.read_bytes() for one in data.iterdir() if one.is_file()) + (tmp_path / "gateway.log").read_bytes()
    )
    assert bytes.fromhex(FOB) not in written
    assert FOB.encode() not in written.lower()
