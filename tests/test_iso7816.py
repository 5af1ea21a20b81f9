"""drivers.iso7816: commands, status words and data objects; rubbish ends in PeerError and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import iso7816
from gateway.errors import PeerError


def test_commands_are_short_ones_with_le() -> None:
    assert iso7816.select(b"OSE.VAS.01").hex() == "00a404000a4f53452e5641532e303100"
    assert iso7816.command(b"\x90\xc0\x00\x00").hex() == "90c0000000"
    with pytest.raises(ValueError, match="255"):
        iso7816.command(b"\x90\x53\x00\x00", bytes(256))


def test_a_reply_is_data_and_status_word() -> None:
    assert iso7816.split(b"ab\x90\x00") == (b"ab", iso7816.OK)
    assert iso7816.split(b"\x6a\x82") == (b"", iso7816.NOT_FOUND)


@pytest.mark.parametrize("reply", [b"", b"\x90", bytes(iso7816.REPLY_BYTES_MAX + 1)])
def test_a_reply_without_status_word_or_end_is_refused(reply: bytes) -> None:
    with pytest.raises(PeerError, match="reply_size"):
        iso7816.split(reply)


tags = st.one_of(
    st.integers(1, 0xFF).filter(lambda tag: tag & 0x1F != 0x1F),
    st.builds(lambda high, low: (high << 5 | 0x1F) << 8 | low, st.integers(0, 7), st.integers(0, 0x7F)),
    st.builds(
        lambda high, middle, low: ((high << 5 | 0x1F) << 8 | 0x80 | middle) << 8 | low,
        st.integers(0, 7),
        st.integers(0, 0x7F),
        st.integers(0, 0x7F),
    ),
)
values = st.one_of(st.binary(max_size=40), st.integers(120, 700).map(bytes))


@given(st.lists(st.tuples(tags, values), max_size=5))
def test_data_objects_round_trip(objects: list[tuple[int, bytes]]) -> None:
    data = b"".join(iso7816.tlv(tag, value) for tag, value in objects)
    assert iso7816.tlvs(data) == objects


def test_a_path_leads_to_the_first_of_its_name_and_opens_nothing_else() -> None:
    data = bytes.fromhex("6f 0b 50 01 aa 50 01 bb a5 03 5f ff ff".replace(" ", ""))
    assert iso7816.find(data, 0x6F, 0x50) == b"\xaa"
    assert iso7816.find(data, 0x6F, 0x51) is None
    assert iso7816.find(data, 0x70, 0x50) is None
    with pytest.raises(PeerError, match="tlv_malformed"):  # there is rubbish only if one looks
        iso7816.find(data, 0x6F, 0xA5, 0x50)


@pytest.mark.parametrize(
    "data", ["50", "5002aa", "9f", "5f8080", "5fffffff01aa", "5083000001aa", "5080", "508200", "5081"]
)
def test_what_is_cut_short_or_without_end_is_malformed(data: str) -> None:
    with pytest.raises(PeerError, match="tlv_malformed"):
        iso7816.tlvs(bytes.fromhex(data))


@given(st.binary(max_size=200), st.lists(st.sampled_from([0x6F, 0x50, 0x70, 0x9F27, 0xBF0C]), max_size=4))
def test_any_bytes_end_in_a_value_none_or_peer_error(data: bytes, path: list[int]) -> None:
    try:
        found = iso7816.find(data, *path)
    except PeerError as error:
        assert error.reason == "tlv_malformed"
    else:
        assert found is None or found in data
