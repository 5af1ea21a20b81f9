/** The dialogue after a tap: greets by name only if one was sent, and wipes itself when its time is over. */

import { Keypad } from "./keypad.js";
import { address, bare, el, fit, post, ring, say, size } from "./dom.js";
import { other, pick, spoken, word } from "./words.js";

const BASE = new URL(".", import.meta.url).pathname;
const TICK_MS = 250;
const SOON_MS = 15_000; // somebody who still types with so little left gets more time unasked
const OFFERING = ["offer", "more"];
// The colour field of each step that has no offer, and the picture where it is another.
const FIELD = {
  welcome: "flowers", nothing: "flowers", credited: "bag", advice: "tea", accepted: "bag", declined: "flowers", join: "bag", code: "bag",
  hold: "bag", bound: "bag", again: "cheese", unlock: "tea", refused: "coffee",
  my_data: "bag", confirm: "bag", mine: "bag", forget_me: "bag", take: "bag", taken: "bag", // one colour, so that only the words change
};
const SIGNS = { hold: ["reader", "card"], again: ["reader", "card"], unlock: ["phone"], refused: ["card"] };
const CHOICES = ["yes", "more", "code", "mine", "advice", "take", "not_now", "forget_me", "forget_yes", "not_mine", "cancel"];
const QUIET = ["not_now", "cancel"];
const LEVEL = ["code", "my_data", "confirm", "forget_me", "take"]; // steps in which no answer is put before another

/** Pictures that a dialogue may need, fetched and held from the start, so that none is waited for after a tap. */
const held = new Map();
export function hold(url) {
  if (held.has(url)) return;
  const image = new Image();
  image.src = url;
  held.set(url, image);
}
const sign = (name) => `${BASE}signs/${name}.svg`;
const art = (name) => `${BASE}art/${name}.svg`;
for (const name of ["bag", "bread", "cheese", "chocolate", "coffee", "flowers", "tea", "wine"]) hold(art(name));
for (const name of new Set(Object.values(SIGNS).flat())) hold(sign(name));

export class Talk {
  #ends = 0;
  #full = 1;
  #timer = 0;
  #known = "";
  #code = null;

  /** @param {string} screen @param {() => void} ended called when the dialogue wipes itself */
  constructor(screen, ended) {
    this.screen = screen;
    this.ended = ended;
    this.id = null;
    this.step = null;
    this.pad = null;
    this.node = el("section.talk", { role: "dialog", "aria-modal": "true", "aria-live": "polite", hidden: "" });
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  get open() {
    return this.id !== null;
  }

  /** Fetch the code that the join page shows, before anybody needs it; a new address drops the old picture. */
  ready(join) {
    if (join?.code === this.#code?.src) return;
    this.#code = join ? { src: join.code, image: el("img", { src: join.code }) } : null;
  }

  /** @param {object} view @param {boolean} both a stranger reads it: in two languages @param {{url: string}|null} join */
  show(view, both, join) {
    const language = spoken(view.language);
    const known = JSON.stringify([{ ...view, ttl_ms: 0 }, both, join]);
    this.#ends = performance.now() + view.ttl_ms;
    if (known === this.#known) {
      this.#full = Math.max(this.#full, view.ttl_ms);
      this.#tick(); // only its time has changed: what is typed and focused stays
      return;
    }
    this.#known = known;
    this.#full = Math.max(1, view.ttl_ms);
    this.pad?.close();
    this.pad = null;
    this.id = view.dialogue_id;
    this.step = view.step;
    this.language = language;
    this.both = both;
    this.node.lang = language;
    this.node.dataset.step = view.step;
    this.node.dataset.art = view.slide?.art ?? FIELD[view.step] ?? "bag";
    this.node.replaceChildren(
      this.#head(view),
      el("div.talk-copy", {}, ...this.#copy(view)),
      el("div.stage", {}, ...this.#stage(view, join)),
      this.#choices(view),
    );
    const title = this.node.querySelector("h1");
    this.node.setAttribute("aria-label", title.textContent);
    this.node.hidden = false;
    fit(this.node.querySelector(".talk-copy"), title);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
    requestAnimationFrame(() => title.isConnected && title.focus({ preventScroll: true }));
  }

  /** Remove every trace of the dialogue from the page. */
  wipe() {
    clearInterval(this.#timer);
    this.pad?.close();
    this.pad = null;
    this.id = null;
    this.step = null;
    this.#known = "";
    this.node.hidden = true;
    this.node.removeAttribute("aria-label");
    this.node.replaceChildren();
  }

  #tick() {
    const left = this.#ends - performance.now();
    if (left <= 0) {
      this.wipe();
      this.ended();
      return;
    }
    const seconds = Math.ceil(left / 1000);
    this.ring.set(left / this.#full, String(seconds));
    this.ring.setAttribute("aria-label", word(this.language, "secondsLeft", { n: seconds }));
  }

  #head(view) {
    this.ring = ring("countdown");
    this.ring.setAttribute("role", "timer");
    this.ring.setAttribute("aria-live", "off");
    const greets = OFFERING.includes(view.step) || (view.call_name && view.step !== "welcome");
    const hello = view.call_name ? this.#word("hello", { name: view.call_name }) : this.#word("helloPlain");
    this.more = view.choices.includes("more_time") ? this.#button("more_time", "quiet") : null;
    const own = view.choices.includes("my_data") ? this.#button("my_data", "quiet") : null;
    return el("header", {}, el("p.hello", {}, greets ? hello : ""), el("div.time", {}, own, this.more, this.ring));
  }

  #copy(view) {
    if (OFFERING.includes(view.step) && view.slide) {
      const more = view.step === "more" ? pick(view.more, this.language) : "";
      return [this.#title(pick(view.slide.title, this.language)), el("p.lead", {}, more || pick(view.slide.text, this.language))];
    }
    if (view.points) {
      const { change, now } = view.points;
      const title = this.#word(change < 0 ? "debitedTitle" : "creditedTitle", { n: Math.abs(change).toLocaleString(this.language) });
      return [this.#title(title), el("p.lead", {}, this.#word("creditedText", { m: now.toLocaleString(this.language) }))];
    }
    const bare = view.step === "my_data" && !view.link; // a shop whose pages no phone can reach
    const step = bare ? "my_dataNone" : { offer: "nothing", more: "nothing", welcome: "welcomeStep" }[view.step] ?? view.step;
    const hello = view.step === "welcome" && view.call_name ? this.#word("hello", { name: view.call_name }) : "";
    const about = ["accepted", "take", "taken"].includes(view.step) && view.slide ? pick(view.slide.title, this.language) : "";
    const second = other(this.language);
    return [
      this.#title(hello || this.#word(`${step}Title`)),
      el("p.lead", {}, this.#word(`${step}Text`)),
      about ? el("p.about", {}, about) : null,
      this.both ? el("p.other", { lang: second }, el("b", {}, word(second, `${step}Title`)), ` ${word(second, `${step}Text`)}`) : null,
    ].filter((node) => node !== null);
  }

  #title(words) {
    return el("h1", { tabindex: "-1" }, words);
  }

  #stage(view, join) {
    if (view.step === "join" && join) return [el("div.disc"), this.#plate(join)];
    if (view.step === "code") {
      this.pad = new Keypad(this.language, this.both, { send: (code) => this.#send(code), typed: () => this.#typed() });
      return [this.pad.node];
    }
    if (["my_data", "take"].includes(view.step) && view.link) return [el("div.disc"), this.#link(view.step, view.link)];
    if (view.step === "confirm") return [el("div.disc"), el("p.number", { "aria-label": [...view.digits].join(" ") }, view.digits)];
    if (view.step in SIGNS) {
      return [el("div.disc"), el("div.scene", { "aria-hidden": "true" },
        ...SIGNS[view.step].map((name) => el(`img.${name}`, { alt: "", src: sign(name) })))];
    }
    const picture = el("img.art", { alt: "", src: art(this.node.dataset.art) });
    const ask = view.step === "join" ? el("div.plate", {}, el("p", {}, ...this.#twice("joinAsk"))) : null;
    const badge = OFFERING.includes(view.step) ? pick(view.slide?.badge, this.language) : "";
    const tag = badge ? el("p.tag", { "data-size": size(badge, 9, 16) }, badge) : null;
    return [el("div.disc"), picture, ask, tag].filter((node) => node !== null);
  }

  #plate(join) {
    this.ready(join);
    this.#code.image.alt = bare(join.url);
    return el("div.plate.code", {}, el("strong", {}, ...this.#twice(join.notice ? "joinRead" : "joinScan")),
      this.#code.image, address(join.url), el("p", {}, ...this.#twice("joinAsk")));
  }

  /** The way to one's own data or to the offer, to be scanned once. */
  #link(step, link) {
    return el("div.plate.code", {}, el("strong", {}, ...this.#twice(`${step}Scan`)), el("img", { src: link.code, alt: bare(link.url) }),
      address(link.url));
  }

  /** The sentence, and for strangers the same in the other language. */
  #twice(key) {
    const second = other(this.language);
    return [el("span", {}, this.#word(key)), ...(this.both ? [el("small", { lang: second }, word(second, key))] : [])];
  }

  #word(key, slots) {
    return word(this.language, key, slots);
  }

  #choices(view) {
    const wanted = CHOICES.filter((choice) => view.choices.includes(choice));
    this.trouble = el("p.trouble", { role: "status" });
    const main = wanted.find((choice) => !QUIET.includes(choice) && !LEVEL.includes(view.step));
    const buttons = wanted.map((choice) => this.#button(choice, choice === main ? "primary" : choice));
    return el("nav.choices", { "data-n": String(wanted.length) }, ...buttons, this.trouble);
  }

  #button(choice, look) {
    const button = el(`button.choice.${look}`, { type: "button", "data-choice": choice }, ...this.#twice(choice));
    button.addEventListener("click", () => this.#answer(choice, button));
    return button;
  }

  #url(what) {
    return `/api/v1/screens/${encodeURIComponent(this.screen)}/${what}`;
  }

  async #answer(choice, button) {
    const id = this.id;
    button.classList.add("pressed");
    const result = await post(this.#url("answer"), { dialogue_id: id, choice });
    button.classList.remove("pressed");
    if (this.id !== id) return;
    if (result === "gone") this.#over();
    else if (result !== "ok") say(this.trouble, this.#word("failed"));
  }

  async #send(code) {
    const id = this.id;
    const result = await post(this.#url("code"), { dialogue_id: id, code });
    if (this.id === id && result === "gone") this.#over();
    return this.id === id ? result : "gone";
  }

  #over() {
    this.wipe();
    this.ended();
  }

  #typed() {
    if (this.more === null || this.asking || this.#ends - performance.now() > SOON_MS) return;
    this.asking = true;
    this.#answer("more_time", this.more).finally(() => (this.asking = false));
  }

  #key(event) {
    if (!this.open || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape") this.node.querySelector("[data-choice=cancel], [data-choice=not_mine], [data-choice=not_now]")?.click();
    else if (event.key === "Enter" && event.target.closest("button") === null) this.pad?.done.click();
    else if (!this.pad?.press(event.key)) return;
    event.preventDefault();
  }
}
