/** What the page of a till says, in German and English; a sentence for every "no" (docs/till.md). */

import { spoken } from "./words.js";

const WORDS = {
  de: {
    title: "Kasse", nobody: "Niemand angemeldet", nobodyText: "Karte oder Telefon an den Leser halten. Angebote für alle und Coupons gehen auch so.",
    guest: "Gast", guestText: "Der Name bleibt verborgen. Alles Übrige geht wie sonst.",
    proof_proven: "Sicher erkannt: Karte oder Telefon hat sich gerade ausgewiesen.",
    proof_signed: "Erkannt an einer unterschriebenen Karte.",
    proof_bearer: "Erkannt an einer Nummer, die man kopieren kann.",
    upTo: "Einlösbar bis {eur} je Angebot.", timeLeft: "gilt noch {t}", done: "Einkauf beenden", doneAsk: "Es ist noch etwas vorgemerkt. Trotzdem beenden?",
    points: "{n} Punkte", points1: "1 Punkt", pointsNew: "{n} neu",
    coupon: "Coupon", couponHint: "Scannen oder eintippen", couponAdd: "Prüfen und vormerken", camera: "Mit der Kamera", cameraTitle: "Coupon vor die Kamera halten", cameraNo: "Die Kamera lässt sich nicht öffnen.", close: "Schließen",
    offers: "Angebote", offersNone: "Gerade gibt es nichts einzulösen.", kept: "Am Bildschirm gewünscht", reserve: "Vormerken", heldNow: "Vorgemerkt", amount: "Betrag in Euro", amountNo: "Bitte einen Betrag in Euro eingeben, zum Beispiel 2,50.",
    until: "bis {t}", maxCents: "höchstens {eur}", memberDay: "{n}-mal am Tag", memberDay1: "einmal am Tag", left_cents: "hier noch {eur}", left_units: "hier noch {n} Stück", onlyOnline: "nur mit Zentrale",
    held: "In diesem Einkauf", heldNone: "Noch nichts vorgemerkt.", total: "Zusammen", receipt: "Bonnummer", receiptHint: "Erst kassieren, dann die Nummer vom Bon", receiptNo: "Die Nummer des Bons fehlt, oder sie hat andere Zeichen als Buchstaben, Ziffern und . _ : / # -",
    confirm: "Bon gedruckt: einlösen", cancel: "Streichen", ends: "noch {t} vorgemerkt",
    shift: "Diese Schicht", shiftNone: "In dieser Schicht wurde noch nichts eingelöst.", reverse: "Zurücknehmen", reverseTitle: "Was wird zurückgenommen?", reverseAll: "Alles", reversePart: "Nur einen Teil", reverseNow: "Jetzt zurücknehmen", reversed: "zurückgenommen", reversedPart: "{eur} zurückgenommen", receiptNr: "Bon {n}", withCoupon: "Coupon",
    booking: "Wird gebucht …", waiting: "Keine Antwort. Wir fragen weiter; gebucht wird nur einmal.",
    said_reserved: "Vorgemerkt: {eur}.", said_committed: "Eingelöst: {eur}.", said_released: "Gestrichen.", said_reversed: "Zurückgenommen: {eur}.",
    hqAway: "Zentrale nicht erreichbar: nur, was sie dem Laden geliehen hat",
    asks: "{n} ohne Antwort", hint: "Karte an den Leser halten, Coupon scannen oder ein Angebot vormerken.",
    status_401: "Dieses Gerät ist nicht mehr angemeldet. Bitte den Link der Filialleitung öffnen.", status_404: "Diese Kasse gibt es nicht mehr.",
    status_409: "Diese Buchung wurde schon anders verlangt. Bitte neu beginnen.", status_422: "Das lässt sich so nicht buchen. Bitte prüfen.", status_400: "Das lässt sich so nicht buchen. Bitte neu laden.",
    status_429: "Zu viele Anfragen dieser Kasse. Bitte in einer Stunde wieder.", status_other: "Das hat gerade nicht geklappt. Bitte neu laden.",
    "redemption.offer": "Dieses Angebot gilt jetzt nicht.",
    "redemption.nobody": "Dafür muss eine Karte oder ein Telefon an den Leser gehalten werden.",
    "redemption.cents": "Dieser Betrag geht nicht: mehr als das Angebot hergibt, oder nichts.",
    "redemption.class": "Die Zentrale hat die Regeln für dieses Angebot noch nicht geschickt.",
    "redemption.gone": "Diese Einlösung gibt es nicht.",
    "redemption.till": "Das hat eine andere Kasse vorgemerkt; nur sie kann es buchen.",
    "redemption.reserved": "Das ist erst vorgemerkt und noch nicht eingelöst.",
    "redemption.committed": "Das ist schon eingelöst.",
    "redemption.released": "Das wurde schon gestrichen.",
    "redemption.expired": "Die zehn Minuten sind vorbei. Bitte neu vormerken.",
    "redemption.reversed": "Das ist schon ganz zurückgenommen.",
    "redemption.hq_away": "Dieses Angebot geht nur, solange die Zentrale erreichbar ist.",
    "redemption.many": "Zu vieles ist noch offen. Bitte Vorgemerktes buchen oder streichen.",
    "proof.bearer_limit": "Für diese Karte ist es zu viel wert: Sie lässt sich kopieren. Mit dem Telefon geht es.",
    "limit.redemption": "So viel geht bei diesem Angebot nicht auf einmal.",
    "limit.member": "Heute hat dieses Mitglied genug davon eingelöst.",
    "limit.nobody": "Dafür muss eine Karte an den Leser: Es gibt eine Grenze je Mitglied.",
    "limit.day": "Für heute ist hier im Laden genug davon eingelöst.",
    "lease.none": "Dafür ist diesem Laden gerade nichts geliehen.",
    "lease.spent": "Was diesem Laden dafür geliehen ist, reicht nicht mehr.",
    "lease.restored": "Eine Sicherung wurde eingespielt. Die Zentrale hat noch nicht gesagt, was seither verbraucht wurde.",
    "coupon.form": "Das ist kein Coupon von uns. Stimmt die Tastatursprache am Scanner?",
    "coupon.key": "Der Schlüssel dieses Coupons gilt hier nicht.",
    "coupon.signature": "Dieser Coupon ist gefälscht oder verändert.",
    "coupon.expired": "Dieser Coupon ist abgelaufen.",
    "coupon.store": "Dieser Coupon gilt in einem anderen Laden.",
    "coupon.holder": "Dieser Coupon gehört einem bestimmten Mitglied. Bitte die Karte an den Leser halten.",
    "coupon.held": "Dieser Coupon ist gerade schon vorgemerkt.",
    "coupon.used": "Dieser Coupon wurde schon eingelöst.",
    "coupon.long": "Dieser Coupon gilt länger, als wir uns Einlösungen merken dürfen.",
    "coupon.restored": "Eine Sicherung wurde eingespielt. Die Zentrale hat noch nicht gesagt, welche Coupons seither eingelöst wurden.",
  },
  en: {
    title: "Till", nobody: "Nobody is known here", nobodyText: "Hold a card or phone to the reader. Offers for everybody and coupons work without.",
    guest: "Guest", guestText: "The name stays hidden. Everything else works as usual.",
    proof_proven: "Known for sure: the card or phone has just proved itself.",
    proof_signed: "Known by a signed card.",
    proof_bearer: "Known by a number that can be copied.",
    upTo: "Redeems up to {eur} an offer.", timeLeft: "for another {t}", done: "End this sale", doneAsk: "Something is still reserved. End it all the same?",
    points: "{n} points", points1: "1 point", pointsNew: "{n} new",
    coupon: "Coupon", couponHint: "Scan or type", couponAdd: "Check and reserve", camera: "With the camera", cameraTitle: "Hold the coupon to the camera", cameraNo: "The camera can't be opened.", close: "Close",
    offers: "Offers", offersNone: "There is nothing to redeem now.", kept: "Asked for at the screen", reserve: "Reserve", heldNow: "Reserved", amount: "Amount in euros", amountNo: "Please type an amount in euros, such as 2.50.",
    until: "until {t}", maxCents: "{eur} at most", memberDay: "{n} times a day", memberDay1: "once a day", left_cents: "{eur} left here", left_units: "{n} left here", onlyOnline: "only with head office",
    held: "In this sale", heldNone: "Nothing is reserved yet.", total: "Together", receipt: "Receipt number", receiptHint: "Take the money first, then the number of the receipt", receiptNo: "The number of the receipt is missing, or has other characters than letters, digits and . _ : / # -",
    confirm: "Receipt printed: redeem", cancel: "Cancel", ends: "reserved for {t}",
    shift: "This shift", shiftNone: "Nothing was redeemed in this shift yet.", reverse: "Take back", reverseTitle: "What is taken back?", reverseAll: "All of it", reversePart: "Only a part", reverseNow: "Take back now", reversed: "taken back", reversedPart: "{eur} taken back", receiptNr: "Receipt {n}", withCoupon: "Coupon",
    booking: "Booking …", waiting: "No answer. We keep asking; it is booked only once.",
    said_reserved: "Reserved: {eur}.", said_committed: "Redeemed: {eur}.", said_released: "Cancelled.", said_reversed: "Taken back: {eur}.",
    hqAway: "Head office away: only what it lent this shop",
    asks: "{n} without an answer", hint: "Hold a card to the reader, scan a coupon or reserve an offer.",
    status_401: "This device is not signed in any more. Please open the manager's link.", status_404: "This till does not exist any more.",
    status_409: "This booking was asked for differently before. Please begin anew.", status_422: "That can't be booked like this. Please check.", status_400: "That can't be booked like this. Please reload.",
    status_429: "Too many requests of this till. Please try again in an hour.", status_other: "That did not work just now. Please reload.",
    "redemption.offer": "This offer is not valid now.",
    "redemption.nobody": "A card or phone has to be held to the reader for it.",
    "redemption.cents": "This amount is not possible: more than the offer gives, or nothing.",
    "redemption.class": "Head office has not sent the rules for this offer yet.",
    "redemption.gone": "There is no such redemption.",
    "redemption.till": "Another till has reserved this; only that one can book it.",
    "redemption.reserved": "This is only reserved and not redeemed yet.",
    "redemption.committed": "This is redeemed already.",
    "redemption.released": "This was cancelled already.",
    "redemption.expired": "The ten minutes are over. Please reserve it again.",
    "redemption.reversed": "All of this is taken back already.",
    "redemption.hq_away": "This offer works only while head office can be reached.",
    "redemption.many": "Too much is still open. Please book or cancel what is reserved.",
    "proof.bearer_limit": "It is worth too much for this card, which can be copied. With the phone it works.",
    "limit.redemption": "This offer does not give so much at once.",
    "limit.member": "This member has redeemed enough of it today.",
    "limit.nobody": "A card has to be held to the reader: there is a limit for each member.",
    "limit.day": "Enough of it has been redeemed in this shop today.",
    "lease.none": "Nothing is lent to this shop for it at present.",
    "lease.spent": "What is lent to this shop for it is not enough any more.",
    "lease.restored": "A backup was put back. Headquarters has not said yet what was spent since.",
    "coupon.form": "This is no coupon of ours. Is the scanner set to the right keyboard language?",
    "coupon.key": "The key of this coupon does not count here.",
    "coupon.signature": "This coupon is forged or altered.",
    "coupon.expired": "This coupon is over.",
    "coupon.store": "This coupon counts in another shop.",
    "coupon.holder": "This coupon belongs to a certain member. Please hold the card to the reader.",
    "coupon.held": "This coupon is reserved already just now.",
    "coupon.used": "This coupon was redeemed before.",
    "coupon.long": "This coupon counts longer than we may remember redemptions.",
    "coupon.restored": "A backup was put back. Headquarters has not said yet which coupons were used since.",
  },
};

/** The sentence `key` with its {slots} filled; an unknown key gives "". */
export function said(language, key, slots = {}) {
  const sentence = WORDS[spoken(language)][key] ?? "";
  return sentence.replace(/\{(\w+)\}/g, (_, name) => String(slots[name] ?? ""));
}

/** Why not, in plain words; a reason that nobody has words for is given as it is. */
export const refusal = (language, reason) => said(language, reason) || reason;

/** Cents as the language writes money. */
export const money = (language, cents) => (cents / 100).toLocaleString(language, { style: "currency", currency: "EUR" });

/** Cents of an amount that somebody typed, "2,50" or "2.5"; null for what is none. */
export function cents(typed) {
  const found = /^\s*(\d{1,5})(?:[.,](\d{1,2}))?\s*$/.exec(typed);
  if (!found) return null;
  const value = Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0") || 0);
  return value > 0 && value <= 1_000_000 ? value : null;
}
