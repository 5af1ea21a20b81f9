"""What this box is called in its network: its host name, and its addresses as the kernel lists them (Linux)."""

import ipaddress
import re
import socket
from pathlib import Path

PROC = Path("/proc/self/net")  # what a unit with ProcSubset=pid sees, too
_LOCAL = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL")
_LINK_SCOPE = "20"


def host_names() -> tuple[str, ...]:
    """The box's name, and the one under which it answers in the local network (mDNS, RFC 6762)."""
    name = socket.gethostname().lower()
    first = name.partition(".")[0]
    return tuple(dict.fromkeys((name, f"{first}.local"))) if first and first != "localhost" else ()


def addresses(proc: Path = PROC) -> tuple[str, ...]:
    """Addresses of all interfaces; none where the kernel does not tell. Link-local IPv6 ones are left out: no browser
    can open them."""
    found = dict.fromkeys(_LOCAL.findall(_read(proc / "fib_trie")))
    for line in _read(proc / "if_inet6").splitlines():
        match line.split():
            case [digits, _, _, scope, *_] if scope != _LINK_SCOPE and len(digits) == 32:
                found[str(ipaddress.IPv6Address(bytes.fromhex(digits)))] = None
    return tuple(found)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
