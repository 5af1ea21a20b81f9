"""The words of the page that answers a request for access (gateway.readable), in German and English. No layout.

What people do has the words of their own page and of its receipts (display/static/words.js).
"""

from collections.abc import Mapping

Pairs = Mapping[str, tuple[str, str]]

# In the order of the page; a section that the export has and this list has not stands in the annex.
HEADINGS: Pairs = {
    "profile": ("Ihre Angaben", "Your details"),
    "in_force": ("Was gerade erlaubt ist", "What is allowed now"),
    "consents": ("Was Sie erlaubt, abgelehnt und zurückgenommen haben", "What you allowed, refused and withdrew"),
    "unclear": ("Einwilligungen, denen wir nicht folgen können", "Consents that we cannot follow"),
    "credentials": ("Karten, Telefone und Anhänger", "Cards, phones and fobs"),
    "views": ("Wer diese Daten gesehen oder benutzt hat", "Who has seen or used this data"),
    "decisions": ("Entscheidungen und ihre Gründe", "Decisions and their reasons"),
    "answers": ("Antworten auf Angebote", "Answers to offers"),
    "purchases": ("Einkäufe", "Purchases"),
    "redemptions": ("Einlösungen", "Redemptions"),
    "points": ("Punkte", "Points"),
    "baskets": ("Selbst gescannt", "Scanned by yourself"),
    "waiting": ("Noch nicht bestätigte Meldungen an die Zentrale", "Reports that headquarters has not confirmed"),
    "proofs": ("Verbrauchte Nachweise", "Spent proofs"),
    "codes": ("Einmalcodes", "One-time codes"),
    "memory": ("Gerade jetzt", "Just now"),
}

PAGE: Pairs = {
    "title": ("Auskunft über gespeicherte Daten", "What is stored about you"),
    "balance": ("Stand", "Balance"),
    "made_at_ms": ("Stand", "As of"),
    "shop": ("Laden", "Shop"),
    "controller": ("Verantwortlich", "Controller"),
    "contact": ("Kontakt", "Contact"),
    "notice_version": ("Fassung des Hinweises", "Privacy notice, version"),
    "times": ("Zeiten", "Times"),
    "local": ("Ortszeit des Ladens", "the shop's local time"),
    "nothing": ("Nichts gespeichert ist unter:", "Nothing is stored under:"),
    "purpose": ("Wozu", "What for"),
    "source": ("Woher", "Where from"),
    "kept": ("Wie lange", "How long"),
    "yes": ("ja", "yes"),
    "no": ("nein", "no"),
    "because": ("weil", "because"),
    "notice": ("Hinweis", "notice"),
    "until": ("gilt bis", "valid until"),
    "remembered": ("gemerkt bis", "remembered until"),
    "counter": ("Zähler einer Karte", "A card's counter"),
    "proof": ("Ein Nachweis", "A proof"),
    "code": ("Ein Code für eine Karte", "A code for a card"),
    "open": ("noch offen", "still open"),
    "used": ("verbraucht oder abgelaufen", "used or out of date"),
    "no_offer": ("kein Angebot", "no offer"),
    "dropped_offer": ("ein Angebot, das es nicht mehr gibt", "an offer that is gone"),
    "here": ("in diesem Laden", "in this shop"),
    "in_another_shop": ("in einem anderen Laden", "in another shop"),
    "taken_back": ("davon zurückgenommen", "of it taken back"),
    "receipt": ("Bon", "receipt"),
    "others": ("Andere Angebote", "Other offers"),
    "denies": ("Was darin verweigert wird, beachten wir.", "What it refuses is obeyed."),
    "annex": ("Technische Angaben", "Technical details"),
    "annex_text": (
        "Was über die Listen oben hinaus festgehalten ist. Jeder Eintrag mit seiner Kennung, seinen Prüfsummen "
        "und dem Wortlaut der Meldungen steht in der Datei zu dieser Auskunft.",
        "What is kept beyond the lists above. Every single entry with its id, its checksums and the wording of the "
        "reports stands in the file that belongs to this page.",
    ),
    "member_id": ("Ihre Nummer im Programm", "Your number in the programme"),
    "visit_id": ("Nummer des Besuchs", "Number of the visit"),
    "receipts": ("Nummern der Belege", "Numbers of the receipts"),
    "credentials": ("Kennungen von Karten, Telefonen und Anhängern", "Ids of cards, phones and fobs"),
    "offset": ("Uhr geht vor um {n} s", "clock ahead by {n} s"),
}

# Fields that stand with a name of their own: the profile, memory, and what the annex tells of consents.
FIELDS: Pairs = {
    "call_name": ("Rufname", "The name you gave us"),
    "language": ("Sprache", "Language"),
    "interests": ("Interessen", "Interests"),
    "usual": ("Das Übliche", "The usual"),
    "talking_points": ("Themen", "Talking points"),
    "staff": ("Beschäftigt hier", "Works here"),
    "age": ("Alter", "Age"),
    "zone": ("Bereich", "Area"),
    "till": ("Kasse", "Till"),
    "segments": ("Segmente dieses Besuchs", "Segments of this visit"),
    "visit": ("In diesem Besuch", "In this visit"),
    "screens": ("Bildschirme", "Screens"),
    "request": ("Beratung", "Advice"),
    "announced": ("Auf den Tablets angekündigt", "Announced on the tablets"),
    "announced_at_ms": ("Zuletzt angekündigt", "Last announced"),
    "links": ("Offene Einmal-Links", "Open one-time links"),
    "basket_begun": ("Einkauf zum Selbst-Scannen begonnen", "Began to scan for themselves"),
    "offers_to_take": ("Angebote, die zum Mitnehmen bereitstehen", "Offers waiting to be taken along"),
    "sessions": ("Offene eigene Seiten", "Open own pages"),
    "owed": ("Widerrufe, die noch zu speichern sind", "Withdrawals still to be stored"),
    "method": ("Auf welche Art", "By what gesture"),
    "age_gate": ("Angabe zum Alter", "What was said of the age"),
    "device_id": ("Geräte", "Devices"),
    "store_id": ("Laden und Box", "Shop and box"),
    "staff_id": ("Beteiligtes Personal", "Staff concerned"),
    "notice_id": ("Kennung des Hinweises", "Id of the notice"),
    "notice_sha256": ("Prüfsumme (SHA-256) des Hinweises", "Checksum (SHA-256) of the notice"),
    "jurisdiction": ("Rechtsraum", "Jurisdiction"),
    "clock": ("Uhr dabei", "Clock then"),
}

PURPOSES: Pairs = {
    "recognise_ble": ("Erkennen per Bluetooth", "Recognition by Bluetooth"),
    "recognise_nfc": ("Erkennen per Karte", "Recognition by card"),
    "personalise_offers": ("Eigene Angebote", "Own offers"),
    "public_personal_greeting": ("Begrüßung am Bildschirm", "Greeting on screen"),
    "staff_advice": ("Beratung", "Advice"),
    "greet_on_entry": ("Begrüßung am Eingang", "Greeting at the door"),
    "purchase_history": ("Einkäufe merken", "Remember purchases"),
    "marketing_push": ("Nachrichten", "Messages"),
}

STATES: Pairs = {
    "given": ("erlaubt", "allowed"),
    "refused": ("abgelehnt", "refused"),
    "withdrawn": ("zurückgenommen", "withdrawn"),
    "expired": ("abgelaufen", "ended"),
    "superseded": ("ersetzt", "replaced"),
}

# Where and how: of consents, of views, and of who looked.
CHANNELS: Pairs = {
    "tablet": ("auf einem Tablet im Laden", "on a tablet in the shop"),
    "web": ("auf dem eigenen Telefon", "on the own phone"),
    "screen": ("am Bildschirm im Laden", "at a screen in the shop"),
    "app": ("in der App", "in the app"),
    "paper": ("auf Papier", "on paper"),
    "hq": ("bei der Zentrale", "at headquarters"),
    "operator": ("im Laden vom Betreiber eingetragen", "entered by the operator in the shop"),
    "unknown": ("", ""),
}

ACTORS: Pairs = {
    "tablets": ("alle Tablets", "all tablets"),
    "tablet": ("Tablet", "tablet"),
    "screen": ("Bildschirm", "screen"),
    "web": ("eigenes Telefon, geöffnet an", "own phone, opened at"),
    "operator": ("Betreiber der Box", "the box's operator"),
    "member": ("Sie selbst", "yourself"),
}

METHODS: Pairs = {
    "toggle": ("mit einem Schalter", "by a switch"),
    "touch": ("mit einer Berührung", "by a touch"),
    "signature": ("mit Unterschrift", "by signature"),
    "operator": ("vom Betreiber eingetragen", "entered by the operator"),
    "import": ("von der Zentrale übernommen", "taken over from headquarters"),
    "unknown": ("", ""),
}

AGES: Pairs = {
    "16plus": ("16 oder älter", "16 or older"),
    "guardian": ("jünger, und die Eltern sind einverstanden", "younger, and the parents agree"),
    "under16": ("jünger, ohne die Eltern", "younger, without the parents"),
    "unknown": ("", ""),
}

CLOCKS: Pairs = {
    "synchronised": ("abgeglichen", "set by a time server"),
    "doubtful": ("nicht sicher abgeglichen", "perhaps not right"),
    "unknown": ("", ""),
}

KINDS: Pairs = {
    "eid": ("Anhänger mit wechselnder Kennung", "fob with a changing id"),
    "app": ("App auf dem Telefon", "app on the phone"),
    "uid": ("Anhänger mit fester Kennung", "fob with a fixed id"),
    "ibeacon": ("Anhänger mit fester Kennung (iBeacon)", "fob with a fixed id (iBeacon)"),
    "altbeacon": ("Anhänger mit fester Kennung (AltBeacon)", "fob with a fixed id (AltBeacon)"),
    "rpa": ("Telefon aus dem Team", "a colleague's phone"),
    "ndef": ("Karte mit gespeichertem Text", "card with a stored text"),
    "signed": ("Karte mit unterschriebener Nummer", "card with a signed number"),
    "sun": ("Karte mit wechselndem Nachweis", "card with a changing proof"),
    "hce": ("Telefon am Leser", "phone at the reader"),
    "pass": ("Pass im Telefon", "pass in the phone"),
    "chip": ("Karte mit Chipnummer", "card with a chip number"),
}

LANGUAGES: Pairs = {"de": ("Deutsch", "German"), "en": ("Englisch", "English")}

# Headquarters gives interests no words; these are the usual ones, others stand as headquarters wrote them.
INTERESTS: Pairs = {
    "coffee": ("Kaffee", "coffee"),
    "chocolate": ("Schokolade", "chocolate"),
    "cheese": ("Käse", "cheese"),
    "bread": ("Brot", "bread"),
    "tea": ("Tee", "tea"),
    "wine": ("Wein", "wine"),
}

# What made something happen: a step, or a gesture.
CAUSES: Pairs = {
    "zone": ("beim Vorbeigehen", "when passing"),
    "tap": ("beim Anhalten der Karte", "on holding up the card"),
    "screen": ("am Bildschirm", "at the screen"),
    "door": ("am Eingang", "at the door"),
}

# What came of an offer; and of what was to be redeemed at a till.
ANSWERS: Pairs = {
    "shown": ("gezeigt", "shown"),
    "accepted": ("angenommen", "accepted"),
    "dismissed": ("abgelehnt", "declined"),
    "redeemed": ("eingelöst", "redeemed"),
}

REDEMPTIONS: Pairs = {
    "reserved": ("reserviert", "reserved"),
    "committed": ("eingelöst", "redeemed"),
    "released": ("abgebrochen", "cancelled"),
    "expired": ("abgelaufen", "ended"),
    "reversed": ("zurückgenommen", "taken back"),
}

ADVICE: Pairs = {"asked": ("angefragt", "asked for"), "open": ("im Gespräch", "under way")}

ACTIONS: Pairs = {
    "member.announced": ("Beim Kommen auf den Tablets angekündigt", "Announced on the tablets on coming in"),
    "advice.asked": (
        "Mit Rufnamen auf den Tablets, nach Bitte um Beratung",
        "With the name you gave us on the tablets, on asking for advice",
    ),
    "card.closed": ("Karte mit dem Tablet gesperrt", "Card closed when the tablet was locked"),
    "card.opened": ("Karte auf einem Tablet geöffnet", "Card opened on a tablet"),
    "why.shown": ("Gefragt, warum ein Angebot auf der Karte steht", "Asked why an offer stands on the card"),
    "till.shown": ("Mit Rufnamen an der Kasse angezeigt", "With the name you gave us at the till"),
    "member.shown": ("An der Box angesehen", "Looked at on the box"),
    "member.exported": ("Auskunft erstellt", "This page or its file was made"),
    "decision.explained": ("Gründe einer Entscheidung angesehen", "Reasons of a decision looked at"),
    "link.made": ("Einmal-Link zu den eigenen Daten", "One-time link to the own data"),
    "session.opened": ("Eigene Seite geöffnet", "Own page opened"),
    "data.read": ("Eigene Daten gelesen", "Own data read"),
    "consent.chosen": ("Einwilligungen gewählt", "Consents chosen"),
    "member.enrolled": ("Mitglied geworden", "Became a member"),
}

REPORTS: Pairs = {
    "audit.viewed": ("Jemand hat Daten gesehen oder benutzt", "Somebody has seen or used data"),
    "consent.applied": ("Einwilligung angewendet", "Consent applied"),
    "consent.parked": ("Einwilligung unklar", "Consent unclear"),
    "consent.recorded": ("Einwilligung aufgezeichnet", "Consent recorded"),
    "consent.tampered": ("Einwilligungen wurden von außen verändert", "Consents were changed from outside"),
    "coupon.issued": ("Angebot aufs Telefon mitgenommen", "Offer taken along on a phone"),
    "credential.bound": ("Karte oder Telefon verbunden", "Card or phone bound"),
    "credential.doubted": ("Kennung an zwei Orten gehört", "One id heard in two places"),
    "decision.made": ("Entscheidung über ein Angebot", "Decision about an offer"),
    "erasure.requested": ("Löschung verlangt", "Erasure asked for"),
    "handshake.accepted": ("Beratung begonnen", "Advice began"),
    "handshake.asked": ("Um Beratung gebeten", "Advice asked for"),
    "handshake.closed": ("Beratung beendet", "Advice ended"),
    "member.enrolled": ("Mitglied geworden", "Became a member"),
    "offer.accepted": ("Angebot angenommen", "Offer accepted"),
    "offer.declined": ("Angebot abgelehnt", "Offer declined"),
    "offer.explained": ("Mehr über ein Angebot gelesen", "Read more about an offer"),
    "redemption.reserved": ("Einlösung reserviert", "Redemption reserved"),
    "redemption.committed": ("An der Kasse eingelöst", "Redeemed at the till"),
    "redemption.released": ("Einlösung abgebrochen oder abgelaufen", "Redemption cancelled or ended"),
    "redemption.reversed": ("Einlösung zurückgenommen", "Redemption taken back"),
    "points.changed": ("Punkte geändert", "Points changed"),
    "sale.recorded": ("Verkauf gemeldet", "Sale reported"),
    "sale.identified": ("An der Kasse erkannt", "Recognised at the till"),
    "screen.alive": ("Ein Bildschirm zeigt wieder etwas", "A screen shows something again"),
    "screen.dead": ("Ein Bildschirm zeigt nichts Neues", "A screen shows nothing new"),
    "screen.played": ("Was Bildschirme gezeigt haben", "What screens have shown"),
    "segment.changed": ("In ein Segment gekommen oder daraus", "Came into a segment or left it"),
    "usual.offered": ("Das Übliche angeboten", "The usual was offered"),
    "visit.announced": ("Beim Kommen angekündigt", "Announced on coming in"),
    "visit.doubted": ("Kennung an zwei Orten gehört", "One id heard in two places"),
    "visit.dwelled": ("Länger in einem Bereich", "For a while in one area"),
    "visit.entered": ("Laden betreten", "Came into the shop"),
    "visit.left": ("Laden verlassen", "Left the shop"),
    "visit.moved": ("In einen anderen Bereich gegangen", "Went to another area"),
    "visit.unknown": ("Im Laden, Bereich ungewiss", "In the shop, area uncertain"),
}


def word(words: Pairs, key: str, at: int) -> str:
    """The word in the language `at` (0 = German, 1 = English); one that nobody has words for is given as it is."""
    pair = words.get(key)
    return key if pair is None else pair[at]
