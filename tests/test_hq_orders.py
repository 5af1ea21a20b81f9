"""Operators' files: every mistake is named with file, line and what was expected, and nothing is recorded."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core import eid, keyring, sealing
from gateway.core.changes import CredentialPut, KeyPut
from gateway.core.keyring import KeyUse
from gateway.core.model import CredentialKind, Purpose
from gateway.errors import ConfigError
from sync import messages
from sync.hq import orders, service, steering
from sync.hq.ledger import Ledger
from sync.messages import State
from sync.topics import Topics
from tests.rigs.leaks import search
from tests.rigs.terminalkeys import PRIVATE, material, secret

OFFER = {"op": "offer.put", "body": {"offer_id": "o-1", "title": {"en": "Tea"}, "text": {"en": "Two for one"}}}
NOW_MS = 1_800_000_000_000
SUN = material(KeyUse.SUN, "orders")
MEMBER = {"op": "member.put", "body": {"member_id": "m-1", "call_name": "Ada"}}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "hq.db"


def written(path: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8", errors="surrogatepass")
    return path


def test_a_file_is_imported_whole(db: Path, tmp_path: Path) -> None:
    assert service.import_file(db, written(tmp_path / "ops.jsonl", MEMBER, "", OFFER)) == (2, 2)
    assert service.import_file(db, tmp_path / "ops.jsonl") == (0, 2)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"eligibility": {"is": ["name", "Ada"]}},
            r"jsonl:1: offer.put: eligibility.is.0: expected a known field$",
        ),
        ({"caps": [{"what": "impressions", "limit": 1}]}, r"offer.put: caps.0: expected either"),
        ({"badge": {"en": "{price!r}"}}, r"badge.en: expected only the"),
        ({"more": {"de": "{price}"}}, r"more.de: expected price_ref beside \{price\}$"),
    ],
)
def test_what_only_the_code_can_check_is_refused_with_its_place(
    db: Path, tmp_path: Path, more: dict[str, Any], expected: str
) -> None:
    path = written(tmp_path / "offers.jsonl", {"op": "offer.put", "body": OFFER["body"] | more})
    with pytest.raises(ConfigError, match=expected):
        service.import_file(db, path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "one JSON object in a line; found no JSON object (column 2: expecting property name"),
        ('{"op": "offer.drop", "op": "offer.put", "body": {}}', "found a name twice (op stands twice in one object)"),
        ("[]", "one JSON object in a line"),
        ("[" * 5_000, "one JSON object in a line"),
        ('{"op": "offer.put", "body": NaN}', "found NaN"),
        ('{"op": "offer.put", "body": 99999999999999999999}', "number out of range"),
        ('{"op": "offer.sell", "body": {}}', "an op of member.put, member.erase"),
        ('{"body": {}}', "an op of member.put, member.erase"),
        ({"op": "offer.put", "body": {"offer_id": "o-2"}}, "offer.put: title: missing; text: missing"),
        ({"op": "member.erase", "body": {"member_id": 7}}, "member.erase with a body of member_id"),
        ({"op": "credential.put", "body": {"kind": "magic"}}, "kind to be one of eid, app"),
        ({"op": "credential.put", "body": 7}, "kind to be one of eid, app"),
        (
            {"op": "credential.put", "body": {"credential_id": "c", "member_id": "m", "kind": "sun", "value": "04A1"}},
            "expected value of kind sun to be 14 lower-case hex digits: the UID that the tag shows encrypted; found",
        ),
        (
            {
                "op": "credential.put",
                "body": {"credential_id": "c", "member_id": "m", "kind": "pass", "value": "6b", "x": 1},
            },
            "expected exactly the fields of kind pass: credential_id, member_id, kind, value; found",
        ),
        ({"op": "offer.drop", "body": {"offer_id": "x" * 200_000}}, "found more than"),
    ],
)
def test_a_bad_line_is_named_and_nothing_imported(db: Path, tmp_path: Path, line: Any, expected: str) -> None:
    path = written(tmp_path / "ops.jsonl", MEMBER, line, OFFER)
    with pytest.raises(ConfigError) as caught:
        service.import_file(db, path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert str(caught.value).count("\n") == 0
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not db.exists()


def test_a_missing_file_and_a_folder_are_config_errors(db: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.jsonl", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            service.import_file(db, path)


def test_text_in_another_encoding_is_named(db: Path, tmp_path: Path) -> None:
    (tmp_path / "ops.jsonl").write_bytes(json.dumps(OFFER).encode() + "\nGrüße".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"ops\.jsonl:2"):
        service.import_file(db, tmp_path / "ops.jsonl")


def test_an_offer_that_reads_what_its_purpose_may_not_is_refused_before_anything_is_sent(
    db: Path, tmp_path: Path
) -> None:
    greedy = {"op": "offer.put", "body": OFFER["body"] | {"purpose": "greet_on_entry", "interests": ["tea"]}}
    path = written(tmp_path / "offers.jsonl", OFFER, greedy)
    with pytest.raises(ConfigError, match=rf"{path}:2: offer\.put: interests: not for the offer's purpose to read$"):
        service.publish_offers(db, path)
    assert service.publish_offers(db, written(path, OFFER)) == (1, 1), "nothing of the file was recorded before"


def test_a_file_of_offers_may_hold_nothing_else(db: Path, tmp_path: Path) -> None:
    assert service.publish_offers(db, written(tmp_path / "offers.jsonl", OFFER)) == (1, 1)
    with pytest.raises(ConfigError, match=r"offer\.drop, .*segments\.put, stock\.put; found 'member\.put'"):
        service.publish_offers(db, written(tmp_path / "offers.jsonl", OFFER, MEMBER))


def test_the_configuration_is_one_object(db: Path, tmp_path: Path) -> None:
    config = written(tmp_path / "shop.json", '{"zones":\n {"wine": {"en": "Wine"}},\n "contacts_per_day": 3}')
    assert steering.push_config(db, config) == 1
    for text in ('{"zone": {}}', "[]", '{"contacts_per_day": "three"}'):
        with pytest.raises(ConfigError, match=r"shop\.json: expected config\.put with a body of store_name"):
            steering.push_config(db, written(tmp_path / "shop.json", text))


def test_a_time_zone_that_nobody_knows_is_not_pushed(db: Path, tmp_path: Path) -> None:
    path = tmp_path / "shop.json"
    with pytest.raises(ConfigError, match=r"time_zone: expected an IANA name such as Europe/Berlin; found 'Europe/Ent"):
        steering.push_config(db, written(path, '{"restraint": {"time_zone": "Europe/Entenhausen"}}'))
    assert steering.push_config(db, written(path, '{"restraint": {"time_zone": "Europe/Berlin"}}')) == 1


def test_the_words_of_a_notice_change_only_with_its_version(tmp_path: Path) -> None:
    db = tmp_path / "hq.db"

    def push(version: str, words: str) -> int:
        notice = {"version": version, "controller": "Muster GmbH", "contact": "mail", "text": {"en": words}}
        return steering.push_config(db, written(tmp_path / "shop.json", json.dumps({"notice": notice})))

    assert push("1", "first") == 1
    assert push("1", "first") == 1  # no news
    with pytest.raises(ConfigError, match="not its version"):
        push("1", "second")
    assert push("2", "second") == 2


def test_a_consent_event_that_says_something_else_now_is_refused(db: Path, tmp_path: Path) -> None:
    body = {"event_id": "e-1", "member_id": "m-1", "purpose": "staff_advice", "state": "refused", "given_at_ms": 1}
    service.import_file(db, written(tmp_path / "a.jsonl", {"op": "consent.add", "body": body}))
    changed = {"op": "consent.add", "body": body | {"state": "given"}}
    with pytest.raises(ConfigError, match="expected a new event_id"):
        service.import_file(db, written(tmp_path / "b.jsonl", OFFER, changed))


def test_a_beacon_is_provisioned_without_keeping_our_private_key() -> None:
    beacon_private = bytes(range(32))
    beacon_public = eid.public_key(beacon_private).hex()
    made = [service.provision_beacon(beacon_public, "m-1", "m-1-eid", 10, 5_000, NOW_MS) for _ in range(2)]
    (ours, shown, line), (other, _, _) = made
    assert ours != other  # one pair for each beacon
    change = messages.parse_op(json.loads(line))
    assert isinstance(change, CredentialPut)
    assert (change.credential_id, change.member_id, change.kind) == ("m-1-eid", "m-1", CredentialKind.EID)
    assert change.value == eid.beacon_identity_key(beacon_private, bytes.fromhex(ours))
    assert shown == eid.eid(change.value, NOW_MS // 1000 - change.clock_zero_s, change.exponent).hex()


@pytest.mark.parametrize(
    ("public", "member", "words"),
    [
        ("00" * 32, "m-1", "none of X25519"),
        ("09", "m-1", "none of X25519"),
        ("xy", "m-1", "none of X25519"),
        ("09" * 32, "m 1", "expected member_id of kind eid to be 1-64 of A-Z"),
    ],
)
def test_what_is_wrong_with_a_beacon_is_named(public: str, member: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        service.provision_beacon(public, member, "c-1", 10, 0, NOW_MS)


def test_withdraw_and_erase(db: Path, tmp_path: Path) -> None:
    service.import_file(db, written(tmp_path / "ops.jsonl", MEMBER))
    assert service.withdraw(db, "m-1", [Purpose.STAFF_ADVICE], 5) == 2
    with pytest.raises(ConfigError, match="m-9"):
        service.withdraw(db, "m-9", None, 5)
    assert service.erase(db, "m-1") == (True, 3)
    ledger = Ledger(db)
    assert ledger.members(10) == []
    ledger.close()
    assert service.events(db) == []


# --- keys and one-time codes --------------------------------------------------------------------------------


GATEWAY = "acme/munich-1/gw-1"


def key_file(folder: Path) -> Path:
    path = folder / "key.json"
    times = {"from": "2027-01-15T08:00:00+00:00", "until": None}
    path.write_text(json.dumps({"key_id": "sun-1", "use": "sun", **times, "material": json.loads(SUN)}))
    path.chmod(0o600)
    return path


@pytest.fixture
def ledger(db: Path):
    made = Ledger(db)
    made.saw_state(Topics("acme", "munich-1", "gw-1"), State(True, 1, "ab" * 16, 0, sealing.public_key(PRIVATE)), 1)
    made.saw_version(Topics("acme", "munich-1", "gw-2"), 0, 1)
    yield made
    made.close()


@pytest.mark.sqlite
def test_a_key_is_pushed_sealed(ledger: Ledger, db: Path, tmp_path: Path) -> None:
    pushed, left_out = orders.push_key(ledger, key_file(tmp_path), "all")
    assert (pushed, [name for name, _ in left_out]) == (1, ["acme/munich-1/gw-2"])
    (op,), _ = ledger.changes_after(0, 100_000, GATEWAY)
    change = messages.parse_op(op)
    assert isinstance(change, KeyPut)
    bound = sealing.info(GATEWAY, "sun-1", "sun", change.from_ms, None)
    assert keyring.parse(change.use, sealing.unseal(PRIVATE, change.sealed, bound)) == keyring.parse(change.use, SUN)
    stored = {path.name: path.read_bytes() for path in tmp_path.glob("hq.db*")}
    assert any(op["body"]["sealed"].encode() in content for content in stored.values())
    assert search(stored, [bytes.fromhex(secret("orders")[:32]), bytes.fromhex(secret("orders")[32:])]) == []


def test_nothing_is_sealed_for_a_key_that_nobody_trusts(ledger: Ledger, tmp_path: Path) -> None:
    orders.push_key(ledger, key_file(tmp_path), GATEWAY)
    new = sealing.public_key(b"n" * 32)
    ledger.saw_state(Topics("acme", "munich-1", "gw-1"), State(True, 1, "ab" * 16, 0, new), 1)
    assert orders.push_key(ledger, key_file(tmp_path), GATEWAY)[0] == 0
    with pytest.raises(ConfigError, match="has not shown this public key"):
        orders.trust_gateway(ledger, GATEWAY, "ab" * 32)
    assert orders.trust_gateway(ledger, GATEWAY, sealing.public_key(PRIVATE).hex()) == []
    ledger.saw_state(Topics("acme", "munich-1", "gw-1"), State(True, 1, "ab" * 16, 0, new), 1)
    assert orders.trust_gateway(ledger, GATEWAY, new.hex()) == ["sun-1"]
    assert orders.push_key(ledger, key_file(tmp_path), GATEWAY)[0] == 1


def test_a_key_is_dropped_where_it_is(ledger: Ledger, tmp_path: Path) -> None:
    orders.push_key(ledger, key_file(tmp_path), GATEWAY)
    assert orders.drop_key(ledger, "sun-1", "acme/munich-1/gw-2") == 0
    assert orders.drop_key(ledger, "sun-9", "all") == 0
    assert orders.drop_key(ledger, "sun-1", "all") == 1
    assert ledger.terminal_keys() == []


@pytest.mark.parametrize("name", ["acme/munich-1/gw-9", "gw-1", "", "acme/munich-1/gw-1/x"])
def test_an_unknown_gateway_is_named(ledger: Ledger, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no such gateway"):
        orders.push_key(ledger, key_file(tmp_path), name)
    with pytest.raises(ConfigError, match="no such gateway"):
        orders.trust_gateway(ledger, name, "ab" * 32)


def test_a_file_may_begin_with_the_mark_of_windows_editors(db: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "offers.jsonl", OFFER)
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert service.publish_offers(db, path) == (1, 1)


def test_a_key_or_code_is_in_no_import_file(db: Path, tmp_path: Path) -> None:
    code = {"op": "binding.put", "body": {"binding_id": "b", "member_id": "m-1", "code": "1" * 8, "valid_until_ms": 5}}
    with pytest.raises(ConfigError, match="expected an op of"):
        service.import_file(db, written(tmp_path / "ops.jsonl", MEMBER, code))


def test_a_members_newest_code_counts_alone(ledger: Ledger) -> None:
    ledger.record_ops([MEMBER])
    with pytest.raises(ConfigError, match="not known to this HQ"):
        orders.bind(ledger, "m-9", 10, NOW_MS, lambda most: 0)
    assert orders.bind(ledger, "m-1", 10, NOW_MS, lambda most: 42) == "00000042"
    assert orders.bind(ledger, "m-1", 20, NOW_MS, lambda most: most - 1) == "99999999"
    (row,) = ledger.open_bindings()
    assert (row["code"], row["valid_until_ms"]) == ("99999999", NOW_MS + 1_200_000)


def test_a_code_of_a_member_who_did_not_agree_is_told_apart(ledger: Ledger) -> None:
    ledger.record_ops([MEMBER])
    assert not orders.may_bind(ledger, "m-1", NOW_MS)
    given = {"event_id": "e-1", "member_id": "m-1", "purpose": "recognise_nfc", "state": "given", "given_at_ms": 1}
    ledger.record_ops([{"op": "consent.add", "body": given}])
    assert orders.may_bind(ledger, "m-1", NOW_MS)
    orders.withdraw(ledger, "m-1", None, NOW_MS)
    assert not orders.may_bind(ledger, "m-1", NOW_MS)


def test_what_the_ledger_refuses_names_the_field(ledger: Ledger) -> None:
    with pytest.raises(ConfigError, match=r"nothing was recorded: found key_id: expected the form "):
        orders.record(ledger, [{"op": "key.drop", "body": {"gateway": "acme/bern-1/gw-1", "key_id": "a b"}}])


def test_two_members_never_have_the_same_code(ledger: Ledger) -> None:
    ledger.record_ops([MEMBER, {"op": "member.put", "body": {"member_id": "m-2"}}])
    drawn = iter([7, 7, 8])
    codes = [orders.bind(ledger, name, 10, NOW_MS, lambda most: next(drawn)) for name in ("m-1", "m-2")]
    assert codes == ["00000007", "00000008"]


def test_what_is_to_be_learned_stands_beside_the_offers(db: Path, tmp_path: Path) -> None:
    learning = {"op": "learning.put", "body": {"on": True, "priors": [{"offer_id": "o-1", "mean_ppm": 80_000}]}}
    assert service.publish_offers(db, written(tmp_path / "offers.jsonl", OFFER, learning)) == (2, 2)
    assert service.publish_offers(db, tmp_path / "offers.jsonl") == (0, 2), "the same again is nothing new"
    off = written(tmp_path / "off.jsonl", {"op": "learning.put", "body": {"half_life_days": 7}})
    with pytest.raises(ConfigError, match=r"learning\.put with a body of on, half_life_days"):
        service.publish_offers(db, off)


def test_segments_are_pushed_whole_and_a_refusal_names_the_place(db: Path, tmp_path: Path) -> None:
    file = tmp_path / "segments.json"
    one = {"segment_id": "keen", "rule": {"at_least": ["visit.taps", 2]}}
    file.write_text(json.dumps({"segments": [one]}))
    assert service.push_segments(db, file) == 1
    assert service.push_segments(db, file) == 1, "the same again is nothing new"
    file.write_text(json.dumps({"segments": [one, {"segment_id": "b", "rule": {"is": ["hour", 9]}}]}))
    with pytest.raises(
        ConfigError, match=r"can't be followed \(segments\.1\.rule\.is\.0: expected a field of visit or"
    ):
        service.push_segments(db, file)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"eligibility": {"is": ["x", 1]}}, r"eligibility\.is\.0: expected a known field"),
        ({"caps": [{"what": "impressions", "limit": 1}]}, r"caps\.0: expected either"),
    ],
)
def test_what_is_wrong_inside_an_offer_is_said_in_words(db: Path, tmp_path: Path, field: dict, said: str) -> None:
    bad = {"op": "offer.put", "body": OFFER["body"] | field}
    with pytest.raises(ConfigError, match=said):
        service.publish_offers(db, written(tmp_path / "offers.jsonl", bad))
