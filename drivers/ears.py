"""Where every device path ends: decode, resolve, deliver - or count and forget.

This is the only place that sees strangers. Nothing of them leaves these functions: no log, no exception
text, no queue, no counter label.
"""

import secrets
from collections.abc import Mapping, Sequence

from drivers import frames, resolve
from drivers.flood import MAX_SAME_PER_S, FloodGate
from drivers.frames import Other
from drivers.talk import Found, Outcome, Refused, Terminal
from gateway.core.fob import Fob
from gateway.core.identity import Resolver
from gateway.core.model import Guard, Sighting, Tap, Token
from gateway.core.ports import Clock, Sink
from gateway.errors import PeerError
from gateway.health import Health

# How far from now a phone may say that it made what is valid for a moment only: two minutes of clocks and hands.
WINDOW_MS = 120_000

_COUNTER = {other: f"ble.{other.value}" for other in Other}


class Ears:
    """Shared by all sources; lives on the event loop. `anchors`: the shop's own fixed beacons by what they show; `fob`:
    the one that an installer carries about, while there is one."""

    def __init__(
        self,
        resolver: Resolver,
        sink: Sink,
        clock: Clock,
        health: Health,
        anchors: Mapping[Token, str] | None = None,
        terminal: Terminal | None = None,
        fob: Fob | None = None,
    ) -> None:
        self._resolver = resolver
        self._sink = sink
        self._clock = clock
        self._health = health
        self._anchors = anchors or {}
        self.terminal = terminal or Terminal("", clock, secrets.token_bytes)
        self._fob = fob or Fob()
        self._anchored_ms: dict[str, int] = {}
        self._gate = FloodGate()

    @property
    def has_anchors(self) -> bool:
        """Whether the shop has beacons of its own that every radio should hear."""
        return bool(self._anchors)

    def last_anchor_ms(self, receiver: str) -> int | None:
        """When this receiver last heard one of the shop's own beacons, in shop time."""
        return self._anchored_ms.get(receiver)

    def heard(self, receiver: str, rssi_dbm: int, ad: bytes, address: bytes = b"") -> None:
        """One advertisement as raw AD structures (up to 255 bytes; extended advertising may be longer).

        `address`: the sender's random address, 6 bytes, most significant first; empty if public or not known.
        """
        try:
            token = frames.decode(ad)
        except PeerError as error:
            self._health.count(f"ble.malformed.{error.reason}")
            return
        self._sight(receiver, rssi_dbm, token, address, None)

    def heard_fields(
        self,
        receiver: str,
        rssi_dbm: int,
        service_data: Mapping[str, bytes],
        manufacturer_data: Mapping[int, bytes],
        service_uuids: Sequence[str] = (),
        address: bytes = b"",
    ) -> bool:
        """One advertisement as the fields that a host stack hands out (128-bit UUID strings, company ids).

        True for a member's or an anchor's: whoever must remember a sender may remember this one.
        """
        try:
            token = frames.decode_fields(service_data, manufacturer_data, service_uuids)
        except PeerError as error:
            self._health.count(f"ble.malformed.{error.reason}")
            return False
        return self._sight(receiver, rssi_dbm, token, address, None)

    def heard_token(self, receiver: str, rssi_dbm: int, token: Token, at_ms: int) -> None:
        """What a remote ear has decoded, heard at `at_ms` of shop time."""
        self._sight(receiver, rssi_dbm, token, b"", at_ms)

    def touched(self, reader: str, ndef: bytes | None) -> None:
        """One card or phone of which only the NDEF message is known, or None where it carries none."""
        self.presented(reader, resolve.message(ndef, self.terminal.talk()) if ndef else None)

    def presented(self, reader: str, outcome: Outcome) -> None:
        """One card or phone was shown, and this came of the conversation with it."""
        now_ms = self._clock.now_ms()
        if isinstance(outcome, Found) and outcome.made_ms is not None and abs(now_ms - outcome.made_ms) > WINDOW_MS:
            outcome = Refused("out_of_time")
        if isinstance(outcome, Refused):
            self._health.count(f"nfc.refused.{outcome.reason}")
            self._sink.tapped(Tap(None, reader, now_ms, trouble=outcome.trouble))
            return
        token = outcome.token if outcome is not None else None
        member = self._resolver.resolve(token, now_ms) if token is not None else None
        self._health.count("nfc.taps" if member else "nfc.strangers")
        if outcome is None or (member is None and not self._sink.awaits(reader)):
            self._sink.tapped(Tap(None, reader, now_ms))
            return
        shown = outcome.token if member is None else None
        self._sink.tapped(Tap(member, reader, now_ms, outcome.proof, self._guard(outcome, now_ms), None, shown))

    def _guard(self, found: Found, now_ms: int) -> Guard | None:
        if found.count is not None:
            return Guard(self._resolver.digest(found.token), found.count)
        if found.once:
            return Guard(self._resolver.digest(Token(found.token.kind, found.once)), 1, now_ms + 2 * WINDOW_MS)
        return None

    def _sight(self, receiver: str, rssi_dbm: int, token: Token | Other, address: bytes, at_ms: int | None) -> bool:
        if token.__class__ is Other and not (address and self._resolver.knows_phones):
            self._health.count(_COUNTER[token])
            return False  # nearly all that is on the air ends here
        now_ms = self._clock.now_ms()
        at_ms = now_ms if at_ms is None else at_ms
        if not self._gate.admits(receiver, now_ms):
            self._health.count("ble.flood")
            return False
        member = None
        if isinstance(token, Token):
            times = self._gate.times(receiver, token.value)
            if times > MAX_SAME_PER_S:
                self._health.count("ble.flood")
                return False
            if self._fob.token is not None and token == self._fob.token and self._tested(receiver, rssi_dbm, at_ms):
                return token in self._anchors
            if self._anchors and token in self._anchors:
                self._health.count("ble.anchors")
                self._anchored_ms[receiver] = at_ms
                self._sink.anchored(self._anchors[token], receiver, rssi_dbm, at_ms)
                return True
            member = self._resolver.resolve(token, at_ms)
            if member is None and times == 1:
                self._resolver.missed(token, at_ms)
        if member is None and address and self._resolver.knows_phones:
            member = self._resolver.resolve_address(address, at_ms)
        if member is None:
            self._health.count("ble.strangers" if isinstance(token, Token) else _COUNTER[token])
            return False
        self._health.count("ble.sightings")
        self._sink.sighted(Sighting(member, receiver, rssi_dbm, at_ms, self._resolver.row))
        return True

    def _tested(self, receiver: str, rssi_dbm: int, at_ms: int) -> bool:
        """The installer's fob was heard, and nobody else learns of it. False: it has become a member's, and is no fob.

        An anchor that is carried about levels nothing; it shows all the same that a radio is awake.
        """
        token = self._fob.token
        assert token is not None
        if token in self._anchors:
            self._anchored_ms[receiver] = at_ms
        elif self._resolver.resolve(token, at_ms) is not None:
            self._fob.end()
            self._health.count("install.fob_refused")
            return False
        self._health.count("install.fob_heard")
        self._fob.hear(receiver, rssi_dbm, at_ms)
        return True
