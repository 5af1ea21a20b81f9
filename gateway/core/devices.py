"""Screens, tablets and tills: what each is, and how one becomes ours by a code. Pure; what waits is in memory only.

A device is new, then pending (it shows a code), active (somebody who may has approved it), and perhaps revoked; from
there it may ask again and stays the same device.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.core.places import host_of

Kind = Literal["screen", "tablet", "till"]
Role = Literal["display", "staff", "manager", "till", "installer"]
Orientation = Literal["landscape", "portrait"]
State = Literal["new", "pending", "refused", "active", "revoked"]
Via = Literal["code", "link", "token"]

ROLES: dict[Kind, tuple[Role, ...]] = {
    "screen": ("display",),
    "tablet": ("staff", "manager", "installer"),
    "till": ("till",),
}

# Without 0, O, 1 and I, which people mistake for each other: 32 letters, so 6 of them are 30 random bits.
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CODE_CHARS = 6
CODE_MS = 600_000  # time to walk to the tablet that approves

# A large shop has 30 screens, 20 tablets and 10 tills; the rest is those of former years. 1 kB each: 0.5 MB.
MAX_DEVICES = 500
# A page with a code asks each second, in the background each minute: who is silent for longer has left it.
STILL_MS = 90_000  # > 60_000

# Devices that show a code at once; a whole shop is set up on one morning. 500 bytes each: 100 kB.
MAX_WAITING = 200
# New codes from one address in ten minutes. Behind a proxy 50 tablets have the same address, and each may need two.
MAX_CODES_SOURCE = 120

# Wrong codes: a person mistypes twice. From the third on each costs twice the wait of the one before, and ten lock for
# ten minutes: in a day somebody with a stolen manager's tablet tries 1,440 of 10^9 codes, of which 200 may be live.
FREE_WRONG = 2
FIRST_DELAY_MS = 1_000
LOCK_AFTER = 10
LOCK_MS = 600_000
MAX_GUESSERS = 64  # who approves: tablets with the right, and the operator

MAX_NAME_CHARS = 40
MAX_LANGUAGES = 4


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody makes of a device. `place`: the screen's or till's id, "" for a tablet."""

    kind: Kind
    role: Role
    place: str = ""
    name: str = ""
    languages: tuple[str, ...] = ()
    orientation: Orientation = "landscape"

    def wrong(self, screens: Collection[str], tills: Collection[str]) -> str:
        """Why this cannot be granted, as a word; "" if it can."""
        if self.role not in ROLES[self.kind]:
            return "role"
        places = {"screen": screens, "till": tills, "tablet": ("",)}[self.kind]
        if self.place not in places:
            return "place"
        if len(self.name) > MAX_NAME_CHARS or not self.name.isprintable():
            return "name"
        if len(self.languages) > MAX_LANGUAGES or not all(_is_language(one) for one in self.languages):
            return "languages"
        return ""


def _is_language(word: str) -> bool:
    return len(word) == 2 and word.isascii() and word.islower() and word.isalpha()


@dataclass(frozen=True, slots=True)
class Device:
    """A device that was approved at least once. `key_hash`: SHA-256 of the 256-bit key that only the device has.

    `via`: a code that somebody approved, the manager's link, or a token that was made for a program.
    `revoked_ms` None = it is active.
    """

    device_id: str
    key_hash: bytes = field(repr=False)
    grant: Grant
    via: Via
    paired_ms: int
    paired_by: str
    revoked_ms: int | None = None
    revoked_by: str = ""

    @property
    def is_active(self) -> bool:
        return self.revoked_ms is None


@dataclass(frozen=True, slots=True)
class Waits:
    """A device that shows a code. `wish`: the screen or till that its address named, "" for none; `orientation`: how
    its page lies, None = it did not say; `asked_ms`: when it last asked."""

    device_id: str
    key_hash: bytes = field(repr=False)
    kind: Kind
    wish: str
    code: str = field(repr=False)
    source: str
    ends_ms: int
    asked_ms: int
    orientation: Orientation | None = None
    refused: bool = False
    taken: bool = False


class Waiting:
    """Devices that wait to be approved. `random(n)` gives n random bytes; `life_ms`: how long a code counts."""

    def __init__(self, random: Callable[[int], bytes], life_ms: int = CODE_MS) -> None:
        self._random = random
        self._life_ms = life_ms
        self._still_ms = life_ms * STILL_MS // CODE_MS
        self._waits: dict[str, Waits] = {}  # by device, oldest first
        self._given: list[tuple[str, int]] = []  # source and time of each new code; at most MAX_CODES_SOURCE of each

    def ask(
        self,
        device_id: str,
        key_hash: bytes,
        kind: Kind,
        wish: str,
        source: str,
        now_ms: int,
        orientation: Orientation | None = None,
    ) -> Waits | None:
        """The code that this device shows, the same one while it counts; None = this address asked too often."""
        self.expire(now_ms)
        had = self._waits.get(device_id)
        if had is not None and not had.refused and (had.kind, had.wish) == (kind, wish):
            made = replace(had, asked_ms=now_ms, orientation=orientation or had.orientation)
            self._waits[device_id] = made
            return made
        host = host_of(source)
        if sum(one == host for one, _ in self._given) >= MAX_CODES_SOURCE:
            return None
        self._waits.pop(device_id, None)
        if len(self._waits) >= MAX_WAITING:
            del self._waits[self._crowded()]
        self._given.append((host, now_ms))
        ends_ms = now_ms + self._life_ms
        made = Waits(device_id, key_hash, kind, wish, self._code(), host, ends_ms, now_ms, orientation)
        self._waits[device_id] = made
        return made

    def of(self, device_id: str, now_ms: int) -> Waits | None:
        one = self._waits.get(device_id)
        return one if one is not None and now_ms < one.ends_ms else None

    def looks(self, waits: Waits, now_ms: int) -> None:
        """Its page is still there."""
        self._waits[waits.device_id] = replace(waits, asked_ms=now_ms)

    def by_code(self, code: str, now_ms: int) -> Waits | None:
        """Who shows this code now, however it was typed."""
        wanted = plain(code)
        for one in self._waits.values():
            if one.code == wanted and not one.refused and not one.taken and now_ms < one.ends_ms:
                return one
        return None

    def take(self, waits: Waits) -> None:
        """Its code is being used: a second approval finds nothing, while the device still shows it."""
        self._waits[waits.device_id] = replace(waits, taken=True)

    def give_back(self, waits: Waits) -> None:
        """Nobody uses its code just now."""
        now = self._waits.get(waits.device_id)
        if now is not None and now.code == waits.code:
            self._waits[waits.device_id] = replace(now, taken=False)

    def drop(self, waits: Waits) -> None:
        """Its code was used."""
        now = self._waits.get(waits.device_id)
        if now is not None and now.code == waits.code:
            del self._waits[waits.device_id]

    def refuse(self, waits: Waits) -> None:
        """Its page says so until the code would have ended."""
        self._waits[waits.device_id] = replace(waits, refused=True)

    def count(self, now_ms: int) -> int:
        """How many show a code on a page that is still there."""
        self.expire(now_ms)
        still_ms = now_ms - self._still_ms
        return sum(not (one.refused or one.taken) and one.asked_ms > still_ms for one in self._waits.values())

    def expire(self, now_ms: int) -> None:
        self._waits = {key: one for key, one in self._waits.items() if now_ms < one.ends_ms}
        self._given = [one for one in self._given if 0 <= now_ms - one[1] < self._life_ms]

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._waits = {
            key: replace(one, ends_ms=one.ends_ms + delta_ms, asked_ms=one.asked_ms + delta_ms)
            for key, one in self._waits.items()
        }
        self._given = [(source, at_ms + delta_ms) for source, at_ms in self._given]

    def _code(self) -> str:
        live = {one.code for one in self._waits.values()}
        while True:
            code = "".join(LETTERS[byte % len(LETTERS)] for byte in self._random(CODE_CHARS))
            if code not in live:
                return code

    def _crowded(self) -> str:
        """The oldest one of the address with the most."""
        by: dict[str, list[str]] = {}
        for device_id, one in self._waits.items():
            by.setdefault(one.source, []).append(device_id)
        return max(by.values(), key=len)[0]


def plain(code: str) -> str:
    """A code as it was made, from how people type it."""
    return "".join(code.split()).replace("-", "").upper()


@dataclass(slots=True)
class _Wrong:
    count: int = 0
    until_ms: int = 0


class Guessing:
    """Wrong codes by whoever types them: two are free, then each costs a longer wait, then they are locked."""

    def __init__(self, slower: float = 1.0) -> None:
        self._slower = slower  # shop milliseconds in a real one
        self._wrong: dict[str, _Wrong] = {}

    def wait_ms(self, who: str, now_ms: int) -> int:
        """How long `who` has to wait before the next try; 0 = now."""
        one = self._wrong.get(who)
        return 0 if one is None else max(0, one.until_ms - now_ms)

    def wrong(self, who: str, now_ms: int) -> None:
        if who not in self._wrong and len(self._wrong) >= MAX_GUESSERS:
            del self._wrong[next(iter(self._wrong))]
        one = self._wrong.setdefault(who, _Wrong())
        one.count += 1
        if one.count >= LOCK_AFTER:
            one.count, delay_ms = 0, LOCK_MS
        else:
            extra = one.count - FREE_WRONG
            delay_ms = 0 if extra <= 0 else FIRST_DELAY_MS * 2 ** (extra - 1)
        one.until_ms = now_ms + round(delay_ms * self._slower)

    def right(self, who: str) -> None:
        self._wrong.pop(who, None)

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        for one in self._wrong.values():
            one.until_ms += delta_ms
