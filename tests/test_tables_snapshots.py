"""Which manifest is taken and which is not, and where a delta may follow meanwhile."""

from dataclasses import replace

import pytest

from gateway.apply import apply
from gateway.core.changes import Delta
from gateway.core.model import Purpose
from gateway.core.snapshot import Held
from gateway.records import Tx
from tests.rigs.shop import SITE_KEY, START_MS, basics, member
from tests.rigs.snapped import DAY_MS, Headquarters

MIA = member("mia", Purpose.RECOGNISE_NFC)


def push(tx: Tx, parent: int, version: int, *changes, without: int | None = None) -> str:
    return apply(tx, Delta(parent, version, changes, without=without), SITE_KEY, START_MS).outcome


def offered(tx: Tx, hq: Headquarters, now_ms: int = START_MS, **other: object) -> str:
    return [tx.take_part(part, now_ms) for part in hq.parts(**other)][-1]


def test_a_manifest_is_held_once_every_part_is_here(tx: Tx) -> None:
    hq = Headquarters(500, MIA)
    part = hq.parts()[0]
    two = replace(part, chunks=2, sha256=(part.sha256[0],))
    assert tx.take_part(two, START_MS) == "part"
    assert tx.snapshot_held() is None
    assert tx.chunk_hash(0) == part.sha256[0]
    assert tx.take_part(replace(two, first=1), START_MS) == "whole"
    assert tx.snapshot_held() == Held(hq.name, 1)
    assert tx.take_part(two, START_MS) == "whole"  # it came twice


@pytest.mark.parametrize(
    ("other", "now_ms", "verdict"),
    [
        ({}, START_MS + 8 * DAY_MS, "expired"),
        ({"version": 399}, START_MS, "rolled_back"),
        ({"version": 4}, START_MS, "rolled_back"),
        ({"chunks": 7}, START_MS, "rolled_back"),
        ({"version": 501}, START_MS, "rolled_back"),
        ({"revision": 2}, START_MS, "rolled_back"),
        ({"revision": 4, "chunks": 7}, START_MS, "rolled_back"),
    ],
)
def test_an_older_or_another_one_under_its_name_is_not_taken(tx: Tx, other, now_ms: int, verdict: str) -> None:
    push(tx, 0, 5, *basics())
    hq = Headquarters(400, MIA, revision=3)
    assert offered(tx, hq) == "whole"
    before = tx.snapshot()
    assert offered(tx, hq, now_ms, **other) == verdict
    assert tx.snapshot() == before


def test_an_older_version_than_any_that_was_taken_up_is_never_taken_again(tx: Tx) -> None:
    assert offered(tx, Headquarters(400, MIA)) == "whole"
    tx.give_up()
    assert offered(tx, Headquarters(399, MIA)) == "rolled_back"
    assert offered(tx, Headquarters(400, MIA)) == "whole"


def test_what_is_here_already_is_known_and_another_one_begins_anew(tx: Tx) -> None:
    push(tx, 0, 5, *basics())
    assert offered(tx, Headquarters(5, MIA)) == "known"
    assert offered(tx, Headquarters(400, MIA)) == "whole"
    assert offered(tx, Headquarters(500, MIA)) == "busy"  # the former one is given up first
    assert offered(tx, Headquarters(500, MIA)) == "whole"
    assert tx.snapshot().version == 500  # type: ignore[union-attr]  # it was taken a line before


def test_a_newer_revision_replaces_the_hashes(tx: Tx) -> None:
    first, second = Headquarters(400, MIA), Headquarters(400, MIA[:2], revision=2)
    assert offered(tx, first) == "whole"
    assert offered(tx, second) == "whole"
    assert tx.chunk_hash(0) == second.hashes[0]
    assert tx.snapshot_held() == Held(second.name, 2)


def test_a_delta_without_members_needs_the_manifest_that_brings_them(tx: Tx) -> None:
    push(tx, 0, 5, *basics())
    assert push(tx, 5, 50, without=400) == "gap"
    hq = Headquarters(400, MIA)
    assert offered(tx, hq) == "whole"
    assert push(tx, 5, 50, without=300) == "gap"
    assert push(tx, 5, 50, without=400) == "applied"
    assert (tx.hq_version, tx.members_version) == (50, 5)
    assert push(tx, 50, 401, without=400) == "gap"
    assert push(tx, 50, 400, without=400) == "applied"
    assert (tx.hq_version, tx.members_version) == (400, 5)
    assert push(tx, 400, 402, *MIA) == "applied"  # newer than the snapshot: members as well
    assert (tx.hq_version, tx.members_version, tx.snapshot() is not None) == (402, 5, True)


def test_a_delta_with_members_from_before_says_that_headquarters_decided_otherwise(tx: Tx) -> None:
    push(tx, 0, 5, *basics())
    offered(tx, Headquarters(400, MIA))
    assert push(tx, 5, 50, without=400) == "applied"
    assert push(tx, 50, 60, *MIA) == "gap", "members from before the snapshot, and not where ours are"
    assert push(tx, 2, 5) == "stale"
    assert tx.snapshot() is not None
    assert push(tx, 5, 20, *MIA) == "applied"
    assert (tx.snapshot(), tx.hq_version, tx.members_version) == (None, 20, 20)


def test_a_snapshot_that_was_refused_is_not_asked_for_again_until_it_is_overtaken(tx: Tx) -> None:
    push(tx, 0, 5, *basics())
    offered(tx, Headquarters(400, MIA))
    assert tx.wants_snapshots
    push(tx, 5, 400, without=400)
    tx.give_up(refuse=True)
    assert (tx.hq_version, tx.members_version, tx.wants_snapshots) == (5, 5, False)
    assert offered(tx, Headquarters(400, MIA)) == "refused"
    push(tx, 5, 400, *MIA)
    assert tx.wants_snapshots
