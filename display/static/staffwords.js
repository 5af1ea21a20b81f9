/** What a tablet's lock and its shift log say, in German and English. */

import { spoken } from "./words.js";

const WORDS = {
  de: {
    lockTitle: "Gesperrt", lockedIdle: "Gesperrt, weil niemand es benutzt hat.", who: "Wer ist da?", whoText: "Tippen Sie auf Ihr Zeichen und geben Sie dann Ihre PIN ein.",
    asking0: "Gerade fragt niemand um Rat", asking1: "1 Person fragt um Rat", asking: "{n} Personen fragen um Rat",
    pin: "Ihre PIN, {name}", pinText: "Sechs Ziffern. Nach fünf falschen kommt eine Pause.", others: "Jemand anderes",
    wrong: "Diese PIN stimmt nicht.", tooOften: "{name}: zu oft falsch, kurze Pause.", wait: "Weiter in {t}.", lockedOut: "Gesperrt für {t}.",
    badge: "Halten Sie zuerst Ihren Ausweis an den Leser neben diesem Tablet.", badgeSeen: "Ausweis erkannt. Jetzt die PIN.",
    gone: "Das geht nicht mehr. Bitte noch einmal von vorn.", busy: "Gerade melden sich viele an. Bitte gleich noch einmal.",
    failed: "Keine Verbindung zum Gateway. Bitte gleich noch einmal.", refused: "Das darf nur eine Leitung.",
    freeTitle: "{name} ist gesperrt", freeText: "Zu viele falsche PINs. Noch {t}, oder eine Leitung gibt frei.", free: "Freigeben",
    freed: "{name} darf es wieder versuchen.", managerPin: "PIN der Leitung: {name}", noManager: "Hier ist keine Leitung eingetragen.",
    expiredTitle: "Nur Auskunft zur Ware", expiredText: "Die Zentrale war tagelang nicht zu erreichen. PINs und Profile sind abgelaufen; was für alle gilt, steht hier.",
    expiredHelp: "Sobald die Zentrale wieder da ist, gilt jede PIN wie vorher.",
    away: "Zentrale nicht erreichbar seit {t}, Einlösen nur begrenzt", silent: "Das Gateway antwortet nicht. Namen sind gelöscht.",
    devices: "Geräte", install: "Einrichten", lock: "Sperren", working: "Angemeldet: {name}", shift: "Schicht",
    shiftTitle: "Diese Schicht", shiftText: "An diesem Tablet oder von Ihnen vorgemerkt und eingelöst, in den letzten zwölf Stunden.",
    shiftNone: "In dieser Schicht wurde noch nichts vorgemerkt oder eingelöst.", unsynced0: "Die Zentrale ist auf diesem Stand.",
    unsynced1: "1 Meldung wartet auf die Zentrale.", unsynced: "{n} Meldungen warten auf die Zentrale.",
    notSynced: "noch nicht bestätigt", reserved: "nur vorgemerkt", committed: "eingelöst", reversed: "zurückgenommen",
    void: "Zurücknehmen", voidTitle: "Einlösung zurücknehmen?", voidText: "{title}, {money}. Dafür braucht es die PIN einer Leitung.",
    voided: "Zurückgenommen: {title}", voidRefused: "Das lässt sich nicht mehr zurücknehmen.", byWho: "von {who}", partly: "davon {money} zurück",
    redeem: "An der Kasse vormerken", redeemWhere: "An welcher Kasse?", held: "Vorgemerkt an Kasse {till}", booked: "Eingelöst an Kasse {till}", heldUntil: "Noch nicht gebucht: das macht die Kasse mit dem Bon, bis {t}.", heldNot: "Geht nicht: {why}",
    close: "Schließen", cancel: "Abbrechen", closed_locked: "Das Tablet wurde gesperrt. Die Karte ist gelöscht.",
  },
  en: {
    lockTitle: "Locked", lockedIdle: "Locked because nobody used it.", who: "Who is there?", whoText: "Tap your sign, then type your PIN.",
    asking0: "Nobody is asking for advice", asking1: "1 person is asking for advice", asking: "{n} people are asking for advice",
    pin: "Your PIN, {name}", pinText: "Six digits. After five wrong ones there is a pause.", others: "Somebody else",
    wrong: "This PIN is not right.", tooOften: "{name}: wrong too often, a short pause.", wait: "Go on in {t}.", lockedOut: "Locked for {t}.",
    badge: "First hold your badge to the reader beside this tablet.", badgeSeen: "Badge seen. Now the PIN.",
    gone: "That is over. Please begin again.", busy: "Many people sign in just now. Please try again in a moment.",
    failed: "No connection to the gateway. Please try again in a moment.", refused: "Only a manager may do that.",
    freeTitle: "{name} is locked out", freeText: "Too many wrong PINs. {t} to go, or a manager sets them free.", free: "Set free",
    freed: "{name} may try again.", managerPin: "Manager's PIN: {name}", noManager: "No manager is known here.",
    expiredTitle: "Product information only", expiredText: "Headquarters could not be reached for days. PINs and profiles have expired; what is for everybody stands here.",
    expiredHelp: "Once headquarters is back, every PIN counts as before.",
    away: "Headquarters out of reach since {t}, redemptions limited", silent: "The gateway does not answer. Names are wiped.",
    devices: "Devices", install: "Set up", lock: "Lock", working: "Signed in: {name}", shift: "Shift",
    shiftTitle: "This shift", shiftText: "Reserved and redeemed at this tablet or by you, in the last twelve hours.",
    shiftNone: "Nothing has been reserved or redeemed in this shift.", unsynced0: "Headquarters knows all of this.",
    unsynced1: "1 report waits for headquarters.", unsynced: "{n} reports wait for headquarters.",
    notSynced: "not confirmed yet", reserved: "only reserved", committed: "redeemed", reversed: "taken back",
    void: "Take back", voidTitle: "Take this back?", voidText: "{title}, {money}. It needs a manager's PIN.",
    voided: "Taken back: {title}", voidRefused: "That cannot be taken back any more.", byWho: "by {who}", partly: "{money} of it taken back",
    redeem: "Reserve at the till", redeemWhere: "At which till?", held: "Reserved at {till}", booked: "Redeemed at {till}", heldUntil: "Not booked yet: the till does that with the receipt, until {t}.", heldNot: "Not possible: {why}",
    close: "Close", cancel: "Cancel", closed_locked: "The tablet was locked. The card is wiped.",
  },
};

/** The sentence `key` with its {slots} filled; an unknown key gives "". */
export function told(language, key, slots = {}) {
  const sentence = WORDS[spoken(language)][key] ?? "";
  return sentence.replace(/\{(\w+)\}/g, (_, name) => String(slots[name] ?? ""));
}

/** The sentence for so many: `key`0, `key`1 or `key`. */
export const counted = (language, key, n) => told(language, n < 2 ? `${key}${n}` : key, { n });
