"""What each section of an export is for, where it came from and how long it stays, in German and English. Pure."""

from pydantic import BaseModel, ConfigDict

from gateway.core.model import ShopConfig
from gateway.core.usual import KEEP_DAYS

Words = dict[str, str]  # language -> sentence


class About(BaseModel):
    """What a section is for, where it came from and how long it stays."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    purpose: Words
    source: Words
    kept: Words


def _words(german: str, english: str) -> Words:
    return {"de": german, "en": english}


_HQ = _words("von der Zentrale gesendet", "sent by headquarters")
_GIVEN_HERE = _words("von Ihnen in diesem Laden angegeben", "given by you in this shop")
# What a shop reports comes back from headquarters like everything else, and nothing says where it was given first.
_EITHER = _words("von der Zentrale oder von Ihnen in einem Laden", "from headquarters, or from you in a shop")
_HERE = _words("in diesem Laden entstanden", "made in this shop")
_BOTH = _words("in Läden und bei der Zentrale entstanden", "made in shops and at headquarters")

ELSEWHERE = _words(
    "Die Zentrale hält zusätzlich, was Läden ihr gemeldet haben: Besuche mit Bereich und Zeit, Entscheidungen, "
    "Beratungen, Verkäufe. Darüber gibt die verantwortliche Stelle Auskunft, die oben steht.",
    "Headquarters also holds what shops have reported to it: visits with zone and time, decisions, advice and sales. "
    "The controller named above answers for that.",
)

# What each section is for; where it came from.
_PURPOSES: dict[str, tuple[str, str, Words]] = {
    "profile": ("Ansprache, Angebote, Beratung", "greeting, offers, advice", _EITHER),
    "credentials": (
        "Wiedererkennen von Karte, Telefon oder Anhänger; gespeichert als Prüfwert oder Schlüssel",
        "to recognise a card, phone or fob; stored as a keyed hash or a key",
        _EITHER,
    ),
    "consents": ("Nachweis, wozu Ja oder Nein gesagt wurde", "proof of what was agreed to or refused", _BOTH),
    "unclear": ("Einwilligungen, denen nicht gefolgt werden kann", "consents that cannot be followed", _HQ),
    "decisions": ("damit sich jede Entscheidung erklären lässt", "so that every decision can be explained", _HERE),
    "answers": (
        "damit niemand noch einmal gefragt wird; auch Angebote auf der Karte beim Personal und Einlösungen",
        "so that nobody is asked again; also offers on a colleague's card and redemptions",
        _HERE,
    ),
    "views": ("wer diese Daten gesehen oder benutzt hat", "who has seen or used this data", _HERE),
    "waiting": ("Meldungen, die die Zentrale noch nicht bestätigt hat", "reports not yet confirmed", _HERE),
    "proofs": ("damit ein kopierter Nachweis nichts öffnet", "so that a copied proof opens nothing", _HERE),
    "codes": ("Einmalcodes zum Verbinden einer Karte", "one-time codes to bind a card", _EITHER),
    "purchases": ("was jemand üblicherweise nimmt", "what somebody usually takes", _HQ),
    "redemptions": ("was an der Kasse eingelöst wurde", "what was redeemed at the till", _HERE),
    "points": ("wie viele Punkte jemand hat und woher", "how many points somebody has, and from what", _BOTH),
    "baskets": ("was gerade selbst gescannt wird", "what is being scanned just now", _HERE),
    "memory": ("wo jemand ist und was gerade offen ist", "where somebody is and what is open just now", _HERE),
}


def about(shop: ShopConfig, *, joined_here: bool) -> dict[str, About]:
    """Every section by its name, for the periods of this shop. `joined_here`: the member joined in this shop, so that
    it is known who gave the profile and made the code."""
    keep, stale = shop.retention, shop.stale_days
    sent = _words(
        f"bis die Zentrale es ändert oder löscht, oder {stale} Tage ohne Zentrale",
        f"until headquarters changes or erases it, or {stale} days without headquarters",
    )
    kept = {
        "profile": sent,
        "credentials": sent,
        "consents": _words("bis zur Löschung", "until erased"),
        "unclear": _words("bis sie klar sind, oder bis zur Löschung", "until they are clear, or until erased"),
        "decisions": _days(keep.decisions),
        "answers": _days(keep.decisions),
        "views": _days(keep.audit),
        "waiting": _words("bis die Zentrale sie bestätigt", "until headquarters confirms them"),
        "proofs": _words("Minuten; Zähler einer Karte bis zur Löschung", "minutes; a card's counter until erased"),
        "codes": _words("Minuten", "minutes"),
        "purchases": _words(
            f"bis zum Widerruf, oder {KEEP_DAYS} Tage nach der letzten Änderung",
            f"until withdrawn, or {KEEP_DAYS} days after the last change",
        ),
        "redemptions": _words(
            f"{keep.redemptions} Tage; nach einer Löschung ohne Angabe, von wem",
            f"{keep.redemptions} days; after an erasure without saying whose",
        ),
        "points": _words(
            f"der Stand bis zur Löschung, einzelne Schritte {keep.redemptions} Tage",
            f"the balance until erased, single steps {keep.redemptions} days",
        ),
        "baskets": _words(
            "bis zur Kasse, oder höchstens vier Stunden nach dem letzten Scan",
            "until the till, or at most four hours after the last scan",
        ),
        "memory": _words(
            "nur im Arbeitsspeicher, Minuten bis eine Stunde; ein Widerruf, bis er gespeichert ist",
            "in memory only, minutes to an hour; a withdrawal until it is stored",
        ),
    }
    here = {"profile": _GIVEN_HERE, "codes": _HERE} if joined_here else {}
    return {
        name: About(purpose=_words(german, english), source=here.get(name, source), kept=kept[name])
        for name, (german, english, source) in _PURPOSES.items()
    }


def _days(days: int) -> Words:
    return _words(f"{days} Tage, oder bis zur Löschung", f"{days} days, or until erased")
