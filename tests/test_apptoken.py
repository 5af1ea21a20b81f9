"""gateway.core.apptoken: the vectors of the public specification, and what tokens have to be."""

import hashlib
import hmac
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from drivers import frames
from gateway.core import apptoken

SPECIFICATION = (Path(__file__).parents[1] / "docs" / "phone-app.md").read_text(encoding="utf-8")
VECTOR = re.compile(r"^\| `([0-9a-f]{32})` \| (\d+) \| (\d+) \| `([0-9a-f]{16})` \|$", re.MULTILINE)

keys = st.binary(min_size=apptoken.KEY_BYTES, max_size=apptoken.KEY_BYTES)
windows = st.integers(0, 2**40)


def test_the_vectors_of_the_specification() -> None:
    vectors = VECTOR.findall(SPECIFICATION)
    assert len(vectors) >= 5
    for key, unix_s, window, token in vectors:
        assert apptoken.window_of(int(unix_s)) == int(window)
        assert apptoken.token(bytes.fromhex(key), int(window)).hex() == token


def test_the_specifications_advertisements_are_what_the_codec_writes() -> None:
    token = bytes.fromhex(VECTOR.findall(SPECIFICATION)[0][3])
    assert frames.encode_app(token).hex(" ") in SPECIFICATION
    assert frames.encode_app_uuid(token).hex(" ") in SPECIFICATION


def test_the_specification_names_the_figures_of_the_code() -> None:
    assert f"{apptoken.WINDOW_S} s" in SPECIFICATION
    assert "`5468052c-3c79-8300-fa4b-efec7cc67009`" in SPECIFICATION
    assert "`store-gateway app token v1`" in SPECIFICATION


@given(keys, windows)
def test_a_token_is_the_beginning_of_the_specified_mac(key: bytes, window: int) -> None:
    message = b"store-gateway app token v1" + window.to_bytes(8, "big")
    assert apptoken.token(key, window) == hmac.new(key, message, hashlib.sha256).digest()[:8]


@given(keys, windows)
def test_another_window_or_key_shows_another_token(key: bytes, window: int) -> None:
    other = bytes([key[0] ^ 1]) + key[1:]
    near = {apptoken.token(key, window + step) for step in range(4)} | {apptoken.token(other, window)}
    assert len(near) == 5


@given(st.integers(-(2**40), 2**40))
def test_all_of_a_window_has_the_same_number_and_a_wrong_clock_still_shows_a_token(unix_s: int) -> None:
    window = apptoken.window_of(unix_s)
    assert window * apptoken.WINDOW_S <= unix_s < (window + 1) * apptoken.WINDOW_S
    assert len(apptoken.token(bytes(16), window)) == apptoken.TOKEN_BYTES
