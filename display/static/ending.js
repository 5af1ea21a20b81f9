/** The last view of the customer's own page: nothing of the person is left, and a lent tablet waits for its colleague. */

import { ask, el } from "./dom.js";
import { PinPad } from "./pin.js";
import { word } from "./words.js";

const BASE = new URL(".", import.meta.url).pathname;

/**
 * @param {string} language
 * @param {{how: "forgotten"|"expired"|"ended", held: boolean, at: string}} last `held`: a tablet that was handed over;
 *   `at`: the time of day
 * @returns {Array<Node|null>}
 */
export function ending(language, { how, held, at }) {
  const title = { forgotten: "meForgottenTitle", expired: "meExpiredTitle", ended: held ? "meBackTitle" : "meEndedTitle" }[how];
  const text = { forgotten: "meForgottenText", expired: held ? "meExpiredHeld" : "meExpiredText", ended: held ? "meBackText" : "meEndedText" }[how];
  return [
    el("section.note", {}, el("img.picture", { alt: "", src: `${BASE}art/${how === "expired" ? "tea" : "flowers"}.svg` }),
      el("h1", { tabindex: "-1" }, word(language, title)), el("p.lede", {}, word(language, text, { t: at })),
      held && how === "forgotten" ? el("p", {}, word(language, "meBackText")) : null),
    held ? lock(language) : null,
  ];
}

/** Four digits bring the tablet back to staff. */
function lock(language) {
  const label = word(language, "meStaff");
  const pad = new PinPad(language, label, async (pin) => {
    const { body } = await ask("/api/v1/tablet/unlock", { pin });
    if (body?.result === "ok") location.replace("/tablet");
    return { ok: "", wrong: word(language, "pinWrong"), locked: word(language, "pinLocked") }[body?.result] ?? word(language, "meFailed");
  });
  return el("section.staff", {}, el("h2", {}, label), pad.node);
}
