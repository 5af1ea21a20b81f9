"""Two shops and headquarters, with acts, withdrawals, replays, restarts and changed files in any order.

At every instant a shop's yes is later than every no that it knows of, its own acts count at once, and nothing that was
withdrawn comes back. Once everything has been sent, all three say the same.
"""

import itertools
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlite_utils import Database

from gateway.apply import apply
from gateway.core.changes import Delta
from gateway.core.consent import may
from gateway.core.model import Act, AgeGate, ClockQuality, ConsentState, Purpose
from gateway.core.vault import Vault
from gateway.migrations import migrate
from gateway.records import Tx
from sync import event_messages, messages
from sync.hq import orders
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.rigs.confirm import confirm

KEY = bytes(32)
START_MS = 1_800_000_000_000
MEMBERS = ("m-1", "m-2")
PURPOSES = (Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE)
ACT = Act("tablet", "toggle", age_gate=AgeGate.OVER_16, notice_version="1", clock=ClockQuality.SYNCHRONISED)
shops, members, purposes = st.integers(0, 1), st.sampled_from(MEMBERS), st.sampled_from(PURPOSES)


@dataclass
class Shop:
    """A gateway's file, and what the model knows that it has heard: (purpose, given?, time) by event."""

    place: Topics
    db: Database
    tx: Tx
    epoch: str
    deltas: list[Delta] = field(default_factory=list)
    heard: dict[str, dict[str, tuple[Purpose, bool, int]]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def says(self, member_id: str, purpose: Purpose, now_ms: int) -> bool:
        return may(purpose, self.tx.consents(member_id), now_ms).ok


class Consents(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger(Path(self.folder.name) / "hq.db")
        notice = {"version": "1", "controller": "Muster GmbH", "contact": "privacy@muster.example"}
        puts = [{"op": "member.put", "body": {"member_id": name}} for name in MEMBERS]
        self.ledger.record_ops([{"op": "config.put", "body": {"notice": notice}}, *puts])
        self.now_ms, self.ids = START_MS, itertools.count()
        self.shops = []
        for n in range(2):
            db = Database(memory=True)
            migrate(db)
            db.execute("DROP TRIGGER consent_stays")
            place = Topics("acme", "munich-1", f"gw-{n}")
            shop = Shop(place, db, Tx(db, Vault(KEY)), f"{n}" * 32)
            shop.tx.put_meta("store_id", place.name)
            self.shops.append(shop)
            self.deliver(n, 10**9)

    def teardown(self) -> None:
        if not hasattr(self, "shops"):
            return
        try:
            self.settle()
        finally:
            self.ledger.close()
            for shop in self.shops:
                shop.db.close()
            self.folder.cleanup()

    def settle(self) -> None:
        """Everything is sent and delivered: nobody disagrees."""
        for n, shop in enumerate(self.shops):
            self.tell(n, 10**6)
            for member_id in shop.broken:
                self.ledger.resend(member_id)
        for n in range(2):
            self.deliver(n, 10**9)
        for member_id, purpose in itertools.product(MEMBERS, PURPOSES):
            hq = may(purpose, self.ledger.consents(member_id), self.now_ms).ok
            assert [shop.says(member_id, purpose, self.now_ms) for shop in self.shops] == [hq, hq]

    def tick(self) -> int:
        self.now_ms += 1_000
        return self.now_ms

    @rule(n=shops, member_id=members, choices=st.dictionaries(purposes, st.booleans(), min_size=1))
    def act(self, n: int, member_id: str, choices: dict[Purpose, bool]) -> None:
        shop, now_ms = self.shops[n], self.tick()
        shop.tx.record_act(member_id, choices, ACT, now_ms, lambda: f"id-{next(self.ids)}")
        for purpose, given in choices.items():
            shop.heard.setdefault(member_id, {})[f"local-{now_ms}-{purpose}"] = (purpose, given, now_ms)
            assert shop.says(member_id, purpose, now_ms) is (given and member_id not in shop.broken)

    @rule(member_id=members, purpose=purposes)
    def withdraw_at_headquarters(self, member_id: str, purpose: Purpose) -> None:
        orders.withdraw(self.ledger, member_id, [purpose], self.tick())

    @rule(member_id=members, purpose=purposes, back_ms=st.sampled_from([0, 0, 1_500, 5_500]))
    def give_by_the_app(self, member_id: str, purpose: Purpose, back_ms: int) -> None:
        event_id, given_at_ms = f"app-{next(self.ids)}", self.tick() - back_ms
        body = {"event_id": event_id, "member_id": member_id, "purpose": purpose.value, "state": "given"}
        self.ledger.record_ops([{"op": "consent.add", "body": body | {"given_at_ms": given_at_ms, "channel": "app"}}])

    @rule(n=shops, limit=st.integers(1, 4))
    def tell(self, n: int, limit: int) -> None:
        """Some of what waits goes up; half of it is not confirmed and goes again."""
        shop = self.shops[n]
        rows = shop.tx.outbox_after(0, limit)
        for at in range(0, len(rows), 20):
            some = tuple(rows[at : at + 20])
            self.ledger.ingest(shop.place, event_messages.EventBatch(shop.epoch, 1, some[-1].seq, some), self.now_ms)
        if rows and limit % 2 == 0:
            confirm(shop.tx, rows[-1].seq)

    @rule(n=shops, size=st.sampled_from([1, 900, 10**9]))
    def deliver(self, n: int, size: int) -> None:
        shop = self.shops[n]
        while True:
            have = shop.tx.hq_version
            listed, version = self.ledger.changes_after(have, size)
            if version == have:
                return
            delta = messages.parse_delta(messages.delta(have, version, listed))
            assert apply(shop.tx, delta, KEY, self.now_ms).outcome == "applied"
            shop.deltas.append(delta)
            for op in listed:
                if op["op"] == "consent.add":
                    self.hear(shop, op["body"])
                elif op["op"] == "consent.restore":
                    shop.broken.discard(op["body"]["member_id"])
            if size < 10**9:
                return

    def hear(self, shop: Shop, body: dict) -> None:
        if body["state"] == ConsentState.SUPERSEDED:
            return
        said = Purpose(body["purpose"]), body["state"] == "given", body["given_at_ms"]
        shop.heard.setdefault(body["member_id"], {})[body["event_id"]] = said

    @rule(n=shops)
    def replay(self, n: int) -> None:
        shop = self.shops[n]
        before = [shop.tx.log(name) for name in MEMBERS]
        for delta in shop.deltas:
            assert apply(shop.tx, delta, KEY, self.now_ms).outcome == "stale"
            forged = Delta(shop.tx.hq_version, shop.tx.hq_version, delta.changes)
            assert apply(shop.tx, forged, KEY, self.now_ms).outcome == "stale"
        assert [shop.tx.log(name) for name in MEMBERS] == before

    @rule(n=shops, member_id=members)
    def the_same_records_again(self, n: int, member_id: str) -> None:
        shop = self.shops[n]
        before = [shop.says(member_id, purpose, self.now_ms) for purpose in PURPOSES]
        for record in shop.tx.log(member_id) or ():
            assert shop.tx.take_consent(record, self.now_ms) == "known"
        assert [shop.says(member_id, purpose, self.now_ms) for purpose in PURPOSES] == before

    @rule(n=shops)
    def restart(self, n: int) -> None:
        self.shops[n].tx = Tx(self.shops[n].db, Vault(KEY))

    @rule(n=shops, member_id=members)
    def change_the_file(self, n: int, member_id: str) -> None:
        shop = self.shops[n]
        if shop.db.execute("SELECT 1 FROM consent WHERE member_id = ?", [member_id]).fetchone():
            shop.db.execute("UPDATE consent SET body = body || ' ' WHERE member_id = ? AND number = 1", [member_id])
            shop.broken.add(member_id)

    @rule(n=shops, member_id=members)
    def heal(self, n: int, member_id: str) -> None:
        self.ledger.resend(member_id)
        self.deliver(n, 10**9)

    @invariant()
    def a_yes_is_later_than_every_no_that_the_shop_knows(self) -> None:
        for shop in getattr(self, "shops", ()):
            for member_id, purpose in itertools.product(MEMBERS, PURPOSES):
                if shop.says(member_id, purpose, self.now_ms):
                    heard = [said for said in shop.heard.get(member_id, {}).values() if said[0] is purpose]
                    last_no = max((at for _, given, at in heard if not given), default=0)
                    assert member_id not in shop.broken
                    assert any(given and at > last_no for _, given, at in heard), json.dumps(heard)


TestConsents = Consents.TestCase
TestConsents.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
