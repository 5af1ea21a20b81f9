"""A signed NDEF id, judged; docs/tags.md is its public specification, gateway.core.tagid its form."""

from typing import Final

from cryptography.exceptions import InvalidSignature

from drivers.talk import Found, Outcome, Refused, Talk
from gateway.core import tagid
from gateway.core.keyring import TagKey
from gateway.core.model import CredentialKind, Proof, Token

# Address 200, id 64, key id 16, signature 86 and the names between them are 379. Longer texts are none of ours.
TEXT_CHARS_MAX: Final = 400

_NAMES = (["i", "k", "s"], ["i", "k", "u", "s"])


def judge(text: str, talk: Talk) -> Outcome:
    """Whose id it is, if headquarters signed it. None for a text without the parameters i, k and s.

    The address before the question mark is not looked at: it says where the owner's own phone goes.
    """
    if len(text) > TEXT_CHARS_MAX:
        return None
    parameters = [part.partition("=") for part in text.partition("?")[2].split("&")]
    names = [name for name, _, _ in parameters]
    if not {"i", "k", "s"}.issubset(names):
        return None
    if names not in _NAMES:
        return Refused("signed.form")
    values = {name: value for name, _, value in parameters}
    identifier, key_id = values["i"], values["k"]
    if values.get("u", "1") != "1":
        return Refused("signed.form")
    if not tagid.IDENTIFIER.fullmatch(identifier):
        return Refused("signed.id")
    if not tagid.KEY_ID.fullmatch(key_id):
        return Refused("signed.key_id")
    signature = tagid.decode(values["s"])
    if signature is None:
        return Refused("signed.encoding")
    keys = [key for key in talk.keyring.of(TagKey, talk.now_ms) if key.key_id == key_id]
    if not keys:
        return Refused("signed.unknown_key")
    bound = "u" in values
    if bound and not talk.uid:
        return Refused("signed.no_chip")
    message = tagid.covered(key_id, identifier, talk.uid if bound else b"")
    if not any(_fits(key, signature, message) for key in keys):
        return Refused("signed.chip" if bound else "signed.signature")
    return Found(Token(CredentialKind.SIGNED, identifier.encode()), Proof.SIGNED)


def _fits(key: TagKey, signature: bytes, message: bytes) -> bool:
    try:
        key.public.verify(signature, message)
    except InvalidSignature:
        return False
    return True
