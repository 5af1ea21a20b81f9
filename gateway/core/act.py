"""The nouns of consent as frozen values: purposes, states, the entries of the log, and how somebody decided.

Part of gateway.core.model, from which everybody imports them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Purpose(StrEnum):
    """What a member's data may be used for; each is given and refused on its own."""

    RECOGNISE_BLE = "recognise_ble"
    RECOGNISE_NFC = "recognise_nfc"
    PERSONALISE_OFFERS = "personalise_offers"
    PUBLIC_PERSONAL_GREETING = "public_personal_greeting"
    STAFF_ADVICE = "staff_advice"
    GREET_ON_ENTRY = "greet_on_entry"
    PURCHASE_HISTORY = "purchase_history"
    MARKETING_PUSH = "marketing_push"


class ConsentState(StrEnum):
    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


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


class ClockQuality(StrEnum):
    """What the clock was worth by which an act was dated."""

    SYNCHRONISED = "synchronised"
    DOUBTFUL = "doubtful"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One entry of the append-only consent log, for one purpose. What nobody said is "" or unknown, never invented.

    `hq_seq` orders records as HQ saw them; 0 = made here and not numbered yet. Records of one act share `receipt_id`.
    `supersedes`: event of the record that was in force. `notice_sha256`: 64 hex digits of the text that was shown, in
    `language`. `store_id`: "tenant/store/id" of the gateway where it was done. After ISO/IEC TS 27560:2023.
    """

    event_id: str
    member_id: str
    purpose: Purpose
    state: ConsentState
    given_at_ms: int
    valid_until_ms: int | None = None
    hq_seq: int = 0
    notice_version: str = ""
    channel: str = "unknown"  # tablet, app, web, paper, hq, ...
    receipt_id: str = ""
    supersedes: str = ""
    notice_id: str = ""
    notice_sha256: str = ""
    language: str = ""
    jurisdiction: str = ""
    method: str = "unknown"  # by what gesture: toggle, signature, import, ...
    device_id: str = ""
    store_id: str = ""
    staff_id: str = ""
    age_gate: AgeGate = AgeGate.UNKNOWN
    clock: ClockQuality = ClockQuality.UNKNOWN


@dataclass(frozen=True, slots=True)
class Act:
    """How somebody decided about their purposes, in the words of ConsentRecord."""

    channel: str
    method: str = "unknown"
    device_id: str = ""
    staff_id: str = ""
    language: str = ""
    age_gate: AgeGate = AgeGate.UNKNOWN
    notice_version: str = ""
    notice_sha256: str = ""
    clock: ClockQuality = ClockQuality.UNKNOWN
