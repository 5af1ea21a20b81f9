/** Which reader stands beside this tablet. The choice stays on the tablet and is told to the gateway at each connection. */

import { el, post, say } from "./dom.js";
import { pick, word } from "./words.js";

const KEY = "reader";
const SEEN_MS = 700; // how long a choice by finger is shown before the list closes

export class Beside {
  #readers = [];
  #zones = {};
  #down = new Set();
  #byFinger = false;
  #timer = 0;

  /** @param {(words: string) => void} tell says what went wrong */
  constructor(tell) {
    this.tell = tell;
    this.label = el("span");
    this.button = el("button.button.plain.reader", { type: "button", "aria-haspopup": "dialog" },
      el("i.waves", { "aria-hidden": "true" }), this.label);
    this.button.addEventListener("click", () => this.#ask());
    this.title = el("h2", { id: "beside-title" });
    this.why = el("p");
    this.list = el("div.options", { role: "radiogroup", "aria-labelledby": "beside-title" });
    this.list.addEventListener("pointerdown", () => (this.#byFinger = true));
    this.list.addEventListener("keydown", () => (this.#byFinger = false)); // arrows choose on their way
    this.done = el("button.button.primary", { type: "button" });
    this.done.addEventListener("click", () => this.close());
    this.dialog = el("dialog.beside", { "aria-labelledby": "beside-title" }, this.title, this.why, this.list, this.done);
    this.node = el("div.besides", { hidden: "" }, this.button, this.dialog);
  }

  /** Which receivers need a hand now. */
  troubles(found) {
    const down = new Set(found.filter((one) => one.state === "down").map((one) => one.receiver));
    if (down.size === this.#down.size && [...down].every((id) => this.#down.has(id))) return;
    this.#down = down;
    this.#draw();
  }

  close() {
    clearTimeout(this.#timer);
    this.dialog.close();
  }

  get #mine() {
    return localStorage.getItem(KEY);
  }

  /** After each (re)connection: which readers there are, and once more which one is ours. */
  async connected() {
    try {
      const answer = await fetch("/api/v1/tablet/readers", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (!answer.ok) return;
      const { readers } = await answer.json();
      const mine = readers.find((one) => one.mine)?.receiver ?? null;
      this.#readers = readers.map((one) => ({ id: one.receiver, zone: one.zone }));
      const wanted = readers.some((one) => one.receiver === this.#mine) ? this.#mine : null;
      if (wanted !== mine) await post("/api/v1/tablet/reader", { receiver: wanted });
    } catch {
      return; // the stream tells of a gateway that is gone
    }
    this.#draw();
  }

  speak(language, zones) {
    this.language = language;
    this.#zones = zones;
    this.#draw();
  }

  #draw() {
    this.node.hidden = this.#readers.length === 0;
    const mine = this.#readers.find((one) => one.id === this.#mine);
    const name = mine ? this.#name(mine) : this.#word("readerNo");
    say(this.label, name);
    const down = mine !== undefined && this.#down.has(mine.id);
    const label = down ? `${name} (${this.#word("readerDown", { id: mine.id })})` : name;
    this.button.dataset.down = String(down);
    this.button.setAttribute("aria-label", `${this.#word("readerLabel")}: ${label}`);
    this.button.dataset.chosen = String(Boolean(mine));
    say(this.title, this.#word("readerPick"));
    say(this.why, this.#word("readerWhy"));
    say(this.done, this.#word("close"));
    const focused = this.list.contains(document.activeElement);
    this.list.replaceChildren(...[null, ...this.#readers].map((one) => this.#option(one, mine?.id ?? null)));
    if (focused) this.list.querySelector("input:checked")?.focus();
  }

  #option(reader, mine) {
    const id = reader?.id ?? null;
    const input = el("input", { type: "radio", name: "reader", value: id ?? "" });
    input.checked = id === mine;
    input.addEventListener("change", () => this.#choose(id));
    const down = this.#down.has(id);
    const small = reader ? el("small", {}, down ? this.#word("readerDown", { id }) : id) : null;
    return el("label.option", { "data-state": down ? "down" : "ok" }, input, el("span", {}, reader ? pick(this.#zones[reader.zone], this.language) || reader.zone : this.#word("readerNo"), small));
  }

  #name(reader) {
    const zone = pick(this.#zones[reader.zone], this.language) || reader.zone;
    return this.#readers.some((one) => one.zone === reader.zone && one.id !== reader.id) ? `${reader.id} · ${zone}` : zone; // a narrow button cuts the end
  }

  #word(key, slots) {
    return word(this.language, key, slots);
  }

  #ask() {
    this.dialog.showModal();
    this.list.querySelector("input:checked")?.focus();
  }

  async #choose(id) {
    const result = await post("/api/v1/tablet/reader", { receiver: id });
    if (result !== "ok") this.tell(this.#word("readerFailed"));
    else if (id === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, id);
    this.#draw();
    clearTimeout(this.#timer);
    if (result === "ok" && this.#byFinger) this.#timer = setTimeout(() => this.close(), SEEN_MS);
  }
}
