"""Ears that write down instead of recognising: hardware heard -> a recording in which no stranger can be found again.

The caller says who is the shop's own; everybody else's bytes go through drivers.mask before anything is written.
"""

import os
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from drivers import frames, replay, tags
from drivers.ears import Ears
from drivers.mask import Mask
from drivers.talk import Found, Outcome, Terminal
from gateway.core.model import CredentialKind, Token
from gateway.core.ports import Clock
from gateway.errors import ConfigError, PeerError, StoreError

# Three hours in a busy street (600 advertisements a second, about 150 bytes a line), and what a small card can spare.
MAX_FILE_BYTES = 1_000_000_000
# The longest line: an extended advertisement of 1,650 bytes as hex takes under 4 kB, a card with 64 kB of NDEF 128 kB.
MAX_LINE_BYTES = 256 * 1024

_ANCHOR, _MEMBER = "anchor", "member"


class Recorder(Ears):
    """Takes the place of Ears behind any source. Lives on the event loop; `close` it at the end.

    Kept as they are: frames of `anchors`, the shop's own beacons, and of tokens that `is_kept`.
    Raises ConfigError if `path` is there already or cannot be made. A source never hears of a disk that refuses: `full`
    is true from then on, `flush` says it, and the file ends with its last whole line.
    """

    def __init__(
        self, path: Path, clock: Clock, mask: Mask, anchors: Collection[Token], is_kept: Callable[[Token], bool]
    ) -> None:
        self._path = path
        self._clock = clock
        self._mask = mask
        self._own = frozenset(anchors)
        self._is_kept = is_kept
        self._file = _create(path)
        self._began_ms: int | None = None
        self._last_ms = 0
        self._own_ms: dict[str, int] = {}
        self._written_bytes = 0
        self._error: OSError | None = None
        self._cut = False  # the disk refused something
        self.full = False  # nothing more is written
        self.terminal = Terminal("", clock, secrets.token_bytes)  # without keys: cards show what they show everybody
        self.counts: Counter[str] = Counter()  # lines by fixed words

    @property
    def has_anchors(self) -> bool:
        """Whether the shop has fixed beacons of its own."""
        return bool(self._own)

    def last_anchor_ms(self, receiver: str) -> int | None:
        """When this receiver last heard a beacon of the shop's own, None = never."""
        return self._own_ms.get(receiver)

    def heard(self, receiver: str, rssi_dbm: int, ad: bytes, address: bytes = b"") -> None:
        """One advertisement as raw AD structures; see Ears."""
        what = self._what(ad)
        if what == _ANCHOR:
            self._own_ms[receiver] = self._clock.now_ms()
        elif what != _MEMBER:
            ad, address = self._mask.ad(ad), self._mask.address(address)
        shown = address.hex(":").upper() if address else ""
        self._write(what, replay.Adv(self._t_ms(), receiver, rssi_dbm, ad, shown))

    def heard_fields(
        self,
        receiver: str,
        rssi_dbm: int,
        service_data: Mapping[str, bytes],
        manufacturer_data: Mapping[int, bytes],
        service_uuids: Sequence[str] = (),
        address: bytes = b"",
    ) -> bool:
        """One advertisement as the fields of a host stack; see Ears. The recording holds them as AD structures."""
        try:
            ad = frames.assemble(service_data, manufacturer_data, service_uuids)
        except PeerError:
            self.counts["no_structure"] += 1
        else:
            self.heard(receiver, rssi_dbm, ad, address)
        return False

    def touched(self, reader: str, ndef: bytes | None) -> None:
        """One card or phone. Its UID is not known here, so the recording has none."""
        what = "card"
        if ndef is not None:
            try:
                token = tags.decode(ndef)
            except PeerError:
                token = None
            if token is not None and self._is_kept(token):
                what = "member_card"
            else:
                ndef = self._mask.ndef(ndef)
        self._write(what, replay.Touch(self._t_ms(), reader, ndef))

    def presented(self, reader: str, outcome: Outcome) -> None:
        """What a conversation found: of an NDEF text the shape is kept, of all else that there was a tap."""
        token = outcome.token if isinstance(outcome, Found) else None
        if token is None or token.kind is not CredentialKind.NDEF:
            self.touched(reader, None)
            return
        text = token.value.decode()
        self.touched(reader, tags.encode_uri(text) if ":" in text else tags.encode_text(text))

    def flush(self) -> None:
        """What was written reaches the file. Raises StoreError if the disk refused it."""
        self._try(self._file.flush)
        self._complain()

    def close(self) -> None:
        """As `flush`; nothing is written afterwards."""
        self.full = True
        self._try(self._file.close)
        if self._cut:
            self._try(self._mend)
        self._complain()

    def _what(self, ad: bytes) -> str:
        """A word for the summary."""
        try:
            found = frames.decode(ad)
        except PeerError:
            return "malformed"
        if isinstance(found, frames.Other):
            return found.value
        if found in self._own:
            return _ANCHOR
        return _MEMBER if self._is_kept(found) else found.kind.value

    def _t_ms(self) -> int:
        """Time since the first line; never decreases, whatever the clock does."""
        now_ms = self._clock.now_ms()
        if self._began_ms is None:
            self._began_ms = now_ms
        self._last_ms = max(self._last_ms, now_ms - self._began_ms)
        return self._last_ms

    def _write(self, what: str, record: replay.Record) -> None:
        line = replay.to_line(record).encode()
        if self.full or self._written_bytes + len(line) > MAX_FILE_BYTES:
            self.full = True
            return
        self._try(lambda: self._file.write(line))
        self._written_bytes += len(line)
        self.counts[what] += 1

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self._error = self._error or error
            self.full = self._cut = True

    def _mend(self) -> None:
        """Half a line at the end goes, for which no space is needed."""
        with self._path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, size - MAX_LINE_BYTES))
            file.truncate(start + file.read(MAX_LINE_BYTES).rfind(b"\n") + 1)

    def _complain(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise StoreError(f"{self._path}: cannot be written ({error.strerror})") from error


def _create(path: Path) -> BinaryIO:
    """A new file that only we can read: a recording of a shop is nobody else's."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError as error:
        raise ConfigError(f"{path}: is there already; expected the name of a new file") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made ({error.strerror}); expected the name of a new file") from error
