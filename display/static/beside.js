/** Which reader stands beside this tablet. The choice stays on the tablet and is told to the gateway at each connection. */

import { el, post, say } from "./dom.js";
import { pick, word } from "./words.js";

const KEY = "reader";

export class Beside {
  #readers = [];
  #zones = {};

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
    this.done = el("button.button.primary", { type: "button" });
    this.done.addEventListener("click", () => this.dialog.close());
    this.dialog = el("dialog.beside", { "aria-labelledby": "beside-title" }, this.title, this.why, this.list, this.done);
    this.node = el("div.besides", { hidden: "" }, this.button, this.dialog);
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
    this.button.setAttribute("aria-label", `${this.#word("readerLabel")}: ${name}`);
    this.button.dataset.chosen = String(Boolean(mine));
    say(this.title, this.#word("readerPick"));
    say(this.why, this.#word("readerWhy"));
    say(this.done, this.#word("close"));
    this.list.replaceChildren(...[null, ...this.#readers].map((one) => this.#option(one, mine?.id ?? null)));
  }

  #option(reader, mine) {
    const id = reader?.id ?? null;
    const input = el("input", { type: "radio", name: "reader", value: id ?? "" });
    input.checked = id === mine;
    input.addEventListener("change", () => this.#choose(id));
    return el("label.option", {}, input, el("span", {}, reader ? this.#name(reader) : this.#word("readerNo"), reader ? el("small", {}, reader.id) : null));
  }

  #name(reader) {
    return pick(this.#zones[reader.zone], this.language) || reader.zone;
  }

  #word(key) {
    return word(this.language, key);
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
    const focused = this.list.contains(document.activeElement);
    this.#draw();
    if (focused) this.list.querySelector("input:checked")?.focus();
  }
}
