"""Whose token is it? A look-up that knows opted-in members only; everybody else is None and leaves nothing behind.

Pure: `now_ms` is handed in, and nothing is written anywhere. Who may be in here at all is decided by
consent: the caller puts a credential in only while its purpose is given, with the instant that ends.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable

from gateway.core.model import Credential, CredentialKind, Token
from gateway.core.packed import KEY_BYTES, PackedIndex
from gateway.core.roster import KINDS, NEVER, Learned, Roster, Trial
from gateway.core.rotation import tokens, window_s
from gateway.core.rpa import Irks
from gateway.core.waiting import Waiting
from gateway.core.wide import WideSearch

DIGEST_BYTES = 16

# A beacon's clock drifts by up to 150 ppm (13 s a day) and it may change its id early or late inside the
# window, so the previous and the next window are live too. The next window is open a whole window ahead.
NEIGHBOURS = (-1, 0, 1)

# One call of `advance` opens at most so many windows: 0.8 ms on x86-64, 4 ms on a Pi 4. At 50 calls a second, as the
# gateway makes them while it is behind, a million beacons that change together take 500 of the 1,024 s that there are,
# and 10,000 that a step of the clock put out of reach are known again after 5 s.
OPENED_AT_ONCE = 40

# Rows that one call looks at, 0.2 us each: while a reading ends, while the clock's step is followed, and for consents
# that have lapsed (a million in 80 minutes).
CHECKED_AT_ONCE = 5_000
SWEPT_AT_ONCE = 2_000
LAPSED_AT_ONCE = 20
LAST_S = 0xFFFFFFFF  # the year 2106

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


def static_digest(site_key: bytes, kind: CredentialKind, value: bytes) -> bytes:
    """16-byte keyed hash (BLAKE2b) under which a static identifier is stored and found."""
    return hashlib.blake2b(value, digest_size=DIGEST_BYTES, key=site_key, person=kind.value.encode()).digest()


class Resolver:
    """Token -> member_id; 130 bytes a rotating credential. `cache_key` (16 random bytes) hides addresses in memory."""

    def __init__(self, site_key: bytes, cache_key: bytes = bytes(16)) -> None:
        self._site_key = site_key
        self._cache_key = cache_key
        self._reading = 0
        self.row = -1  # of the credential that resolved last; a number for as long as it is held
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
        self._due = Waiting()  # rows by the second in which their window ends, some of them outdated
        self._resweep: int | None = None  # the clock jumped: this row and the later ones are to be looked at
        self._trials: dict[int, Trial] = {}  # rows that were found far off, until they show a later window
        self._found: dict[int, int] = {}  # row -> the latest window in which it was found far off
        self._shifts: list[tuple[int, int]] = []  # from which row on, by how much learned clocks are to be taken back
        self._look_at = 0  # the next row to be looked at for a consent that has lapsed
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
        rows: dict[bytes, list[int]] = {}
        for row in self.roster.of_member(member_id):
            rows.setdefault(self.roster.secret(row), []).append(row)
        for credential, from_ms, until_ms in recognised:
            likely = rows.get(credential.secret, [])
            row = next((one for one in likely if self.roster.same(one, credential)), -1)
            if row < 0:
                row = self._open(credential, now_ms)
            else:
                likely.remove(row)
            # Rows count whole seconds: what is given now holds now and not from the next second on.
            self.roster.set_validity(row, from_ms if from_ms > now_ms else 0, until_ms)
            self.roster.mark[row] = self._reading
        for left in rows.values():
            for row in left:
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

    def digest(self, token: Token) -> bytes:
        """The 16-byte keyed hash under which this shop knows a static identifier."""
        return static_digest(self._site_key, token.kind, token.value)

    def missed(self, token: Token, now_ms: int) -> None:
        """A token that did not resolve, once a second: if it stays, its owner is looked for more widely."""
        self.search.miss(token, now_ms)

    def resolve_address(self, address: bytes, now_ms: int) -> str | None:
        """The colleague whose phone shows this random address (6 bytes, most significant first), or None."""
        row = self._irks.resolve(address, now_ms)
        return None if row is None else self._owner([int(row)], now_ms)

    def live_tokens(self, prefix: bytes) -> tuple[list[bytes], int]:
        """The live tokens that begin with these two bytes, and for how many milliseconds the answer holds."""
        now_ms = self._advanced_ms
        valid = {token for token, found in self._live.under(prefix) if self.roster.valid(found // _PHASES, now_ms)}
        return sorted(valid), ANSWER_MS

    def live_digests(self, prefix: bytes) -> tuple[list[bytes], int]:
        """The same for the 16-byte keyed hashes of static identifiers on the air."""
        rows = [row for _, row in self._static.under(prefix) if self.roster.valid(row, self._advanced_ms)]
        on_air = {self.roster.secret(row) for row in rows if not KINDS[self.roster.kind[row]].tapped}
        return sorted(on_air), ANSWER_MS

    def _resolve_live(self, token: Token, now_ms: int) -> str | None:
        records = self._live.all(token.value)
        if not records:
            return None
        roster = self.roster
        held = [
            record
            for record in records
            if KINDS[roster.kind[record // _PHASES]] is token.kind and roster.valid(record // _PHASES, now_ms)
        ]
        member_id = self._owner([record // _PHASES for record in held], now_ms)
        if member_id is None:
            return None
        found = held[0]
        row = found // _PHASES
        current = roster.window[row]
        window = current - 1 + (found - current + 1) % _PHASES
        if window != roster.heard[row]:
            if window < roster.heard[row]:  # it has shown a later token already: somebody plays an old one
                self.counts["ble.replayed"] += 1
                return None
            self._hear(row, window, now_ms)
        return member_id

    def _owner(self, rows: list[int], now_ms: int) -> str | None:
        """The one valid owner; a key that two members hold opens nothing."""
        valid = [row for row in rows if self.roster.valid(row, now_ms)]
        self.row = valid[0] if valid else -1
        members = {self.roster.member(row) for row in valid}
        if len(members) > 1:
            self.counts["ble.two_owners"] += 1
        return members.pop() if len(members) == 1 else None

    # --- windows and clocks ----------------------------------------------------------------------------------

    def next_deadline(self) -> int | None:
        """When `advance` is due, or None while no credential changes with time."""
        if self._resweep is not None:
            return self._advanced_ms
        return self._due.first_s * 1000 if self._due.first_s is not None else None

    def advance(self, now_ms: int) -> None:
        """Open the windows that are live at `now_ms` and close the others; call it after a clock step too.

        Leaves the rest of a large number to the next call: `next_deadline` is then in the past.
        """
        if now_ms < self._advanced_ms:
            self._sweep_again(0)  # the clock was set back
        self._advanced_ms = now_ms
        opened = self._sweep(now_ms)
        self._search_wide(now_ms)
        self._let_lapse(now_ms)
        for _ in range(SWEPT_AT_ONCE):
            due = self._due.take(now_ms // 1000) if opened < OPENED_AT_ONCE else None
            if due is None:
                return
            row, due_s = due
            if self.rotates(row) and self.roster.due_s[row] == due_s:
                self._turn(row, now_ms)
                opened += 1

    def clock_stepped(self, delta_ms: int, now_ms: int) -> None:
        """The time handed in was corrected by this. What was learned from a clock that was not trusted moves along."""
        self._sweep_again(0 if self.trusted else round(delta_ms / 1000))
        self._advanced_ms = now_ms

    def _sweep_again(self, shift_s: int) -> None:
        """Look at every row anew. Rows that an unfinished sweep has not reached owe its shifts as well."""
        reached = self._resweep if self._resweep is not None else self.roster.rows
        self._shifts = [(max(start, reached), shift) for start, shift in self._shifts if shift]
        self._shifts.append((0, shift_s))
        self._resweep = 0

    def _sweep(self, now_ms: int) -> int:
        """After a step of the clock every row may be due, whatever its deadline says."""
        opened = looked = 0
        while self._resweep is not None and opened < OPENED_AT_ONCE and looked < SWEPT_AT_ONCE:
            row, self._resweep, looked = self._resweep, self._resweep + 1, looked + 1
            if row >= self.roster.rows:
                self._resweep = None
                self._shifts.clear()
            elif self.rotates(row):
                shift_s = sum(shift for start, shift in self._shifts if row >= start)
                if shift_s and (self.roster.heard[row] != NEVER or row in self._trials):
                    self.roster.offset_s[row] = self.roster.offset_s.get(row, 0) - shift_s
                if self._window_at(row, now_ms) != self.roster.window[row]:
                    self.roster.heard[row] = NEVER
                self._turn(row, now_ms)
                opened += 1
        return opened

    def _search_wide(self, now_ms: int) -> None:
        """Look for the owners of tokens that stay unknown among the devices whose clock may be far off."""
        for row in self.search.next_rows(self.roster.rows, now_ms):
            if not self.rotates(row) or KINDS[self.roster.kind[row]] is not CredentialKind.EID or row in self._trials:
                continue
            length_s, current = self._window_s(row), self.roster.window[row]
            if self.roster.heard[row] != NEVER and (current - self.roster.heard[row]) * length_s < LOST_AFTER_S:
                continue
            window = self.search.match(self.roster.secret(row), self.roster.exponent[row], current)
            if window is not None and window > self._found.get(row, NEVER):  # a frame recorded then finds nobody twice
                self.counts["ble.found_again"] += 1
                self._found[row] = window
                self._trials[row] = Trial(window, self.roster.offset_s.get(row, 0))
                self.roster.heard[row] = NEVER
                self._correct(row, (window - current) * length_s, now_ms)

    def _let_lapse(self, now_ms: int) -> None:
        """Credentials whose consent is over leave memory too; a few rows a call, all of them in their turn."""
        for _ in range(min(LAPSED_AT_ONCE, self.roster.rows)):
            row = self._look_at = (self._look_at + 1) % self.roster.rows
            if self.roster.in_use(row) and self.roster.lapsed(row, now_ms):
                self._drop(row)

    def _correct(self, row: int, by_s: int, now_ms: int) -> None:
        """The device's clock is further ahead than we thought: open the windows that it shows."""
        self.roster.offset_s[row] = self.roster.offset_s.get(row, 0) + by_s
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
            self.roster.window[row] = window
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
        self._trials.pop(row, None)
        self._found.pop(row, None)
        self.roster.drop(row)
        self.epoch += 1

    def _turn(self, row: int, now_ms: int) -> None:
        """Open the windows of now; the index is a function of the keys, so nothing else remembers old tokens."""
        before, window = self.roster.window[row], self._window_at(row, now_ms)
        trial = self._trials.get(row)
        if trial is not None and window > trial.window + 1:  # nothing later was shown: it was a recorded frame
            del self._trials[row]
            self.roster.offset_s[row] = trial.offset_s
            window = self._window_at(row, now_ms)
        live = {window + step for step in NEIGHBOURS}
        known = {before + step for step in NEIGHBOURS}
        self._show(row, live - known, known - live)
        self.roster.window[row] = window
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
        trial = self._trials.get(row)
        if trial is not None and window <= trial.window:
            return  # a recorded frame shows the same
        clock_s = self._clock_s(row, now_ms)
        first_s = window * length_s
        off_s = first_s - clock_s if clock_s < first_s else min(0, first_s + length_s - 1 - clock_s)
        if roster.heard[row] != NEVER:
            most_s = SLACK_S + round(DRIFT * (window - roster.heard[row]) * length_s)
            off_s = max(-most_s, min(off_s, most_s))
        if off_s:
            self._correct(row, off_s, now_ms)
        roster.heard[row] = window
        if trial is not None:
            self._trials.pop(row, None)
        if (off_s or trial is not None) and self.trusted:
            self.learned.append(Learned(roster.member(row), roster.secret(row), roster.offset_s[row]))

    def _clock_s(self, row: int, now_ms: int) -> int:
        """The device's own clock, as far as we know it."""
        return now_ms // 1000 - self.roster.zero_s[row] + self.roster.offset_s.get(row, 0)

    def _window_s(self, row: int) -> int:
        return window_s(KINDS[self.roster.kind[row]], self.roster.exponent[row])

    def _window_at(self, row: int, now_ms: int) -> int:
        return self._clock_s(row, now_ms) // self._window_s(row)

    def _wait(self, row: int, now_ms: int) -> None:
        """Look again when the current window ends."""
        length_s = self._window_s(row)
        due_s = now_ms // 1000 + length_s - self._clock_s(row, now_ms) % length_s
        due_s = max(0, min(due_s, LAST_S))
        if self.roster.due_s[row] == due_s:
            return  # waits already
        self.roster.due_s[row] = due_s
        self._due.add(row, due_s)
        if len(self._due) > 2 * self.roster.rows + CHECKED_AT_ONCE:  # mostly outdated: the clock was set to and fro
            rows = range(self.roster.rows)
            self._due.replace((one, self.roster.due_s[one]) for one in rows if self.rotates(one))
