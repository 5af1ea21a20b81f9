"""base64url: every bytes come back, and no other text stands for them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.base64url import decode, encode


@given(st.binary(max_size=100))
def test_bytes_come_back(raw: bytes) -> None:
    assert decode(encode(raw)) == raw
    assert encode(raw) == base64.urlsafe_b64encode(raw).decode().replace("=", "")


@given(st.text(max_size=12) | st.text("AQgw-_=+/ \n", max_size=12))
def test_no_other_text_stands_for_them(text: str) -> None:
    raw = decode(text)
    assert raw is None or encode(raw) == text


@pytest.mark.parametrize("text", ["A", "AB", "AA==", "A+/A", "AA A", "é", "AQI\n", "A" * 5])
def test_what_is_no_text_of_ours_is_none(text: str) -> None:
    assert decode(text) is None
