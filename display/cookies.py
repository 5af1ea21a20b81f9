"""Who may open a staff page: the manager's key and the cookie made from it. The key itself is never stored in one."""

import hashlib
import hmac

COOKIE = "store_gateway_tablet"
COOKIE_MAX_AGE_S = 30 * 86_400  # a lost tablet falls out after a month, or at once with a new key
_ID_CHARS = 32  # 128 random bits in hex


def key_fits(given: str, key: str) -> bool:
    """Compare in constant time; an empty key fits nobody."""
    return bool(key) and hmac.compare_digest(given.encode(errors="replace"), key.encode())


def cookie_for(tablet: str, key: str) -> str:
    """The cookie's value for a tablet id of 32 hex digits: "<id>.<HMAC-SHA-256 of the id>"."""
    return f"{tablet}.{_proof(tablet, key)}"


def tablet_of(cookie: str | None, key: str) -> str | None:
    """The tablet id of a cookie that this key made, else None."""
    tablet, dot, proof = (cookie or "").partition(".")
    if not key or not dot or len(tablet) != _ID_CHARS:
        return None
    fits = hmac.compare_digest(proof.encode(errors="replace"), _proof(tablet, key).encode())
    return tablet if fits else None


def _proof(tablet: str, key: str) -> str:
    return hmac.new(key.encode(), b"tablet:" + tablet.encode(errors="replace"), hashlib.sha256).hexdigest()
