"""What can be wrong with a card reader, in the words of health, and what a person in the shop can do about it."""

import errno

from gateway.errors import GatewayError, UnavailableError


class FaultError(GatewayError):
    """The reader failed, not the card: a command was not answered or the device vanished. Once is nothing."""


class LostError(UnavailableError):
    """The reader cannot be used; `action` is what a person can do; `absent`: there is no such device."""

    def __init__(self, detail: str, action: str, absent: bool = False) -> None:
        super().__init__(detail)
        self.action = action
        self.absent = absent


def unplugged() -> LostError:
    """Its device vanished while it was in use."""
    return LostError("The card reader was unplugged.", "Plug the reader in again.", absent=True)


def silent() -> LostError:
    """It is there and does not answer any more."""
    return LostError(
        "The card reader stopped answering.",
        "It is being reset. If it stays like this, unplug the reader, wait ten seconds, plug it in again.",
    )


def not_opened(path: str, error: Exception) -> LostError:
    """It could not be opened, with what the system or a library said."""
    match error.errno if isinstance(error, OSError) else None:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            detail = f"There is no card reader at {path}."
            action = "Plug the reader in, or correct the path in the configuration."
            return LostError(detail, action, absent=True)
        case errno.EACCES | errno.EPERM:
            detail = f"The card reader at {path} may not be opened."
            action = "Add the gateway's user to the groups dialout and plugdev."
        case errno.EBUSY | errno.EAGAIN:
            detail = f"Another program uses the card reader at {path}."
            action = "Stop the other program."
        case _:
            detail = f"The card reader at {path} does not answer."
            action = "Unplug the reader, wait ten seconds, plug it in again; on a Pi HAT check the switches for HSU."
    return LostError(detail, action)
