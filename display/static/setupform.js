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
    this.language = deviceLanguage();
    this.draw();
  }

  word(key, slots = {}) {
    return said(this.language, key, slots);
  }

  draw() {
    document.documentElement.lang = this.language;
    document.title = this.word("formTitle");
    const change = el("button.button.plain", { type: "button", lang: other(this.language) }, this.word("language"));
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
    this.button = el("button.button.primary", { type: "submit" }, this.word("give"));
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
  }

  async give() {
    const body = this.file ?? this.text.trim();
    if (!body) return this.tell("refused", this.word("lack"), "");
    if (this.file && this.file.size > MAX_BYTES) return this.tell("refused", ...refusal(this.language, "form"));
    this.button.disabled = true;
    say(this.button, this.word("giving"));
    let reason = "failed";
    try {
      const headers = { "Content-Type": "text/plain", "X-Setup-Code": this.typed.replace(/[^\x20-\x7e]/g, "") };
      const answer = await fetch("/api/v1/setup", { method: "POST", headers, body, signal: AbortSignal.timeout(ASK_MS) });
      reason = answer.status === 413 ? "form" : (await answer.json()).reason ?? "failed";
    } catch {
      // No connection: said as such.
    }
    if (reason) return this.open(...refusal(this.language, reason));
    this.tell("asked", this.word("askedTitle"), this.word("askedText"));
    return this.follow();
  }

  /** What becomes of the file, from the box; no answer of its kind any more: the box is a shop's. */
  async follow() {
    const before = this.gateway;
    try {
      const answer = await fetch("/api/v1/setup", { cache: "no-store", signal: AbortSignal.timeout(ASK_MS) });
      if (!answer.ok) return this.tell("taken", this.word("takenTitle"), this.word("takenText", { gateway: before ?? "…" }));
      const { state, last } = await answer.json();
      if (last?.result === "taken") return this.tell("taken", this.word("takenTitle"), this.word("takenText", last));
      if (state === "alone") this.tell("refused", this.word("aloneTitle"), this.word("aloneText"));
      if (state === "waits" && last) return this.open(...refusal(this.language, last.reason));
    } catch {
      // It starts anew just now.
    }
    setTimeout(() => this.follow(), POLL_MS);
    return null;
  }

  open(what, step) {
    this.button.disabled = false;
    say(this.button, this.word("give"));
    this.tell("refused", what, step);
  }

  tell(state, what, step) {
    this.dataset.state = state;
    this.note.hidden = false;
    this.note.replaceChildren(el("strong", {}, what), el("p", {}, step));
    this.note.scrollIntoView({ block: "nearest" });
  }
}

customElements.define("setup-form", SetupForm);
