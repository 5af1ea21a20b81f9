"""Who takes how many places for baskets: those in which nothing was scanned yet, and whose address opened the others.

Pure; in memory only, so that beginning a basket costs the disk nothing. How many baskets the disk holds in all is for
gateway.basketacts to say.
"""

import ipaddress
from dataclasses import dataclass, replace

from gateway.core.basket import Basket

# From the door to the first article. Whoever takes longer begins anew; the page does so by itself.
FRESH_MS = 300_000
# Customers who have begun and not scanned. At 1 kB each it is 0.5 MB at the very worst.
MAX_FRESH = 500
MAX_FRESH_SOURCE = 20  # a customer has one; somebody with a script pushes out their own
# Baskets of nobody who is known, from one address. A phone has one. Behind a proxy with TLS all phones have the same
# address: so many shop there at once without having checked in. 6 addresses fill what is not kept for members.
MAX_OPEN_SOURCE = 60
_NETWORK_BYTES = 8  # of the 16 of an IPv6 address: what a network hands out as one


def host_of(source: str) -> str:
    """Who counts as one address: of IPv6 the /64, in which every device may take as many addresses as it likes."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv4Address):
        return source
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return address.packed[:_NETWORK_BYTES].hex()


@dataclass(frozen=True, slots=True)
class _Fresh:
    basket: Basket
    source: str
    ends_ms: int


class Places:
    """`source`: the address that a request came from, by `host_of`. A restart forgets all of it."""

    def __init__(self) -> None:
        self._fresh: dict[bytes, _Fresh] = {}  # by what a phone shows; oldest first
        self._open: dict[str, str] = {}  # basket with something in it -> source, of those who are not known

    def has_room(self, source: str) -> bool:
        """Whether somebody who is not known may fill one more basket from there."""
        host = host_of(source)
        return sum(one == host for one in self._open.values()) < MAX_OPEN_SOURCE

    def begun(self, cookie: bytes, basket: Basket, source: str, now_ms: int) -> None:
        """A basket with nothing in it. Of a member and of an address with too many, the oldest goes."""
        member_id = basket.member_id
        if member_id is not None:
            self.forget(member_id)
        source = f"member {member_id}" if member_id is not None else f"address {host_of(source)}"
        mine = [key for key, one in self._fresh.items() if one.source == source]
        if len(mine) >= MAX_FRESH_SOURCE:
            del self._fresh[mine[0]]
        elif len(self._fresh) >= MAX_FRESH:
            del self._fresh[self._crowded()]
        self._fresh[cookie] = _Fresh(basket, source, now_ms + FRESH_MS)

    def fresh(self, cookie: bytes, now_ms: int) -> Basket | None:
        """The basket with nothing in it that this phone has begun, while it counts."""
        one = self._fresh.get(cookie)
        return None if one is None or now_ms >= one.ends_ms else one.basket

    def filled(self, cookie: bytes, basket: Basket, source: str) -> None:
        """Something is in it now, and it is on the disk."""
        if self._fresh.pop(cookie, None) is not None and basket.member_id is None:
            self._open[basket.basket_id] = host_of(source)

    def let_go(self, cookie: bytes) -> None:
        """The person is done without having scanned."""
        self._fresh.pop(cookie, None)

    def over(self, basket_id: str) -> None:
        """It is at the till, or gone."""
        self._open.pop(basket_id, None)

    @property
    def members(self) -> set[str]:
        """Who has begun and not scanned yet."""
        return {one.basket.member_id for one in self._fresh.values() if one.basket.member_id is not None}

    def forget(self, member_id: str) -> int:
        """What this member has begun goes on as nobody's, without benefits; how many that were."""
        mine = [key for key, one in self._fresh.items() if one.basket.member_id == member_id]
        for key in mine:
            one = self._fresh[key]
            self._fresh[key] = replace(one, basket=replace(one.basket, member_id=None, offers=()))
        return len(mine)

    def expire(self, now_ms: int) -> None:
        """Let go of what nobody filled."""
        self._fresh = {key: one for key, one in self._fresh.items() if now_ms < one.ends_ms}

    def shift(self, delta_ms: int) -> None:
        """Follow a step of the clock."""
        self._fresh = {key: replace(one, ends_ms=one.ends_ms + delta_ms) for key, one in self._fresh.items()}

    def _crowded(self) -> bytes:
        """The oldest one of whoever has the most."""
        by: dict[str, list[bytes]] = {}
        for key, one in self._fresh.items():
            by.setdefault(one.source, []).append(key)
        return max(by.values(), key=len)[0]
