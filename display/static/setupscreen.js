/** The screen of a box that belongs to nobody: its code, how it becomes a shop's, and what became of the last file. */

import { bare, el, say } from "./dom.js";
import { refusal, said } from "./setupwords.js";

const POLL_MS = 1000;
const ASK_MS = 5000;
const LOST_AFTER = 3; // one lost answer alarms nobody
const LANGUAGES = ["de", "en"];

class SetupScreen extends HTMLElement {
  #failed = 0;
  #shown = "";
  #lines = [];

  connectedCallback() {
    this.note = el("div.note", { role: "status", hidden: "" });
    this.code = el("p.code", { role: "img", translate: "no" });
    this.picture = el("img.picture", { alt: "" });
    this.side = el("div.side", { hidden: "" }, this.picture);
    this.append(
      el("header", {}, el("h1", {}, said("de", "title")), el("p.other", { lang: "en" }, said("en", "title"))),
      this.side,
      el("main.own", {}, el("p.label", {}, said("de", "code"), " · ", el("span", { lang: "en" }, said("en", "code"))), this.code),
      this.note,
      el("footer", {}, ...LANGUAGES.map((language) => this.#steps(language))),
    );
    this.#look();
    setInterval(() => this.#look(), POLL_MS);
  }

  #steps(language) {
    const last = el("li");
    this.#lines.push([language, last]);
    return el("ol.steps", { lang: language }, el("li", {}, said(language, "step1")), el("li", {}, said(language, "step2")), last);
  }

  async #look() {
    if (this.asking) return;
    this.asking = true;
    try {
      const answer = await fetch("/api/v1/setup", { cache: "no-store", signal: AbortSignal.timeout(ASK_MS) });
      this.#failed = 0;
      if (answer.status === 404) location.reload(); // the box is a shop's: its own pages are there
      else if (answer.ok) this.#told(await answer.json());
    } catch {
      this.#failed += 1;
      if (this.#failed >= LOST_AFTER) this.#say("lost", (language) => [said(language, "lostTitle"), said(language, "lostText")]);
    }
    this.asking = false;
  }

  #told({ state, last, code, address, build }) {
    if (!document.documentElement.dataset.build.startsWith(build)) location.reload();
    this.#code(code);
    for (const [language, line] of this.#lines) say(line, address ? said(language, "step3", { address: bare(address) }) : said(language, "step3none"));
    this.side.hidden = !address;
    const picture = `/setup.svg?a=${encodeURIComponent(address)}`;
    if (address && this.picture.getAttribute("src") !== picture) this.picture.src = picture;
    if (last?.result === "taken") this.#say("taken", (language) => [said(language, "takenTitle"), said(language, "takenText", last)]);
    else if (state !== "waits") this.#say(state, (language) => [said(language, `${state}Title`), said(language, `${state}Text`)]);
    else if (last) this.#say("refused", (language) => refusal(language, last.reason), last.reason);
    else this.#say("waits", null);
  }

  #code(code) {
    if (this.code.dataset.code === code) return;
    this.code.dataset.code = code;
    this.code.setAttribute("aria-label", said("de", "codeLabel", { code: [...code].join(" ") }));
    const half = code.length / 2;
    this.code.replaceChildren(...[code.slice(0, half), code.slice(half)].map((part) => el("span", { "aria-hidden": "true" }, ...[...part].map((one) => el("b", {}, one)))));
  }

  /** What stands between heading and code; `words` of a language, null = nothing. */
  #say(state, words, more = "") {
    if (this.#shown === state + more) return;
    this.#shown = state + more;
    this.dataset.state = state;
    this.note.hidden = words === null;
    if (words) this.note.replaceChildren(...LANGUAGES.map((language) => el("div", { lang: language }, el("strong", {}, words(language)[0]), el("p", {}, words(language)[1]))));
  }
}

customElements.define("setup-screen", SetupScreen);
