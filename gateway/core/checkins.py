"""Members who are in the shop by their own tap, without a beacon that says where they went. Pure; in memory only."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

# Nobody stands at a reader for longer; less than a minute, so that one tap never counts as having dwelled.
UNKNOWN_AFTER_TAP_MS = 30_000
# A long visit of somebody who taps nowhere else. A tap prolongs it; > UNKNOWN_AFTER_TAP_MS.
LEFT_AFTER_TAP_MS = 3_600_000


@dataclass(slots=True)
class _CheckIn:
    zone: str | None
    tapped_ms: int


class CheckIns:
    """Who checked in and where they tapped last, the longest silent one first. `core.presence` keeps their number."""

    def __init__(self) -> None:
        self._all: dict[str, _CheckIn] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __contains__(self, member_id: object) -> bool:
        return member_id in self._all

    def tap(self, member_id: str, zone: str, now_ms: int) -> None:
        """The member tapped in `zone`."""
        self._all.pop(member_id, None)
        self._all[member_id] = _CheckIn(zone, now_ms)

    def back(self, member_id: str, zone: str | None) -> None:
        """Where the member tapped last does not count; `zone` is what was known before."""
        if member_id in self._all:
            self._all[member_id].zone = zone

    def end(self, member_id: str) -> str | None:
        """Let go of a check-in, because a beacon says more or nothing may be known; the zone until now."""
        found = self._all.pop(member_id, None)
        return None if found is None else found.zone

    def zone_of(self, member_id: str) -> str | None:
        """Where the member tapped a moment ago, None while unknown."""
        found = self._all.get(member_id)
        return None if found is None else found.zone

    def members_in(self, zone: str) -> list[str]:
        """Who tapped in `zone` a moment ago."""
        return [member_id for member_id, one in self._all.items() if one.zone == zone]

    def end_oldest(self) -> bool:
        """Let go of who tapped longest ago; False if there is nobody."""
        return bool(self._all) and self._all.pop(next(iter(self._all))) is not None

    def expire(self, now_ms: int) -> list[tuple[str, Literal["unknown", "left"], str | None]]:
        """Who became unknown or left, with the zone until now. A tap from the future counts as one of now."""
        over: list[tuple[str, Literal["unknown", "left"], str | None]] = []
        for member_id, one in list(self._all.items()):
            one.tapped_ms = min(one.tapped_ms, now_ms)
            silent_ms = now_ms - one.tapped_ms
            if silent_ms >= LEFT_AFTER_TAP_MS:
                del self._all[member_id]
                over.append((member_id, "left", one.zone))
            elif silent_ms >= UNKNOWN_AFTER_TAP_MS and one.zone is not None:
                over.append((member_id, "unknown", one.zone))
                one.zone = None
        return over
