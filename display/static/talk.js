/** The dialogue after a tap: greets by name only if one was sent, and wipes itself when its time is over. */

import { el, fit, post, ring, say, size } from "./dom.js";
import { pick, spoken, word } from "./words.js";

const BASE = new URL(".", import.meta.url).pathname;
const TICK_MS = 250;
const OFFERING = ["offer", "more"];
const ART = { join: "bag", nothing: "flowers", advice: "tea", accepted: "bag", declined: "flowers" };

export class Talk {
  #ends = 0;
  #full = 1;
  #timer = 0;

  /** @param {string} screen @param {() => void} ended called when the dialogue wipes itself */
  constructor(screen, ended) {
    this.screen = screen;
    this.ended = ended;
    this.id = null;
    this.step = null;
    this.node = el("section.talk", { role: "dialog", "aria-live": "polite", hidden: "" });
  }

  get open() {
    return this.id !== null;
  }

  show(view, joinUrl) {
    const language = spoken(view.language);
    this.id = view.dialogue_id;
    this.step = view.step;
    this.#ends = performance.now() + view.ttl_ms;
    this.#full = Math.max(1, view.ttl_ms);
    this.node.lang = language;
    this.node.dataset.step = view.step;
    this.node.dataset.art = view.slide?.art ?? ART[view.step] ?? "bag";
    this.node.replaceChildren(
      this.#head(view, language),
      el("div.talk-copy", {}, ...this.#copy(view, language)),
      el("div.stage", {}, el("div.disc"), ...this.#stage(view, language, joinUrl)),
      this.#choices(view, language),
    );
    this.node.setAttribute("aria-label", this.node.querySelector("h1").textContent);
    this.node.hidden = false;
    fit(this.node.querySelector(".talk-copy"), this.node.querySelector("h1"));
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(language), TICK_MS);
    this.#tick(language);
  }

  /** Remove every trace of the dialogue from the page. */
  wipe() {
    clearInterval(this.#timer);
    this.id = null;
    this.step = null;
    this.node.hidden = true;
    this.node.removeAttribute("aria-label");
    this.node.replaceChildren();
  }

  #tick(language) {
    const left = this.#ends - performance.now();
    if (left <= 0) {
      this.wipe();
      this.ended();
      return;
    }
    const seconds = Math.ceil(left / 1000);
    this.ring.set(left / this.#full, String(seconds));
    this.ring.setAttribute("aria-label", word(language, "secondsLeft", { n: seconds }));
  }

  #head(view, language) {
    this.ring = ring("countdown");
    this.ring.setAttribute("role", "timer");
    const hello = view.call_name ? word(language, "hello", { name: view.call_name }) : word(language, "helloPlain");
    const greets = OFFERING.includes(view.step) || view.call_name;
    const time = view.choices.includes("more_time") ? this.#button("more_time", language, "quiet") : null;
    return el("header", {}, el("p.hello", {}, greets ? hello : ""), el("div.time", {}, time, this.ring));
  }

  #copy(view, language) {
    if (!OFFERING.includes(view.step) || !view.slide) {
      const about = view.step === "accepted" && view.slide ? pick(view.slide.title, language) : "";
      const step = OFFERING.includes(view.step) ? "nothing" : view.step;
      return [
        el("h1", {}, word(language, `${step}Title`)),
        el("p.lead", {}, word(language, `${step}Text`)),
        about ? el("p.about", {}, about) : null,
      ];
    }
    const title = pick(view.slide.title, language);
    const more = view.step === "more" ? pick(view.more, language) : "";
    return [
      el("h1", {}, title),
      el("p.lead", {}, more || pick(view.slide.text, language)),
    ];
  }

  #stage(view, language, joinUrl) {
    if (view.step === "join") {
      const ask = el("p", {}, word(language, "joinAsk"));
      if (!joinUrl) return [el("img.art", { alt: "", src: `${BASE}art/bag.svg` }), el("div.plate", {}, ask)];
      const address = joinUrl.replace(/^https?:\/\//, "");
      return [el("div.plate.code", {},
        el("strong", {}, word(language, "joinScan")),
        el("img", { alt: address, src: "/notice.svg" }),
        el("p.address", {}, address), ask)];
    }
    const badge = OFFERING.includes(view.step) ? pick(view.slide?.badge, language) : "";
    const tag = badge ? el("p.tag", { "data-size": size(badge, 9, 16) }, badge) : null;
    return [el("img.art", { alt: "", src: `${BASE}art/${this.node.dataset.art}.svg` }), tag].filter((node) => node !== null);
  }

  #choices(view, language) {
    const wanted = ["yes", "more", "advice", "not_now"].filter((choice) => view.choices.includes(choice));
    this.trouble = el("p.trouble", { role: "status" });
    const buttons = wanted.map((choice, n) => this.#button(choice, language, n === 0 && choice !== "not_now" ? "primary" : choice));
    return el("nav.choices", { "data-n": String(wanted.length) }, ...buttons, this.trouble);
  }

  #button(choice, language, look) {
    const button = el(`button.choice.${look}`, { type: "button", "data-choice": choice }, word(language, choice));
    button.addEventListener("click", () => this.#answer(choice, language, button));
    return button;
  }

  async #answer(choice, language, button) {
    const id = this.id;
    button.classList.add("pressed");
    const result = await post(`/api/v1/screens/${encodeURIComponent(this.screen)}/answer`, { dialogue_id: id, choice });
    button.classList.remove("pressed");
    if (this.id !== id) return;
    if (result === "gone") {
      this.wipe();
      this.ended();
    } else if (result !== "ok") {
      say(this.trouble, word(language, "failed"));
    }
  }
}
