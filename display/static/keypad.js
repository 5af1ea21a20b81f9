/** The keypad for the one-time code. The digits live in this object only and go with it. */

import { el, say } from "./dom.js";
import { other, word } from "./words.js";

const DIGITS = 8;
const SEND_MS = 400; // after the last digit the code goes by itself; a slip can still be deleted before
const WAIT_MS = 3000; // how long "please wait" keeps the key off; the gateway decides how long it really lasts
const BACK = "M9 5h11v14H9l-6-7zM12 9.5l5 5M17 9.5l-5 5";

/** The key's picture: an arrow that eats the last digit. */
function backSign() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", BACK);
  svg.append(path);
  return svg;
}

export class Keypad {
  #digits = "";
  #timer = 0;
  #going = 0;

  /**
   * @param {string} language @param {boolean} both also in the other language
   * @param {{send: (code: string) => Promise<string>, typed: () => void}} on `send` answers "ok", "wrong", "wait",
   *   "gone" or "failed"; `typed` is called at each key
   */
  constructor(language, both, on) {
    this.language = language;
    this.both = both;
    this.on = on;
    this.slots = Array.from({ length: DIGITS }, () => el("i"));
    this.count = el("span.unseen", { role: "status" });
    this.hint = el("p.hint", { role: "alert" });
    this.done = this.#key([word(language, "codeDone"), this.#second("codeDone")], "done", () => this.#send());
    this.back = this.#key([backSign()], "back", () => this.#set(this.#digits.slice(0, -1)));
    this.back.setAttribute("aria-label", word(language, "codeBack"));
    const digit = (name) => this.#key([name], name, () => this.#set(this.#digits + name));
    this.node = el("div.pad", {},
      el("p.digits", { "aria-hidden": "true" }, el("span", {}, ...this.slots.slice(0, 4)), el("span", {}, ...this.slots.slice(4))),
      this.count, this.hint,
      el("div.keys", {}, ...[..."123456789"].map(digit), this.back, digit("0"), this.done));
    this.#draw();
  }

  /** A key of a real keyboard. @returns {boolean} whether it was one of ours */
  press(key) {
    if (/^\d$/.test(key)) this.#set(this.#digits + key);
    else if (key === "Backspace") this.#set(this.#digits.slice(0, -1));
    else return false;
    this.on.typed();
    return true;
  }

  close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#going);
    this.#digits = "";
  }

  #key(label, name, act) {
    const button = el("button.key", { type: "button", "data-key": name }, ...label);
    button.addEventListener("click", () => {
      act();
      this.on.typed();
    });
    return button;
  }

  #set(digits) {
    if (this.busy || digits.length > DIGITS) return;
    this.#digits = digits;
    this.#say("");
    this.#draw();
    clearTimeout(this.#going);
    if (digits.length === DIGITS) this.#going = setTimeout(() => this.#send(), SEND_MS);
  }

  /** The same in the other language, where strangers read both. */
  #second(key) {
    return this.both && key ? el("small", { lang: other(this.language) }, word(other(this.language), key)) : "";
  }

  #draw() {
    const n = this.#digits.length;
    this.slots.forEach((slot, at) => {
      say(slot, this.#digits[at] ?? "");
      slot.className = at === n ? "next" : "";
    });
    say(this.count, n ? word(this.language, "codeCount", { n }) : "");
    this.done.disabled = n < DIGITS || Boolean(this.busy);
  }

  #say(key) {
    this.hint.replaceChildren(word(this.language, key), this.#second(key));
  }

  async #send() {
    if (this.#digits.length < DIGITS || this.busy) return;
    clearTimeout(this.#going);
    this.busy = true;
    this.#draw();
    this.#say("codeChecking");
    const result = await this.on.send(this.#digits);
    if (result === "ok" || result === "gone") return; // another page comes, or none
    if (result === "wrong") this.#digits = "";
    if (result === "wait") this.#timer = setTimeout(() => this.#free(), WAIT_MS);
    else this.#free(); // before it says so: who reads "wrong" may type at once
    this.#say({ wrong: "codeWrong", wait: "codeWait" }[result] ?? "failed");
  }

  #free() {
    this.busy = false;
    this.#draw();
  }
}
