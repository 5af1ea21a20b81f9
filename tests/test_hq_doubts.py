"""What a file of members says and nobody can have meant."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from sync.hq import doubts, proofreading
from sync.hq.doubts import Doubts
from sync.hq.versions import CLOCK_SLACK_MS
from tests.rigs.orders import consent, key, member

NOW_MS = 1_800_000_000_000
FILE = Path("m.jsonl")


@pytest.fixture
def looking() -> Iterator[Doubts]:
    with closing(Doubts(FILE, NOW_MS)) as made:
        yield made


def nobody(_: Sequence[str]) -> set[str]:
    return set()


def test_the_same_twice_is_no_doubt_and_other_content_is(looking: Doubts) -> None:
    told = [member("m-1"), member("m-1"), member("m-2"), member("m-1", "Bea"), member("m-1", "Bea"), member("m-1")]
    looking.look(enumerate(told, start=2), nobody)
    assert looking.said(nobody) == (
        "m.jsonl:5: member.put of m-1 stands in line 3 with other content; the later one counts",
        "m.jsonl:7: member.put of m-1 stands in line 6 with other content; the later one counts",
    )


def test_a_member_and_a_credential_of_one_name_are_two_things(looking: Doubts) -> None:
    looking.look([(1, member("x-1")), (2, key("x-1", "x-1"))], lambda asked: set(asked))
    assert looking.said(nobody) == ()


def test_a_credential_may_come_before_its_member(looking: Doubts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubts, "AT_ONCE", 2)
    known: set[str] = set()
    looking.look([(n, key(f"c-{n}", f"m-{n}")) for n in range(1, 6)], lambda asked: known & set(asked))
    known |= {"m-1", "m-2", "m-4"}
    assert looking.said(lambda asked: known & set(asked)) == (
        "m.jsonl:3: credential c-3 is of m-3, and there is no such member",
        "m.jsonl:5: credential c-5 is of m-5, and there is no such member",
    )


def test_a_consent_that_is_still_to_come(looking: Doubts) -> None:
    ahead = NOW_MS + CLOCK_SLACK_MS
    told = [consent("e-1", "m-1", at_ms=ahead), consent("e-2", "m-1", at_ms=ahead + 1)]
    looking.look(enumerate(told, start=1), nobody)
    assert looking.said(nobody) == ("m.jsonl:2: the consent is given at 2027-01-15 08:05 UTC, which is still to come",)
    with closing(Doubts(FILE, None)) as timeless:
        timeless.look(enumerate(told, start=1), nobody)
        assert timeless.said(nobody) == ()


def test_so_many_are_told_and_the_rest_counted(looking: Doubts) -> None:
    told = (member("m-1", f"Ada {n}") for n in range(proofreading.MAX_FAULTS + 8))
    looking.look(enumerate(told, start=1), nobody)
    said = looking.said(nobody)
    assert len(said) == proofreading.MAX_FAULTS + 1
    assert said[-1] == "m.jsonl: and 7 more"
