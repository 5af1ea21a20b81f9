"""The one-time code that headquarters shows a member, so that the next card or phone is bound to them."""

import hashlib
import re

CODE_DIGITS = 8  # 10^8; with some tries at one screen in ten minutes, guessing one of a few live codes is hopeless
DIGEST_BYTES = 16

_CODE = re.compile(rf"[0-9]{{{CODE_DIGITS}}}")


def is_code(text: str) -> bool:
    """Whether `text` has the form of a code."""
    return _CODE.fullmatch(text) is not None


def code_digest(site_key: bytes, code: str) -> bytes:
    """16-byte keyed hash (BLAKE2b) under which a gateway keeps a code; can't be guessed back without the site key."""
    return hashlib.blake2b(code.encode(), digest_size=DIGEST_BYTES, key=site_key, person=b"one-time code").digest()
