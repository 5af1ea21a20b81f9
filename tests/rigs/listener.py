"""Real ears over a real resolver with one member in it, a clock that stands still, and a list of what arrived."""

import time
from dataclasses import dataclass, field
from typing import Any

from drivers.ears import Ears
from gateway.core import eid
from gateway.core.identity import Resolver, static_digest
from gateway.core.model import Credential, CredentialKind, Sighting, Tap, Token
from gateway.health import Health

NOW_MS = 1_800_000_000_000
SITE_KEY = bytes(range(32))
MEMBER = "m-listener"
IDENTITY_KEY = bytes.fromhex("0102030405060708090a111213141516")
EID_NOW = eid.eid(IDENTITY_KEY, NOW_MS // 1000, 10)
IBEACON_NOW = bytes(range(100, 120))
ANCHOR = bytes(range(40, 60))
ANCHORS = {Token(CredentialKind.IBEACON, ANCHOR): "a-door"}


class StillClock:
    """A Clock that shows what `at_ms` says; sleeping is not for it."""

    speed = 1.0

    def __init__(self, at_ms: int = NOW_MS) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, ms: float) -> None:
        raise AssertionError("nobody sleeps shop time here")


class RunningClock(StillClock):
    """Begins at the same instant and runs as fast as life."""

    def __init__(self) -> None:
        super().__init__()
        self._began_s = time.monotonic()

    def now_ms(self) -> int:
        return self.at_ms + int((time.monotonic() - self._began_s) * 1000)


@dataclass
class Collector:
    sightings: list[Sighting] = field(default_factory=list)
    taps: list[Tap] = field(default_factory=list)
    anchors: list[tuple[str, str, int, int]] = field(default_factory=list)

    def sighted(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        self.anchors.append((anchor, receiver, rssi_dbm, at_ms))

    def tapped(self, tap: Tap) -> None:
        self.taps.append(tap)

    def awaits(self, reader: str) -> bool:
        """Nobody waits with a one-time code."""
        return False


class Listener:
    """`ears` and all that they lead to; the member carries an EID beacon, an iBeacon and one NDEF tag."""

    def __init__(self, ndef_value: bytes = b"https://shop.example/c/1", clock: StillClock | None = None) -> None:
        self.clock = clock or StillClock()
        self.sink = Collector()
        self.health = Health()
        self.resolver = Resolver(SITE_KEY)
        self.ears = Ears(self.resolver, self.sink, self.clock, self.health, ANCHORS)
        values = {
            CredentialKind.EID: IDENTITY_KEY,
            CredentialKind.IBEACON: IBEACON_NOW,
            CredentialKind.NDEF: ndef_value,
        }
        credentials = [
            Credential(f"c-{kind}", MEMBER, kind, value if kind.keyed else static_digest(SITE_KEY, kind, value))
            for kind, value in values.items()
        ]
        self.resolver.set_member(MEMBER, [(one, 0, None) for one in credentials], self.clock.now_ms())


def everything_in(*roots: object) -> list[Any]:
    """Every value that can be reached from `roots` through attributes, containers and slots, once each."""
    seen: dict[int, Any] = {}
    queue = list(roots)
    while queue:
        value = queue.pop()
        if id(value) in seen or isinstance(value, type):
            continue
        seen[id(value)] = value
        if isinstance(value, dict):
            queue += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            queue += value
        queue += vars(value).values() if hasattr(value, "__dict__") else []
        names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        queue += [getattr(value, name) for name in names if hasattr(value, name)]
    return list(seen.values())


def holds(values: list[Any], secret: bytes | str) -> bool:
    """Whether any of the values is or contains `secret`, as bytes, hex or text in either case."""
    forms = {secret.lower()} if isinstance(secret, str) else {secret.hex(), repr(secret).lower()}
    for value in values:
        if isinstance(secret, bytes) and isinstance(value, (bytes, bytearray)) and secret in value:
            return True
        if isinstance(value, str) and any(form in value.lower() for form in forms):
            return True
    return False
