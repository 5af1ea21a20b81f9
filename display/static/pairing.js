/** A device that is not paired: it shows a code, waits, and becomes what somebody makes of it. */

import { bare, el, minutes, say } from "./dom.js";
import { said } from "./pairwords.js";
import { pick } from "./words.js";

const POLL_MS = 1000; // so that the page turns within two seconds of the approval
const BUSY_MS = 60_000;
const ASK_MS = 5000;
const LOST_AFTER = 3; // one lost answer alarms nobody

const both = (key, slots) => [said("de", key, slots), said("en", key, slots)];
const inBoth = (key) => both(key).map((words, n) => el("span", { lang: n ? "en" : "de" }, words));

class PairingPage extends HTMLElement {
  #shown = null;
  #ends = 0;
  #failed = 0;
  #again = 0; // by performance.now(): when the page asks anew

  connectedCallback() {
    this.shop = el("p.place");
    this.heading = el("h1");
    this.headingOther = el("p.other", { lang: "en" });
    this.note = el("p.note", { role: "status", hidden: "" });
    this.letters = el("p.code", { translate: "no" });
    this.alone = el("p.alone", { hidden: "" });
    this.how = el("p.how");
    this.howOther = el("p.other", { lang: "en" });
    this.left = el("p.left");
    this.button = el("button.act", { type: "button", hidden: "" });
    this.button.addEventListener("click", () => this.#act());
    this.picture = el("img.picture", { alt: "" });
    this.scan = el("p.scan");
    this.side = el("div.side", { hidden: "" }, this.picture, this.scan);
    this.box = el("p.box");
    this.append(
      el("header", {}, this.shop),
      el("main", {}, el("div.words", {}, this.heading, this.headingOther, this.note, this.letters, this.how, this.howOther, this.alone, this.left, this.button), this.side),
      el("footer", {}, this.box));
    if (this.dataset.denied) {
      this.#denied();
      return;
    }
    this.#look("POST");
    setInterval(() => this.#tick(), POLL_MS);
  }

  /** Ask for a code (POST), or what has become of it (GET). */
  async #look(method) {
    if (this.asking) return;
    this.asking = true;
    const { kind, wish } = this.dataset;
    const orientation = innerHeight > innerWidth ? "portrait" : "landscape";
    const asked = method === "POST"
      ? { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ kind, wish, orientation }) } : {};
    let told = null;
    try {
      const answer = await fetch(method === "POST" ? "/api/v1/pairing" : `/api/v1/pairing?kind=${kind}`,
        { ...asked, cache: "no-store", signal: AbortSignal.timeout(ASK_MS) });
      this.#failed = 0;
      if (answer.status === 429) this.#state("busy");
      else if (!answer.ok) throw new Error(String(answer.status));
      else told = await answer.json();
    } catch {
      this.#failed += 1;
      if (this.#failed >= LOST_AFTER) this.#state("lost");
    }
    this.asking = false;
    if (told) this.#told(told);
  }

  #told(data) {
    say(this.shop, [pick(data.shop, "de"), this.dataset.gateway].filter(Boolean).join(" · "));
    if (data.state === "active") {
      const [language] = data.languages ?? [];
      if (language && !localStorage.getItem("language")) localStorage.setItem("language", language);
      this.#state("gone");
      location.replace(data.page);
    } else if (data.state === "pending") {
      this.#ends = performance.now() + data.ttl_ms;
      this.#pending(data);
    } else if (data.state === "refused") {
      this.#state("refused");
    } else {
      this.#renew();
    }
  }

  /** The code is over: another one takes its place. */
  #renew() {
    this.#shown = null;
    setTimeout(() => this.#look("POST"), 0);
  }

  #pending(data) {
    const [de, en] = both(`wait_${this.dataset.kind}`);
    this.dataset.state = "pending";
    say(this.heading, de);
    say(this.headingOther, en);
    this.note.hidden = !data.was_revoked;
    if (data.was_revoked) say(this.note, both("revoked").join(" "));
    if (this.#shown !== data.code) this.#code(data);
    this.button.hidden = true;
    this.#count();
  }

  #code(data) {
    this.#shown = data.code;
    const half = data.code.length / 2;
    const letter = (one) => el("b", { "aria-hidden": "true" }, one);
    this.letters.replaceChildren(...[...data.code].flatMap((one, n) => (n === half ? [el("i", { "aria-hidden": "true" }), letter(one)] : [letter(one)])));
    this.letters.setAttribute("aria-label", said("de", "code", { code: [...data.code].join(" ") }));
    this.letters.setAttribute("role", "img");
    const [de, en] = both("how", { address: bare(data.address) });
    say(this.how, de);
    say(this.howOther, en);
    this.side.hidden = data.picture === null;
    this.alone.hidden = data.picture !== null;
    this.alone.replaceChildren(...inBoth("noQr"));
    if (data.picture !== null) this.picture.src = data.picture;
    this.scan.replaceChildren(said("de", "howQr"), el("span", { lang: "en" }, said("en", "howQr")));
    const place = { screen: `screen:${this.dataset.wish || "ID"}`, tablet: "tablet", till: `till:${this.dataset.wish || "ID"}` }[this.dataset.kind];
    const first = this.dataset.kind === "tablet" ? both("first") : [];
    this.box.replaceChildren(...first.map((words, n) => el("p", { lang: n ? "en" : "de" }, words)), ...inBoth(place.endsWith(":ID") ? "boxAny" : "box"), el("code", {}, `store-gateway device approve ${data.code} --as ${place}`));
  }

  /** What stands there instead of a code. */
  #state(name) {
    if (this.dataset.state === name) return;
    this.dataset.state = name;
    this.#shown = null;
    this.#again = performance.now() + BUSY_MS;
    const [de, en] = both(`${name}Title`);
    const texts = both(`${name}Text`);
    say(this.heading, de);
    say(this.headingOther, en);
    say(this.how, texts[0]);
    say(this.howOther, texts[1]);
    this.letters.replaceChildren();
    this.letters.removeAttribute("role");
    this.letters.removeAttribute("aria-label");
    say(this.left, "");
    say(this.box, "");
    this.note.hidden = this.side.hidden = this.alone.hidden = true;
    this.button.hidden = name !== "refused";
    if (name === "refused") this.button.replaceChildren(...inBoth("again"));
  }

  #denied() {
    this.#state("denied");
    this.button.hidden = false;
    this.button.replaceChildren(...inBoth("back"));
  }

  #act() {
    if (this.dataset.denied) location.replace(this.dataset.denied);
    else this.#look("POST");
  }

  #tick() {
    const { state } = this.dataset;
    if (state === "gone" || state === "refused") return;
    if (state === "busy" && performance.now() < this.#again) return;
    this.#count();
    this.#look(state === "pending" ? "GET" : "POST");
  }

  #count() {
    const t = minutes(this.#ends - performance.now());
    if (this.dataset.state === "pending") say(this.left, both("left", { t }).join(" · "));
  }
}

customElements.define("pairing-page", PairingPage);
