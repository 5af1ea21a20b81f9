/** The bar that says which reader or radio needs a hand, what to do, and since when. Calm: it shifts no button above. */

import { el } from "./dom.js";
import { pick, word } from "./words.js";

const SHOWN = 2; // lines; staff mend one thing at a time

/** What this receiver is called: its kind and zone, or its id where the zone is unknown. */
export function earName(language, kind, zone, id, zones) {
  const name = pick(zones[zone], language) || zone || id;
  return word(language, `ear_${kind}`, { place: word(language, "atZone", { zone: name }) });
}

/** What is wrong with it, as a sentence for staff. */
export function faultOf(language, kind, state, zone, id, zones) {
  const name = pick(zones[zone], language) || zone || id;
  const place = word(language, "atZone", { zone: name });
  return word(language, `fault_${kind}_${state}`, { place }) || word(language, `fault_${kind}_down`, { place });
}

/** How long ago, in words: "seit 4 min". */
export function since(language, ms) {
  const min = Math.floor(ms / 60_000);
  if (min < 1) return word(language, "faultNow");
  const t = min < 120 ? word(language, "min", { n: min }) : word(language, "h", { n: Math.floor(min / 60) });
  return word(language, "since", { t });
}

export class Faults {
  #troubles = [];
  #heard = 0;
  #drawn = "";

  constructor() {
    this.node = el("aside.faults", { role: "status", hidden: "" });
  }

  show(troubles) {
    this.#troubles = troubles;
    this.#heard = performance.now();
    this.tick();
  }

  speak(language, zones) {
    this.language = language;
    this.zones = zones;
    this.tick();
  }

  /** Once a second: the words change with the minutes only. */
  tick() {
    const away = performance.now() - this.#heard;
    const lines = this.#troubles.map((one) => [one, since(this.language, one.for_ms + away)]);
    const known = JSON.stringify([this.language, this.zones, lines.map(([one, time]) => [{ ...one, for_ms: 0 }, time])]);
    if (known === this.#drawn) return;
    this.#drawn = known;
    this.node.hidden = lines.length === 0;
    const more = lines.length - SHOWN;
    this.node.replaceChildren(
      el("h2", {}, this.#word("faultsTitle"), more > 0 ? el("span", {}, this.#word("faultsMore", { n: more })) : null),
      el("ul", {}, ...lines.slice(0, SHOWN).map(([one, time]) => this.#line(one, time))));
  }

  #line(one, time) {
    const technical = [one.receiver, one.detail, one.action].filter(Boolean).join(" · ");
    return el("li", { "data-receiver": one.receiver, "data-state": one.state }, el("i.lamp"),
      el("div", {},
        el("p", {}, el("strong", {}, faultOf(this.language, one.kind, one.state, one.zone, one.receiver, this.zones)), ` ${this.#word(`help_${one.kind}`)}`),
        el("details", {}, el("summary", {}, `${time} · ${this.#word("faultMore")}`), el("p", { lang: "en" }, technical))));
  }

  #word(key, slots) {
    return word(this.language, key, slots);
  }
}
