/** What pairing says, on the device that waits and on the tablet that approves, in German and English. */

const WORDS = {
  de: {
    wait_screen: "Bildschirm koppeln", wait_tablet: "Tablet koppeln", wait_till: "Kasse koppeln",
    how: "Auf dem Tablet der Leitung „Geräte“ öffnen (oder {address}), mit der PIN anmelden und diesen Code eingeben.",
    howQr: "Oder dieses Bild mit dem Tablet der Leitung scannen.",
    noQr: "Ohne Bild zum Scannen: „localhost“ findet kein anderes Gerät.",
    left: "Neuer Code in {t}", code: "Code: {code}",
    revoked: "Der Zugang dieses Geräts wurde entzogen. Mit dem neuen Code lässt es sich wieder koppeln.",
    refusedTitle: "Abgelehnt", refusedText: "Jemand hat dieses Gerät abgelehnt. Fragen Sie im Laden nach.", again: "Neuen Code anfordern",
    busyTitle: "Bitte kurz warten", busyText: "Von hier fragen gerade zu viele Geräte. In einer Minute geht es von selbst weiter.",
    lostTitle: "Das Gateway antwortet nicht", lostText: "Ist es eingeschaltet und im selben Netz? Diese Seite versucht es weiter.",
    goneTitle: "Gekoppelt", goneText: "Es geht sofort los.",
    deniedTitle: "Nicht für dieses Gerät", deniedText: "Diese Seite braucht mehr Rechte, als dieses Gerät hat.", back: "Zurück", install: "Einrichten",
    box: "Ohne Tablet, auf dem Gateway selbst", boxAny: "Ohne Tablet, auf dem Gateway selbst (so getippt, nennt es die IDs)", first: "Das erste Tablet? Den Link der Leitung darauf öffnen (store-gateway tablet-link).",
    title: "Geräte", toQueue: "Zur Beratung", typeTitle: "Gerät koppeln",
    typeText: "Der Code steht groß auf dem neuen Gerät.", typeLabel: "Code", waiting0: "Gerade zeigt kein Gerät einen Code.",
    waiting1: "1 Gerät zeigt einen Code.", waiting: "{n} Geräte zeigen einen Code.",
    wrong: "Diesen Code zeigt kein Gerät. Bitte vergleichen.", wait: "Zu viele falsche Codes. Weiter in {t}.",
    full: "Es sind zu viele Geräte gekoppelt. Entziehen Sie zuerst einem den Zugang.", cannot: "So lässt sich dieses Gerät nicht koppeln.",
    failed: "Keine Verbindung. Bitte noch einmal.", done: "Gekoppelt. Die Seite dort wechselt von selbst.", refusedDone: "Abgelehnt. Das Gerät zeigt es an.",
    found_screen: "Ein Bildschirm möchte zum Laden gehören", found_tablet: "Ein Tablet möchte zum Laden gehören", found_till: "Eine Kasse möchte zum Laden gehören",
    which_screen: "Welcher Bildschirm ist das?", which_till: "Neben welcher Kasse?", role: "Wofür ist es?",
    role_staff: "Beratung", role_staff_help: "Anfragen, Karten, Einlösen", role_manager: "Leitung", role_manager_help: "wie Beratung, dazu Geräte koppeln",
    role_installer: "Einrichtung", role_installer_help: "nur Lageplan und Empfänger", role_display: "Bildschirm", role_till: "Kasse",
    name: "Name, wenn Sie möchten", nameHint_screen: "z. B. Über der Bar", nameHint_tablet: "z. B. Tablet am Eingang", nameHint_till: "z. B. Kasse am Ausgang",
    lack: "Bitte wählen Sie hier etwas aus.", layout: "Wie hängt er?", landscape: "Quer", portrait: "Hoch",
    languages: "Sprache zuerst", approve: "Koppeln", refuse: "Ablehnen", cancel: "Abbrechen",
    listTitle: "Gekoppelte Geräte", none: "Noch ist keines gekoppelt.", here: "dieses Tablet",
    screen: "Bildschirm", tablet: "Tablet", till: "Kasse", link: "über den Link der Leitung", token: "ein Programm, mit Zugangsschlüssel",
    open: "verbunden", seen: "zuletzt {t}", never: "seit dem Start nicht gesehen", ended: "Zugang entzogen", now: "gerade eben", min: "vor {n} min", h: "vor {n} h", d: "vor {n} Tagen",
    rename: "Umbenennen", renameTitle: "{name} umbenennen", save: "Speichern",
    revoke: "Zugang entziehen", revokeTitle: "{name}: Zugang entziehen?", revokeText: "Das Gerät zeigt sofort nichts mehr und braucht einen neuen Code.",
    revokeMine: "Das ist das Tablet in Ihrer Hand. Sie brauchen danach den Link der Leitung.", noPlaces: "Dafür ist nichts eingerichtet. Bitte in der Konfiguration ergänzen.",
  },
  en: {
    wait_screen: "Pair this screen", wait_tablet: "Pair this tablet", wait_till: "Pair this till",
    how: "On the manager's tablet open “Devices” (or {address}), sign in with the PIN and enter this code.",
    howQr: "Or scan this with the manager's tablet.",
    noQr: "No picture to scan: no other device finds “localhost”.",
    left: "New code in {t}", code: "Code: {code}",
    revoked: "This device's access was revoked. The new code pairs it again.",
    refusedTitle: "Refused", refusedText: "Somebody refused this device. Ask in the shop.", again: "Get a new code",
    busyTitle: "One moment, please", busyText: "Too many devices ask from here just now. It goes on by itself in a minute.",
    lostTitle: "The gateway does not answer", lostText: "Is it switched on and in the same network? This page keeps trying.",
    goneTitle: "Paired", goneText: "Here we go.",
    deniedTitle: "Not for this device", deniedText: "This page needs more rights than this device has.", back: "Back", install: "Set up",
    box: "Without a tablet, on the gateway itself", boxAny: "Without a tablet, on the gateway itself (typed like this it names the ids)", first: "The first tablet? Open the manager's link on it (store-gateway tablet-link).",
    title: "Devices", toQueue: "To advice", typeTitle: "Pair a device",
    typeText: "The code stands on the new device, in large letters.", typeLabel: "Code", waiting0: "No device shows a code right now.",
    waiting1: "1 device shows a code.", waiting: "{n} devices show a code.",
    wrong: "No device shows this code. Please compare.", wait: "Too many wrong codes. Go on in {t}.",
    full: "Too many devices are paired. Revoke one's access first.", cannot: "This device cannot be paired like that.",
    failed: "No connection. Please try again.", done: "Paired. The page there changes by itself.", refusedDone: "Refused. The device says so.",
    found_screen: "A screen would like to belong to the shop", found_tablet: "A tablet would like to belong to the shop", found_till: "A till would like to belong to the shop",
    which_screen: "Which screen is it?", which_till: "Beside which till?", role: "What is it for?",
    role_staff: "Advice", role_staff_help: "requests, cards, redeeming", role_manager: "Manager", role_manager_help: "as advice, and pairs devices",
    role_installer: "Installation", role_installer_help: "only floor plan and receivers", role_display: "Screen", role_till: "Till",
    name: "Name, if you like", nameHint_screen: "e.g. above the bar", nameHint_tablet: "e.g. tablet at the entrance", nameHint_till: "e.g. till at the exit",
    lack: "Please choose here.", layout: "How does it hang?", landscape: "Landscape", portrait: "Portrait",
    languages: "Language first", approve: "Pair", refuse: "Refuse", cancel: "Cancel",
    listTitle: "Paired devices", none: "None is paired yet.", here: "this tablet",
    screen: "Screen", tablet: "Tablet", till: "Till", link: "by the manager's link", token: "a program, by its token",
    open: "connected", seen: "seen {t}", never: "not seen since the start", ended: "access revoked", now: "just now", min: "{n} min ago", h: "{n} h ago", d: "{n} days ago",
    rename: "Rename", renameTitle: "Rename {name}", save: "Save",
    revoke: "Revoke access", revokeTitle: "Revoke the access of {name}?", revokeText: "The device shows nothing any more, at once, and needs a new code.",
    revokeMine: "This is the tablet in your hand. You will need the manager's link afterwards.", noPlaces: "Nothing is set up for this. Please add it to the configuration.",
  },
};

/** The words of `key`; {slots} are filled from `slots`. */
export function said(language, key, slots = {}) {
  return (WORDS[language]?.[key] ?? "").replace(/\{(\w+)\}/g, (_, name) => String(slots[name] ?? ""));
}

/** How long ago, in words. */
export function ago(language, ms) {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return said(language, "now");
  if (minutes < 120) return said(language, "min", { n: minutes });
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? said(language, "h", { n: hours }) : said(language, "d", { n: Math.floor(hours / 24) });
}
