"""gateway.core.rotation: both rotating kinds behind one pair of functions."""

from gateway.core import apptoken, eid
from gateway.core.model import CredentialKind
from gateway.core.rotation import tokens, window_s

KEY = bytes(range(16))


def test_each_kind_has_its_window() -> None:
    assert window_s(CredentialKind.EID, 10) == 1024
    assert window_s(CredentialKind.APP, 10) == apptoken.WINDOW_S == 900


def test_each_kind_shows_its_own_tokens() -> None:
    assert tokens(CredentialKind.EID, KEY, 10, [0, 5]) == [eid.eid(KEY, 0, 10), eid.eid(KEY, 5 << 10, 10)]
    assert tokens(CredentialKind.APP, KEY, 10, [7]) == [apptoken.token(KEY, 7)]
