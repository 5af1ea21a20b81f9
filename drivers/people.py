"""The people and the range of the simulated shop, in the words that HQ imports. All of it is invented.

How they walk is in drivers.shopday; this module only says who they are, what they allow and what the shop offers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from gateway.core.model import CredentialKind, Purpose

MAX_MEMBERS = 500  # about 40 frames a second at four receivers: what one small machine simulates with ease
NOTICE_VERSION = "2026-01"
TRACKABLE_WORDING = "2026-11"  # docs/privacy-details.md, agreed to by those whose beacon never changes its id
JOINED_MS = 1_767_603_600_000  # 2026-01-05 09:00 UTC; one member joins each hour from then on
EXPONENT = 10  # a beacon shows a new id every 1,024 s

NAMES = (
    "Mia Muster", "Theo Test", "Ben Beispiel", "Vera Vorlage", "Emil Entwurf", "Paula Probe", "Sam Sample",
    "Dora Demo", "Fritz Fiktion", "Eve Example", "Max Modell", "Pia Platzhalter", "Till Texter", "Ina Irgendwer",
    "Otto Ohnenamen", "Lena Lückenfüller", "Finn Füllwort", "Greta Gibtsnicht", "Joe Jargon", "Nele Nirgendwo",
    "Karl Kunstfigur", "Ada Attrappe", "Piet Prototyp", "Rosa Rollenspiel",
)  # fmt: skip
ENGLISH_SPEAKERS = {"Sam Sample", "Eve Example", "Joe Jargon"}

INTERESTS = ("coffee", "chocolate", "cheese", "bread", "tea", "wine")
_FIXED_INTERESTS = {1: ("coffee", "chocolate"), 2: ("cheese", "bread")}

_ALL = (
    Purpose.RECOGNISE_BLE,
    Purpose.RECOGNISE_NFC,
    Purpose.PERSONALISE_OFFERS,
    Purpose.PUBLIC_PERSONAL_GREETING,
    Purpose.STAFF_ADVICE,
    Purpose.PURCHASE_HISTORY,
)
_REFUSES_EVERYTHING = 5  # this member's beacon is on the air all day and must change nothing
_REFUSALS: tuple[tuple[Purpose, ...], ...] = (
    (Purpose.PUBLIC_PERSONAL_GREETING,),
    (Purpose.PERSONALISE_OFFERS, Purpose.PURCHASE_HISTORY),
    (),
    (Purpose.RECOGNISE_BLE,),
    (Purpose.PUBLIC_PERSONAL_GREETING, Purpose.STAFF_ADVICE),
    (),
)

# What the member usually takes and what a colleague may talk about. Nothing on wine: alcohol is no talking point.
_USUAL = {
    "coffee": {"de": "Hausröstung, 250 g, ganze Bohne", "en": "House roast, 250 g, whole beans"},
    "chocolate": {"de": "Zartbitter mit Meersalz", "en": "Dark chocolate with sea salt"},
    "cheese": {"de": "Bergkäse am Stück", "en": "Mountain cheese, one piece"},
    "bread": {"de": "Sauerteigbrot, halber Laib", "en": "Sourdough, half a loaf"},
    "tea": {"de": "Darjeeling, lose", "en": "Darjeeling, loose leaf"},
}
_TALK = {
    "coffee": ("Die Hausröstung kam gestern frisch aus der Trommel.", "The house roast left the drum yesterday."),
    "chocolate": ("Am Regal steht eine neue Tafel zum Probieren.", "There is a new bar to taste at the shelf."),
    "cheese": ("Der Bergkäse ist jetzt zwölf Monate gereift.", "The mountain cheese is twelve months old now."),
    "bread": ("Um vier kommt das Sauerteigbrot aus dem Ofen.", "Sourdough comes out of the oven at four."),
    "tea": ("Die erste Darjeeling-Pflückung ist eingetroffen.", "The first flush Darjeeling has arrived."),
}
_CHOSEN = {
    "coffee": ("Kaffee", "coffee"),
    "chocolate": ("Schokolade", "chocolate"),
    "cheese": ("Käse", "cheese"),
    "bread": ("Brot", "bread"),
    "tea": ("Tee", "tea"),
}

_ZONES = {
    "entrance": {"de": "Eingang", "en": "Entrance"},
    "coffee": {"de": "Kaffee und Tee", "en": "Coffee and tea"},
    "wine": {"de": "Wein und Käse", "en": "Wine and cheese"},
    "till": {"de": "Kasse", "en": "Till"},
}

NOTICE = {
    "de": """\
# Wenn Sie nicht zugestimmt haben
Telefone und andere Geräte senden von sich aus Funksignale. Was davon bei unseren Empfängern ankommt, wird sofort \
verworfen. Wir speichern nichts, woran man Sie oder Ihr Gerät erkennen könnte; gezählt wird nur, wie viele Signale \
es waren.

# Wenn Sie zugestimmt haben
Wir erkennen den Anhänger, die Karte oder die App, die Sie selbst angemeldet haben, und den Bereich des Geschäfts, \
in dem Sie sind. Wofür wir das nutzen, bestimmen Sie Zweck für Zweck. Unsere Zentrale speichert unter einer Nummer \
statt Ihres Namens Ihre Besuche und was wir Ihnen angeboten haben, bis Sie die Löschung verlangen. Rechtsgrundlage \
ist Ihre Einwilligung (Art. 6 Abs. 1 Buchst. a DSGVO), für die Mitgliedschaft selbst Ihr Beitritt (Buchst. b): Dafür \
erhält die Zentrale auch Ihren Rufnamen.

# Karte oder Telefon anhalten
An der Tür melden Sie sich an und gelten bis zu einer Stunde nach dem letzten Anhalten als anwesend. An der Kasse \
erfährt das Kassensystem Ihre Nummer im Programm und was Sie einlösen können, bis der Kauf vorbei ist, höchstens \
wenige Minuten. Am Beratungspunkt rufen Sie jemanden vom Personal.

# Ihre Rechte
Sie können jederzeit Auskunft, Berichtigung, Löschung, Einschränkung und eine Kopie Ihrer Daten verlangen, jede \
Zustimmung zurücknehmen und sich bei einer Datenschutzaufsicht beschweren. Das kostet nichts und hat keine \
Nachteile: Alle allgemeinen Angebote gelten auch ohne Zustimmung.""",
    "en": """\
# If you did not agree
Phones and other devices send radio signals of their own accord. What reaches our receivers is dropped at once. We \
keep nothing by which you or your device could be known; only how many signals there were is counted.

# If you agreed
We recognise the fob, card or app that you registered yourself, and the area of the shop where you are. What we use \
this for is up to you, purpose by purpose. Our head office keeps your visits and what we offered you under a number \
in place of your name, until you ask for erasure. The legal basis is your consent (Art. 6(1)(a) GDPR), and for \
membership itself that you joined (b): for that, our head office also gets the name you gave us.

# Holding a card or phone to a reader
At the door you check in, and count as present until an hour after you last did so. At a till the till system learns \
your number in the programme and what you may redeem, until the purchase is over, for a few minutes at most. At the \
advice point you call a colleague.

# Your rights
At any time you may ask for access, correction, erasure, restriction and a copy of your data, withdraw any consent, \
and complain to a data protection authority. This is free and has no drawbacks: all general offers apply without \
consent, too.""",
}


@dataclass(frozen=True, slots=True)
class Person:
    """One member with what they carry: a beacon (identity key, or the 20 bytes of an iBeacon) and perhaps a card."""

    member_id: str
    call_name: str
    language: str
    interests: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    beacon: CredentialKind
    beacon_bytes: bytes
    clock_zero_s: int
    card_uri: str | None
    joined_ms: int


def people(seed: int, members: int) -> list[Person]:
    """The first `members` people (0 to MAX_MEMBERS) of this seed; a larger crowd begins with the same people."""
    rng = Random(f"people {seed}")
    return [_person(number, Random(rng.getrandbits(64))) for number in range(1, members + 1)]


def _person(number: int, rng: Random) -> Person:
    name = NAMES[(number - 1) % len(NAMES)]
    ibeacon = number > 2 and number % 3 == 0
    card = number <= 2 or number % 4 != 0
    refused: Sequence[Purpose] = () if number <= 2 else _REFUSALS[(number - 3) % len(_REFUSALS)]
    if number == _REFUSES_EVERYTHING:
        refused = _ALL
    interests = tuple(rng.sample(INTERESTS, k=rng.choice((2, 2, 3))))
    joined_ms = JOINED_MS + number * 3_600_000
    return Person(
        member_id=f"m-{number:03d}",
        call_name=name.split()[0],
        language="en" if name in ENGLISH_SPEAKERS else "de",
        interests=_FIXED_INTERESTS.get(number, interests),
        purposes=tuple(purpose for purpose in _ALL if purpose not in refused),
        beacon=CredentialKind.IBEACON if ibeacon else CredentialKind.EID,
        beacon_bytes=rng.randbytes(20 if ibeacon else 16),
        clock_zero_s=joined_ms // 1000 - rng.randrange(1 << 20),
        card_uri=f"https://musterstadt.example/k/{rng.getrandbits(80):020x}" if card else None,
        joined_ms=joined_ms,
    )


def population(seed: int, members: int) -> list[dict[str, Any]]:
    """The import operations, as JSON-able dicts, for the shop, its offers and exactly `people(seed, members)`."""
    ops = [_op("config.put", _shop())]
    ops += [_op("offer.put", offer) for offer in _offers()]
    for person in people(seed, members):
        ops.append(_op("member.put", _member(person)))
        ops += [_op("credential.put", body) for body in _credentials(person)]
        ops += [_op("consent.add", _consent(person, purpose)) for purpose in person.purposes]
    return ops


def _op(name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"op": name, "body": body}


def _shop() -> dict[str, Any]:
    return {
        "store_name": {"de": "Feinkost Musterstadt", "en": "Musterstadt Fine Foods"},
        "zones": _ZONES,
        "notice": {
            "version": NOTICE_VERSION,
            "controller": "Feinkost Musterstadt GmbH, Beispielweg 1, 00000 Musterstadt",
            "contact": "datenschutz@musterstadt.example",
            "notice_id": "customers",
            "text": NOTICE,
        },
    }


def _member(person: Person) -> dict[str, Any]:
    known = [interest for interest in person.interests if interest in _USUAL]
    return {
        "member_id": person.member_id,
        "call_name": person.call_name,
        "language": person.language,
        "interests": list(person.interests),
        "usual": [_USUAL[interest][person.language] for interest in known[:2]],
        "talking_points": [
            {
                "text": _text(*_TALK[interest]),
                "because": _text(
                    f"Hat {_CHOSEN[interest][0]} in der App ausgewählt", f"Chose {_CHOSEN[interest][1]} in the app"
                ),
            }
            for interest in known
        ],
    }


def _credentials(person: Person) -> list[dict[str, Any]]:
    beacon: dict[str, Any] = {
        "credential_id": f"{person.member_id}-{person.beacon.value}",
        "member_id": person.member_id,
        "kind": person.beacon.value,
    }
    if person.beacon is CredentialKind.EID:
        beacon |= {
            "identity_key": person.beacon_bytes.hex(),
            "exponent": EXPONENT,
            "clock_zero_s": person.clock_zero_s,
        }
    else:
        beacon |= {"value": person.beacon_bytes.hex(), "trackable_wording": TRACKABLE_WORDING}
    if person.card_uri is None:
        return [beacon]
    card = {
        "credential_id": f"{person.member_id}-card",
        "member_id": person.member_id,
        "kind": CredentialKind.NDEF.value,
        "value": person.card_uri.encode().hex(),
    }
    return [beacon, card]


def _consent(person: Person, purpose: Purpose) -> dict[str, Any]:
    return {
        "event_id": f"{person.member_id}-{purpose.value}-1",
        "member_id": person.member_id,
        "purpose": purpose.value,
        "state": "given",
        "given_at_ms": person.joined_ms,
        "valid_until_ms": None,
        "hq_seq": 0,
        "notice_version": NOTICE_VERSION,
        "channel": "app",
    }


def _text(de: str, en: str) -> dict[str, str]:
    return {"de": de, "en": en}


def _offers() -> list[dict[str, Any]]:
    return [*_for_everyone(), *_for_members()]


def _for_everyone() -> list[dict[str, Any]]:
    return [
        _offer(
            "flowers", "flowers", ["entrance"], [],
            ("Blumen vom Gärtner nebenan", "Flowers from next door"),
            ("Heute Morgen geschnitten, von Hand gebunden.", "Cut this morning, tied by hand."),
            ("Heute frisch", "Fresh today"),
            ("Wir schlagen den Strauß gern für den Heimweg ein.", "We are happy to wrap the bunch for the way home."),
        ),
        _offer(
            "bread", "bread", [], [],
            ("Sauerteigbrot, noch warm", "Sourdough, still warm"),
            ("Um 8, 11 und 16 Uhr kommt es aus dem Ofen.", "Out of the oven at 8, 11 and 4."),
            ("Aus dem Ofen", "Just baked"),
            ("Mehl, Wasser, Salz und 24 Stunden Zeit.", "Flour, water, salt and 24 hours of patience."),
        ),
        _offer(
            "filter", "coffee", ["coffee"], [],
            ("Heute in der Kanne: Guji, Äthiopien", "In the pot today: Guji, Ethiopia"),
            ("Ein kleiner Becher zum Probieren, frisch gebrüht.", "A small cup to taste, freshly brewed."),
            ("Zum Probieren", "Have a taste"),
            ("Schmeckt nach Pfirsich und Schwarztee.", "Tastes of peach and black tea."),
        ),
        _offer(
            "vineyards", "wine", ["wine"], [],
            ("Drei Winzer, eine Stunde Weg", "Three growers, one hour away"),
            ("Weiß, rosé und rot aus der Region.", "White, rosé and red from the region."),
            ("Regional", "Local"),
            ("Am Regal steht, welcher Hang zu welcher Flasche gehört.", "The shelf shows which slope fills a bottle."),
            category="alcohol.wine",  # it runs in the loop, and is nobody's answer
        ),
        _offer(
            "totebag", "bag", ["till"], [],
            ("Eine Tasche, die bleibt", "A bag that stays"),
            ("Genäht in der Werkstatt um die Ecke, trägt zehn Kilo.", "Sewn round the corner, carries ten kilos."),
            ("Neu", "New"),
            ("Geht eine Naht auf, nähen wir sie nach.", "If a seam gives, we sew it up again."),
        ),
    ]  # fmt: skip


def _for_members() -> list[dict[str, Any]]:
    return [
        _offer(
            "houseroast", "coffee", ["entrance", "coffee"], ["coffee"],
            ("Hausröstung, gestern geröstet", "House roast, roasted yesterday"),
            ("Haselnuss, Kakao und ganz wenig Säure.", "Hazelnut, cocoa and very little acidity."),
            ("2 für 1", "2 for 1"),
            ("Zwei Tüten zu 250 g, eine davon geht auf uns. Wir mahlen gern.",
             "Two bags of 250 g, one of them is on us. We are happy to grind."),
        ),
        _offer(
            "seasalt", "chocolate", ["entrance", "coffee"], ["chocolate"],
            ("Zartbitter trifft Meersalz", "Dark chocolate meets sea salt"),
            ("Eine neue Tafel aus der kleinen Manufaktur.", "A new bar from the small workshop."),
            ("Neu", "New"),
            ("72 Prozent Kakao. Ein Stück zum Kaffee genügt.", "72 per cent cocoa. One piece with coffee is enough."),
        ),
        _offer(
            "firstflush", "tea", ["coffee"], ["tea"],
            ("Die erste Pflückung ist da", "The first flush is here"),
            ("Darjeeling, hell und blumig.", "Darjeeling, light and floral."),
            ("Frisch eingetroffen", "Just arrived"),
            ("Drei Minuten bei 85 Grad, mehr braucht er nicht.", "Three minutes at 85 degrees, that is all it needs."),
        ),
        _offer(
            "mountain", "cheese", ["wine", "entrance"], ["cheese"],
            ("Bergkäse, zwölf Monate gereift", "Mountain cheese, aged twelve months"),
            ("Passt zu Birne, Nuss und frischem Brot.", "Good with pear, nuts and fresh bread."),
            ("Zum Probieren", "Have a taste"),
            ("Wir schneiden gern ein Stück zum Kosten ab.", "We are happy to cut a piece to try."),
        ),
        _offer(
            "picnic", "bread", ["wine", "till"], ["bread", "cheese"],
            ("Brot und Käse für unterwegs", "Bread and cheese to go"),
            ("Ein halber Laib und ein Stück vom Bergkäse.", "Half a loaf and a piece of mountain cheese."),
            ("Zusammen günstiger", "Better together"),
            ("Fertig gepackt an der Theke.", "Packed and ready at the counter."),
        ),
        _offer(
            "grapefizz", "wine", ["wine"], ["wine"],
            ("Prickelnd, ohne Alkohol", "Sparkling, without alcohol"),
            ("Traubensecco aus Riesling, gut gekühlt.", "Riesling grape fizz, well chilled."),
            ("Alkoholfrei", "Alcohol-free"),
            ("Ein Glas steht zum Probieren bereit.", "A glass is ready for tasting."),
            public_safe=False,  # an interest in wine is nobody's business at a public screen
        ),
        _offer(
            "pralines", "chocolate", ["till"], ["chocolate"],
            ("Vier Pralinen zum Mitbringen", "Four pralines to bring along"),
            ("Von Hand gemacht, hübsch verpackt.", "Made by hand, prettily wrapped."),
            ("3 für 2", "3 for 2"),
            ("Drei Schachteln nehmen, zwei bezahlen.", "Take three boxes, pay for two."),
        ),
    ]  # fmt: skip


def _offer(
    name: str,
    art: str,
    zones: list[str],
    interests: list[str],
    title: tuple[str, str],
    text: tuple[str, str],
    badge: tuple[str, str],
    more: tuple[str, str],
    public_safe: bool = True,
    category: str = "",
) -> dict[str, Any]:
    return {
        "offer_id": f"o-{name}",
        "title": _text(*title),
        "text": _text(*text),
        "badge": _text(*badge),
        "more": _text(*more),
        "art": art,
        "zones": zones,
        "interests": interests,
        "audience": "members" if interests else "everyone",
        "public_safe": public_safe,
        "priority": 2 if interests else 1,
        "category": category or (art if interests and public_safe else ""),
    }
