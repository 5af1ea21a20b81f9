/** What the status page says of the settings that headquarters steers, in German and English. */

const WORDS = {
  de: {
    title: "Einstellungen der Zentrale",
    given: "Zuletzt gesendet: {given}", runs: "Es gilt: {runs}, seit {t}", fileRuns: "Es gilt allein, was auf diesem Gerät eingestellt ist",
    trial: "Sie werden gerade erprobt. Bewähren sie sich nicht, stellt das Gerät sie selbst zurück.",
    kept: "Sie haben sich bewährt.", unchanged: "Sie sagen dasselbe wie bisher; es war nichts zu ändern.",
    undone: "Das Gerät hat sie selbst zurückgestellt, und die Zentrale weiß es. Grund: {why}.",
    refused: "Das Gerät hat sie nicht angenommen, und die Zentrale weiß es. Grund: {why}.",
    local: "{n} Angaben der Zentrale gelten hier nicht, weil dieses Gerät sie selbst festlegt.",
    fields: "sie sind keine gültige Konfiguration", check: "sie passen nicht zu diesem Gerät", too_large: "sie sind zu groß",
    hq_silent: "die Zentrale war darüber nicht zu erreichen", receiver: "ein Leser oder Empfänger lief damit nicht", screen: "ein Bildschirm zeigte damit nichts mehr",
    part_down: "ein Teil des Geräts stand damit", start: "damit ließ sich der Dienst nicht starten", decision: "damit ließ sich nichts mehr entscheiden",
    notice: "der Datenschutzhinweis fehlte darin, und niemand wäre mehr erkannt worden", undone_before: "dieselben hatte das Gerät schon einmal zurückgestellt",
    zones: "ein Bereich des Ladens fehlte darin", interrupted: "der Dienst endete zweimal, während sie erprobt wurden", overdue: "das Gerät war aus, bis die Zeit der Erprobung um war",
  },
  en: {
    title: "Headquarters' settings",
    given: "Sent last: {given}", runs: "What counts: {runs}, for {t}", fileRuns: "What counts is set on this device alone",
    trial: "They are being tried. If they do not prove themselves, the device takes them back by itself.",
    kept: "They have proved themselves.", unchanged: "They say what was so already; there was nothing to change.",
    undone: "The device took them back by itself, and headquarters knows. Reason: {why}.",
    refused: "The device did not take them, and headquarters knows. Reason: {why}.",
    local: "{n} of headquarters' entries do not count here, because this device sets them itself.",
    fields: "they are no valid configuration", check: "they do not go with this device", too_large: "they are too large",
    hq_silent: "headquarters could not be reached with them", receiver: "a reader or radio did not run with them", screen: "a screen showed nothing any more",
    part_down: "a part of the device stopped", start: "the service could not start with them", decision: "nothing could be decided any more",
    notice: "the privacy notice was missing, and nobody would have been recognised any more", undone_before: "the device took the same ones back before",
    zones: "an area of the shop was missing", interrupted: "the service ended twice while they were tried", overdue: "the device was off until the time for the trial was over",
  },
};

/** The sentence of this name with its slots filled. */
export function settingsWord(language, key, slots = {}) {
  return (WORDS[language]?.[key] ?? "").replace(/\{(\w+)\}/g, (_, name) => slots[name] ?? "");
}

/** What became of the settings, as a list of sentences; `t`: since when those that count do, in words. */
export function settingsSaid(language, report, t) {
  const say = (key, slots) => settingsWord(language, key, slots);
  const why = [...report.reasons.map((reason) => say(reason) || reason), ...report.parts, report.field].filter(Boolean).join(", ");
  return [say("given", { given: report.given }), say(report.state, { why }),
    report.runs ? say("runs", { runs: report.runs, t }) : say("fileRuns"),
    report.local ? say("local", { n: report.local }) : ""].filter(Boolean);
}
