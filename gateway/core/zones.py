"""Which zone is one member in? A hidden-Markov filter over the places of a radio map, and a decision that holds still.

One `Belief` a member; it knows neither the member nor other members. Levels dBm, differences dB, times milliseconds.
"""

from array import array
from collections.abc import Sequence
from operator import mul

from gateway.core.radiomap import RadioMap, Row

# A device may be quieter or louder than the one of the walk: another transmitter, a pocket, a hand. The difference is
# the same for all receivers, so it shows as a common residual. It starts within 6 dB and drifts (a phone goes into a
# pocket): 0.1 dB^2 a second is 6 dB after six minutes. One residual says little about it, 14 dB of everything else.
OFFSET_START_VAR = 36.0
OFFSET_DRIFT_VAR_PER_S = 0.1
OFFSET_SAMPLE_VAR = 400.0
MAX_OFFSET_DB = 25.0
MAX_RESIDUAL_DB = 15.0  # deep fades and errors of place are no evidence about the device

# After half a minute without a sample a walker may be anywhere.
LOST_AFTER_MS = 30_000

# A member enters a zone that leads by so much after ENTER_AFTER_MS and ENTER_SAMPLES. Less is "unknown".
ENTER_LEAD = 0.2
ENTER_AFTER_MS = 2_000  # at 1 advertisement a second that is the third
ENTER_SAMPLES = 3
# The next zone must lead the held one by this share of the belief: over 16 sets of receivers 0.5 gave as many changes
# as there were true ones, 0.3 a third more, 0.7 came late.
MOVE_LEAD = 0.45
# Going back to a zone just left takes more, and each time more and for longer, or whoever stands on a border flaps all
# day: (lead, how long it must last, for how long this is remembered) of the first return, the second, all others.
RETURNS = ((0.7, 0, 300_000), (0.9, 15_000, 1_800_000), (0.95, 30_000, 3_600_000))
# A zone that holds less than this for so long while no other zone is clear either is not known any more.
WEAK_SHARE, CLEAR_SHARE = 0.08, 0.5
WEAK_MS = 6_000


class Belief:
    """Where one device may be: a share for each place, all adding up to 1."""

    __slots__ = ("_at_ms", "_var", "offset_db", "shares")

    def __init__(self, radio_map: RadioMap, now_ms: int) -> None:
        self.shares: Row = array("d", [1 / len(radio_map)]) * len(radio_map)
        self.offset_db = 0.0  # this device against the one of the map
        self._var = OFFSET_START_VAR
        self._at_ms = now_ms

    def grow(self, radio_map: RadioMap) -> None:
        """Make room for places that the map has gained; each of them starts with an even share."""
        if len(self.shares) < len(radio_map):
            self._scale()
            self.shares = array("d", [*self.shares, *[1 / len(radio_map)] * (len(radio_map) - len(self.shares))])
            self._scale()

    def another_device(self) -> None:
        """From now on the samples come from another device of the same person."""
        self.offset_db, self._var = 0.0, OFFSET_START_VAR

    def walk(self, radio_map: RadioMap, now_ms: int) -> None:
        """Let time pass: the belief spreads as far as legs carry."""
        elapsed_ms = now_ms - self._at_ms
        if elapsed_ms < radio_map.step_ms:
            return
        self._var = min(OFFSET_START_VAR, self._var + OFFSET_DRIFT_VAR_PER_S * elapsed_ms / 1000)
        if elapsed_ms >= LOST_AFTER_MS:
            self.shares = array("d", [1 / len(radio_map)]) * len(radio_map)
            self._at_ms = now_ms
            return
        steps = elapsed_ms // radio_map.step_ms
        self._at_ms += steps * radio_map.step_ms
        self.shares = radio_map.walked(self.shares, steps)
        self._scale()

    def hear(self, radio_map: RadioMap, receiver: int, level_db: float) -> float:
        """Weigh the places by one sample; returns how far it was off, in dB, before the device's own offset moved."""
        level_db -= self.offset_db
        self.shares = array("d", map(mul, self.shares, radio_map.row(receiver, level_db)))
        total = self._scale_if_small()
        expected: float = sum(map(mul, self.shares, radio_map.levels[receiver])) / total
        residual = max(-MAX_RESIDUAL_DB, min(MAX_RESIDUAL_DB, level_db - expected))
        gain = self._var / (self._var + OFFSET_SAMPLE_VAR)
        self.offset_db = max(-MAX_OFFSET_DB, min(MAX_OFFSET_DB, self.offset_db + gain * residual))
        self._var *= 1 - gain
        return residual

    def miss(self, radio_map: RadioMap, receiver: int) -> None:
        """Weigh the places by a receiver that is awake and hears nothing of this device."""
        self.shares = array("d", map(mul, self.shares, radio_map.silent_row(receiver, self.offset_db)))
        self._scale_if_small()

    def zones(self, radio_map: RadioMap) -> list[float]:
        """Share of each zone of the map."""
        shares = radio_map.zone_shares(self.shares)
        total = sum(shares)
        return [share / total for share in shares]

    def place(self, radio_map: RadioMap) -> tuple[float, float] | None:
        """The centre of the belief in metres, None on a map without places. For installers, never for offers."""
        if not radio_map.where:
            return None
        total = sum(self.shares)
        x = sum(share * at[0] for share, at in zip(self.shares, radio_map.where, strict=True))
        y = sum(share * at[1] for share, at in zip(self.shares, radio_map.where, strict=True))
        return x / total, y / total

    def _scale_if_small(self) -> float:
        total = sum(self.shares)
        # FLOOR is 1e-4 a sample: after 64 of them between two steps 1e-256 would be near the smallest double.
        if total < 1e-30:
            self._scale()
            return 1.0
        return total

    def _scale(self) -> None:
        scale = 1 / sum(self.shares)
        self.shares = array("d", [share * scale for share in self.shares])


class Hold:
    """The zone that a member is said to be in. It changes on a clear lead only, and less easily back."""

    __slots__ = ("_challenger", "_left", "_weak_since_ms", "zone")

    def __init__(self) -> None:
        self.zone: int | None = None
        self._left: dict[int, tuple[int, int]] = {}  # zone -> (when last left, how often lately); an entry a zone
        self._weak_since_ms: int | None = None
        self._challenger: tuple[int, int] | None = None  # zone, since when it leads enough

    def decide(self, shares: Sequence[float], now_ms: int) -> int | None:
        """The zone (index) from now on, None if it is not known."""
        best = max(range(len(shares)), key=shares.__getitem__)
        if self.zone is None:
            rest = max((share for zone, share in enumerate(shares) if zone != best), default=0.0)
            if shares[best] - rest >= (self.needs(best, now_ms)[0] if best in self._left else ENTER_LEAD):
                self.zone = best
            return self.zone
        if best == self.zone:
            self._weak_since_ms = self._challenger = None
        elif self._wins(best, shares[best] - shares[self.zone], now_ms):
            self._left[self.zone] = now_ms, min(len(RETURNS), self._returns(self.zone, now_ms) + 1)
            self.zone, self._weak_since_ms, self._challenger = best, None, None
        elif shares[self.zone] >= WEAK_SHARE or shares[best] >= CLEAR_SHARE:
            self._weak_since_ms = None
        elif self._weak_since_ms is None:
            self._weak_since_ms = now_ms
        elif now_ms - self._weak_since_ms >= WEAK_MS:
            self.drop()
        return self.zone

    @property
    def first_visit(self) -> bool:
        """Whether the member is in a zone that this visit has not left before."""
        return self.zone is not None and self.zone not in self._left

    def needs(self, challenger: int, now_ms: int) -> tuple[float, int]:
        """By how much `challenger` must lead the held zone, and for how many milliseconds."""
        returns = self._returns(challenger, now_ms)
        return RETURNS[returns - 1][:2] if returns else (MOVE_LEAD, 0)

    def _wins(self, challenger: int, lead: float, now_ms: int) -> bool:
        needed, for_ms = self.needs(challenger, now_ms)
        if lead <= needed:
            self._challenger = None
            return False
        if self._challenger is None or self._challenger[0] != challenger:
            self._challenger = challenger, now_ms
        return now_ms - self._challenger[1] >= for_ms

    def _returns(self, zone: int, now_ms: int) -> int:
        left_ms, times = self._left.get(zone, (0, 0))
        return times if times and now_ms - left_ms < RETURNS[times - 1][2] else 0

    def drop(self) -> None:
        """The zone is not known any more."""
        self.zone = self._weak_since_ms = self._challenger = None
