"""What can be wrong between us and BlueZ, in plain words, and how patient we are with it."""

from gateway.errors import UnavailableError

_BUS = "org.freedesktop.DBus"

# Answers take milliseconds; the slowest seen, an adapter that is just coming up, 3 s.
CALL_S = 10
STOP_S = 5
# An adapter that has just appeared answers Busy for a second or two. 3 s in all, then the supervisor's turn.
RETRY_PAUSES_S = (0.2, 0.4, 0.8, 1.6)
PASSING = ("busy", "off")

# What a person in the shop reads and can do.
TROUBLES = {
    "no_bus": ("there is no D-Bus system bus", "Start dbus; in a container, mount /run/dbus."),
    "no_bluez": ("BlueZ is not running", "sudo systemctl start bluetooth"),
    "denied": ("this user may not use Bluetooth", "Add the service's user to the group bluetooth."),
    "no_adapter": ("the Bluetooth adapter is not there", "Plug it in, or name another one in [[source]]."),
    "off": ("the Bluetooth adapter is switched off", "sudo systemctl restart bluetooth; else replug the adapter."),
    "blocked": ("the Bluetooth adapter is blocked (rfkill)", "sudo rfkill unblock bluetooth"),
    "busy": ("the Bluetooth adapter is busy", "Stop other programs that scan; else replug the adapter."),
    "no_answer": ("BlueZ does not answer", "sudo systemctl restart bluetooth"),
    "other": ("Bluetooth failed", "sudo systemctl restart bluetooth; then run store-gateway doctor."),
}
_NAME_OF = {
    f"{_BUS}.Error.ServiceUnknown": "no_bluez",
    f"{_BUS}.Error.NameHasNoOwner": "no_bluez",
    f"{_BUS}.Error.NoReply": "no_answer",
    f"{_BUS}.Error.AccessDenied": "denied",
    f"{_BUS}.Error.UnknownObject": "no_adapter",
    f"{_BUS}.Error.UnknownMethod": "no_adapter",  # what BlueZ itself answers for a path that is gone
    f"{_BUS}.Error.InvalidArgs": "no_property",
    f"{_BUS}.Error.UnknownProperty": "no_property",
    "org.bluez.Error.NotReady": "off",
    "org.bluez.Error.Blocked": "blocked",
    "org.bluez.Error.Busy": "busy",
    "org.bluez.Error.InProgress": "busy",
}


class BluezError(UnavailableError):
    """What is wrong with bus, BlueZ or adapter: `name` is a key of TROUBLES, the text is for people."""

    def __init__(self, name: str) -> None:
        detail, self.action = TROUBLES.get(name, TROUBLES["other"])
        super().__init__(detail)
        self.name = name


def name_of(dbus_error: str | None) -> str:
    """The key of TROUBLES for the name of a D-Bus error; "no_property" and "other" besides."""
    return _NAME_OF.get(dbus_error or "", "other")
