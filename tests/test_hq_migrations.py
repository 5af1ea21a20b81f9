"""HQ's tables: what becomes of a database that an older release made."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway.core.streams import Stream
from sync import messages
from sync.fields import MAX_MS
from sync.hq.ledger import Ledger
from sync.hq.migrations import migrations
from tests.rigs.orders import EPOCH, SHOP, batch, bound, code, key, member


@pytest.mark.sqlite
def test_what_was_held_before_there_were_streams_is_held_of_all_of_them(tmp_path: Path) -> None:
    path = tmp_path / "hq.db"
    with closing(Database(path)) as db:
        migrations.apply(db, stop_before="m013_streams")
        place = {"tenant": SHOP.tenant, "store": SHOP.store, "gateway": SHOP.gateway, "epoch": EPOCH}
        db["stream"].insert(place | {"watermark": 7})
        db["ahead"].insert(place | {"first": 9, "last": 12})
    with closing(Ledger(path)) as ledger:
        held = ledger.resume(SHOP, EPOCH, dict.fromkeys(Stream, 0))
        assert held == dict.fromkeys(Stream, (7, ((9, 12),)))
        assert ledger.ingest(SHOP, batch(8, 8), 9).held == (12, ())


@pytest.mark.sqlite
def test_a_ledger_of_the_first_release_is_taken_on(tmp_path: Path) -> None:
    path = tmp_path / "hq.db"
    with closing(Database(path)) as old:
        migrations.apply(old, stop_before="m002_keys")
        old.execute("INSERT INTO change VALUES (7, 'member:m-1', 'm-1', ?)", [json.dumps(member("m-1"))])
        old.execute("INSERT INTO gateway (tenant, store, gateway, last_seen_ms) VALUES ('acme', 'munich-1', 'gw-1', 5)")
        old.conn.commit()
    with closing(Ledger(path)) as ledger:
        assert ledger.changes_after(0, 1_000, SHOP.name) == ([member("m-1")], 7)
        assert (ledger.gateways()[0]["key"], ledger.gateways()[0]["pending_key"]) == ("", "")
        assert ledger.record_ops([code("b-1", "m-1")]) == 8


@pytest.mark.sqlite
def test_what_stood_in_row_numbers_and_in_json_stands_in_columns(tmp_path: Path) -> None:
    path = tmp_path / "hq.db"
    pass_put = {"credential_id": "c-1", "member_id": "m-1", "kind": "pass", "value": b"7-4711".hex()}
    ops = [member("m-1", "GRÜNE"), {"op": "credential.put", "body": pass_put}, member("m-2", "Ada"), key("c-2", "m-2")]
    with closing(Database(path)) as old:
        migrations.apply(old, stop_before="m011_plain_columns")
        for version, op in enumerate(ops, start=1):
            kind, body = op["op"].partition(".")[0], op["body"]
            row = (version, f"{kind}:{body[f'{kind}_id']}", body["member_id"], json.dumps(op))
            old.execute("INSERT INTO change (version, key, member_id, op) VALUES (?, ?, ?, ?)", row)
        for number in (1, 2):
            old.execute("INSERT INTO erasure (member_id, at_ms, source) VALUES (?, 1, '')", [f"gone-{number}"])
            old.execute("INSERT INTO erase_receipt VALUES (?, 'acme', 'munich-1', 'gw-1', 1, '{}')", [number])
            coupon = f"coupon-{number}"
            old.execute(
                "INSERT INTO pass_due (coupon, state, offer_id, store, at_ms) VALUES (?, 'used', 'o', 's', 1)", [coupon]
            )
            old.execute("INSERT INTO points_stream VALUES ('m-1', 'acme', ?, 'gw-1', ?, 5)", [f"shop-{number}", EPOCH])
        old.execute("DELETE FROM erasure WHERE seq = 2")
        old.execute("INSERT INTO points_balance VALUES ('m-1', 20, 1)")
        old.conn.commit()
    with closing(Ledger(path)) as ledger:
        assert [row["member_id"] for row in ledger.members(10, "grün")] == ["m-1"]
        ledger.record_ops([code("b-1", "m-2")])
        assert ledger.ingest(SHOP, bound(1, member_id="m-2"), 9).refused == ("taken",), "by another member's card"
        ledger.record_ops([{"op": "member.erase", "body": {"member_id": "m-3"}}])
        assert ledger.erase_seq() == 3, "a number that was given once is not given again"
        assert [row["number"] for row in ledger.passes_due(9)] == [1, 2]
        ledger.set_points("m-1", 30)
        (put,) = [op["body"] for op in ledger.changes_after(5, 10**6)[0] if op["op"] == "balance.put"]
        assert [one["gateway"] for one in put["counted"]] == ["acme/shop-2/gw-1", "acme/shop-1/gw-1"], "newest first"


@pytest.mark.sqlite
def test_ops_that_no_gateway_could_read_hold_up_nobody_any_more(tmp_path: Path) -> None:
    path = tmp_path / "hq.db"
    leases = [{"lease_id": "l-1", "spent": -5}, {"lease_id": "l-2", "spent": 2**62}, {"lease_id": "l-3", "spent": 7}]
    listed = [
        ("used:far", {"op": "coupons.used", "body": {"coupon": "k/" + "0" * 16, "until_ms": MAX_MS + 1}}, MAX_MS + 1),
        ("used:near", {"op": "coupons.used", "body": {"coupon": "k/" + "1" * 16, "until_ms": 7}}, 7),
        ("booked:x", {"op": "leases.booked", "body": {"gateway": SHOP.name, "epoch": EPOCH, "leases": leases}}, None),
    ]
    with closing(Database(path)) as old:
        migrations.apply(old, stop_before="m020_readable_ops")
        for key_, op, until_ms in listed:
            row = (key_, json.dumps(op), until_ms)
            old.execute("INSERT INTO change (key, op, until_ms) VALUES (?, ?, ?)", row)
        old.conn.commit()
    with closing(Ledger(path)) as ledger:
        ops, version = ledger.changes_after(0, 10_000, SHOP.name)
        assert version == 3
        far, near, booked = (op["body"] for op in ops if messages.parse_op(op))
        assert (far["until_ms"], near["until_ms"]) == (MAX_MS, 7)
        assert [lease["spent"] for lease in booked["leases"]] == [0, 10**12, 7]
