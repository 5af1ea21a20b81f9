"""Measures a tap from the card in the field to the event and to the painted page, on the emulated chip.

The real service as a process of its own, with real nfcpy, SQLite and pages; Chromium where it and playwright are
installed. Physical chips and phones are slower than the emulated ones: the figures are lower bounds.
"""

import asyncio
import contextlib
import json
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from drivers import chip, tags
from gateway import bench_nfcpy, keys
from gateway.apply import apply
from gateway.core import sealing
from gateway.core.changes import Change, ConfigPut, ConsentAdd, CredentialPut, Delta, KeyPut, MemberPut, OfferPut
from gateway.core.keyring import KeyUse
from gateway.core.model import (
    ConsentRecord,
    ConsentState,
    CredentialKind,
    Member,
    Notice,
    Offer,
    Purpose,
    ShopConfig,
)
from gateway.emulator import cards, hce, smarttap, sun, vas
from gateway.emulator.cards import Spec
from gateway.emulator.chip import Pn532Rig
from gateway.results import Result, percentile
from gateway.store import Store

TAPS = 20
REST_S = 1.5  # between two taps: longer than a phone counts as still there
LIMIT_S = 30.0
WHO = ("bench", "shop", "gw")
PEOPLE = ("m-0", "m-1")  # they take turns, so that each tap opens a dialogue of its own
READ_BY_NFCPY = ("t2", "t4")  # its own loop knows no other kind
WALLETS = ("smarttap", "vas")
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
PASS_TYPE_ID, COLLECTOR, VERSION = "pass.example.loyalty", bytes.fromhex("00012345"), 1


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to tap: `shown(n)` is what person n holds to the reader, `value(n)` what headquarters knows of it."""

    name: str
    credential: CredentialKind
    shown: Callable[[int], Spec]
    value: Callable[[int], bytes]


class _Secrets:
    """Keys for one run."""

    def __init__(self) -> None:
        self.hce, self.smarttap, self.vas = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.sun_meta, self.sun_file = secrets.token_bytes(16), secrets.token_bytes(16)

    def materials(self) -> dict[KeyUse, dict[str, object]]:
        return {
            KeyUse.HCE: {"private": _scalar(self.hce)},
            KeyUse.SMARTTAP: {"collector": COLLECTOR.hex(), "version": VERSION, "private": _scalar(self.smarttap)},
            KeyUse.VAS: {"pass_type_id": PASS_TYPE_ID, "private": _scalar(self.vas)},
            KeyUse.SUN: {"meta": self.sun_meta.hex(), "file": self.sun_file.hex()},
        }


def tap(taps: int = TAPS, baud: int = chip.BAUD) -> list[Result]:
    """Median and 95th percentile of each kind, in milliseconds. `baud`: of the line between gateway and chip."""
    with_keys = _Secrets()
    kinds = _kinds(with_keys)
    results = []
    for apple_vas in (False, True):
        chosen = [kind for kind in kinds if (kind.name == "vas") == apple_vas]
        with (
            tempfile.TemporaryDirectory() as folder,
            Pn532Rig() as rig,
            _service(Path(folder), f"{rig.path}?baud={baud}", with_keys, kinds, apple_vas) as url,
            _browser(url) as screen,
        ):
            for kind in chosen:
                results += _measure(kind, rig, url, screen, taps)
    return results


def _kinds(with_keys: _Secrets) -> tuple[Kind, ...]:
    reader = hce.compressed(with_keys.hce)
    merchant = (COLLECTOR, VERSION, with_keys.smarttap.public_key())
    return (
        Kind(
            "t2",
            CredentialKind.NDEF,
            lambda n: cards.type2(tags.encode_uri(_uri("t2", n)), uid=f"04a1b2c3d4e5f{n}"),
            lambda n: _uri("t2", n).encode(),
        ),
        Kind(
            "t4",
            CredentialKind.NDEF,
            lambda n: cards.type4(tags.encode_uri(_uri("t4", n)), uid=f"0411223344556{n}"),
            lambda n: _uri("t4", n).encode(),
        ),
        Kind(
            "hce",
            CredentialKind.HCE,
            lambda n: cards.phone([hce.spec(f"bench phone {n}", [reader], tenant=WHO[0])]),
            lambda n: hce.compressed(hce.p256_key(f"bench phone {n}")),
        ),
        Kind("sun", CredentialKind.SUN, _Tags(with_keys), lambda n: bytes.fromhex(_uid(n))),
        Kind(
            "smarttap",
            CredentialKind.PASS,
            lambda n: cards.phone([smarttap.applet([smarttap.merchant(*merchant, [_pass("google", n)])])]),
            lambda n: _pass("google", n),
        ),
        Kind(
            "vas",
            CredentialKind.PASS,
            lambda n: cards.phone(
                [
                    vas.applet(
                        [vas.nfc_pass(PASS_TYPE_ID, with_keys.vas.public_key(), _pass("apple", n))], int(time.time())
                    )
                ],
                listens="ecp",
            ),
            lambda n: _pass("apple", n),
        ),
    )


class _Tags:
    """Two NTAG 424 DNA whose counters go on from tap to tap."""

    def __init__(self, with_keys: _Secrets) -> None:
        self._keys = with_keys
        self._counter = 0

    def __call__(self, n: int) -> Spec:
        self._counter += 100
        applet = sun.spec(_uid(n), self._keys.sun_meta, self._keys.sun_file, counter=self._counter)
        return cards.phone([applet], uid=_uid(n), think_ms=0)


def _measure(kind: Kind, rig: Pn532Rig, url: str, screen: Any, taps: int) -> list[Result]:
    watch = _Stream(url)
    event_ms, painted_ms = [], []
    for number in range(taps + taps % 2):  # even, so that the next kind does not begin with whom this one ended
        if screen is not None:
            screen.evaluate(_WATCH)
        time.sleep(REST_S)
        watch.forget()
        at_ms = rig.present(kind.shown(number % len(PEOPLE))) / 1e6
        event_ms.append(watch.next_ms() - at_ms)
        if screen is not None:
            skew_ms = time.time() * 1000 - time.monotonic_ns() / 1e6
            seen = screen.wait_for_function("() => window.seen.find(([, id]) => id)", timeout=LIMIT_S * 1000)
            painted_ms.append(seen.json_value()[0] - at_ms - skew_ms)
        rig.remove()
    watch.close()
    wallet = kind.name in WALLETS
    goals = (200, 400) if wallet else (150, 300)
    results = []
    nfcpy_ms = (
        bench_nfcpy.message_ms(lambda n: kind.shown(n % len(PEOPLE)), taps, REST_S)
        if kind.name in READ_BY_NFCPY
        else []
    )
    for what, values, goal, peer_ms in (("event", event_ms, goals[0], nfcpy_ms), ("painted", painted_ms, goals[1], [])):
        for name, share, wanted in (("median", 0.5, "-"), ("p95", 0.95, f"under {goal}")):
            if values:
                peers = {"nfcpy connect": percentile(peer_ms, share)} if peer_ms else {}
                value = percentile(values, share)
                results.append(Result(f"{what}_{name}_ms.{kind.name}", value, "ms", wanted, peers))
    return results


# When the page said, after the paint, which dialogue it shows; in milliseconds of the wall clock.
_WATCH = """() => {
  const root = document.documentElement;
  window.seen = [];
  const before = root.dataset.dialogue || "";
  window.watch?.disconnect();
  window.watch = new MutationObserver(() => {
    const id = root.dataset.dialogue || "";
    if (id && id !== before) window.seen.push([Date.now(), id]);
  });
  window.watch.observe(root, {attributes: true, attributeFilter: ["data-dialogue"]});
}"""


class _Stream:
    """The screen's event stream as any client reads it, and when the last dialogue came."""

    def __init__(self, url: str) -> None:
        self._answer = urllib.request.urlopen(f"{url}/api/v1/screens/bench/stream", timeout=LIMIT_S)
        self._last = ""
        self._seen_ms: float | None = None
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def forget(self) -> None:
        with self._news:
            self._seen_ms = None

    def next_ms(self) -> float:
        """Monotonic milliseconds at which the next dialogue came. Raises TimeoutError."""
        with self._news:
            if not self._news.wait_for(lambda: self._seen_ms is not None, LIMIT_S):
                raise TimeoutError("the tap opened no dialogue")
            assert self._seen_ms is not None
            return self._seen_ms

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._answer.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed
            for line in self._answer:
                at_ms = time.monotonic_ns() / 1e6
                if line.startswith(b"data:"):
                    self._take(json.loads(line[5:]), at_ms)

    def _take(self, data: dict[str, Any], at_ms: float) -> None:
        dialogue = data.get("dialogue") or {}
        with self._news:
            if dialogue.get("step") == "offer" and dialogue["dialogue_id"] != self._last:
                self._last, self._seen_ms = dialogue["dialogue_id"], at_ms
                self._news.notify_all()


@contextlib.contextmanager
def _service(folder: Path, port: str, with_keys: _Secrets, kinds: tuple[Kind, ...], apple_vas: bool) -> Iterator[str]:
    tenant, store, gateway = WHO
    http, config = _free_port(), folder / "gateway.toml"
    config.write_text(
        f'[gateway]\ntenant = "{tenant}"\nstore = "{store}"\nid = "{gateway}"\ndata_dir = "{folder / "data"}"\n'
        f"[http]\nport = {http}\n[nfc]\napple_vas = {str(apple_vas).lower()}\n"
        f'[[source]]\npath = "nfc:{port}"\nreceiver = "bench"\n'
        '[[receiver]]\nid = "bench"\nzone = "bench"\nscreen = "bench"\n[[screen]]\nid = "bench"\nzone = "bench"\n'
    )
    data = folder / "data"
    data.mkdir(mode=0o700)
    root_key, public = keys.site_key(data), sealing.public_key(keys.gateway_key(data))
    _fill(data, root_key, public, with_keys, kinds)
    process = subprocess.Popen([sys.executable, "-m", "gateway", "run", "--config", str(config)])
    url = f"http://127.0.0.1:{http}"
    try:
        _wait_until_it_listens(url)
        yield url
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def _fill(data: Path, root_key: bytes, public: bytes, with_keys: _Secrets, kinds: tuple[Kind, ...]) -> None:
    name, now_ms = "/".join(WHO), int(time.time() * 1000)
    text = {"de": "Frisch geröstet", "en": "Freshly roasted"}
    changes: list[Change] = [
        ConfigPut(ShopConfig(notice=Notice("1", "Muster GmbH", "privacy@muster.example", text=text))),
        OfferPut(Offer("bench", text, text)),
    ]
    for n, person in enumerate(PEOPLE):
        changes.append(MemberPut(Member(person, f"Muster{n}")))
        for purpose in (Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS):
            changes.append(
                ConsentAdd(ConsentRecord(f"{person}-{purpose}", person, purpose, ConsentState.GIVEN, 1, hq_seq=1))
            )
        for kind in kinds:
            changes.append(CredentialPut(f"{person}-{kind.name}", person, kind.credential, kind.value(n)))
    for use, material in with_keys.materials().items():
        bound = sealing.info(name, use.value, use.value, 0, None)
        sealed = sealing.seal(public, json.dumps(material).encode(), bound)
        changes.append(KeyPut(name, use.value, use, 0, None, sealed))
    store = Store(data / "gateway.db", secrets.token_hex(16), root_key)
    try:
        delta = Delta(0, 1, tuple(changes))

        async def applied() -> None:
            await store.run(lambda tx: apply(tx, delta, store.identifier_key, now_ms, name))

        asyncio.run(applied())
    finally:
        store.close()


@contextlib.contextmanager
def _browser(url: str) -> Iterator[Any]:
    """The screen's page in Chromium, or None where there is none."""
    program = next((path for path in CHROMIUM if Path(path).exists()), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1080, "height": 1920})
        page.goto(f"{url}/screen?id=bench")
        page.wait_for_selector("html[data-level]", state="attached")
        yield page
        browser.close()


def _wait_until_it_listens(url: str) -> None:
    until_s = time.monotonic() + LIMIT_S
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/api/v1/status", timeout=2) as answer:
            parts = {part["name"]: part["state"] for part in json.load(answer)["parts"]}
            if parts.get("receiver:bench") == "ok":
                return
        time.sleep(0.1)
    raise TimeoutError("the service does not listen")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _scalar(key: ec.EllipticCurvePrivateKey) -> str:
    return f"{key.private_numbers().private_value:064x}"


def _uri(kind: str, n: int) -> str:
    return f"https://card.example/{kind}/{n}"


def _uid(n: int) -> str:
    return f"04c0ffee4242{n:02x}"


def _pass(wallet: str, n: int) -> bytes:
    return f"M-{wallet}-{n:06d}".encode()
