"""What a roll-out comes to: how each gateway took what is new, and what follows from that for the ring. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sync.hq.fleet import AWAY_MS

What = Literal["settings", "config"]
# "undoing": what was before is being given back; "undone": it was.
State = Literal["running", "paused", "stopped", "done", "undoing", "undone"]
# "told": it has it and tries it; "away": it has not got it yet; "undone": it took it back or refused it; "silent":
# nothing is heard of it since; "sick": it kept it and a part went down; "other": it was sent something else since.
Outcome = Literal["told", "away", "confirmed", "undone", "silent", "sick", "other"]
Reason = Literal["", "operator", "failures", "nobody", "overtaken"]
FAILED: tuple[Outcome, ...] = ("undone", "silent", "sick")
OPEN: tuple[Outcome, ...] = ("told", "away", "silent", "sick")  # that may still become something else

# Beside the window: the service starts anew on a slow card (60 s), waits for its receivers (30 s), and a trial that was
# interrupted begins once more.
SLACK_MS = 180_000
# A part that is down this long after it was reported did not come back with the restart of a trial.
SICK_MS = 60_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator ordered. `share`: percent of a ring that has to confirm; `wait_ms`: after that those who are
    away do not count; `most_failures`: "3", or "2%" of those who were told."""

    what: What
    rings: tuple[str, ...]
    soak_ms: int
    most_failures: str
    share: int
    wait_ms: int
    window_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a roll-out is. `ring`: the last that was told, from 1; `ring_ms`: since when; `through_ms`: since when
    enough of it confirmed, None = they have not."""

    ring: int
    ring_ms: int
    through_ms: int | None


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway that was told. `reached_ms`: since when it has what is new, None = it has not; `before`: its parts
    that were down when it was told; `accepted`: an operator went on in spite of how it took it."""

    name: str
    ring: int
    told_ms: int
    outcome: Outcome = "away"
    why: tuple[str, ...] = ()
    reached_ms: int | None = None
    before: tuple[str, ...] = ()
    accepted: bool = False

    @property
    def failed(self) -> bool:
        return self.outcome in FAILED and not self.accepted

    @property
    def counts(self) -> bool:
        """Whether its ring waits for it, or for its like."""
        return self.outcome != "other" and not (self.accepted and self.outcome in FAILED)


@dataclass(frozen=True, slots=True)
class Seen:
    """What headquarters knows of a gateway now. `stands`: whether what it was told is what it is sent; `result`: what
    it told of that, with `why`; `down`: its parts that are down for SICK_MS; `gets`: it has the change."""

    stands: Literal["ours", "other", "gone"]
    online: bool
    last_seen_ms: int
    gets: bool = False
    result: Literal["", "kept", "undone"] = ""
    why: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What follows: the ring is `through`, the `next` one is told, the roll-out is `done`, or it stops."""

    does: Literal["through", "next", "done", "stop"]
    reason: Reason = ""
    gateway: str = ""
    why: tuple[str, ...] = field(default=())


def judged(one: Gateway, seen: Seen, ring: int, now_ms: int, since_ms: int, window_ms: int) -> Gateway:
    """How this gateway took it. `ring`: the one that is watched now; `since_ms`: since when this headquarters listens,
    for what nobody listened to is no silence."""
    if one.outcome == "other" or seen.stands != "ours":
        return replace(one, outcome="other", why=())
    got = seen.gets or bool(seen.result) or (seen.online and seen.last_seen_ms > one.told_ms)
    one = replace(one, reached_ms=now_ms if one.reached_ms is None and got else one.reached_ms)
    if seen.result == "undone":
        return replace(one, outcome="undone", why=seen.why)
    if seen.result == "kept":
        if one.ring < ring and (one.outcome in ("confirmed", "sick") or one.why == ("away",)):
            return one  # it was watched long enough: what happens now is not this change's
        worse = tuple(name for name in seen.down if name not in one.before)
        if worse:
            return replace(one, outcome="sick", why=worse)
        if not seen.online and now_ms - max(seen.last_seen_ms, since_ms) >= AWAY_MS:
            return replace(one, outcome="silent", why=("away",))
        return replace(one, outcome="confirmed", why=())
    if one.reached_ms is None:
        return replace(one, outcome="away", why=())
    if now_ms - max(one.reached_ms, since_ms) >= window_ms + SLACK_MS:
        return replace(one, outcome="silent", why=("no_answer",))
    return replace(one, outcome="told", why=())


def next_step(plan: Plan, at: Standing, told: Sequence[Gateway], overtaken: bool, now_ms: int) -> Step | None:
    """What follows from how all who were told took it; None = it is waited. `overtaken`: others were sent to all."""
    if overtaken:
        return Step("stop", "overtaken")
    failed = sorted((one for one in told if one.failed), key=lambda one: (FAILED.index(one.outcome), one.name))
    if len(failed) > most(plan.most_failures, len(told)):
        return Step("stop", "failures", failed[0].name, (failed[0].outcome, *failed[0].why))
    ring = [one.outcome for one in told if one.ring == at.ring and one.counts]
    over = Step("done" if at.ring == len(plan.rings) else "next")
    if not ring:
        return over
    if at.through_ms is not None:
        return over if now_ms - at.through_ms >= plan.soak_ms else None
    confirmed, pending = ring.count("confirmed"), ring.count("told")
    if now_ms - at.ring_ms < plan.wait_ms:
        pending += ring.count("away")
    if confirmed and confirmed * 100 >= plan.share * (confirmed + pending):
        return Step("through")
    return None if confirmed or pending else Step("stop", "nobody")


def most(text: str, told: int) -> int:
    """How many may fail, of so many that were told."""
    return told * int(text[:-1]) // 100 if text.endswith("%") else int(text)


def result_of(what: What, value_id: str, version: int, told: str | None) -> tuple[Any, tuple[str, ...]]:
    """What a gateway's last report (JSON of sync.hq.settings) says of what it was told: "kept", "undone" or "", and
    why. `value_id`: the settings' id; `version`: that of its configuration."""
    if told is None:
        return "", ()
    body = json.loads(told)
    if what == "settings":
        if body["given"] != value_id:
            return "", ()
        result = {"kept": "kept", "unchanged": "kept", "undone": "undone", "refused": "undone"}.get(body["state"], "")
    else:
        if body["version"] < version:
            return "", ()
        result = "undone" if "reasons" in body else "kept"
    return result, (*body["reasons"], *body["parts"]) if result == "undone" else ()
