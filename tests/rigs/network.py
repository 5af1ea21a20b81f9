"""A network of its own for a browser, which a test can cut without anybody being told: no FIN, no RST.

    screen's namespace: cable 192.168.77.2 ---- port \\ shop's namespace: switch 192.168.77.1, where a relay listens

Linux, as root, with iproute2. The namespaces live as long as two processes that end with this one, however it ends,
and take links and addresses along. Not simulated: radio, and a gateway that is cut off itself (its relay is).
"""

import ctypes
import shlex
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import pytest

SHOP, SCREEN = "192.168.77.1", "192.168.77.2"
LIMIT_S = 30  # a command of `ip` takes milliseconds

Cut = Literal["port", "switch"]


class Network:
    """Cut it at the `port`, and the screen's device sees its cable dead; at the `switch`, and everything seems well."""

    def __init__(self, ends: ExitStack) -> None:
        """Raises OSError or CalledProcessError where such a thing can't be made."""
        self._shop, self._screen = namespace(ends), namespace(ends)
        ip(self._shop, "link add name switch type bridge")
        ip(self._shop, f"link add name port master switch type veth peer name cable netns {self._screen}")
        for there, name, address in ((self._shop, "switch", SHOP), (self._screen, "cable", SCREEN)):
            ip(there, f"address add {address}/24 dev {name}")
            ip(there, f"link set {name} up")
        self.heal("port")

    def cut(self, where: Cut) -> None:
        ip(self._shop, f"link set {where} down")

    def heal(self, where: Cut) -> None:
        ip(self._shop, f"link set {where} up")

    def lose(self, share: float) -> None:
        """From now on this share of all packets is lost, in either direction; skips where none can be."""
        try:
            for namespace in (self._shop, self._screen):
                _run(namespace, "iptables --flush INPUT")
                if share:
                    _run(namespace, f"iptables --append INPUT -m statistic --mode random --probability {share} -j DROP")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no packets can be lost here, which needs iptables and its statistic match: {error.stderr}")

    def listening(self) -> socket.socket:
        """A listening socket at the shop's end: a socket stays in the namespace of the thread that made it."""

        def make() -> socket.socket:
            with Path(f"/proc/{self._shop}/ns/net").open() as namespace:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(namespace.fileno(), 0) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return socket.create_server((SHOP, 0))

        with ThreadPoolExecutor(1) as thread:  # which ends here, and is the only one that has moved
            return thread.submit(make).result()

    def at_the_screen(self, program: str, folder: Path) -> Path:
        """A script in `folder` that runs this program in the screen's namespace."""
        script = folder / "at-the-screen"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(inside(self._screen))} {shlex.quote(program)} "$@"\n')
        script.chmod(0o700)
        return script


def namespace(ends: ExitStack) -> int:
    """The pid of a process in a network namespace of its own, with loopback; it ends with its standard input."""
    waiting = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"]
    process = subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ends.enter_context(process)  # closes its standard input and waits for its end
    assert process.stdout is not None and process.stderr is not None
    if process.stdout.readline() != b"up\n":
        raise OSError(process.stderr.read().decode().strip())
    return process.pid


def inside(namespace: int) -> list[str]:
    return ["nsenter", f"--net=/proc/{namespace}/ns/net", "--"]


def ip(namespace: int, words: str) -> None:
    _run(namespace, f"ip {words}")


def _run(namespace: int, words: str) -> None:
    subprocess.run([*inside(namespace), *words.split()], check=True, capture_output=True, text=True, timeout=LIMIT_S)


@contextmanager
def network() -> Iterator[Network]:
    """A network that is whole; skips where this machine lets none be made."""
    with ExitStack() as ends:
        try:
            one = Network(ends)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network can be made here, which needs root and Linux with veth and bridge: {error.stderr}")
        except OSError as error:
            pytest.skip(f"no network can be made here, which needs root, unshare, nsenter and iproute2: {error}")
        yield one
