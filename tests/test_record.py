"""drivers.record: what is written, what is not, and that it can be played again."""

import json
import os
import resource
from pathlib import Path

import pytest

from drivers import frames, record, replay, tags
from drivers.mask import KEY_BYTES, Mask
from drivers.record import Recorder
from drivers.talk import Found, Refused
from gateway.core.model import CredentialKind, Proof, Token, Trouble
from gateway.errors import ConfigError, StoreError
from tests.rigs.listener import NOW_MS, StillClock, everything_in, holds

ANCHOR = Token(CredentialKind.UID, bytes(range(16)))
MEMBER = Token(CredentialKind.IBEACON, bytes(range(100, 120)))
MEMBER_CARD = Token(CredentialKind.NDEF, b"https://card.example/1")
EID = bytes.fromhex("5eed5eed00c0ffee")
ADDRESS = bytes.fromhex("c01122334455")
FEAA = "0000feaa-0000-1000-8000-00805f9b34fb"


def recorder(path: Path, clock: StillClock | None = None) -> Recorder:
    return Recorder(path, clock or StillClock(), Mask(bytes(KEY_BYTES)), {ANCHOR}, {MEMBER, MEMBER_CARD}.__contains__)


def records(path: Path) -> list[replay.Record]:
    found = list(replay.scan(path))
    assert all(isinstance(item, replay.Adv | replay.Touch) for item in found)
    return found


def test_a_strangers_frame_is_replaced_and_the_shops_own_are_kept(tmp_path: Path) -> None:
    path, clock = tmp_path / "r.jsonl", StillClock()
    ears = recorder(path, clock)
    stranger = frames.encode_eid(EID, -20)
    kept = frames.encode_uid(ANCHOR.value, -20), frames.encode_ibeacon(MEMBER.value, -59)
    ears.heard("door", -61, stranger, ADDRESS)
    clock.at_ms += 40
    for ad in kept:
        ears.heard("till", -70, ad, ADDRESS)
    ears.close()
    first, *rest = records(path)
    assert isinstance(first, replay.Adv)
    assert (first.t_ms, first.receiver, first.rssi_dbm) == (0, "door", -61)
    assert isinstance(token := frames.decode(first.ad), Token)
    assert token.kind is CredentialKind.EID
    assert token.value != EID
    assert first.address.startswith(("C", "D", "E", "F"))  # still a static random address
    assert rest == [replay.Adv(40, "till", -70, ad, "C0:11:22:33:44:55") for ad in kept]
    text = path.read_text()
    assert EID.hex() not in text
    assert text.upper().count("C0:11:22:33:44:55") == 2
    assert ears.counts == {"eid": 1, "anchor": 1, "member": 1}


def test_fields_become_structures(tmp_path: Path) -> None:
    ears = recorder(tmp_path / "r.jsonl")
    ears.heard_fields("door", -61, {FEAA: b"\x00\xee" + ANCHOR.value}, {0x004C: b"\x10\x05secret"}, [FEAA])
    ears.heard_fields("door", -61, {}, {1: bytes(300)})  # no structure holds so much
    ears.close()
    (only,) = records(tmp_path / "r.jsonl")
    assert isinstance(only, replay.Adv)
    assert (
        only.ad == bytes.fromhex("0303aafe" + "1516aafe00ee") + ANCHOR.value + bytes.fromhex("0bff4c001005") + b"secret"
    )
    assert only.address == ""
    assert ears.counts == {"anchor": 1, "no_structure": 1}


def test_cards_are_replaced_but_a_members(tmp_path: Path) -> None:
    ears = recorder(tmp_path / "r.jsonl")
    member, stranger = tags.encode_uri(MEMBER_CARD.value.decode()), tags.encode_uri("https://card.example/2")
    for ndef in (member, stranger, None, b"\xff\xff", b""):
        ears.touched("till-nfc", ndef)
    ears.close()
    found = [item.ndef for item in records(tmp_path / "r.jsonl") if isinstance(item, replay.Touch)]
    assert found[0] == member
    assert found[1] is not None
    assert len(found[1]) == len(stranger)
    assert b"example" not in found[1]
    assert (found[2], found[4]) == (None, b"")
    assert ears.counts == {"member_card": 1, "card": 4}


def test_a_live_readers_cards_are_written_as_what_they_show_everybody(tmp_path: Path) -> None:
    ears = recorder(tmp_path / "r.jsonl")
    stranger = Token(CredentialKind.NDEF, b"https://card.example/2")
    proof = Token(CredentialKind.PASS, b"M-000042")
    for outcome in (
        Found(MEMBER_CARD, Proof.BEARER),
        Found(stranger, Proof.BEARER),
        Found(proof, Proof.BEARER),
        Refused("torn", Trouble.AGAIN),
        None,
    ):
        ears.presented("till-nfc", outcome)
    ears.close()
    ndefs = [item.ndef for item in records(tmp_path / "r.jsonl") if isinstance(item, replay.Touch)]
    assert ndefs[0] is not None
    assert tags.decode(ndefs[0]) == MEMBER_CARD
    assert ndefs[1] is not None
    assert tags.decode(ndefs[1]) not in (None, stranger)
    assert ndefs[2:] == [None] * 3
    assert b"000042" not in (tmp_path / "r.jsonl").read_bytes()


def test_the_ears_keep_nothing_of_a_stranger(tmp_path: Path) -> None:
    ears = recorder(tmp_path / "r.jsonl")
    name = b"Mia's phone"
    ears.heard("door", -61, frames.encode_eid(EID, -20) + bytes([len(name) + 1, 9]) + name, ADDRESS)
    ears.touched("till-nfc", tags.encode_uri("https://stranger.example/0815"))
    ears.flush()
    reachable = [*everything_in(ears), (tmp_path / "r.jsonl").read_text()]
    assert holds(reachable, ANCHOR.value)  # the search finds what is there
    for trace in (EID, name, ADDRESS, "C0:11:22:33:44:55", "stranger.example", "Mia"):
        assert not holds(reachable, trace)
    ears.close()


def test_an_anchor_tells_each_receiver_that_it_is_not_deaf(tmp_path: Path) -> None:
    ears = recorder(tmp_path / "r.jsonl")
    assert ears.last_anchor_ms("door") is None
    ears.heard("door", -61, frames.encode_uid(ANCHOR.value, -20))
    ears.heard("till", -61, frames.encode_eid(EID, -20))
    assert ears.has_anchors
    assert (ears.last_anchor_ms("door"), ears.last_anchor_ms("till")) == (NOW_MS, None)
    ears.close()


def test_every_stranger_is_counted_by_kind(tmp_path: Path) -> None:
    ears = recorder(tmp_path / "r.jsonl")
    for ad in (
        b"",
        bytes.fromhex("0516aafe4001"),
        bytes.fromhex("14ff4c0001") + bytes(16),
        frames.encode_eid(EID, 0)[:-1],
    ):
        ears.heard("door", -61, ad)
    ears.close()
    assert ears.counts == {"not_ours": 1, "find_hub": 1, "ios_overflow": 1, "malformed": 1}


def test_times_never_run_backwards(tmp_path: Path) -> None:
    clock = StillClock()
    ears = recorder(tmp_path / "r.jsonl", clock)
    for step_ms in (0, 500, -300, 100):
        clock.at_ms += step_ms
        ears.heard("door", -61, b"")
    ears.close()
    assert [item.t_ms for item in records(tmp_path / "r.jsonl")] == [0, 500, 500, 500]


def test_only_the_owner_can_read_it_and_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    before = os.umask(0)
    try:
        recorder(path).close()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    for wrong, words in ((path, "there already"), (tmp_path / "no" / "r.jsonl", "cannot be made")):
        with pytest.raises(ConfigError, match=words):
            recorder(wrong)


def test_a_flush_lets_others_see_the_lines(tmp_path: Path) -> None:
    ears = recorder(tmp_path / "r.jsonl")
    ears.heard("door", -61, b"")
    assert (tmp_path / "r.jsonl").read_text() == ""
    ears.flush()
    assert json.loads((tmp_path / "r.jsonl").read_text())["receiver"] == "door"
    ears.close()


def test_a_full_file_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MAX_FILE_BYTES", 300)
    ears = recorder(tmp_path / "r.jsonl")
    for _ in range(9):
        ears.heard("door", -61, bytes(20))
    assert ears.full
    ears.close()
    assert 200 < (tmp_path / "r.jsonl").stat().st_size <= 300
    assert 1 < ears.counts["not_ours"] == len(records(tmp_path / "r.jsonl")) < 9


def test_a_disk_that_refuses_is_told_at_the_flush_and_not_to_the_source(tmp_path: Path) -> None:
    ears = recorder(tmp_path / "r.jsonl")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, ears._file.fileno())
    os.close(full)
    ears.heard("door", -61, b"")
    with pytest.raises(StoreError, match=r"r\.jsonl: cannot be written \(No space left"):
        ears.flush()
    assert ears.full
    ears.heard("door", -61, b"")
    assert ears.counts == {"not_ours": 1}
    with pytest.raises(StoreError):
        ears.close()


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path) -> None:
    path, limits = tmp_path / "r.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    ears = recorder(path)
    for _ in range(20):
        ears.heard("door", -61, bytes(20))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            ears.flush()
        assert path.stat().st_size == 1_000
        with pytest.raises(StoreError):
            ears.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes().endswith(b"}\n")
    assert 800 < path.stat().st_size < 1_000
    assert len(records(path)) > 5
