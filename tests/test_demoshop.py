"""The demo's headquarters equips the shop once it knows the gateway, and its cashier rings up once a tap."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers import goods
from gateway import demoshop, keys
from gateway.core import sealing
from gateway.core.changes import CouponsPut
from sync import signing
from sync.hq import service, signer
from sync.hq.ledger import Ledger
from sync.messages import State, parse_ops
from sync.topics import Topics

NOW_MS = 1_795_255_200_000


def test_headquarters_is_filled_twice_over_without_harm(tmp_path: Path) -> None:
    for _ in range(2):
        demoshop.fill(tmp_path, 1, 3)
    (budget,) = service.budgets(tmp_path / demoshop.HQ_FILE)
    assert (budget["budget_id"], budget["left"]) == (goods.BUDGET, demoshop.BUDGET_CENTS)
    assert not demoshop.equip(tmp_path, NOW_MS), "a gateway that has not shown its key can't be equipped"


def test_each_start_signs_with_new_keys_under_the_demos_own_root(tmp_path: Path) -> None:
    roots, numbers = set(), []
    for start in range(2):
        roots.add(demoshop.sign(tmp_path, NOW_MS + start))
        shown = signing.parse_keys(signer.read(tmp_path / demoshop.SIGNING_FILE).keys)
        numbers.append({one.number for one in shown})
    (root,) = roots
    assert all(signing.is_certified(one, bytes.fromhex(root)) for one in shown)
    assert min(numbers[1]) > max(numbers[0])


def test_a_shop_is_equipped_once_headquarters_knows_its_key(tmp_path: Path) -> None:
    demoshop.fill(tmp_path, 1, 3)
    ledger = Ledger(tmp_path / demoshop.HQ_FILE)
    try:
        tenant, store, gateway = demoshop.GATEWAY.split("/")
        shown = State(True, 1, "ab" * 16, 0, sealing.public_key(bytes(31) + b"\1"))
        ledger.saw_state(Topics(tenant, store, gateway), shown, NOW_MS)
        for _ in range(2):
            assert demoshop.equip(tmp_path, NOW_MS)
        (budget,) = ledger.budgets()
        assert [lease["amount"] for lease in budget["leases"]] == [demoshop.LENT_CENTS]
        (key,) = ledger.terminal_keys()
        assert (key["use"], key["gateway"]) == ("coupon", demoshop.GATEWAY)
        (rules,) = [one for one in parse_ops(ops_of(ledger)) if isinstance(one, CouponsPut)]
        assert [one.store for one in rules.keys] == ["demo/musterstadt"]
    finally:
        ledger.close()


def ops_of(ledger: Ledger) -> list[dict[str, Any]]:
    return [json.loads(row["op"]) for row in ledger._read("SELECT op FROM change WHERE key LIKE 'coupons%'")]


class Till(http.server.BaseHTTPRequestHandler):
    """A till's routes: who stands there is the server's `sale`, what is told goes to its `told`."""

    server: Any

    def do_GET(self) -> None:
        self._answer(self.server.sale)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.told.append((self.path, body, self.headers["idempotency-key"]))
        self._answer({"result": "recorded", "points": 1})

    def _answer(self, body: object) -> None:
        assert self.headers["authorization"] == f"Bearer {self.server.key}"
        raw = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "data").mkdir(mode=0o700)
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Till)
    server.sale, server.told, server.key = None, [], keys.tablet_key(tmp_path / "data")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_cashier_rings_up_once_for_each_tap(till: Any, tmp_path: Path) -> None:
    time_s = 0.0
    cashier = demoshop.Cashier(f"http://127.0.0.1:{till.server_port}", tmp_path, lambda: time_s)

    def look(at_s: float, sale: dict[str, object] | None) -> int:
        nonlocal time_s
        time_s, till.sale = at_s, sale
        cashier.look()
        return len(till.told)

    mia, theo = ({"member_id": one, "proof": "bearer"} for one in ("m-1", "m-2"))
    assert look(0, None) == 0
    assert look(1, mia | {"ttl_ms": 120_000}) == 0
    assert look(1 + demoshop.RING_UP_S, mia | {"ttl_ms": 115_000}) == 1
    assert look(60, mia | {"ttl_ms": 60_000}) == 1, "the same tap is rung up once"
    assert look(61, mia | {"ttl_ms": 120_000}) == 1
    assert look(70, mia | {"ttl_ms": 111_000}) == 2, "who taps again buys again"
    assert look(71, theo | {"ttl_ms": 111_000}) == 2
    assert look(72, None) == 2
    assert look(80, None) == 2, "who is gone buys nothing"
    (path, first, one), (_, second, other) = till.told
    assert path == "/api/v1/tills/till-1/sales"
    assert first["receipt"] != second["receipt"]
    assert one != other


def test_what_can_be_asked_names_the_files_of_this_demo(tmp_path: Path) -> None:
    text = "\n".join(command for _, command in demoshop.commands("store-gateway", tmp_path, "2027-01-01"))
    assert "--day 2027-01-01" in text
    for verb in ("why", "replay-decisions", "hq publish-catalogue", "hq budgets"):
        assert f"store-gateway {verb}" in text
    assert str(tmp_path / "gateway.toml") in text
    assert str(tmp_path / "hq.db") in text
