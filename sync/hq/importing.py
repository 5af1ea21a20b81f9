"""A file of members as a whole: looked through first, then recorded a few at a time, so that it may be of any length.

What is recorded takes no second version, so an import that was cut off is done again from its beginning.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

from gateway.core.localtime import is_known
from gateway.errors import ConfigError, PeerError
from sync.hq import orders, proofreading, tabular
from sync.hq.doubts import Doubts
from sync.hq.file import Db, Row
from sync.hq.ledger import Ledger
from sync.hq.tabular import Line

# Ops of one transaction: 50 ms on the reference machine, so shops' events wait no longer; 1 MB of memory.
AT_ONCE = 1_000

Phase = Literal["checked", "recorded"]
Told = Callable[[Phase, int, int], None]  # how far it is, and up to where it goes


class Imported(NamedTuple):
    """`news`: how many ops changed something; the version then. `refused`: lines that were left out, the first of them
    with their reasons (`faults`). `doubts`: what is recorded and perhaps not meant."""

    news: int
    version: int
    refused: int = 0
    faults: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def run(
    db: Db,
    path: Path,
    told: Told = lambda *_: None,
    *,
    skip: bool = False,
    zone: str = "UTC",
    now_ms: int | None = None,
) -> Imported:
    """Record what a file says. Unless lines that are wrong are to be left out (`skip`), one of them is a ConfigError
    that names all of them, and nothing is recorded. `zone`: of times that name none. `now_ms` None: of no time it is
    said that it is still to come."""
    if not is_known(zone):
        raise ConfigError(f"time zone: expected an IANA name such as Europe/Berlin; found {zone!r:.40}")
    faults = _Faults(path)
    whole = tabular.size(path)
    with closing(tabular.lines(path, zone)) as found:
        for line in found:
            if isinstance(line.op, ConfigError) and faults.add(str(line.op)) and not skip:
                break
            told("checked", line.read, whole)
    if faults.count and not skip:
        raise ConfigError("\n".join(faults.said()))
    with (
        closing(Ledger(db)) as ledger,
        closing(tabular.lines(path, zone)) as found,
        closing(Doubts(path, now_ms)) as doubts,
    ):
        version = begun = ledger.version()
        done = 0
        for batch in _batches(line for line in found if not isinstance(line.op, ConfigError)):
            version, recorded = _record(ledger, path, batch, done, faults if skip else None)
            doubts.look(recorded, ledger.known_members)
            done = batch[-1].number
            told("recorded", batch[-1].read, whole)
        doubtful = doubts.said(ledger.known_members)
        return Imported(version - begun, version, faults.count, tuple(faults.said()), doubtful)


class _Faults:
    """The first faults in words, and how many there are."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._path = path
        self._said: list[str] = []

    def add(self, fault: str) -> bool:
        """Whether there is no room for more words."""
        self.count += 1
        if len(self._said) < proofreading.MAX_FAULTS:
            self._said.append(fault)
        return self.count >= proofreading.MAX_FAULTS

    def said(self) -> list[str]:
        full = self.count >= proofreading.MAX_FAULTS
        return [*self._said, f"{self._path}: {proofreading.MORE}"] if full else self._said


def _batches(found: Iterator[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    for line in found:
        batch.append(line)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _record(
    ledger: Ledger, path: Path, batch: list[Line], done: int, faults: _Faults | None
) -> tuple[int, list[tuple[int, Row]]]:
    """Record a batch; the version then, and what was recorded, by line. What contradicts the ledger is left out, or
    without `faults` a ConfigError."""
    left: list[tuple[int, Row]] = [(line.number, line.op) for line in batch if isinstance(line.op, dict)]
    while True:
        try:
            return ledger.record_ops([op for _, op in left]), left
        except PeerError as error:
            number, _ = wrong = left[int(error.field.removeprefix("ops."))]
            why = f"{path}:{number}: {orders.refusal(error)}"
            if faults is None:
                until = f"what stands up to line {done} is recorded" if done else "nothing was recorded"
                raise ConfigError(f"{why}; {until}") from None
            faults.add(why)
            left.remove(wrong)
