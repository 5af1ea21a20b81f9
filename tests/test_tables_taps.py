"""Proofs count once, terminal keys stay sealed, one-time codes end."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from gateway.core.keyring import KeyUse, Sealed
from gateway.core.model import (
    Guard,
    Member,
    TalkingPoint,
)
from gateway.core.spans import DAY_MS
from gateway.records import Tx

TEXT = {"de": "Grüße", "en": "Greetings"}
MEMBER = Member("m1", "Mia", "de", ("coffee",), ("Espresso",), (TalkingPoint(TEXT, TEXT),))
NOW_MS = 10 * DAY_MS


# --- proofs that count once ----------------------------------------------------------------------------------------

TAG = b"t" * 16


def test_a_counter_must_rise(tx: Tx) -> None:
    counts = [5, 6, 6, 5, 1, 7, 900, 899, 900, 901]
    assert [count for count in counts if tx.admit("m1", Guard(TAG, count))] == [5, 6, 7, 900, 901]


def test_each_tag_has_a_counter_of_its_own(tx: Tx) -> None:
    assert tx.admit("m1", Guard(TAG, 9))
    assert tx.admit("m1", Guard(b"u" * 16, 1))
    assert not tx.admit("m1", Guard(TAG, 9))


def test_a_tag_that_changes_hands_keeps_its_counter(tx: Tx) -> None:
    assert tx.admit("m1", Guard(TAG, 9))
    assert not tx.admit("m2", Guard(TAG, 9))
    assert tx.admit("m2", Guard(TAG, 10))
    tx.erase_member("m1")
    assert not tx.admit("m2", Guard(TAG, 10))


def test_what_is_valid_for_a_moment_is_forgotten_after_it_and_counters_never(tx: Tx) -> None:
    assert tx.admit("m1", Guard(TAG, 9))
    assert tx.admit("m1", Guard(b"a" * 16, 1, until_ms=NOW_MS))
    assert tx.admit("m1", Guard(b"b" * 16, 1, until_ms=NOW_MS + 1))
    assert tx.forget_guards(NOW_MS - 1) == 0
    assert tx.forget_guards(NOW_MS) == 1
    assert tx.admit("m1", Guard(b"a" * 16, 1, until_ms=NOW_MS))
    assert not tx.admit("m1", Guard(b"b" * 16, 1, until_ms=NOW_MS + 1))
    assert tx.forget_guards(NOW_MS + 10 * DAY_MS) == 2
    assert not tx.admit("m1", Guard(TAG, 9))


ADMIT = """
import asyncio, sys
from pathlib import Path
from gateway.core.model import Guard
from gateway.store import Store

async def main():
    store = Store(Path(sys.argv[1]), "e" * 32, bytes(32))
    print(await store.run(lambda tx: tx.admit("m1", Guard(b"t" * 16, int(sys.argv[2])))), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def admitted_and_killed(path: Path, count: int) -> str:
    """What a process of its own was told after the commit; it is killed (SIGKILL) as soon as it has said so."""
    process = subprocess.Popen([sys.executable, "-c", ADMIT, path, str(count)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        return process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_replay_is_refused_after_kill_9_of_the_process_that_admitted(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    assert [admitted_and_killed(path, count) for count in (7, 7, 8)] == ["True", "False", "True"]


def test_keys_are_kept_as_they_came_newest_first(tx: Tx) -> None:
    old, new = Sealed("a", KeyUse.SUN, 5, 9, b"sealed"), Sealed("b", KeyUse.HCE, 7, None, b"sealed too")
    for key in (old, new):
        tx.put_terminal_key(key)
    assert tx.terminal_keys() == (new, old)
    tx.put_terminal_key(replace(old, until_ms=None))
    tx.drop_terminal_key("b")
    assert tx.terminal_keys() == (replace(old, until_ms=None),)


def test_a_one_time_code_counts_once_and_in_its_time(tx: Tx) -> None:
    tx.put_member(MEMBER)
    tx.put_binding("b1", "m1", b"c" * 16, 100)
    assert tx.binding(b"c" * 16, 99) == ("b1", "m1")
    assert tx.binding(b"c" * 16, 100) is None
    assert tx.binding(b"d" * 16, 99) is None
    assert tx.spend_binding("b1")
    assert tx.binding(b"c" * 16, 99) is None
    assert not tx.spend_binding("b1")


def test_a_code_of_nobody_opens_nothing(tx: Tx) -> None:
    tx.put_binding("b1", "stranger", b"c" * 16, 100)
    assert tx.binding(b"c" * 16, 99) is None


def test_equal_codes_of_two_members_bind_nobody(tx: Tx) -> None:
    for name in ("m1", "m2"):
        tx.put_member(replace(MEMBER, member_id=name))
        tx.put_binding(f"b-{name}", name, b"c" * 16, 100)
    assert tx.binding(b"c" * 16, 99) is None
    for name in ("m1", "m2"):
        tx.put_binding(f"b-{name}", name, b"c" * 16, 100)
        assert tx.binding(b"c" * 16, 99) is None, "sent once more"


def test_a_code_that_ended_does_not_come_back_when_it_is_sent_once_more(tx: Tx) -> None:
    tx.put_member(MEMBER)
    for code in (b"c" * 16, b"d" * 16):
        tx.put_binding("b1", "m1", code, 100)
        tx.spend_binding("b1")
    for code in (b"c" * 16, b"d" * 16):
        tx.put_binding("b1", "m1", code, 200)
        assert tx.binding(code, 99) is None
    assert b"c" * 16 not in [row["code"] for row in tx._db["binding"].rows]
    tx.purge_bindings(100)
    assert list(tx._db["binding"].rows) == []


def test_codes_out_of_date_are_forgotten(tx: Tx) -> None:
    tx.put_binding("b1", "m1", b"c" * 16, 100)
    tx.put_binding("b2", "m1", b"d" * 16, 101)
    assert not tx.spend_binding("b9")
    tx.purge_bindings(100)
    assert [row["binding_id"] for row in tx._db["binding"].rows] == ["b2"]
