"""A client of paho that tries every address of a name, leaves no socket behind and reports the end of its thread."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode

from sync import brokerwords

TCP_TIMEOUT_S = 5.0  # TLS too
# All addresses of the broker's name share this: one that swallows everything may not hide those behind it.
ADDRESSES_TIMEOUT_S = 8.0
MAX_ADDRESSES = 8  # a second each


class Client(mqtt.Client):
    """A paho client that tries every address of a name, and whose network thread reports its own end."""

    ended: Callable[[brokerwords.Said | None], None]
    turn = 0  # with which of the addresses to begin
    shakes_hands = False  # the port took the connection, and TLS began
    alert: brokerwords.Said | None = (
        None  # what the broker says about our certificate; TLS 1.3 tells it after the handshake
    )

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        """The network thread. `ended` gets the reason why there was no connection, or None if there was one."""
        unreachable: brokerwords.Said | None = None
        try:
            # paho would try a first connection again and again, without jitter.
            return super().loop_forever(timeout, retry_first_connection=False)
        except (OSError, ValueError) as error:  # ValueError: no possible host name
            unreachable = self.unreachable(error)
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        finally:
            self.ended(unreachable or self.alert)

    def unreachable(self, error: Exception) -> brokerwords.Said:
        """What this error of connecting means."""
        return brokerwords.unreachable(error, self.shakes_hands)

    def _create_socket_connection(self) -> socket.socket:
        """As paho's, but bounded over all addresses and beginning with another one each time."""
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        turn = self.turn % len(found)
        order = (found[turn:] + found[:turn])[:MAX_ADDRESSES]
        each_s = min(TCP_TIMEOUT_S, ADDRESSES_TIMEOUT_S / len(order))
        for family, kind, proto, _, where in order[:-1]:
            with suppress(OSError):
                return _reach(family, kind, proto, where, each_s)
        family, kind, proto, _, where = order[-1]
        return _reach(family, kind, proto, where, each_s)

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        """As paho's, but a handshake that fails leaves no open socket behind."""
        assert self._ssl_context is not None
        sock, self.shakes_hands = tcp_sock, True
        try:
            wrapped = self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
            sock = wrapped
            wrapped.settimeout(TCP_TIMEOUT_S)
            wrapped.do_handshake()
        except (OSError, ValueError):
            sock.close()
            raise
        return wrapped


def _reach(family: int, kind: int, proto: int, where: Any, timeout_s: float) -> socket.socket:
    sock = socket.socket(family, kind, proto)
    try:
        sock.settimeout(timeout_s)
        sock.connect(where)
    except OSError:
        sock.close()
        raise
    return sock
