/** The page on the installer's phone: the code from the box's screen and headquarters' file go in here. */

import { el, say } from "./dom.js";
import { refusal, said } from "./setupwords.js";
import { deviceLanguage, other } from "./words.js";

const POLL_MS = 1000;
const MAX_BYTES = 16_384;
const ASK_MS = 20_000; // a file for one box alone takes a Pi a second to open

class SetupForm extends HTMLElement {
  connectedCallback() {
    const scanned = decodeURIComponent(location.hash.slice(1));
    if (scanned) history.replaceState(null, "", location.pathname); // the code stays in no history
    this.typed = scanned;
    this.text = "";
    this.file = null;
    this.giving = false;
    this.told = null; // what the note says: its state, and its words by language
    this.language = deviceLanguage();
    this.draw();
  }

  word(key, slots = {}) {
    return said(this.language, key, slots);
  }

  draw() {
    document.documentElement.lang = this.language;
    document.title = this.word("formTitle");
    const change = el("button.button.plain", { type: "button", "data-role": "language", lang: other(this.language) }, this.word("language"));
    change.addEventListener("click", () => {
      this.language = other(this.language);
      localStorage.setItem("language", this.language);
      this.draw();
    });
    this.code = el("input.typed", { id: "code", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: "12", "aria-describedby": "code-hint" });
    this.code.value = this.typed;
    this.code.addEventListener("input", () => { this.typed = this.code.value; });
    this.choice = el("input.unseen", { type: "file", id: "file", accept: ".json,.txt,application/json,text/plain" });
    this.chosen = el("p.hint", { id: "chosen" }, this.file ? this.word("chosen", { name: this.file.name }) : "");
    this.choice.addEventListener("change", () => {
      this.file = this.choice.files[0] ?? this.file;
      say(this.chosen, this.file ? this.word("chosen", { name: this.file.name }) : "");
    });
    this.pasted = el("textarea.typed", { id: "text", rows: "3", spellcheck: "false", autocomplete: "off" });
    this.pasted.value = this.text;
    this.pasted.addEventListener("input", () => { this.text = this.pasted.value; });
    this.button = el("button.button.primary", { type: "submit" });
    this.note = el("div.note", { role: "status", hidden: "" });
    const form = el("form", {},
      el("div.field", {}, el("label", { for: "code" }, this.word("formCode")), el("p.hint", { id: "code-hint" }, this.word("formCodeHint")), this.code),
      el("div.field", {}, el("p.label", {}, this.word("formFile")), this.choice, el("label.button", { for: "file" }, this.word("choose")), this.chosen),
      el("div.field", {}, el("label", { for: "text" }, this.word("formText")), this.pasted),
      this.note, this.button);
    form.addEventListener("submit", (event) => { event.preventDefault(); this.give(); });
    this.replaceChildren(
      el("header", {}, el("div", {}, el("h1", {}, this.word("formTitle")), el("p.lead", {}, this.word("formLead"))), change),
      form, el("p.hint.plain", {}, this.word("plain")));
    this.hold(this.giving);
    if (this.told) this.tell(...this.told);
  }

  async give() {
    const body = this.file ?? this.text.trim();
    if (!body) return this.tell("refused", (language) => [said(language, "lack"), ""]);
    if (this.file && this.file.size > MAX_BYTES) return this.refused("form");
    this.hold(true);
    let reason = "failed";
    try {
      const headers = { "Content-Type": "text/plain", "X-Setup-Code": this.typed.replace(/[^\x20-\x7e]/g, "") };
      const answer = await fetch("/api/v1/setup", { method: "POST", headers, body, signal: AbortSignal.timeout(ASK_MS) });
      reason = answer.status === 413 ? "form" : (await answer.json()).reason ?? "failed";
    } catch {
      // No connection: said as such.
    }
    if (reason) return this.refused(reason);
    this.tell("asked", (language) => [said(language, "askedTitle"), said(language, "askedText")]);
    return this.follow();
  }

  /** What becomes of the file, from the box; no answer of its kind any more: the box is a shop's. */
  async follow() {
    try {
      const answer = await fetch("/api/v1/setup", { cache: "no-store", signal: AbortSignal.timeout(ASK_MS) });
      if (!answer.ok) return this.taken(null); // the shop's own pages are here, and this one is gone
      const { state, last } = await answer.json();
      if (last?.result === "taken") return this.taken(last);
      if (state === "alone") this.tell("refused", (language) => [said(language, "aloneTitle"), said(language, "aloneText")]);
      if (state === "waits" && last) return this.refused(last.reason);
    } catch {
      // It starts anew just now.
    }
    setTimeout(() => this.follow(), POLL_MS);
    return null;
  }

  hold(giving) {
    this.giving = giving;
    this.button.disabled = giving;
    say(this.button, this.word(giving ? "giving" : "give"));
  }

  refused(reason) {
    this.hold(false);
    this.tell("refused", (language) => refusal(language, reason));
  }

  taken(last) {
    this.tell("taken", (language) => [said(language, "takenTitle"), said(language, "takenText", last ?? { gateway: said(language, "itsShop") })]);
  }

  /** @param {(language: string) => [string, string]} words what happened, and what helps */
  tell(state, words) {
    const [what, step] = words(this.language);
    this.told = [state, words];
    this.dataset.state = state;
    this.note.hidden = false;
    this.note.replaceChildren(el("strong", {}, what), el("p", {}, step));
    this.note.scrollIntoView({ block: "nearest" });
  }
}

customElements.define("setup-form", SetupForm);
