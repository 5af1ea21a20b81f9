"""An export as a page that a person can read and print: an HTML fragment in German or English, everything escaped."""

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

# Headings, in the order of the page; a section that the export has and this list has not is shown with its own name.
_HEADINGS = {
    "profile": ("Profil", "Profile"),
    "in_force": ("Was gerade erlaubt ist", "What is allowed now"),
    "consents": ("Alle Einwilligungen, Ablehnungen und Widerrufe", "Every consent, refusal and withdrawal"),
    "receipts": ("Quittungen", "Receipts"),
    "credentials": ("Karten, Handys und Anhänger", "Cards, phones and fobs"),
    "views": ("Wer diese Daten gesehen oder benutzt hat", "Who has seen or used this data"),
    "decisions": ("Entscheidungen und ihre Gründe", "Decisions and their reasons"),
    "answers": ("Antworten auf Angebote", "Answers to offers"),
    "waiting": ("Noch nicht bestätigte Meldungen", "Reports not yet confirmed"),
    "proofs": ("Verbrauchte Nachweise", "Spent proofs"),
    "codes": ("Einmalcodes", "One-time codes"),
    "purchases": ("Einkäufe", "Purchases"),
    "redemptions": ("Einlösungen", "Redemptions"),
    "memory": ("Gerade jetzt", "Just now"),
}
_HEAD = ("format", "made_at_ms", "member_id", "shop", "controller", "contact", "notice_version", "about", "elsewhere")

_WORDS = {
    "title": ("Auskunft über gespeicherte Daten", "What is stored about you"),
    "member_id": ("Pseudonym", "Pseudonym"),
    "made_at_ms": ("Stand", "As of"),
    "shop": ("Laden", "Shop"),
    "controller": ("Verantwortlich", "Controller"),
    "contact": ("Kontakt", "Contact"),
    "notice_version": ("Fassung des Datenschutzhinweises", "Version of the privacy notice"),
    "nothing": ("Nichts gespeichert.", "Nothing is stored."),
    "purpose": ("Wozu", "What for"),
    "source": ("Woher", "Where from"),
    "kept": ("Wie lange", "How long"),
    "yes": ("ja", "yes"),
    "no": ("nein", "no"),
    "none": ("keine Angabe", "not given"),
}

_FIELDS = {
    "what": ("Was", "What"),
    "placement": ("Ort", "Place"),
    "call_name": ("Rufname", "Call name"),
    "language": ("Sprache", "Language"),
    "interests": ("Interessen", "Interests"),
    "usual": ("Das Übliche", "The usual"),
    "talking_points": ("Gesprächsthemen", "Talking points"),
    "text": ("Text", "Text"),
    "because": ("Weil", "Because"),
    "staff": ("Beschäftigt hier", "Works here"),
    "age": ("Alter", "Age"),
    "purpose": ("Zweck", "Purpose"),
    "purposes": ("Zwecke", "Purposes"),
    "state": ("Stand", "State"),
    "ok": ("Erlaubt", "Allowed"),
    "words": ("Grund", "Reason"),
    "reasons": ("Gründe", "Reasons"),
    "given_at_ms": ("Wann", "When"),
    "at_ms": ("Wann", "When"),
    "valid_until_ms": ("Gilt bis", "Valid until"),
    "until_ms": ("Gemerkt bis", "Remembered until"),
    "channel": ("Weg", "Channel"),
    "notice_version": ("Fassung des Hinweises", "Notice version"),
    "receipt_id": ("Quittung", "Receipt"),
    "credential_id": ("Kennung", "Id"),
    "kind": ("Art", "Kind"),
    "clock_offset_s": ("Gang der Uhr (s)", "Clock offset (s)"),
    "actor": ("Wer", "Who"),
    "action": ("Was", "What"),
    "detail": ("Näheres", "Details"),
    "trigger": ("Anlass", "Trigger"),
    "zone": ("Bereich", "Zone"),
    "screen": ("Bildschirm", "Screen"),
    "offer": ("Angebot", "Offer"),
    "offer_id": ("Angebot (Kennung)", "Offer (id)"),
    "candidate": ("Vorschlag", "Candidate"),
    "count": ("Zähler", "Counter"),
    "open": ("Noch gültig", "Still open"),
    "type": ("Meldung", "Report"),
    "body": ("Inhalt", "Content"),
    "seq": ("Nummer", "Number"),
    "till": ("Kasse", "Till"),
    "redemption_id": ("Einlösung (Kennung)", "Redemption (id)"),
    "cents": ("Cent", "Cents"),
    "reversed_cents": ("Davon zurückgenommen (Cent)", "Of it taken back (cents)"),
    "receipt": ("Bon", "Receipt number"),
    "screens": ("Bildschirme", "Screens"),
    "visit_id": ("Besuch", "Visit"),
    "request": ("Beratung", "Advice"),
    "announced": ("Auf den Tablets angekündigt", "Announced on the tablets"),
    "announced_at_ms": ("Zuletzt angekündigt", "Last announced"),
}

_VALUES = {
    "recognise_ble": ("Erkennen per Bluetooth", "Recognition by Bluetooth"),
    "recognise_nfc": ("Erkennen per Karte", "Recognition by card"),
    "personalise_offers": ("Eigene Angebote", "Own offers"),
    "public_personal_greeting": ("Begrüßung am Bildschirm", "Greeting on screen"),
    "staff_advice": ("Beratung", "Advice"),
    "greet_on_entry": ("Begrüßung am Eingang", "Greeting at the door"),
    "purchase_history": ("Einkäufe merken", "Remember purchases"),
    "marketing_push": ("Nachrichten", "Messages"),
    "given": ("gegeben", "given"),
    "refused": ("abgelehnt", "refused"),
    "withdrawn": ("widerrufen", "withdrawn"),
    "expired": ("abgelaufen", "expired"),
    "superseded": ("ersetzt", "superseded"),
    "shown": ("gezeigt", "shown"),
    "accepted": ("angenommen", "accepted"),
    "dismissed": ("abgelehnt", "dismissed"),
    "redeemed": ("eingelöst", "redeemed"),
    "tablets": ("alle Tablets", "all tablets"),
    "member.announced": ("Beim Kommen auf den Tablets angekündigt", "Announced on the tablets on coming in"),
    "advice.asked": (
        "Mit Rufnamen auf den Tablets, nach Bitte um Beratung",
        "Called by name on the tablets, on asking for advice",
    ),
    "card.opened": ("Karte auf einem Tablet geöffnet", "Card opened on a tablet"),
    "member.shown": ("an der Box angesehen", "looked at on the box"),
    "member.exported": ("Auskunft erstellt", "Export made"),
    "decision.explained": ("Gründe einer Entscheidung angesehen", "Reasons of a decision looked at"),
    "link.made": ("Einmal-Link zu den eigenen Daten", "One-time link to their own data"),
    "session.opened": ("Eigene Seite geöffnet", "Own page opened"),
    "data.read": ("Eigene Daten gelesen", "Own data read"),
    "consent.chosen": ("Einwilligungen gewählt", "Consents chosen"),
    "member.enrolled": ("Mitglied geworden", "Became a member"),
    "tap": ("Antippen", "tap"),
    "reserved": ("reserviert", "reserved"),
    "committed": ("eingelöst", "redeemed"),
    "released": ("abgebrochen", "cancelled"),
    "reversed": ("zurückgenommen", "taken back"),
    "asked": ("angefragt", "asked for"),
}


def readable(data: Mapping[str, Any], language: str) -> str:
    """The fragment, `language` "de" or any other = English. Times are UTC."""
    page = _Page(0 if language == "de" else 1)
    sections = [name for name in _HEADINGS if name in data]
    sections += [name for name in data if name not in _HEADINGS and name not in _HEAD]
    head = "".join(
        page.row(page.word(_WORDS, name), page.value(name, data[name]))
        for name in ("member_id", "made_at_ms", "shop", "controller", "contact", "notice_version")
        if data.get(name)
    )
    parts = [f"<h1>{page.word(_WORDS, 'title')}</h1><dl>{head}</dl>"]
    parts += [page.section(name, data[name], data.get("about", {}).get(name)) for name in sections]
    if data.get("elsewhere"):
        parts.append(f"<p>{page.text(data['elsewhere'])}</p>")
    return f'<article class="export" lang="{("de", "en")[page.at]}">{"".join(parts)}</article>'


class _Page:
    """Words and values in one language: `at` 0 = German, 1 = English."""

    def __init__(self, at: int) -> None:
        self.at = at

    def section(self, name: str, value: Any, about: Mapping[str, Any] | None) -> str:
        said = "".join(
            self.row(self.word(_WORDS, key), self.text(about[key])) for key in ("purpose", "source", "kept") if about
        )
        rows = value if isinstance(value, list) else [value] if value else []
        shown = "".join(f"<li>{self.fields(row)}</li>" for row in rows) if rows else ""
        body = f"<ol>{shown}</ol>" if rows else f"<p>{self.word(_WORDS, 'nothing')}</p>"
        return f"<section><h2>{self.word(_HEADINGS, name)}</h2><dl>{said}</dl>{body}</section>"

    def fields(self, row: Any) -> str:
        if not isinstance(row, Mapping):
            return self.value("", row)
        return "<dl>" + "".join(self.row(self.word(_FIELDS, key), self.value(key, row[key])) for key in row) + "</dl>"

    def row(self, name: str, value: str) -> str:
        return f"<dt>{name}</dt><dd>{value}</dd>"

    def value(self, name: str, value: Any) -> str:
        if value is None or value == "" or value == [] or value == {}:
            return self.word(_WORDS, "none")
        if isinstance(value, bool):
            return self.word(_WORDS, "yes" if value else "no")
        if isinstance(value, Mapping):
            return self.text(value) if set(value) <= {"de", "en"} else self.fields(value)
        if isinstance(value, list):
            return "<ul>" + "".join(f"<li>{self.value('', one)}</li>" for one in value) + "</ul>"
        if name.endswith("_ms") and isinstance(value, int):
            return _moment(value)
        return self.word(_VALUES, str(value))

    def text(self, value: Mapping[str, Any]) -> str:
        """A sentence in the page's language, else in one that there is."""
        wanted = ("de", "en")[self.at]
        return escape(str(value.get(wanted) or next(iter(value.values()), "")))

    def word(self, words: Mapping[str, tuple[str, str]], key: str) -> str:
        pair = words.get(key)
        return escape(key if pair is None else pair[self.at])


def _moment(ms: int) -> str:
    """Day and time to the second; a number that no calendar has stays a number."""
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"
