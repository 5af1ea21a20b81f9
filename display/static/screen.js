/** The kiosk page: a neutral loop of slides, and above it the dialogue after a tap. */

import { el, fit, say, size } from "./dom.js";
import { Live } from "./live.js";
import { Talk } from "./talk.js";
import { other, pick, word } from "./words.js";

const SLIDE_MS = 12_000;
const FADE_MS = 300; // as in screen.css
const DRIFT_MS = 30_000; // fixed elements move a few pixels against burn-in
const DRIFT = [[0, 0], [4, 2], [6, 5], [2, 6], [-3, 4], [-5, 0], [-3, -4], [2, -3]];
const BASE = new URL(".", import.meta.url).pathname;
const WELCOME = {
  slide_id: "welcome",
  title: { de: word("de", "welcomeTitle"), en: word("en", "welcomeTitle") },
  text: { de: word("de", "welcomeText"), en: word("en", "welcomeText") },
  badge: {},
  art: "bag",
};

/** Resolves when what is in the DOM now has been painted. */
const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

class Layer {
  constructor() {
    this.eyebrow = el("p.eyebrow");
    this.title = el("h1");
    this.lead = el("p.lead");
    this.other = el("p.other");
    this.art = el("img.art", { alt: "" });
    this.tag = el("p.tag");
    this.copy = el("div.copy", {}, this.eyebrow, this.title, this.lead, this.other);
    this.node = el("section.slide", { "aria-hidden": "true" }, this.copy,
      el("div.stage", {}, el("div.disc"), this.art, this.tag));
  }

  fill(slide, language, near) {
    const second = other(language);
    const title = pick(slide.title, language);
    const small = pick(slide.title, second);
    this.node.lang = language;
    this.node.dataset.art = slide.art;
    this.node.dataset.slide = slide.slide_id;
    say(this.eyebrow, word(language, near ? "here" : "today"));
    say(this.title, title);
    say(this.lead, pick(slide.text, language));
    this.other.lang = second;
    say(this.other, small === title ? "" : small);
    const badge = pick(slide.badge, language);
    this.tag.hidden = !badge;
    this.tag.dataset.size = size(badge, 9, 16);
    say(this.tag, badge);
    fit(this.copy, this.title);
    const url = `${BASE}art/${slide.art}.svg`;
    if (this.art.getAttribute("src") !== url) this.art.src = url;
    return this.art.decode().catch(() => undefined);
  }
}

class ShopScreen extends HTMLElement {
  #slides = [WELCOME];
  #known = "";
  #latest = null;
  #near = false;
  #level = "L0";
  #decision = null;
  #index = 0;
  #language = document.documentElement.dataset.languages?.split(" ")[0] || "de"; // as it was paired
  #turn = 0;
  #telling = 0;
  #timer = 0;

  connectedCallback() {
    this.screen = new URLSearchParams(location.search).get("id") ?? "";
    this.layers = [new Layer(), new Layer()];
    this.shop = el("strong");
    this.dots = el("span.dots", { "aria-hidden": "true" });
    this.consent = el("span.consent");
    this.foot = el("footer", {}, this.shop, this.dots, this.consent);
    this.talk = new Talk(this.screen, () => this.#quiet());
    this.append(...this.layers.map((layer) => layer.node), this.foot, this.talk.node);
    this.#present();
    setInterval(() => this.#drift(), DRIFT_MS);
    new Live(`/api/v1/screens/${encodeURIComponent(this.screen)}/stream`, {
      event: (name, data) => name !== "beat" && this.#content(data),
      lost: () => this.#neutral(),
    });
  }

  #content(data) {
    say(this.shop, pick(data.shop?.name, "de"));
    say(this.consent, data.shop?.notice ? `${word("de", "consentLine")} ${word("en", "consentLine")}` : "");
    this.#level = data.level;
    this.#decision = data.decision_id;
    this.talk.ready(data.join);
    this.#latest = data;
    if (data.dialogue) {
      this.talk.show(data.dialogue, data.level !== "L3", data.join);
      this.#tell().then(() => this.#latest === data && this.#loop(data)); // what lies beneath waits for the paint
    } else {
      this.talk.wipe();
      this.#loop(data);
    }
  }

  #loop(data) {
    const near = data.level !== "L0" && data.slides.length > 0;
    const known = JSON.stringify([data.slides, near]);
    const changed = known !== this.#known;
    this.#known = known;
    this.#near = near;
    if (changed) {
      const before = new Set(this.#slides.map((slide) => slide.slide_id));
      this.#slides = data.slides.length ? data.slides : [WELCOME];
      this.#index = Math.max(0, this.#slides.findIndex((slide) => !before.has(slide.slide_id))); // news first
      this.#present();
    } else {
      this.#tell();
    }
  }

  /** Nothing can be trusted any more: drop what was said to one person, keep the anonymous loop. */
  #neutral() {
    const near = this.#level !== "L0";
    this.talk.wipe();
    this.#latest = null;
    this.#near = false;
    this.#level = "L0";
    this.#decision = null;
    this.#known = "";
    if (near) {
      this.#slides = [WELCOME];
      this.#index = 0;
      this.#present();
    } else {
      this.#tell();
    }
  }

  /** The dialogue ended by itself. */
  #quiet() {
    this.#level = "L0";
    this.#decision = null;
    this.#known = "";
    this.#tell();
  }

  async #present() {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    const [front, back] = this.layers;
    const slide = this.#slides[this.#index];
    await back.fill(slide, this.#language, this.#near);
    if (turn !== this.#turn) return;
    this.layers = [back, front];
    front.node.className = "slide out";
    back.node.className = "slide in";
    front.node.setAttribute("aria-hidden", "true");
    back.node.removeAttribute("aria-hidden");
    setTimeout(() => this.layers[0] === back && (front.node.className = "slide"), FADE_MS + 50);
    this.#count();
    this.#tell();
    this.#timer = setTimeout(() => this.#next(), SLIDE_MS);
  }

  #next() {
    if (this.talk.open) {
      this.#timer = setTimeout(() => this.#next(), SLIDE_MS); // nobody sees the loop now: leave the machine its time
      return;
    }
    this.#index = (this.#index + 1) % this.#slides.length;
    if (this.#index === 0) this.#language = other(this.#language);
    this.#present();
  }

  #count() {
    while (this.dots.childElementCount > this.#slides.length) this.dots.lastElementChild.remove();
    while (this.dots.childElementCount < this.#slides.length) this.dots.append(el("i"));
    this.dots.hidden = this.#slides.length < 2;
    [...this.dots.children].forEach((dot, n) => dot.classList.toggle("on", n === this.#index));
    this.foot.dataset.art = this.#slides[this.#index].art;
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
    const [x, y] = DRIFT[Math.floor(performance.now() / DRIFT_MS) % DRIFT.length];
    this.style.setProperty("--drift-x", `${x}px`);
    this.style.setProperty("--drift-y", `${y}px`);
  }
}

customElements.define("shop-screen", ShopScreen);
