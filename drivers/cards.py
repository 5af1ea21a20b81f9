"""What a reader has to know about cards: which tap is new, which failure is worth a word, what wakes a phone. Pure."""

from drivers.talk import Found, Outcome, Refused
from gateway.core.model import Trouble

# Looks without a card before the next card counts as new. One look in a while fails although the card rests.
MISSES_MAX = 2

# A card that trembles at the edge of the field is not tapped again; whoever means to takes it away for longer.
CARD_HOLD_MS = 600

# A phone drops the field and comes back with a new random UID; the same content counts again only after this long.
PHONE_HOLD_MS = 1_000

# A reader that came back after a reset cannot tell whether a card rested meanwhile; after this long it is a new tap.
# Above the time that a reset may take (5 s), below the time in which a person gives up and comes back later.
STALE_MS = 10_000

# "Please try again" is said once in so long, whatever a card or hand does.
AGAIN_MS = 1_000

# Looks in a row that fail before the person hears of it: the first ones happen while the card comes nearer.
LOOKS_MAX = 3

# How long a card that never answered a question must lie there, failing, before the person hears of it. A purse that
# passes at the edge of the field is seen for less.
BRUSH_MS = 500

# "This reader reads passes and takes no payment", with CRC_A: an iPhone shows a card only after such a frame. The other
# choice, "passes or payment" (6a01000000f6f1), makes phones offer a payment card too, so it is not sent.
# Source: kormax/apple-enhanced-contactless-polling, ecplist.json.
# iPhones need 70-100 ms to wake up, and are to be reminded every 5-25 ms.
WAKE_EVERY_MS = 20
WAKE_VAS = bytes.fromhex("6a01000002e4d2")


def is_random(uid: bytes) -> bool:
    """Made up anew at each tap (ISO 14443-3, section 6.5.4), so it says nothing about which phone this is."""
    return len(uid) == 4 and uid[0] == 0x08


class Hold:
    """Whether what a card or phone showed is news. Keeps salted hashes, never the content.

    By content, because phones change their UID and tags their counters. While the same one rests, only something
    better is news: a pass after "unlock your phone", but not "try again" after a pass.
    """

    def __init__(self) -> None:
        self._mark: int | None = None  # hash() of bytes is keyed anew in every process
        self._card: int | None = None  # hash of a UID that is not random
        self._rank = 0
        self._random_uid = False
        self._seen_ms = 0
        self._misses = 0
        self._again_ms = -AGAIN_MS

    def take(self, outcome: Outcome, uid: bytes, now_ms: int) -> bool:
        """A conversation came to an end; True when it has to be delivered. `uid` b"" = not known."""
        card = hash(uid) if uid and not is_random(uid) else None
        if now_ms - self._seen_ms > STALE_MS or (card and self._card and card != self._card):
            self._mark = None
        self._random_uid = is_random(uid) or (self._random_uid and not uid)
        self._card = card
        self.seen(now_ms)
        mark, rank = _mark(outcome)
        better = rank > self._rank or (isinstance(outcome, Found) and mark != self._mark)
        if self._mark is not None and not better:
            return False
        if rank == 0:
            if now_ms - self._again_ms < AGAIN_MS:
                return False
            self._again_ms = now_ms
        self._mark, self._rank = mark, rank
        return True

    def seen(self, now_ms: int) -> None:
        """The card is still there."""
        self._seen_ms = now_ms
        self._misses = 0

    def missed(self, now_ms: int) -> None:
        """A look without a card. After MISSES_MAX, and CARD_HOLD_MS or PHONE_HOLD_MS, the next card is new."""
        self._misses += 1
        hold_ms = PHONE_HOLD_MS if self._random_uid else CARD_HOLD_MS if self._rank else 0
        if self._misses >= MISSES_MAX and now_ms - self._seen_ms >= hold_ms:
            self._mark = None


def _mark(outcome: Outcome) -> tuple[int, int]:
    """What stands for an outcome, and how much it is worth: try again < nothing of ours < refused < found."""
    if isinstance(outcome, Found):
        return hash((outcome.token.kind, outcome.token.value)), 3
    if outcome is None:
        return 1, 1
    return (0, 0) if outcome.trouble is Trouble.AGAIN else (2, 2)


class Torn:
    """Conversations that broke off, and when the person should hear "please try again".

    Once the card is gone, if it had begun to answer: somebody meant us and was too quick. A card that was found but
    never answered anything was only brushed; a word about it would disturb whoever stands there.
    """

    def __init__(self) -> None:
        self._heard = False
        self._count = 0
        self._since_ms = 0

    @property
    def once(self) -> bool:
        """It happened just now for the first time: worth another look without a pause."""
        return self._count == 1

    def failed(self, heard: bool, now_ms: int) -> Refused | None:
        """A conversation broke off, or several cards answered at once; `heard`: a question had been answered."""
        if self._count == 0:
            self._since_ms = now_ms
        self._count += 1
        self._heard |= heard
        if self._count < LOOKS_MAX or (not self._heard and now_ms - self._since_ms < BRUSH_MS):
            return None
        self.over()
        return Refused("unread", Trouble.AGAIN)

    def nothing(self) -> Refused | None:
        """A look without any card."""
        torn = Refused("torn", Trouble.AGAIN) if self._heard else None
        self.over()
        return torn

    def over(self) -> None:
        """A conversation came to its end."""
        self._heard, self._count = False, 0


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
