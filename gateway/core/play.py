"""What one screen showed, once: a proof of play. Pure; says nothing of who stood there."""

from dataclasses import dataclass

# A page keeps this many that the gateway has not confirmed: at 12 s each, 16 hours without a gateway.
RING = 5_000
# Of one request; 50 x 300 bytes stay below a request's 16 KiB.
MAX_PLAYS = 50
# A frame stands for 30 s at most; a video ends by then too. Somebody's dialogue above it stops the count.
MAX_VISIBLE_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Play:
    """`content`: the hash of a file, or the id of a slide or offer; `title` as it was then, "" where a member's coming
    caused it. `decision_id` of that, else None. `started_ms` by the gateway's clock; `visible_ms`: after the first two
    frames were drawn, while nothing covered it; `completed`: for as long as it was meant to."""

    play_id: str
    content: str
    title: str
    decision_id: str | None
    slot: str
    started_ms: int
    visible_ms: int
    completed: bool
