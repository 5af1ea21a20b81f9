"""The one-time code that headquarters shows a member, so that the next card or phone is bound to them."""

import hashlib

CODE_DIGITS = 8  # 10^8; with some tries at one screen in ten minutes, guessing one of a few live codes is hopeless
DIGEST_BYTES = 16

CODE_FORM = rf"^[0-9]{{{CODE_DIGITS}}}$"  # for pydantic, to whom "$" is the end of the text and of no line


def code_digest(site_key: bytes, code: str) -> bytes:
    """16-byte keyed hash (BLAKE2b) under which a gateway keeps a code; can't be guessed back without the site key."""
    return hashlib.blake2b(code.encode(), digest_size=DIGEST_BYTES, key=site_key, person=b"one-time code").digest()
