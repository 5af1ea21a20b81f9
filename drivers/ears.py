"""Where every device path ends: decode, resolve, deliver - or count and forget.

This is the only place that sees strangers. Nothing of them leaves these functions: no log, no exception
text, no queue, no counter label.
"""

from collections.abc import Sequence

from drivers import frames, tags
from gateway.core.identity import Resolver
from gateway.core.model import Sighting, Tap, Token
from gateway.core.ports import Clock, Sink
from gateway.errors import PeerError
from gateway.health import Health


class Ears:
    """Shared by all sources; lives on the event loop."""

    def __init__(self, resolver: Resolver, sink: Sink, clock: Clock, health: Health) -> None:
        self._resolver = resolver
        self._sink = sink
        self._clock = clock
        self._health = health

    @property
    def has_anchors(self) -> bool:
        """Whether the shop has fixed beacons of its own."""
        return False

    def last_anchor_ms(self, receiver: str) -> int | None:
        """Shop time at which this receiver last heard one of them, None = never."""
        return None

    def heard(self, receiver: str, rssi_dbm: int, ad: bytes, address: bytes = b"") -> None:
        """One advertisement as raw AD structures (up to 255 bytes; extended advertising may be longer).

        `address`: the sender's random address, 6 bytes, most significant first; empty if public or not known.
        """
        try:
            token = frames.decode(ad)
        except PeerError as error:
            self._health.count(f"ble.malformed.{error.reason}")
            return
        self._sight(receiver, rssi_dbm, token)

    def heard_fields(
        self,
        receiver: str,
        rssi_dbm: int,
        service_data: dict[str, bytes],
        manufacturer_data: dict[int, bytes],
        service_uuids: Sequence[str] = (),
        address: bytes = b"",
    ) -> bool:
        """One advertisement as the fields that a host stack hands out (128-bit UUID strings, company ids).

        True if it is a member's (or an anchor's), so that the stack's further signals about it are worth following.
        """
        try:
            token = frames.decode_fields(service_data, manufacturer_data)
        except PeerError as error:
            self._health.count(f"ble.malformed.{error.reason}")
            return False
        return self._sight(receiver, rssi_dbm, token)

    def touched(self, reader: str, ndef: bytes | None) -> None:
        """One card or phone: its NDEF message as read, or None where it carries none."""
        member = None
        try:
            token = tags.decode(ndef) if ndef else None
        except PeerError as error:
            self._health.count(f"nfc.malformed.{error.reason}")
            token = None
        now_ms = self._clock.now_ms()
        if token is not None:
            member = self._resolver.resolve(token, now_ms)
        self._health.count("nfc.taps" if member else "nfc.strangers")
        self._sink.tapped(Tap(member, reader, now_ms))

    def _sight(self, receiver: str, rssi_dbm: int, token: Token | None) -> bool:
        if token is None:
            self._health.count("ble.not_ours")
            return False
        now_ms = self._clock.now_ms()
        member = self._resolver.resolve(token, now_ms)
        if member is None:
            self._health.count("ble.strangers")
            return False
        self._health.count("ble.sightings")
        self._sink.sighted(Sighting(member, receiver, rssi_dbm, now_ms))
        return True
