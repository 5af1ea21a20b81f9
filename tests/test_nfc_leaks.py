"""Taps leave no trace: a crowd taps at two readers of the real service, then every byte that came out is searched.

Broker, headquarters and gateway are processes of their own; the readers are emulated chips. Nothing of a stranger may
be anywhere, and nothing of a member's card but in headquarters' own orders and in the message that binds a new one.
"""

import contextlib
import http.cookiejar
import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers import cards
from drivers.people import population
from gateway import keys
from gateway.core.changes import CredentialPut
from gateway.core.model import CredentialKind
from gateway.emulator import cards as emulated
from gateway.emulator.cards import Spec
from gateway.emulator.chip import Pn532Rig
from sync import messages
from sync.hq import service
from tests.rigs import tapping, traces
from tests.rigs.leaks import search
from tests.rigs.system import System, post, wait_for
from tests.rigs.wiretap import Wiretap

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

MEMBER, OTHER = "m-001", "m-002"  # they allow everything
NEW_PHONE, NEW_CHIP = 1_001, 1_013  # an app's key and a chip's number that are bound on the way
SEEN_S, GAP_S, PHONE_GAP_S = 3.0, 0.3, cards.PHONE_HOLD_MS / 1000 + 0.3
# Numbers of 4 bytes, too short for a mark: searched for as text only, four equal bytes turn up anywhere.
SHORT_UIDS = ("5a6b7c8d", "5eed0102", "085eed42", "08f00ba4", "d15ea5ed")
TABLES = """
[nfc]
apple_vas = true
chip_numbers = true
[[source]]
path = "nfc:{bar}"
receiver = "bar-nfc"
[[source]]
path = "nfc:{side}"
receiver = "side-nfc"
[[receiver]]
id = "bar-nfc"
zone = "coffee"
screen = "bar"
[[receiver]]
id = "side-nfc"
zone = "entrance"
screen = "hall"
door = true
till = "till-1"
[[screen]]
id = "bar"
zone = "coffee"
[[screen]]
id = "hall"
zone = "entrance"
"""


@dataclass
class Evidence:
    """What came out, by where it was found; and what may not be in it."""

    hay: dict[str, bytes] = field(default_factory=dict)
    strangers: set[int] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    items: set[bytes] = field(default_factory=set)  # of strangers
    codes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, where: str, data: bytes) -> None:
        """Several pieces of one kind are kept apart, equal ones once."""
        if data and data not in self.hay.values():
            self.hay[f"{where} {len(self.hay)}"] = data


class Hand:
    """Holds cards before one of the readers."""

    def __init__(self, system: System, rig: Pn532Rig, evidence: Evidence) -> None:
        self._system, self._rig, self._evidence = system, rig, evidence

    def tap(self, spec: Spec, drop_after: int | None = None) -> list[tuple[bytes, bytes]]:
        """What was said, when it is over: it was delivered, or was no news."""
        before, until_s = self._taps(), time.monotonic() + SEEN_S
        self._rig.present(spec, drop_after)
        while self._taps() == before and time.monotonic() < until_s:
            time.sleep(0.03)
        said = self._rig.apdus()
        self._rig.remove()
        time.sleep(PHONE_GAP_S if spec["uid"] is None or spec["uid"].startswith("08") else GAP_S)
        return said

    def stranger(self, number: int) -> None:
        held = tapping.stranger(number)
        self._evidence.items.update(held.items, tapping.said(self.tap(held.spec, held.drop_after)))
        self._evidence.strangers.add(number)
        self._evidence.kinds.add(held.kind)

    def _taps(self) -> int:
        counts = self._system.counts()
        return sum(count for name, count in counts.items() if name.startswith(("nfc.", "binding.")))


class Watchers:
    """Read all that the gateway shows, while it runs: streams, status, tills, and its write-ahead log."""

    def __init__(self, system: System, evidence: Evidence) -> None:
        self._system, self._evidence, self._stop = system, evidence, threading.Event()
        self.dialogue: dict[str, Any] = {}  # at the bar
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        signed_in = urllib.request.build_opener(jar)
        signed_in.open(system.tablet_url, timeout=10).close()
        paths = ("screens/bar/stream", "screens/hall/stream", "tablet/stream")
        self._streams = [signed_in.open(f"{system.url}/api/v1/{path}", timeout=60) for path in paths]
        works = [lambda s=s, p=p: self._read(s, p) for s, p in zip(self._streams, paths, strict=True)]
        self._threads = [threading.Thread(target=work) for work in (*works, self._look)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """After the gateway has ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        for stream in self._streams:
            stream.close()

    def _read(self, stream: Any, path: str) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            for line in stream:
                self._evidence.add(f"stream {path}", line)
                if (
                    path == "screens/bar/stream"
                    and line.startswith(b"data:")
                    and "level" in (body := json.loads(line[5:]))
                ):
                    self.dialogue = body["dialogue"] or {}  # a beat says nothing of it

    def _look(self) -> None:
        till = urllib.request.Request(f"{self._system.url}/api/v1/tills/till-1")
        till.add_header("Authorization", f"Bearer {keys.tablet_key(self._system.data)}")
        while not self._stop.wait(0.1):
            for place in (f"{self._system.url}/api/v1/status", f"{self._system.url}/healthz", till):
                with contextlib.suppress(OSError), urllib.request.urlopen(place, timeout=5) as answer:
                    self._evidence.add("page", answer.read())
            with contextlib.suppress(FileNotFoundError):
                self._evidence.add("write-ahead log", (self._system.data / "gateway.db-wal").read_bytes())


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    folder = tmp_path_factory.mktemp("taps")
    found = Evidence()
    own = tapping.members()
    ops = population(1, 4)
    for at, (one, who) in enumerate(zip(own, itertools.cycle((MEMBER, OTHER)), strict=False)):
        ops.append(messages.op_of(CredentialPut(f"{who}-tap-{at}", who, one.kind, one.value)))
    with Pn532Rig() as bar, Pn532Rig() as side:
        with System(folder, TABLES.format(bar=bar.path, side=side.path), ops) as system:
            wire = Wiretap(system.broker.port)
            push_keys(system)
            hands = Hand(system, bar, found), Hand(system, side, found)
            one_run(system, found, hands, own, 0, binds=True)
            system.config.write_text(system.config.read_text().replace("chip_numbers = true", "chip_numbers = false"))
            system.gateway.start()
            system.wait_ready()
            one_run(system, found, hands, own, tapping.KINDS)
            wait_for(lambda: system.gateways(), "headquarters")
            wire.close()
        for path in folder.rglob("*"):
            if path.is_file() and path.name != "members.jsonl":
                found.hay[str(path.relative_to(folder))] = path.read_bytes()
    found.hay |= {f"mqtt message {number}": payload for number, payload in enumerate(wire.payloads)}
    yield found


def push_keys(system: System) -> None:
    """The shop's keys, from operators' files to the readers."""
    files = system.folder.parent / f"{system.folder.name}-keys"
    files.mkdir()
    for use, material in tapping.materials().items():
        path = files / f"{use}.json"
        row = {"key_id": f"{use}-1", "use": use, "from": "2020-01-01T00:00:00+00:00", "until": None}
        path.touch(0o600)
        path.write_text(json.dumps(row | {"material": material}))
        assert service.push_key(system.hq_db, path, "all") == (1, [])
    system.wait_ready()


def one_run(
    system: System,
    found: Evidence,
    hands: tuple[Hand, Hand],
    own: list[tapping.Own],
    first: int,
    binds: bool = False,
) -> None:
    """One life of the gateway: strangers of each kind at both readers at once, members in between, codes at the bar."""
    for receiver in ("bar-nfc", "side-nfc"):
        wait_for(lambda receiver=receiver: system.receiver_is_up(receiver), receiver)
    watchers = Watchers(system, found)

    def crowd(hand: Hand, numbers: range) -> None:
        for at, number in enumerate(numbers):
            hand.stranger(number)
            if at % 3 == 2:
                hand.tap(own[at // 3 % len(own)].shown(number))

    half = first + tapping.KINDS // 2
    numbers = range(first + 1, half + 1), range(half + 1, first + tapping.KINDS + 1)
    aside = threading.Thread(target=crowd, args=(hands[1], numbers[1]))
    aside.start()
    crowd(hands[0], numbers[0])
    aside.join()
    for uid in SHORT_UIDS:
        hands[0].tap(emulated.phone([], uid) if uid.startswith("08") else emulated.classic(uid))
    if binds:
        bind(system, watchers, found, hands[0], own)
    for name, count in system.counts().items():
        found.counts[name] = found.counts.get(name, 0) + count
    assert system.gateway.stop() == 0
    watchers.close()


def bind(system: System, watchers: Watchers, found: Evidence, hand: Hand, own: list[tapping.Own]) -> None:
    """Two codes at the bar, and around each what must not be bound."""
    for bindings, number in enumerate((NEW_PHONE, NEW_CHIP)):
        code = service.bind(system.hq_db, MEMBER, 10, time.time_ns() // 1_000_000)
        found.codes.append(code)
        system.wait_ready()
        hand.stranger(2 * tapping.KINDS + 1)
        at_step(watchers, "join")
        post(f"{system.url}/api/v1/screens/bar/answer", {"dialogue_id": dialogue(watchers), "choice": "code"})
        at_step(watchers, "code")
        hand.stranger(2 * tapping.KINDS + 2)  # before the code is typed: seen by nobody
        assert at_step(watchers, "code")
        typed = {"dialogue_id": dialogue(watchers), "code": code}
        assert post(f"{system.url}/api/v1/screens/bar/code", typed)["result"] == "ok"
        at_step(watchers, "hold")
        hand.tap(emulated.phone([], SHORT_UIDS[2]))  # a phone with nothing but its random number
        hand.stranger(2 * tapping.KINDS + 16)  # forged
        hand.tap(own[1].shown(1))  # somebody has it already
        hand.stranger(2 * tapping.KINDS + 18)  # torn
        hand.tap(tapping.stranger(number).spec)
        at_step(watchers, "bound")
        wait_for(lambda before=bindings: bound(system) > before, "headquarters to know the new card")
        system.wait_ready()
    wait_for(lambda: not holds_new_phone(system.data), "the new phone to leave the disk", 20)


def holds_new_phone(data: Path) -> bool:
    [key] = tapping.stranger(NEW_PHONE).items
    return any(key.hex().encode() in file.read_bytes() for file in data.iterdir() if file.is_file())


def at_step(watchers: Watchers, step: str) -> bool:
    return bool(wait_for(lambda: watchers.dialogue.get("step") == step, f"the step {step}", 20))


def dialogue(watchers: Watchers) -> str:
    return str(watchers.dialogue["dialogue_id"])


def bound(system: System) -> int:
    return sum(event["type"] == "credential.bound" for event in system.events())


def part(hay: dict[str, bytes], *, of: Callable[[str, bytes], bool]) -> dict[str, bytes]:
    return {name: data for name, data in hay.items() if of(name, data)}


def is_an_order(name: str, data: bytes) -> bool:
    """Headquarters' own: it knows what its members carry."""
    return name.startswith("hq.db") or b"/down/" in data.split(b"\n", 1)[0]


def strangers_items(evidence: Evidence) -> set[bytes]:
    short = {bytes.fromhex(uid) for uid in SHORT_UIDS}
    new_chip = {bytes.fromhex(tapping.uid(NEW_CHIP))}
    marked = {bytes.fromhex(tapping.uid(number)) for number in evidence.strangers}
    return evidence.items | short | new_chip | marked | {tapping.text(number).encode() for number in evidence.strangers}


def members_items() -> set[bytes]:
    own = {one.value for one in tapping.members()}
    return own | {one.value[-32:] for one in tapping.members() if one.kind is CredentialKind.HCE}


def test_everybody_came_and_was_told_apart(evidence: Evidence) -> None:
    assert len(evidence.kinds) == tapping.KINDS
    counts = evidence.counts
    print(f"\n{counts}\n{len(evidence.hay)} pieces of {sum(map(len, evidence.hay.values()))} bytes")
    assert counts["nfc.strangers"] > 20 and counts["nfc.taps"] >= 10
    for reason in ("hce.no_common_key", "signed.signature", "sun.picc"):
        assert counts[f"nfc.refused.{reason}"] >= 1
    assert counts["binding.bound"] == 2
    assert "supervisor.crashes" not in counts
    for where in ("stream screens/bar", "stream screens/hall", "stream tablet", "page", "write-ahead", "mqtt", "data/"):
        assert any(name.startswith(where) for name in evidence.hay)
    assert any(b'"sale' in data or b"may_redeem" in data for name, data in evidence.hay.items() if "page" in name)
    assert not any(b"Traceback" in data for name, data in evidence.hay.items() if name.endswith(".log"))


def test_nothing_of_a_stranger_is_anywhere(evidence: Evidence) -> None:
    assert len(evidence.items) > 60
    marked = {name: traces.found(data) for name, data in evidence.hay.items()}
    assert {name: who - {NEW_PHONE} for name, who in marked.items() if who - {NEW_PHONE}} == {}
    assert search(evidence.hay, strangers_items(evidence)) == []


def test_a_members_card_is_in_headquarters_orders_only(evidence: Evidence) -> None:
    """That it is found there shows that the search would find it elsewhere."""
    elsewhere = part(evidence.hay, of=lambda name, data: not is_an_order(name, data))
    assert search(elsewhere, members_items()) == []
    orders = part(evidence.hay, of=is_an_order)
    for item in members_items():
        assert search(orders, [item]) != []


def test_a_new_phone_is_in_the_message_that_binds_it_only(evidence: Evidence) -> None:
    """Until headquarters has it, that message waits on the disk. A chip's number is in no message at all."""
    [key] = tapping.stranger(NEW_PHONE).items
    holding = part(evidence.hay, of=lambda name, data: bool(search({name: data}, [key])))
    print(f"\nthe new phone's key is in {sorted(holding)}")
    assert any(b"credential.bound" in data and name.startswith("mqtt") for name, data in holding.items())
    for name, data in holding.items():
        assert is_an_order(name, data) or name.startswith("write-ahead") or b"credential.bound" in data
    assert not any(name.startswith("data/") for name in holding)


def test_a_one_time_code_rests_at_headquarters_only(evidence: Evidence) -> None:
    resting = part(evidence.hay, of=lambda name, _: name.startswith(("data/", "write-ahead", "gateway.log")))
    assert len(resting) > 5 and len(evidence.codes) == 2
    for code in evidence.codes:
        assert not any(code.encode() in data for data in resting.values())
        assert any(code.encode() in data for name, data in evidence.hay.items() if is_an_order(name, data))


@pytest.mark.parametrize("where", ["data/gateway.db", "gateway.log", "mqtt message 2"])
def test_the_search_finds_a_planted_leak(evidence: Evidence, where: str) -> None:
    hay = evidence.hay[where]
    uid, text = bytes.fromhex(tapping.uid(3)), tapping.text(3)
    leaks = (uid, uid.hex().encode(), uid[::-1], uid.hex(":").upper().encode(), repr(uid).encode(), text.encode())
    for leak in (*leaks, tapping.stranger(2).items[0] if tapping.stranger(2).items else leaks[0]):
        assert search({where: hay[:50] + leak + hay[50:]}, [*strangers_items(evidence), uid, text.encode()]) != []
    assert traces.found(hay[:50] + uid.hex().encode() + hay[50:]) == {3}
