"""The three streams of the outbox: what every event is worth, how long it may wait, when it may be let go. Pure.

A stream is numbered together with the others, but sent, confirmed and kept within bounds on its own.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.spans import DAY_MS


class Stream(StrEnum):
    """By what is sent first and let go last. `VITAL`: duties and money; `BUSINESS`: what happened in the shop;
    `TELEMETRY`: what is only counted."""

    VITAL = "vital"
    BUSINESS = "business"
    TELEMETRY = "telemetry"

    @property
    def number(self) -> int:
        """What stands for it in the table, and its place in the order: 0 comes first."""
        return _NUMBERS[self]


_NUMBERS = {stream: number for number, stream in enumerate(Stream)}


@dataclass(frozen=True, slots=True)
class Terms:
    """`wait_ms`: how long a commit with such an event may wait for company. `keep_ms`: after that headquarters has no
    use for it, None = it is never too old. `rows`, `size_bytes`: how much of it may wait on the disk."""

    wait_ms: int
    keep_ms: int | None
    rows: int
    size_bytes: int


# A commit costs one flush and about 16 KB on an SD card, so what nobody waits for shares one: 40 ms are not noticed at
# a screen, and a power cut that takes 3 s of what is only counted takes nothing that matters. A week of a busy shop is
# 700,000 events of 370 bytes; all together are 672 MB, which a card of 8 GB has beside the system.
TERMS = {
    Stream.VITAL: Terms(0, None, 500_000, 192_000_000),
    Stream.BUSINESS: Terms(40, 90 * DAY_MS, 1_000_000, 384_000_000),
    Stream.TELEMETRY: Terms(3_000, 14 * DAY_MS, 250_000, 96_000_000),
}

TYPES = {
    Stream.VITAL: (
        *(
            "audit.viewed",
            "consent.applied",
            "consent.parked",
            "consent.recorded",
            "consent.tampered",
            "database.mended",
        ),
        *(
            "coupon.issued",
            "credential.bound",
            "erasure.requested",
            "lease.closed",
            "member.enrolled",
            "outbox.gap",
        ),
        *("points.changed", "profiles.wiped", "redemption.committed", "redemption.released", "redemption.reserved"),
        *("redemption.reversed", "tills.restored"),
        *("config.kept", "config.undone", "settings.kept", "settings.refused", "settings.tried"),
        *("settings.unchanged", "settings.undone", "snapshot.refused", "snapshot.switched", "standby.serves"),
        *("update.done", "update.failed"),
    ),
    Stream.BUSINESS: (
        *("basket.shown", "brand.applied", "brand.refused", "catalogue.applied", "catalogue.refused"),
        *("catalogue.undone",),
        *("content.applied", "content.refused", "credential.doubted", "decision.made", "device.paired"),
        *("device.revoked", "handshake.accepted", "handshake.asked", "handshake.closed", "offer.accepted"),
        *("offer.declined", "offer.explained", "offer.refused", "offer.withheld", "sale.identified", "sale.recorded"),
        *("segment.changed", "segments.refused", "staff.freed", "staff.locked", "staff.refused", "staff.unlocked"),
        *("usual.offered", "visit.announced", "visit.dwelled", "visit.entered", "visit.left", "visit.moved"),
    ),
    Stream.TELEMETRY: ("screen.alive", "screen.dead", "screen.played"),
}
_STREAM_OF = {kind: stream for stream, kinds in TYPES.items() for kind in kinds}


def stream_of(kind: str) -> Stream:
    """The stream of an event type. What nobody has placed counts as vital: it is never let go."""
    return _STREAM_OF.get(kind, Stream.VITAL)


def wait_ms(*kinds: str) -> int:
    """How long a commit with events of these types may wait for company: as long as the most urgent of them."""
    return min(TERMS[stream_of(kind)].wait_ms for kind in kinds)
