"""Whose token is it? A look-up that knows opted-in members only; everybody else is None and leaves nothing behind.

Pure: `now_ms` is handed in, and nothing is written anywhere. Who may be in here at all is decided by
consent: the caller puts a credential in only while its purpose is given, with the instant that ends.
"""

import hashlib
import heapq
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.model import Credential, CredentialKind, Token
from gateway.core.packed import KEY_BYTES, PackedIndex
from gateway.core.roster import KINDS, WINDOW_MASK, Roster
from gateway.core.rotation import tokens, window_s
from gateway.core.rpa import Irks
from gateway.core.wide import WideSearch

DIGEST_BYTES = 16

# A beacon's clock drifts by up to 150 ppm (13 s a day) and it may change its id early or late inside the
# window, so the previous and the next window are live too. The next window is open a whole window ahead.
NEIGHBOURS = (-1, 0, 1)

# One call of `advance` opens at most so many windows: 0.8 ms on x86-64, 4 ms on a Pi 4. At 50 calls a second, as the
# gateway makes them while it is behind, a million beacons that change together take 500 of the 1,024 s that there are.
OPENED_AT_ONCE = 40

# Rows that `end_reading` looks at in one call, 0.2 us each.
CHECKED_AT_ONCE = 5_000

# What one hearing may correct a clock by, once the device is known to be near: its drift since it was last heard (150
# ppm by specification, twice that for heat and cold), and this for a beacon that changes its id a little early or late.
DRIFT = 300e-6
SLACK_S = 30

# A device that was not heard for so long may have lost its clock: batteries were changed, and the specification has
# beacons save their clock once a day only.
LOST_AFTER_S = 7_200

# A remote ear keeps an answer for so long. The next window is open a whole window ahead, so nobody is missed.
ANSWER_MS = 60_000

_PHASES = 4  # the index knows a window modulo 4, which tells three neighbours apart

Recognised = Iterable[tuple[Credential, int, int | None]]


@dataclass(frozen=True, slots=True)
class Learned:
    """A device's clock is `offset_s` ahead of what HQ said; worth keeping over a restart."""

    member_id: str
    secret: bytes
    offset_s: int


def static_digest(site_key: bytes, kind: CredentialKind, value: bytes) -> bytes:
    """16-byte keyed hash (BLAKE2b) under which a static identifier is stored and found."""
    return hashlib.blake2b(value, digest_size=DIGEST_BYTES, key=site_key, person=kind.value.encode()).digest()


class Resolver:
    """Token -> member_id; 130 bytes a rotating credential. `cache_key` (16 random bytes) hides addresses in memory."""

    def __init__(self, site_key: bytes, cache_key: bytes = bytes(16)) -> None:
        self._site_key = site_key
        self._cache_key = cache_key
        self._reading = 0
        self.epoch = 0  # grows with every credential taken away
        self.trusted = True  # whether the time that is handed in comes from a synchronised clock
        self.counts: Counter[str] = Counter()  # what was noticed; the caller takes it
        self.learned: list[Learned] = []  # likewise
        self._empty()

    def _empty(self) -> None:
        self.roster = Roster()
        self._live = PackedIndex()  # 8-byte token -> row and phase of its window
        self._static = PackedIndex()  # first 8 bytes of the digest -> row
        self._irks = Irks(self._cache_key)
        self.search = WideSearch(self._cache_key)
        self._due: dict[int, array[int]] = {}  # second -> rows whose window ends then, some of them outdated
        self._due_s: list[int] = []  # heap of the keys
        self._resweep: int | None = None  # the clock jumped: this row and the later ones are to be looked at
        self._unproven: dict[int, int] = {}  # row -> window; a replayed frame until the row shows a later one
        self._shift_s = 0  # what was learned from a wrong clock is taken back by this
        self._advanced_ms = 0

    def __len__(self) -> int:
        return len(self.roster)

    @property
    def open_tokens(self) -> int:
        """Tokens that would resolve now: three a rotating credential."""
        return len(self._live)

    @property
    def knows_phones(self) -> bool:
        """Whether a random address is worth a look at all."""
        return bool(len(self._irks))

    # --- who is in -------------------------------------------------------------------------------------------

    def set_member(self, member_id: str, recognised: Recognised, now_ms: int) -> None:
        """From now on exactly these credentials are the member's; each with the instants between which it resolves.

        What stays the same keeps its windows and its learned clock.
        """
        rows = self.roster.of_member(member_id)
        for credential, from_ms, until_ms in recognised:
            row = next((row for row in rows if self.roster.same(row, credential)), None)
            if row is None:
                row = self._open(credential, now_ms)
            else:
                rows.remove(row)
            # Rows count whole seconds: what is given now holds now and not from the next second on.
            self.roster.set_validity(row, from_ms if from_ms > now_ms else 0, until_ms)
            self.roster.mark[row] = self._reading
        for row in rows:
            self._drop(row)

    def drop_member(self, member_id: str) -> None:
        """Forget every credential of a member."""
        for row in self.roster.of_member(member_id):
            self._drop(row)

    def clear(self) -> None:
        """Forget everybody."""
        self.epoch += 1
        self._empty()

    def begin_reading(self) -> None:
        """The store is about to be read anew: `set_member` for everybody in it, then `end_reading`."""
        self._reading = (self._reading + 1) % 256

    def end_reading(self, start: int = 0) -> int | None:
        """Forget who was not in it, a part at a time: call again with the answer until it is None."""
        end = start + CHECKED_AT_ONCE
        for row in range(start, min(end, self.roster.rows)):
            if self.roster.in_use(row) and self.roster.mark[row] != self._reading:
                self._drop(row)
        return end if end < self.roster.rows else None

    # --- whose is it -----------------------------------------------------------------------------------------

    def resolve(self, token: Token, now_ms: int) -> str | None:
        """The member who shows `token` now, or None: a stranger, a frame replayed from earlier, or two members' key."""
        if token.kind is CredentialKind.EID or token.kind is CredentialKind.APP:
            return self._resolve_live(token, now_ms)
        if not len(self._static):
            return None
        digest = static_digest(self._site_key, token.kind, token.value)
        rows = [row for row in self._static.all(digest[:KEY_BYTES]) if self.roster.secret(row) == digest]
        return self._owner(rows, now_ms)

    def missed(self, token: Token, now_ms: int) -> None:
        """A token that did not resolve, once a second: if it stays, its owner is looked for more widely."""
        self.search.miss(token, now_ms)

    def resolve_address(self, address: bytes, now_ms: int) -> str | None:
        """The colleague whose phone shows this random address (6 bytes, most significant first), or None."""
        row = self._irks.resolve(address, now_ms)
        return None if row is None else self._owner([int(row)], now_ms)

    def live_tokens(self, prefix: bytes) -> tuple[list[bytes], int]:
        """The live tokens that begin with these two bytes, and for how many milliseconds the answer holds."""
        return sorted({token for token, _ in self._live.under(prefix)}), ANSWER_MS

    def live_digests(self, prefix: bytes) -> tuple[list[bytes], int]:
        """The same for the 16-byte keyed hashes of static identifiers."""
        return sorted({self.roster.secret(row) for _, row in self._static.under(prefix)}), ANSWER_MS

    def _resolve_live(self, token: Token, now_ms: int) -> str | None:
        records = self._live.all(token.value)
        if not records:
            return None
        if len(records) > 1:
            return self._owner([record // _PHASES for record in records], now_ms)
        found, roster = records[0], self.roster
        row = found // _PHASES
        if KINDS[roster.kind[row]] is not token.kind:
            return None
        current = roster.window[row]
        window = current - 1 + (found - current + 1) % _PHASES
        if window + 1 != roster.heard[row]:
            if window + 1 < roster.heard[row]:  # it has shown a later token already: somebody plays an old one
                self.counts["ble.replayed"] += 1
                return None
            self._hear(row, window, now_ms)
        return roster.member(row) if roster.valid(row, now_ms) else None

    def _owner(self, rows: list[int], now_ms: int) -> str | None:
        """The one valid owner; a key that two members hold opens nothing."""
        members = {self.roster.member(row) for row in rows if self.roster.valid(row, now_ms)}
        if len(members) > 1:
            self.counts["ble.two_owners"] += 1
        return members.pop() if len(members) == 1 else None

    # --- windows and clocks ----------------------------------------------------------------------------------

    def next_deadline(self) -> int | None:
        """When `advance` is due, or None while no credential changes with time."""
        if self._resweep is not None:
            return self._advanced_ms
        return self._due_s[0] * 1000 if self._due_s else None

    def advance(self, now_ms: int) -> None:
        """Open the windows that are live at `now_ms` and close the others; call it after a clock step too.

        Leaves the rest of a large number to the next call: `next_deadline` is then in the past.
        """
        if now_ms < self._advanced_ms:
            self._resweep = 0  # the clock was set back
        self._advanced_ms = now_ms
        opened = self._sweep(now_ms)
        self._search_wide(now_ms)
        while self._due_s and self._due_s[0] * 1000 <= now_ms:
            rows = self._due[self._due_s[0]]
            while rows:
                late_s = now_ms // 1000 - self._due_s[0]
                if opened >= OPENED_AT_ONCE and late_s < self._window_s(rows[-1]):
                    return
                row = rows.pop()
                if self.rotates(row) and self._window_at(row, now_ms) != self.roster.window[row]:
                    self._turn(row, now_ms)
                    opened += 1
            del self._due[heapq.heappop(self._due_s)]

    def clock_stepped(self, delta_ms: int, now_ms: int) -> None:
        """The time handed in was corrected by this. What was learned from a clock that was not trusted moves along."""
        while self._resweep is not None:  # two steps within seconds: finish the first
            self._sweep(now_ms)
        self._shift_s = 0 if self.trusted else round(delta_ms / 1000)
        self._resweep = 0
        self._advanced_ms = now_ms

    def _sweep(self, now_ms: int) -> int:
        """After a step of the clock every row may be due, whatever its deadline says."""
        opened = 0
        while self._resweep is not None and opened < OPENED_AT_ONCE:
            row, self._resweep = self._resweep, self._resweep + 1
            if row >= self.roster.rows:
                self._resweep = None
            elif self.rotates(row):
                if self.roster.heard[row] or row in self._unproven:
                    self.roster.offset_s[row] -= self._shift_s
                if self._window_at(row, now_ms) != self.roster.window[row]:
                    self.roster.heard[row] = 0
                    self._turn(row, now_ms)
                    opened += 1
        return opened

    def _search_wide(self, now_ms: int) -> None:
        """Look for the owners of tokens that stay unknown among the devices whose clock may be far off."""
        for row in self.search.next_rows(self.roster.rows, now_ms):
            if not self.rotates(row) or KINDS[self.roster.kind[row]] is not CredentialKind.EID:
                continue
            length_s, current = self._window_s(row), self.roster.window[row]
            if self.roster.heard[row] and (current - self.roster.heard[row]) * length_s < LOST_AFTER_S:
                continue
            window = self.search.match(self.roster.secret(row), self.roster.exponent[row], current)
            if window is not None:
                self.counts["ble.found_again"] += 1
                self.roster.heard[row] = 0
                self._unproven[row] = window
                self._correct(row, (window - current) * length_s, now_ms)

    def _correct(self, row: int, by_s: int, now_ms: int) -> None:
        """The device's clock is further ahead than we thought: open the windows that it shows."""
        self.roster.offset_s[row] += by_s
        if self.trusted:
            offset_s = self.roster.offset_s[row]
            self.learned.append(Learned(self.roster.member(row), self.roster.secret(row), offset_s))
        self._turn(row, now_ms)

    def rotates(self, row: int) -> bool:
        """Whether the row is in use and shows another token in every window."""
        return self.roster.in_use(row) and KINDS[self.roster.kind[row]] in (CredentialKind.EID, CredentialKind.APP)

    def _open(self, credential: Credential, now_ms: int) -> int:
        row = self.roster.add(credential, now_ms)
        if credential.kind is CredentialKind.RPA:
            if not self._irks.add(str(row), credential.secret):
                self.counts["ble.too_many_phones"] += 1
        elif credential.kind.keyed:
            self._advanced_ms = max(self._advanced_ms, now_ms)
            window = self._window_at(row, now_ms)
            self.roster.window[row] = window & WINDOW_MASK
            self._show(row, {window + step for step in NEIGHBOURS}, set())
            self._wait(row, now_ms)
        else:
            self._static.add(credential.secret[:KEY_BYTES], row)
        return row

    def _drop(self, row: int) -> None:
        kind = KINDS[self.roster.kind[row]]
        if kind is CredentialKind.RPA:
            self._irks.drop(str(row))
        elif kind.keyed:
            self._show(row, set(), {self.roster.window[row] + step for step in NEIGHBOURS})
        else:
            self._static.remove(self.roster.secret(row)[:KEY_BYTES], row)
        self._unproven.pop(row, None)
        self.roster.drop(row)
        self.epoch += 1

    def _turn(self, row: int, now_ms: int) -> None:
        """Open the windows of now; the index is a function of the keys, so nothing else remembers old tokens."""
        before, window = self.roster.window[row], self._window_at(row, now_ms)
        live = {window + step for step in NEIGHBOURS}
        known = {before + step for step in NEIGHBOURS}
        self._show(row, live - known, known - live)
        self.roster.window[row] = window & WINDOW_MASK
        self._wait(row, now_ms)

    def _show(self, row: int, opened: set[int], closed: set[int]) -> None:
        """Put the tokens of some windows into the index and take others out; one key schedule serves both."""
        roster, windows = self.roster, [*opened, *closed]
        shown = tokens(KINDS[roster.kind[row]], roster.secret(row), roster.exponent[row], windows)
        for window, token in zip(windows, shown, strict=True):
            change = self._live.add if window in opened else self._live.remove
            change(token, row * _PHASES + window % _PHASES)

    def _hear(self, row: int, window: int, now_ms: int) -> None:
        """The first hearing in this window: the device's clock stands inside it, whatever we thought."""
        roster, length_s = self.roster, self._window_s(row)
        clock_s = self._clock_s(row, now_ms)
        first_s = window * length_s
        off_s = first_s - clock_s if clock_s < first_s else min(0, first_s + length_s - 1 - clock_s)
        if roster.heard[row]:
            most_s = SLACK_S + round(DRIFT * (window + 1 - roster.heard[row]) * length_s)
            off_s = max(-most_s, min(off_s, most_s))
        if off_s:
            self._correct(row, off_s, now_ms)
        if self._unproven.get(row) != window:
            self._unproven.pop(row, None)
            roster.heard[row] = (window + 1) & WINDOW_MASK

    def _clock_s(self, row: int, now_ms: int) -> int:
        """The device's own clock, as far as we know it."""
        return now_ms // 1000 - self.roster.zero_s[row] + self.roster.offset_s[row]

    def _window_s(self, row: int) -> int:
        return window_s(KINDS[self.roster.kind[row]], self.roster.exponent[row])

    def _window_at(self, row: int, now_ms: int) -> int:
        return self._clock_s(row, now_ms) // self._window_s(row)

    def _wait(self, row: int, now_ms: int) -> None:
        """Look again when the current window ends."""
        length_s = self._window_s(row)
        due_s = now_ms // 1000 + length_s - self._clock_s(row, now_ms) % length_s
        rows = self._due.get(due_s)
        if rows is None:
            rows = self._due[due_s] = array("I")
            heapq.heappush(self._due_s, due_s)
        rows.append(row)
