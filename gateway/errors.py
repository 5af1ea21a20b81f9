"""Errors by who must act. "No consent" and "nothing eligible" are values with a reason, never errors."""


class GatewayError(Exception):
    """Base of every error this product raises on purpose."""


class ConfigError(GatewayError):
    """The operator must act: exit status 78, and systemd does not restart."""

    EXIT_STATUS = 78  # EX_CONFIG of sysexits.h


class PeerError(GatewayError):
    """The other side sent rubbish: count `reason`, drop, never log the payload.

    `field` names the place for an operator whose own file it is, and `said` every fault in words; both may be the
    peer's words, so they are never logged.
    """

    def __init__(self, reason: str, field: str = "", said: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.said = said


class UnavailableError(GatewayError):
    """An adapter, reader or broker is not there: retry with jittered back-off. `step`: what a person can do about this
    very trouble, "" = what always helps."""

    def __init__(self, said: str = "", step: str = "") -> None:
        super().__init__(said)
        self.step = step


class BusyError(UnavailableError):
    """The broker asks for fewer of us: stay away for longer."""


class RivalError(UnavailableError):
    """Another box came to the broker under our name, and the broker threw us out."""


class CutError(UnavailableError):
    """The broker ended a connection that stood, without a word."""


class StoreError(GatewayError):
    """The disk refused: nothing was committed, health turns red, nothing is shown. `step`: as of UnavailableError."""

    def __init__(self, said: str = "", step: str = "") -> None:
        super().__init__(said)
        self.step = step


class SealError(GatewayError):
    """A sealed value does not open: another key or place, or it was changed. Names its kind of place alone."""
