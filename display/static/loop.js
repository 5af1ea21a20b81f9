/** The neutral loop: what comes next, when it changes, and that it never shows nothing. Knows no person. */

import { el } from "./dom.js";
import { Layer } from "./layer.js";
import { other, word } from "./words.js";

const SLIDE_S = 12;
const SHORTEST_S = 5;
const LONGEST_S = 30; // a frame that stands longer burns itself in
const FADE_MS = 300; // as in screen.css
const BROKEN_MS = 600_000; // until a picture that could not be shown is tried again
const MAX_BROKEN = 200; // of them remembered; a loop has a few dozen items
const ARTS = ["bag", "flowers", "tea", "bread"]; // where only the welcome is left, its colours change
const WELCOME = {
  id: "welcome", content: "", kind: "slide", seconds: SLIDE_S,
  title: { de: word("de", "welcomeTitle"), en: word("en", "welcomeTitle") },
  text: { de: word("de", "welcomeText"), en: word("en", "welcomeText") },
  badge: {},
};

/** Resolves when what is in the DOM now has been painted. */
export const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

const slideItem = (slide) => ({ ...slide, id: slide.slide_id, content: slide.slide_id, kind: "slide", seconds: SLIDE_S });
const mediaItem = (media) => ({ art: "bag", ...media, content: media.sha256 || media.id });

/** Offers and pictures take turns. */
function mixed(slides, media) {
  const turns = Math.max(slides.length, media.length);
  return Array.from({ length: turns }, (_, n) => [slides[n], media[n]]).flat().filter((item) => item !== undefined);
}

export class Loop {
  #items = [];
  #idle = { items: [], near: false }; // the newest anonymous content, also for a time in which nothing else can be trusted
  #known = "";
  #near = false;
  #decision = null;
  #item = null; // what is on the glass
  #language = document.documentElement.dataset.languages?.split(" ")[0] || "de"; // as it was paired
  #turn = 0;
  #timer = 0;
  #rest = 0;
  #welcomed = 0;
  #covered = false;
  #broken = new Map(); // item id -> until when it is left out, by performance.now()

  /**
   * @param {{clock: object, plays: object, shown: () => void}} parts `shown` is called when something new is on the glass
   */
  constructor({ clock, plays, shown }) {
    this.clock = clock;
    this.plays = plays;
    this.shown = shown;
    this.skipped = 0;
    this.layers = [new Layer(), new Layer()];
    this.nodes = this.layers.map((layer) => layer.node);
    this.dots = el("span.dots", { "aria-hidden": "true" });
    this.#known = JSON.stringify([[], false]);
    this.#present();
  }

  /** The colour field of what is on the glass; "" for a picture or film. */
  get art() {
    return this.layers[0].node.dataset.art ?? "";
  }

  /** Show what the gateway says. @returns {boolean} whether something else is shown now, or soon */
  show(data) {
    if (data.dialogue) return this.neutral(); // beneath it lies what is for everybody
    const slides = data.slides.map(slideItem);
    const near = data.level !== "L0" && slides.length > 0;
    if (data.level === "L2") return this.#set(slides, near, data.decision_id);
    this.#idle = { items: mixed(slides, (data.media ?? []).map(mediaItem)), near };
    return this.neutral();
  }

  /** The newest content that nobody in particular has caused. @returns {boolean} as `show` */
  neutral() {
    return this.#set(this.#idle.items, this.#idle.near, null);
  }

  /** A dialogue lies above it, or no longer does. */
  cover(covered) {
    if (covered === this.#covered) return;
    this.#covered = covered;
    if (covered) this.plays.end();
    else this.#prove();
  }

  #set(items, near, decision) {
    const known = JSON.stringify([items, near]);
    const changed = known !== this.#known;
    this.#known = known;
    this.#near = near;
    if (decision !== this.#decision) this.plays.end(); // what stood there for one reason stands there for another now
    this.#decision = decision;
    if (!changed) return false;
    const before = new Set(this.#items.map((item) => item.id));
    const news = items.find((item) => !before.has(item.id)) ?? items[0] ?? null;
    this.#items = items;
    this.#present(news);
    return true;
  }

  /** What may be shown now, in order. */
  #usable() {
    const now = performance.now();
    for (const [id, until] of this.#broken) if (until <= now) this.#broken.delete(id);
    const items = this.#items.filter((item) => !this.#broken.has(item.id) && this.clock.allows(item));
    const still = items.length === 1 && items[0].kind !== "slide"; // one picture for hours would burn itself in
    return items.length === 0 ? [this.#welcome()] : still ? [...items, this.#welcome()] : items;
  }

  #welcome() {
    return { ...WELCOME, art: ARTS[this.#welcomed % ARTS.length] };
  }

  #next() {
    if (this.#covered) {
      this.#timer = setTimeout(() => this.#next(), SLIDE_S * 1000); // nobody sees the loop now: leave the machine its time
      return;
    }
    const items = this.#usable();
    const at = items.findIndex((item) => item.id === this.#item?.id);
    const next = (at + 1) % items.length;
    if (next <= at || at < 0) this.#language = other(this.#language);
    this.#present(items[next]);
  }

  /** Bring `wanted`, or else the first that can be shown, to the glass. The old one stays until the new one is ready. */
  async #present(wanted = null) {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    const [front, back] = this.layers;
    this.#retire(back);
    let item = wanted !== null && this.clock.allows(wanted) && !this.#broken.has(wanted.id) ? wanted : this.#usable()[0];
    while (!(await back.fill(item, this.#language, this.#near))) {
      if (turn !== this.#turn) return;
      item = this.#instead(item);
    }
    if (turn !== this.#turn) return;
    this.plays.end();
    this.layers = [back, front];
    front.node.classList.replace("in", "out");
    back.node.classList.add("in");
    front.node.setAttribute("aria-hidden", "true");
    back.node.removeAttribute("aria-hidden");
    back.play();
    this.#rest = setTimeout(() => this.layers[1] === front && this.#retire(front), FADE_MS + 50);
    this.#item = item;
    if (item.id === WELCOME.id) this.#welcomed += 1;
    this.#count();
    this.shown();
    this.#prove();
    this.#timer = setTimeout(() => this.#next(), this.#ms(item));
  }

  #ms(item) {
    return 1000 * Math.min(LONGEST_S, Math.max(SHORTEST_S, item.seconds));
  }

  #retire(layer) {
    clearTimeout(this.#rest);
    layer.node.classList.remove("in", "out");
    layer.rest();
  }

  /** What comes instead of one that could not be shown. */
  #instead(item) {
    this.skipped += 1;
    if (this.#broken.size >= MAX_BROKEN) this.#broken.delete(this.#broken.keys().next().value);
    this.#broken.set(item.id, performance.now() + BROKEN_MS);
    const usable = this.#usable();
    const after = this.#items.slice(this.#items.findIndex((one) => one.id === item.id) + 1);
    return after.find((one) => usable.includes(one)) ?? usable[0];
  }

  /** A proof of play begins once two frames of it were drawn, and nothing lies above. */
  async #prove() {
    const turn = this.#turn;
    const item = this.#item;
    await painted();
    if (turn !== this.#turn || this.#covered || item === null || item.content === "") return;
    this.plays.begin(item, this.#decision, this.#ms(item));
  }

  #count() {
    const items = this.#usable();
    while (this.dots.childElementCount > items.length) this.dots.lastElementChild.remove();
    while (this.dots.childElementCount < items.length) this.dots.append(el("i"));
    this.dots.hidden = items.length < 2;
    const at = items.findIndex((item) => item.id === this.#item.id);
    [...this.dots.children].forEach((dot, n) => dot.classList.toggle("on", n === at));
  }
}
