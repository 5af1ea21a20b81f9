/** What a screen is called and where it stands, large, for whoever installs it or looks for it; gone by itself, and at once
 * when something else comes. */

import { el, say } from "./dom.js";
import { word } from "./words.js";

let shown = null;
let timer = 0;

/** @param {{screen: string, zone: string, place: Record<string, string>, ms: number}} data */
export function showName(host, data) {
  hideName();
  const name = el("p.id");
  say(name, data.screen);
  shown = el("div.screen-name", { role: "status" },
    el("p", { lang: "de" }, word("de", "thisScreen")), el("p", { lang: "en" }, word("en", "thisScreen")), name, placeOf(data));
  host.append(shown);
  timer = setTimeout(hideName, data.ms);
}

/** Each name once: many are the same in both languages. */
function placeOf({ zone, place }) {
  const names = ["de", "en"].filter((one) => place?.[one]).map((one) => [one, place[one]]);
  const once = names.filter(([, name], n) => names.findIndex(([, other]) => other === name) === n);
  const said = once.length ? once.map(([lang, name]) => el("span", { lang }, name)) : [el("span", {}, zone)];
  return el("p.place", {}, ...said);
}

export function hideName() {
  clearTimeout(timer);
  shown?.remove();
  shown = null;
}
