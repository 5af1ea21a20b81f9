"""sync.sieve: members' frames pass, strangers leave two bytes at most, and a withdrawal empties everything."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.identity import static_digest
from gateway.core.model import CredentialKind, Token
from gateway.health import Health
from sync import ear, scanners, sieve
from sync.ear_messages import MAX_ASKED, MAX_FRAMES, Answer, Bucket, Contents, Epoch, Frame
from sync.sieve import Sieve
from tests.rigs.listener import everything_in, holds

SITE_KEY = bytes(range(32))
EPOCH = Epoch("5e" * 8, 1)
MEMBER = Token(CredentialKind.EID, bytes.fromhex("a9b76a71c5f89290"))
STRANGER = Token(CredentialKind.EID, bytes.fromhex("a9b7deadc0ffee01"))  # in the same bucket
APP_STRANGER = Token(CredentialKind.APP, bytes.fromhex("0815471100c0ffee"))
ANCHOR = Token(CredentialKind.UID, bytes(range(16)))
BEACON = Token(CredentialKind.IBEACON, bytes(range(100, 120)))
STRANGE_BEACON = Token(CredentialKind.ALTBEACON, bytes(range(200, 220)))
HOLD_MS = 60_000


class Bench:
    """A sieve with a gateway in small beside it."""

    def __init__(self, site_key: bytes | None = SITE_KEY) -> None:
        self.health = Health()
        self.sieve = Sieve([ANCHOR], site_key, self.health)
        self.ms = 1_000_000
        self.epoch = EPOCH
        self.members = {MEMBER, BEACON}

    def open(self) -> "Bench":
        self.sieve.told_epoch(self.epoch, self.ms)
        return self

    def hear(self, *tokens: Token) -> None:
        for token in tokens:
            self.sieve.heard(token, -61, self.ms)

    def answer(self, hold_ms: int = HOLD_MS) -> list[Bucket]:
        """The gateway answers what is asked; the questions."""
        asked = self.sieve.take_questions(self.ms)
        listed = [Contents(bucket, hold_ms, b"".join(self.rests(bucket))) for bucket in asked]
        self.sieve.told(Answer(self.epoch, tuple(listed)), self.ms)
        return asked

    def rests(self, bucket: Bucket) -> list[bytes]:
        keys = [
            token.value if bucket.family == "rotating" else static_digest(SITE_KEY, token.kind, token.value)
            for token in sorted(self.members, key=lambda token: token.value)
            if (token.kind in (CredentialKind.EID, CredentialKind.APP)) == (bucket.family == "rotating")
        ]
        return [key[len(bucket.prefix) :] for key in keys if key.startswith(bucket.prefix)]

    def passed(self) -> list[Token]:
        return [frame.token for frame in self.sieve.take_frames(self.ms)]


@pytest.mark.parametrize("member", [MEMBER, BEACON], ids=["rotating", "static"])
def test_a_members_frames_pass_once_the_gateway_has_answered(member: Token) -> None:
    bench = Bench().open()
    bench.hear(member)
    assert bench.passed() == []
    assert len(bench.answer()) == 1
    bench.hear(member)
    bench.ms += 40
    assert bench.sieve.take_frames(bench.ms) == [Frame(member, -61, 40)]
    assert not bench.sieve.has_work


def test_a_question_tells_two_bytes_of_a_token_and_one_of_a_digest() -> None:
    bench = Bench().open()
    bench.hear(STRANGER, STRANGE_BEACON)
    digest = static_digest(SITE_KEY, STRANGE_BEACON.kind, STRANGE_BEACON.value)
    assert bench.sieve.take_questions(bench.ms) == [Bucket("rotating", b"\xa9\xb7"), Bucket("static", digest[:1])]


def test_a_stranger_leaves_nothing_but_its_bucket() -> None:
    bench = Bench().open()
    for _ in range(2):
        bench.hear(STRANGER, APP_STRANGER, STRANGE_BEACON, MEMBER)
        reachable = everything_in(bench.sieve, bench.health)
        for stranger in (STRANGER, APP_STRANGER, STRANGE_BEACON):
            assert not holds(reachable, stranger.value)
            assert not holds(reachable, static_digest(SITE_KEY, stranger.kind, stranger.value)[:4])
            assert not holds(reachable, stranger.value[:3])
        bench.answer()
    assert holds(reachable, MEMBER.value[2:])  # the search finds what is there
    assert bench.passed() == [MEMBER]
    assert bench.health.counts["ear.strangers"] == 3


def test_each_bucket_is_asked_for_once_until_its_answer_ends() -> None:
    bench = Bench().open()
    bench.hear(STRANGER, STRANGER, MEMBER)
    assert len(bench.answer()) == 1
    bench.hear(STRANGER, MEMBER)
    assert bench.answer() == []
    bench.ms += HOLD_MS
    bench.open()
    bench.hear(STRANGER)
    assert len(bench.answer()) == 1


def test_an_answer_in_use_is_renewed_before_it_ends() -> None:
    bench = Bench().open()
    bench.hear(MEMBER)
    bench.answer()
    for _ in range(4):
        bench.ms += HOLD_MS // 4 * 3
        bench.open()
        bench.hear(MEMBER)
        assert bench.passed() == [MEMBER]
        assert len(bench.answer()) == 1


def test_a_lost_question_is_asked_again_and_not_before_its_time() -> None:
    bench = Bench().open()
    bench.hear(MEMBER)
    assert len(bench.sieve.take_questions(bench.ms)) == 1
    bench.ms += sieve.ASK_AGAIN_MS - 1
    bench.hear(MEMBER)
    assert bench.sieve.take_questions(bench.ms) == []
    bench.ms += 1
    bench.hear(MEMBER)
    assert len(bench.sieve.take_questions(bench.ms)) == 1


def test_a_withdrawal_empties_answers_questions_and_what_is_on_its_way() -> None:
    bench = Bench().open()
    bench.hear(MEMBER)
    bench.answer()
    bench.hear(MEMBER, ANCHOR)
    bench.members.discard(MEMBER)
    bench.epoch = Epoch(EPOCH.boot, EPOCH.number + 1)
    bench.open()
    assert bench.passed() == []
    assert not holds(everything_in(bench.sieve), MEMBER.value[2:])
    bench.hear(MEMBER)
    bench.answer()
    bench.hear(MEMBER)
    assert bench.passed() == []


def test_an_answer_that_a_withdrawal_overtook_is_not_believed() -> None:
    bench = Bench().open()
    bench.hear(MEMBER)
    (bucket,) = bench.sieve.take_questions(bench.ms)
    late = Answer(EPOCH, (Contents(bucket, HOLD_MS, MEMBER.value[2:]),))
    bench.epoch = Epoch(EPOCH.boot, EPOCH.number + 1)
    bench.open()
    bench.sieve.told(late, bench.ms)
    bench.sieve.told_epoch(EPOCH, bench.ms)  # the old number, sent again
    bench.sieve.told(late, bench.ms)
    bench.hear(MEMBER)
    assert bench.passed() == []
    assert bench.health.counts["ear.stale_answers"] == 2


def test_another_gateway_boot_makes_all_void_even_with_a_lower_number() -> None:
    bench = Bench().open()
    bench.hear(MEMBER)
    bench.answer()
    bench.epoch = Epoch("00" * 8, 0)
    bench.open()
    bench.hear(MEMBER)
    assert bench.passed() == []
    assert len(bench.answer()) == 1


def test_what_was_not_asked_for_is_not_kept() -> None:
    bench = Bench().open()
    bench.sieve.told(
        Answer(EPOCH, (Contents(Bucket("rotating", MEMBER.value[:2]), HOLD_MS, MEMBER.value[2:]),)), bench.ms
    )
    bench.hear(MEMBER)
    assert bench.passed() == []


@pytest.mark.parametrize("ending", ["lost", "silent"])
def test_without_a_gateway_nothing_passes_and_nothing_is_kept(ending: str) -> None:
    bench = Bench()
    bench.hear(MEMBER, ANCHOR)
    bench.open()
    bench.hear(MEMBER)
    bench.answer()
    bench.hear(MEMBER)
    if ending == "lost":
        bench.sieve.lost()
    else:
        bench.ms += sieve.GATEWAY_SILENT_MS
    bench.hear(MEMBER, ANCHOR)
    assert bench.passed() == []
    assert bench.sieve.take_questions(bench.ms) == []
    assert bench.health.counts["ear.nobody_listens"] == 4
    assert not holds(everything_in(bench.sieve), MEMBER.value[2:])


def test_the_shops_own_beacons_always_pass() -> None:
    bench = Bench(site_key=None).open()
    bench.hear(ANCHOR)
    assert bench.passed() == [ANCHOR]


def test_without_a_site_key_static_kinds_are_counted_and_gone() -> None:
    bench = Bench(site_key=None).open()
    bench.hear(BEACON, STRANGE_BEACON)
    assert bench.sieve.take_questions(bench.ms) == []
    assert bench.health.counts == {"ear.no_site_key": 2}


def test_kinds_that_do_not_travel_are_counted_and_gone() -> None:
    bench = Bench().open()
    bench.hear(Token(CredentialKind.RPA, bytes(6)), Token(CredentialKind.NDEF, b"https://shop.example/c/1"))
    assert not bench.sieve.has_work
    assert bench.health.counts == {"ear.unsupported": 2}


def test_frames_that_waited_too_long_are_dropped() -> None:
    bench = Bench().open()
    bench.hear(ANCHOR)
    bench.ms += sieve.MAX_WAIT_MS + 1
    bench.hear(ANCHOR)
    assert bench.sieve.take_frames(bench.ms) == [Frame(ANCHOR, -61, 0)]
    assert bench.health.counts["ear.late"] == 1


def test_one_flooded_token_does_not_crowd_out_the_others() -> None:
    bench = Bench().open()
    bench.hear(MEMBER)
    bench.answer()
    for _ in range(1_000):
        bench.hear(MEMBER)
    bench.hear(ANCHOR)
    assert bench.passed() == [MEMBER] * sieve.MAX_SAME + [ANCHOR]
    assert bench.health.counts["ear.flooded"] == 1_000 - sieve.MAX_SAME
    bench.hear(MEMBER)
    assert bench.passed() == [MEMBER]


def test_a_full_queue_keeps_the_newest_and_a_message_its_size() -> None:
    health = Health()
    anchors = [Token(CredentialKind.UID, number.to_bytes(16, "big")) for number in range(sieve.MAX_WAITING + 5)]
    full = Sieve(anchors, None, health)
    full.told_epoch(EPOCH, 0)
    for anchor in anchors:
        full.heard(anchor, -61, 0)
    assert full.is_full
    taken: list[Frame] = []
    while frames := full.take_frames(0):
        assert len(frames) <= MAX_FRAMES
        taken += frames
    assert [frame.token for frame in taken] == anchors[5:]
    assert health.counts["ear.full"] == 5


def test_a_crowd_of_strangers_grows_nothing_without_end() -> None:
    bench, dice = Bench().open(), random.Random(20_261_122)
    most = most_asked = 0
    for number in range(40_000):
        bench.hear(Token(CredentialKind.EID, dice.randbytes(8)))
        if number % 50 == 0:
            asked = bench.sieve.take_questions(bench.ms)
            assert len(asked) <= MAX_ASKED
            if number % 100:
                bench.sieve.told(Answer(EPOCH, tuple(Contents(b, HOLD_MS, b"") for b in asked)), bench.ms)
        most, most_asked = max(most, len(bench.sieve._answers)), max(most_asked, len(bench.sieve._asked))
        assert len(bench.sieve._questions) <= MAX_ASKED
    assert most == sieve.MAX_ANSWERS
    assert most_asked == sieve.MAX_UNANSWERED
    assert bench.passed() == []


@given(st.binary(max_size=60), st.binary(min_size=6, max_size=6))
def test_a_piece_is_found_where_it_begins_and_nowhere_else(packed: bytes, rest: bytes) -> None:
    packed = packed[: len(packed) // 6 * 6]
    pieces = {packed[at : at + 6] for at in range(0, len(packed), 6)}
    assert sieve._holds(packed, rest, 6) == (rest in pieces)
    assert all(sieve._holds(packed, piece, 6) for piece in pieces)


@given(st.integers(1, 5), st.integers(0, 5))
def test_a_piece_across_a_boundary_is_none(shift: int, more: int) -> None:
    packed = bytes(range(12 + 6 * more))
    assert not sieve._holds(packed, packed[shift : shift + 6], 6)


def test_the_numbers_fit_together() -> None:
    assert sieve.GATEWAY_SILENT_MS >= 3 * scanners.EPOCH_EVERY_MS
    assert sieve.MAX_WAITING == 4 * MAX_FRAMES
    assert sieve.MAX_WAIT_MS > 1000 * ear.BATCH_S
