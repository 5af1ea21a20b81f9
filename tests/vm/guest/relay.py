"""A door for the host's browser: what arrives at the machine's only network card goes to the service's own port, so
that it is answered like the screen that hangs on the box. Standard library only."""

import contextlib
import socket
import threading
from pathlib import Path

from host import sh

ADDRESS = "10.0.2.15"  # QEMU's own network expects its guest there


def relay(number: int) -> None:
    """From now on, in threads of their own."""
    (card,) = (path.name for path in Path("/sys/class/net").iterdir() if path.name != "lo")
    sh("ip", "address", "add", f"{ADDRESS}/24", "dev", card)
    sh("ip", "link", "set", card, "up")
    door = socket.create_server((ADDRESS, number))
    threading.Thread(target=_serve, args=(door, number), daemon=True).start()


def _serve(door: socket.socket, number: int) -> None:
    while True:
        one, _ = door.accept()
        other = socket.create_connection(("127.0.0.1", number))
        for pair in ((one, other), (other, one)):
            threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
