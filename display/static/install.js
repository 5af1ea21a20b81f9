/** The installer's page: floor plan, test fob, walk and state in four tabs; asks the gateway only for what is open. */

import { ask, el, say } from "./dom.js";
import { FobView } from "./fob.js";
import { StateView, zoneName } from "./installstate.js";
import { word } from "./installwords.js";
import { toLock, watchful } from "./lock.js";
import { Planner } from "./planner.js";
import { WalkView } from "./walk.js";
import { deviceLanguage, other, pick } from "./words.js";

const TABS = ["plan", "fob", "walk", "state"];
const STATE_MS = 3000;
const LOCKED = 423; // nobody has unlocked this tablet, or a customer holds it
const FORBIDDEN = 403; // a colleague works here whom this is not for
const ACTIVE_MS = 30_000;
const WALK_MS = 600_000; // whoever measures walks about with a fob, and touches this less often than a colleague who advises
const IDLE_MS = 5000; // while no fob is heeded there is nothing to hurry for

class ShopInstall extends HTMLElement {
  #known = null;
  #tab = TABS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "plan";
  #timer = 0;
  #asked = 0;
  #touched = performance.now();
  watch = watchful(false);

  connectedCallback() {
    this.language = deviceLanguage();
    const page = {
      known: () => this.#known, language: () => this.language, named: (zone) => zoneName(this.#known, zone, this.language),
      stale: () => this.#load(), floor: () => this.views.plan.floor, heeded: () => this.views.fob.heeded,
      go: (tab) => this.#open(tab, true), begun: () => this.#poll(),
    };
    this.views = { plan: new Planner(page), fob: new FobView(page), walk: new WalkView(page), state: new StateView(page) };
    this.shop = el("span.shop");
    this.heading = el("h1");
    this.back = el("a.button.plain", { href: "/tablet" });
    this.toggle = el("button.button.plain", { type: "button" });
    this.toggle.addEventListener("click", () => this.#speak(other(this.language)));
    this.tabs = Object.fromEntries(TABS.map((tab) => [tab, this.#tabOf(tab)]));
    this.bar = el("div.tabs", { role: "tablist" }, ...TABS.map((tab) => this.tabs[tab]));
    this.problem = el("section.letter", { hidden: "" }, el("h2"), el("p"));
    this.panels = Object.fromEntries(TABS.map((tab) => [tab,
      el("div.tabpanel", { id: `panel-${tab}`, role: "tabpanel", "aria-labelledby": `tab-${tab}`, hidden: "" }, this.views[tab].node)]));
    this.append(el("header.bar", {}, el("div.names", {}, this.heading, this.shop), this.back, this.toggle), this.bar,
      el("main.install", {}, this.problem, ...Object.values(this.panels)));
    this.#speak(this.language);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#poll());
    addEventListener("hashchange", () => TABS.includes(location.hash.slice(1)) && this.#open(location.hash.slice(1), false));
    this.#open(this.#tab, false);
    this.#load();
    for (const name of ["pointerdown", "keydown"]) document.addEventListener(name, () => (this.#touched = performance.now()), { passive: true, capture: true });
    setInterval(() => this.#walks() && ask("/api/v1/tablet/active", {}), ACTIVE_MS);
  }

  /** Whether a walk goes on, so that nobody who carries the fob about is locked out. */
  #walks() {
    return this.watch.on && this.#tab === "walk" && this.views.fob.heeded && performance.now() - this.#touched < WALK_MS;
  }

  #tabOf(tab) {
    const node = el("button.tab", { type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": `panel-${tab}` });
    node.addEventListener("click", () => this.#open(tab, false));
    node.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.#open(TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length], true);
    });
    return node;
  }

  #open(tab, focus) {
    this.#tab = tab;
    history.replaceState(null, "", `#${tab}`);
    for (const one of TABS) {
      this.tabs[one].setAttribute("aria-selected", String(one === tab));
      this.tabs[one].tabIndex = one === tab ? 0 : -1;
      this.panels[one].hidden = one !== tab;
    }
    if (focus) this.tabs[tab].focus();
    this.#poll();
  }

  #speak(language) {
    this.language = language;
    localStorage.setItem("language", language);
    document.documentElement.lang = language;
    document.title = word(language, "title");
    say(this.heading, word(language, "title"));
    say(this.back, word(language, "toQueue"));
    say(this.toggle, other(language).toUpperCase());
    this.toggle.setAttribute("aria-label", language === "de" ? "English" : "Deutsch");
    this.toggle.lang = other(language);
    this.bar.setAttribute("aria-label", word(language, "tabs"));
    for (const tab of TABS) say(this.tabs[tab], word(language, `tab_${tab}`));
    say(this.shop, pick(this.#known?.shop?.name, language));
    for (const view of [this.views.plan, this.views.fob, this.views.state]) view.speak();
    this.views.walk.draw();
    if (!this.problem.hidden) this.#trouble(this.problem.dataset.status);
  }

  /** Say that the gateway is away (0) or does not let this device in (401); "" = all is well. */
  #trouble(status) {
    this.problem.hidden = !status;
    this.problem.dataset.status = status;
    const barred = status === "401";
    say(this.problem.children[0], status ? word(this.language, barred ? "signIn" : "away") : "");
    say(this.problem.children[1], barred ? word(this.language, "signInText") : "");
    this.problem.setAttribute("role", "alert");
  }

  /** Everything that changes rarely; again after a pause while the gateway is away. */
  async #load() {
    const { status, body } = await ask("/api/v1/install");
    if (status === LOCKED || status === FORBIDDEN) {
      this.#leave();
      return;
    }
    this.#trouble(body ? "" : String(status));
    if (!body) {
      setTimeout(() => this.#load(), IDLE_MS);
      return;
    }
    this.#known = body;
    this.watch.on = body.watched;
    say(this.shop, pick(body.shop.name, this.language));
    this.views.plan.load(body);
    await this.#poll();
    this.dataset.known = "";
  }

  /** Who works here signs in first, and comes back to this tab. */
  #leave() {
    toLock(`/install${location.hash}`, this.#known !== null);
  }

  /** Ask for what the open tab shows, and again in a while; where a lock may shut, also whether it did. */
  async #poll() {
    clearTimeout(this.#timer);
    const mine = ++this.#asked;
    if (!this.#known || document.visibilityState === "hidden") return;
    const asks = { plan: [], fob: ["fob"], walk: ["fob", "walk"], state: ["state"] }[this.#tab];
    const [lock, ...answers] = await Promise.all([this.watch.on ? ask("/api/v1/tablet/lock") : null,
      ...asks.map((one) => ask(one === "state" ? "/api/v1/status" : `/api/v1/install/${one}`))]);
    if (mine !== this.#asked) return; // a later question was asked meanwhile
    if (lock?.body?.lock || [lock, ...answers].some((one) => one?.status === LOCKED || one?.status === FORBIDDEN)) {
      this.#leave();
      return;
    }
    const missed = answers.find((answer) => !answer.body);
    this.#trouble(missed ? String(missed.status) : "");
    asks.forEach((one, n) => answers[n].body && this.views[one].show(answers[n].body));
    const busy = this.views.fob.heeded || this.views.walk.standing;
    if (asks.length || this.watch.on) this.#timer = setTimeout(() => this.#poll(), this.#tab === "state" ? STATE_MS : busy ? this.#known.live_ms : IDLE_MS);
  }
}

customElements.define("shop-install", ShopInstall);
