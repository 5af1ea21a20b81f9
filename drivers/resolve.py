"""In which order a card or phone is asked who it is: from the strongest proof to the weakest."""

from drivers import tags
from drivers.talk import Exchange, Found, Outcome, Talk
from gateway.core.model import CredentialKind, Proof, Token


def iso_dep(exchange: Exchange, talk: Talk) -> Outcome:
    """A card or phone that speaks APDUs. Raises CardGoneError."""
    return None


def message(ndef: bytes, talk: Talk) -> Outcome:
    """An NDEF message, however it was read."""
    return tags.judge(ndef, talk)


def chip(talk: Talk) -> Outcome:
    """A card that shows nothing but its number, which counts where the shop says so, and never a phone's."""
    if not talk.chip_numbers or talk.is_phone or not talk.uid:
        return None
    return Found(Token(CredentialKind.CHIP, talk.uid), Proof.BEARER)
