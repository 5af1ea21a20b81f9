"""The reference headquarters as a whole: its parts wired together, and the verbs of the command line."""

import asyncio
import json
import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal

from gateway.core import eid
from gateway.core.model import Purpose
from gateway.core.reckoning import Reckoning
from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError, StoreError
from gateway.health import Health
from sync import fields, link
from sync.hq import duties, importing, orders, pricefiles, proofreading, redemptions, signer, web
from sync.hq.file import Db, Row, is_made, must_be_made, served
from sync.hq.ledger import Ledger
from sync.hq.pulse import Pulse

# How often the server looks for ops that another process recorded. One indexed read of 20 us; together with the way
# to the gateways it stays inside the second that a withdrawal may take.
POLL_MS = 200
FORGET_CODES_S = 30
LOOK_S = 60.0  # at the clock, for what ages
LET_GO_S = 3_600.0  # between two looks for events that are too old
FORGET_AT_ONCE = 500  # events in one transaction: 20 ms


async def run(
    db: Db,
    address: link.Address,
    http_host: str,
    http_port: int,
    now_ms: Callable[[], int],
    ready: Callable[[str], None] | None = None,
    keep_days: int | None = None,
    sign_with: signer.Signer | None = None,
    share: duties.Share | None = None,
) -> None:
    """Serve gateways and console until cancelled; `ready` gets the console's URL. ConfigError = can't listen there, or
    another process serves this file, StoreError = the ledger's disk refuses. A missing broker is waited for.
    `keep_days`: how long events are kept, None = until their member is erased. `sign_with` None: nothing is signed.
    `share`: how events are shared (duties)."""
    with served(db):
        ledger = await asyncio.to_thread(Ledger, db)
        pulse, health = Pulse(), Health()
        try:
            rng = random.Random(ledger.new_id())  # jitter only; differs between HQs and starts
            async with asyncio.TaskGroup() as parts:
                line = duties.run(ledger, address, pulse, health, now_ms, rng, sign_with, share)
                parts.create_task(line, name="hq server")
                parts.create_task(
                    web.serve(ledger, pulse, health, now_ms, (http_host, http_port), ready), name="hq web"
                )
                parts.create_task(_watch(ledger, pulse), name="hq watch")
                parts.create_task(_forget_codes(ledger, now_ms), name="hq codes")
                parts.create_task(_let_go(ledger, health, now_ms, keep_days), name="hq retention")
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            ledger.close()


async def _watch(ledger: Ledger, pulse: Pulse) -> None:
    """Ring when another process recorded ops or took events."""
    known = await asyncio.to_thread(ledger.news)
    while True:
        await asyncio.sleep(POLL_MS / 1000)
        newest = await asyncio.to_thread(ledger.news)
        if newest != known:
            known = newest
            pulse.ring()


async def _forget_codes(ledger: Ledger, now_ms: Callable[[], int]) -> None:
    """One-time codes leave the file soon after they are out of date."""
    while True:
        with suppress(StoreError):  # a full disk is the server's to report; this is tried again
            await asyncio.to_thread(ledger.forget_codes, now_ms())
        await asyncio.sleep(FORGET_CODES_S)


async def _let_go(ledger: Ledger, health: Health, now_ms: Callable[[], int], keep_days: int | None) -> None:
    """Events go after `keep_days`, None = never, and redemptions after ten years; counted by a time that no jump of the
    clock moves (gateway.core.reckoning)."""
    loop = asyncio.get_running_loop()
    newest_ms = await asyncio.to_thread(ledger.newest_ms)
    begun_ms = newest_ms if newest_ms is not None else now_ms()
    reckoning = Reckoning(begun_ms, begun_ms, round(loop.time() * 1000))
    next_s = 0.0
    while True:
        reckoning.look(now_ms(), round(loop.time() * 1000))
        if loop.time() >= next_s and reckoning.state == "sure":
            with suppress(StoreError):  # as above
                if keep_days is not None:
                    gone = await forget_events(ledger, reckoning.surely_ms - keep_days * DAY_MS)
                    health.count("hq.events_let_go", gone)
                before_ms = reckoning.surely_ms - redemptions.KEEP_DAYS * DAY_MS
                while await asyncio.to_thread(ledger.forget_redemptions, before_ms, FORGET_AT_ONCE):
                    health.count("hq.redemptions_let_go")
                next_s = loop.time() + LET_GO_S
        await asyncio.sleep(LOOK_S)


async def forget_events(ledger: Ledger, before_ms: int) -> int:
    """Delete all events that came in before, a few at a time; how many."""
    total = 0
    while gone := await asyncio.to_thread(ledger.forget_events, before_ms, FORGET_AT_ONCE):
        total += gone
    if total:
        await asyncio.to_thread(ledger.cut_log)
    return total


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


# --- verbs: each opens the ledger for one act; a running server notices within POLL_MS -------------------------


def import_file(db: Db, path: Path) -> tuple[int, int]:
    """Record what a file of members says; returns how many of its ops were news, and the version then."""
    return importing.run(db, path)[:2]


def publish_offers(db: Db, path: Path) -> tuple[int, int]:
    """Record all ops of a JSON-lines file of offers, or none; returns as import_file."""
    return _record(db, orders.read_ops(path, orders.OFFER_OPS))


def publish_catalogue(db: Db, path: Path, *, empty: bool = False) -> tuple[int, int]:
    """Record a whole catalogue in place of all offers; returns as import_file. `empty`: none may be left."""
    return _record(db, orders.read_catalogue(path, 0 if empty else standing(db)[0]))


def standing(db: Db, now_ms: int = 0) -> tuple[int, list[str]]:
    """How many offers stand, and what of them is doubtful by `now_ms`, in sentences."""
    with _ledger(db) as ledger:
        offers, classes = ledger.offers(), ledger.coupon_classes()
        zones, budgets = set(ledger.config().get("zones") or {}), {row["budget_id"] for row in ledger.budgets()}
    return len(offers), proofreading.doubts(offers, zones, classes, budgets, now_ms)


def publish_prices(db: Db, path: Path, *, empty: bool = False) -> tuple[int, int]:
    """Make the price list what a JSON-lines file says; how many parts of it are news, and the version then. `empty` as
    above."""
    articles = pricefiles.read(path)
    with _ledger(db) as ledger:
        ops = pricefiles.changes(articles, ledger.price_parts(), empty=empty)
    return _record(db, ops)


def push_segments(db: Db, path: Path) -> int:
    """Record the running segments that a JSON file holds, in place of those before; returns the version then."""
    return _record(db, [orders.read_segments(path)])[1]


def withdraw(db: Db, member_id: str, purposes: Sequence[Purpose] | None, now_ms: int) -> int:
    """Withdraw a member's consent to `purposes`, None = to all; returns the version. ConfigError = no such member."""
    with _ledger(db) as ledger:
        if not ledger.has_member(member_id):
            raise ConfigError(f"member {member_id}: not known to this HQ; expected the pseudonym of a member")
        return orders.withdraw(ledger, member_id, purposes, now_ms)


def resend(db: Db, member_id: str) -> int:
    """Send a member's consents to every shop once more; the version. ConfigError = no such member."""
    with _ledger(db) as ledger:
        if not ledger.has_member(member_id):
            raise ConfigError(f"member {member_id}: not known to this HQ; expected the pseudonym of a member")
        return ledger.resend(member_id)


def erase(db: Db, member_id: str, now_ms: int = 0, *, even_unknown: bool = False) -> tuple[int, int | None]:
    """Order every shop to forget this member and forget them here: (the number of the order, the version), None for
    the version of somebody who was erased before, and then nothing is ordered. Raises ConfigError for somebody
    unknown, because it is for good; with `even_unknown` they are erased, as a shop may know what this HQ lost."""
    with _ledger(db) as ledger:
        order = ledger.erased_by(member_id)
        if order is not None:
            return order, None
        if not even_unknown and not ledger.has_member(member_id):
            raise ConfigError(
                f"member {member_id}: not known to this HQ, and an erasure is for good; expected the pseudonym of a "
                "member, or --even-unknown for one whom only shops know"
            )
        version = orders.record(ledger, [{"op": "member.erase", "body": {"member_id": member_id}}], now_ms)
        return ledger.erase_seq(), version


def erasures(db: Db, limit: int = 200) -> tuple[list[Row], list[Row]]:
    """The newest erasures, and every gateway with what it lacks of them."""
    must_be_made(db)
    with _ledger(db) as ledger:
        return ledger.erasures(limit), ledger.gateways()


def receipts(db: Db, seq: int) -> list[Row]:
    """What each gateway cleared for one erasure. Raises ConfigError where there is no such order."""
    must_be_made(db)
    with _ledger(db) as ledger:
        if not ledger.is_ordered(seq):
            raise ConfigError(f"order {seq}: no such order; see hq erasures")
        return ledger.receipts(seq)


def pending_erasures(db: Db) -> list[Row]:
    """What shops asked for and an operator has to decide."""
    must_be_made(db)
    with _ledger(db) as ledger:
        return ledger.pending_erasures()


def settle_erasure(db: Db, member_id: str, now_ms: int, *, follow: bool) -> None:
    """Follow a request of a shop that waits, or strike it. Raises ConfigError if there is none."""
    must_be_made(db)
    with _ledger(db) as ledger:
        done = ledger.approve_erasure(member_id, now_ms) if follow else ledger.refuse_erasure(member_id)
    if not done:
        raise ConfigError(f"member {member_id}: no request waits for them; see hq erasures --pending")


def push_key(db: Db, path: Path, gateway: str) -> tuple[int, list[tuple[str, str]]]:
    """Seal a key for one gateway or "all"; how many got it, and which did not, each with the reason."""
    with _ledger(db) as ledger:
        return orders.push_key(ledger, path, gateway)


def drop_key(db: Db, key_id: str, gateway: str) -> int:
    """Take a key away from one gateway or "all"; from how many."""
    with _ledger(db) as ledger:
        return orders.drop_key(ledger, key_id, gateway)


def gateways(db: Db) -> tuple[list[Row], list[Row]]:
    """Every gateway, and every terminal key that was pushed (never the key itself)."""
    must_be_made(db)
    with _ledger(db) as ledger:
        return ledger.gateways(), ledger.terminal_keys()


def trust_gateway(db: Db, gateway: str, key: str) -> list[str]:
    """Seal for this public key from now on; the ids of keys to be pushed again."""
    with _ledger(db) as ledger:
        return orders.trust_gateway(ledger, gateway, key)


def bind(db: Db, member_id: str, minutes: int, now_ms: int) -> str:
    """A one-time code for a member."""
    with _ledger(db) as ledger:
        return orders.bind(ledger, member_id, minutes, now_ms, secrets.randbelow)


def may_bind(db: Db, member_id: str, now_ms: int) -> bool:
    """Whether a member's code can bind anything: they agreed to be recognised by a card."""
    with _ledger(db) as ledger:
        return orders.may_bind(ledger, member_id, now_ms)


def put_budget(db: Db, budget_id: str, unit: Literal["units", "cents"], total: int) -> None:
    """Make a budget or change its total. Raises ConfigError."""
    if not fields.is_id(budget_id):
        raise ConfigError("a budget's id has 1 to 64 letters, digits and . _ : -, the first a letter or digit")
    with _ledger(db) as ledger:
        if ledger.put_budget(budget_id, unit, total):
            return
        row = orders.budget(ledger, budget_id)
    if row["unit"] != unit:
        raise ConfigError(f"budget {budget_id}: counts {row['unit']}, for good; expected --unit {row['unit']}")
    taken = row["total"] - row["left"]
    raise ConfigError(f"budget {budget_id}: {taken} {unit} are lent or spent; expected a total of at least that")


def lend(db: Db, budget_id: str, gateway: str, amount: int, until_ms: int) -> str:
    """Lend a gateway so much of a budget; the lease's id. Raises ConfigError."""
    must_be_made(db)
    with _ledger(db) as ledger:
        return orders.lend(ledger, budget_id, gateway, amount, until_ms)


def set_stock(db: Db, gateway: str, article: str, units: int | None, at_ms: int) -> int:
    """How much of an article a gateway's shop has, None = not known; the version. Raises ConfigError."""
    must_be_made(db)
    if not fields.is_id(article):
        raise ConfigError("an article has 1 to 64 letters, digits and . _ : -, the first a letter or digit")
    with _ledger(db) as ledger:
        return orders.set_stock(ledger, gateway, {article: units}, at_ms)


def passes(db: Db, limit: int, done: int | None) -> tuple[list[Row], int]:
    """Passes that are out of date, the oldest first, once those up to `done` are struck; and how many that were."""
    with _ledger(db) as ledger:
        struck = ledger.passes_done(done) if done is not None else 0
        return ledger.passes_due(limit), struck


def coupon_doubts(db: Db, offer_id: str, member_id: str, store: str) -> list[str]:
    """Why a coupon may be worth nothing: what it names and headquarters does not know, in words. `member_id`, `store`
    ("tenant/store") "" = none is named."""
    if not is_made(db):  # keys that sign may lie on a machine of their own
        return [f"{db}: no headquarters there, so nobody looked whether headquarters knows what the coupon names"]
    with _ledger(db) as ledger:
        named = {
            f"offer {offer_id}": any(one["offer_id"] == offer_id for one in ledger.offers()),
            f"member {member_id}": not member_id or ledger.has_member(member_id),
            f"shop {store}": not store or any(f"{one['tenant']}/{one['store']}" == store for one in ledger.gateways()),
        }
    return [
        f"{what}: not known to this HQ; no till takes the coupon until it is" for what, ok in named.items() if not ok
    ]


def doubles(db: Db) -> list[Row]:
    """Coupons that were redeemed more than once."""
    with _ledger(db) as ledger:
        return ledger.doubles()


def write_off(db: Db, lease_id: str) -> None:
    """All of the lease of a lost gateway counts as spent. Raises ConfigError."""
    must_be_made(db)
    with _ledger(db) as ledger:
        if not ledger.write_off(lease_id):
            raise ConfigError(f"lease {lease_id}: no such open lease; see hq budgets")


def budgets(db: Db) -> list[Row]:
    """Every budget with what is left of it, and its leases."""
    must_be_made(db)
    with _ledger(db) as ledger:
        return ledger.budgets()


def set_points(db: Db, member_id: str, points: int) -> None:
    """Set a member's balance; every shop is told. Raises ConfigError."""
    must_be_made(db)
    with _ledger(db) as ledger:
        if not ledger.set_points(member_id, points):
            raise ConfigError(f"member {member_id}: not known to this HQ; expected the pseudonym of a member")


def points(db: Db) -> list[Row]:
    """Every balance of points, by member."""
    must_be_made(db)
    with _ledger(db) as ledger:
        return ledger.balances()


def events(db: Db, after: int | None = 0, limit: int = 1_000) -> list[Row]:
    """What the shops reported, by `id` above `after`, oldest first; None = the newest `limit`."""
    must_be_made(db)
    with _ledger(db) as ledger:
        return ledger.events(after, limit)


def provision_beacon(
    beacon_public: str, member_id: str, credential_id: str, exponent: int, clock_s: int, now_ms: int
) -> tuple[str, str, str]:
    """Derive a beacon's identity key: (our public key in hex for the beacon's tool, the 8 bytes it then shows in hex,
    the credential.put as a line). `clock_s`: what the beacon's clock shows now. Our private key is kept nowhere."""
    try:
        theirs = bytes.fromhex(beacon_public)
    except ValueError:
        theirs = b""
    zero_s = now_ms // 1000 - clock_s
    ours, op = orders.provision_beacon(
        theirs, secrets.token_bytes(eid.CURVE_BYTES), member_id, credential_id, exponent, zero_s
    )
    shown = eid.eid(bytes.fromhex(op["body"]["identity_key"]), clock_s, exponent)
    return ours.hex(), shown.hex(), json.dumps(op)


def _record(db: Db, ops: Sequence[Row]) -> tuple[int, int]:
    with _ledger(db) as ledger:
        before = ledger.version()
        after = orders.record(ledger, ops)
        return after - before, after


@contextmanager
def _ledger(db: Db) -> Iterator[Ledger]:
    with closing(Ledger(db)) as ledger:
        yield ledger
