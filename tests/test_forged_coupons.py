"""Coupons and codes that are forged, altered, over, not for here or used before, shown to the real API; ten
thousand with `make forgeries`.

Each is refused with a reason, and every valid coupon among them is accepted exactly once, also while others are tried,
after a restart, in another shop and after a backup was put back.
"""

import asyncio
import base64
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import coupon
from gateway.core.changes import CouponsPut, CouponUsed
from gateway.core.coupon import MAX_CHARACTERS, PublicKey
from gateway.core.model import Proof, Purpose
from gateway.core.redemption import Times
from gateway.core.spans import DAY_MS
from tests.rigs.coupons import CLASSES, HELD, HQ, LISTED, OURS, put
from tests.rigs.figures import Tell
from tests.rigs.own import BASE, Own, own_shop
from tests.rigs.seeds import many
from tests.rigs.shop import START_MS, Shop, member
from tests.rigs.shopfront import KEY

pytestmark = pytest.mark.timeout(600)

VALID = many(40, 200)  # of each signer
FORGED = 50 * VALID  # at least
AT_ONCE = 50  # tills that ask at the same time
MINE = (Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS)
OLD = Ed25519PrivateKey.from_private_bytes(b"a key that headquarters withdrew")
THIEF = Ed25519PrivateKey.from_private_bytes(b"a key that nobody ever certified")
RULES = CouponsPut(
    CLASSES,
    (
        PublicKey("hq", HQ.public_key().public_bytes_raw()),
        PublicKey("old", OLD.public_key().public_bytes_raw(), START_MS),
        LISTED,
    ),
)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LOOKS_LIKE = {"A": "\u0410", "a": "\u0430", "e": "\u0435", "o": "\u043e", "B": "\u0412", "1": "\uff11", "Q": "\uff31"}
NONCES, KEYS = count(1), count()


@dataclass(frozen=True)
class Case:
    """What is shown at a till, and the reasons with which it may be refused; `kind` is a line of the table."""

    kind: str
    text: str
    reasons: tuple[str, ...]


def issued(
    offer_id: str = "gift",
    ends_ms: int = START_MS + DAY_MS,
    key: Ed25519PrivateKey = HQ,
    key_id: str = "hq",
    who: str = "",
    store: str = "",
) -> str:
    return coupon.issue(key, key_id, offer_id, ends_ms // 1000, next(NONCES).to_bytes(8), who, store)


def raw_of(text: str) -> bytearray:
    return bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


BROKEN = ("coupon.form", "coupon.key", "coupon.signature")


def altered(rng: random.Random) -> Case:
    """One that was good before somebody touched it."""
    text = issued(who=rng.choice(["", "", "mia"]), store=rng.choice(["", "", "acme/munich-1"]))
    at = rng.randrange(len(text))
    match rng.randrange(12):
        case 0 | 1 | 2:
            raw = raw_of(text)
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            return Case("a bit flipped", text_of(raw), BROKEN)
        case 3:
            return Case("cut off", text[:at] or "A", BROKEN)
        case 4:
            raw = raw_of(text) + rng.randbytes(rng.randint(1, 20))
            return Case("something added", text_of(raw), BROKEN)
        case 5:
            other = LETTERS[(LETTERS.index(text[at]) + rng.randrange(1, 64)) % 64]
            return Case("a letter changed", text[:at] + other + text[at + 1 :], BROKEN)
        case 6:
            where = [n for n, letter in enumerate(text) if letter in LOOKS_LIKE]
            at = rng.choice(where) if where else 0
            other = LOOKS_LIKE.get(text[at], "\u0410")
            return Case("a letter that looks alike", text[:at] + other + text[at + 1 :], ("coupon.form",))
        case 7:
            return Case("letters' case", rng.choice([text.swapcase(), text.lower(), text.upper()]), BROKEN)
        case 8:
            space = rng.choice([" ", "\n", "\t", "\u00a0", "\u200b", "\r\n"])
            at = rng.choice([0, at, len(text)])
            return Case("white space", text[:at] + space + text[at:], ("coupon.form",))
        case 9:
            padded = text + "=" * rng.randint(1, 3)
            plain = text.translate(str.maketrans("-_", "+/"))
            return Case("padding, alphabet", padded if plain == text else rng.choice([padded, plain]), ("coupon.form",))
        case 10:
            raw, piece = raw_of(text), raw_of(issued("daily"))
            cut = rng.choice([64, rng.randrange(1, 72)])  # the other's signature, or a part of it
            return Case("two joined", text_of(raw[:-cut] + piece[-cut:]), BROKEN)
    return Case("unused bits", _unused_bits(rng), ("coupon.form",))


def _unused_bits(rng: random.Random) -> str:
    """Another text of the same bytes: the last letter holds bits that no byte needs."""
    text = issued(who=rng.choice(["", "mia"]))
    while len(text) % 4 == 0:
        text = issued(rng.choice(["gift", "daily", "paper"]), who=rng.choice(["", "mia"]))
    spare = 4 if len(text) % 4 == 2 else 2
    last = LETTERS.index(text[-1])
    return text[:-1] + LETTERS[last ^ rng.randrange(1, 1 << spare)]


def unfit(rng: random.Random) -> Case:
    """A form that is whole, from the wrong signer, or for another shop, person, time or offer."""
    past = START_MS - rng.randrange(1, 400 * DAY_MS)
    match rng.randrange(12):
        case 0 | 1:
            return Case("signed by a thief", issued(key=THIEF), ("coupon.signature",))
        case 2:
            return Case("key unknown", issued(key=THIEF, key_id=f"x{rng.randrange(99)}"), ("coupon.key",))
        case 3:
            return Case("key withdrawn", issued(key=OLD, key_id="old"), ("coupon.key",))
        case 4:
            return Case("one signer's for another's", issued(key=OURS, key_id="hq"), ("coupon.signature",))
        case 5 | 6:
            return Case("over", issued(ends_ms=past), ("coupon.expired",))
        case 7:
            store = rng.choice(["acme/berlin-2", "other/munich-1", "acme/munich-11", "acme/munich"])
            return Case("another shop's", issued(store=store), ("coupon.store",))
        case 8:
            who = rng.choice(["ben", "mia ", "Mia", "mi", "anybody"])
            return Case("another member's", issued(who=who), ("coupon.holder",))
        case 9:
            far = START_MS + rng.randrange(16, 80) * DAY_MS
            shop_key = rng.random() < 0.5
            text = issued(ends_ms=far, key=OURS, key_id="m1") if shop_key else issued(ends_ms=far + 500 * DAY_MS)
            return Case("counts too long", text, ("coupon.key",) if shop_key else ("coupon.long",))
        case 10:
            return Case("a shop's, not for phones", issued("paper", key=OURS, key_id="m1"), ("coupon.key",))
    offer_id, reason = rng.choice(
        [("nothing", "redemption.offer"), ("odd", "redemption.class"), ("line", "redemption.hq_away")]
    )
    return Case("offer or class", issued(offer_id), (reason,))


def nonsense(rng: random.Random) -> Case:
    """No coupon at all."""
    long = "".join(rng.choices(LETTERS, k=rng.randint(MAX_CHARACTERS + 1, 3_000)))
    if rng.random() < 0.3:
        return Case("too long", long, ("422",))
    return Case("made up", "".join(rng.choices(LETTERS, k=rng.randint(1, MAX_CHARACTERS))), BROKEN)


def cases(rng: random.Random) -> Iterator[Case]:
    while True:
        yield rng.choices([altered, unfit, nonsense], [6, 4, 1])[0](rng)


class Till:
    """The API as a point of sale sees it; `times`: what is said of the clocks, None = they agree."""

    def __init__(self, own: Own) -> None:
        self._own = own
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(own.app), base_url=own.base, headers={"Authorization": f"Bearer {KEY}"}
        )

    async def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        key = f"forged-{next(KEYS):08d}"
        url = f"/api/v1/tills/till-1/redemptions{path}"
        answer = await self._client.post(url, json=body, headers={"Idempotency-Key": key})
        if answer.status_code != 200:
            return {"result": "refused", "reason": str(answer.status_code)}
        return dict(answer.json())

    async def reserve(self, text: str) -> dict[str, object]:
        return await self.post("", {"coupon": text})

    async def redeem(self, text: str) -> str:
        """ "committed", or why not."""
        held = await self.reserve(text)
        if held["result"] != "reserved":
            return str(held["reason"])
        done = await self.post(f"/{held['redemption_id']}/confirm", {"receipt": "R"})
        return str(done["result"])

    async def close(self) -> None:
        await self._client.aclose()


class Table:
    """How often which kind was refused for which reason; raises for what was not."""

    def __init__(self) -> None:
        self.refused: Counter[tuple[str, str]] = Counter()

    def note(self, case: Case, result: str, reason: str) -> None:
        assert result == "refused", case
        assert reason in case.reasons, (case, reason)
        self.refused[case.kind, reason] += 1

    @property
    def total(self) -> int:
        return self.refused.total()

    def lines(self) -> list[str]:
        return [f"{kind:28} {reason:24} {n:6,}" for (kind, reason), n in sorted(self.refused.items())]


async def try_all(till: Till, tries: list[Case], table: Table) -> None:
    for start in range(0, len(tries), AT_ONCE):
        some = tries[start : start + AT_ONCE]
        for case, answer in zip(some, await asyncio.gather(*(till.reserve(one.text) for one in some)), strict=True):
            table.note(case, str(answer["result"]), str(answer["reason"]))


def opening(path: Path):  # type: ignore[no-untyped-def]  # an asynccontextmanager of tests.rigs.own
    offers = (put(), put("daily"), put("paper"), put("line"), put("odd", coupon_class="unheard-of"))
    return own_shop(path, RULES, *offers, *member("mia", *MINE), keys=(HELD,))


def moved(shop: Shop, now_ms: int, surely_ms: int) -> None:
    """From now on the clock says `now_ms`, while so much has surely come."""
    shop.flow.checkout._times = lambda: Times(now_ms, surely_ms, max(now_ms, surely_ms))


async def stand_at_the_till(shop: Shop) -> None:
    await shop.tap("mia", "till-nfc", Proof.PROVEN)


async def test_all_are_refused_and_each_valid_one_is_taken_once(tmp_path: Path, tell: Tell) -> None:
    rng, table = random.Random(20_261_122), Table()
    async with opening(tmp_path) as own:
        await stand_at_the_till(own.shop)
        till = Till(own)
        forged = cases(rng)
        valid = [issued(rng.choice(["gift", "paper"]), who=rng.choice(["", "mia"])) for _ in range(VALID)]
        valid += [issued(key=OURS, key_id="m1") for _ in range(VALID)]
        taken = 0
        for some in range(0, len(valid), 10):  # in between, so that a forgery has every chance to do harm
            await try_all(till, [next(forged) for _ in range(200)], table)
            results = await asyncio.gather(*(till.redeem(text) for text in valid[some : some + 10]))
            assert results == ["committed"] * 10
            taken += 10
        await own.shop.tick()
        shown = [Case("used before", text, ("coupon.used",)) for text in rng.choices(valid, k=many(150, 700))]
        await try_all(till, shown, table)

        held = [issued() for _ in range(50)]
        assert {str((await till.reserve(text))["result"]) for text in held} == {"reserved"}
        await try_all(
            till, [Case("on another till", text, ("coupon.held",)) for text in rng.choices(held, k=200)], table
        )

        both = [issued() for _ in range(many(5, 20))]  # the same one at twenty tills at once
        for text in both:
            got = await asyncio.gather(*(till.redeem(text) for _ in range(20)))
            assert got.count("committed") == 1
            for reason in got:
                if reason != "committed":
                    table.note(Case("at twenty tills at once", text, ("coupon.used", "coupon.held")), "refused", reason)

        elsewhere = [issued() for _ in range(100)]
        used = (CouponUsed(f"hq/{raw_of(text)[-72:-64].hex()}", START_MS + DAY_MS) for text in elsewhere)
        await own.shop.push(*used)
        await try_all(till, [Case("used in another shop", text, ("coupon.used",)) for text in elsewhere], table)

        over = [issued(ends_ms=START_MS + 3_600_000) for _ in range(100)]
        moved(own.shop, START_MS - 400 * DAY_MS, START_MS + 7_200_000)  # the clock is set back, and time has passed
        await try_all(till, [Case("the clock set back", text, ("coupon.expired",)) for text in over], table)
        moved(own.shop, START_MS + 400 * DAY_MS, START_MS)  # it jumps ahead: rather too early than too late
        await try_all(till, [Case("the clock far ahead", text, ("coupon.expired",)) for text in over], table)
        moved(own.shop, START_MS, START_MS)

        await _codes(own, rng, table)
        await till.close()
        assert own.shop.health.counts["redemption.committed"] == taken + len(both)

    own = Own(Shop(tmp_path, BASE, keys=(HELD,)))  # as after a restart: the same file, an empty memory
    try:
        await own.shop.flow.start()
        await own.shop.tick()
        await stand_at_the_till(own.shop)
        till = Till(own)
        await try_all(till, [Case("after a restart", text, ("coupon.used",)) for text in valid[:300]], table)
        await own.shop.store.run(lambda tx: tx.begin_doubt())
        unused = [issued() for _ in range(100)]
        await try_all(till, [Case("after a backup", text, ("coupon.restored",)) for text in unused], table)
        await till.close()
    finally:
        await own.close()

    assert table.total >= FORGED
    assert len({kind for kind, _ in table.refused}) >= 28
    for line in table.lines():
        tell(line)
    tell(f"refused {table.total:,}; valid ones taken once {taken + len(both):,}")


async def _codes(own: Own, rng: random.Random, table: Table) -> None:
    """One-time codes of offers: made up, altered and used ones open nothing; the right one opens once."""
    await own.shop.tick(120_000)
    await own.shop.tap("mia", "coffee-nfc", Proof.PROVEN)
    assert await own.touch("take") == "ok"
    link = own.link()
    token = link.rpartition("/")[2]
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    for number in range(many(120, 600)):
        at = rng.randrange(26)
        other = letters[(letters.index(token[at]) + rng.randrange(1, 32)) % 32]
        wrong = rng.choice(
            [token[:at] + other + token[at + 1 :], token.upper(), token[:at], "".join(rng.choices(letters, k=26))]
        )
        answer = await own.browser(f"192.0.2.{number % 250}").open(f"{own.base}/h/{wrong or 'a'}")
        table.note(Case("a code made up", wrong, ("410", "429")), "refused", str(answer.status_code))
    assert (await own.browser().open(link)).status_code == 303
    for _ in range(50):
        answer = await own.browser("192.0.2.251").open(link)
        table.note(Case("a code used before", token, ("410",)), "refused", str(answer.status_code))
