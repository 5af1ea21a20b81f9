/** Everything the pages say, in German and English. */

const WORDS = {
  de: {
    here: "Gerade hier", today: "Heute im Laden",
    welcomeTitle: "Schön, dass Sie da sind", welcomeText: "Schauen Sie sich in Ruhe um. Wir helfen gern.",
    consentLine: "Erkannt wird nur, wer zugestimmt hat.",
    hello: "Hallo {name}", helloPlain: "Schön, dass Sie da sind",
    yes: "Ja, gern", more: "Mehr dazu", not_now: "Nicht jetzt", advice: "Beratung, bitte", more_time: "Mehr Zeit",
    acceptedTitle: "Sehr gern", acceptedText: "Wir haben es für Sie vorgemerkt.",
    declinedTitle: "Alles klar", declinedText: "Dann vielleicht ein andermal. Viel Freude beim Stöbern.",
    adviceTitle: "Wir kommen zu Ihnen", adviceText: "Eine Kollegin oder ein Kollege ist gleich bei Ihnen.",
    nothingTitle: "Schön, dass Sie da sind", nothingText: "Heute liegt nichts Besonderes bereit. Schauen Sie sich gern um.",
    joinTitle: "Werden Sie Stammgast", joinText: "Mit Ihrer eigenen Karte begrüßen wir Sie hier mit dem, was Ihnen schmeckt. Nur wenn Sie möchten, und nur so lange Sie möchten.",
    joinScan: "So funktioniert es", joinAsk: "Fragen Sie unser Personal, es dauert zwei Minuten.",
    failed: "Das hat gerade nicht geklappt. Bitte sprechen Sie uns an.", secondsLeft: "Noch {n} Sekunden",
    queueTitle: "Beratung", guest: "Gast {n}", tap: "Karte angehalten", screen: "Am Bildschirm gefragt",
    colleagueNear: "eine Kollegin oder ein Kollege ist dort", colleaguesNear: "{n} aus dem Team sind dort",
    accept: "Übernehmen", accepting: "Moment …", taken: "Übernommen", mine: "Bei Ihnen offen",
    takenNow: "Eine Kollegin oder ein Kollege war schneller.", goneNow: "Die Anfrage hat sich erledigt.",
    refusedNow: "Das geht gerade nicht.", failedNow: "Keine Verbindung. Bitte noch einmal tippen.",
    waiting: "wartet seit {t}", live: "Verbunden", lost: "Keine Verbindung – wird neu aufgebaut", connecting: "Verbinde …",
    emptyTitle: "Gerade fragt niemand", emptyText: "Sobald jemand Beratung möchte, erscheint die Anfrage hier.",
    idleTitle: "Noch keine Karte offen", idleText: "Übernehmen Sie links eine Anfrage. Die Karte schließt sich von selbst.",
    usual: "Das Übliche", points: "Gesprächsthemen", offers: "Passende Angebote", consents: "Zugestimmt", close: "Schließen",
    because: "weil", speaks: "Spricht {language}", closesIn: "schließt in {t}", nobody: "Gast", none: "Nichts hinterlegt",
    closed_closed: "Die Karte ist geschlossen.", closed_timeout: "Die Karte hat sich von selbst geschlossen.",
    closed_withdrawn: "Die Zustimmung wurde zurückgezogen. Die Karte ist gelöscht.", closed_other: "Die Karte ist geschlossen.",
    recognise_ble: "Erkennen per Bluetooth", recognise_nfc: "Erkennen per Karte", personalise_offers: "Eigene Angebote",
    public_personal_greeting: "Begrüßung am Bildschirm", staff_advice: "Beratung", greet_on_entry: "Begrüßung am Eingang",
    purchase_history: "Einkäufe merken", marketing_push: "Nachrichten",
    waitingCount0: "Keine neue Anfrage", waitingCount1: "1 Anfrage", waitingCount: "{n} Anfragen",
    statusOk: "Alles läuft", statusDegraded: "Läuft mit Einschränkung", statusDown: "Bitte kümmern",
    ok: "läuft", degraded: "eingeschränkt", down: "steht", since: "seit {t}", whatToDo: "Das hilft", partsTitle: "Teile",
    screensTitle: "Bildschirme", tabletsTitle: "Tablets", countsTitle: "Zähler", connected: "verbunden", notConnected: "nicht verbunden",
    open: "Öffnen", partsRunning: "{n} von {m} Teilen laufen", notice: "Datenschutzhinweis", noParts: "Noch hat sich kein Teil gemeldet.",
    noCounts: "Noch nichts gezählt.", unreachable: "Das Gateway antwortet nicht", unreachableText: "Ist das Gerät eingeschaltet und im Netz? Diese Seite versucht es weiter.",
    tabletsOnline: "{n} verbunden", version: "Version {v}", noScreens: "Kein Bildschirm eingerichtet.", min: "{n} min", h: "{n} h", d: "{n} Tagen", now: "eben",
    part_disk: "Datenträger", part_hq: "Zentrale", part_pages: "Seiten", part_receiver: "Empfänger {n}", details: "Zähler für die Technik",
    "ble.sightings": "Signale von Mitgliedern", "ble.strangers": "Signale anderer, verworfen", "ble.not_ours": "Fremde Funkdaten, verworfen",
    "ble.find_hub": "Suchnetz-Anhänger, verworfen", "ble.ios_overflow": "iPhone-Apps im Hintergrund, verworfen", "ble.anchors": "Eigene Festbaken", "ble.flood": "Überflutung, verworfen", "ble.replayed": "Wiederholte alte Signale, verworfen",
    "nfc.taps": "Karten von Mitgliedern", "nfc.strangers": "Unbekannte Karten, verworfen",
  },
  en: {
    here: "Right here", today: "In store today",
    welcomeTitle: "Good to see you", welcomeText: "Take your time and look around. We are happy to help.",
    consentLine: "Only people who agreed are recognised.",
    hello: "Hello {name}", helloPlain: "Good to see you",
    yes: "Yes, please", more: "Tell me more", not_now: "Not now", advice: "Advice, please", more_time: "More time",
    acceptedTitle: "With pleasure", acceptedText: "We have noted it for you.",
    declinedTitle: "All right", declinedText: "Another time, perhaps. Enjoy looking around.",
    adviceTitle: "We are coming to you", adviceText: "A colleague will be with you in a moment.",
    nothingTitle: "Good to see you", nothingText: "Nothing special is waiting today. Enjoy looking around.",
    joinTitle: "Become a regular", joinText: "With a card of your own we greet you here with what you like. Only if you want to, and only for as long as you want.",
    joinScan: "How it works", joinAsk: "Ask our staff, it takes two minutes.",
    failed: "That did not work just now. Please ask our staff.", secondsLeft: "{n} seconds left",
    queueTitle: "Advice", guest: "Guest {n}", tap: "Tapped a card", screen: "Asked at the screen",
    colleagueNear: "a colleague is there", colleaguesNear: "{n} colleagues are there",
    accept: "Accept", accepting: "One moment …", taken: "Taken", mine: "Open with you",
    takenNow: "A colleague was faster.", goneNow: "This request is over.",
    refusedNow: "That is not possible now.", failedNow: "No connection. Please tap again.",
    waiting: "waiting for {t}", live: "Connected", lost: "No connection – trying again", connecting: "Connecting …",
    emptyTitle: "Nobody is asking", emptyText: "As soon as somebody would like advice, the request appears here.",
    idleTitle: "No card open", idleText: "Accept a request on the left. The card closes by itself.",
    usual: "The usual", points: "Talking points", offers: "Fitting offers", consents: "Agreed to", close: "Close",
    because: "because", speaks: "Speaks {language}", closesIn: "closes in {t}", nobody: "Guest", none: "Nothing on file",
    closed_closed: "The card is closed.", closed_timeout: "The card closed by itself.",
    closed_withdrawn: "Consent was withdrawn. The card is deleted.", closed_other: "The card is closed.",
    recognise_ble: "Recognition by Bluetooth", recognise_nfc: "Recognition by card", personalise_offers: "Own offers",
    public_personal_greeting: "Greeting on screen", staff_advice: "Advice", greet_on_entry: "Greeting at the door",
    purchase_history: "Remember purchases", marketing_push: "Messages",
    waitingCount0: "No new request", waitingCount1: "1 request", waitingCount: "{n} requests",
    statusOk: "Everything is running", statusDegraded: "Running with limits", statusDown: "Needs your attention",
    ok: "running", degraded: "limited", down: "stopped", since: "for {t}", whatToDo: "What helps", partsTitle: "Parts",
    screensTitle: "Screens", tabletsTitle: "Tablets", countsTitle: "Counts", connected: "connected", notConnected: "not connected",
    open: "Open", partsRunning: "{n} of {m} parts are running", notice: "Privacy notice", noParts: "No part has reported yet.",
    noCounts: "Nothing counted yet.", unreachable: "The gateway does not answer", unreachableText: "Is the device switched on and on the network? This page keeps trying.",
    tabletsOnline: "{n} connected", version: "Version {v}", noScreens: "No screen is set up.", min: "{n} min", h: "{n} h", d: "{n} days", now: "a moment",
    part_disk: "Data disk", part_hq: "Headquarters", part_pages: "Pages", part_receiver: "Receiver {n}", details: "Counters for the technician",
    "ble.sightings": "Signals from members", "ble.strangers": "Signals from others, dropped", "ble.not_ours": "Foreign radio data, dropped",
    "ble.find_hub": "Find Hub trackers, dropped", "ble.ios_overflow": "iPhone apps in the background, dropped", "ble.anchors": "The shop's own beacons", "ble.flood": "Floods, dropped", "ble.replayed": "Old signals played again, dropped",
    "nfc.taps": "Members' cards", "nfc.strangers": "Unknown cards, dropped",
  },
};

export const LANGUAGES = Object.keys(WORDS);

/** A language the pages speak: the wished one, else English. */
export const spoken = (wish) => (LANGUAGES.includes(wish) ? wish : "en");

export const other = (language) => (language === "de" ? "en" : "de");

/** The sentence `key` with its {slots} filled; an unknown key gives "". */
export function word(language, key, slots = {}) {
  const sentence = WORDS[spoken(language)][key] ?? "";
  return sentence.replace(/\{(\w+)\}/g, (_, name) => String(slots[name] ?? ""));
}

/** The best sentence of a Text ({de: "..", en: ".."}) for `language`, or "". */
export function pick(text, language) {
  if (!text) return "";
  return text[language] || text.de || text.en || Object.values(text)[0] || "";
}

/** The language of this device's person: chosen before, else the browser's. */
export function deviceLanguage() {
  return spoken(localStorage.getItem("language") ?? (navigator.language || "de").slice(0, 2));
}
