"""What devices show: a cookie for each kind of device, and the manager's key. The key itself is never stored in one."""

import hashlib
import hmac
import re
from typing import Literal

Kind = Literal["screen", "tablet", "till"]
COOKIE = "store_gateway_tablet"
COOKIES: dict[Kind, str] = {"screen": "store_gateway_screen", "tablet": COOKIE, "till": "store_gateway_till"}
COOKIE_MAX_AGE_S = (
    30 * 86_400
)  # of the manager's link: a lost tablet falls out after a month, or at once with a new key
DEVICE_MAX_AGE_S = 400 * 86_400  # the most that browsers keep; made anew whenever the page is opened
_FORM = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})")  # 128 random bits that name it, 256 that prove it


def key_fits(given: str, key: str) -> bool:
    """Compare in constant time; an empty key fits nobody."""
    return bool(key) and hmac.compare_digest(given.encode(errors="replace"), key.encode())


def cookie_for(tablet: str, key: str) -> str:
    """The cookie's value for a tablet id of 32 hex digits: "<id>.<HMAC-SHA-256 of the id>"."""
    return f"{tablet}.{proof(tablet, key)}"


def tablet_of(cookie: str | None, key: str) -> str | None:
    """The tablet id of a cookie that this key made, else None."""
    tablet, given = parts(cookie)
    return tablet if key and tablet and hmac.compare_digest(given, proof(tablet, key)) else None


def parts(cookie: str | None) -> tuple[str, str]:
    """A device's id and its key, "" and "" for what is no device's cookie."""
    found = _FORM.fullmatch(cookie or "")
    return (found[1], found[2]) if found is not None else ("", "")


def proof(tablet: str, key: str) -> str:
    """The 64 hex digits by which a tablet shows that the manager's link was opened on it."""
    return hmac.new(key.encode(), b"tablet:" + tablet.encode(errors="replace"), hashlib.sha256).hexdigest()
