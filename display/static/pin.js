/** Digits that a colleague chose or types; they live in this object only and go with it. */

import { el, say } from "./dom.js";
import { word } from "./words.js";

const DIGITS = 4; // of a hand-over; a colleague's own PIN has six

export class PinPad {
  #digits = "";
  #busy = false;

  /** @param {string} language @param {string} label what the digits are for @param {(pin: string) => Promise<string>} send
   *   answers "" when all is well, else the sentence to show @param {number} digits */
  constructor(language, label, send, digits = DIGITS) {
    this.language = language;
    this.send = send;
    this.digits = digits;
    this.dots = Array.from({ length: digits }, () => el("i"));
    this.count = el("span.unseen", { role: "status" });
    this.hint = el("p.hint", { role: "alert" });
    const key = (name, look, act) => {
      const button = el("button.key", { type: "button", "data-key": name }, look);
      button.addEventListener("click", act);
      return button;
    };
    const digit = (name) => key(name, name, () => this.#set(this.#digits + name));
    this.back = key("back", "⌫", () => this.#set(this.#digits.slice(0, -1)));
    this.back.setAttribute("aria-label", word(language, "codeBack"));
    this.node = el("div.pin", { role: "group", "aria-label": label },
      el("p.dots", { "aria-hidden": "true" }, ...this.dots), this.count, this.hint,
      el("div.keys", {}, ...[..."123456789"].map(digit), el("span"), digit("0"), this.back));
    document.addEventListener("keydown", (event) => this.node.isConnected && this.#key(event));
    this.#draw();
  }

  /** Forget what was typed. */
  clear() {
    this.#digits = "";
    this.#draw();
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (/^\d$/.test(event.key)) this.#set(this.#digits + event.key);
    else if (event.key === "Backspace") this.#set(this.#digits.slice(0, -1));
    else return;
    event.preventDefault();
  }

  #set(digits) {
    if (this.#busy || digits.length > this.digits) return;
    this.#digits = digits;
    say(this.hint, "");
    this.#draw();
    if (digits.length === this.digits) this.#send();
  }

  #draw() {
    this.dots.forEach((dot, at) => (dot.className = at < this.#digits.length ? "on" : ""));
    say(this.count, this.#digits ? word(this.language, "pinCount", { n: this.#digits.length, m: this.digits }) : "");
  }

  async #send() {
    this.#busy = true;
    const trouble = await this.send(this.#digits);
    this.#busy = false;
    this.clear();
    say(this.hint, trouble);
  }
}
