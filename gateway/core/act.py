"""The nouns of consent as frozen values: purposes, states, the entries of the log, and how somebody decided.

Part of gateway.core.model, from which everybody imports them.
"""

from enum import StrEnum


class AgeGate(StrEnum):
    """What is known of a member's age; nothing more exact is kept."""

    OVER_16 = "16plus"
    GUARDIAN = "guardian"  # younger, and a parent or guardian agreed
    UNDER_16 = "under16"  # younger, and nobody agreed
    UNKNOWN = "unknown"

    @property
    def known(self) -> bool:
        """Old enough to agree, or somebody agreed for them."""
        return self in (AgeGate.OVER_16, AgeGate.GUARDIAN)
