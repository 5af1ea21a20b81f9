"""In which order a card or phone is asked who it is: from the strongest proof to the weakest."""

from drivers import tags
from drivers.talk import Exchange, Outcome, Talk


def iso_dep(exchange: Exchange, talk: Talk) -> Outcome:
    """A card or phone that speaks APDUs. Raises CardGoneError."""
    return None


def message(ndef: bytes, talk: Talk) -> Outcome:
    """An NDEF message, however it was read."""
    return tags.judge(ndef, talk)


def chip(talk: Talk) -> Outcome:
    """The card's own number, where the shop accepts that; never a phone's."""
    return None
