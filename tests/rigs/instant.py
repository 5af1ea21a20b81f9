"""A clock whose waits take no time, ears that write down what they are given, and a shop that knows its members."""

import asyncio
from typing import Any

from drivers.ears import Ears
from gateway.core.identity import Resolver, static_digest
from gateway.core.model import Credential, CredentialKind, Sighting, Tap

SITE_KEY = bytes(range(32))


class ClosingTimeError(Exception):
    """The instant clock has reached its end."""


class InstantClock:
    """`sleep` moves the time at once and raises ClosingTimeError where the next wait would pass `closes_ms`."""

    speed = 1.0

    def __init__(self, start_ms: int, closes_ms: int | None = None) -> None:
        self._now_ms = start_ms
        self._closes_ms = closes_ms
        self.sleeps: list[float] = []

    def now_ms(self) -> int:
        return self._now_ms

    def step(self, ms: int) -> None:
        """Set the clock as an operator or NTP would."""
        self._now_ms += ms

    async def sleep(self, ms: float) -> None:
        self.sleeps.append(ms)
        if self._closes_ms is not None and self._now_ms + ms > self._closes_ms:
            raise ClosingTimeError
        self._now_ms += int(ms)
        await asyncio.sleep(0)


class NotingEars(Ears):
    """Notes (now_ms, receiver, rssi, ad) of what is heard and (now_ms, reader, ndef) of what is touched."""

    def __init__(self, clock: InstantClock) -> None:
        self._at = clock
        self.heard_list: list[tuple[int, str, int, bytes]] = []
        self.touched_list: list[tuple[int, str, bytes | None]] = []

    def heard(self, receiver: str, rssi_dbm: int, ad: bytes, address: bytes = b"") -> None:
        self.heard_list.append((self._at.now_ms(), receiver, rssi_dbm, ad))

    def touched(self, reader: str, ndef: bytes | None) -> None:
        self.touched_list.append((self._at.now_ms(), reader, ndef))


class NotingSink:
    """Notes what resolved."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []
        self.taps: list[Tap] = []

    def sighted(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)

    def anchored(self, anchor: str, receiver: str, rssi_dbm: int, at_ms: int) -> None:
        pass

    def tapped(self, tap: Tap) -> None:
        self.taps.append(tap)

    def awaits(self, reader: str) -> bool:
        """Nobody waits with a one-time code."""
        return False


def credential(body: dict[str, Any]) -> Credential:
    """The credential in the body of a `credential.put` operation, as a gateway would keep it."""
    kind = CredentialKind(body["kind"])
    if kind is CredentialKind.EID:
        secret = bytes.fromhex(body["identity_key"])
        return Credential(
            body["credential_id"], body["member_id"], kind, secret, body["exponent"], body["clock_zero_s"]
        )
    digest = static_digest(SITE_KEY, kind, bytes.fromhex(body["value"]))
    return Credential(body["credential_id"], body["member_id"], kind, digest)


def resolver(ops: list[dict[str, Any]], now_ms: int) -> Resolver:
    """A resolver with every credential among import operations, whatever the consents say."""
    found = Resolver(SITE_KEY)
    credentials = [credential(op["body"]) for op in ops if op["op"] == "credential.put"]
    for member_id in {one.member_id for one in credentials}:
        found.set_member(member_id, [(one, 0, None) for one in credentials if one.member_id == member_id], now_ms)
    return found
