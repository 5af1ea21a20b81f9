import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.changes import Delta, EraseReceipt, Erasure, Erasures
from gateway.core.command import Command, Rescan
from gateway.core.fetching import Piece
from gateway.errors import PeerError, StoreError
from gateway.forgetting import Followed
from gateway.health import Health
from sync import command_messages, erase_messages, event_messages, messages, pieces
from sync.event_messages import Ack
from sync.inbox import UNREADABLE, Inbox
from sync.messages import Head
from sync.topics import ACK, CMD, DELTA, ERASE, HEAD, KEYS, PIECE, Topics
from sync.verifying import TROUBLES
from tests.rigs.signed import Believer, signed
from tests.rigs.signed import keys as signed_keys

PLACE = Topics("t", "s", "g")
EPOCH = "ab" * 16
DELTA_6_TO_7 = messages.delta(6, 7, [{"op": "member.erase", "body": {"member_id": "m1"}}])


ERASE_7 = erase_messages.erase(6, [Erasure(7, "m1")])


class World:
    """Flow and link in one: writes down what it is told."""

    def __init__(self, answer: str = "applied") -> None:
        self.answer = answer
        self.told: list[object] = []
        self.health = Health()
        self.inbox = Inbox(PLACE, self, self, self.health)

    async def on_hq_change(self, delta: Delta) -> str:
        self.told.append(delta)
        if self.answer == "full disk":
            raise StoreError("disk full")
        return self.answer

    async def on_erasures(self, batch: Erasures) -> Followed:
        self.told.append(batch)
        if self.answer == "full disk":
            raise StoreError("disk full")
        return Followed("gap" if self.answer == "gap" else "done", batch.seq, (EraseReceipt(7, {"member": 1}),))

    async def on_head(self, erase_seq: int) -> None:
        self.told.append(("erasures", erase_seq))

    async def erased(self, seq: int, receipts: tuple[EraseReceipt, ...]) -> None:
        self.told.append(("erased", seq, receipts))

    async def acked(self, ack: Ack) -> None:
        if ack.seq > 100:
            raise PeerError("ack_ahead")
        self.told.append(ack)

    async def headed(self, head: Head) -> None:
        self.told.append(head)

    async def applied(self, version: int) -> None:
        self.told.append(("applied", version))

    def ask(self) -> None:
        self.told.append("ask")


async def test_each_topic_reaches_its_reader() -> None:
    world = World()
    await world.inbox.handle(PLACE.down(HEAD), messages.head(7, 3, 5))
    await world.inbox.handle(PLACE.down(ACK), event_messages.ack(EPOCH, 9))
    await world.inbox.handle(PLACE.down(DELTA), DELTA_6_TO_7)
    assert world.told == [
        ("erasures", 5),
        Head(7, 3, 5),
        Ack(EPOCH, 9),
        messages.parse_delta(DELTA_6_TO_7),
        ("applied", 7),
    ]
    assert world.health.counts == {"hq.deltas": 1}


@pytest.mark.parametrize(("answer", "then", "count"), [("gap", ["ask"], "hq.gaps"), ("stale", [], "hq.stale")])
async def test_a_delta_that_does_not_fit(answer: str, then: list[str], count: str) -> None:
    world = World(answer)
    await world.inbox.handle(PLACE.down(DELTA), DELTA_6_TO_7)
    assert world.told[1:] == then
    assert world.health.counts == {count: 1}


async def test_an_erasure_is_confirmed_with_its_receipts() -> None:
    world = World()
    await world.inbox.handle(PLACE.down(ERASE), ERASE_7)
    assert world.told == [Erasures(6, 7, (Erasure(7, "m1"),)), ("erased", 7, (EraseReceipt(7, {"member": 1}),))]
    assert world.health.counts == {"hq.erasures": 1}


async def test_an_erasure_before_which_one_is_missing_is_asked_for() -> None:
    world = World("gap")
    await world.inbox.handle(PLACE.down(ERASE), ERASE_7)
    assert world.told[1:] == ["ask"]
    assert world.health.counts == {"hq.erasures": 1, "hq.erase_gaps": 1}


async def test_a_full_disk_is_not_the_peers_fault() -> None:
    with pytest.raises(StoreError):
        await World("full disk").inbox.handle(PLACE.down(ERASE), ERASE_7)
    with pytest.raises(StoreError):
        await World("full disk").inbox.handle(PLACE.down(DELTA), DELTA_6_TO_7)


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (PLACE.down(ACK), event_messages.ack(EPOCH, 101), "ack_ahead"),
        (PLACE.down(ACK), messages.head(7, 3), "type"),
        (PLACE.down(HEAD), b"", "not_json"),
        (PLACE.down(DELTA), DELTA_6_TO_7.replace(b"member.erase", b"member.print"), "op"),
        (PLACE.up(ACK), messages.applied(7), "topic"),
        (Topics("t", "s", "other").down(HEAD), messages.head(7, 3), "topic"),
        ("", b"", "topic"),
    ],
)
async def test_rubbish_is_counted_and_dropped(topic: str, payload: bytes, reason: str) -> None:
    world = World()
    await world.inbox.handle(topic, payload)
    assert world.told == []
    assert world.health.counts == {f"hq.dropped.{reason}": 1}


@given(st.sampled_from([HEAD, DELTA, ERASE, ACK]), st.binary())
async def test_any_payload_is_one_count(leaf: str, payload: bytes) -> None:
    world = World()
    await world.inbox.handle(PLACE.down(leaf), payload)
    assert sum(world.health.counts.values()) == 1


def test_subscriptions_are_exact() -> None:
    assert set(World().inbox.subscriptions) == {PLACE.down(leaf) for leaf in (HEAD, DELTA, ERASE, ACK)}


async def test_pieces_go_to_whoever_asks_for_files() -> None:
    world = World()
    pieces_taken: list[Piece] = []
    inbox = Inbox(PLACE, world, world, world.health, pieces_taken.append)
    piece = Piece("a" * 64, 0, 3, b"abc")
    assert PLACE.down(PIECE) in inbox.subscriptions
    await inbox.handle(PLACE.down(PIECE), pieces.piece(piece))
    await inbox.handle(PLACE.down(PIECE), b"rubbish")
    assert pieces_taken == [piece]
    assert world.health.counts == {"hq.dropped.not_json": 1}


# --- signatures ---------------------------------------------------------------------------------------------


def believing() -> tuple[World, Believer]:
    world, believer = World(), Believer()
    world.inbox = Inbox(PLACE, world, world, world.health, verifier=believer.verifier)
    return world, believer


async def test_a_gateway_that_looks_at_signatures_hears_of_the_keys_too() -> None:
    assert PLACE.down(KEYS) not in World().inbox.subscriptions
    assert PLACE.down(KEYS) in believing()[0].inbox.subscriptions
    with_files = Inbox(PLACE, World(), World(), Health(), lambda piece: None, believing()[1].verifier)
    assert len(with_files.subscriptions) <= 8  # of one SUBSCRIBE at AWS


async def test_nothing_is_applied_that_was_not_signed_for_this_gateway_and_topic() -> None:
    world, _ = believing()
    await world.inbox.handle(PLACE.down(KEYS), signed_keys(5))
    assert world.told == ["ask"]
    good = signed(PLACE, DELTA, DELTA_6_TO_7, 5)
    for topic, payload in (
        (DELTA, DELTA_6_TO_7),
        (DELTA, signed(PLACE, HEAD, DELTA_6_TO_7, 5)),
        (DELTA, signed(Topics("t", "s", "other"), DELTA, DELTA_6_TO_7, 5)),
        (DELTA, signed(Topics("other", "s", "g"), DELTA, DELTA_6_TO_7, 5)),
        (DELTA, signed(PLACE, DELTA, DELTA_6_TO_7, 4)),
        (ERASE, ERASE_7),
        (HEAD, messages.head(7, 3, 5)),
        (ACK, event_messages.ack(EPOCH, 9)),
    ):
        await world.inbox.handle(PLACE.down(topic), payload)
    assert world.told == ["ask"]
    assert world.inbox.trouble == TROUBLES["unsigned"]
    assert world.health.counts == {
        "hq.dropped.retired": 1,
        "hq.dropped.signature": 3,
        "hq.dropped.unsigned": 4,
        "hq.keys": 3,
    }
    await world.inbox.handle(PLACE.down(DELTA), good)
    assert world.told[1:] == [messages.parse_delta(DELTA_6_TO_7), ("applied", 7)]
    assert world.inbox.trouble is None


async def test_a_key_that_is_not_known_is_asked_for() -> None:
    world, _ = believing()
    await world.inbox.handle(PLACE.down(ERASE), signed(PLACE, ERASE, ERASE_7))
    assert world.told == ["ask"]
    await world.inbox.handle(PLACE.down(KEYS), signed_keys())
    await world.inbox.handle(PLACE.down(KEYS), signed_keys())
    assert world.told == ["ask", "ask"], "news are followed by a question, what is known is not"
    await world.inbox.handle(PLACE.down(ERASE), signed(PLACE, ERASE, ERASE_7))
    assert len(world.told) == 4


async def test_keys_that_are_refused_are_counted() -> None:
    world, believer = believing()
    await world.inbox.handle(PLACE.down(KEYS), signed_keys(5))
    await world.inbox.handle(PLACE.down(KEYS), signed_keys(4))
    await world.inbox.handle(PLACE.down(KEYS), b"rubbish")
    believer.notebook.full = True
    with pytest.raises(StoreError):
        await world.inbox.handle(PLACE.down(KEYS), signed_keys(6))
    assert world.health.counts == {"hq.dropped.key_rollback": 3, "hq.dropped.not_json": 1, "hq.keys": 3}


async def test_what_is_signed_and_rubbish_is_still_rubbish() -> None:
    world, _ = believing()
    await world.inbox.handle(PLACE.down(KEYS), signed_keys())
    await world.inbox.handle(PLACE.down(DELTA), signed(PLACE, DELTA, b"[" * 50_000))
    await world.inbox.handle(PLACE.down(DELTA), b" " * (messages.MAX_PAYLOAD_BYTES + 1))
    assert world.health.counts == {"hq.dropped.nesting": 1, "hq.dropped.too_large": 1, "hq.keys": 3}


async def test_commands_go_to_whoever_does_them() -> None:
    world, taken = World(), []

    class Box:
        def heard(self, at_ms: int | None) -> None:
            times.append(at_ms)

        async def take(self, command: Command) -> None:
            taken.append(command)

    times: list[int | None] = []
    inbox = Inbox(PLACE, world, world, world.health, commands=Box())
    await inbox.handle(PLACE.down(HEAD), messages.head(7, 3, 5, 1_790_000_000_000))
    assert times == [1_790_000_000_000]
    assert PLACE.down(CMD) in inbox.subscriptions and len(inbox.subscriptions) <= 8
    await inbox.handle(PLACE.down(CMD), command_messages.cmd("c-1", "rescan", {}, 5, 6))
    await inbox.handle(PLACE.down(CMD), command_messages.cmd("c-2", "rescan", {}, 6, 6))
    assert taken == [Command("c-1", "rescan", Rescan(), 5, 6)]
    assert world.health.counts == {"hq.dropped.range": 1}


async def test_a_line_of_changes_that_cant_be_read_is_a_trouble_from_the_second_on() -> None:
    world = World()
    unreadable = DELTA_6_TO_7.replace(b"member.erase", b"member.print")
    for trouble in (None, UNREADABLE, UNREADABLE):
        await world.inbox.handle(PLACE.down(DELTA), unreadable)
        assert world.inbox.trouble == trouble
    await world.inbox.handle(PLACE.down(HEAD), messages.head(7, 3, 5))
    assert world.inbox.trouble == UNREADABLE, "a head is no change"
    await world.inbox.handle(PLACE.down(DELTA), DELTA_6_TO_7)
    assert world.inbox.trouble is None
    await world.inbox.handle(PLACE.down(DELTA), unreadable)
    assert world.inbox.trouble is None, "one alone is somebody's rubbish"
    await world.inbox.handle(PLACE.down(DELTA), unreadable)
    world.inbox.caught_up()
    assert world.inbox.trouble is None
