"""Erasure at work: out of memory, tables and files at once, told, and nobody is known while something is missing."""

import asyncio
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from display.hub import Hub
from gateway.core.changes import BindingPut, EraseReceipt, Erasure, Erasures, MemberErase
from gateway.core.model import ConsentState, CredentialKind, Purpose, Tap, Token
from gateway.errors import PeerError, StoreError
from gateway.forgetting import LATE_MS, MAX_SOUGHT, MAX_STEP
from gateway.recognition import Recognition
from gateway.records import Tx
from gateway.selfservice import Form
from gateway.tables import erasures
from tests.rigs import shop as rig
from tests.rigs import traces
from tests.rigs.confirm import confirmed
from tests.rigs.shop import Shop, Walls, basics, consent, member, open_shop

ALL = tuple(Purpose)
NUMBER = 77
MIA_FOB = Token(CredentialKind.IBEACON, b"mia".ljust(20, b"-"))


@pytest.fixture
async def shop(tmp_path: Path):
    one = await open_shop(tmp_path, *member("mia", *ALL), *member("ben", *ALL))
    yield one
    await one.settle()
    one.store.close()


async def again(shop: Shop, folder: Path) -> Shop:
    """The same shop after a restart."""
    await shop.settle()
    shop.store.close()
    other = Shop(folder)
    other.version = shop.version
    await other.flow.start()
    await other.settle()
    return other


def orders(parent: int, *listed: tuple[int, str]) -> Erasures:
    return Erasures(parent, listed[-1][0], tuple(Erasure(*one) for one in listed))


def part(shop: Shop, name: str) -> tuple[str, str]:
    return next(((one.state, one.detail) for one in shop.health.parts if one.name == name), ("none", ""))


def knows(shop: Shop, token: Token = MIA_FOB) -> str | None:
    return shop.resolver.resolve(token, shop.clock.ms)


def in_files(folder: Path, text: bytes) -> list[str]:
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # the writer's draft of gateway.run takes its place after the commit is told
            if text in path.read_bytes():
                found.append(path.name)
    return found


# --- the stream --------------------------------------------------------------------------------------------------


async def test_an_order_clears_every_surface_and_says_what_it_cleared(shop: Shop, tmp_path: Path) -> None:
    await shop.stand("mia", "coffee-ble")
    await shop.tap("mia", "till-nfc")
    await shop.tap("mia", "advice-nfc")
    await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "tablet-1")
    await shop.tap("mia", "coffee-nfc")
    assert shop.walls.cards
    assert shop.flow.sale_at("till-1") is not None
    done = await shop.flow.on_erasures(orders(0, (1, "mia")))
    assert (done.outcome, done.seq) == ("done", 1)
    assert shop.walls.cards == {}
    assert shop.walls.entries == ()
    assert shop.flow.sale_at("till-1") is None
    assert all(content.dialogue is None for content in shop.walls.screens.values())
    assert knows(shop) is None
    (receipt,) = done.receipts
    assert receipt.seq == 1
    assert {"member", "credential", "consent", "decision", "outbox", "visits", "screens", "tills", "requests"} <= (
        receipt.places.keys()
    )
    await shop.settle()
    assert in_files(tmp_path, b"mia") == []
    assert await shop.store.erase_seq() == 1


async def test_twice_is_once_and_gives_the_same_receipt(shop: Shop) -> None:
    first = await shop.flow.on_erasures(orders(0, (1, "mia")))
    assert await shop.flow.on_erasures(orders(0, (1, "mia"))) == first
    assert await shop.store.erase_seq() == 1


async def test_an_order_is_obeyed_though_one_before_it_is_missing(shop: Shop) -> None:
    done = await shop.flow.on_erasures(orders(4, (5, "mia")))
    assert (done.outcome, done.seq) == ("gap", 0)
    assert knows(shop) is None
    done = await shop.flow.on_erasures(orders(0, (3, "ben"), (5, "mia")))
    assert (done.outcome, done.seq) == ("done", 5)
    assert done.receipts[1].places["member"] == 1  # cleared at its first coming


async def test_older_orders_move_nothing_back(shop: Shop) -> None:
    await shop.flow.on_erasures(orders(0, (7, "mia")))
    assert (await shop.flow.on_erasures(orders(2, (3, "ben")))).seq == 7
    assert await shop.store.run(lambda tx: tx.is_erased("ben"))


async def test_a_number_out_of_reach_is_refused_and_holds_nobody_up(shop: Shop) -> None:
    with pytest.raises(PeerError, match="erase_jump"):
        await shop.flow.on_erasures(orders(0, (MAX_STEP + 1, "mia")))
    with pytest.raises(PeerError, match="erase_jump"):
        await shop.flow.on_head(MAX_STEP + 1)
    assert knows(shop) == "mia"


async def test_who_was_erased_comes_back_by_no_delta_in_either_order(shop: Shop) -> None:
    await shop.flow.on_erasures(orders(0, (1, "mia")))
    assert await shop.push(*member("mia", *ALL), BindingPut("b-1", "mia", "12345678", 2**50)) == "applied"
    assert await shop.push(consent("ben", Purpose.STAFF_ADVICE, ConsentState.WITHDRAWN, 9)) == "applied"
    assert knows(shop) is None
    assert await shop.store.run(lambda tx: tx.has_member("mia") or tx.bindings_of("mia") or tx.credentials("mia")) == ()
    assert shop.health.counts["erase.suppressed"] == len(member("mia", *ALL)) + 1
    await shop.push(MemberErase("ben"))  # the same order in the line of versions
    await shop.push(*member("ben", *ALL))
    done = await shop.flow.on_erasures(orders(1, (2, "ben")))
    assert done.receipts[0].places["member"] == 1
    assert not await shop.store.run(lambda tx: tx.has_member("ben"))


async def test_a_disk_that_refuses_is_obeyed_in_memory(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.tap("mia", "coffee-nfc")

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the disk refused: it is full")

    monkeypatch.setattr(shop.store, "run", refuse)
    with pytest.raises(StoreError):
        await shop.flow.on_erasures(orders(0, (1, "mia")))
    assert shop.walls.screens["bar"].dialogue is None
    assert knows(shop) is None
    monkeypatch.undo()
    assert (await shop.flow.on_erasures(orders(0, (1, "mia")))).receipts[0].places["member"] == 1


# --- not caught up -----------------------------------------------------------------------------------------------


async def test_behind_headquarters_nobody_is_known_until_the_orders_are_done(shop: Shop) -> None:
    await shop.tap("ben", "coffee-nfc")
    await shop.tap("ben", "advice-nfc")
    await shop.flow.on_head(2)
    assert shop.walls.screens["bar"].dialogue is None
    assert shop.walls.entries == ()
    assert part(shop, "erasures")[0] == "degraded"
    assert "erased" in part(shop, "erasures")[1]
    before = await shop.types()
    await shop.stand("ben", "coffee-ble")
    await shop.tap("ben", "coffee-nfc")
    assert shop.step() == "again"
    await shop.tap("ben", "till-nfc")
    assert shop.flow.sale_at("till-1") is None
    assert await shop.types() == before
    assert await shop.flow.on_code("bar", "any", "12345678") == "wait"
    await shop.flow.on_erasures(orders(0, (1, "mia")))
    assert part(shop, "erasures")[0] == "degraded"
    await shop.flow.on_erasures(orders(1, (2, "zoe")))
    assert part(shop, "erasures")[0] == "ok"
    await shop.tap("ben", "coffee-nfc")
    assert shop.walls.screens["bar"].dialogue is not None
    assert shop.step() != "again"


async def test_a_tap_that_was_being_decided_is_not_shown_once_the_shop_is_behind(shop: Shop) -> None:
    shop.flow.tapped(Tap("ben", "coffee-nfc", shop.clock.ms))
    await shop.flow.on_head(1)
    await shop.settle()
    assert shop.walls.screens["bar"].dialogue is None


async def test_being_behind_outlives_a_restart_and_headquarters_of_a_backup(shop: Shop, tmp_path: Path) -> None:
    await shop.flow.on_head(3)
    other = await again(shop, tmp_path)
    assert part(other, "erasures")[0] == "degraded"
    await other.tap("ben", "coffee-nfc")
    assert other.step() == "again"
    await other.flow.on_head(0)  # its newest is older than what we heard of: it decides
    assert part(other, "erasures")[0] == "ok"
    other.store.close()


async def test_a_head_that_we_have_reached_changes_nothing(shop: Shop) -> None:
    await shop.flow.on_erasures(orders(0, (2, "zoe")))
    await shop.tap("ben", "coffee-nfc")
    shown = shop.walls.screens["bar"]
    await shop.flow.on_head(2)
    await shop.flow.on_head(1)
    assert shop.walls.screens["bar"] is shown
    assert part(shop, "erasures") != ("degraded", "")


async def test_without_its_ledger_a_shop_knows_nobody_until_headquarters_has_spoken(shop: Shop, tmp_path: Path) -> None:
    await shop.flow.on_erasures(orders(0, (2, "mia")))
    await shop.settle()
    (tmp_path / "erasures.ledger").unlink()
    other = await again(shop, tmp_path)
    assert part(other, "erasures")[0] == "degraded"
    other = await again(other, tmp_path)  # the file is made good by now, and still nobody knows who is missing in it
    await other.tap("ben", "coffee-nfc")
    assert other.step() == "again"
    await other.flow.on_head(4)
    await other.flow.on_erasures(orders(2, (4, "zoe")))
    assert part(other, "erasures")[0] == "degraded"  # the head that comes after the orders says that these were all
    await other.flow.on_head(4)
    assert part(other, "erasures")[0] == "ok"
    other = await again(other, tmp_path)
    assert part(other, "erasures")[0] != "degraded"
    other.store.close()


async def test_a_restored_database_is_erased_and_swept_before_anybody_is_known(shop: Shop, tmp_path: Path) -> None:
    await shop.settle()
    backup = tmp_path / "backup"
    with sqlite3.connect(backup) as copy, sqlite3.connect(tmp_path / "gateway.db") as db:
        db.backup(copy)
    copy.close()
    db.close()
    await shop.flow.on_erasures(orders(0, (1, "mia")))
    await shop.settle()
    shop.store.close()
    backup.replace(tmp_path / "gateway.db")
    other = Shop(tmp_path)
    await other.flow.start()
    assert knows(other) is None
    await other.settle()
    assert other.health.counts["erase.restored"] == 1
    assert in_files(tmp_path, b"mia") == []
    assert knows(other, Token(CredentialKind.IBEACON, b"ben".ljust(20, b"-"))) == "ben"
    other.store.close()


# --- asked for here ----------------------------------------------------------------------------------------------


async def test_who_asks_here_is_gone_here_and_headquarters_is_told(shop: Shop, tmp_path: Path) -> None:
    await shop.tap("mia", "coffee-nfc")
    assert await shop.flow.on_erase("mia", "screen") == "ok"
    assert shop.walls.screens["bar"].dialogue is None
    assert knows(shop) is None
    assert (await shop.bodies("erasure.requested")) == [{"member_id": "mia", "channel": "screen"}]
    assert all(body["member_id"] == "erased" for body in await shop.bodies("decision.made"))
    assert await shop.flow.on_erase("mia", "screen") == "ok"
    assert await shop.flow.on_erase("nobody", "screen") == "gone"
    assert len(await shop.bodies("erasure.requested")) == 1
    await shop.settle()
    await confirmed(shop.store, 1_000)
    await shop.tick(120_000)
    assert in_files(tmp_path, b"mia") == []


async def test_consents_alone_are_erased_on_request_too(shop: Shop) -> None:
    await shop.push(consent("zoe", Purpose.STAFF_ADVICE))
    assert await shop.flow.on_erase("zoe", "screen") == "ok"
    assert not await shop.store.run(lambda tx: tx.consents("zoe"))
    assert len(await shop.bodies("erasure.requested")) == 1


async def test_offline_for_days_with_restarts_and_stale_deltas_nothing_comes_back(shop: Shop, tmp_path: Path) -> None:
    await shop.flow.on_erase("mia", "tablet")
    other = await again(shop, tmp_path)
    assert await other.push(*member("mia", *ALL)) == "applied"  # sent before headquarters knew
    other = await again(other, tmp_path)
    assert knows(other) is None
    assert await other.bodies("erasure.requested") == [{"member_id": "mia", "channel": "tablet"}]
    done = await other.flow.on_erasures(orders(0, (1, "mia")))
    assert done.receipts[0].places["member"] == 1
    assert await other.bodies("erasure.requested") == [{"member_id": "erased", "channel": "tablet"}]
    await other.settle()
    assert in_files(tmp_path, b"mia") == []
    other.store.close()


# --- to the last byte --------------------------------------------------------------------------------------------


async def test_while_somebody_reads_the_files_it_is_tried_again_and_then_said(shop: Shop, tmp_path: Path) -> None:
    reader = sqlite3.connect(tmp_path / "gateway.db")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM member").fetchall()  # a backup that is under way
    await shop.flow.on_erasures(orders(0, (1, "mia")))
    await shop.settle()
    assert in_files(tmp_path, b"mia") != []
    await shop.tick(1_000)
    assert part(shop, "wiping")[0] == "none"
    await shop.tick(LATE_MS)
    await shop.tick(1_000)
    assert part(shop, "wiping")[0] == "degraded"
    assert shop.health.counts["store.purge_waits"] >= 3
    reader.close()
    await shop.tick(1_000)
    assert part(shop, "wiping")[0] == "ok"
    assert in_files(tmp_path, b"mia") == []


async def test_copies_that_sqlite_keeps_are_overwritten_one_by_one_or_all(tmp_path: Path) -> None:
    names = [f"pseudonym-{number * 7919 % 3000:04d}" for number in range(3_000)]
    one = await open_shop(tmp_path)
    for start in range(0, len(names), 250):
        await one.push(*(change for name in names[start : start + 250] for change in member(name)))
    await one.store.purge()
    gone = names[::75]
    few, many = gone[:MAX_SOUGHT], gone[MAX_SOUGHT:]
    await one.flow.on_erasures(orders(0, *enumerate(few, 1)))
    await one.settle()
    await one.flow.on_erasures(orders(len(few), *enumerate(gone, len(few) + 1)))
    await one.settle()
    await one.tick(1_000)
    assert len(many) > 1
    assert [name for name in gone if in_files(tmp_path, name.encode())] == []
    assert not await one.store.run(lambda tx: tx.owes_sweep)
    assert len(await one.store.run(lambda tx: tx.members_of([tx.digest(name) for name in names]))) == 3_000 - len(gone)
    one.store.close()


async def test_a_sweep_that_a_kill_interrupted_is_made_up_for(shop: Shop, tmp_path: Path) -> None:
    await shop.store.run(lambda tx: tx.erase_member("mia", 1, 5))
    assert in_files(tmp_path, b"mia") != []
    other = await again(shop, tmp_path)
    assert in_files(tmp_path, b"mia") == []
    assert not await other.store.run(lambda tx: tx.owes_sweep)
    other.store.close()


async def test_a_pseudonym_that_is_a_word_of_others_rows_is_swept_too(shop: Shop) -> None:
    await shop.push(*member("coffee", *ALL))  # which others' interests say as well
    await shop.flow.on_erasures(orders(0, (1, "coffee")))
    await shop.settle()
    await shop.tick(1_000)
    assert not await shop.store.run(lambda tx: tx.owes_sweep)
    assert await shop.store.run(lambda tx: tx.has_member("ben"))


# --- each rule broken, to show that its test would see it ----------------------------------------------------------


async def test_without_the_ledgers_rule_the_erased_would_come_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.flow.on_erasures(orders(0, (1, "mia")))
    monkeypatch.setattr(Tx, "is_erased", lambda tx, member_id: False)
    await shop.push(*member("mia", *ALL))
    assert knows(shop) == "mia"


async def test_without_the_hold_a_shop_that_is_behind_would_greet(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recognition, "hold", lambda recognition, held: None)
    await shop.flow.on_head(2)
    await shop.tap("ben", "coffee-nfc")
    view = shop.walls.screens["bar"].dialogue
    assert view is not None
    assert view.call_name == "Ben"


async def test_without_a_table_in_the_list_its_rows_would_stay(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "CLEARED", tuple(table for table in erasures.CLEARED if table != "decision"))
    await shop.tap("mia", "coffee-nfc")
    await shop.flow.on_erasures(orders(0, (1, "mia")))
    await shop.settle()
    rows = await shop.store.run(lambda tx: list(tx._db["decision"].rows))
    assert [row["member_id"] for row in rows] == ["mia"]


# --- memory ------------------------------------------------------------------------------------------------------


class Relay(Walls):
    """Surfaces that are a real hub with a screen's and a tablet's stream, and remember nothing themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = rig.Clock()
        self.hub = Hub(self.clock, rig.Health())
        self.streams = [self.hub.watch_screen("bar"), self.hub.watch_tablet("tablet-1"), self.hub.watch_tablet("t-2")]

    def show(self, screen, content) -> None:
        self.screens[screen] = content
        self.hub.show(screen, content)

    def queue(self, entries) -> None:
        self.entries = entries
        self.hub.queue(entries)

    def open_card(self, tablet, card) -> None:
        self.hub.open_card(tablet, card)

    def close_card(self, tablet, handshake_id, reason) -> None:
        self.hub.close_card(tablet, handshake_id, reason)

    def sees(self, tablet) -> bool:
        return self.hub.sees(tablet)


def marked() -> str:
    """A pseudonym that the search of the heap knows, made anew each time so that no frame holds it."""
    return "m-" + traces.identifier(NUMBER).hex()


async def everywhere(shop: Shop) -> None:
    """The marked member on every surface that there is."""
    await shop.push(*basics(), *member(marked(), *ALL), BindingPut("b-1", marked(), "12345678", 2**50))
    await shop.settle()
    await shop.stand(marked(), "coffee-ble")
    await shop.tap(marked(), "till-nfc")
    await shop.tap(marked(), "advice-nfc")
    assert await shop.flow.on_accept(shop.walls.entries[0].handshake_id, "tablet-1") == "open"
    await shop.tap(marked(), "door-nfc")
    await shop.tap(None, "coffee-nfc")
    view = shop.walls.screens["bar"].dialogue
    assert view is not None
    assert await shop.flow.on_screen("bar", view.dialogue_id, "code") == "ok"
    assert await shop.flow.on_code("bar", view.dialogue_id, "12345678") == "ok"
    await on_their_own_page(shop)


async def on_their_own_page(shop: Shop) -> None:
    """A phone that the screen confirmed and that chose something, and a link that nobody has opened yet."""
    me, hall = shop.flow.selfservice, shop.walls.screens["hall"].dialogue
    assert hall is not None
    assert await shop.flow.on_screen("hall", hall.dialogue_id, "my_data") == "ok"
    shown = shop.walls.screens["hall"].dialogue
    assert shown is not None
    opened = await me.open(shown.link.rsplit("/", 1)[1], "192.0.2.7")
    assert not isinstance(opened, str)
    assert await shop.flow.on_screen("hall", hall.dialogue_id, "mine") == "ok"
    assert await me.data(opened.cookie) is not None
    done = await me.choose(opened.cookie, Form({Purpose.MARKETING_PUSH: False}, "en", None, "", ""))
    assert done is not None
    assert done.result == "ok"
    await shop.tap(marked(), "advice-nfc")
    handshake_id = shop.walls.entries[0].handshake_id
    assert await shop.flow.on_accept(handshake_id, "tablet-1") == "open"
    assert (await shop.flow.handovers.link_for("tablet-1", handshake_id)).result == "ok"


@pytest.mark.parametrize("way", ["stream", "delta", "asked"])
async def test_nothing_in_memory_says_who_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(rig, "Walls", Relay)
    one = Shop(tmp_path, "http://gateway.shop")
    await one.flow.start()
    await everywhere(one)
    assert NUMBER in traces.in_heap()  # or the search would not see it
    if way == "stream":
        await one.flow.on_erasures(orders(0, (1, marked())))
    elif way == "delta":
        await one.push(MemberErase(marked()))
    else:
        await one.flow.on_erase(marked(), "screen")
        await confirmed(one.store, 1_000)
    await one.settle()
    await one.tick(100)
    await one.tick(120_000)
    await asyncio.sleep(0)
    assert NUMBER not in traces.in_heap()
    assert traces.in_files(tmp_path) == set()
    one.store.close()


async def test_a_receipt_names_nobody(shop: Shop) -> None:
    done = await shop.flow.on_erasures(orders(0, (1, "mia")))
    assert isinstance(done.receipts[0], EraseReceipt)
    assert "mia" not in str(done)
