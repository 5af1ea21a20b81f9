"""gateway.emulator.type2: memory and commands of NTAGs, and a Classic that refuses."""

import pytest

from gateway.emulator.type2 import CHIPS, Classic, Type2, memory

UID = bytes.fromhex("04a1b2c3d4e5f6")


def tag(ndef: bytes | None = b"\xd0\x00\x00", chip: str = "ntag213", **more: object) -> Type2:
    options = {"cc": None, "announce": None, "lock_tlv": False} | more
    made = Type2(UID, CHIPS[chip], memory(CHIPS[chip], UID, ndef, **options))
    made.select()
    return made


@pytest.mark.parametrize(
    ("chip", "pages", "version", "cc"),
    [
        ("ntag213", 45, "0004040201000f03", "e1101200"),
        ("ntag215", 135, "0004040201001103", "e1103e00"),
        ("ntag216", 231, "0004040201001303", "e1106d00"),
    ],
)
def test_sizes_of_the_family(chip: str, pages: int, version: str, cc: str) -> None:
    card = tag(chip=chip)
    assert card.answer(b"\x60") == bytes.fromhex(version)
    head = card.answer(b"\x30\x00")
    assert head is not None
    assert head[12:] == bytes.fromhex(cc)
    assert head[:3] + head[4:8] == UID
    last = card.answer(bytes([0x30, pages - 1]))
    assert last is not None
    assert last[4:] == head[:12]  # goes on at page 0
    assert card.answer(bytes([0x30, pages])) == b"\x00"


def test_a_message_stands_in_a_tlv() -> None:
    assert tag().answer(b"\x3a\x04\x05") == bytes.fromhex("0303d00000fe0000")


def test_long_messages_have_three_length_bytes() -> None:
    assert tag(bytes(300), "ntag215").answer(b"\x3a\x04\x04") == bytes.fromhex("03ff012c")
    with pytest.raises(ValueError, match="144"):
        tag(bytes(300))


def test_tags_may_be_half_formatted() -> None:
    assert tag(b"\xd1\x01", announce=200).answer(b"\x3a\x03\x05") == bytes.fromhex("e110120003c8d10100000000")
    assert tag(cc=bytes.fromhex("e1ff0000")).answer(b"\x3a\x03\x03") == bytes.fromhex("e1ff0000")
    assert tag(None).answer(b"\x3a\x03\x04") == bytes(8)


def test_a_lock_control_tlv_may_come_first() -> None:
    assert tag(lock_tlv=True).answer(b"\x3a\x04\x06") == bytes.fromhex("0103a00c340303d00000fe00")
    with pytest.raises(ValueError, match="lock control"):
        tag(chip="ntag215", lock_tlv=True)


def test_pages_can_be_written_but_not_the_head() -> None:
    card = tag()
    assert card.answer(bytes.fromhex("a20401020304")) == b"\x0a"
    assert card.answer(b"\x3a\x04\x04") == bytes.fromhex("01020304")
    assert card.answer(bytes.fromhex("a20301020304")) == b"\x00"


@pytest.mark.parametrize("frame", ["1a00", "ff", "", "30", "3a0504", "a20400"])
def test_after_a_refusal_a_tag_waits_to_be_selected(frame: str) -> None:
    card = tag()
    assert card.answer(bytes.fromhex(frame)) == b"\x00"
    assert card.answer(b"\x60") is None
    assert card.polled(0)
    card.select()
    assert card.answer(b"\x60") is not None


def test_a_halted_tag_is_silent_until_the_field_was_off() -> None:
    card = tag()
    assert card.answer(b"\x50\x00") is None
    assert not card.polled(0)
    card.power_off()
    assert card.polled(0)


def test_a_classic_gives_its_uid_only() -> None:
    card = Classic(b"\x5a\x6b\x7c\x8d")
    assert card.answer(b"\x30\x00") is None
    card.select()
    assert card.answer(b"\x30\x00") == b"\x04"
    assert (card.sel_res, card.sens_res) == (0x08, b"\x00\x04")
