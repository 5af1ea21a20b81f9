"""What people do about their own data in one transaction: looking, choosing, joining, copies and receipts."""

import itertools
import re
import secrets
from pathlib import Path

import pytest

from gateway import acts
from gateway.acts import CODE_MS, Newcomer, held
from gateway.core.model import Act, AgeGate, ConsentRecord, ConsentState, Purpose
from gateway.core.onetime import code_digest
from tests.rigs.shop import NOTICE, SITE_KEY, START_MS, Shop, member, open_shop

TWO = (Purpose.RECOGNISE_NFC, Purpose.STAFF_ADVICE)
ACT = Act("web", "toggle", "bar", language="en", age_gate=AgeGate.OVER_16, notice_version=NOTICE.version)
ROOT = Path(__file__).parents[1]


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *TWO))
    await one.tick()
    yield one
    await one.settle()
    one.store.close()


def record(purpose: Purpose, state: ConsentState, until_ms: int | None = None) -> ConsentRecord:
    return ConsentRecord("e", "m", purpose, state, 10, until_ms)


def test_every_purpose_has_a_state_and_times_only_where_somebody_said_something() -> None:
    said = {
        Purpose.RECOGNISE_BLE: record(Purpose.RECOGNISE_BLE, ConsentState.GIVEN, 99),
        Purpose.RECOGNISE_NFC: record(Purpose.RECOGNISE_NFC, ConsentState.GIVEN, 50),
        Purpose.STAFF_ADVICE: record(Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN),
        Purpose.MARKETING_PUSH: record(Purpose.MARKETING_PUSH, ConsentState.REFUSED),
        Purpose.GREET_ON_ENTRY: record(Purpose.GREET_ON_ENTRY, ConsentState.EXPIRED),
    }
    found = {one.purpose: one for one in held(said, 50)}
    assert list(found) == list(Purpose)
    assert {purpose: one.state for purpose, one in found.items() if one.state != "none"} == {
        Purpose.RECOGNISE_BLE: "given",
        Purpose.RECOGNISE_NFC: "expired",
        Purpose.STAFF_ADVICE: "withdrawn",
        Purpose.MARKETING_PUSH: "refused",
        Purpose.GREET_ON_ENTRY: "expired",
    }
    assert (found[Purpose.RECOGNISE_BLE].at_ms, found[Purpose.RECOGNISE_BLE].until_ms) == (10, 99)
    assert (found[Purpose.PURCHASE_HISTORY].at_ms, found[Purpose.PURCHASE_HISTORY].until_ms) == (None, None)


async def test_only_what_is_new_is_news(shop: Shop) -> None:
    choices = dict.fromkeys(Purpose, False) | {Purpose.GREET_ON_ENTRY: True}
    found = await shop.store.run(lambda tx: acts.news(tx, "mia", choices, ACT, START_MS))
    assert found == choices
    await shop.flow.on_consent("mia", choices, ACT)
    again = await shop.store.run(lambda tx: acts.news(tx, "mia", choices, ACT, START_MS))
    assert again == {}
    newer = Act("web", notice_version="2")
    assert await shop.store.run(lambda tx: acts.news(tx, "mia", choices, newer, START_MS)) == {
        Purpose.GREET_ON_ENTRY: True
    }
    assert await shop.store.run(lambda tx: acts.news(tx, "nobody", choices, ACT, START_MS)) is None


async def test_who_joins_is_a_member_with_a_code_and_a_record_of_every_purpose(shop: Shop) -> None:
    new = Newcomer("ab" * 16, "Zoe", "de", AgeGate.GUARDIAN, "b-1", "12345678")
    chosen = {Purpose.RECOGNISE_NFC: True}
    ids = map("id-{}".format, itertools.count())
    receipt_id = await shop.store.run(
        lambda tx: acts.enrol(tx, new, chosen, ACT, SITE_KEY, START_MS, lambda: next(ids))
    )
    found = await shop.store.run(lambda tx: acts.look(tx, new.member_id, code_digest(SITE_KEY, "12345678"), START_MS))
    assert found is not None
    assert (found.call_name, found.language, found.age, found.code_open) == ("Zoe", "de", AgeGate.GUARDIAN, True)
    assert {one.state for one in found.purposes} == {"given", "refused"}
    late = await shop.store.run(
        lambda tx: acts.look(tx, new.member_id, code_digest(SITE_KEY, "12345678"), START_MS + CODE_MS)
    )
    assert late is not None
    assert not late.code_open
    assert await shop.store.run(lambda tx: acts.receipt(tx, new.member_id, receipt_id)) is not None
    (told,) = await shop.bodies("member.enrolled")
    assert told == {
        "member_id": "ab" * 16,
        "call_name": "Zoe",
        "language": "de",
        "age": "guardian",
        "binding_id": "b-1",
        "valid_until_ms": START_MS + CODE_MS,
    }
    assert "12345678" not in str(await shop.events())


async def test_a_code_is_eight_digits_that_nobody_else_has(shop: Shop) -> None:
    taken = code_digest(SITE_KEY, "00000007")
    await shop.store.run(lambda tx: tx.put_binding("b-7", "mia", taken, START_MS + 9))
    tries = iter([7, 7, 8])
    code = await shop.store.run(
        lambda tx: acts.free_code(tx, SITE_KEY, lambda size: next(tries).to_bytes(size, "big"), START_MS)
    )
    assert code == "00000008"
    drawn = await shop.store.run(lambda tx: acts.free_code(tx, SITE_KEY, secrets.token_bytes, START_MS))
    assert re.fullmatch(r"[0-9]{8}", drawn)


async def test_a_copy_and_a_receipt_are_of_one_person(shop: Shop) -> None:
    receipt = await shop.flow.on_consent("mia", {Purpose.MARKETING_PUSH: False}, ACT)
    found = await shop.store.run(lambda tx: acts.receipt(tx, "mia", receipt.receipt_id))
    assert found is not None
    assert found["receipt_id"] == receipt.receipt_id
    assert await shop.store.run(lambda tx: acts.receipt(tx, "ben", receipt.receipt_id)) is None
    assert await shop.store.run(lambda tx: acts.receipt(tx, "mia", "another")) is None
    assert await shop.store.run(lambda tx: acts.copy(tx, "nobody", "web:bar", {}, START_MS)) is None


async def test_an_erasure_before_headquarters_heard_of_it_leaves_no_name(shop: Shop) -> None:
    new = Newcomer("ab" * 16, "Rumpelstilzchen", "de", AgeGate.OVER_16, "b-1", "12345678")
    await shop.store.run(lambda tx: acts.enrol(tx, new, {}, ACT, SITE_KEY, START_MS, shop.flow._new_id))
    await shop.store.run(lambda tx: tx.erase_member(new.member_id))
    assert "Rumpelstilzchen" not in str(await shop.events())
    assert new.member_id not in str(await shop.bodies("member.enrolled"))


def test_every_event_of_these_is_documented() -> None:
    text = (ROOT / "docs" / "mqtt.md").read_text()
    found = set(re.findall(r'"(member\.[a-z]+)"', (ROOT / "gateway" / "acts.py").read_text()))
    assert found == {"member.enrolled"}
    for name in found:
        assert f"`{name}`" in text, name
