"""HQ's changes inside one transaction: whole or not at all, static identifiers hashed, and who was touched."""

import json
from dataclasses import replace

from gateway.apply import apply, recognised, taken_from
from gateway.core.changes import (
    BindingDrop,
    BindingPut,
    ConfigPut,
    ConsentAdd,
    ConsentPark,
    ConsentRestore,
    CredentialDrop,
    CredentialPut,
    Delta,
    KeyDrop,
    KeyPut,
    LearningPut,
    MemberErase,
    MemberPut,
    OfferDrop,
    OfferRefused,
)
from gateway.core.consent import may
from gateway.core.identity import static_digest
from gateway.core.keyring import KeyUse, Sealed
from gateway.core.learning import Arm, Learning
from gateway.core.model import AgeGate, ConsentState, CredentialKind, Notice, Purpose, ShopConfig
from gateway.core.onetime import code_digest
from gateway.records import Tx
from tests.rigs.shop import SITE_KEY, START_MS, basics, consent, member


def push(tx: Tx, *changes, parent: int | None = None, version: int | None = None):
    have = tx.hq_version if parent is None else parent
    return apply(tx, Delta(have, version or have + 1, changes), SITE_KEY, START_MS)


def test_a_delta_moves_the_version(tx: Tx) -> None:
    touched = push(tx, *basics())
    assert (touched.outcome, touched.shop, touched.catalogue, tx.hq_version) == ("applied", True, True, 1)
    assert len(tx.offers()) == 2


def test_what_does_not_follow_changes_nothing(tx: Tx) -> None:
    push(tx, *basics())
    assert push(tx, OfferDrop("loop"), parent=5, version=6).outcome == "gap"
    assert push(tx, OfferDrop("loop"), parent=0, version=1).outcome == "stale"
    assert push(tx, OfferDrop("loop"), parent=0, version=2).outcome == "gap"
    assert len(tx.offers()) == 2


def test_static_identifiers_are_kept_as_keyed_hashes(tx: Tx) -> None:
    push(tx, *member("mia", Purpose.RECOGNISE_NFC))
    card = next(c for c in tx.credentials("mia") if c.kind is CredentialKind.NDEF)
    assert card.secret == static_digest(SITE_KEY, CredentialKind.NDEF, b"https://card.example/mia")
    dump = "".join(tx._db.conn.iterdump())
    assert "card.example" not in dump
    assert b"card.example".hex() not in dump.lower()


def test_an_identity_key_is_kept_as_it_is(tx: Tx) -> None:
    push(tx, CredentialPut("fob", "mia", CredentialKind.EID, b"k" * 16, 12, 99))
    (fob,) = tx.credentials("mia")
    assert (fob.secret, fob.exponent, fob.clock_zero_s) == (b"k" * 16, 12, 99)


def test_only_what_is_consented_is_recognised(tx: Tx) -> None:
    touched = push(tx, *member("mia", Purpose.RECOGNISE_NFC))
    assert [c.credential_id for c, _, _ in touched.recognised["mia"]] == ["mia-card"]
    touched = push(tx, consent("mia", Purpose.RECOGNISE_NFC, ConsentState.WITHDRAWN, 5))
    assert touched.recognised == {"mia": ()}
    assert touched.cleared == {"mia"}
    assert recognised(tx, "nobody", START_MS) == ()


def test_a_dropped_credential_clears_its_owner(tx: Tx) -> None:
    push(tx, *member("mia", Purpose.RECOGNISE_NFC, Purpose.RECOGNISE_BLE))
    touched = push(tx, CredentialDrop("mia-fob"), CredentialDrop("unknown"))
    assert touched.cleared == {"mia"}
    assert [c.credential_id for c, _, _ in touched.recognised["mia"]] == ["mia-card"]


def test_an_erasure_is_told_apart(tx: Tx) -> None:
    push(tx, *member("mia", *Purpose))
    touched = push(tx, MemberErase("mia"))
    assert (touched.erased, touched.cleared, touched.recognised) == ({"mia"}, {"mia"}, {"mia": ()})
    assert tx.person("mia", START_MS) is None


def test_a_refusal_is_confirmed_to_hq_and_a_grant_is_not(tx: Tx) -> None:
    push(tx, consent("mia", Purpose.STAFF_ADVICE))
    assert tx.waiting() == 0
    push(tx, consent("mia", Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 5))
    assert [row.type for row in tx.outbox_after(0, 10)] == ["consent.applied"]


def test_a_refused_offer_leaves_the_former_one_and_tells_hq(tx: Tx) -> None:
    push(tx, *basics(), *member("mia", Purpose.STAFF_ADVICE))
    before = tx.offers()
    assert [offer.offer_id for offer in before] == ["espresso", "loop"]
    refused = (OfferRefused("espresso", "purpose", "interests"), OfferRefused("", "fields"))
    gone = consent("mia", Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, seq=2)
    touched = apply(tx, Delta(tx.hq_version, tx.hq_version + 1, (gone,), refused=refused), SITE_KEY, START_MS)
    assert (touched.outcome, touched.refused_offers, touched.cleared) == ("applied", 2, {"mia"})
    assert tx.offers() == before
    bodies = [json.loads(row.body) for row in tx.outbox_after(0, 100) if row.type == "offer.refused"]
    assert bodies == [
        {"offer_id": "espresso", "reason": "purpose", "field": "interests"},
        {"offer_id": "", "reason": "fields", "field": ""},
    ]


def test_a_key_is_for_one_gateway_alone(tx: Tx) -> None:
    put = KeyPut("acme/a/gw", "k", KeyUse.SUN, 5, None, b"sealed")
    delta = Delta(0, 1, (put, replace(put, gateway="acme/b/gw", sealed=b"other"), KeyDrop("acme/b/gw", "k")))
    assert apply(tx, delta, SITE_KEY, START_MS, "acme/a/gw").keys
    assert tx.terminal_keys() == (Sealed("k", KeyUse.SUN, 5, None, b"sealed"),)
    assert not push(tx, put).keys, "a gateway without a name has none"
    touched = apply(tx, Delta(2, 3, (KeyDrop("acme/a/gw", "k"),)), SITE_KEY, START_MS, "acme/a/gw")
    assert (touched.keys, tx.terminal_keys()) == (True, ())


def test_a_one_time_code_is_kept_as_a_keyed_hash(tx: Tx) -> None:
    push(tx, *member("mia"), BindingPut("b1", "mia", "31415926", START_MS + 1))
    assert tx.binding(code_digest(SITE_KEY, "31415926"), START_MS) == ("b1", "mia")
    dump = "".join(tx._db.conn.iterdump())
    assert "31415926" not in dump
    assert b"31415926".hex() not in dump.lower()


def test_a_dropped_code_is_told_and_an_old_one_forgotten(tx: Tx) -> None:
    push(tx, *member("mia"), BindingPut("b1", "mia", "31415926", START_MS + 1), BindingPut("b2", "mia", "1", START_MS))
    assert [row["binding_id"] for row in tx._db["binding"].rows] == ["b1"]
    touched = push(tx, BindingDrop("b1"))
    assert touched.bindings == {"b1"}
    assert tx.binding(code_digest(SITE_KEY, "31415926"), START_MS) is None


def test_an_erased_members_code_goes_too(tx: Tx) -> None:
    push(tx, *member("mia"), BindingPut("b1", "mia", "31415926", START_MS + 1), MemberErase("mia"))
    assert list(tx._db["binding"].rows) == []


# --- consents ----------------------------------------------------------------------------------------------------


def kinds(tx: Tx) -> list[str]:
    return [row.type for row in tx.outbox_after(0, 100)]


def test_a_replayed_withdrawal_is_confirmed_once(tx: Tx) -> None:
    push(tx, *member("mia", Purpose.STAFF_ADVICE))
    no = consent("mia", Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 5)
    assert push(tx, no).cleared == {"mia"}
    touched = push(tx, no, ConsentAdd(replace(no.record, hq_seq=77)))
    assert (touched.cleared, touched.counts) == (set(), [])
    assert kinds(tx) == ["consent.applied"]


def test_a_record_that_says_something_else_is_counted_and_takes_away(tx: Tx) -> None:
    push(tx, *member("mia", Purpose.RECOGNISE_NFC))
    given = consent("mia", Purpose.RECOGNISE_NFC).record
    touched = push(tx, ConsentAdd(replace(given, notice_version="9")))
    assert (touched.counts, touched.cleared) == (["consent.differs"], {"mia"})
    assert touched.recognised == {"mia": ()}
    assert kinds(tx) == ["consent.parked"]


def test_a_consent_that_comes_before_its_member_counts_when_the_member_comes(tx: Tx) -> None:
    (put, *rest) = member("mia", Purpose.RECOGNISE_NFC)
    push(tx, *rest)
    assert tx.person("mia", START_MS) is None
    push(tx, put)
    person = tx.person("mia", START_MS)
    assert person is not None
    assert may(Purpose.RECOGNISE_NFC, person.consents, START_MS).ok
    assert kinds(tx) == []


def test_a_whole_log_from_headquarters_is_followed_at_once(tx: Tx) -> None:
    push(tx, *member("mia", Purpose.RECOGNISE_NFC))
    given = consent("mia", Purpose.RECOGNISE_NFC).record
    tx._db.execute("UPDATE consent_head SET mac = x'00'")
    assert recognised(tx, "mia", START_MS) == ()
    touched = push(tx, ConsentRestore("mia", (given,)))
    assert [c.credential_id for c, _, _ in touched.recognised["mia"]] == ["mia-card"]
    assert touched.cleared == {"mia"}


def test_somebody_who_turns_out_too_young_is_cleared_and_known_no_more(tx: Tx) -> None:
    (put, *rest) = member("mia", Purpose.RECOGNISE_NFC)
    push(tx, put, *rest)
    touched = push(tx, MemberPut(replace(put.member, age=AgeGate.UNDER_16)))
    assert (touched.cleared, touched.recognised) == ({"mia"}, {"mia": ()})


def test_whom_a_delta_denies_something(tx: Tx) -> None:
    park = ConsentPark("e1", "a", "recognise_nfc", "paused", "unknown_state", "{}")
    changes = (
        park,
        replace(park, member_id="b", purpose="read_minds"),
        replace(park, member_id="c", state="given", reason="fields"),
        consent("d", Purpose.STAFF_ADVICE),
        consent("e", Purpose.STAFF_ADVICE, ConsentState.EXPIRED),
        MemberErase("f"),
        ConsentRestore("g", ()),
    )
    assert taken_from(Delta(0, 1, changes)) == {"a", "e", "f", "g"}


def test_a_notice_that_comes_late_lets_what_waited_be_recognised(tx: Tx) -> None:
    notice = Notice("3", "Muster GmbH", "privacy@muster.example", text={"de": "Hallo"})
    push(tx, ConfigPut(ShopConfig(notice=notice)), *member("mia"))
    mended = replace(notice, text={"de": "Guten Tag"})
    named = replace(
        consent("mia", Purpose.RECOGNISE_NFC).record,
        notice_version="3",
        language="de",
        notice_sha256=mended.sha256("de"),
    )
    assert push(tx, ConsentAdd(named)).recognised == {"mia": ()}
    touched = push(tx, ConfigPut(ShopConfig(notice=mended)))
    assert [c.credential_id for c, _, _ in touched.recognised["mia"]] == ["mia-card"]


def test_what_headquarters_says_of_learning_counts_and_a_dropped_offer_is_unlearned(tx: Tx) -> None:
    on = Learning(on=True, people={"coffee": 80})
    push(tx, LearningPut(on))
    assert tx.learning() == on
    tx.note_shown("d-1", Arm("o-1"), START_MS, on)
    push(tx, LearningPut(Learning()))
    assert tx.learning() == Learning(), "the former one is replaced whole"
    assert tx.tallies([Arm("o-1")]), "and counts stay"
    push(tx, OfferDrop("o-1"))
    assert tx.tallies([Arm("o-1")]) == {}
