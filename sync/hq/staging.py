"""Roll-outs over rings of stores: begun by operators, and brought on by the process of headquarters that leads, step by
step, until all have it or something speaks against it. Knows no SQL; what a step is decided by: sync.hq.rolling."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.core.trial import SettingsPut
from gateway.errors import ConfigError, PeerError
from gateway.health import Health
from sync import messages
from sync.hq import orders, rings, steering
from sync.hq.file import Db, Row
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse
from sync.hq.rolling import Plan, State, Step, What, judged, next_step

# Between two looks at the roll-outs under way, and at least so many times as long as the look took: one of 100 gateways
# takes 8 ms, one of 10,000 takes 0.7 s of processor time, of which this leaves a twentieth.
LOOK_S = 2.0
REST = 20

Act = Literal["pause", "resume", "stop", "undo"]
ACTS: dict[Act, State] = {"pause": "paused", "resume": "running", "stop": "stopped", "undo": "undoing"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """How to roll out, as Plan has it."""

    rings: tuple[str, ...]
    soak_ms: int
    most_failures: str
    share: int
    wait_ms: int


# --- what whoever leads does ---------------------------------------------------------------------------------------


async def run(ledger: Ledger, pulse: Pulse, health: Health, now_ms: Callable[[], int]) -> None:
    """Bring roll-outs on, for ever. Not to run while nobody listens to gateways: their silence would be ours."""
    since_ms, loop = now_ms(), asyncio.get_running_loop()
    while True:
        begun_s = loop.time()
        while await asyncio.to_thread(look, ledger, health, now_ms(), since_ms):
            pulse.ring()
            begun_s = loop.time()
        await asyncio.sleep(max(LOOK_S, REST * (loop.time() - begun_s)))


def look(ledger: Ledger, health: Health, now_ms: int, since_ms: int) -> bool:
    """One step of each roll-out that is followed; whether gateways were sent something, and more may be to send."""
    sent = False
    for row in ledger.followed_rollouts(now_ms):
        number = row["number"]
        if row["state"] == "undoing":
            sent = ledger.give_back(number, now_ms) > 0 or sent
            continue
        if row["state"] == "running" and _tell(ledger, row, health, now_ms):
            sent = True
            continue
        step = _follow(ledger, row, now_ms, since_ms)
        if step is not None and ledger.take_step(number, row["at"].ring, step, now_ms):
            _say(number, row["at"].ring, step, health)
            sent = sent or step.does in ("next", "done")
    return sent


def _tell(ledger: Ledger, row: Row, health: Health, now_ms: int) -> bool:
    """Whether anybody of the rings begun was told now. A gateway that is new belongs to its ring as well."""
    plan, at = row["plan"], row["at"]
    count = ledger.tell_ring(row["number"], rings.members(plan.rings, ledger.gateway_names()), now_ms)
    health.count("hq.rollouts.told", count)
    return count > 0 or not at.ring


def _follow(ledger: Ledger, row: Row, now_ms: int, since_ms: int) -> Step | None:
    """Note how gateways took it, and what follows from that."""
    plan: Plan = row["plan"]
    at, runs = row["at"], row["state"] != "stopped"
    told, overtaken = ledger.told_gateways(row["number"], at.ring, now_ms), False
    found = []
    for one, seen in told:
        # Of one that is stopped is kept how it was, whatever gateways are sent after it.
        watched = seen is not None and (runs or seen.stands == "ours")
        now = judged(one, seen, at.ring, now_ms, since_ms, plan.window_ms) if watched and seen is not None else one
        overtaken = overtaken or (watched and seen is not None and seen.stands == "gone")
        found.append(now)
    changed = [now for now, (before, _) in zip(found, told, strict=True) if now != before]
    if changed:
        ledger.note_outcomes(row["number"], changed)
    return next_step(plan, at, found, overtaken, now_ms) if row["state"] == "running" else None


def _say(number: int, ring: int, step: Step, health: Health) -> None:
    if step.does == "stop":
        health.count("hq.rollouts.stopped")
        about = f" ({step.gateway}: {', '.join(step.why)})" if step.gateway else ""
        log.warning("roll-out %d stopped at ring %d: %s%s", number, ring, step.reason, about)
    else:
        health.count(f"hq.rollouts.{step.does}")
        log.info("roll-out %d, ring %d: %s", number, ring, step.does)


# --- what operators do ---------------------------------------------------------------------------------------------


def order(
    db: Db, what: What, path: Path, given: Order, window_ms: int, now_ms: int, *, without_notice: bool = False
) -> tuple[int, list[Row]]:
    """Begin a roll-out of the settings or the configuration in a file; its number, and how many gateways are in each
    ring now. `window_ms`: how long settings are tried; `without_notice`: as of push-config. Raises ConfigError."""
    document = steering.read_document(path) if what == "settings" else ""
    op = steering.read_config(path, without_notice=without_notice) if what == "config" else {}
    with closing(Ledger(db)) as ledger:
        members = rings.members(given.rings, ledger.gateway_names())
        sizes = [sum(ring == number for ring in members.values()) for number in range(1, len(given.rings) + 1)]
        if not sizes[0]:
            raise ConfigError(f"ring 1, {given.rings[0]}: no gateway is in it; see hq gateways")
        if what == "settings":
            op = messages.op_of(SettingsPut(ledger.new_id()[:12], "", window_ms, document))
        else:
            window_ms = int(messages.op_of(messages.parse_op(op))["body"]["trial_ms"])
            steering.check_notice(ledger, op)
            if not ledger.config():
                raise ConfigError("there is no configuration yet to go back to; expected hq push-config for the first")
        plan = Plan(
            what, given.rings, given.soak_ms, given.most_failures, given.share, given.wait_ms, window_ms=window_ms
        )
        try:
            number = ledger.begin_rollout(plan, op, now_ms)
        except PeerError as error:
            raise ConfigError(f"nothing was recorded: {orders.refusal(error)}") from None
        if number is None:
            raise ConfigError(f"another roll-out of {what} is under way; see hq rollouts, and stop it first")
    return number, [{"ring": who, "gateways": size} for who, size in zip(given.rings, sizes, strict=True)]


def act(db: Db, number: int, what: Act, now_ms: int) -> State:
    """Pause, resume, stop or undo a roll-out; the state in which it was. Raises ConfigError."""
    with closing(Ledger(db)) as ledger:
        before = ledger.steer_rollout(number, ACTS[what], now_ms)
        if before is not None:
            return before
        found = [row for row in ledger.rollouts(1_000) if row["id"] == number]
    if not found:
        raise ConfigError(f"roll-out {number}: no such roll-out; see hq rollouts")
    raise ConfigError(_CANNOT[what].format(number=number, state=found[0]["state"]))


_CANNOT: dict[Act, str] = {
    "pause": "roll-out {number} is {state}; expected one that is running",
    "resume": "roll-out {number} is {state}; expected one that is paused or stopped, and no other under way",
    "stop": "roll-out {number} is {state}; expected one that is running or paused",
    "undo": "roll-out {number} is {state}; expected one that is not undone, and that others to all have not followed",
}


def listed(db: Db, limit: int) -> list[Row]:
    """The newest roll-outs, the newest first."""
    with closing(Ledger(db)) as ledger:
        return ledger.rollouts(limit)


def told(db: Db, number: int) -> list[Row]:
    """Who was told of a roll-out, and how each took it."""
    with closing(Ledger(db)) as ledger:
        return ledger.rollout_gateways(number)
