"""Why something is a member's usual, as a plain sentence. Pure; what is guessed is decided in gateway.core.usual.

It says what was counted and no weight: how often, how long ago, and whether time of day or of the week, the pause or
the people of this shop speak for it. The words are German and English, as those of gateway.core.reasons.
"""

from collections.abc import Iterable

from gateway.core.spans import DAY_MS
from gateway.core.usual import HOURS_MS, Bought, past

SELDOM = 3  # times; of fewer nobody can say when they are
MOSTLY = 0.6  # of the times, and then it is a habit
DUE = 0.8  # of the usual interval, and then it is time again

_NEVER = {"de": "Noch nie genommen; hier oft verlangt.", "en": "Never taken yet; often wanted here."}
_TIMES = {"de": "{times} Mal genommen, zuletzt {ago}", "en": "Taken {times} times, last {ago}"}
_ONCE = {"de": "Einmal genommen, {ago}", "en": "Taken once, {ago}"}
_AGO = {"de": ("heute", "vor einem Tag", "vor {days} Tagen"), "en": ("today", "a day ago", "{days} days ago")}
_HOUR = {"de": "meist um diese Tageszeit", "en": "mostly around this time of day"}
_WEEKDAY = {"de": "meist an diesem Wochentag", "en": "mostly on this day of the week"}
_AGAIN = {"de": "nun wieder an der Reihe", "en": "due again by now"}


def because(product: str, visits: Iterable[Bought], now_ms: int, language: str = "de") -> str:
    """One sentence. `language`: "de", and everything else is English."""
    spoken = "de" if language == "de" else "en"
    times_ms = [visit.at_ms for visit in past(visits, now_ms) if product in visit.products]
    if not times_ms:
        return _NEVER[spoken]
    days = (now_ms - times_ms[0]) // DAY_MS
    ago = _AGO[spoken][min(days, 2)].format(days=days)
    words = _ONCE if len(times_ms) == 1 else _TIMES
    said = [words[spoken].format(times=len(times_ms), ago=ago)]
    if len(times_ms) >= SELDOM:
        least = MOSTLY * len(times_ms)
        if sum(_apart_ms(now_ms - at_ms, DAY_MS) <= HOURS_MS for at_ms in times_ms) >= least:
            said.append(_HOUR[spoken])
        if sum(round((now_ms - at_ms) / DAY_MS) % 7 == 0 for at_ms in times_ms) >= least:
            said.append(_WEEKDAY[spoken])
        interval_ms = (times_ms[0] - times_ms[-1]) / (len(times_ms) - 1)
        if now_ms - times_ms[0] >= DUE * interval_ms:
            said.append(_AGAIN[spoken])
    return ", ".join(said) + "."


def _apart_ms(age_ms: int, circle_ms: int) -> int:
    """How far apart two instants are on a clock that goes round in `circle_ms`."""
    return min(age_ms % circle_ms, -age_ms % circle_ms)
