"""Whom and what a change of headquarters' touched: what has to be followed after its commit."""

from dataclasses import dataclass, field

from gateway.core.model import Credential

# Credentials that may resolve, each from the one instant (ms) to the other, None = no end.
Recognised = tuple[tuple[Credential, int, int | None], ...]


@dataclass(slots=True)
class Touched:
    """What the surfaces, the resolver and the caches must follow after the commit."""

    outcome: str = "applied"  # or "gap" (another parent is needed) or "stale" (known already)
    version: int = 0  # that it leads to
    members: set[str] = field(default_factory=set)
    cleared: set[str] = field(default_factory=set)  # wiped from every surface
    erased: set[str] = field(default_factory=set)
    recognised: dict[str, Recognised] = field(default_factory=dict)
    catalogue: bool = False
    tries_offers: bool | None = None  # None = none of them has changed yet
    shop: bool = False
    segments: bool = False
    content: bool = False  # or the brand
    staff: bool = False
    settings: bool = False
    keys: bool = False
    bindings: set[str] = field(default_factory=set)  # one-time codes that count no more
    counts: list[str] = field(default_factory=list)  # counters to raise, fixed words of ours
    refused_offers: int = 0  # passed over
    refused_segments: int = 0
    suppressed: int = 0  # changes about members who were erased; they changed nothing
