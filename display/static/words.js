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
    welcomeStepTitle: "Schön, dass Sie da sind", welcomeStepText: "Sie sind eingecheckt. Viel Freude bei uns.",
    joinTitle: "Werden Sie Stammgast", joinText: "Wir kennen uns noch nicht, und gespeichert wurde nichts. Als Stammgast sehen Sie hier, was Ihnen schmeckt. Nein sagen geht jederzeit.",
    joinScan: "Jetzt mitmachen", joinRead: "So funktioniert es", joinAsk: "Oder fragen Sie uns.",
    code: "Ich habe einen Code", cancel: "Abbrechen",
    codeTitle: "Ihr Code, bitte", codeText: "Geben Sie die acht Ziffern ein, die Sie von uns bekommen haben.",
    codeCount: "{n} von 8 Ziffern eingegeben", codeBack: "Letzte Ziffer löschen", codeDone: "Fertig",
    codeChecking: "Einen Moment …", codeWrong: "Dieser Code stimmt nicht. Bitte noch einmal.", codeWait: "Bitte kurz warten und dann noch einmal tippen.",
    holdTitle: "Jetzt anhalten", holdText: "Halten Sie Ihre Karte oder Ihr Telefon ruhig an den Leser.",
    boundTitle: "Geschafft, willkommen", boundText: "Ab jetzt genügt es, Karte oder Telefon anzuhalten.",
    againTitle: "Das hat nicht geklappt", againText: "Bitte nur eine Karte, und kurz ruhig halten.",
    unlockTitle: "Fast geschafft", unlockText: "Bitte das Telefon entsperren oder den Pass auswählen.",
    refusedTitle: "Leider nicht", refusedText: "Diese Karte können wir hier nicht annehmen. Bitte sprechen Sie uns an.",
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
    part_disk: "Datenträger", part_hq: "Zentrale", part_pages: "Seiten", details: "Zähler für die Technik",
    "ble.sightings": "Signale von Mitgliedern", "ble.strangers": "Signale anderer, verworfen", "ble.not_ours": "Fremde Funkdaten, verworfen",
    "ble.find_hub": "Suchnetz-Anhänger, verworfen", "ble.ios_overflow": "iPhone-Apps im Hintergrund, verworfen", "ble.anchors": "Eigene Festbaken", "ble.flood": "Überflutung, verworfen", "ble.replayed": "Wiederholte alte Signale, verworfen",
    nfcTitle: "Karten und Telefone", refused_forged: "Gefälscht, abgewiesen", refused_replayed: "Noch einmal gezeigt (Kopie), abgewiesen",
    refused_late: "Abgelaufen, abgewiesen", refused_other: "Nicht lesbar, abgewiesen",
    "nfc.taps": "Von Mitgliedern angehalten", "nfc.strangers": "Unbekannte Karten, verworfen",
    "nfc.read_failed": "Zu früh weggezogen", "nfc.reader_errors": "Störungen am Leser", "nfc.unknown_reader": "An einem Leser ohne Platz",
    faultsTitle: "Bitte kurz nachsehen", faultMore: "Für die Technik", faultNow: "gerade eben", faultsMore: "und {n} weitere",
    fault_reader_down: "Der Kartenleser {place} antwortet nicht.", fault_reader_degraded: "Der Kartenleser {place} liest nicht zuverlässig.",
    fault_radio_down: "Der Bluetooth-Empfänger {place} arbeitet nicht.", fault_remote_down: "Das Empfangsgerät {place} meldet sich nicht.",
    fault_ear_down: "Der Empfänger {place} arbeitet nicht.",
    help_reader: "Kabel abziehen, fünf Sekunden warten, wieder anstecken.", help_radio: "Den Bluetooth-Stick abziehen und wieder anstecken.",
    help_remote: "Ist es eingeschaltet und im Netz? Sonst aus- und wieder einschalten.", help_ear: "Stecker prüfen; hilft das nicht, der Filialleitung sagen.",
    atZone: "„{zone}“", readerLabel: "Leser hier", readerPick: "Welcher Leser steht neben diesem Tablet?",
    readerWhy: "Wer dort eine Karte anhält, erscheint gleich hier.", readerNo: "Kein Leser", readerFailed: "Der Leser konnte nicht gewählt werden.",
    ear_reader: "Kartenleser {place}", ear_radio: "Bluetooth-Empfänger {place}", ear_remote: "Empfangsgerät {place}", ear_ear: "Empfänger {place}",
    readersTitle: "Leser und Empfänger",
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
    welcomeStepTitle: "Good to see you", welcomeStepText: "You are checked in. Enjoy your visit.",
    joinTitle: "Become a regular", joinText: "We have not met yet, and nothing was stored. As a regular you see here what you like. You can say no at any time.",
    joinScan: "Join now", joinRead: "How it works", joinAsk: "Or ask us.",
    code: "I have a code", cancel: "Cancel",
    codeTitle: "Your code, please", codeText: "Type the eight digits that we gave you.",
    codeCount: "{n} of 8 digits typed", codeBack: "Delete the last digit", codeDone: "Done",
    codeChecking: "One moment …", codeWrong: "This code is not right. Please try again.", codeWait: "Please wait a moment, then try again.",
    holdTitle: "Now hold it here", holdText: "Hold your card or phone still against the reader.",
    boundTitle: "Done, welcome", boundText: "From now on it is enough to hold it to the reader.",
    againTitle: "That did not work", againText: "Only one card, please, and hold it still for a moment.",
    unlockTitle: "Almost there", unlockText: "Please unlock the phone or choose the pass.",
    refusedTitle: "Sorry, no", refusedText: "We cannot accept this card here. Please talk to us.",
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
    part_disk: "Data disk", part_hq: "Headquarters", part_pages: "Pages", details: "Counters for the technician",
    "ble.sightings": "Signals from members", "ble.strangers": "Signals from others, dropped", "ble.not_ours": "Foreign radio data, dropped",
    "ble.find_hub": "Find Hub trackers, dropped", "ble.ios_overflow": "iPhone apps in the background, dropped", "ble.anchors": "The shop's own beacons", "ble.flood": "Floods, dropped", "ble.replayed": "Old signals played again, dropped",
    nfcTitle: "Cards and phones", refused_forged: "Forged, refused", refused_replayed: "Shown again (a copy), refused",
    refused_late: "Out of date, refused", refused_other: "Not readable, refused",
    "nfc.taps": "Taps by members", "nfc.strangers": "Unknown cards, dropped",
    "nfc.read_failed": "Taken away too early", "nfc.reader_errors": "Faults at the reader", "nfc.unknown_reader": "At a reader without a place",
    faultsTitle: "Please have a look", faultMore: "For the technician", faultNow: "just now", faultsMore: "and {n} more",
    fault_reader_down: "The card reader {place} does not answer.", fault_reader_degraded: "The card reader {place} does not read reliably.",
    fault_radio_down: "The Bluetooth receiver {place} does not work.", fault_remote_down: "The listening device {place} is silent.",
    fault_ear_down: "The receiver {place} does not work.",
    help_reader: "Unplug its cable, wait five seconds, plug it in again.", help_radio: "Unplug the Bluetooth stick and plug it in again.",
    help_remote: "Is it switched on and on the network? If so, switch it off and on.", help_ear: "Check its plug; if that does not help, tell your manager.",
    atZone: "“{zone}”", readerLabel: "Reader here", readerPick: "Which reader is beside this tablet?",
    readerWhy: "Whoever holds a card to it appears here at once.", readerNo: "No reader", readerFailed: "The reader could not be chosen.",
    ear_reader: "Card reader {place}", ear_radio: "Bluetooth receiver {place}", ear_remote: "Listening device {place}", ear_ear: "Receiver {place}",
    readersTitle: "Readers and receivers",
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
