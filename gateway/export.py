"""Everything the shop holds about one member, opened and explained: the answer to a request for access.

`COVERED` names the section of each table that holds a pseudonym; a test reads the schema and fails for a table that
is in neither list. The form is published as docs/export.schema.json.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from gateway.core.consent import may
from gateway.core.model import Purpose
from gateway.core.reasons import present, sentence
from gateway.core.template import bare
from gateway.exportforms import (
    AnswerRow,
    BasketLine,
    BasketRow,
    CodeRow,
    ConsentRow,
    CredentialRow,
    DecisionRow,
    Export,
    InForce,
    PointsRow,
    PointsStepRow,
    ProfileRow,
    ProofRow,
    PurchasesRow,
    ReasonRow,
    Receipt,
    RedemptionRow,
    UnclearRow,
    ViewRow,
    WaitingRow,
    schema,
)
from gateway.readable import readable
from gateway.records import Tx
from gateway.sections import ELSEWHERE, about
from gateway.tables.rows import as_json

__all__ = ["COVERED", "NOT_PERSONAL", "Export", "export", "readable", "schema"]

MEMBER_ENROLLED = "member.enrolled"  # what the audit says of somebody who joined in this shop
FORMAT: Literal["store-gateway export 1"] = "store-gateway export 1"

COVERED = {
    "member": "profile",
    "credential": "credentials",
    "consent": "consents",
    "consent_head": "consents",
    "consent_parked": "unclear",
    "decision": "decisions",
    "contact": "answers",
    "audit": "views",
    "outbox": "waiting",
    "tap_guard": "proofs",
    "binding": "codes",
    "purchase": "purchases",
    "redemption": "redemptions",
    "points_balance": "points",
    "points_step": "points",
    "basket": "baskets",
}

USUAL = {"de": "Das Übliche", "en": "The usual"}  # what stands for it among answers is decisions.USUAL_OFFER

# Tables in which no row belongs to a member, each with its reason.
NOT_PERSONAL = {
    "meta": "single values of the box itself",
    "offer": "headquarters' catalogue, the same for everybody",
    "offer_former": "the catalogue before one that is on trial, the same for everybody",
    "trial": "what headquarters changed and what was before it, the same for everybody",
    "play": "what screens showed, and for how long; whose decision it was stands in the decision alone",
    "price": "headquarters' price list, the same for everybody",
    "terminal_key": "keys of readers",
    "device": "the shop's own screens, tablets and tills, with the names that staff gave them",
    "decision_day": "counts of at least five people",
    "learning_tally": "what was shown and taken of offers, counted by segments of at least 50 people",
    "learning_open": "an offer's outcome that is waited for; whose decision it was stands in the decision alone",
    "data_key": "keys under which values are sealed",
    "notice": "hashes of the privacy notices that were shown",
    "redemption_entry": "steps of redemptions; whose they were stands in the redemption alone",
    "segment_rule": "headquarters' running segments, the same for everybody; who is in one is in memory alone",
    "lease": "budgets that headquarters lent to the shop",
    "catalogue_part": "headquarters' next catalogue, the same for everybody",
    "content": "pictures and words that screens show between offers, and the shop's look, the same for everybody",
    "content_part": "headquarters' next bundle of them, the same for everybody",
    "copy": "names of decisions and redemptions that the shop's other box is to be told",
    "snapshot_chunk": "hashes of the chunks of headquarters' next snapshot of members",
    "offer_count": "how often an offer was given out in a quarter of an hour, to whomever",
    "stock": "how much of each article the shop has",
    "staff": "colleagues with their PINs' hashes, headquarters' own; no customer's",
    "staff_act": "which colleague redeemed at a tablet; whose redemption it was stands in the redemption alone",
    "coupon_used": "coupons that were redeemed, by a random number; whose they were stands in the redemption alone",
    "till_request": "what tills asked and were answered; a redemption is named in it by its id alone",
    "command": "what headquarters had this box do, and diagnostic bundles, which name nobody",
    "erasure": "keyed hashes of members who were erased; nobody else can be found in it",
    "_sqlite_migrations": "which migrations ran",
    "sqlite_sequence": "SQLite's own counters",
}


def export(tx: Tx, member_id: str, now_ms: int, memory: Mapping[str, object] | None = None) -> dict[str, Any]:
    """All that is stored about a member, as docs/export.schema.json says; empty sections for somebody unknown.

    `memory`: what no file holds (gateway.flow.memory_of). Keys and codes themselves are never in it. Whoever calls
    this notes it with `tx.audit`, before, so that the member sees this view too.
    """
    shop, profile = tx.shop(), tx.profile(member_id)
    bought = tx.stored_purchases(member_id)
    consents = [_plain(record) for record in tx.consent_history(member_id)]
    notice, views = shop.notice, tx.audits(member_id)
    found = Export(
        format=FORMAT,
        made_at_ms=now_ms,
        member_id=member_id,
        shop=dict(shop.store_name),
        zones={zone: dict(name) for zone, name in shop.zones.items()},
        controller=notice.controller if notice is not None else "",
        contact=notice.contact if notice is not None else "",
        notice_version=notice.version if notice is not None else "",
        profile=None if profile is None else ProfileRow.model_validate(json.loads(as_json(profile.for_the_person()))),
        credentials=[
            CredentialRow(credential_id=one.credential_id, kind=one.kind.value, clock_offset_s=one.offset_s)
            for one in tx.credentials(member_id)
        ],
        consents=[ConsentRow.model_validate(record) for record in consents],
        unclear=[
            UnclearRow(
                event_id=event_id,
                reason=reason,
                words=dict(present(f"consent.{reason}")),
                denies=denies,
                at_ms=at_ms,
                text=text,
            )
            for event_id, reason, denies, at_ms, text in tx.parked_texts(member_id)
        ],
        in_force=_in_force(tx, member_id, now_ms),
        receipts=_receipts(consents),
        decisions=_decisions(tx, member_id),
        answers=_answers(tx, member_id),
        views=[ViewRow.model_validate({key: row[key] for key in ViewRow.model_fields}) for row in views],
        waiting=[
            WaitingRow(seq=row.seq, at_ms=row.at_ms, type=row.type, body=json.loads(row.body))
            for row in tx.waiting_about(member_id)
        ],
        proofs=[ProofRow(count=count, until_ms=until_ms) for count, until_ms in tx.guards(member_id)],
        codes=[CodeRow(binding_id=a, valid_until_ms=b, open=c) for a, b, c in tx.bindings(member_id)],
        purchases=[] if bought is None else [PurchasesRow.model_validate(_plain(bought))],
        redemptions=_redemptions(tx, member_id),
        points=_points(tx, member_id),
        baskets=_baskets(tx, member_id),
        memory={key: value for key, value in (memory or {}).items() if value is not None},
        about=about(shop, joined_here=any(row["action"] == MEMBER_ENROLLED for row in views)),
        elsewhere=ELSEWHERE,
    )
    return found.model_dump(mode="json")


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(as_json(asdict(value)))
    return plain


def _in_force(tx: Tx, member_id: str, now_ms: int) -> list[InForce]:
    consents = tx.consents(member_id)
    found = []
    for purpose in Purpose:
        verdict = may(purpose, consents, now_ms)
        words = dict(present(verdict.reason))
        found.append(InForce(purpose=purpose.value, ok=verdict.ok, reason=verdict.reason, words=words))
    return found


def _receipts(consents: list[dict[str, Any]]) -> list[Receipt]:
    """One for each act, oldest first; records that name no receipt are in the log alone."""
    acts: dict[str, list[dict[str, Any]]] = {}
    for record in consents:
        if record.get("receipt_id"):
            acts.setdefault(record["receipt_id"], []).append(record)
    return [
        Receipt(
            receipt_id=receipt_id,
            at_ms=records[0]["given_at_ms"],
            purposes={record["purpose"]: record["state"] for record in records},
        )
        for receipt_id, records in acts.items()
    ]


def _decisions(tx: Tx, member_id: str) -> list[DecisionRow]:
    offers = {offer.offer_id: dict(bare(offer.title)) for offer in tx.offers()}
    found = []
    for row in tx.decisions(member_id):
        reasons = [
            ReasonRow(candidate=candidate, code=code, words=dict(sentence(code))) for candidate, code in row["reasons"]
        ]
        kept = {key: row[key] for key in DecisionRow.model_fields if key in row}
        found.append(DecisionRow.model_validate(kept | {"offer": offers.get(row["offer_id"]), "reasons": reasons}))
    return found


def _answers(tx: Tx, member_id: str) -> list[AnswerRow]:
    offers = {offer.offer_id: dict(bare(offer.title)) for offer in tx.offers()} | {"@usual": USUAL}
    rows = tx.answers(member_id)
    return [AnswerRow.model_validate(row | {"offer": offers.get(row["offer_id"])}) for row in rows]


def _redemptions(tx: Tx, member_id: str) -> list[RedemptionRow]:
    offers = {offer.offer_id: dict(bare(offer.title)) for offer in tx.offers()}
    return [
        RedemptionRow(
            redemption_id=one.redemption_id,
            at_ms=at_ms,
            offer_id=one.offer_id,
            offer=offers.get(one.offer_id),
            till=one.till,
            state=one.state.value,
            cents=one.cents,
            reversed_cents=one.reversed_cents,
            receipt=one.receipt,
        )
        for one, at_ms in tx.redemptions_of(member_id)
    ]


def _points(tx: Tx, member_id: str) -> list[PointsRow]:
    balance, steps = tx.stored_balance(member_id), tx.points_steps(member_id)
    if balance is None and not steps:
        return []
    rows = [PointsStepRow(at_ms=at_ms, points=points, source=source) for _, points, source, at_ms in steps]
    return [PointsRow(balance=0 if balance is None else balance.points, steps=rows)]


def _baskets(tx: Tx, member_id: str) -> list[BasketRow]:
    found = []
    for one, until_ms in tx.baskets_of(member_id):
        lines = [BasketLine(gtin=scan.item.gtin, count=scan.count) for scan in one.scans]
        found.append(BasketRow(basket_id=one.basket_id, until_ms=until_ms, lines=lines, offers=list(one.offers)))
    return found
