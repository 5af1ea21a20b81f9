"""Everything real from the emulated chip to the store: cards and phones of every kind, and the shop that knows them."""

import asyncio
import hashlib
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers import tags
from drivers.ears import Ears
from drivers.nfc import NfcSource
from drivers.talk import Outcome, Terminal
from gateway import keys
from gateway.apply import apply
from gateway.config import NfcTable, SourceTable
from gateway.core import keyring, tagid
from gateway.core.changes import Change, ConsentAdd, CredentialPut, Delta
from gateway.core.keyring import Held, Keyring, KeyUse
from gateway.core.model import CredentialKind, Purpose, Sighting, Tap
from gateway.emulator import cards, hce, smarttap, sun, vas
from gateway.emulator.cards import Spec
from gateway.emulator.chip import Pn532Rig
from gateway.health import Health
from gateway.store import Store
from tests.rigs import terminalkeys
from tests.rigs.broker import free_port
from tests.rigs.shop import START_MS, Shop, basics, member, open_shop
from tests.rigs.system import Process, counts, get, wait_for
from tests.rigs.wallets import key as p256

LIMIT_S = 60  # a loaded CI machine; an idle one needs 5 s at most
PEOPLE = ("anna", "boris")
READERS = ("coffee-nfc", "door-nfc")  # each has a screen of its own: bar, hall
SCREENS = {"coffee-nfc": "bar", "door-nfc": "hall"}
PLACE = "acme/munich-1"
TENANT = "acme"

# --- keys -----------------------------------------------------------------------------------------------------

HCE_KEY, WALLET_KEY, APPLE_KEY = p256("tap test hce"), p256("tap test smart tap"), p256("tap test vas")
META, FILE = (hashlib.sha256(f"tap test {name}".encode()).digest()[:16] for name in ("meta", "file"))
ISSUER = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"tap test issuer").digest())
COLLECTOR, PASS_TYPE = bytes.fromhex("00012345"), "pass.example.loyalty"


def _scalar(private: Any) -> str:
    return f"{private.private_numbers().private_value:064x}"


MATERIALS: dict[KeyUse, dict[str, object]] = {
    KeyUse.HCE: {"private": _scalar(HCE_KEY)},
    KeyUse.SMARTTAP: {"collector": COLLECTOR.hex(), "version": 1, "private": _scalar(WALLET_KEY)},
    KeyUse.VAS: {"pass_type_id": PASS_TYPE, "private": _scalar(APPLE_KEY)},
    KeyUse.SUN: {"meta": META.hex(), "file": FILE.hex()},
    KeyUse.TAG: {"key_id": "a1", "public": ISSUER.public_key().public_bytes_raw().hex()},
}


def held() -> Keyring:
    """All keys, as the gateway holds them once they are opened."""
    return Keyring(Held(use, 0, None, keyring.parse(use, json.dumps(one).encode())) for use, one in MATERIALS.items())


# --- what people hold -----------------------------------------------------------------------------------------


def uri(kind: str, n: int) -> str:
    return f"https://card.example/{kind}/{n}"


def uid(kind: str, n: int) -> str:
    """7 bytes of its own for each card."""
    return f"04{hashlib.sha256(kind.encode()).hexdigest()[:10]}{n:02x}"


def issued(n: int) -> str:
    return tagid.issue(ISSUER, "a1", f"M-{n:06d}", "https://card.example/s", bytes.fromhex(uid("signed", n)))


def google(n: int) -> bytes:
    return f"G-{n:06d}".encode()


def apple(n: int) -> bytes:
    return f"A-{n:06d}".encode()


class Kinds:
    """What each kind of tap looks like. `unix_s`: the phones' clock. `seed`: the same bytes each time, "" = random."""

    def __init__(self, unix_s: Callable[[], int] = lambda: START_MS // 1000, seed: str = "") -> None:
        self._unix_s = unix_s
        self._seed = seed
        self._counters = itertools.count(0, 100)  # no tap of these tests reads a tag a hundred times
        self.shown: dict[str, Callable[[int], Spec]] = {
            "t2": lambda n: cards.type2(tags.encode_uri(uri("t2", n)), uid=uid("t2", n)),
            "t4": lambda n: cards.type4(tags.encode_uri(uri("t4", n)), uid=uid("t4", n)),
            "hce": self._hce,
            "sun": lambda n: self.sun(n, next(self._counters)),
            "smarttap": lambda n: cards.phone([smarttap.applet([_merchant(google(n))], seed=self._seed)]),
            "vas": lambda n: cards.phone([self._vas(n)], listens="ecp"),
            "signed": lambda n: cards.type2(tags.encode_uri(issued(n)), uid=uid("signed", n), chip="ntag215"),
            "uid": lambda n: cards.type2(None, uid=uid("uid", n)),
        }

    def sun(self, n: int, counter: int) -> Spec:
        """A tag that had so many taps."""
        return cards.phone(
            [sun.spec(uid("sun", n), META, FILE, counter=counter, seed=self._seed)], uid=uid("sun", n), think_ms=0
        )

    def _hce(self, n: int) -> Spec:
        reader = hce.compressed(HCE_KEY)
        return cards.phone([hce.spec(f"phone {n}", [reader], tenant=TENANT, ephemeral=self._seed)])

    def _vas(self, n: int) -> Spec:
        return vas.applet([vas.nfc_pass(PASS_TYPE, APPLE_KEY.public_key(), apple(n))], self._unix_s(), seed=self._seed)


def _merchant(value: bytes, collector: bytes = COLLECTOR) -> Spec:
    return smarttap.merchant(collector, 1, WALLET_KEY.public_key(), [value])


def values(n: int) -> dict[str, tuple[CredentialKind, bytes]]:
    """What headquarters knows of a person, by kind of tap."""
    return {
        "t2": (CredentialKind.NDEF, uri("t2", n).encode()),
        "t4": (CredentialKind.NDEF, uri("t4", n).encode()),
        "hce": (CredentialKind.HCE, hce.compressed(hce.p256_key(f"phone {n}"))),
        "sun": (CredentialKind.SUN, bytes.fromhex(uid("sun", n))),
        "smarttap": (CredentialKind.PASS, google(n)),
        "vas": (CredentialKind.PASS, apple(n)),
        "signed": (CredentialKind.SIGNED, f"M-{n:06d}".encode()),
        "uid": (CredentialKind.CHIP, bytes.fromhex(uid("uid", n))),
    }


def known() -> tuple[Change, ...]:
    """Two people with a credential of each kind.

    And a third one, to whom the chip numbers of their better cards belong: whoever takes a weaker proof where a
    stronger one failed welcomes the wrong person.
    """
    changes: list[Change] = []
    for name in (*PEOPLE, "wrong"):
        changes += member(name, Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS, Purpose.PUBLIC_PERSONAL_GREETING)
    for n, name in enumerate(PEOPLE):
        changes += [CredentialPut(f"{name}-{kind}", name, *value) for kind, value in values(n).items()]
        for kind in ("t2", "t4", "sun", "signed"):
            number = bytes.fromhex(uid(kind, n))
            changes.append(CredentialPut(f"wrong-{kind}-{n}", "wrong", CredentialKind.CHIP, number))
    return tuple(changes)


# --- a shop in this process -----------------------------------------------------------------------------------


class _Noted(Health):
    """Keeps when each state was set, in time.monotonic_ns()."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[tuple[int, str, str]] = []

    def set(self, name: str, state: Any, now_ms: int, detail: str = "", action: str = "") -> None:
        self.states.append((time.monotonic_ns(), name.removeprefix("receiver:"), state))
        super().set(name, state, now_ms, detail, action)


class _NotingEars(Ears):
    def __init__(self, counter: "Counter", *more: Any, **options: Any) -> None:
        super().__init__(*more, **options)
        self._counter = counter

    def presented(self, reader: str, outcome: Outcome) -> None:
        self._counter.outcomes.append((time.monotonic_ns(), reader, outcome))
        super().presented(reader, outcome)


class Counter:
    """Readers, ears, resolver, flow and store; keeps what was presented and tapped, with time.monotonic_ns()."""

    def __init__(self, shop: Shop, nfc: NfcTable, random: Callable[[int], bytes]) -> None:
        self.shop = shop
        self.health = _Noted()
        self.outcomes: list[tuple[int, str, Outcome]] = []
        self.taps: list[tuple[int, Tap]] = []
        terminal = Terminal(PLACE, shop.clock, random, nfc)
        terminal.keyring = held()
        self.ears = _NotingEars(self, shop.resolver, self, shop.clock, self.health, terminal=terminal)

    def tapped(self, tap: Tap) -> None:
        self.taps.append((time.monotonic_ns(), tap))
        self.shop.flow.tapped(tap)

    def awaits(self, reader: str) -> bool:
        return self.shop.flow.awaits(reader)

    def sighted(self, sighting: Sighting) -> None:
        raise AssertionError("there is no radio here")

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        raise AssertionError("there is no radio here")

    def run(self, reader: str, rig: Pn532Rig) -> "asyncio.Task[None]":
        table = SourceTable(path=f"nfc:{rig.path}", receiver=reader)
        return asyncio.create_task(NfcSource(table, self.ears, self.shop.clock, self.health).run())

    def members(self, since: int = 0) -> list[str]:
        """Who was recognised, tap by tap."""
        return [tap.member_id for _, tap in self.taps[since:] if tap.member_id is not None]

    def state(self, reader: str) -> str | None:
        return next((state for _, name, state in reversed(self.health.states) if name == reader), None)

    @property
    def counts(self) -> dict[str, int]:
        return self.health.counts | self.shop.health.counts

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait, but never for ever: this is what "no hang" means here."""
        deadline_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline_s, f"waited {LIMIT_S} s for {what}; {self.counts}"
            await asyncio.sleep(0.004)


@asynccontextmanager
async def counter(
    folder: Path,
    *rigs: Pn532Rig,
    nfc: NfcTable | None = None,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> AsyncIterator[Counter]:
    """A shop that knows `known()`, with a reader for each rig, all listening."""
    shop = await open_shop(folder, *known())
    made = Counter(shop, nfc or NfcTable(apple_vas=True, chip_numbers=True), random)
    pairs = list(zip(READERS, rigs, strict=False))
    running = [made.run(reader, rig) for reader, rig in pairs]
    try:
        for reader, _ in pairs:
            await made.until(lambda r=reader: made.state(r) == "ok", "the reader")
        yield made
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError):
                await task
        await shop.settle()
        await shop.store.run(lambda tx: None)
        shop.store.close()


# --- the service as a process of its own ------------------------------------------------------------------------


@dataclass
class Service:
    """A gateway without headquarters, whose store was filled before."""

    data: Path
    url: str
    process: Process

    def status(self) -> dict[str, Any]:
        return get(f"{self.url}/api/v1/status") or {}

    def counts(self) -> dict[str, int]:
        return counts(self.data)

    def wait_ready(self, reader: str = "coffee-nfc") -> None:
        def listens() -> bool:
            parts = {part["name"]: part["state"] for part in self.status().get("parts", [])}
            return parts.get(f"receiver:{reader}") == "ok"

        wait_for(listens, "the reader to listen")

    def restart(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """SIGKILL, and a new process on the same files."""
        self.process.kill()
        meanwhile()
        self.process.start()
        self.wait_ready()


@contextmanager
def service(folder: Path, rig: Pn532Rig, apple_vas: bool = False) -> Iterator[Service]:
    """A running service with one reader, which listens."""
    tenant, store = PLACE.split("/")
    name, data, port = f"{PLACE}/gw-1", folder / "data", free_port()
    config = folder / "gateway.toml"
    config.write_text(
        f'[gateway]\ntenant = "{tenant}"\nstore = "{store}"\nid = "gw-1"\ndata_dir = "{data}"\n'
        f"[http]\nport = {port}\n[nfc]\napple_vas = {str(apple_vas).lower()}\n"
        f'[[source]]\npath = "nfc:{rig.path}"\nreceiver = "coffee-nfc"\n'
        '[[receiver]]\nid = "coffee-nfc"\nzone = "coffee"\nscreen = "bar"\n[[screen]]\nid = "bar"\nzone = "coffee"\n'
    )
    data.mkdir(mode=0o700)
    _fill(data, name)
    made = Service(data, f"http://127.0.0.1:{port}", Process(["run", "--config", str(config)], folder / "gateway.log"))
    made.process.start()
    try:
        made.wait_ready()
        yield made
    finally:
        made.process.stop()


def _fill(data: Path, name: str) -> None:
    """The people and the sealed keys, as headquarters' first delta would bring them."""
    root_key, private = keys.site_key(data), keys.gateway_key(data)
    sealed = [
        terminalkeys.sealed(use.value, use, gateway=name, private=private, content=json.dumps(material).encode())
        for use, material in MATERIALS.items()
    ]
    long_ago = [
        ConsentAdd(replace(one.record, given_at_ms=1)) if isinstance(one, ConsentAdd) else one for one in known()
    ]
    delta = Delta(0, 1, (*basics(), *long_ago, *sealed))
    store = Store(data / "gateway.db", secrets.token_hex(16), root_key)

    async def applied() -> None:
        await store.run(lambda tx: apply(tx, delta, store.identifier_key, START_MS, name))

    try:
        asyncio.run(applied())
    finally:
        store.close()
