"""Writes a stretch of the simulated shop as a recording: python -m bench.make_recording FILE.

tests/recordings/shop_minute.jsonl is this script's output; all people and identifiers in it are invented.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from drivers.replay import Record, to_line
from drivers.shopday import ShopDay

SEED = 1
MEMBERS = 4
STRANGERS = 16
OPENED_MS = 1_795_255_200_000  # 2026-11-21 10:00 UTC: the ids in the recording belong to this minute
LENGTH_MS = 62_000


def shop(seed: int, members: int, strangers: int, opened_ms: int, length_ms: int) -> Iterator[Record]:
    """What the shop's receivers and readers get in the first `length_ms`."""
    day = ShopDay(seed, members, strangers)
    while (due_ms := day.next_ms) is not None and due_ms < length_ms:
        yield from day.step(opened_ms + due_ms)


def write(path: Path) -> None:
    """Make the recording of the tests."""
    records = shop(SEED, MEMBERS, STRANGERS, OPENED_MS, LENGTH_MS)
    path.write_text("".join(to_line(record) for record in records), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
