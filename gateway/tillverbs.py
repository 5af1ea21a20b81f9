"""The verbs of `store-gateway hq` about tills: budgets, what is lent, stock, points, coupons (docs/till.md), prices."""

import argparse
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.core import coupon
from gateway.core.spans import DAY_MS
from gateway.terminal import out, rows, say, whole
from sync.hq import keyfiles, service

MOST = 10**12  # units or cents of one budget, as in sync.forms
MOST_UNITS = 10**9  # of one article, as in sync.stock
Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_verbs(verb: Verb, now_ms: Callable[[], int]) -> None:
    """`verb` adds one to the parser (gateway.hqverbs)."""
    budget = verb("set-budget", _set_budget, "make a budget for offers, or change its total")
    budget.add_argument("budget")
    budget.add_argument("--total", type=whole(0, MOST), required=True, help="units or cents of all shops together")
    budget.add_argument("--unit", choices=["units", "cents"], default="cents", help="what a redemption takes of it")
    lend = verb("lend", partial(_lend, now_ms), "lend one gateway a part of a budget, to spend without headquarters")
    lend.add_argument("budget")
    lend.add_argument("--gateway", required=True, help="tenant/store/id")
    lend.add_argument("--amount", type=whole(1, MOST), required=True, help="in the budget's unit")
    lend.add_argument("--days", type=whole(1, 366), default=14, help="how long it may be spent")
    verb("budgets", _budgets, "every budget, what is left of it, its leases, and coupons that were used twice")
    due = verb("passes", _passes, "coupons whose passes in wallets are out of date, the oldest first")
    due.add_argument("--done", type=whole(0, 2**53), help="strike those up to this number first")
    due.add_argument("--limit", type=whole(1, 10_000), default=1_000, help="how many at most")
    lost = verb("write-off", _write_off, "count all of a lease as spent, because its gateway is lost")
    lost.add_argument("lease")
    stock = verb("set-stock", partial(_set_stock, now_ms), "say how much of an article one shop has")
    stock.add_argument("article", help="as offers name it in stock_ref")
    stock.add_argument("units", type=_units, help='a number, or "unknown"')
    stock.add_argument("--gateway", required=True, help="tenant/store/id")
    points = verb("set-points", _set_points, "set a member's points, such as those of another system")
    points.add_argument("member")
    points.add_argument("--points", type=whole(0, MOST), required=True)
    verb("points", _points, "every balance of points")
    sign = verb("sign-coupon", partial(_sign, now_ms), "the text of a signed coupon, for a QR code; records nothing")
    sign.add_argument("--key", type=Path, required=True, help="the issuing file that make-key tag wrote")
    sign.add_argument("--offer", required=True, help="the offer that it is for")
    sign.add_argument("--days", type=whole(1, 366), default=30, help="how long it counts")
    sign.add_argument("--member", default="", help="whose it is; without, whoever shows it may redeem it")
    sign.add_argument("--only-in", default="", metavar="TENANT/STORE", help="where alone it counts")
    prices = verb("publish-prices", _prices, "make the price list what a JSON-lines file says")
    prices.add_argument("file", type=Path)
    prices.add_argument("--empty", action="store_true", help="also a file without articles, which takes all away")


def _prices(arguments: argparse.Namespace) -> int:
    parts, version = service.publish_prices(arguments.db, arguments.file, empty=arguments.empty)
    out.print(f"{parts} of the list's parts changed; version {version}", highlight=False)
    return 0


def _set_budget(arguments: argparse.Namespace) -> int:
    service.put_budget(arguments.db, arguments.budget, arguments.unit, arguments.total)
    out.print("recorded", highlight=False)
    return 0


def _lend(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    until_ms = now_ms() + arguments.days * DAY_MS
    lease_id = service.lend(arguments.db, arguments.budget, arguments.gateway, arguments.amount, until_ms)
    out.print(lease_id, highlight=False)
    return 0


def _budgets(arguments: argparse.Namespace) -> int:
    rows([*service.budgets(arguments.db), *service.doubles(arguments.db)], "no budget yet; hq set-budget makes one")
    return 0


def _passes(arguments: argparse.Namespace) -> int:
    due, struck = service.passes(arguments.db, arguments.limit, arguments.done)
    if arguments.done is not None:
        say(f"struck: {struck}")
    rows(due, "no pass is out of date")
    return 0


def _write_off(arguments: argparse.Namespace) -> int:
    service.write_off(arguments.db, arguments.lease)
    out.print("written off", highlight=False)
    return 0


def _units(text: str) -> int | None:
    """Raises as argparse wants it."""
    return None if text == "unknown" else whole(0, MOST_UNITS)(text)


def _set_stock(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    version = service.set_stock(arguments.db, arguments.gateway, arguments.article, arguments.units, now_ms())
    out.print(f"version {version}", highlight=False)
    return 0


def _set_points(arguments: argparse.Namespace) -> int:
    service.set_points(arguments.db, arguments.member, arguments.points)
    out.print("recorded", highlight=False)
    return 0


def _points(arguments: argparse.Namespace) -> int:
    rows(service.points(arguments.db), "nobody has points yet; shops report them, or hq set-points")
    return 0


def _sign(now_ms: Callable[[], int], arguments: argparse.Namespace) -> int:
    key_id, private = keyfiles.read_issuing(arguments.key)
    ends_s = (now_ms() + arguments.days * DAY_MS) // 1000
    nonce = secrets.token_bytes(coupon.NONCE_BYTES)
    text = coupon.issue(private, key_id, arguments.offer, ends_s, nonce, arguments.member, arguments.only_in)
    out.print(text, markup=False, highlight=False, soft_wrap=True)
    for doubt in service.coupon_doubts(arguments.db, arguments.offer, arguments.member, arguments.only_in):
        say(doubt, "yellow")
    say(f"Its key in coupons.put: key_id {key_id}, key {private.public_key().public_bytes_raw().hex()}")
    return 0
