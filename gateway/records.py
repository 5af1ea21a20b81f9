"""What one transaction may do with the shop's tables; their SQL stands in gateway.tables, all DDL in migrations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from gateway.core.changes import LedgerEntry
from gateway.core.consent import Consents, may
from gateway.core.gate import POINTS, USUAL, No, Profile
from gateway.core.model import (
    Act,
    AgeGate,
    ClockQuality,
    ConsentRecord,
    ConsentState,
    Contact,
    Credential,
    Decision,
    Event,
    Guard,
    Member,
    Purpose,
    ShopConfig,
)
from gateway.core.offers import Person
from gateway.core.points import Balance
from gateway.core.receipt import Receipt, receipt_of
from gateway.core.recorded import Inputs
from gateway.core.redemption import Step, Times
from gateway.core.sensitive import categories, is_sensitive
from gateway.core.spans import DAY_MS
from gateway.core.trial import Fault, Report, State, Steered, parts_of, reasons_of
from gateway.core.usual import Bought, Purchases, past, usual_of
from gateway.errors import PeerError
from gateway.tables.ageing import Ageing
from gateway.tables.audit import Audit
from gateway.tables.baskets import Baskets
from gateway.tables.commands import CommandRows
from gateway.tables.consents import SYNCHRONISED, ConsentLog
from gateway.tables.content import ContentRows
from gateway.tables.copies import Copies
from gateway.tables.datakeys import DataKeys
from gateway.tables.devices import DeviceRows
from gateway.tables.erasures import Erasures
from gateway.tables.floor import FloorPlan
from gateway.tables.history import History
from gateway.tables.learning import Learned
from gateway.tables.members import Members
from gateway.tables.mended import MendedRow
from gateway.tables.plays import PlayRows
from gateway.tables.points import PointsRows
from gateway.tables.prices import Prices
from gateway.tables.purchases import PurchaseRows
from gateway.tables.redemptions import Redemptions
from gateway.tables.segments import SegmentRules
from gateway.tables.snapshots import SnapshotRows
from gateway.tables.staff import StaffRows
from gateway.tables.stock import Stock
from gateway.tables.taps import TapsAndKeys
from gateway.tables.trials import TrialRows

PURGE_WAIT_MS = 50  # less than a slow SD card's flush, which every commit behind it pays anyway


def _may_know_usual(profile: Profile, now_ms: int) -> bool:
    found: tuple[str, ...] | No = profile.read(USUAL, Purpose.PURCHASE_HISTORY, now_ms)
    return not isinstance(found, No)


class Tx(
    Members,
    ConsentLog,
    TapsAndKeys,
    Prices,
    History,
    DataKeys,
    Erasures,
    Audit,
    Ageing,
    PurchaseRows,
    Learned,
    Redemptions,
    SegmentRules,
    Stock,
    PointsRows,
    Baskets,
    DeviceRows,
    ContentRows,
    PlayRows,
    FloorPlan,
    StaffRows,
    CommandRows,
    TrialRows,
    SnapshotRows,
    MendedRow,
    Copies,
):
    """One transaction's view of the shop: all tables, and what needs several of them."""

    def profile(self, member_id: str) -> Profile | None:
        """A member's profile behind its gate, with the consents in force; None for an unknown member."""
        member = self.member(member_id)
        if member is None:
            return None
        return Profile(member, self.consents(member_id), categories(self.shop().sensitive))

    def person(self, member_id: str, now_ms: int) -> Person | None:
        """The same with the contacts that rules may ask for."""
        profile = self.profile(member_id)
        return None if profile is None else Person(profile, self.contacts(member_id, now_ms, self.horizon_ms()))

    def record(self, decision: Decision, inputs: Inputs | None = None) -> None:
        """Store a decision, and count what it showed where the whole shop shares it."""
        super().record(decision, inputs)
        if decision.offer_id is not None:
            self.note_copy("decision", decision.decision_id)
            self.count_given(decision.offer_id, "shown", decision.at_ms)

    def note_contact(self, member_id: str, decision_id: str, contact: Contact) -> bool:
        """The same of an answer, and of what was met beyond a screen. Redemptions are counted at the till: there they
        may be nobody's."""
        news = super().note_contact(member_id, decision_id, contact)
        if news:
            self.note_copy("contact", decision_id, contact.offer_id, contact.what)
        if news and contact.what in ("shown", "accepted"):
            self.count_given(contact.offer_id, contact.what, contact.at_ms)
        return news

    def admit(self, member_id: str, guard: Guard) -> bool:
        """The same; one that counted here counts at the shop's other box no more."""
        news = super().admit(member_id, guard)
        if news:
            self.note_copy("tap", guard.key.hex())
        return news

    def save_redemption(self, step: Step, times: Times) -> None:
        """The same, and the shop's other box is told."""
        super().save_redemption(step, times)
        self.note_copy("redemption", step.redemption.redemption_id)

    def keep_answer(self, till: str, key: str, digest: bytes, answer: str, now_ms: int) -> None:
        """The same, and the shop's other box is told."""
        super().keep_answer(till, key, digest, answer, now_ms)
        self.note_copy("answer", till, key)

    def tell(self, event: Event) -> None:
        """Append an event about a member, unless an erasure came first."""
        if self.has_member(str(event.body["member_id"])):
            self.emit(event)

    def put_member(self, member: Member) -> None:
        """Keep a profile. Of somebody under 16 for whom nobody agreed there is none, and no consent counts."""
        if member.age is AgeGate.UNDER_16:
            member = Member(member.member_id, language=member.language, staff=member.staff, age=member.age)
        super().put_member(member)
        self.set_age(member.member_id, member.age)

    def restore_consents(self, member_id: str, records: Sequence[ConsentRecord], now_ms: int) -> None:
        """As the log does it; what is known of the member's age stands in the profile as well."""
        super().restore_consents(member_id, records, now_ms)
        member = self.member(member_id)
        if member is not None:
            self.set_age(member_id, member.age)

    def put_shop(self, config: ShopConfig) -> None:
        """Keep HQ's configuration, and what consents depend on in it."""
        super().put_shop(config)
        self.put_meta("child_programme", "1" if config.child_programme else "0")
        self.know_notice(config.notice)

    def tell_settings(
        self,
        state: State,
        given: str,
        faults: Sequence[Fault],
        now_ms: int,
        place: str = "",
        local: int = 0,
        runs: Steered | None = None,
    ) -> None:
        """Keep what became of the settings that were given last, and tell headquarters. `runs`: what does, if that are
        not those that count."""
        steered = runs or self.steered()
        counts = steered.settings_id, steered.since_ms
        report = Report(given, state, reasons_of(faults), parts_of(faults), place, *counts, local)
        self.put_report(report)
        self.emit(Event("settings.tried" if state == "trial" else f"settings.{state}", now_ms, asdict(report)))

    def take_config(self, config: ShopConfig, version: int, now_ms: int) -> bool:
        """Whether a configuration that came counts from now on, which a trial may still end; headquarters is told of
        one that is settled already."""
        outcome = self.try_shop(config, version, now_ms)
        if outcome == "undone":
            body = {"version": version, "reasons": ("undone_before",), "parts": ()}
            self.emit(Event("config.undone", now_ms, body))
            return False
        if outcome == "same":
            self.emit(Event("config.kept", now_ms, {"version": version}))
        self.put_shop(config)
        return True

    def may_decide(self, member_id: str, choices: Mapping[Purpose, bool]) -> Mapping[Purpose, bool] | None:
        """Those of these choices that are somebody's to make here; None = none of them.

        Without a profile nobody says yes. A no is taken of whoever anything is stored about: after days without HQ the
        profile is gone and the consents stay, and they count again once HQ sends it.
        """
        if self.has_member(member_id):
            return choices
        noes = {purpose: False for purpose, yes in choices.items() if not yes}
        return noes if noes and self.knows(member_id) and not self.is_erased(member_id) else None

    def record_act(
        self, member_id: str, choices: Mapping[Purpose, bool], act: Act, now_ms: int, new_id: Callable[[], str]
    ) -> Receipt:
        """Write down what a member decided in this shop, one record for each purpose that they may decide, and tell HQ.

        A "no" to what was given is a withdrawal, to anything else a refusal. It counts from the commit on; surfaces
        and resolver are the caller's to follow (flow.on_consent). Raises PeerError("gone") for somebody unknown here.
        """
        allowed = self.may_decide(member_id, choices)
        if allowed is None:
            raise PeerError("gone")
        choices = allowed
        shop, receipt_id = self.shop(), new_id()
        standing = self.consents(member_id)
        notice = shop.notice if shop.notice is not None and shop.notice.version == act.notice_version else None
        clock = ClockQuality(act.clock)
        if clock is ClockQuality.UNKNOWN:
            clock = ClockQuality.SYNCHRONISED if self.meta("clock") == SYNCHRONISED else ClockQuality.DOUBTFUL
        records = []
        for purpose in (purpose for purpose in Purpose if purpose in choices):
            before = standing.get(purpose)
            state = ConsentState.GIVEN if choices[purpose] else ConsentState.REFUSED
            if not choices[purpose] and before is not None and before.state is ConsentState.GIVEN:
                state = ConsentState.WITHDRAWN
            ends = shop.consent_days and state is ConsentState.GIVEN
            record = ConsentRecord(
                event_id=new_id(),
                member_id=member_id,
                purpose=purpose,
                state=state,
                given_at_ms=now_ms,
                valid_until_ms=now_ms + shop.consent_days * DAY_MS if ends else None,
                notice_version=act.notice_version,
                channel=act.channel,
                receipt_id=receipt_id,
                supersedes=before.event_id if before is not None else "",
                notice_id=notice.notice_id if notice is not None else "",
                notice_sha256=act.notice_sha256,
                language=act.language,
                jurisdiction=notice.jurisdiction if notice is not None else "",
                method=act.method,
                device_id=act.device_id,
                store_id=self.meta("store_id") or "",
                staff_id=act.staff_id,
                age_gate=AgeGate(act.age_gate),
                clock=clock,
            )
            self.take_consent(record, now_ms)
            self.emit(Event("consent.recorded", now_ms, asdict(record)))
            records.append(record)
        self.end_purchases(member_id, now_ms)
        return receipt_of(receipt_id, records, shop.notice)

    def put_purchases(self, member_id: str, purchases: Purchases, now_ms: int) -> bool:
        """Keep what a member bought, in place of what was known; False, and nothing is kept, without their consent."""
        profile = self.profile(member_id)
        if profile is None or not _may_know_usual(profile, now_ms):
            self.drop_purchases(member_id)
            return False
        visits = tuple(past(purchases.visits, now_ms + DAY_MS))  # a day: this box's clock may be a little behind
        self.store_purchases(member_id, Purchases(purchases.products, visits), now_ms)
        return True

    def add_purchase(self, member_id: str, visit: Bought, now_ms: int) -> bool:
        """Add one visit to this shop's till, until headquarters sends all of them; False, and nothing is kept, without
        the member's consent."""
        profile = self.profile(member_id)
        if profile is None or not _may_know_usual(profile, now_ms):
            return False
        known = self.stored_purchases(member_id) or Purchases((), ())
        visits = tuple(past((*known.visits, visit), now_ms + DAY_MS))
        self.store_purchases(member_id, Purchases(known.products, visits), now_ms)
        return True

    def end_purchases(self, member_id: str, now_ms: int) -> None:
        """Delete what a member bought unless their consent to `purchase_history` is in force."""
        if not may(Purpose.PURCHASE_HISTORY, self.consents(member_id), now_ms).ok:
            self.drop_purchases(member_id)

    def usual(self, profile: Profile, purpose: Purpose, now_ms: int) -> tuple[str, ...]:
        """What the member usually takes, for this purpose: headquarters' words, else what their purchases tell."""
        found = profile.read(USUAL, purpose, now_ms)
        if isinstance(found, No) or found:
            return () if isinstance(found, No) else found
        purchases = self.stored_purchases(profile.member_id)
        if purchases is None:
            return ()
        sensitive = categories(self.shop().sensitive)
        harmless = tuple(one for one in purchases.products if not is_sensitive(one.category, sensitive))
        return tuple(one.text for one in usual_of(Purchases(harmless, purchases.visits), now_ms))

    def points(self, profile: Profile, purpose: Purpose, now_ms: int) -> Balance | None:
        """What the member has in points, for this purpose; None where that may not be read or is not known."""
        may_read = profile.read(POINTS, purpose, now_ms)
        return None if isinstance(may_read, No) else self.stored_balance(profile.member_id)

    def receipt(self, member_id: str, receipt_id: str) -> Receipt | None:
        """The receipt of an act that stands in the log of this member; None = no such act, or a broken log."""
        records = [record for record in self.log(member_id) or () if record.receipt_id == receipt_id]
        return receipt_of(receipt_id, records, self.shop().notice) if receipt_id and records else None

    def erase_member(
        self, member_id: str, seq: int = 0, at_ms: int = 0, seen: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """Delete what is stored about a member and never take it in again; what was cleared, by table.

        Events not yet at HQ lose pseudonym and card and keep the fact. `seq`: headquarters' number of the order, 0 = it
        was given here. `seen`: what was cleared in memory for it, for the receipt.
        """
        places = self.clear_tables(member_id)
        self.drop_log(member_id)  # what was read of it, too
        for table, strip in (("outbox", self.strip_outbox), ("redemption", self.strip_redemptions)):
            if told := strip(member_id):
                places[table] = told
        self.owe_sweep()
        self.keep_erasure(LedgerEntry(self.digest(member_id), seq, at_ms), {**(seen or {}), **places})
        return places

    def audit(
        self,
        at_ms: int,
        member_id: str,
        actor: str,
        action: str,
        detail: Mapping[str, object] | str = "",
        purposes: Sequence[str] = (),
    ) -> None:
        """Note that somebody looks at a member or acts for them, and tell HQ; whoever looks does it in the same
        transaction, so that there is no view without its note.

        `actor`: "tablet:ID", "tablets" = all of them, "till:ID", "operator" or "member". `action`: a word such as
        "card.opened". `purposes`: those that gave what was seen. `detail` holds no personal value. The export shows all
        of it to the member.
        """
        more = {"text": detail} if isinstance(detail, str) and detail else {**detail} if detail else {}
        self.note(at_ms, member_id, actor, action, " ".join(purposes), more)
        body = {"member_id": member_id, "actor": actor, "action": action, "purposes": [*purposes], "detail": more}
        self.emit(Event("audit.viewed", at_ms, body))

    def wipe_profiles(self) -> int:
        """Delete profiles, purchases, credentials and colleagues and end one-time codes; of how many members. HQ will
        send everything anew.

        Consents, what a card's counter showed, decisions, audit and the outbox stay.
        """
        (count,) = self._one(
            "SELECT count(*) FROM (SELECT member_id FROM member UNION SELECT member_id FROM credential)"
        )
        for table in ("member", "credential", "purchase"):
            self._db.execute(f"DELETE FROM {table}")
        self.give_up()
        self.wipe_beside()
        self.spend_bindings()
        self.wipe_staff()
        self.put_meta("hq_version", "0")
        return int(count)

    def holders_after(self, member_id: str, limit: int) -> list[tuple[str, tuple[Credential, ...], Consents]]:
        """The next members who hold a credential, in the order of their ids, with credentials and consents in force."""
        held = self.holders(member_id, limit)
        consents = self.consents_between(min(held), max(held)) if held else {}
        return [(holder, credentials, consents.get(holder, {})) for holder, credentials in held.items()]

    def truncate_log(self) -> bool:
        """Empty the write-ahead log onto the file, so that erased bytes are gone from both. Outside a transaction.

        False while somebody else reads the file; it is not waited for long, because all commits stand behind this.
        """
        (usual_ms,) = self._one("PRAGMA busy_timeout")
        self._one(f"PRAGMA busy_timeout = {PURGE_WAIT_MS}")
        try:
            return bool(self._one("PRAGMA wal_checkpoint(TRUNCATE)")[0] == 0)
        finally:
            self._one(f"PRAGMA busy_timeout = {usual_ms}")

    def let_go_of_pages(self) -> None:
        """Keep no page in memory: the next read sees the file as it is. Outside a transaction, after `truncate_log`."""
        self._db.execute("PRAGMA shrink_memory").fetchall()

    def free_pages(self) -> int:
        """Pages of the file that hold nothing and will be used again."""
        return int(self._one("PRAGMA freelist_count")[0])
