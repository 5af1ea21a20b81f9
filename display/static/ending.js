/** The way out of the customer's own page: being forgotten, and the last view, in which nothing of the person is left. */

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

/**
 * Being forgotten, after one question.
 * @param {(key: string) => string} say the words of a key
 * @param {(key: string, look: string, act: () => void) => HTMLElement} button
 * @param {() => void} forgotten
 */
export function forgetting(say, button, forgotten) {
  const section = el("section.block.forget");
  const first = () => section.replaceChildren(el("h2", {}, say("meForget")), el("p.soft", {}, say("meForgetText")), button("meForgetAsk", "danger", sure));
  const sure = () => {
    section.replaceChildren(el("h2", { tabindex: "-1" }, say("meForgetSure")), el("p.soft", {}, say("meForgetFinal")),
      el("div.pair", {}, button("cancel", "", first), button("meForgetYes", "danger", forgotten)));
    section.querySelector("h2").focus();
  };
  first();
  return section;
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
