/** The bar that says which reader or radio needs a hand, what to do, and since when. Calm: it shifts no button above. */

import { el, say } from "./dom.js";
import { pick, word } from "./words.js";

const SHOWN = 2; // lines; staff mend one thing at a time

/** Where it stands, in the words of the shop; with its id where another of its kind stands, or the zone is unknown. */
function place(language, ear, zones) {
  const zone = word(language, "atZone", { zone: pick(zones[ear.zone], language) || ear.zone || ear.receiver });
  return ear.alone || !ear.zone ? zone : `${zone} (${ear.receiver.replace("screen:", "")})`;
}

/** What this receiver is called: its kind and its place. */
export function earName(language, ear, zones) {
  return word(language, `ear_${ear.kind}`, { place: place(language, ear, zones) });
}

/** What ails it, as a sentence for staff. */
export function faultOf(language, ear, cause, zones) {
  const slots = { place: place(language, ear, zones) };
  return word(language, `fault_${ear.kind}_${cause}`, slots) || word(language, `fault_${ear.kind}_down`, slots);
}

/** What staff can do about it: one thing, which fits what ails it. */
export const helpOf = (language, ear, cause) => word(language, `help_${cause}`) || word(language, `help_${ear.kind}`);

/** What a technician reads. The driver's own advice is not among it where ours says the same in other words. */
export const technical = (ear, cause, detail, action) =>
  [detail, ear.kind === "reader" && cause !== "barred" ? "" : action].filter(Boolean).join(" · ");

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
  #times = [];

  constructor() {
    this.node = el("aside.faults", { "aria-live": "polite", "aria-relevant": "additions", hidden: "" });
  }

  show(troubles) {
    this.#troubles = troubles;
    this.#heard = performance.now();
    this.#draw();
  }

  speak(language, zones) {
    this.language = language;
    this.zones = zones;
    this.#draw();
  }

  /** Once a second: only the minutes change, so that what is read or unfolded stays. */
  tick() {
    const away = performance.now() - this.#heard;
    this.#times.forEach((node, n) => {
      const time = since(this.language, this.#troubles[n].for_ms + away);
      say(node, `${time} · ${this.#word("faultMore")}`);
    });
  }

  #draw() {
    const known = JSON.stringify([this.language, this.zones, this.#troubles.map((one) => ({ ...one, for_ms: 0 }))]);
    if (known !== this.#drawn) {
      this.#drawn = known;
      const shown = this.#troubles.slice(0, SHOWN);
      const more = this.#troubles.length - shown.length;
      this.#times = shown.map(() => el("summary"));
      this.node.hidden = shown.length === 0;
      this.node.replaceChildren(
        el("h2", {}, this.#word("faultsTitle"), more > 0 ? el("span", {}, this.#word("faultsMore", { n: more })) : null),
        el("ul", {}, ...shown.map((one, n) => this.#line(one, this.#times[n]))));
    }
    this.tick();
  }

  #line(one, time) {
    const known = [one.receiver, technical(one, one.cause, one.detail, one.action)].filter(Boolean).join(" · ");
    return el("li", { "data-receiver": one.receiver, "data-state": one.state }, el("i.lamp"),
      el("div", {},
        el("p", {}, el("strong", {}, faultOf(this.language, one, one.cause, this.zones)), ` ${helpOf(this.language, one, one.cause)}`),
        el("details", {}, time, el("p", { lang: "en" }, known))));
  }

  #word(key, slots) {
    return word(this.language, key, slots);
  }
}
