"""The whole life of profiles in any order: nothing is decided for a purpose that is not given at that instant, and of
whoever was erased no byte is left.

One shop's path on real files and the real headquarters' ledger. People come and go under pseudonyms that are never
given again; consents are given, refused, withdrawn, run out and are given again, in the shop, at headquarters and by an
app whose clock is late; what is sent arrives in parts, again, and late; the box restarts, gets an old backup back or a
new disk. `LIFE_STEPS=10000` makes it long.

The model is an upper bound and knows nothing of the code's rules of order: a purpose may be used while a grant of it
that this shop was told runs, and no refusal that it was ever told is as late as that grant. A backup is a copy that
somebody else made: it is searched once it was put back.
"""

import itertools
import os

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core.consent import may
from gateway.core.model import Act, AgeGate, ClockQuality, Purpose
from gateway.errors import PeerError
from sync.hq import orders
from tests.rigs.lives import (
    ADVICE,
    BLE,
    DAY_MS,
    EVERYTHING,
    GRANT_DAYS,
    GREETING,
    HOUR_MS,
    MINUTE_MS,
    NFC,
    OFFERS,
    PEOPLE,
    PURPOSES,
    Lives,
)  # fmt: skip

STEPS = int(os.environ.get("LIFE_STEPS", "300"))
STEPS_A_RUN = 50
pytestmark = pytest.mark.timeout(max(120, STEPS))
ACT = Act("tablet", "toggle", age_gate=AgeGate.OVER_16, notice_version="1", clock=ClockQuality.SYNCHRONISED)

people, purposes = st.integers(0, PEOPLE - 1), st.sampled_from(PURPOSES)
readers = st.sampled_from(["coffee-nfc", "coffee-nfc", "advice-nfc", "door-nfc", "till-nfc"])
choices = st.sampled_from(["yes", "more", "advice", "advice", "not_now"])
all_at_once = st.dictionaries(purposes, st.booleans(), min_size=1)


class ProfileLife(Lives, RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        super().begin()

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self.settle()
        finally:
            self.end()

    # --- consents ---

    @rule(person=people, choices=all_at_once)
    def decide_in_the_shop(self, person: int, choices: dict[Purpose, bool]) -> None:
        name = self.pseudonyms[person]
        self.shop.clock.ms += 1_000
        at_ms = self.now_ms
        try:
            self.do(self.shop.flow.on_consent(name, choices, ACT))
        except PeerError:
            return
        for purpose, given in choices.items():
            self.hear(name, purpose, given, at_ms, at_ms + GRANT_DAYS * DAY_MS)

    @rule(
        person=people,
        given=st.sampled_from([True, True, False]),
        late_ms=st.sampled_from([0, 0, 90_000, HOUR_MS]),
        some=st.sets(purposes, min_size=1),
        runs_ms=st.sampled_from([None, None, 20 * MINUTE_MS, DAY_MS]),
        sent=st.booleans(),
    )
    def decide_in_the_app(
        self, person: int, given: bool, late_ms: int, some: set[Purpose], runs_ms: int | None, sent: bool
    ) -> None:
        self.shop.clock.ms += 1_000
        at_ms = self.now_ms - late_ms
        self.say(person, given, some, at_ms, None if runs_ms is None or not given else at_ms + runs_ms)
        if sent:
            self.send(EVERYTHING)

    @rule(person=people, purpose=purposes, sent=st.booleans())
    def withdraw_at_headquarters(self, person: int, purpose: Purpose, sent: bool) -> None:
        self.shop.clock.ms += 1_000
        orders.withdraw(self.ledger, self.pseudonyms[person], [purpose], self.now_ms)
        if sent:
            self.send(EVERYTHING)

    # --- erasures, and coming back as somebody new ---

    @rule(person=people, at_headquarters=st.booleans())
    def erase(self, person: int, at_headquarters: bool) -> None:
        self.forget(person, at_headquarters)

    @rule(person=people, some=st.sets(purposes, min_size=3))
    def come_back_as_somebody_new(self, person: int, some: set[Purpose]) -> None:
        self.approve_what_shops_asked()
        if self.ledger.erased_by(self.pseudonyms[person]) is not None:
            self.pseudonyms[person] = f"pseudonym-{person}-{next(self.ids)}"
            self.join(person, some)
            self.send(EVERYTHING)

    # --- the line ---

    @rule(limit=st.integers(1, 6), confirmed=st.booleans())
    def tell_headquarters(self, limit: int, confirmed: bool) -> None:
        self.tell(limit, confirmed)

    @rule(size=st.sampled_from([1_500, EVERYTHING]))
    def deliver(self, size: int) -> None:
        self.send(size)

    @rule(person=people)
    def an_erasure_overtakes_what_was_sent(self, person: int) -> None:
        have = self.do(self.shop.store.hq_version())
        listed, version = self.ledger.changes_after(have, EVERYTHING)
        self.forget(person, at_headquarters=True)
        self.obey_erasures(EVERYTHING)
        if version > have:
            self.take(have, version, listed)

    @rule(what=st.sampled_from(["head", "orders", "again"]), number=st.integers(0, 99))
    def hear_of_erasures(self, what: str, number: int) -> None:
        if what == "head":
            self.hear_the_head_of_erasures()
        elif what == "orders":
            self.obey_erasures(number % 3 + 1)
        else:
            self.replay(number)

    # --- the box ---

    @rule(
        what=st.sampled_from(["restart", "back up", "put back", "put back", "new disk"]),
        size=st.sampled_from([1, EVERYTHING]),
    )
    def go_on_with(self, what: str, size: int) -> None:
        match what:
            case "restart":
                self.restart()
            case "back up":
                self.make_a_backup()
            case "put back" if self.backup is not None:
                self.put_the_backup_back()
            case "new disk":
                self.get_a_new_disk(size)

    @rule(ms=st.sampled_from([MINUTE_MS, 25 * MINUTE_MS, HOUR_MS, DAY_MS, 3 * DAY_MS]))
    def let_time_pass(self, ms: int) -> None:
        self.do(self.shop.tick(ms))

    # --- what consents are for ---

    @rule(reader=readers, choice=choices)
    def everybody_comes_in(self, reader: str, choice: str) -> None:
        """Heard before the screen, then at a reader, then at the screen; and gone again."""
        for name in self.pseudonyms:
            self.come(name, reader, choice)
        self.do(self.shop.tick(10 * MINUTE_MS))

    @rule(person=people, reader=readers, choice=choices)
    def somebody_comes_and_stays(self, person: int, reader: str, choice: str) -> None:
        self.come(self.pseudonyms[person], reader, choice)

    # --- what has to hold after every step ---

    @invariant()
    def nothing_was_decided_for_a_purpose_that_is_not_given(self) -> None:
        if not hasattr(self, "shop"):
            return
        for name in self.pseudonyms:
            for row in self.do(self.shop.store.run(lambda tx, name=name: tx.decisions(name))):
                if row["decision_id"] in self.seen:
                    continue
                self.seen.add(row["decision_id"])
                way = BLE if row["trigger"] == "zone" else NFC
                assert self.allowed(name, way, row["at_ms"]), (name, way)
                if row["offer_id"] == "espresso":
                    assert self.allowed(name, OFFERS, row["at_ms"]), name

    @invariant()
    def what_the_shop_takes_for_given_is_given(self) -> None:
        if not hasattr(self, "shop"):
            return
        for name in self.names:
            consents, known = self.do(
                self.shop.store.run(
                    lambda tx, name=name: (tx.consents(name), tx.has_member(name) or tx.credentials(name))
                )
            )
            assert not (known and name in self.gone), name
            for purpose in PURPOSES:
                if may(purpose, consents, self.now_ms).ok:
                    assert self.allowed(name, purpose, self.now_ms), (name, purpose)

    @invariant()
    def no_surface_shows_more_than_is_given(self) -> None:
        if not hasattr(self, "shop"):
            return
        walls, shop_knows = self.shop.walls, self.shop.flow.memory_of
        for name in self.names:
            ways = [self.latest_word(name, purpose) for purpose in (BLE, NFC)]
            if name in self.gone or self.held or not any(ways):
                assert not any(value for value in shop_knows(name).values()), name
            called = f"Call-{name}"
            for screen, content in walls.screens.items():
                if called in repr(content):
                    assert name not in self.gone, (screen, name)
                    assert self.latest_word(name, GREETING) or self.latest_word(name, NFC), (screen, name)
            for card in walls.cards.values():
                if card.call_name == called:
                    assert name not in self.gone, name
                    assert self.latest_word(name, ADVICE), name

    @invariant()
    def of_whoever_was_erased_no_byte_is_left(self) -> None:
        """Headquarters has to be told of a request that was made here: until then the outbox names whom."""
        if not hasattr(self, "shop") or not self.gone:
            return
        asked = self.do(self.shop.store.run(lambda tx: tx.asks_for_erasure()))
        self.do(self.shop.tick(2_000))
        data = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        for name in self.gone:
            assert not any(name in line for line in self.heard.lines)
            assert asked or [file for file, text in data.items() if name.encode() in text] == [], name

    # --- at the end ---

    def settle(self) -> None:
        """Everything is sent and delivered: shop and headquarters say the same, and nothing of the erased is left.

        A restored shop may have forgotten that something was given again, and headquarters may never have known it.
        """
        for _ in range(2):
            self.tell(EVERYTHING, True)
            self.approve_what_shops_asked()
            self.obey_erasures(EVERYTHING)
            self.hear_the_head_of_erasures()
            self.send(EVERYTHING)
        assert not self.held
        for name, purpose in itertools.product(self.pseudonyms, PURPOSES):
            if self.ledger.erased_by(name) is None:
                at_ms = self.now_ms
                here = self.do(self.shop.store.run(lambda tx, name=name: tx.consents(name)))
                hq = may(purpose, self.ledger.consents(name), at_ms)
                says = may(purpose, here, at_ms).ok
                assert says == hq.ok or (hq.ok and self.was_restored), (name, purpose, hq)
                assert not hq.ok or self.latest_word(name, purpose), (name, purpose)
        self.do(self.shop.tick(61_000))
        self.of_whoever_was_erased_no_byte_is_left()


TestProfileLife = ProfileLife.TestCase
TestProfileLife.settings = settings(
    max_examples=max(1, STEPS // STEPS_A_RUN),
    stateful_step_count=STEPS_A_RUN,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
