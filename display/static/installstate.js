/** Whether every screen, reader and radio works, in plain words with the next step. Counts only, nobody's data. */

import { el, post, say } from "./dom.js";
import { earName, faultOf, helpOf, technical } from "./faults.js";
import { word } from "./installwords.js";
import { partSaid, remarked } from "./partwords.js";
import { pick } from "./words.js";

const EAR = "receiver:";
const SCREEN = "screen:";
const ORDER = { down: 0, degraded: 1, ok: 2 };

export class StateView {
  #status = null;
  #shown = "";

  /** @param {{known: () => object, language: () => string, named: (zone: string) => string}} page */
  constructor(page) {
    this.page = page;
    this.told = el("p.told", { role: "status" });
    this.screens = el("ul");
    this.radios = el("ul");
    this.parts = el("ul");
    this.titles = [el("h2"), el("h2"), el("h2")];
    this.node = el("section.pairs", {}, el("div.block", {}, this.titles[0], this.told, this.screens),
      el("div.block", {}, this.titles[1], this.radios, this.titles[2], this.parts));
  }

  show(status) {
    this.#status = status;
    this.#draw();
  }

  speak() {
    this.#shown = "";
    say(this.told, "");
    this.#draw();
  }

  #say(key, slots) {
    return word(this.page.language(), key, slots);
  }

  #draw() {
    const [status, known] = [this.#status, this.page.known()];
    ["stateTitle", "stateRadios", "stateParts"].forEach((key, n) => say(this.titles[n], this.#say(key)));
    if (!status || !known) return;
    const shown = JSON.stringify([this.page.language(), status.parts, status.screens, status.tablets_connected]);
    if (shown === this.#shown) return; // leave focus alone
    this.#shown = shown;
    const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.screen : null;
    const sorted = [...status.parts].sort((a, b) => ORDER[a.state] - ORDER[b.state]);
    const screens = status.screens.map((screen) => this.#screen(screen, status.parts.find((part) => part.name === SCREEN + screen.id)));
    const radios = sorted.filter((part) => part.name.startsWith(EAR)).map((part) => this.#radio(part, known));
    const none = (key) => el("li", {}, el("p.soft", {}, this.#say(key)));
    this.screens.replaceChildren(...(screens.length ? screens : [none("noScreens")]));
    this.radios.replaceChildren(...(radios.length ? radios : [none(known.receivers.length ? "noParts" : "noRadios")]));
    this.parts.replaceChildren(...sorted.filter((part) => !part.name.startsWith(EAR) && !part.name.startsWith(SCREEN)).map((part) => this.#part(part)),
      this.#row("ok", this.#say("tablets", { n: status.tablets_connected }), []));
    if (focused) this.screens.querySelector(`[data-screen="${focused}"]`)?.focus();
  }

  #row(state, title, lines, act = null) {
    return el("li", { "data-state": state }, el("i.lamp", { "aria-hidden": "true" }), el("div", {}, el("h3", {}, title), ...lines), act);
  }

  #screen(screen, part) {
    const there = screen.connected > 0;
    const state = part && there ? part.state : there ? "ok" : "off";
    const now = !there ? "off" : screen.connected === 1 ? "connected1" : "connectedN";
    const said = part ? partSaid(this.page.language(), part) : { text: "", help: "" };
    const url = `${location.origin}/screen?id=${encodeURIComponent(screen.id)}`;
    const button = el("button.button", { type: "button", "data-screen": screen.id, "aria-label": `${this.#say("showName")}: ${screen.id}` }, this.#say("showName"));
    button.disabled = !there;
    button.addEventListener("click", async () => {
      const result = await post(`/api/v1/install/screens/${encodeURIComponent(screen.id)}/name`);
      say(this.told, this.#say(`name_${result}`, { id: screen.id }));
    });
    return this.#row(state, pick(this.page.known().shop.zones[screen.zone], this.page.language()) || screen.id, [
      el("p", {}, `${screen.id} · ${this.#say(now, { n: screen.connected })}`),
      said.text ? el("p", {}, said.text) : null,
      there ? this.#help(said.help) : this.#help(this.#say("offHelp", { url })),
    ], button);
  }

  #radio(part, known) {
    const id = part.name.slice(EAR.length);
    const found = known.receivers.find((one) => one.id === id);
    const ear = { receiver: id, kind: found?.kind ?? "ear", zone: found?.zone ?? "", alone: false };
    const zones = known.shop.zones;
    const title = earName(this.page.language(), ear, zones);
    if (part.state !== "down") return this.#said(part, title, ear.kind);
    const more = technical(ear, part.cause, part.detail, part.action);
    return this.#row("down", title, [el("p", {}, faultOf(this.page.language(), ear, part.cause, zones)), this.#help(helpOf(this.page.language(), ear, part.cause)), this.#more(more)]);
  }

  #part(part) {
    const [kind, which] = part.name.split(":");
    return this.#said(part, this.#say(`part_${kind}`, { n: which ?? "" }) || part.name, kind);
  }

  #said(part, title, kind) {
    const { text, help, more } = partSaid(this.page.language(), part, kind);
    const quiet = part.state === "ok" && !part.action;
    return this.#row(remarked(part) ? "remark" : part.state, title, quiet ? [] : [el("p", {}, text), this.#help(help), this.#more(more)]);
  }

  /** What the gateway itself says, for a technician. */
  #more(words) {
    return words ? el("p", {}, `${this.#say("technical")}: `, el("span", { lang: "en" }, words)) : null;
  }

  #help(text) {
    return text ? el("p.action", {}, el("strong", {}, `${this.#say("whatToDo")}: `), text) : null;
  }
}

/** The name of a zone as the shop says it, else its id. */
export const zoneName = (known, zone, language) => pick(known?.shop?.zones?.[zone], language) || zone;
