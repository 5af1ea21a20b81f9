"""A shop on real files and headquarters' real ledger, through which whole lives pass, and a model beside them."""

import asyncio
import itertools
import logging
import secrets
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from gateway.core.changes import ConfigPut, CredentialPut, Delta, Erasures, MemberPut
from gateway.core.model import CredentialKind, Member, Purpose, Token
from gateway.errors import PeerError
from sync import event_messages, messages
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.rigs.confirm import confirmed
from tests.rigs.shop import START_MS, Shop, basics

EVERYTHING = 10**9  # bytes of a message, orders of erasures
DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
PEOPLE = 3
GRANT_DAYS = 2  # what a grant that is made in the shop runs for
BLE, NFC, OFFERS, ADVICE = (
    Purpose.RECOGNISE_BLE, Purpose.RECOGNISE_NFC, Purpose.PERSONALISE_OFFERS, Purpose.STAFF_ADVICE,
)  # fmt: skip
GREETING = Purpose.PUBLIC_PERSONAL_GREETING
PURPOSES = (BLE, NFC, OFFERS, ADVICE, GREETING)
T = TypeVar("T")


class Told:
    """What this shop was ever told about one purpose of one pseudonym."""

    def __init__(self) -> None:
        self.grants: list[tuple[int, int]] = []  # from, until (ms)
        self.last_no_ms = 0

    def allows(self, at_ms: int) -> bool:
        return any(self.last_no_ms < given <= at_ms < until for given, until in self.grants)


class Heard(logging.Handler):
    """Everything that was logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Lives:
    """`begin` first, `end` last. The model is an upper bound: a purpose may be used while a grant of it that this shop
    was told runs, and no refusal that it was ever told is as late as that grant. `gone`: who was erased, as far as the
    shop was told; `held`: it knows nobody meanwhile."""

    def begin(self) -> None:
        self.loop = asyncio.Runner()
        self.folder, self.elsewhere = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
        self.heard = Heard()
        logging.getLogger().addHandler(self.heard)
        self.ledger = Ledger(self.elsewhere / "hq.db")
        self.place = Topics("acme", "munich-1", "gw-1")
        self.ids = itertools.count()
        self.told: dict[tuple[str, Purpose], Told] = {}
        self.gone: set[str] = set()  # erased, as far as this shop was told
        self.deltas: list[Delta] = []
        self.orders: list[Erasures] = []
        self.seen: set[str] = set()  # decisions
        self.backup: Path | None = None
        self.held = self.was_restored = False
        self.pseudonyms = [f"pseudonym-{person}-0" for person in range(PEOPLE)]
        config, *offers = basics()
        assert isinstance(config, ConfigPut)
        often = replace(config.config, contacts_per_day=10**6, contact_gap_ms=0, consent_days=GRANT_DAYS)
        self.ledger.record_ops([messages.op_of(change) for change in (ConfigPut(often), *offers)])
        self.open(self.folder)
        for person in range(PEOPLE):
            self.join(person, set(PURPOSES))
        self.send(EVERYTHING)

    def end(self) -> None:
        self.shop.store.close()
        self.ledger.close()
        logging.getLogger().removeHandler(self.heard)
        self.loop.close()
        shutil.rmtree(self.folder)
        shutil.rmtree(self.elsewhere)

    # --- small steps ---

    @property
    def names(self) -> set[str]:
        """Everybody who ever came up."""
        return {name for name, _ in self.told} | self.gone | set(self.pseudonyms)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        async def whole() -> T:
            value = await work
            await self.shop.settle()
            return value

        return self.loop.run(whole())

    @property
    def now_ms(self) -> int:
        return self.shop.clock.ms

    def open(self, folder: Path) -> None:
        now_ms = self.shop.clock.ms if hasattr(self, "shop") else START_MS

        async def start() -> Shop:
            shop = Shop(folder, epoch=secrets.token_hex(16))
            shop.clock.ms = now_ms
            shop.ids = f"run{next(self.ids)}-"
            await shop.flow.start()
            await shop.store.run(lambda tx: tx.put_meta("store_id", self.place.name))
            await shop.flow.life.start(True)
            await shop.settle()
            return shop

        self.shop = self.loop.run(start())
        self.held = self.shop.flow.recognition.held

    def close(self) -> None:
        self.do(self.shop.store.purge())
        self.shop.store.close()

    def join(self, person: int, some: set[Purpose]) -> None:
        name = self.pseudonyms[person]
        fob, card = name.encode().ljust(20, b"-"), f"https://card.example/{name}".encode()
        puts = (
            MemberPut(Member(name, f"Call-{name}", "de", ("coffee",), ("Espresso",))),
            CredentialPut(f"{name}-fob", name, CredentialKind.IBEACON, fob, trackable_wording="2026-11"),
            CredentialPut(f"{name}-card", name, CredentialKind.NDEF, card),
        )
        self.ledger.record_ops([messages.op_of(put) for put in puts])
        self.say(person, True, some, self.now_ms, None)

    def say(self, person: int, given: bool, some: set[Purpose], at_ms: int, until_ms: int | None) -> None:
        """The member says so in the retailer's app."""
        for purpose in sorted(some):
            body: dict[str, object] = {
                "event_id": f"app-{next(self.ids)}", "member_id": self.pseudonyms[person], "purpose": purpose.value,
                "state": "given" if given else "refused", "given_at_ms": at_ms, "channel": "app",
            }  # fmt: skip
            self.record(
                {"op": "consent.add", "body": body | ({} if until_ms is None else {"valid_until_ms": until_ms})}
            )

    def about(self, name: str, purpose: Purpose) -> Told:
        return self.told.setdefault((name, purpose), Told())

    def allowed(self, name: str, purpose: Purpose, at_ms: int) -> bool:
        return name not in self.gone and self.about(name, purpose).allows(at_ms)

    def record(self, op: dict[str, Any]) -> None:
        try:
            self.ledger.record_ops([op], self.now_ms)
        except PeerError:  # of whoever was erased it takes nothing
            assert self.ledger.erased_by(op["body"]["member_id"]) is not None

    def forget(self, person: int, at_headquarters: bool) -> None:
        name = self.pseudonyms[person]
        if at_headquarters:
            self.record({"op": "member.erase", "body": {"member_id": name}})
        elif self.do(self.shop.flow.on_erase(name, "screen")) == "ok":
            self.gone.add(name)

    # --- the line ---

    def approve_what_shops_asked(self) -> None:
        for row in self.ledger.pending_erasures():
            self.ledger.approve_erasure(row["member_id"], self.now_ms)

    def tell(self, limit: int, is_confirmed: bool) -> None:
        """Some of what waits goes up; what is not confirmed goes again."""
        store = self.shop.store
        acked = self.do(store.acknowledged())
        self.ledger.resume(self.place, store.epoch, acked)
        rows = self.do(store.outbox_after(0, limit))
        if rows:
            first = min(acked.values()) + 1
            batch = event_messages.EventBatch(store.epoch, first, rows[-1].seq, tuple(rows))
            self.ledger.ingest(self.place, batch, self.now_ms)
            if is_confirmed:
                self.do(confirmed(store, rows[-1].seq))

    def send(self, size: int) -> None:
        """Deltas follow, after a new disk or a wipe a snapshot in parts; the first part, or all after the erasures."""
        if size == EVERYTHING:
            self.obey_erasures(EVERYTHING)
        while True:
            have = self.do(self.shop.store.hq_version())
            listed, version = self.ledger.changes_after(have, size)
            if version == have:
                self.shop.flow.life.with_hq(self.now_ms)
                return
            self.take(have, version, listed)
            if size < EVERYTHING:
                return

    def take(self, have: int, version: int, listed: list[dict[str, Any]]) -> None:
        delta = messages.parse_delta(messages.delta(have, version, listed))
        for op in listed:
            self.hear_op(op)
        assert self.do(self.shop.flow.on_hq_change(delta)) == "applied"
        self.deltas.append(delta)

    def hear_op(self, op: dict[str, Any]) -> None:
        body = op["body"]
        if op["op"] == "member.erase":
            self.gone.add(body["member_id"])
        elif op["op"] == "consent.add":
            name, purpose = body["member_id"], Purpose(body["purpose"])
            given = body["state"] == "given"
            if body["state"] != "superseded":
                self.hear(name, purpose, given, body["given_at_ms"], body.get("valid_until_ms"))

    def hear(self, name: str, purpose: Purpose, given: bool, at_ms: int, until_ms: int | None) -> None:
        told = self.about(name, purpose)
        if given:
            told.grants.append((at_ms, until_ms if until_ms is not None else 2**62))
        else:
            told.last_no_ms = max(told.last_no_ms, at_ms)

    def hear_the_head_of_erasures(self) -> None:
        seq = self.ledger.erase_seq()
        self.do(self.shop.flow.on_head(seq))
        self.held = self.shop.flow.recognition.held
        assert self.held or self.do(self.shop.store.erase_seq()) >= seq

    def obey_erasures(self, limit: int) -> None:
        have = self.do(self.shop.store.erase_seq())
        listed = self.ledger.erasures_after(have, limit)
        if listed:
            batch = Erasures(have, listed[-1].seq, tuple(listed))
            self.orders.append(batch)
            self.gone |= {order.member_id for order in listed}
            assert self.do(self.shop.flow.on_erasures(batch)).outcome == "done"
            self.held = self.shop.flow.recognition.held

    def replay(self, number: int) -> None:
        """Something that was sent before comes again, late."""
        if self.deltas:
            delta = self.deltas[number % len(self.deltas)]
            if delta.version <= self.do(self.shop.store.hq_version()):
                assert self.do(self.shop.flow.on_hq_change(delta)) == "stale"
        if self.orders:
            self.do(self.shop.flow.on_erasures(self.orders[number % len(self.orders)]))
            self.held = self.shop.flow.recognition.held

    # --- the box ---

    def restart(self) -> None:
        self.close()
        self.open(self.folder)

    def make_a_backup(self) -> None:
        self.close()
        self.backup = self.elsewhere / "backup"
        shutil.copy(self.folder / "gateway.db", self.backup)
        self.open(self.folder)

    def put_the_backup_back(self) -> None:
        self.close()
        self.remove_database()
        assert self.backup is not None
        shutil.copy(self.backup, self.folder / "gateway.db")
        self.was_restored = True
        self.open(self.folder)

    def get_a_new_disk(self, size: int) -> None:
        """Everything comes again from headquarters, and of what it was not told nobody knows."""
        self.close()
        for path in self.folder.iterdir():
            path.unlink()
        self.told.clear()
        self.backup = None
        self.gone &= {name for name in self.gone if self.ledger.erased_by(name) is not None}
        self.open(self.folder)
        self.send(size)

    def remove_database(self) -> None:
        for name in ("gateway.db", "gateway.db-wal", "gateway.db-shm"):
            (self.folder / name).unlink(missing_ok=True)

    # --- people ---

    def come(self, name: str, reader: str, choice: str) -> None:
        fob = Token(CredentialKind.IBEACON, name.encode().ljust(20, b"-"))
        card = Token(CredentialKind.NDEF, f"https://card.example/{name}".encode())
        resolver = self.shop.resolver
        if self.recognised(name, resolver.resolve(fob, self.now_ms), BLE):
            self.do(self.shop.stand(name, "coffee-ble"))
        known = self.recognised(name, resolver.resolve(card, self.now_ms), NFC)
        self.do(self.shop.tap(name if known else None, reader))
        view = self.shop.walls.screens["bar"].dialogue
        if view is not None:
            self.do(self.shop.flow.on_screen("bar", view.dialogue_id, choice))
        for entry in self.shop.walls.entries:
            if entry.state == "asked":
                self.do(self.shop.flow.on_accept(entry.handshake_id, "tablet-1"))

    def recognised(self, name: str, found: str | None, purpose: Purpose) -> bool:
        assert found in (None, name)
        assert found is None or self.allowed(name, purpose, self.now_ms)
        return found is not None

    def latest_word(self, name: str, purpose: Purpose) -> bool:
        """Whether it is given, but for its end, which a tick follows."""
        told = self.about(name, purpose)
        return any(told.last_no_ms < given for given, _ in told.grants)
