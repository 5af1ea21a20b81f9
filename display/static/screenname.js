/** What a screen is called, large, for whoever installs it; gone by itself, and at once when something else comes. */

import { el, say } from "./dom.js";
import { word } from "./words.js";

let shown = null;
let timer = 0;

/** @param {{screen: string, zone: string, ms: number}} data */
export function showName(host, data) {
  hideName();
  shown = el("div.screen-name", { role: "status" }, el("p", { lang: "de" }, word("de", "thisScreen")), el("p.id"), el("p", { lang: "en" }, word("en", "thisScreen")));
  say(shown.children[1], data.screen);
  host.append(shown);
  timer = setTimeout(hideName, data.ms);
}

export function hideName() {
  clearTimeout(timer);
  shown?.remove();
  shown = null;
}
