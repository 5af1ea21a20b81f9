"""How often one-time codes and links may be guessed at: a few wrong ones, then a wait. Pure; in memory only."""

from collections import deque

# Of 10^8 codes perhaps a hundred are live in a shop. 20 guesses in ten minutes are a million a year: somebody who
# tries night and day would hit one after a year, and hold a card in front of the reader at that moment.
WINDOW_MS = 600_000
MAX_AT_SCREEN = 5  # an honest person mistypes twice
MAX_IN_SHOP = 20  # > MAX_AT_SCREEN, or one vandal would shut out every screen


class Guesses:
    """Wrong codes of the last `window_ms`, by screen and in all; at most `in_all` of them are kept."""

    def __init__(self, *, window_ms: int = WINDOW_MS, at_one: int = MAX_AT_SCREEN, in_all: int = MAX_IN_SHOP) -> None:
        self._window_ms = window_ms
        self._at_one = at_one
        self._in_all = in_all
        self._wrong: deque[tuple[str, int]] = deque(maxlen=in_all)  # screen, when; oldest first

    def take(self, screen: str, now_ms: int) -> bool:
        """Use up one guess at `screen`, for a code before it is looked at; False if it has to wait."""
        self.expire(now_ms)
        here = sum(at == screen for at, _ in self._wrong)
        if here >= self._at_one or len(self._wrong) >= self._in_all:
            return False
        self._wrong.append((screen, now_ms))
        return True

    def give_back(self, screen: str) -> None:
        """The code was right, or could not be looked at: that guess was none."""
        for index in reversed(range(len(self._wrong))):
            if self._wrong[index][0] == screen:
                del self._wrong[index]
                return

    def expire(self, now_ms: int) -> None:
        """Let go of those that count no more."""
        while self._wrong and not 0 <= now_ms - self._wrong[0][1] < self._window_ms:
            self._wrong.popleft()

    def forget(self, screen: str) -> None:
        """Nothing is known of `screen` any more."""
        self._wrong = deque((one for one in self._wrong if one[0] != screen), maxlen=self._in_all)

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._wrong = deque(((screen, at_ms + delta_ms) for screen, at_ms in self._wrong), maxlen=self._in_all)
