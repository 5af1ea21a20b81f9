"""What a keyed credential shows in which window: Eddystone-EID and the phone token behind one pair of functions."""

from collections.abc import Sequence

from gateway.core import apptoken, eid
from gateway.core.model import CredentialKind


def window_s(kind: CredentialKind, exponent: int) -> int:
    """Seconds for which one token is shown."""
    return apptoken.WINDOW_S if kind is CredentialKind.APP else 1 << exponent


def tokens(kind: CredentialKind, key: bytes, exponent: int, windows: Sequence[int]) -> list[bytes]:
    """The 8-byte token of each window, in their order; windows are numbers since the device's own zero."""
    if kind is CredentialKind.APP:
        return [apptoken.token(key, window) for window in windows]
    return eid.eids(key, windows, exponent)
