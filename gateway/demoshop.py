"""What people do around the demo's processes: headquarters' operators, who fill it and equip the shop once it has shown
its key, and a cashier, who rings up a receipt for whoever taps at the till. Each over the same doors as in life.
"""

import json
import secrets
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers import goods, team
from drivers.people import population
from gateway import democontent, keys
from gateway.core.keyring import KeyUse
from gateway.core.spans import DAY_MS
from sync.hq import keyfiles, publishing, service, signer, stafffile
from sync.signing import Role

GATEWAY = "demo/musterstadt/gw1"  # as drivers.sim names the shop
TILL = "till-1"
HQ_FILE, CONFIG_FILE, SIGNING_FILE = "hq.db", "gateway.toml", "signing.json"
SIGNED_DAYS = 365
BUDGET_CENTS, LENT_CENTS, LENT_DAYS = 50_000, 10_000, 14
RING_UP_S = 5.0  # after the tap, while the dialogue beside the till is still open and shows the points
ANSWER_S = 2.0


def fill(folder: Path, seed: int, members: int) -> None:
    """Headquarters' file: the people, offers and rules of the shop, its price list, its colleagues, a budget, and a
    bundle for its screens."""
    db = folder / HQ_FILE
    path = folder / "members.jsonl"
    path.write_text("".join(json.dumps(op) + "\n" for op in population(seed, members) + goods.ops()))
    service.import_file(db, path)
    prices = folder / "prices.jsonl"
    prices.write_text("".join(json.dumps(article) + "\n" for article in goods.articles()))
    service.publish_prices(db, prices)
    staff = folder / "staff.toml"
    staff.write_text(team.toml())
    stafffile.put(db, staff, secrets.token_bytes)
    service.put_budget(db, goods.BUDGET, "cents", BUDGET_CENTS)
    democontent.write(folder / "screens")
    publishing.publish_content(db, folder / "screens", 0)


def sign(folder: Path, now_ms: int) -> str:
    """Keys with which this demo's headquarters signs, made once; the root key's public half in hex. Both private halves
    lie in the demo's folder: here nobody is to be kept out."""
    root, keys_file = folder / "root.json", folder / SIGNING_FILE
    if not root.exists():
        signer.make_root(root, secrets.token_bytes)
    signer.make_keys(root, keys_file, [*Role], SIGNED_DAYS, now_ms, secrets.token_bytes)
    return str(json.loads(root.read_text())["public"])


def equip(folder: Path, now_ms: int) -> bool:
    """Lend the shop a part of the budget and give it a key with which it signs coupons for phones. False = headquarters
    does not know the gateway's public key yet: ask again. Done twice it changes nothing."""
    db, key = folder / HQ_FILE, folder / "till.json"
    known = service.gateways(db)[0]
    if not any(f"{one['tenant']}/{one['store']}/{one['gateway']}" == GATEWAY and one["key"] for one in known):
        return False
    if not key.exists():
        keyfiles.write(keyfiles.make(KeyUse.COUPON, now_ms, secrets.token_bytes, {}), key)
        service.push_key(db, key, GATEWAY)
        service.lend(db, goods.BUDGET, GATEWAY, LENT_CENTS, now_ms + LENT_DAYS * DAY_MS)
    public = json.loads(key.with_name("till.public.json").read_text())
    rules = {"classes": goods.classes(), "keys": [public | {"store": GATEWAY.rpartition("/")[0]}]}
    path = folder / "coupons.jsonl"
    path.write_text(json.dumps({"op": "coupons.put", "body": rules}) + "\n")
    service.publish_offers(db, path)
    return True


def commands(program: str, folder: Path, day: str) -> list[tuple[str, str]]:
    """What can be asked beside the running demo, and the command line for it; `day` is today, YYYY-MM-DD."""
    config, db = folder / CONFIG_FILE, folder / HQ_FILE
    return [
        ("why was that decided (the word after `why` in the lines below)", f"{program} why DECISION --config {config}"),
        (
            "today once more, with what headquarters says now",
            f"{program} replay-decisions --day {day} --config {config}",
        ),
        ("a catalogue of your own", f"{program} hq publish-catalogue FILE --db {db}"),
        (
            "what screens show between offers, once you changed it",
            f"{program} hq publish-content {folder / 'screens'} --db {db}",
        ),
        ("what is lent and spent", f"{program} hq budgets --db {db}"),
        ("what is counted", f"{program} counts --config {config}"),
    ]


def pairing_steps(url: str) -> list[str]:
    """How a new screen and a new tablet come to the shop at `url`, for somebody who sees it for the first time."""
    return [
        f"Open {url}/screen: this browser is a new screen now and shows six letters.",
        "Open the staff tablet's link above, sign in as the manager (PIN below), press Devices (Geräte), type the "
        "letters, choose the screen, press Pair.",
        "The screen's page changes by itself.",
        f"A second tablet: open {url}/tablet in a private window or on another device, and approve its letters alike.",
    ]


@dataclass(slots=True)
class Cashier:
    """The demo's point of sale: one receipt for everybody who is known at the till. `now_s`: a steady clock."""

    base_url: str
    folder: Path
    now_s: Callable[[], float]
    receipt: int = 1_000
    _member: str | None = None
    _left_ms: int = 0
    _due_s: float | None = None

    def look(self) -> None:
        """See who stands at the till; ring up once they have stood there for RING_UP_S. Raises OSError."""
        sale = self._ask("")
        member = None if sale is None else sale["member_id"]
        left_ms = 0 if sale is None else int(sale["ttl_ms"])
        if member is not None and (member != self._member or left_ms > self._left_ms):
            self._due_s = self.now_s() + RING_UP_S
        self._member, self._left_ms = member, left_ms
        if member is None:
            self._due_s = None
        elif self._due_s is not None and self.now_s() >= self._due_s:
            self._due_s = None
            self.receipt += 1
            self._ask("/sales", {"receipt": f"B-{self.receipt}", "lines": goods.sold(self.receipt)})

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {keys.tablet_key(self.folder / 'data')}"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(16)}
        asked = urllib.request.Request(
            f"{self.base_url}/api/v1/tills/{TILL}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers=headers,
        )
        with urllib.request.urlopen(asked, timeout=ANSWER_S) as answer:
            found: dict[str, Any] | None = json.load(answer)
        return found
