"""A phone's wallet: which one answers, and whose conversation follows (drivers.smarttap, drivers.vas). Pure."""

from drivers import iso7816, smarttap, vas
from drivers.talk import Exchange, Outcome, Refused, Talk
from gateway.core.keyring import SmartTapKey, VasKey
from gateway.core.model import Trouble
from gateway.errors import PeerError

SELECT = iso7816.select(b"OSE.VAS.01")


def converse(exchange: Exchange, talk: Talk) -> Outcome:
    """A loyalty pass in Google's or Apple's wallet. Raises CardGoneError.

    Without a key nothing is asked, so that no wallet opens in vain. None = no wallet, or no pass of ours in it.
    """
    google = bool(talk.keyring.of(SmartTapKey, talk.now_ms))
    apple = talk.apple_vas and bool(talk.keyring.of(VasKey, talk.now_ms))
    if not google and not apple:
        return None
    reply = exchange(SELECT)
    try:
        data, status = iso7816.split(reply)
        if status != iso7816.OK:
            return None
        label = iso7816.find(data, 0x6F, 0x50)
    except PeerError as error:
        if any(wallet in reply for wallet in (smarttap.LABEL, vas.LABEL)):
            return Refused(f"wallet.{error.reason}", Trouble.AGAIN)
        return None  # a card that says yes to everything may yet have a tag's message
    if label == smarttap.LABEL and google:
        return smarttap.converse(exchange, talk, data)
    if label == vas.LABEL and apple:
        return vas.converse(exchange, talk, data)
    return None
