/** One of the two layers of the loop. Its elements are made once and filled anew, or days of them would fill the memory. */

import { el, fit, say, size } from "./dom.js";
import { other, pick, word } from "./words.js";

const BASE = new URL(".", import.meta.url).pathname;
const PATIENCE_MS = 8_000; // for a picture or film from this box; what takes longer would be late for its turn

/** Resolves to whether `event` came before `error` and before patience was lost. */
function settled(node, event) {
  return new Promise((done) => {
    const stop = new AbortController();
    const end = (good) => {
      stop.abort();
      clearTimeout(patience);
      done(good);
    };
    const patience = setTimeout(() => end(false), PATIENCE_MS);
    node.addEventListener(event, () => end(true), { signal: stop.signal });
    node.addEventListener("error", () => end(false), { signal: stop.signal });
  });
}

export class Layer {
  constructor() {
    this.eyebrow = el("p.eyebrow");
    this.title = el("h1");
    this.lead = el("p.lead");
    this.other = el("p.other");
    this.art = el("img.art", { alt: "" });
    this.tag = el("p.tag");
    this.copy = el("div.copy", {}, this.eyebrow, this.title, this.lead, this.other);
    this.stage = el("div.stage", {}, el("div.disc"), this.art, this.tag);
    this.picture = el("img.full", { alt: "", hidden: "" });
    this.film = el("video.full", { hidden: "", preload: "auto", disablepictureinpicture: "", disableremoteplayback: "" });
    this.film.muted = true;
    this.film.playsInline = true;
    this.caption = el("p.caption", { hidden: "" });
    this.node = el("section.slide", { "aria-hidden": "true" }, this.copy, this.stage, this.picture, this.film, this.caption);
  }

  /** Fill what is not seen yet. @returns {Promise<boolean>} whether it can be shown without a gap */
  fill(item, language, near) {
    const media = item.kind === "image" || item.kind === "video";
    this.node.lang = language;
    this.node.dataset.slide = item.id;
    this.node.classList.toggle("media", media);
    for (const node of [this.copy, this.stage]) node.hidden = media;
    this.picture.hidden = item.kind !== "image";
    this.film.hidden = item.kind !== "video";
    this.caption.hidden = !media || !pick(item.title, language);
    if (!media) return this.#words(item, language, near);
    delete this.node.dataset.art;
    say(this.caption, pick(item.title, language));
    const node = item.kind === "image" ? this.picture : this.film;
    node.dataset.fit = item.fit === "contain" ? "contain" : "cover";
    return item.kind === "image" ? this.#image(item, language) : this.#video(item, language);
  }

  /** Begin what moves, once it is seen. */
  play() {
    if (!this.film.hidden) this.film.play().catch(() => undefined); // its first frame stands
  }

  /** Let go of what takes memory, once it is not seen any more. */
  rest() {
    if (this.picture.hasAttribute("src")) this.picture.removeAttribute("src");
    if (this.film.hasAttribute("src")) {
      this.film.pause();
      this.film.removeAttribute("src");
      this.film.load(); // without a source this gives the decoder back
    }
  }

  #words(item, language, near) {
    const title = pick(item.title, language);
    const second = other(language);
    const small = pick(item.title, second);
    this.node.dataset.art = item.art;
    say(this.eyebrow, word(language, near ? "here" : "today"));
    say(this.title, title);
    say(this.lead, pick(item.text, language));
    this.other.lang = second;
    say(this.other, small === title ? "" : small);
    const badge = pick(item.badge, language);
    this.tag.hidden = !badge;
    this.tag.dataset.size = size(badge, 9, 16);
    say(this.tag, badge);
    fit(this.copy, this.title);
    const url = `${BASE}art/${item.art}.svg`;
    if (this.art.getAttribute("src") !== url) this.art.src = url;
    return this.art.decode().then(() => true, () => true); // the words say it without the picture too
  }

  async #image(item, language) {
    this.picture.alt = pick(item.alt, language);
    this.picture.src = item.src;
    const late = new Promise((done) => setTimeout(() => done(false), PATIENCE_MS));
    return Promise.race([this.picture.decode().then(() => true, () => false), late]);
  }

  async #video(item, language) {
    this.film.setAttribute("aria-label", pick(item.alt, language) || pick(item.title, language));
    const ready = settled(this.film, "canplaythrough");
    this.film.src = item.src;
    this.film.load();
    return (await ready) && this.film.videoWidth > 0; // what has sound alone plays well, and leaves the glass empty
  }
}
