"""A tablet in a customer's hands: locked until the colleague's number for this one hand-over. Pure; in memory only."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

MAX_WRONG = 5  # a colleague mistypes twice; five of 10,000 numbers are a chance of 1 in 2,000
# Tablets that are handed over at once; each is authorised by the manager's key. A lock is never dropped for another
# one, because that would open a tablet in a customer's hands.
MAX_LOCKS = 64


@dataclass(slots=True)
class _Lock:
    pin: bytes
    wrong: int = 0


class Locks:
    """Which tablets are locked. `random` gives a key under which numbers are hashed in memory."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._key = random(32)
        self._locks: dict[str, _Lock] = {}

    def lock(self, tablet: str, pin: str) -> bool:
        """Lock for this number; False if it is locked already, or too many are."""
        if tablet in self._locks or len(self._locks) >= MAX_LOCKS:
            return False
        self._locks[tablet] = _Lock(self._hash(tablet, pin))
        return True

    def lock_for_good(self, tablet: str) -> None:
        """Only the manager's link opens it: nobody knows its number any more."""
        if tablet not in self._locks and len(self._locks) < MAX_LOCKS:
            self._locks[tablet] = _Lock(b"", MAX_WRONG)

    def is_locked(self, tablet: str) -> bool:
        return tablet in self._locks

    def unlock(self, tablet: str, pin: str) -> Literal["ok", "wrong", "locked"]:
        """Try a number; "locked" after MAX_WRONG wrong ones, whatever it is."""
        lock = self._locks.get(tablet)
        if lock is None:
            return "ok"
        if lock.wrong >= MAX_WRONG:
            return "locked"
        if not hmac.compare_digest(self._hash(tablet, pin), lock.pin):
            lock.wrong += 1
            return "wrong" if lock.wrong < MAX_WRONG else "locked"
        del self._locks[tablet]
        return "ok"

    def release(self, tablet: str) -> None:
        """The manager opens it."""
        self._locks.pop(tablet, None)

    def _hash(self, tablet: str, pin: str) -> bytes:
        return hashlib.blake2b(f"{tablet}/{pin}".encode(), key=self._key, digest_size=16).digest()
