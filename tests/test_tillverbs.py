"""Budgets and coupons on headquarters' command line."""

import argparse
import json
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import tillverbs
from gateway.core import coupon
from gateway.core.coupon import Coupon, PublicKey
from gateway.core.spans import DAY_MS
from gateway.errors import ConfigError
from sync import event_messages
from sync.hq import keyfiles
from sync.hq.ledger import Ledger
from sync.topics import Topics
from tests.rigs.orders import SHOP
from tests.test_hq_redemptions import event

NOW_MS = 1_800_000_000_000


@pytest.fixture
def parser(tmp_path: Path) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    verbs = made.add_subparsers()

    def verb(name, function, text):
        sub = verbs.add_parser(name, help=text)
        sub.set_defaults(verb=function, db=tmp_path / "hq.db")
        return sub

    tillverbs.add_verbs(verb, lambda: NOW_MS)
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        ledger.saw_version(SHOP, 0, 5)
    return made


def run(parser: argparse.ArgumentParser, *words: str) -> int:
    arguments = parser.parse_args(words)
    return int(arguments.verb(arguments))


def test_points_are_set_and_listed(parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]) -> None:
    path = parser.parse_args(["points"]).db
    with closing(Ledger(path)) as ledger:
        ledger.record_ops([{"op": "member.put", "body": {"member_id": "mia"}}])
    assert run(parser, "set-points", "mia", "--points", "500") == 0
    capsys.readouterr()
    run(parser, "points")
    assert json.loads(capsys.readouterr().out) == {"member_id": "mia", "points": 500, "version": 1}
    with pytest.raises(ConfigError, match="not known to this HQ"):
        run(parser, "set-points", "nobody", "--points", "1")


def test_a_part_of_a_budget_is_lent_and_listed_and_written_off(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    run(parser, "set-budget", "autumn", "--total", "1000")
    run(parser, "lend", "autumn", "--gateway", SHOP.name, "--amount", "300", "--days", "2")
    lease_id = capsys.readouterr().out.split()[-1]
    run(parser, "budgets")
    row = json.loads(capsys.readouterr().out)
    assert (row["left"], row["unit"]) == (700, "cents")
    (lease,) = row["leases"]
    assert (lease["lease_id"], lease["until_ms"]) == (lease_id, NOW_MS + 2 * DAY_MS)
    assert run(parser, "write-off", lease_id) == 0
    with pytest.raises(ConfigError, match="no such open lease"):
        run(parser, "write-off", lease_id)


def test_stock_is_said_for_one_shop(parser: argparse.ArgumentParser, tmp_path: Path) -> None:
    assert run(parser, "set-stock", "beans", "12", "--gateway", SHOP.name) == 0
    assert run(parser, "set-stock", "beans", "unknown", "--gateway", SHOP.name) == 0
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        ((op,), _) = ledger.changes_after(0, 10_000, SHOP.name)
        assert op["body"] == {"gateway": SHOP.name, "units": {"beans": None}, "at_ms": NOW_MS, "whole": False}
        assert ledger.changes_after(0, 10_000, "acme/other/gw")[0] == []
    with pytest.raises(ConfigError, match="1 to 64"):
        run(parser, "set-stock", "no article", "12", "--gateway", SHOP.name)
    with pytest.raises(ConfigError, match="no such gateway"):
        run(parser, "set-stock", "beans", "12", "--gateway", "acme/x/y")
    with pytest.raises(SystemExit):
        run(parser, "set-stock", "beans", "some", "--gateway", SHOP.name)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("set-budget", "no spaces", "--total", "1"), "1 to 64"),
        (("lend", "nothing", "--gateway", SHOP.name, "--amount", "1"), "no such budget"),
        (
            ("lend", "autumn", "--gateway", SHOP.name, "--amount", "11"),
            "less than 11 is left; expected at most 6 cents",
        ),
        (("lend", "autumn", "--gateway", "acme/x/y", "--amount", "1"), "no such gateway"),
        (("lend", "autumn", "--gateway", "all", "--amount", "1"), "one gateway"),
        (("set-budget", "autumn", "--total", "10", "--unit", "units"), "counts cents, for good; expected --unit cents"),
        (("set-budget", "autumn", "--total", "3"), "4 cents are lent or spent; expected a total of at least that"),
    ],
)
def test_what_cannot_be_lent_says_why(parser: argparse.ArgumentParser, words: tuple[str, ...], why: str) -> None:
    run(parser, "set-budget", "autumn", "--total", "10")
    run(parser, "lend", "autumn", "--gateway", SHOP.name, "--amount", "4")
    with pytest.raises(ConfigError, match=why):
        run(parser, *words)


def test_a_coupon_is_signed_and_its_key_told(
    parser: argparse.ArgumentParser,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(b"headquarters' key for tests only")
    monkeypatch.setattr(keyfiles, "read_issuing", lambda path: ("k1", private))
    run(parser, "sign-coupon", "--key", "file", "--offer", "o-1", "--only-in", "acme/munich-1", "--member", "m-1")
    shown = capsys.readouterr()
    text = (shown.out + shown.err).split()[0]
    key = PublicKey("k1", private.public_key().public_bytes_raw())
    found = coupon.verify(text, {"k1": key}, "acme/munich-1", NOW_MS)
    assert isinstance(found, Coupon)
    assert (found.offer_id, found.ends_s) == ("o-1", (NOW_MS + 30 * DAY_MS) // 1000)
    assert coupon.fits(found, "m-1")
    assert key.key.hex() in shown.out + shown.err


def test_a_coupon_that_names_what_nobody_knows_is_doubted(
    parser: argparse.ArgumentParser,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    private = Ed25519PrivateKey.from_private_bytes(b"headquarters' key for tests only")
    monkeypatch.setattr(keyfiles, "read_issuing", lambda path: ("k1", private))
    sign = ("sign-coupon", "--key", "file", "--offer", "o-1", "--only-in", f"{SHOP.tenant}/{SHOP.store}")

    def doubts(*more: str) -> list[str]:
        assert run(parser, *sign, *more) == 0
        return [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()[:-1]]

    assert doubts("--member", "m-1") == ["offer o-1", "member m-1"]
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        ledger.record_ops([{"op": "member.put", "body": {"member_id": "m-1"}}])
        ledger.record_ops([{"op": "offer.put", "body": {"offer_id": "o-1", "title": {}, "text": {}}}])
    assert doubts("--member", "m-1") == []
    assert doubts("--only-in", "acme/nowhere") == ["shop acme/nowhere"]
    (tmp_path / "hq.db").unlink()
    assert doubts() == [str(tmp_path / "hq.db")]
    assert not (tmp_path / "hq.db").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [(("budgets",), "no budget yet"), (("passes",), "no pass is out of date"), (("points",), "nobody has points yet")],
)
def test_a_list_without_rows_says_so_beside_the_output(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run(parser, *words) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err


def test_a_price_file_becomes_the_list(
    parser: argparse.ArgumentParser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prices.jsonl"
    file.write_text(json.dumps({"gtin": "4006381333931", "title": {"de": "Mustertee"}, "cents": 499}) + "\n")
    assert run(parser, "publish-prices", str(file)) == 0
    assert "1 of the list's parts changed" in capsys.readouterr().out


def test_a_file_without_articles_takes_no_list_away_unless_that_is_said(
    parser: argparse.ArgumentParser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full, none = tmp_path / "prices.jsonl", tmp_path / "none.jsonl"
    lines = [json.dumps({"gtin": one, "title": {"de": "Mustertee"}, "cents": 499}) for one in ("96385074", "12345670")]
    full.write_text("\n".join(lines))
    none.write_text("\n")
    assert run(parser, "publish-prices", str(none)) == 0  # nothing there goes
    assert run(parser, "publish-prices", str(full)) == 0
    with pytest.raises(ConfigError, match=r"all 2 would go .* or --empty"):
        run(parser, "publish-prices", str(none))
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        assert sum(len(body["articles"]) for body in ledger.price_parts().values()) == 2
    assert run(parser, "publish-prices", str(none), "--empty") == 0
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        assert sum(len(body["articles"]) for body in ledger.price_parts().values()) == 0


def test_passes_that_are_out_of_date_are_listed_and_struck_and_doubles_stand_behind_the_budgets(
    parser: argparse.ArgumentParser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used = "k1/" + "aa" * 8
    with closing(Ledger(tmp_path / "hq.db")) as ledger:
        for number, shop in enumerate((SHOP, Topics("acme", "berlin-2", "gw-1"))):
            row = event(1, "committed", redemption_id=f"r-{number}", coupon=used)
            ledger.ingest(shop, event_messages.EventBatch("ab" * 16, 1, 1, (row,)), 5_000)
    run(parser, "passes")
    row = json.loads(capsys.readouterr().out)
    assert (row["coupon"], row["state"], row["store"]) == (used, "used", "acme/berlin-2")
    run(parser, "budgets")
    double = json.loads(capsys.readouterr().out)
    assert (double["coupon"], [use["store"] for use in double["uses"]]) == (used, ["munich-1", "berlin-2"])
    run(parser, "passes", "--done", str(row["number"]))
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "struck: 1\nno pass is out of date\n")
