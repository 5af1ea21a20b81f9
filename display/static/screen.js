/** The kiosk page: a neutral loop, and above it the dialogue after a tap. */

import { el, say } from "./dom.js";
import { ServerClock } from "./clockface.js";
import { Live } from "./live.js";
import { Loop, painted } from "./loop.js";
import { Plays } from "./plays.js";
import { Pulse } from "./pulse.js";
import { renew } from "./renew.js";
import { hideName, showName } from "./screenname.js";
import { Talk } from "./talk.js";
import { pick, word } from "./words.js";

const DRIFT_MS = 60_000; // fixed elements move 3 to 6 pixels a minute against burn-in
const DRIFT = [[0, 0], [4, 2], [6, 5], [2, 6], [-3, 4], [-5, 0], [-3, -4], [2, -3]];
const SIDES_MS = 1_800_000; // and change places twice an hour

class ShopScreen extends HTMLElement {
  #latest = null;
  #level = "L0";
  #decision = null;
  #telling = 0;

  connectedCallback() {
    this.screen = new URLSearchParams(location.search).get("id") ?? "";
    this.clock = new ServerClock();
    this.plays = new Plays(this.screen, this.clock);
    this.loop = new Loop({ clock: this.clock, plays: this.plays, shown: () => this.#shown() });
    this.shop = el("strong");
    this.consent = el("span.consent");
    this.foot = el("footer", {}, this.shop, this.loop.dots, this.consent);
    this.talk = new Talk(this.screen, () => this.#quiet());
    this.append(...this.loop.nodes, this.foot, this.talk.node);
    setInterval(() => this.#drift(), DRIFT_MS);
    this.live = new Live(`/api/v1/screens/${encodeURIComponent(this.screen)}/stream`, {
      event: (name, data) => (name === "name" ? showName(this, data) : this.#event(name, data)),
      lost: () => this.#neutral(),
    });
    new Pulse(this.screen, () => ({ seq: this.live.seq, skipped: this.loop.skipped, waiting: this.plays.waiting }));
  }

  #event(name, data) {
    this.clock.hear(data);
    if (name === "snapshot") this.plays.send();
    if (name !== "beat") this.#content(data);
  }

  #content(data) {
    if (data.dialogue) hideName();
    say(this.shop, pick(data.shop?.name, "de"));
    say(this.consent, data.shop?.notice ? `${word("de", "consentLine")} ${word("en", "consentLine")}` : "");
    this.#level = data.level;
    this.#decision = data.decision_id;
    this.talk.ready(data.join);
    this.#latest = data;
    if (data.dialogue) {
      this.talk.show(data.dialogue, data.level !== "L3", data.join);
      this.loop.cover(true);
      this.#tell().then(() => this.#latest === data && this.#loop(data)); // what lies beneath waits for the paint
    } else {
      this.talk.wipe();
      this.#loop(data);
      this.loop.cover(false);
    }
  }

  #loop(data) {
    if (!this.loop.show(data)) this.#tell();
  }

  /** Nothing can be trusted any more: drop what was said to one person, keep the anonymous loop. */
  #neutral() {
    this.talk.wipe();
    this.#latest = null;
    this.#level = "L0";
    this.#decision = null;
    const changed = this.loop.neutral();
    this.loop.cover(false);
    if (!changed) this.#tell();
  }

  /** The dialogue ended by itself. */
  #quiet() {
    this.#level = "L0";
    this.#decision = null;
    const changed = this.loop.neutral();
    this.loop.cover(false);
    if (!changed) this.#tell();
  }

  /** Something else is on the glass. */
  #shown() {
    if (!this.foot) return; // the very first, while the page is being built
    this.foot.dataset.art = this.loop.art;
    this.foot.classList.toggle("over", this.loop.art === "");
    this.#tell();
    if (!this.talk.open) renew(this.clock);
  }

  /** Say on <html> what is shown, once it has been painted; measurements and tests read it there. */
  async #tell() {
    const told = { level: this.#level, decision: this.#decision ?? "", dialogue: this.talk.id ?? "", step: this.talk.step ?? "" };
    const telling = ++this.#telling;
    await painted();
    if (telling !== this.#telling) return;
    Object.assign(document.documentElement.dataset, told);
    performance.clearMarks("painted"); // one mark, or days of them would fill the memory
    performance.mark("painted", { detail: told });
  }

  #drift() {
    const now = performance.now();
    const [x, y] = DRIFT[Math.floor(now / DRIFT_MS) % DRIFT.length];
    this.style.setProperty("--drift-x", `${x}px`);
    this.style.setProperty("--drift-y", `${y}px`);
    this.dataset.sides = Math.floor(now / SIDES_MS) % 2 ? "changed" : "";
  }
}

customElements.define("shop-screen", ShopScreen);
