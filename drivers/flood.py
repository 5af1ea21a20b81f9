"""Bounds what one radio, and one frame at one radio, may cost. Remembers hashes of a single second, no frame."""

# One radio hears at most some 600 advertisements a second, with capture effect perhaps 1,000 (calculated). 3,000 that
# nobody knows cost 1 % of an x86-64 core and 6 % of a Pi 4's; more come from a fault or an attacker.
MAX_PER_S = 3_000
# A tag sends ten a second at most, and each channel's copy is heard once.
MAX_SAME_PER_S = 20


class _Second:
    __slots__ = ("frames", "number", "total")

    def __init__(self) -> None:
        self.number = -1
        self.total = 0
        self.frames: dict[int, int] = {}  # hash of a token -> how often; at most MAX_PER_S of them


class FloodGate:
    """One for all receivers; whole seconds of the time that is handed in."""

    def __init__(self) -> None:
        self._seconds: dict[str, _Second] = {}  # by receiver: as many as the configuration has

    def admits(self, receiver: str, now_ms: int) -> bool:
        """Whether one more frame of our kinds is worth a look at this receiver."""
        second = self._seconds.get(receiver)
        if second is None:
            second = self._seconds[receiver] = _Second()
        if second.number != now_ms // 1000:
            second.number, second.total = now_ms // 1000, 0
            second.frames.clear()
        second.total += 1
        return second.total <= MAX_PER_S

    def times(self, receiver: str, value: bytes) -> int:
        """How often this token was heard in this second, this time included; ask `admits` first."""
        # Python's hash of bytes is keyed at random for each process, so it says nothing to anybody else.
        frames, mark = self._seconds[receiver].frames, hash(value)
        count = frames[mark] = frames.get(mark, 0) + 1
        return count
