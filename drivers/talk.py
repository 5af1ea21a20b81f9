"""What a conversation with a card or phone may use, and what it may find. Knows no reader and no protocol.

A conversation is a function `converse(exchange, talk) -> Found | Refused | None`, pure but for `exchange`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.config import NfcTable
from gateway.core.keyring import Keyring
from gateway.core.model import Proof, Token, Trouble
from gateway.core.ports import Clock

# Readers that report by themselves do so about once a second while a phone rests on them.
REST_MS = 1_500

# A command APDU in, the response with its two status bytes out. Raises CardGoneError.
Exchange = Callable[[bytes], bytes]


class CardGoneError(Exception):
    """The card or phone left, or does not answer any more. Carries nothing of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A token, and how strongly it was shown.

    `count`: the card's own counter, which must rise. `once`: a 32-byte hash of something that may be shown only once.
    `made_ms`: when the device says it made this, for what is valid for a moment only. None, b"" = does not apply.
    """

    token: Token
    proof: Proof
    count: int | None = None
    once: bytes = field(default=b"", repr=False)
    made_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Ours by its form, but not accepted. `reason`: a literal such as "sun.mac", for a counter; nothing of the card."""

    reason: str
    trouble: Trouble = Trouble.REFUSED


Outcome = Found | Refused | None  # None: nothing of ours


@dataclass(frozen=True, slots=True)
class Talk:
    """One tap's surroundings. `place`: "tenant/store". `random(n)`: n secret bytes. `uid`: as anticollision gave it."""

    keyring: Keyring
    place: str
    now_ms: int
    random: Callable[[int], bytes] = field(repr=False)
    uid: bytes = field(default=b"", repr=False)
    apple_vas: bool = False
    chip_numbers: bool = False

    @property
    def is_phone(self) -> bool:
        """A random UID, new at each tap: 4 bytes that begin with 08 (ISO 14443-3, section 6.5.4)."""
        return len(self.uid) == 4 and self.uid[0] == 0x08


class Rest:
    """Whether a card or phone is new, or rests on a reader that reports it again and again.

    Keeps a salted hash, never what was shown.
    """

    def __init__(self) -> None:
        self._mark: int | None = None
        self._found = False
        self._seen_ms = -REST_MS

    def is_new(self, outcome: Outcome, now_ms: int) -> bool:
        """False for what was shown less than REST_MS ago, and since; nor is it news that a pass reads badly now."""
        rests = now_ms - self._seen_ms < REST_MS
        self._seen_ms = now_ms
        if rests and self._found and not isinstance(outcome, Found):
            return False
        mark = hash(outcome.token if isinstance(outcome, Found) else outcome)
        new = mark != self._mark or not rests
        self._mark, self._found = mark, isinstance(outcome, Found)
        return new


class Terminal:
    """What all readers of a shop share. Read by their threads; the event loop replaces `keyring` whole."""

    def __init__(self, place: str, clock: Clock, random: Callable[[int], bytes], nfc: NfcTable | None = None) -> None:
        self.keyring = Keyring()
        self.nfc = nfc or NfcTable()
        self._place = place
        self._clock = clock
        self._random = random

    def talk(self, uid: bytes = b"") -> Talk:
        """The surroundings of a tap that begins now."""
        return Talk(
            self.keyring,
            self._place,
            self._clock.now_ms(),
            self._random,
            uid,
            self.nfc.apple_vas,
            self.nfc.chip_numbers,
        )
