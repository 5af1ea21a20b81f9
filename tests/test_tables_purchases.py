"""What members bought: sealed, only with consent, gone with it, and on the card as the usual."""

import pytest
from sqlite_utils import Database

from gateway.apply import apply
from gateway.core.changes import ConsentAdd, Delta, MemberPut, PurchasesPut
from gateway.core.model import Act, AgeGate, ConsentRecord, ConsentState, Member, Purpose
from gateway.core.spans import DAY_MS
from gateway.core.usual import Bought, Product, Purchases
from gateway.core.vault import Vault
from gateway.lapses import _lapse
from gateway.records import Tx

NOW_MS = 1_800_000_000_000
BREAD = Product("p-1", "Musterbrot", "", 100_000)
WINE = Product("p-2", "Musterwein", "alcohol.wine", 100_000)
BOUGHT = Purchases(
    (BREAD, WINE), tuple(Bought(NOW_MS - day * DAY_MS, True, ("p-1", "p-2", "p-9")) for day in (7, 14, 21))
)
PUT = PurchasesPut("m-1", BOUGHT)


def consent(
    state: ConsentState, purpose: Purpose = Purpose.PURCHASE_HISTORY, until_ms: int | None = None
) -> ConsentAdd:
    seq = 2 if state is ConsentState.GIVEN else 3
    return ConsentAdd(ConsentRecord(f"{purpose}-{state}", "m-1", purpose, state, NOW_MS - 10 + seq, until_ms, seq))


GIVEN = consent(ConsentState.GIVEN)
ADVICE = consent(ConsentState.GIVEN, Purpose.STAFF_ADVICE)


def push(tx: Tx, *changes: object, now_ms: int = NOW_MS) -> list[str]:
    version = tx.hq_version
    return apply(tx, Delta(version, version + 1, changes), bytes(32), now_ms).counts  # type: ignore[arg-type]  # only changes


@pytest.fixture
def tx(tx: Tx) -> Tx:
    push(tx, MemberPut(Member("m-1", "Musterfrau")), GIVEN, ADVICE, PUT)
    return tx


def shown(tx: Tx, purpose: Purpose = Purpose.STAFF_ADVICE) -> tuple[str, ...]:
    profile = tx.profile("m-1")
    assert profile is not None
    return tx.usual(profile, purpose, NOW_MS)


def test_the_card_says_what_is_usual_and_nothing_sensitive(tx: Tx) -> None:
    assert shown(tx) == ("Musterbrot",)
    assert shown(tx, Purpose.PERSONALISE_OFFERS) == ()
    assert shown(tx, Purpose.GREET_ON_ENTRY) == (), "not given"


def test_headquarters_own_words_come_first(tx: Tx) -> None:
    push(tx, MemberPut(Member("m-1", "Musterfrau", usual=("Mustertee",))))
    assert shown(tx) == ("Mustertee",)


def test_nothing_readable_stands_in_the_table(tx: Tx, db: Database) -> None:
    (body,) = db.execute("SELECT body FROM purchase").fetchone()
    assert b"Muster" not in body
    assert b"p-1" not in body
    assert Tx(db, Vault(bytes([7]) * 32)).stored_purchases("m-1") is None


@pytest.mark.parametrize("state", [ConsentState.WITHDRAWN, ConsentState.REFUSED, ConsentState.EXPIRED])
def test_it_goes_with_the_consent_in_the_same_transaction(tx: Tx, state: ConsentState) -> None:
    push(tx, consent(state))
    assert tx.stored_purchases("m-1") is None


def test_a_choice_in_the_shop_deletes_it_too_and_another_purpose_does_not(tx: Tx) -> None:
    ids = iter(range(100))

    def choose(purpose: Purpose) -> None:
        tx.record_act("m-1", {purpose: False}, Act("tablet", "toggle"), NOW_MS, lambda: f"id-{next(ids)}")

    choose(Purpose.STAFF_ADVICE)
    assert tx.stored_purchases("m-1") == BOUGHT
    assert shown(tx) == ()
    choose(Purpose.PURCHASE_HISTORY)
    assert tx.stored_purchases("m-1") is None


def test_a_consent_that_runs_out_takes_it_along(tx: Tx) -> None:
    push(
        tx, ConsentAdd(ConsentRecord("e-9", "m-1", Purpose.PURCHASE_HISTORY, ConsentState.GIVEN, NOW_MS, NOW_MS + 5, 9))
    )
    assert tx.stored_purchases("m-1") is not None
    tx.put_meta("lapsed_ms", str(NOW_MS))
    _lapse(tx, None, NOW_MS + 6)
    assert tx.stored_purchases("m-1") is None


def test_without_consent_nothing_is_kept(tx: Tx) -> None:
    push(tx, consent(ConsentState.WITHDRAWN))
    assert push(tx, PUT) == ["purchases.refused"]
    assert push(tx, PurchasesPut("m-nobody", BOUGHT)) == ["purchases.refused"]
    assert tx._db["purchase"].count == 0


def test_of_a_child_nothing_is_kept(tx: Tx) -> None:
    push(tx, MemberPut(Member("m-1", age=AgeGate.UNDER_16)))
    assert tx.stored_purchases("m-1") is None
    assert push(tx, PUT) == ["purchases.refused"]


def test_an_erasure_and_a_long_silence_clear_it(tx: Tx, db: Database) -> None:
    assert tx.clear_tables("m-1")["purchase"] == 1
    push(tx, MemberPut(Member("m-1")), GIVEN)
    tx.store_purchases("m-1", BOUGHT, NOW_MS)
    tx.wipe_profiles()
    assert db["purchase"].count == 0


def test_the_newest_put_replaces_the_former(tx: Tx) -> None:
    other = Purchases((BREAD,), (Bought(NOW_MS - 5, True, ("p-1",)),))
    push(tx, PurchasesPut("m-1", other))
    assert tx.stored_purchases("m-1") == other
