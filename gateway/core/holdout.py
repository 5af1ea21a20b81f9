"""Who gets no targeted offers, so that what offers bring can be measured. Computed from a keyed hash, never stored."""

import hmac

BUCKETS = 10_000


def bucket(salt: str, member_id: str, offer_id: str = "") -> int:
    """0 to 9,999, the same for ever under this salt; `offer_id`: of the comparison for one offer alone.

    Headquarters computes the same number: HMAC-SHA256 with the UTF-8 salt as key over the pseudonym, or over offer id,
    line feed and pseudonym; the first 8 bytes, big endian, modulo 10,000.
    """
    said = f"{offer_id}\n{member_id}" if offer_id else member_id
    digest = hmac.digest(salt.encode(), said.encode(), "sha256")
    return int.from_bytes(digest[:8], "big") % BUCKETS


def is_held_out(share_bp: int, salt: str, member_id: str, offer_id: str = "") -> bool:
    """Whether this member is among the `share_bp` of 10,000 who are left out. Nobody is without a salt."""
    return bool(salt) and share_bp > 0 and bucket(salt, member_id, offer_id) < share_bp
