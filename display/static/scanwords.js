/** The words of the page on which customers scan for themselves. */

const WORDS = {
  de: {
    title: "Selbst scannen", wait: "Einen Moment …", begin: "Einkauf beginnen", beginTitle: "Scannen Sie selbst",
    beginText: "Sie scannen oder tippen jeden Artikel, sehen gleich die Summe, und zahlen am Ende an der Kasse mit einem Code.",
    beginKnown: "Öffnen Sie diese Seite von „Ihre Angaben“ aus, sind Ihre persönlichen Vorteile gleich dabei. Es geht auch ohne.",
    offTitle: "Hier noch nicht", offText: "In diesem Laden kann man noch nicht selbst scannen.", busyTitle: "Gerade zu viele", busyText: "Bitte versuchen Sie es in ein paar Minuten noch einmal.",
    again: "Noch einmal", failedTitle: "Keine Verbindung", failedText: "Sind Sie im WLAN des Ladens? Dann bitte noch einmal versuchen.",
    sum: "Summe", items: "{n} Artikel", item1: "1 Artikel", saved: "Ihre Vorteile: {t} gespart", toTill: "Zur Kasse",
    offline: "Ohne Netz: Sie können weiter scannen. Die Summe ist vorläufig, bis das Netz wieder da ist.",
    unsent: "Die Summe ist noch vorläufig.", codeNeeds: "Für den Code braucht es das Netz des Ladens.",
    field: "Nummer unter dem Strichcode", add: "Dazu", camera: "Mit der Kamera scannen", cameraOff: "Kamera aus", cameraNo: "Die Kamera ließ sich nicht öffnen. Bitte tippen Sie die Nummer.",
    added: "{what} dazu", form: "Das ist keine Artikelnummer.", check: "Da ist eine Ziffer falsch. Bitte noch einmal.", unknown: "Diesen Artikel kennen wir nicht. Bitte legen Sie ihn an der Kasse vor.", label: "Hier zählt das Etikett mit Gewicht oder Preis. Bitte scannen Sie das.",
    full: "Mehr passt nicht in diesen Korb. Bitte gehen Sie zur Kasse.", noList: "Die Preisliste fehlt noch. Bitte im Netz des Ladens warten.",
    less: "Eins weniger: {what}", more: "Eins mehr: {what}", each: "je {t}", grams: "{n} g", benefit: "Ihr Vorteil: −{t}", waits: "vorläufig",
    empty: "Noch nichts im Korb.", gifts: "Ihre Vorteile heute", anonymous: "Ohne Anmeldung: allgemeine Preise.",
    codeTitle: "An der Kasse zahlen", codeText: "Zeigen Sie diesen Code an der Kasse. Bezahlt wird dort, nicht hier.", codeAlt: "Code für die Kasse", letters: "Ohne Kamera an der Kasse:",
    codeEnds: "Gilt noch {t}", codeOver: "Der Code ist abgelaufen.", codeNew: "Neuer Code", back: "Weiter einkaufen",
    doneTitle: "Danke", doneText: "Ihr Korb ist an der Kasse. Auf diesem Telefon ist nichts mehr davon.",
    goneTitle: "Der Korb ist nicht mehr da", goneText: "Nach einer Weile ohne Scan wird er gelöscht, und wenn Sie auf einem anderen Telefon weiter scannen. An der Kasse geht alles wie immer.",
    leave: "Korb leeren und aufhören", leaveSure: "Wirklich alles verwerfen?", leaveYes: "Ja, verwerfen",
    unknownLeft: "An der Kasse zu klären: {n}",
  },
  en: {
    title: "Scan yourself", wait: "One moment …", begin: "Start shopping", beginTitle: "Scan as you shop",
    beginText: "You scan or type each article, see the sum at once, and in the end pay at the till with a code.",
    beginKnown: "If you open this page from “Your details”, your personal benefits are in it at once. It also works without.",
    offTitle: "Not here yet", offText: "There is no self-scanning in this shop yet.", busyTitle: "Too many just now", busyText: "Please try again in a few minutes.",
    again: "Try again", failedTitle: "No connection", failedText: "Are you on the shop's Wi-Fi? Then please try again.",
    sum: "Sum", items: "{n} items", item1: "1 item", saved: "Your benefits: {t} saved", toTill: "To the till",
    offline: "No network: you can go on scanning. The sum is provisional until the network is back.",
    unsent: "The sum is still provisional.", codeNeeds: "The code needs the shop's network.",
    field: "Number below the bar code", add: "Add", camera: "Scan with the camera", cameraOff: "Camera off", cameraNo: "The camera could not be opened. Please type the number.",
    added: "{what} added", form: "This is no article number.", check: "One digit is wrong. Please try again.", unknown: "We do not know this article. Please show it at the till.", label: "Here the label with weight or price counts. Please scan that.",
    full: "No more fits this basket. Please go to the till.", noList: "The price list is not here yet. Please wait on the shop's network.",
    less: "One less: {what}", more: "One more: {what}", each: "{t} each", grams: "{n} g", benefit: "Your benefit: −{t}", waits: "provisional",
    empty: "Nothing in the basket yet.", gifts: "Your benefits today", anonymous: "Not checked in: general prices.",
    codeTitle: "Pay at the till", codeText: "Show this code at the till. You pay there, not here.", codeAlt: "Code for the till", letters: "At a till without a camera:",
    codeEnds: "Valid for {t}", codeOver: "The code has expired.", codeNew: "New code", back: "Go on shopping",
    doneTitle: "Thank you", doneText: "Your basket is at the till. Nothing of it is left on this phone.",
    goneTitle: "The basket is gone", goneText: "It is deleted after a while without a scan, and when you go on with another phone. The till takes everything as always.",
    leave: "Empty the basket and stop", leaveSure: "Really discard everything?", leaveYes: "Yes, discard",
    unknownLeft: "To be settled at the till: {n}",
  },
};

/** The sentence `key` with its {slots} filled. */
export function word(language, key, slots = {}) {
  return (WORDS[language][key] ?? "").replace(/\{(\w+)\}/g, (_, name) => String(slots[name] ?? ""));
}

/** Cents as money. */
export const money = (language, cents) => new Intl.NumberFormat(language, { style: "currency", currency: "EUR" }).format(cents / 100);
