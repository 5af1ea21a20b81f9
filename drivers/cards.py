"""What a reader has to know about cards: which tap is new, and how an answer to select is read. Pure."""

# Looks without a card before the next card counts as new. One look in a while fails although the card rests.
MISSES_MAX = 2

# A phone drops the field and comes back with a new random UID; the same content counts again only after this long.
PHONE_HOLD_MS = 1_000


class Hold:
    """Whether a card is new, or still the one that was delivered. Keeps a salted hash, never the content."""

    def __init__(self) -> None:
        self._print: int | None = None  # hash() of bytes is keyed anew in every process
        self._random_uid = False
        self._seen_ms = 0
        self._misses = 0

    def take(self, ndef: bytes | None, random_uid: bool, now_ms: int) -> bool:
        """A card was read; True when it has to be delivered."""
        mark = hash(ndef or b"")
        new = mark != self._print
        self._print, self._random_uid = mark, random_uid
        self.seen(now_ms)
        return new

    def seen(self, now_ms: int) -> None:
        """The card is still there."""
        self._seen_ms = now_ms
        self._misses = 0

    def missed(self, now_ms: int) -> None:
        """A look without a card. After MISSES_MAX the next card is new; for a phone PHONE_HOLD_MS must pass too."""
        self._misses += 1
        gone = not self._random_uid or now_ms - self._seen_ms >= PHONE_HOLD_MS
        if self._misses >= MISSES_MAX and gone:
            self._print = None


def whole_ats(ats: bytes) -> bytes:
    """An answer to select with TL, T0, TA, TB and TC all present: nfcpy counts on it, cards may leave them out.

    Absent ones get the defaults of ISO 14443-4, section 5.2: FSCI 2, 106 kbit/s, FWI 4, neither CID nor NAD.
    """
    ats = ats[: ats[0]] if ats else b""
    t0 = ats[1] if len(ats) > 1 else 0x02
    values, rest = {0x10: 0x80, 0x20: 0x40, 0x40: 0x00}, list(ats[2:])
    for bit in values:
        if t0 & bit and rest:
            values[bit] = rest.pop(0)
    return bytes([5, 0x70 | t0 & 0x0F, *values.values()])
