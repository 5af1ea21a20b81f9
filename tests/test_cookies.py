"""Cookies made from the manager's key open the tablet; nothing else does."""

from hypothesis import given
from hypothesis import strategies as st

from display import cookies

TABLET = "0123456789abcdef" * 2


def test_a_cookie_gives_its_tablet_back_and_hides_the_key() -> None:
    cookie = cookies.cookie_for(TABLET, "sesame-key")
    assert cookies.tablet_of(cookie, "sesame-key") == TABLET
    assert "sesame" not in cookie


def test_another_key_ends_all_cookies() -> None:
    assert cookies.tablet_of(cookies.cookie_for(TABLET, "old"), "new") is None


@given(st.text(max_size=120))
def test_made_up_cookies_open_nothing(cookie: str) -> None:
    assert cookies.tablet_of(cookie, "sesame-key") is None


@given(st.integers(0, 96), st.sampled_from("0123456789abcdef."))
def test_a_changed_character_spoils_the_cookie(at: int, character: str) -> None:
    cookie = cookies.cookie_for(TABLET, "sesame-key")
    changed = cookie[:at] + character + cookie[at + 1 :]
    assert (cookies.tablet_of(changed, "sesame-key") is not None) == (changed == cookie)


@given(st.text(max_size=20))
def test_only_the_key_fits(given_key: str) -> None:
    assert cookies.key_fits(given_key, "sesame-key") == (given_key == "sesame-key")
    assert not cookies.key_fits(given_key, "")


def test_without_a_key_no_cookie_opens() -> None:
    assert cookies.tablet_of(cookies.cookie_for(TABLET, ""), "") is None
    assert cookies.tablet_of(None, "sesame-key") is None
