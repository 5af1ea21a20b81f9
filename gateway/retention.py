"""How long each table's rows are kept, why, and the daily run that lets them go: a few rows a commit.

Nothing here reads a clock. Rows age by the time that has surely come (gateway.core.reckoning).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from gateway.core.model import Keep
from gateway.core.reckoning import Jump
from gateway.core.spans import DAY_MS
from gateway.core.usual import KEEP_DAYS
from gateway.records import Tx
from gateway.tables.ageing import Aged

T = TypeVar("T")

# Rows of one commit. 200 decisions with 30 reasons each took 8 ms with their flush (median of 100 commits, x86-64 under
# load), so about 40 ms on a Pi: less than what a tap behind it is noticed by. 20,000 decisions a day are 100 commits.
ROWS = 200
# A row may go a little late, but not early: two clocks may differ by minutes and still agree.
SLACK_MS = 3_600_000

REQUEST_DAYS = 4
PLAY_DAYS = 7  # a page that has kept its proofs for longer was never heard in between
ACT_DAYS = 2  # a shift, and the morning after
COUNT_DAYS = 92  # two more than the longest period of a cap (sync.forms); a calendar month is shorter


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of a table that are kept for `days` and then go, and why so long."""

    where: Aged
    days: Callable[[Keep], int]
    why: str
    stamped: bool = True  # its column says since when a row is here, as far as that is known


RULES = (
    Rule(
        Aged("decision", "decision_id", "kept_from_ms"),
        lambda keep: keep.decisions,
        "to answer a member who asks why; then counts per day without a person",
    ),
    Rule(
        Aged("contact", "member_id, decision_id, offer_id, what", "kept_from_ms"),
        lambda keep: keep.decisions,
        "so that nobody is asked again what they answered; as long as the decision that it belongs to",
    ),
    Rule(
        Aged("audit", "seq", "kept_from_ms"),
        lambda keep: keep.audit,
        "to answer a member who asks who saw what; a year covers what an authority looks into",
    ),
    Rule(
        Aged("purchase", "member_id", "kept_from_ms"),
        lambda keep: KEEP_DAYS,
        "to know what somebody usually takes; older purchases say nothing of it (gateway.core.usual)",
    ),
    Rule(
        Aged("redemption", "redemption_id", "kept_from_ms"),
        lambda keep: keep.redemptions,
        "goods come back within a year, and accounts are closed by then; its steps in the ledger go with it",
    ),
    Rule(
        Aged("points_step", "step_id", "kept_from_ms"),
        lambda keep: keep.redemptions,
        "as the redemption that brought them, so that what is taken back takes back its points",
    ),
    Rule(
        Aged("lease", "lease_id", "until_ms"),
        lambda keep: keep.redemptions,
        "as the redemptions out of it; sent again after that, it has ended long ago and opens nothing",
        stamped=False,
    ),
    Rule(
        Aged("till_request", "number", "kept_from_ms"),
        lambda _: REQUEST_DAYS,
        "so that a till which asks again gets the same answer, also after a long weekend",
    ),
    Rule(
        Aged("play", "number", "kept_from_ms"),
        lambda _: PLAY_DAYS,
        "so that what a screen showed counts once, however often its page sends it; headquarters was told. No member's",
    ),
    Rule(
        Aged("staff_act", "redemption_id", "kept_from_ms"),
        lambda _: ACT_DAYS,
        "the log of a shift, which the colleague and the next one look at; headquarters keeps who redeemed",
    ),
    Rule(
        Aged("offer_count", "rowid", "quarter_ms"),
        lambda _: COUNT_DAYS,
        "as long as a cap of the whole shop can look back; no member's",
        stamped=False,
    ),
    Rule(
        Aged("decision_day", "rowid", "day_ms"),
        lambda keep: keep.counts,
        "to compare a season with the one before; no count is of fewer than five people",
        stamped=False,
    ),
)

# Rows that carry their own end, looked for by somebody else: the column, and who lets them go.
OWN_END = {
    "coupon_used": ("until_ms", "gateway.checkout, every minute"),
    "tap_guard": ("until_ms", "gateway.flow, every ten minutes; a tag's counter has no end while the tag may be shown"),
    "binding": ("valid_until_ms", "gateway.flow, every ten minutes"),
    "learning_open": ("until_ms", "gateway.tables.learning, with the next decision that is learned from"),
    "basket": ("until_ms", "gateway.baskets, once a minute"),
    "terminal_key": ("until_ms", "gateway.keychain, some time after the key's own end"),
    "command": ("until_ms", "gateway.commands, with the next command and at each start"),
}

# Tables that need no period, each with its reason.
NO_PERIOD = {
    "meta": "single values of the box itself, no member's",
    "member": "until headquarters changes or erases it, or is away too long (gateway.life)",
    "credential": "as the member it belongs to",
    "points_balance": "as the member it belongs to; one row each",
    "consent": "the proof of what was agreed to; until the member is erased",
    "consent_head": "as the log that it closes",
    "consent_parked": "until it can be followed, or the member is erased; bounded in number (gateway.tables.parked)",
    "notice": "hashes of notices, nobody's data; what a consent names must be known as long as the consent",
    "erasure": "so that nobody who was erased comes back, also from a backup; keyed hashes",
    "data_key": "until everything under it is sealed anew (gateway.resealing)",
    "device": "the shop's own devices, no member's; until they are revoked and another one needs the place",
    "offer": "headquarters' catalogue, nobody's data",
    "offer_former": "the catalogue before one that is on trial, nobody's data; until the trial ends",
    "trial": "what headquarters changed and what was before it, nobody's data; the next of its kind takes its place",
    "staff": "until headquarters sends others, or is away too long (gateway.life)",
    "segment_rule": "headquarters' definitions, nobody's data",
    "catalogue_part": "headquarters' next catalogue, nobody's data; until it is whole, or another one comes",
    "content": "headquarters' bundle and look, nobody's data; a few rows that replace each other",
    "content_part": "headquarters' next bundle, nobody's data; until it is whole, or another one comes",
    "snapshot_chunk": "hashes of a snapshot's chunks, nobody's data; until it is taken or given up",
    "stock": "nobody's data; until headquarters says otherwise, and bounded in number (gateway.tables.stock)",
    "price": "headquarters' price list, nobody's data",
    "learning_tally": "no member's; fades by its own half-life, and goes with its offer",
    "redemption_entry": "goes with the redemption that it is a step of",
    "outbox": "until headquarters confirms it, or it is too much or too old (gateway.backlog); what is vital stays",
    "copy": "what the shop's other box is to be told, by name; until it has it, and bounded in number (tables.copies)",
    "_sqlite_migrations": "which migrations ran",
    "sqlite_sequence": "SQLite's own counters",
}


class Run(Protocol):
    """The store's way to commit one work (gateway.store)."""

    def __call__(self, work: Callable[[Tx], T]) -> Awaitable[T]: ...


async def let_go(run: Run, keep: Keep, surely_ms: int) -> dict[str, int]:
    """Delete what is too old at `surely_ms`; how many rows of which table. Raises StoreError when the disk refuses."""
    gone = {}
    for rule in RULES:
        if rule.stamped:  # from the future: a clock was ahead. Such a row ages from now on, or it would stay for ever.
            await _all(run, _anew(rule.where, surely_ms + DAY_MS, None, surely_ms))
        before_ms = surely_ms - rule.days(keep) * DAY_MS - SLACK_MS
        if rule.where.table == "decision":
            gone["decision"] = await _count_and_drop(run, rule.where, before_ms)
        else:
            gone[rule.where.table] = await _drop(run, rule.where, before_ms)
    return gone


async def after_jump(run: Run, jump: Jump) -> None:
    """The clock was wrong: what was written since it last agreed may be younger than it says, and ages from now on."""
    for rule in RULES:
        if rule.stamped and jump.to_ms > jump.from_ms:
            await _all(run, _anew(rule.where, jump.sure_ms, jump.to_ms, jump.to_ms))


async def _count_and_drop(run: Run, where: Aged, before_ms: int) -> int:
    """Whole days of decisions, oldest first: counted for each screen, then deleted."""
    end_ms, gone = before_ms - before_ms % DAY_MS, 0
    while True:
        oldest_ms = await run(lambda tx: tx.oldest(where))
        if oldest_ms is None or oldest_ms >= end_ms:
            return gone
        day_ms = oldest_ms - oldest_ms % DAY_MS
        for screen in await run(partial(Tx.screens_of, day_ms=day_ms)):
            await run(partial(Tx.count_decisions, day_ms=day_ms, screen=screen))
        gone += await _drop(run, where, day_ms + DAY_MS)


def _anew(where: Aged, from_ms: int, until_ms: int | None, to_ms: int) -> Callable[[Tx], int]:
    return lambda tx: tx.age_anew(where, from_ms, until_ms, to_ms, ROWS)


async def _drop(run: Run, where: Aged, before_ms: int) -> int:
    return await _all(run, lambda tx: tx.drop_before(where, before_ms, ROWS))


async def _all(run: Run, piece: Callable[[Tx], int]) -> int:
    """Do a work piece by piece until a piece is not full; how many rows in all."""
    total = 0
    while True:
        done = await run(piece)
        total += done
        if done < ROWS:
            return total
