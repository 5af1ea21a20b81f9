"""base64url without padding (RFC 4648, section 5), one text only for the same bytes: for codes and tags. Pure."""

import base64


def encode(raw: bytes) -> str:
    """The text of these bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes | None:
    """None if the text is not exactly what `encode` makes of its bytes, so that nothing has a second text."""
    if not text.isascii():
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return raw if encode(raw) == text else None
