"""Whole lives of customers' own baskets, in any order: what is asked at the till is what the list says, and once.

Phones scan, take back and wait without the network while the list changes; answers and commits are lost; clocks jump
both ways; the box restarts; codes and letters, new and old, are shown again and again.
"""

import random
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlite_utils import Database

from gateway.apply import apply
from gateway.basketacts import KEPT_MS, MAX_WAIT_MS, Answer, Typed, begin, live, look, make_code, scan, show
from gateway.core.basket import Basket, ScanRules
from gateway.core.changes import Change, Delta, OfferPut, PricesPut, ScanPut
from gateway.core.gs1 import Embedded
from gateway.core.model import Offer, Purpose
from gateway.core.prices import Article, Unit, part_of
from gateway.core.redemption import Times
from gateway.core.spans import DAY_MS
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from tests.rigs import seeds
from tests.rigs.shop import SITE_KEY, START_MS, TEXT, basics, member
from tests.test_gs1 import labelled
from tests.test_sync_prices import gtin

MINUTE_MS = 60_000
OURS = Ed25519PrivateKey.from_private_bytes(b"a gateway's own key - tests only")
RULES = ScanRules(on=True, recheck_bp=0, idle_min=60, code_min=10, embedded=(Embedded("28", "price"),))
TEA, CUP, HAM, CHEESE = gtin(1), gtin(2), gtin(3), "0" + labelled("28", 7, 0)
OFFER = Offer("tea-1", TEXT, TEXT, value_cents=100, price_ref=TEA, channels=("phone",))
UNITS: dict[str, Unit] = {TEA: "piece", CUP: "piece", HAM: "kg", CHEESE: "label"}
# What is scanned, and what it says: article, price, weight.
CODES: dict[str, tuple[str, int | None, int | None]] = {
    TEA: (TEA, None, None),
    f"https://x.example/01/{TEA}?3922=1": (TEA, 1, None),
    f"(01){CUP}(3103)000100(3922)900": (CUP, 900, 100),
    f"(01){HAM}(3103)000250": (HAM, None, 250),
    f"(01){HAM}(3103)000000(3922)1": (HAM, 1, 0),
    HAM: (HAM, None, None),
    labelled("28", 7, 333): (CHEESE, 333, None),
    labelled("28", 7, 40): (CHEESE, 40, None),
    gtin(9): (gtin(9), None, None),
}


class LostError(Exception):
    """The power goes before the commit."""


@dataclass
class Phone:
    """What a customer did, by the phone's own memory. `heard`: scans that the gateway took, by their id."""

    who: str | None
    cookie: bytes
    basket: Basket
    heard: dict[str, tuple[str, int]] = field(default_factory=dict)
    waiting: list[tuple[str, str, int]] = field(default_factory=list)
    promised: bool = False
    code: str = ""  # the newest that counts
    until_ms: int = 0
    used: bool = False
    gone: bool = False


@dataclass
class Issued:
    phone: Phone
    text: str
    letters: str
    ends_ms: int
    said: object  # what the basket was


class BasketLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.db = Database(memory=True)
        migrate(self.db)
        self.clock_ms = self.surely_ms = START_MS + 30 * DAY_MS
        self.version = self.number = 0
        self.prices: dict[str, int | None] = {}
        self.restart()
        self.push(*basics(), *member("mia", Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS))
        self.push(ScanPut(RULES), OfferPut(OFFER))
        for article, cents in ((TEA, 499), (CUP, 900), (HAM, 1_990), (CHEESE, 50)):
            self.reprice(article, cents)
        self.phones: list[Phone] = []
        self.issued: list[Issued] = []
        self.answers: list[tuple[str, str, Answer]] = []  # key, what was shown, what was said
        self.paid: list[str] = []
        for mine in (False, True):
            self.begin(mine)
            self.take(0, TEA, 2, False)

    def teardown(self) -> None:
        self.db.close()

    @property
    def times(self) -> Times:
        return Times(self.clock_ms, self.surely_ms, max(self.surely_ms, self.clock_ms))

    def push(self, *changes: Change) -> None:
        self.version += 1
        delta = Delta(self.version - 1, self.version, changes)
        with self.db.atomic():
            assert apply(self.tx, delta, SITE_KEY, self.clock_ms).outcome == "applied"

    # --- what ought to be ------------------------------------------------------------------------------------

    def takes(self, code: str) -> bool:
        """Whether the gateway takes it now: what the list gives away has no price on its label."""
        article, cents, _ = CODES[code]
        free = UNITS[article] == "piece" and not self.prices.get(article) if article in UNITS else False
        return self.each(code) is not None and not (free and cents)

    def each(self, code: str) -> int | None:
        """What a piece costs by the list, None = it has no price."""
        article, cents, grams = CODES[code]
        listed = self.prices.get(article)
        if listed is None:
            return None
        match UNITS[article]:
            case "piece":
                return listed
            case "kg":
                return (listed * grams + 500) // 1000 if grams else None
        return cents if cents is not None and cents >= listed else None

    def worth(self, phone: Phone) -> tuple[int, int, bool, object]:
        """Sum, things, whether a label is to be looked at, and all of it in one value."""
        lines: dict[tuple[str, int | None], tuple[int | None, int, bool]] = {}
        for code, count in phone.heard.values():
            article, cents, grams = CODES[code]
            key = article, {"piece": None, "kg": grams, "label": cents}[UNITS[article]]
            each = self.each(code)
            _, before, look = lines.get(key, (each, 0, UNITS[article] != "piece"))
            lines[key] = each, before + count, look or (cents is not None and cents != each)
        left = {key: line for key, line in lines.items() if line[1] > 0}
        priced = {key: (each, count, look) for key, (each, count, look) in left.items() if each is not None}
        tea = self.prices.get(TEA)
        off = 100 if phone.promised and (TEA, None) in priced and tea is not None and tea >= 100 else 0
        total = sum(each * count for each, count, _ in priced.values()) - off
        things = sum(count for _, count, _ in priced.values())
        return total, things, any(line[2] for line in priced.values()), (sorted(left.items(), key=str), off)

    def alive(self, phone: Phone) -> bool:
        return not (phone.used or phone.gone)

    def fresh(self, phone: Phone) -> Basket | None:
        return phone.basket if self.alive(phone) and not phone.heard else None

    # --- what happens ----------------------------------------------------------------------------------------

    @rule(mine=st.booleans())
    def begin(self, mine: bool) -> None:
        self.number += 1
        basket = Basket(f"b-{self.number}", "mia" if mine else None)
        with self.db.atomic():
            view = begin(self.tx, basket, "", self.times)
        assert (view.result, self.tx.basket(basket.basket_id)) == ("ok", None), "nothing is written yet"
        assert view.basket is not None
        promised = bool(view.basket.offers)
        assert mine or not promised
        self.phones.append(Phone(basket.member_id, b"%d" % self.number, view.basket, promised=promised))

    @precondition(lambda self: self.phones)
    @rule(
        pick=st.integers(0, 9),
        code=st.sampled_from([*CODES]),
        count=st.sampled_from([1, 1, 2, 5, -1, -2]),
        offline=st.booleans(),
    )
    def take(self, pick: int, code: str, count: int, offline: bool) -> None:
        """A scan; `offline`: the gateway does not hear of it yet."""
        phone = self.phones[-1 - pick % len(self.phones)]
        self.number += 1
        phone.waiting.append((f"s-{self.number}", code, count))
        if not offline:
            self.send(pick, False, False)

    @precondition(lambda self: self.phones)
    @rule(pick=st.integers(0, 9), lost=st.booleans(), unheard=st.booleans())
    def send(self, pick: int, lost: bool, unheard: bool) -> None:
        """All that waits, and much that does not; `unheard`: the phone does not get the answer and sends it again."""
        phone = self.phones[-1 - pick % len(self.phones)]
        before = [(name, code, count) for name, (code, count) in phone.heard.items()]
        typed = [Typed(*one) for one in (*phone.waiting, *before)]
        try:
            with self.db.atomic():
                view = scan(self.tx, phone.cookie, typed, self.times, self.fresh(phone), True)
                if lost:
                    raise LostError
        except LostError:
            self.tx.taken_back()
            return
        if not self.alive(phone):
            assert view.result == "gone"
            return
        assert view.result == "ok"
        assert view.refused is not None
        news = {name: (code, count) for name, code, count in phone.waiting}
        known = {name: one for name, one in news.items() if name in phone.heard or self.takes(one[0])}
        assert {name for name in view.refused if name in news} == news.keys() - known.keys()
        if known.keys() - phone.heard.keys():
            if not phone.heard and phone.who is not None:
                for other in self.phones:  # a member has one basket
                    if other is not phone and other.who is not None and other.heard and not other.used:
                        other.gone = True
            phone.heard |= known
            phone.code, phone.until_ms = "", self.times.latest_ms + RULES.idle_min * MINUTE_MS
        if not unheard:
            phone.waiting = []

    @rule(article=st.sampled_from([*UNITS]), cents=st.sampled_from([None, 0, 50, 333, 499, 900]))
    def reprice(self, article: str, cents: int | None) -> None:
        """Headquarters' list changes; None = it does not know the article any more."""
        listed = () if cents is None else (Article(article, TEXT, cents, UNITS[article]),)
        self.push(PricesPut(self.version, part_of(article), listed))
        self.prices[article] = cents

    @precondition(lambda self: self.phones)
    @rule(pick=st.integers(0, 9))
    def finish(self, pick: int) -> None:
        phone = self.phones[-1 - pick % len(self.phones)]
        with self.db.atomic():
            view = make_code(self.tx, phone.cookie, OURS, self.times, self.fresh(phone))
        total, things, _, said = self.worth(phone)
        if not self.alive(phone):
            assert view.result == "gone"
        elif not things:
            assert view.result == "empty"
        else:
            assert view.result == "ok"
            assert view.basket is not None
            assert view.priced is not None
            assert (view.priced.sum_cents, view.priced.count) == (total, things)
            ends_ms = (self.times.latest_ms + RULES.code_min * MINUTE_MS) // 1000 * 1000
            phone.code = view.basket.code
            phone.until_ms = max(self.times.latest_ms + RULES.idle_min * MINUTE_MS, ends_ms + KEPT_MS)
            self.issued.append(Issued(phone, phone.code, view.letters, ends_ms, said))

    @precondition(lambda self: self.issued)
    @rule(pick=st.integers(0, 9), spelled=st.booleans(), lost=st.booleans(), till=st.sampled_from(["till-1", "till-2"]))
    def show(self, pick: int, spelled: bool, lost: bool, till: str) -> None:
        one = self.issued[-1 - pick % len(self.issued)]
        phone, text, key = one.phone, one.letters if spelled else one.text, f"key-{len(self.answers):04}"
        total, things, label, _ = self.worth(phone)
        try:
            with self.db.atomic():
                answer = show(self.tx, till, key, text, OURS, self.times).outcome
                if lost:
                    raise LostError
        except LostError:
            self.tx.taken_back()
            return
        assert isinstance(answer, Answer)
        assert answer.reason == self.refused(one, spelled)
        self.answers.append((f"{till} {key}", text, answer))
        if answer.shown is not None:
            assert (answer.basket_id, answer.shown.cents, answer.shown.items) == (phone.basket.basket_id, total, things)
            if label:
                assert answer.shown.recheck.reason == "label"
            assert answer.shown.recheck.needed is (label or bool(answer.shown.unknown) or phone.who is None)
            self.paid.append(answer.basket_id)
            phone.used, phone.until_ms = True, one.ends_ms + KEPT_MS

    def refused(self, one: Issued, spelled: bool) -> str | None:
        phone = one.phone
        if spelled and (phone.gone or phone.code != one.text):
            return "basket.letters"
        if self.times.latest_ms >= one.ends_ms:
            return "basket.expired"
        if phone.gone:
            return "basket.gone"
        if phone.used:
            return "basket.used"
        if phone.code != one.text:
            return "basket.superseded"
        return None if self.worth(phone)[3] == one.said else "basket.changed"

    @precondition(lambda self: self.answers)
    @rule(pick=st.integers(0, 9))
    def ask_again(self, pick: int) -> None:
        """A till that has lost the answer gets the same, as long as the basket is kept."""
        where, text, before = self.answers[-1 - pick % len(self.answers)]
        till, _, key = where.partition(" ")
        with self.db.atomic():
            told = show(self.tx, till, key, text, OURS, self.times)
        kept = before.shown is None or self.tx.basket(before.basket_id) is not None
        assert told.outcome == (before if kept else Answer("basket.gone"))
        whose = {one.phone.basket.basket_id: one.phone.who for one in self.issued}
        owner = whose[before.basket_id] if kept and before.shown is not None else None
        assert (told.member_id, told.news) == (owner, False)

    @rule(
        what=st.sampled_from(["wait", "wait", "jump ahead", "jump back", "believe"]),
        by_ms=st.sampled_from([1_000, 9 * MINUTE_MS, 30 * MINUTE_MS, 2 * 60 * MINUTE_MS, 3 * DAY_MS]),
    )
    def time(self, what: str, by_ms: int) -> None:
        """`believe`: what the clock says is what time it surely is, where that is later."""
        if what == "wait":
            self.clock_ms, self.surely_ms = self.clock_ms + by_ms, self.surely_ms + by_ms
        elif what == "believe":
            self.surely_ms = self.times.latest_ms
        else:
            self.clock_ms += by_ms if what == "jump ahead" else -by_ms
            self.clock_ms = max(self.clock_ms, START_MS + DAY_MS)  # earlier nobody has agreed to anything
        with self.db.atomic():
            gone = self.tx.drop_baskets(self.surely_ms, 1_000, self.times.latest_ms + MAX_WAIT_MS)
        for phone in self.phones:
            phone.until_ms = min(phone.until_ms, self.times.latest_ms + MAX_WAIT_MS)
            if phone.heard and not phone.gone:
                assert (phone.basket.basket_id in gone) is (phone.until_ms <= self.surely_ms)
                phone.gone = phone.basket.basket_id in gone

    @rule()
    def restart(self) -> None:
        """What stands in memory alone is lost: nothing but what was only begun."""
        self.tx = Tx(self.db, Vault(bytes(32)))
        for phone in getattr(self, "phones", []):
            phone.gone = phone.gone or not phone.heard

    # --- what always holds -----------------------------------------------------------------------------------

    @invariant()
    def a_basket_is_paid_once_and_is_what_the_list_says(self) -> None:
        assert len(self.paid) == len(set(self.paid))
        for phone in self.phones:
            basket = live(self.tx, phone.cookie, self.fresh(phone))
            assert (basket is not None) is self.alive(phone)
            if basket is not None:
                priced = look(self.tx, basket, self.times).priced
                assert priced is not None
                assert (priced.sum_cents, priced.count, priced.label) == self.worth(phone)[:3]

    @precondition(lambda self: self.phones)
    @rule(pick=st.integers(0, 9), spelled=st.booleans())
    def pay(self, pick: int, spelled: bool) -> None:
        """A code that is shown at once."""
        before = len(self.issued)
        self.finish(pick)
        if len(self.issued) > before:
            self.show(0, spelled, False, "till-1")


TestBasketLife = BasketLife.TestCase
TestBasketLife.settings = settings(max_examples=seeds.many(12, 40), stateful_step_count=40, deadline=None)


def lived(seed: int, steps: int) -> BasketLife:
    """One life of so many steps, drawn at random; it ends with all that always holds."""
    rng, life = random.Random(seed), BasketLife()
    kinds = (
        ["begin"] * 3 + ["take"] * 8 + ["finish"] * 3 + ["show"] * 4 + ["send", "reprice", "again", "time", "restart"]
    )
    for _ in range(steps):
        pick, flip = rng.randrange(3), rng.random() < 0.3
        match rng.choice(kinds):
            case "begin":
                life.begin(flip)
            case "take":
                life.take(pick, rng.choice([*CODES]), rng.choice([1, 1, 2, -1]), flip)
            case "send":
                life.send(pick, flip, rng.random() < 0.3)
            case "reprice":
                life.reprice(rng.choice([*UNITS]), rng.choice([None, 0, 50, 333, 499, 900]))
            case "finish":
                life.finish(pick)
            case "show" if life.issued:
                life.show(pick, flip, rng.random() < 0.1, rng.choice(["till-1", "till-2"]))
            case "again" if life.answers:
                life.ask_again(pick)
            case "time":
                what = rng.choice(["wait", "wait", "jump ahead", "jump back", "believe"])
                life.time(what, rng.choice([1_000] * 5 + [9 * MINUTE_MS, 2 * 60 * MINUTE_MS]))
            case "restart":
                life.restart()
        life.a_basket_is_paid_once_and_is_what_the_list_says()
    return life


def test_long_lives_meet_every_reason_and_every_kind_of_yes() -> None:
    first = seeds.seed("BASKET_SEED")
    lives = [lived(seed, 400) for seed in range(first, first + seeds.many(4, 8))]
    answers = [answer for life in lives for _, _, answer in life.answers]
    reasons = {answer.reason for answer in answers}
    expected = {
        None, "basket.letters", "basket.expired", "basket.gone", "basket.used", "basket.superseded", "basket.changed",
    }  # fmt: skip
    checks = {answer.shown.recheck.reason for answer in answers if answer.shown is not None}
    if not seeds.FRESH:  # other lives need not meet all of them
        assert (reasons, checks) == (expected, {"label", "none", "anonymous"})
    for life in lives:
        life.teardown()
