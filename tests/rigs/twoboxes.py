"""A shop with two boxes, its broker and headquarters as real processes: on loopback, or each box at a cable of its own
that can be pulled.

Members walk in by a recording that both boxes play, so that both hear the same radios; a till redeems single-use
coupons all the while, at whichever box answers, and shows each of them twice more.
"""

import ctypes
import http.client
import json
import os
import secrets
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from drivers import frames
from drivers.people import people, population
from gateway import broker
from gateway.core import coupon
from gateway.core.model import CredentialKind
from sync import ops
from sync.hq import service
from tests.rigs.broker import free_port
from tests.rigs.coupons import HQ, RULES, put
from tests.rigs.network import inside, ip, namespace
from tests.rigs.system import Process, wait_for

MEMBERS = 60  # a third has a beacon that the recording can play
ZONES = [f"zone-{number}" for number in range(MEMBERS // 3)]  # one for each: what a screen says then is theirs
HEARD_EVERY_MS, ARRIVES_EVERY_MS, RECORDED_MS = 400, 1_000, 300_000
LATER_S = 7 * 86_400  # well before the ledger forgets
SWITCH = "192.168.78.1"


@dataclass
class Box:
    name: str
    folder: Path
    host: str
    port: int
    process: Process
    cable: str = ""

    @property
    def data(self) -> Path:
        return self.folder / "data"


@dataclass
class Told:
    """What the till was told. `committed`: by coupon, how often; `longest_s`: the longest wait for an answer."""

    committed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    longest_s: float = 0.0


class Shop:
    """`with Shop(folder, cables=True) as shop`: both boxes up, and one of them serves."""

    def __init__(self, folder: Path, *, cables: bool) -> None:
        self._folder = folder
        self._cables = cables
        self._ends = ExitStack()
        self._port = free_port()
        self.told = Told()
        self._stop = threading.Event()
        self.failed: list[BaseException] = []

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def _begin(self) -> None:
        switch, cables = self._lay() if self._cables else (0, [0, 0])
        at = ["127.0.0.1"] * 2 if not self._cables else ["192.168.78.2", "192.168.78.3"]
        middle = SWITCH if self._cables else "127.0.0.1"
        self._near = ThreadPoolExecutor(8, initializer=_enter, initargs=(switch,))
        self._ends.callback(self._near.shutdown)
        self._switch = switch
        self._start_broker(middle, switch)
        self.hq_db = self._folder / "hq.db"
        self._import()
        hq = ["hq", "serve", "--db", str(self.hq_db), "--port", str(free_port()), "--mqtt-port", str(self._port)]
        self.hq = Process(
            [*hq, "--mqtt-host", middle], self._folder / "hq.log", inside=inside(switch) if switch else ()
        )
        self._ends.callback(self.hq.stop)
        self.hq.start()
        recording = self._record()
        secret = self._folder / "secret"
        secret.write_text(secrets.token_hex(32))
        self.boxes = [self._box(number, at[number], middle, cables[number], recording, secret) for number in range(2)]
        for box in self.boxes:
            self._ends.callback(box.process.stop)
            box.process.start()
        wait_for(lambda: self.serving(), "one of the two to serve")

    def _box(self, number: int, host: str, middle: str, cable: int, recording: Path, secret: Path) -> Box:
        name, other = ("gw1", "gw2")[number], ("gw2", "gw1")[number]
        folder = self._folder / name
        folder.mkdir()
        port, config, data = free_port(), folder / "gateway.toml", folder / "data"
        config.write_text(
            f'[gateway]\ntenant = "acme"\nstore = "munich-1"\nid = "{name}"\ndata_dir = "{data}"\n'
            f'[http]\nhost = "{"0.0.0.0" if cable else host}"\nport = {port}\n'
            f'[mqtt]\nhost = "{middle}"\nport = {self._port}\n'
            f'[standby]\nhost = "{middle}"\nport = {self._port}\nother = "{other}"\nsecret_file = "{secret}"\n'
            f"preferred = {'true' if number == 0 else 'false'}\n"
            f'[[source]]\npath = "replay:{recording}"\n'
            + "".join(
                f'[[receiver]]\nid = "ble-{zone}"\nzone = "{zone}"\n[[screen]]\nid = "{zone}"\nzone = "{zone}"\n'
                for zone in ZONES
            )
            + '[[receiver]]\nid = "till-nfc"\nzone = "till"\ntill = "till-1"\n'
        )
        before = inside(cable) if cable else ()
        run = Process(["run", "--config", str(config)], folder / "gateway.log", inside=before)
        return Box(name, folder, host, port, run, f"port{number}" if cable else "")

    # --- what can happen ---------------------------------------------------------------------------------------

    def serving(self) -> list[str]:
        """The boxes that say that they serve."""
        return [box.name for box in self.boxes if (self.get(box, "/api/v1/serving") or {}).get("serves")]

    def box(self, name: str) -> Box:
        return next(box for box in self.boxes if box.name == name)

    def cut(self, box: Box) -> None:
        """Pull its cable at the switch: nobody is told."""
        ip(self._switch, f"link set {box.cable} down")

    def heal(self, box: Box) -> None:
        ip(self._switch, f"link set {box.cable} up")

    def get(self, box: Box, path: str) -> Any:
        """The JSON behind a path, None while nobody answers; also of a 503."""
        return self._near.submit(_ask, box, path, None, {}).result()[1]

    def until_served_by(self, name: str) -> float:
        """How many seconds until this box serves, and never two at a time."""
        begun_s = time.monotonic()

        def look() -> bool:
            serving = self.serving()
            assert len(serving) <= 1, serving
            return serving == [name]

        wait_for(look, f"{name} to serve", 30)
        return time.monotonic() - begun_s

    # --- the till ----------------------------------------------------------------------------------------------

    def sell(self) -> None:
        """Redeem coupons until the end, each once, and try each twice more."""
        selling = threading.Thread(target=self._sell, daemon=True)
        selling.start()
        self._ends.callback(selling.join, 30)
        self._ends.callback(self._stop.set)

    def stop_selling(self) -> None:
        self._stop.set()
        time.sleep(1)

    def _sell(self) -> None:
        try:
            number = 0
            while not self._stop.is_set():
                number += 1
                text = coupon.issue(HQ, "hq", "gift", int(time.time()) + LATER_S, number.to_bytes(8))
                for time_ in range(3):
                    self._redeem(text, f"sale-{number}-{time_}")
                time.sleep(0.1)
        except BaseException as error:  # the test looks at it
            self.failed.append(error)

    def _redeem(self, text: str, key: str) -> None:
        held = self._till("/redemptions", f"{key}-hold", {"coupon": text})
        if held is None or held["result"] != "reserved":
            self.told.refused[held["reason"] if held else "stopped"] += 1
            return
        path = f"/redemptions/{held['redemption_id']}/confirm"
        sold = self._till(path, f"{key}-sold", {"receipt": key})
        if sold is not None and sold["result"] == "committed":
            self.told.committed[text] += 1
        elif sold is not None:
            self.told.refused[sold["reason"]] += 1

    def _till(self, path: str, key: str, body: object) -> dict[str, Any] | None:
        """The answer of whichever box gives one, asked under the same key; None at the end of the test."""
        self.told.asked += 1
        begun_s = time.monotonic()
        while not self._stop.is_set():
            for box in self.boxes:
                key_file = box.data / "tablet.key"
                shown = {"Idempotency-Key": key, "Authorization": f"Bearer {self._key_of(key_file)}"}
                status, answer = self._near.submit(_ask, box, f"/api/v1/tills/till-1{path}", body, shown).result()
                if status == 200:
                    self.told.longest_s = max(self.told.longest_s, time.monotonic() - begun_s)
                    return dict(answer)
                assert status in (0, 503), (status, answer)
            time.sleep(0.1)
        return None

    def _key_of(self, file: Path) -> str:
        return file.read_text().strip() if file.exists() else "none-yet"

    # --- how it is made ----------------------------------------------------------------------------------------

    def _lay(self) -> tuple[int, list[int]]:
        """A switch with two cables; skips where this machine lets none be made."""
        try:
            switch, boxes = namespace(self._ends), [namespace(self._ends) for _ in range(2)]
            ip(switch, "link add name switch type bridge")
            ip(switch, f"address add {SWITCH}/24 dev switch")
            ip(switch, "link set switch up")
            for number, box in enumerate(boxes):
                ip(switch, f"link add name port{number} master switch type veth peer name cable netns {box}")
                ip(box, f"address add 192.168.78.{number + 2}/24 dev cable")
                ip(box, "link set cable up")
                ip(switch, f"link set port{number} up")
        except (subprocess.CalledProcessError, OSError) as error:
            pytest.skip(f"no network can be made here, which needs root and iproute2: {error}")
        return switch, boxes

    def _start_broker(self, host: str, switch: int) -> None:
        program = broker.mosquitto()
        if program is None:
            pytest.skip("needs Mosquitto")
        config = self._folder / "mosquitto.conf"
        config.write_text(f"listener {self._port} {host}\nallow_anonymous true\npersistence false\nuser root\n")
        log = self._ends.enter_context((self._folder / "broker.log").open("ab"))
        before = inside(switch) if switch else []
        process = subprocess.Popen([*before, program, "-c", str(config)], stdout=log, stderr=log)
        self._ends.callback(process.wait)
        self._ends.callback(process.terminate)

    def _import(self) -> None:
        config, *rest = population(1, MEMBERS)
        config["body"] |= {"contacts_per_day": 1, "zones": {zone: {"de": zone} for zone in (*ZONES, "till")}}
        people = [one for one in rest if not one["op"].startswith("offer.")]
        gift = put("gift", interests=(), audience="everyone", priority=0)
        hello = put("hello", interests=(), value_cents=0, coupon_class="", category="coffee", public_safe=True)
        shop = [config, *people, *(ops.dump(one) for one in (RULES, gift, hello))]
        file = self._folder / "shop.jsonl"
        file.write_text("".join(json.dumps(one) + "\n" for one in shop))
        service.import_file(self.hq_db, file)

    def _record(self) -> Path:
        """Each member with a fixed beacon arrives a moment after the one before, and stays."""
        who = [one for one in people(1, MEMBERS) if one.beacon is CredentialKind.IBEACON]
        lines = [
            (
                t_ms,
                {
                    "t_ms": t_ms,
                    "receiver": f"ble-{ZONES[number]}",
                    "kind": "adv",
                    "address": "",
                    "rssi": -55,
                    "adv": ad.hex(),
                },
            )
            for number, one in enumerate(who)
            for ad in [frames.encode_ibeacon(one.beacon_bytes, -59)]
            for t_ms in range(number * ARRIVES_EVERY_MS, RECORDED_MS, HEARD_EVERY_MS)
        ]
        file = self._folder / "day.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for _, line in sorted(lines, key=lambda pair: pair[0])))
        return file


def _enter(process: int) -> None:
    """This thread goes into the namespace of that process; 0 = it stays."""
    if process:
        with Path(f"/proc/{process}/ns/net").open() as there:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(there.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _ask(box: Box, path: str, body: object, headers: dict[str, str]) -> tuple[int, Any]:
    """Status and JSON; 0 and None while nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{box.host}:{box.port}{path}", data, headers)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        return 0, None
