// Every sentence of the console in German and English. No DOM, no network.

export const languages = ["de", "en"];

const WORDS = {
  de: {
    headquarters: "Zentrale", shops: "Läden", events: "Gerade in den Läden", members: "Mitglieder", offers: "Angebote",
    skip: "Zum Inhalt", search: "Mitglieder suchen", searchHint: "Name oder Pseudonym",
    live: (v) => `Live · Stand ${v}`, connecting: "Verbinde …", stale: "Keine Verbindung zur Zentrale",
    themeLight: "Zu heller Ansicht wechseln", themeDark: "Zu dunkler Ansicht wechseln", other: "English",
    notGiven: "nicht erteilt",
    eventsCount: (n) => `${n} in dieser Ansicht`,
    membersCount: (n) => (n >= 200 ? "die ersten 200" : String(n)), offersCount: (n) => `${n} aktiv`,
    noShops: "Noch kein Gateway hat sich gemeldet. Sobald eines verbunden ist, erscheint es hier.",
    noEvents: "Noch ist nichts passiert. Besuche, Entscheidungen und Antworten erscheinen hier von selbst.",
    noMembers: "Noch keine Mitglieder. Importieren Sie sie mit store-gateway hq import-members.",
    trackable: (kind, version) => `Für jeden wiedererkennbar: ${kind}. Zugestimmt in der Fassung ${version}`,
    noHits: "Kein Mitglied passt zu dieser Suche.", noOffers: "Noch kein Angebot. Legen Sie eines an.",
    withdraw: "Widerrufen", withdrawAll: "Alles widerrufen", cancel: "Abbrechen",
    withdrawAllAsk: (name) => `Alle Einwilligungen von ${name} widerrufen?`,
    withdrawAllText: "Jeder Laden hört sofort auf, diese Person zu erkennen. Nur sie selbst kann neu einwilligen.",
    withdrawn: (what, name, t) => `${what} für ${name} widerrufen, ${t}`, everything: "Alles",
    failed: "Das hat nicht geklappt. Bitte noch einmal versuchen.",
    newOffer: "Neues Angebot", push: "In die Läden senden", pushAgain: "Wieder senden", takeDown: "Zurückziehen",
    pushed: (t) => `„${t}“ ist unterwegs in die Läden`, takenDown: (t) => `„${t}“ ist zurückgezogen`, isDown: "zurückgezogen",
    titleDe: "Titel (Deutsch)", titleEn: "Titel (Englisch)", textDe: "Text (Deutsch)", textEn: "Text (Englisch)",
    badgeDe: "Preisschild (Deutsch)", badgeEn: "Preisschild (Englisch)", zone: "Bereich", audience: "Für wen", art: "Bild",
    publicSafe: "Darf auf öffentlichen Bildschirmen erscheinen, weil ein passendes Mitglied in der Nähe ist",
    wholeShop: "Ganzer Laden", everyone: "Alle", forMembers: "Mitglieder",
  },
  en: {
    headquarters: "Headquarters", shops: "Shops", events: "Happening in the shops", members: "Members", offers: "Offers",
    skip: "Skip to content", search: "Search members", searchHint: "Name or pseudonym",
    live: (v) => `Live · version ${v}`, connecting: "Connecting …", stale: "No connection to headquarters",
    themeLight: "Switch to the light look", themeDark: "Switch to the dark look", other: "Deutsch",
    notGiven: "not given",
    eventsCount: (n) => `${n} in view`,
    membersCount: (n) => (n >= 200 ? "the first 200" : String(n)), offersCount: (n) => `${n} running`,
    noShops: "No gateway has called yet. As soon as one connects it appears here.",
    noEvents: "Nothing has happened yet. Visits, decisions and answers appear here by themselves.",
    noMembers: "No members yet. Import them with store-gateway hq import-members.",
    trackable: (kind, version) => `Anybody can follow it: ${kind}. Agreed to in wording ${version}`,
    noHits: "No member matches this search.", noOffers: "No offer yet. Make one.",
    withdraw: "Withdraw", withdrawAll: "Withdraw everything", cancel: "Cancel",
    withdrawAllAsk: (name) => `Withdraw every consent of ${name}?`,
    withdrawAllText: "Every shop stops recognising this person at once. Only they can consent again.",
    withdrawn: (what, name, t) => `${what} withdrawn for ${name}, ${t}`, everything: "Everything",
    failed: "That did not work. Please try again.",
    newOffer: "New offer", push: "Push to the shops", pushAgain: "Push again", takeDown: "Take down",
    pushed: (t) => `“${t}” is on its way to the shops`, takenDown: (t) => `“${t}” is taken down`, isDown: "taken down",
    titleDe: "Title (German)", titleEn: "Title (English)", textDe: "Text (German)", textEn: "Text (English)",
    badgeDe: "Price tag (German)", badgeEn: "Price tag (English)", zone: "Zone", audience: "For whom", art: "Picture",
    publicSafe: "May appear on public screens because a matching member is near",
    wholeShop: "Whole shop", everyone: "Everyone", forMembers: "Members",
  },
};

export const PURPOSES = {
  recognise_ble: { de: "Erkennen per Funk", en: "Recognise by beacon" },
  recognise_nfc: { de: "Erkennen per Karte", en: "Recognise by tap" },
  personalise_offers: { de: "Passende Angebote", en: "Personal offers" },
  public_personal_greeting: { de: "Name auf Bildschirm", en: "Name on screen" },
  staff_advice: { de: "Beratung", en: "Staff advice" },
  greet_on_entry: { de: "Begrüßung am Eingang", en: "Greeting at the door" },
  purchase_history: { de: "Kaufhistorie", en: "Purchase history" },
  marketing_push: { de: "Werbung aufs Telefon", en: "Push messages" },
};

export const STATES = {
  withdrawn: { de: "ist widerrufen", en: "withdrawn" }, refused: { de: "abgelehnt", en: "refused" },
  expired: { de: "abgelaufen", en: "expired" }, from_the_future: { de: "noch nicht gültig", en: "not valid yet" },
};

// What members agreed to who carry a beacon with a fixed number, by version; the same words as in docs/privacy-details.md.
export const WORDINGS = {
  "2026-11": {
    de: "Mein Anhänger sendet immer dieselbe Nummer. Der Laden erkennt mich daran, solange ich das erlaube. Aber auch jeder andere in der Nähe kann diese Nummer empfangen und den Anhänger daran wiedererkennen, auch anderswo und auch, nachdem ich im Laden widerrufen habe. Ich kann ihn ausschalten, zu Hause lassen oder gegen einen mit wechselnder Nummer tauschen. Ich bin damit einverstanden, einen solchen Anhänger zu tragen.",
    en: "My fob always sends the same number. The shop recognises me by it for as long as I allow that. But anybody else nearby can receive this number too and recognise the fob by it, in other places as well, and even after I have withdrawn in the shop. I can switch it off, leave it at home or swap it for one whose number changes. I agree to carry such a fob.",
  },
};

export const ARTS = {
  bag: { de: "Tasche", en: "Bag" }, bread: { de: "Brot", en: "Bread" }, cheese: { de: "Käse", en: "Cheese" },
  chocolate: { de: "Schokolade", en: "Chocolate" }, coffee: { de: "Kaffee", en: "Coffee" },
  flowers: { de: "Blumen", en: "Flowers" }, tea: { de: "Tee", en: "Tea" }, wine: { de: "Wein", en: "Wine" },
};

const WHY = {
  "consent.not_given": { de: "keine Einwilligung", en: "no consent" },
  "consent.withdrawn": { de: "Einwilligung widerrufen", en: "consent withdrawn" },
  "consent.refused": { de: "Einwilligung abgelehnt", en: "consent refused" },
  "consent.expired": { de: "Einwilligung abgelaufen", en: "consent expired" },
  "consent.from_the_future": { de: "Einwilligung gilt noch nicht", en: "consent is not valid yet" },
  "consent.clock_in_doubt": { de: "Uhr des Ladens ist ungewiss", en: "the shop's clock is in doubt" },
  "consent.age": { de: "Alter reicht nicht oder ist nicht bekannt", en: "too young, or age not known" },
  "consent.notice": { de: "anderer Datenschutzhinweis", en: "another privacy notice" },
  "consent.tampered": { de: "Einwilligungen wurden verändert", en: "the consent log was changed" },
  company_without_consent: { de: "andere stehen dabei", en: "others stand nearby" },
  does_not_fit_company: { de: "passt nicht zu allen, die dort stehen", en: "does not fit everybody there" },
  "budget.day": { de: "für heute genug gesagt", en: "enough said for today" },
  "budget.pause": { de: "noch in der Pause danach", en: "still pausing after the last one" },
  "budget.quiet": { de: "Ruhezeit", en: "quiet hours" },
  "budget.ignored": { de: "blieb zuletzt ohne Antwort", en: "the last ones were not answered" },
  "budget.spent": { de: "Vorgesehenes ist verbraucht", en: "what was set aside is used up" },
  "cap.impressions": { de: "schon oft genug gesehen", en: "seen often enough" },
  "cap.acceptances": { de: "schon oft genug angenommen", en: "accepted often enough" },
  "cap.redemptions": { de: "schon oft genug eingelöst", en: "redeemed often enough" },
  "cap.store": { de: "im Laden schon oft genug vergeben", en: "given out often enough in the shop" },
  "pause.shown": { de: "erst kürzlich gesehen", en: "seen only recently" },
  "pause.dismissed": { de: "kürzlich abgelehnt", en: "dismissed recently" },
  "pause.redeemed": { de: "kürzlich eingelöst", en: "redeemed recently" },
  group: { de: "ein anderes schließt es aus", en: "another one excludes it" },
  holdout: { de: "zum Vergleich ausgenommen", en: "left out for comparison" },
  "holdout.first": { de: "wäre es gewesen, zum Vergleich ausgenommen", en: "would have won, left out for comparison" },
  store: { de: "nicht für diesen Laden", en: "not for this store" }, placement: { de: "nicht für diesen Ort", en: "not for this place" },
  channel: { de: "für einen anderen Weg", en: "for another channel" },
  eligibility: { de: "Bedingungen nicht erfüllt", en: "conditions not met" },
  "eligibility.unknown": { de: "zu wenig bekannt für die Bedingungen", en: "too little known for its conditions" },
  stock: { de: "ausverkauft", en: "sold out" }, "stock.unknown": { de: "Bestand nicht bekannt", en: "stock not known" },
  "price.unknown": { de: "nicht in der Preisliste", en: "not in the price list" }, "text.unknown": { de: "ein Name im Text ist nicht bekannt", en: "a name in its text is not known" },
  "price.disagrees": { de: "Preis weicht von der Preisliste ab", en: "price differs from the price list" },
  "cap.member": { de: "schon oft genug gesehen", en: "seen often enough" },
  schedule: { de: "gerade gilt keines", en: "none is valid now" }, zone: { de: "keines für diesen Bereich", en: "none for this zone" },
  interests: { de: "keines passt", en: "none fits" },
  not_public_safe: { de: "keines darf öffentlich erscheinen", en: "none may be shown in public" },
  "category.not_public": { de: "Warengruppe nicht für öffentliche Bildschirme", en: "category not for public screens" },
  says_you: { de: "spricht jemanden persönlich an", en: "speaks to one person" },
  nothing_eligible: { de: "kein Angebot passt", en: "no offer fits" },
  "proof.bearer_limit": { de: "zu wertvoll für eine kopierbare Karte", en: "worth too much for a card that can be copied" },
  sensitive: { de: "geht niemanden etwas an", en: "nobody else's business" },
  names_somebody: { de: "nennt jemanden beim Namen", en: "calls somebody by name" },
  "age.unknown": { de: "Alter nicht bekannt", en: "age not known" }, "age.under16": { de: "unter 16", en: "under 16" },
  "gate.purpose": { de: "Zweck darf das nicht lesen", en: "the purpose may not read that" },
  in_the_loop: { de: "läuft dort ohnehin", en: "it runs there anyway" },
};

// What was bound, by the kind of its credential (docs/mqtt.md).
const THINGS = {
  ndef: { de: "Karte mit Nummer", en: "Card with a number" }, signed: { de: "Von der Zentrale signierte Karte", en: "Card signed by headquarters" },
  sun: { de: "Karte mit Schlüssel", en: "Card with a key" }, hce: { de: "Handy mit unserer App", en: "Phone with our app" },
  pass: { de: "Kundenpass im Handy", en: "Loyalty pass in a phone" }, chip: { de: "Karte mit Chipnummer", en: "Card with a chip number" },
};

// How strong the proof of a tap was (docs/mqtt.md).
const PROOFS = {
  proven: { de: "Schlüssel geprüft", en: "key checked" }, signed: { de: "Unterschrift geprüft, kopierbar", en: "signature checked, can be copied" },
  bearer: { de: "nur eine Nummer, kopierbar", en: "only a number, can be copied" },
};

const CLOSED = { closed: { de: "beendet", en: "finished" }, timeout: { de: "abgelaufen", en: "timed out" }, withdrawn: { de: "Einwilligung widerrufen", en: "consent withdrawn" }, locked: { de: "Tablet gesperrt", en: "tablet locked" } };

// What made a segment change (docs/segments.md).
const SEGMENT_WHY = {
  zone: { de: "anderer Bereich", en: "another area" }, time: { de: "Zeit", en: "time" },
  tap: { de: "vorgehalten", en: "a tap" }, answer: { de: "Antwort auf ein Angebot", en: "an answer to an offer" },
  basket: { de: "Korb", en: "the basket" }, rules: { de: "andere Regeln", en: "other rules" },
};

// One sentence per event type; `body` is untrusted: every field may be missing.
const EVENTS = { // b: the body with its ids replaced by names
  "visit.entered": { de: (b) => `Besuch beginnt: ${b.zone}`, en: (b) => `Visit begins: ${b.zone}` },
  "visit.announced": { de: (b) => `Dem Personal angekündigt: ${b.zone}`, en: (b) => `Announced to staff: ${b.zone}` },
  "segment.changed": {
    de: (b) => `${b.state === "in" ? "Kommt in Segment" : "Verlässt Segment"}: ${b.segment} (${pick(SEGMENT_WHY[b.why], "de", b.why)})`,
    en: (b) => `${b.state === "in" ? "Enters segment" : "Leaves segment"}: ${b.segment} (${pick(SEGMENT_WHY[b.why], "en", b.why)})`,
  },
  "segments.refused": { de: (b) => `Segmente abgelehnt${b.field ? `: ${b.field}` : ""}`, en: (b) => `Segments refused${b.field ? `: ${b.field}` : ""}` },
  "offer.refused": { de: (b) => `Angebot abgelehnt: ${b.offer_id}${b.field ? ` (${b.field})` : ""}`, en: (b) => `Offer refused: ${b.offer_id}${b.field ? ` (${b.field})` : ""}` },
  "offer.withheld": { de: (b) => `Angebot zurückgehalten, Preis passt nicht: ${b.offer_id} (${b.reason})`, en: (b) => `Offer withheld, its price is wrong: ${b.offer_id} (${b.reason})` },
  "basket.shown": { de: (b) => `Selbst gescannter Korb an der Kasse: ${b.till} · ${b.items} Artikel${b.recheck ? " · wird geprüft" : ""}`, en: (b) => `Self-scanned basket at the till: ${b.till} · ${b.items} items${b.recheck ? " · checked" : ""}` },
  "catalogue.applied": { de: (b) => `Neuer Katalog übernommen: ${b.offers} Angebote`, en: (b) => `New catalogue applied: ${b.offers} offers` },
  "catalogue.refused": { de: (b) => `Katalog abgelehnt: ${b.reason}${b.offer_id ? ` (${b.offer_id})` : ""}`, en: (b) => `Catalogue refused: ${b.reason}${b.offer_id ? ` (${b.offer_id})` : ""}` },
  "screen.played": { de: (b) => `Gezeigt an ${b.screen}: ${b.plays.length}`, en: (b) => `Shown at ${b.screen}: ${b.plays.length}` },
  "screen.dead": { de: (b) => `Bildschirm zeigt nichts Neues: ${b.screen}`, en: (b) => `Screen shows nothing new: ${b.screen}` },
  "screen.alive": { de: (b) => `Bildschirm zeigt wieder etwas: ${b.screen}`, en: (b) => `Screen shows something again: ${b.screen}` },
  "content.applied": { de: (b) => `Neue Bilder und Texte auf den Bildschirmen: ${b.files} Dateien`, en: (b) => `New pictures and words on screens: ${b.files} files` },
  "content.refused": { de: (b) => `Bilder und Texte abgelehnt: ${b.field || b.reason}`, en: (b) => `Pictures and words refused: ${b.field || b.reason}` },
  "brand.applied": { de: () => "Neues Aussehen der Seiten", en: () => "New look of the pages" },
  "brand.refused": { de: (b) => `Aussehen abgelehnt: ${b.field || b.reason}`, en: (b) => `Look refused: ${b.field || b.reason}` },
  "sale.recorded": { de: (b) => `Bon ${b.receipt}: ${money(b.cents, "de")} · ${b.till}`, en: (b) => `Receipt ${b.receipt}: ${money(b.cents, "en")} · ${b.till}` },
  "points.changed": { de: (b) => `Punkte: ${signed(b.points)}`, en: (b) => `Points: ${signed(b.points)}` },
  "visit.moved": { de: (b) => `Weiter zu: ${b.zone}`, en: (b) => `Moved on to: ${b.zone}` },
  "visit.dwelled": { de: (b) => `Bleibt bei: ${b.zone}`, en: (b) => `Stays at: ${b.zone}` },
  "sale.identified": { de: (b) => `An der Kasse erkannt: ${b.till}${proof(b, "de")}`, en: (b) => `Recognised at the till: ${b.till}${proof(b, "en")}` },
  "redemption.reserved": { de: (b) => `An der Kasse reserviert: ${b.offer} · ${b.till}`, en: (b) => `Reserved at the till: ${b.offer} · ${b.till}` },
  "redemption.committed": { de: (b) => `An der Kasse eingelöst: ${b.offer} · ${b.till}`, en: (b) => `Redeemed at the till: ${b.offer} · ${b.till}` },
  "redemption.released": { de: (b) => `Einlösung abgebrochen oder abgelaufen: ${b.offer}`, en: (b) => `Redemption cancelled or ended: ${b.offer}` },
  "redemption.reversed": { de: (b) => `Einlösung zurückgenommen: ${b.offer}`, en: (b) => `Redemption taken back: ${b.offer}` },
  "coupon.issued": { de: (b) => `Aufs Telefon mitgegeben: ${b.offer}`, en: (b) => `Taken along on a phone: ${b.offer}` },
  "device.paired": { de: (b) => `Gerät gekoppelt: ${b.kind} ${b.place} · ${b.role}`, en: (b) => `Device paired: ${b.kind} ${b.place} · ${b.role}` },
  "update.done": { de: (b) => `Aktualisiert: ${b.before} → ${b.version}`, en: (b) => `Updated: ${b.before} → ${b.version}` },
  "update.failed": { de: (b) => `Aktualisierung auf ${b.version || "?"} ${b.result === "refused" ? "abgelehnt" : "gescheitert"} (${b.reason})`, en: (b) => `Update to ${b.version || "?"} ${b.result} (${b.reason})` },
  "device.revoked": { de: (b) => `Gerät zurückgezogen: ${b.kind} ${b.place}`, en: (b) => `Device withdrawn: ${b.kind} ${b.place}` },
  "tills.restored": { de: () => "Eine Sicherung wurde eingespielt: es wird gefragt, was inzwischen eingelöst ist", en: () => "A backup was restored: what was redeemed since is asked for" },
  "database.mended": { de: () => "Die Datenbank war beschädigt und wurde neu gemacht: das Übrige wird noch einmal geschickt", en: () => "The database was damaged and made anew: the rest is sent again" },
  "lease.closed": { de: () => "Ein verliehenes Budget ist abgerechnet", en: () => "A lent budget is settled" },
  "credential.bound": { de: (b) => `Neu verbunden: ${pick(THINGS[b.kind], "de", "Karte oder Handy")}${proof(b, "de")}`, en: (b) => `Newly bound: ${pick(THINGS[b.kind], "en", "Card or phone")}${proof(b, "en")}` },
  "credential.doubted": { de: () => "Ein Kennzeichen war an zwei Orten zugleich: es öffnet vorerst nichts", en: () => "A credential was in two places at once: it opens nothing for now" },
  "visit.left": { de: (b) => `Besuch endet: ${b.zone}`, en: (b) => `Visit ends: ${b.zone}` },
  "decision.made": {
    de: (b) => (b.offer_id ? `${b.offer} gezeigt ${b.trigger === "tap" ? "nach Antippen" : "im Vorbeigehen"} · ${b.screen}` : silent(b, "de")) + proof(b, "de"),
    en: (b) => (b.offer_id ? `${b.offer} shown ${b.trigger === "tap" ? "after a tap" : "in passing"} · ${b.screen}` : silent(b, "en")) + proof(b, "en"),
  },
  "offer.accepted": { de: (b) => `„Ja, gern“ zu ${b.offer}`, en: (b) => `“Yes, please” to ${b.offer}` },
  "offer.explained": { de: (b) => `Mehr gelesen zu ${b.offer}`, en: (b) => `Read more about ${b.offer}` },
  "offer.declined": { de: (b) => `„Nicht jetzt“ zu ${b.offer}`, en: (b) => `“Not now” to ${b.offer}` },
  "handshake.asked": { de: (b) => `Bittet um Beratung: ${b.zone}`, en: (b) => `Asks for advice: ${b.zone}` },
  "handshake.accepted": { de: () => "Beratung übernommen", en: () => "A colleague took over" },
  "staff.unlocked": { de: (b) => `Tablet geöffnet: ${b.staff_id}`, en: (b) => `Tablet opened: ${b.staff_id}` },
  "staff.locked": { de: (b) => (b.staff_id ? `Tablet gesperrt: ${b.staff_id}` : "Tablet gesperrt"), en: (b) => (b.staff_id ? `Tablet locked: ${b.staff_id}` : "Tablet locked") },
  "staff.refused": { de: (b) => `Falsche PIN: ${b.staff_id} (${b.wrong} in Folge)`, en: (b) => `Wrong PIN: ${b.staff_id} (${b.wrong} in a row)` },
  "staff.freed": { de: (b) => `${b.by} gibt ${b.staff_id} wieder frei`, en: (b) => `${b.by} set ${b.staff_id} free again` },
  "audit.viewed": { de: () => "Daten angesehen oder bearbeitet", en: () => "Data was looked at or acted on" },
  "handshake.closed": { de: (b) => `Beratung zu Ende: ${pick(CLOSED[b.reason], "de", b.reason)}`, en: (b) => `Advice ended: ${pick(CLOSED[b.reason], "en", b.reason)}` },
  "consent.recorded": {
    de: (b) => `Im Laden entschieden: ${pick(PURPOSES[b.purpose], "de", b.purpose)} ${pick(STATES[b.state], "de", b.state)}`,
    en: (b) => `Decided in the shop: ${pick(PURPOSES[b.purpose], "en", b.purpose)} ${pick(STATES[b.state], "en", b.state)}`,
  },
  "consent.parked": { de: (b) => `Laden kann einer Einwilligung nicht folgen: ${b.reason}`, en: (b) => `Shop can't follow a consent: ${b.reason}` },
  "consent.tampered": {
    de: () => "Einwilligungen wurden im Laden verändert: es gilt dort keine, bis sie neu gesendet sind (hq resend)",
    en: () => "The consent log was changed in the shop: none counts there until it is sent anew (hq resend)",
  },
  "erasure.requested": { de: () => "Jemand bat im Laden, vergessen zu werden", en: () => "Somebody asked in the shop to be forgotten" },
  "consent.applied": {
    de: (b) => `Laden hat umgesetzt: ${pick(PURPOSES[b.purpose], "de", b.purpose)} ${pick(STATES[b.state], "de", b.state)}`,
    en: (b) => `Shop has applied: ${pick(PURPOSES[b.purpose], "en", b.purpose)} ${pick(STATES[b.state], "en", b.state)}`,
  },
};

function reason(body) {
  const reasons = Array.isArray(body.reasons) ? body.reasons.filter(Array.isArray) : [];
  return (reasons.find(([candidate]) => candidate === "*") ?? reasons[0])?.[1];
}

// A decision for no offer: who taps is greeted all the same.
function silent(body, language) {
  const code = reason(body);
  const why = pick(WHY[code], language, code ?? (language === "de" ? "kein Angebot da" : "no offer there"));
  const plain = code === undefined || code === "nothing_eligible"; // these say themselves that there is no offer
  const [passing, tapped] = language === "de" ? ["Nichts gezeigt:", plain ? "Begrüßt," : "Begrüßt, kein Angebot:"]
    : ["Nothing shown:", plain ? "Greeted," : "Greeted, no offer:"];
  return `${body.trigger === "tap" ? tapped : passing} ${why}`;
}

// " · key checked", or nothing where no tap asked.
function proof(body, language) {
  const said = pick(PROOFS[body.proof], language);
  return said ? ` · ${said}` : "";
}

// A text in one language, else in another, else `otherwise`.
export const money = (cents, language) => (cents / 100).toLocaleString(language, { style: "currency", currency: "EUR" });
const signed = (n) => `${n < 0 ? "−" : "+"}${Math.abs(n)}`;

const SLOTS = { // what shops fill in: what the offer itself says of it, and its name where only the shop knows
  price: { of: (o, language) => o.price_cents ? money(o.price_cents, language) : "", de: "Preis", en: "price" },
  value: { of: (o, language) => o.value_cents ? money(o.value_cents, language) : "", de: "Wert", en: "value" },
  until: { of: (o, language) => o.valid_until_ms == null ? "" : new Intl.DateTimeFormat(language, { day: "numeric", month: "long" }).format(o.valid_until_ms - 1), de: "Ende", en: "end" },
  store: { of: () => "", de: "Laden", en: "shop" },
  zone: { of: () => "", de: "Bereich", en: "zone" },
};

// The text of an offer as shops say it, in pieces; `open` names what only a shop can fill in.
export function pieces(text, offer, language) {
  return text.split(/(\{(?:price|value|until|store|zone)\})/).filter(Boolean).map((part) => {
    const slot = SLOTS[part.slice(1, -1)];
    const said = slot?.of(offer, language);
    return slot ? { text: said || slot[language], open: !said } : { text: part, open: false };
  });
}

export const plain = (text, offer, language) => pieces(text, offer, language).map((one) => (one.open ? `[${one.text}]` : one.text)).join("");

export function pick(text, language, otherwise = "") {
  return String(text?.[language] ?? text?.en ?? text?.de ?? otherwise);
}

export function word(language, key, ...values) {
  const found = WORDS[language][key];
  return typeof found === "function" ? found(...values) : found;
}

export function sentence(language, event, names) {
  const raw = event.body ?? {};
  const body = { ...raw, zone: names.zone(raw.zone) ?? "–", offer: names.offer(raw.offer_id) ?? "–", screen: raw.screen ?? "–", tablet: raw.tablet ?? "–" };
  return EVENTS[event.type]?.[language]?.(body) ?? event.type.replaceAll(/[._]/g, " ");
}
