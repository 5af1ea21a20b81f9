/** The guide by which a device learns to trust this shop's gateway, and the live check whether it does. */

import { el } from "./dom.js";
import { platform, STEPS, WORDS } from "./trustwords.js";
import { deviceLanguage, other } from "./words.js";

const EVERY_MS = 3_000;
const ANSWER_MS = 4_000;

class TrustGuide extends HTMLElement {
  connectedCallback() {
    this.language = deviceLanguage();
    this.kind = platform();
    this.onSecure = location.protocol === "https:";
    this.state = this.dataset.state === "none" ? "none" : "checking";
    this.worker = false;
    this.draw();
    if (this.state === "none") return;
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.look());
    this.look();
  }

  word(key, slots = {}) {
    return (WORDS[this.language][key] ?? "").replace(/\{(\w+)\}/g, (_, name) => slots[name] ?? "");
  }

  /** A sentence with the device's own words in bold. */
  rich(text) {
    return text.replaceAll("{title}", `[[${this.dataset.title}]]`).split(/\[\[(.*?)\]\]/).map((part, n) => (n % 2 ? el("b", {}, part) : document.createTextNode(part)));
  }

  draw() {
    document.documentElement.lang = this.language;
    document.title = this.word("title");
    const change = el("button.button.plain", { type: "button", lang: other(this.language) }, this.word("language"));
    change.addEventListener("click", () => {
      this.language = other(this.language);
      localStorage.setItem("language", this.language);
      this.draw();
    });
    this.badge = el("section.verdict", { "aria-live": "polite" });
    const guided = this.dataset.state === "ready" || this.dataset.state === "waits";
    const columns = guided ? [this.guide(), this.aside()] : [];
    this.replaceChildren(
      el("header.trust-top", {}, el("div", {}, el("h1", {}, this.word("title")), el("p.lead", {}, this.word(this.dataset.state === "none" ? "leadNone" : "lead"))), change),
      this.badge, el("div.trust-columns", {}, ...columns), el("section.without", {}, el("h2", {}, this.word("without")), el("p", {}, this.word("withoutText"))),
    );
    this.verdict();
  }

  guide() {
    const tabs = el("div.platforms", { role: "group", "aria-label": this.word("onWhat") });
    for (const kind of Object.keys(STEPS)) {
      const tab = el("button.button", { type: "button", "aria-pressed": String(kind === this.kind) }, this.word(kind));
      tab.addEventListener("click", () => { this.kind = kind; this.draw(); this.querySelector('.platforms [aria-pressed="true"]').focus(); });
      tabs.append(tab);
    }
    const { file, [this.language]: steps } = STEPS[this.kind];
    // A profile is opened, not saved: Safari hands it to the settings then.
    const how = file === "crt" ? { download: "store-gateway.crt" } : {};
    const get = el("a.button.primary", { href: `/trust/authority.${file}`, ...how }, this.word(file === "crt" ? "get_crt" : "get_profile"));
    return el("section.guide", {},
      el("h2", {}, this.word("onWhat")), tabs,
      el("h2", {}, this.word("stepsTitle")), el("ol.steps", {}, ...steps.map((step, n) => el("li", {}, el("div", {}, el("p", {}, ...this.rich(step)), n ? null : get)))));
  }

  aside() {
    const [before, after] = this.word("compare", { command: "\u0000" }).split("\u0000");
    const groups = this.dataset.fingerprint.split(" ").map((group) => el("span", {}, group));
    const compare = el("section.compare", {}, el("h2", {}, this.word("compareTitle")), el("p", {}, before, el("code", {}, "store-gateway trust"), after), el("p.fingerprint", {}, ...groups));
    return el("aside.trust-aside", {}, ...(this.dataset.fingerprint ? [compare] : []),
      el("section", {}, el("h2", {}, this.word("whatTitle")), el("p", {}, this.word("what"))),
      el("section.elsewhere", {}, el("h2", {}, this.word("elsewhere")), el("img", { src: "/trust.svg", alt: "", width: "160", height: "160" }), el("p", {}, this.word("scan"), el("br"), el("b", {}, `${this.dataset.plain}/trust`))));
  }

  verdict() {
    const state = this.state;
    const port = new URL(this.dataset.secure || location.href).port || "443";
    const text = this.word(`${state}Text`, { port, last: this.word(`last_${this.kind}`), address: this.dataset.secure || location.origin });
    const own = this.dataset.state === "own" && state !== "trusted" ? [el("p", {}, `${this.word("own")}. ${this.word("ownText")}`)] : [];
    const way = state !== "trusted" ? null : this.onSecure ? el("a.button.primary", { href: "/tablet" }, this.word("openTablet")) : el("a.button.primary", { href: `${this.dataset.secure}/trust` }, this.word("openSecure"));
    this.badge.dataset.state = state;
    this.badge.replaceChildren(el("div.said", {}, el("h2", {}, this.word(state)), el("p", {}, ...this.rich(text)), ...own), ...(way ? [way] : []), this.checks());
    this.classList.toggle("done", state === "trusted");
  }

  /** Three things, each as it is and not as one would like it. */
  checks() {
    if (["none", "own"].includes(this.state)) return el("div");
    const trusted = this.state === "trusted";
    const standalone = matchMedia("(display-mode: standalone)").matches || navigator.standalone === true;
    const secured = trusted && this.onSecure;
    const rows = [
      ["s_secure", trusted, trusted ? "yes" : "no"],
      ["s_offline", secured && this.worker, !secured ? "later" : this.worker ? "yes" : "no"],
      ["s_app", secured && standalone, !secured ? "later" : standalone ? "yes" : "no"],
    ];
    const list = rows.map(([key, done, which]) => el("li", { "data-done": String(done) }, el("b", {}, this.word(key)), el("span", {}, ...this.rich(this.word(`${key}_${which}`, { how: this.word(`how_${this.kind}`) })))));
    return el("ul.checks", {}, ...list);
  }

  async look() {
    clearTimeout(this.timer);
    if (this.looking) return;
    this.looking = true;
    const found = await this.found();
    const worker = await this.hasWorker();
    this.looking = false;
    if (found !== this.state || worker !== this.worker) {
      this.state = found;
      this.worker = worker;
      this.verdict();
    }
    if (document.visibilityState === "visible") this.timer = setTimeout(() => this.look(), EVERY_MS);
  }

  /** What is so just now. A certificate that somebody clicked away answers, too: only a worker's script is checked for real. */
  async found() {
    if (await answers(`${this.dataset.secure || location.origin}/api/v1/ping`)) {
      return this.onSecure && !(await this.isReallyTrusted()) ? "warned" : "trusted";
    }
    const state = await asked("/api/v1/trust");
    return !state ? "away" : !state.ready ? "waits" : state.reached ? "reached" : "unreached";
  }

  /** Browsers fetch a worker's script over a connection that they trust without anybody's click, or not at all. */
  async isReallyTrusted() {
    if (!navigator.serviceWorker) return window.isSecureContext;
    const found = await asked("/version.json");
    if (!found?.worker) return true;
    try {
      await navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" });
      return true;
    } catch (error) {
      return error.name !== "SecurityError";
    }
  }

  async hasWorker() {
    if (!window.isSecureContext || !navigator.serviceWorker) return false;
    return Boolean((await navigator.serviceWorker.getRegistration("/"))?.active);
  }
}

async function asked(url) {
  try {
    const answer = await fetch(url, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(ANSWER_MS) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

const answers = async (url) => (await asked(url))?.secure === true;

customElements.define("trust-guide", TrustGuide);
