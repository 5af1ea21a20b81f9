// The words of the fleet's table and of commands, in German and English. No DOM, no network.

const WORDS = {
  de: {
    fleetCount: (all, online) => `${online} von ${all} verbunden`,
    bad: (n) => (n === 1 ? "1 braucht jemanden" : `${n} brauchen jemanden`), warn: (n) => (n === 1 ? "1 eingeschränkt" : `${n} eingeschränkt`), fine: "Alle laufen",
    findShop: "Laden suchen", findShopHint: "Mandant, Laden oder Gateway", noShop: "Kein Laden passt zu dieser Suche.",
    shop: "Laden", needs: "Was fehlt", lacks: "Rückstand", waits: "Ereignisse warten", software: "Version", seen: "Zuletzt gehört",
    good: "läuft", now: "verbunden", at: (t) => t, none: "–", more: (n) => `und ${n} weitere`, worst: (n, of) => `Die ersten ${n} von ${of}.`,
    open: (name) => `Mehr zu ${name}`, reported: (t) => `Gemeldet ${t}`, noReport: "Dieses Gateway hat noch nicht gemeldet, wie es ihm geht.",
    partsOk: (n) => (n === 1 ? "1 Teil, alles in Ordnung" : `${n} Teile, alles in Ordnung`), ordered: "Zuletzt befohlen", nothingOrdered: "Noch nichts befohlen.", since: (t) => `seit ${t}`,
    away: (t) => `nicht verbunden seit ${t}`, silent: (t) => `meldet sich nicht seit ${t}`, erasures: (n) => (n === 1 ? "1 Löschung nicht bestätigt" : `${n} Löschungen nicht bestätigt`),
    versions: (n) => (n === 1 ? "1 Änderung fehlt" : `${n} Änderungen fehlen`), gap: "ältere Ereignisse stehen aus", key: "zeigt einen anderen Schlüssel", clone: (t) => `zwei Geräte unter diesem Namen, oder eine alte Sicherung (${t})`, ahead: "behauptet, mehr zu wissen als die Zentrale", kept_back: "bekommt nichts: Die Zentrale ist eine alte Sicherung (hq restored)", waiting: (n, said) => `${said} Ereignisse warten`,
    down: (part) => `${part} steht`, degraded: (part) => `${part} eingeschränkt`, moreParts: (n) => `${n} weitere Teile`,
    commands: "Befehle an Gateways", noCommands: "Noch kein Befehl. Sie werden mit store-gateway hq command gegeben.",
    restart: "Neu starten", rescan: "Geräte neu suchen", log_level: "Protokoll", bundle: "Diagnosepaket", blink: "Bildschirm zeigen", update: "Aktualisieren",
    settings_sent: (id) => `Einstellungen ${id} noch nicht angekommen`, settings_trial: (id) => `Einstellungen ${id} werden erprobt`,
    settings_undone: (id, why) => `Einstellungen ${id} zurückgenommen (${why})`, settings_refused: (id, why) => `Einstellungen ${id} abgelehnt (${why})`,
    settings_kept: (id) => `Einstellungen ${id} gelten nicht mehr`, settings_unchanged: (id) => `Einstellungen ${id} gelten nicht mehr`,
    config_undone: (_, why) => `Konfiguration zurückgenommen (${why})`, catalogue_undone: (_, why) => `Angebote zurückgenommen (${why})`,
    rollouts: "Schrittweise ausgerollt", brings_settings: (id) => `Einstellungen (Nr. ${id})`, brings_config: (id) => `Konfiguration (Nr. ${id})`,
    roll_running: (n) => (n ? `Ring ${n} läuft` : "beginnt"), roll_paused: (n) => `hält nach Ring ${n} an`, roll_stopped: (n) => `bei Ring ${n} gestoppt`,
    roll_done: "fertig", roll_undoing: "wird zurückgenommen", roll_undone: "zurückgenommen", ring: (n, who) => `Ring ${n} (${who}):`, notTold: "hat noch das Bisherige",
    took_confirmed: (n) => `${n} bestätigt`, took_told: (n) => `${n} in Erprobung`, took_away: (n) => `${n} noch nicht erreicht`, took_undone: (n) => `${n} zurückgenommen`,
    took_silent: (n) => `${n} verstummt`, took_sick: (n) => `${n} danach gestört`, took_other: (n) => `${n} anders eingestellt`,
    why_failures: (gateway, why) => `${gateway}: ${why}.`, why_nobody: "Kein Gateway dieses Rings hat bestätigt.", why_operator: "Von Hand gestoppt.",
    why_overtaken: "Inzwischen wurde allen etwas anderes gesendet.", rolloutHelp: (id) => `Weiter oder zurück: store-gateway hq rollout resume ${id} oder undo ${id}.`,
    state_waiting: "wartet", state_done: "erledigt", state_refused: "abgelehnt", state_failed: "gescheitert", state_expired: "abgelaufen",
  },
  en: {
    fleetCount: (all, online) => `${online} of ${all} connected`,
    bad: (n) => (n === 1 ? "1 needs somebody" : `${n} need somebody`), warn: (n) => (n === 1 ? "1 limited" : `${n} limited`), fine: "All are running",
    findShop: "Find a shop", findShopHint: "Tenant, shop or gateway", noShop: "No shop matches this search.",
    shop: "Shop", needs: "What is wrong", lacks: "Behind", waits: "Events waiting", software: "Version", seen: "Last heard",
    good: "running", now: "connected", at: (t) => t, none: "–", more: (n) => `and ${n} more`, worst: (n, of) => `The first ${n} of ${of}.`,
    open: (name) => `More about ${name}`, reported: (t) => `Reported ${t}`, noReport: "This gateway has not yet reported how it does.",
    partsOk: (n) => (n === 1 ? "1 part, all is well" : `${n} parts, all is well`), ordered: "Last commands", nothingOrdered: "No command yet.", since: (t) => `since ${t}`,
    away: (t) => `not connected since ${t}`, silent: (t) => `has not reported since ${t}`, erasures: (n) => (n === 1 ? "1 erasure not confirmed" : `${n} erasures not confirmed`),
    versions: (n) => (n === 1 ? "1 change behind" : `${n} changes behind`), gap: "older events to come", key: "shows another key", clone: (t) => `two boxes under this name, or an old backup (${t})`, ahead: "claims to know more than headquarters", kept_back: "gets nothing: headquarters is an old backup (hq restored)", waiting: (n, said) => `${said} events waiting`,
    down: (part) => `${part} is down`, degraded: (part) => `${part} is limited`, moreParts: (n) => `${n} more parts`,
    commands: "Commands to gateways", noCommands: "No command yet. They are given with store-gateway hq command.",
    restart: "Restart", rescan: "Look for devices", log_level: "Log", bundle: "Diagnostic bundle", blink: "Show a screen", update: "Update",
    settings_sent: (id) => `settings ${id} not there yet`, settings_trial: (id) => `settings ${id} on trial`,
    settings_undone: (id, why) => `settings ${id} taken back (${why})`, settings_refused: (id, why) => `settings ${id} refused (${why})`,
    settings_kept: (id) => `settings ${id} do not count any more`, settings_unchanged: (id) => `settings ${id} do not count any more`,
    config_undone: (_, why) => `configuration taken back (${why})`, catalogue_undone: (_, why) => `offers taken back (${why})`,
    rollouts: "Roll-outs", brings_settings: (id) => `Settings (no. ${id})`, brings_config: (id) => `Configuration (no. ${id})`,
    roll_running: (n) => (n ? `ring ${n} under way` : "begins"), roll_paused: (n) => `pauses after ring ${n}`, roll_stopped: (n) => `stopped at ring ${n}`,
    roll_done: "done", roll_undoing: "being taken back", roll_undone: "taken back", ring: (n, who) => `Ring ${n} (${who}):`, notTold: "has what it had",
    took_confirmed: (n) => `${n} confirmed`, took_told: (n) => `${n} on trial`, took_away: (n) => `${n} not reached yet`, took_undone: (n) => `${n} took it back`,
    took_silent: (n) => `${n} fell silent`, took_sick: (n) => `${n} in trouble since`, took_other: (n) => `${n} given something else`,
    why_failures: (gateway, why) => `${gateway}: ${why}.`, why_nobody: "No gateway of this ring confirmed.", why_operator: "Stopped by hand.",
    why_overtaken: "Others were sent to all meanwhile.", rolloutHelp: (id) => `On or back: store-gateway hq rollout resume ${id} or undo ${id}.`,
    state_waiting: "waiting", state_done: "done", state_refused: "refused", state_failed: "failed", state_expired: "expired",
  },
};

// Parts as people call them; an id stays as it is.
const PARTS = {
  receiver: { de: "Empfänger", en: "Receiver" }, screen: { de: "Bildschirm", en: "Screen" }, hq: { de: "Leitung zur Zentrale", en: "Line to headquarters" },
  disk: { de: "Datenträger", en: "Disk" }, pages: { de: "Seiten", en: "Pages" }, clock: { de: "Uhr", en: "Clock" }, keys: { de: "Schlüssel der Leser", en: "Readers’ keys" },
  members: { de: "Mitglieder", en: "Members" }, erasures: { de: "Löschungen", en: "Erasures" }, consents: { de: "Einwilligungen", en: "Consents" },
  sealing: { de: "Verschlüsselung", en: "Encryption" }, profiles: { de: "Alter der Profile", en: "Age of profiles" }, https: { de: "Sichere Verbindung", en: "Secure connection" },
  offers: { de: "Angebote", en: "Offers" }, wiping: { de: "Überschreiben des Gelöschten", en: "Overwriting what was deleted" }, log: { de: "Protokoll", en: "Log" },
  notice: { de: "Datenschutzhinweis", en: "Privacy notice" }, outbox: { de: "Ausgang", en: "Outbox" }, content: { de: "Inhalte der Bildschirme", en: "Screens’ content" },
};

export function say(language, key, ...values) {
  const found = WORDS[language][key];
  return typeof found === "function" ? found(...values) : found;
}

export function partName(language, name) {
  const [kind, id] = name.split(":");
  const known = PARTS[kind]?.[language] ?? kind;
  return id ? `${known} ${id}` : known;
}

export const kindName = (language, kind) => WORDS[language][kind] ?? kind;
