"""In which order a card or phone is asked who it is, and what is left if it says nothing. Knows no protocol."""

from collections.abc import Callable

from drivers import hce, tags, type4, wallet
from drivers.talk import Exchange, Found, Outcome, Refused, Talk
from gateway.core.model import CredentialKind, Proof, Token

_Method = Callable[[Exchange, Talk], Outcome]

# First bytes of 4-byte UIDs that name no single card (ISO 14443-3, section 6.5.4; NXP AN10927, section 2): 08 is drawn
# anew for each tap, x8 is reserved (88 is the cascade tag), xF is fixed and shared by many.
_SHARED_NIBBLES = (0x8, 0xF)

# What blank cards with a changeable UID show all alike; so do those of one byte repeated.
_BLANK = bytes.fromhex("01020304")

# The app proved nothing and claimed nothing.
_CANNOT_ANSWER = ("hce.locked", "hce.no_common_key")


def iso_dep(exchange: Exchange, talk: Talk) -> Outcome:
    """A card or phone that speaks APDUs. Raises CardGoneError.

    A phone (random UID) is asked for our own app, then for its wallet, then for an NDEF application. A card with a UID
    of its own is asked the other way round, because most of them are tags, and an exchange is time in a customer's
    hand. Each begins with a SELECT of its own, so it does not matter how the one before ended. The first that knows the
    device ends the questions, also with a refusal: nobody falls from a strong proof that failed to a weaker one. Only
    an app that cannot answer now lets the phone's wallet speak for its owner.
    """
    methods: tuple[_Method, ...] = (hce.converse, wallet.converse, _ndef)
    silent = None
    for ask in methods if talk.is_phone else (_ndef, hce.converse, wallet.converse):
        outcome = ask(exchange, talk)
        if isinstance(outcome, Refused) and outcome.reason in _CANNOT_ANSWER:
            silent = silent or outcome
        elif outcome is not None and (silent is None or isinstance(outcome, Found)):
            return outcome
    return silent or chip(talk)


def message(ndef: bytes, talk: Talk) -> Outcome:
    """An NDEF message, however it was read; b"" for a card that has none."""
    return tags.judge(ndef, talk) or chip(talk)


def chip(talk: Talk) -> Outcome:
    """The card's own number, if the shop takes such numbers; never a phone's, and none that several cards share."""
    if not talk.chip_numbers or not _names_one_card(talk.uid):
        return None
    return Found(Token(CredentialKind.CHIP, talk.uid), Proof.BEARER)


def _names_one_card(uid: bytes) -> bool:
    if len(uid) not in (4, 7, 10) or len(set(uid)) == 1:
        return False
    return len(uid) > 4 or (uid[0] & 0x0F not in _SHARED_NIBBLES and uid != _BLANK)


def _ndef(exchange: Exchange, talk: Talk) -> Outcome:
    found = type4.read(exchange)
    return found if isinstance(found, Refused) else tags.judge(found or b"", talk)
