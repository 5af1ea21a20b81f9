"""gateway.ownnames: what the kernel lists, and nothing where it does not."""

import socket
from pathlib import Path

import pytest

from gateway import ownnames

TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.1.2.0/24 2 0 2
        |-- 10.1.2.0
           /24 link UNICAST
        |-- 10.1.2.3
           /32 host LOCAL
        |-- 10.1.2.255
           /32 link BROADCAST
     |-- 127.0.0.1
           /32 host LOCAL
"""
SIX = """fe800000000000000000000000000001 02 40 20 80     eth0
fd000000000000000000000000000002 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
nonsense
"""


def test_addresses_of_all_interfaces(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(TRIE * 2)  # main and local table list the same
    (tmp_path / "if_inet6").write_text(SIX)
    assert ownnames.addresses(tmp_path) == ("10.1.2.3", "127.0.0.1", "fd00::2", "::1")


def test_none_where_the_kernel_does_not_tell(tmp_path: Path) -> None:
    assert ownnames.addresses(tmp_path) == ()


def test_this_machine_has_its_loopback() -> None:
    assert "127.0.0.1" in ownnames.addresses()


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Gateway", ("gateway", "gateway.local")),
        ("gw.shop.example", ("gw.shop.example", "gw.local")),
        ("gw.local", ("gw.local",)),
        ("localhost", ()),
        ("", ()),
    ],
)
def test_host_names(name: str, called: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert ownnames.host_names() == called
