/** The log of a shift: what was redeemed at this tablet or by its colleague, what waits, and taking it back. */

import { ask, el, say } from "./dom.js";
import { freshKey } from "./presses.js";
import { PinPad } from "./pin.js";
import { counted, told } from "./staffwords.js";
import { money } from "./tillwords.js";
import { clock, pick } from "./words.js";

const DIGITS = 6;

export class ShiftLog {
  /** @param {(words: string) => void} tell says what became of it */
  constructor(tell) {
    this.tell = tell;
    this.button = el("button.button.plain.shift-button", { type: "button", "aria-haspopup": "dialog", hidden: "" });
    this.button.addEventListener("click", () => this.#open());
    this.dialog = el("dialog.shift");
    this.dialog.addEventListener("close", () => this.dialog.replaceChildren());
    this.node = el("div.besides", {}, this.button, this.dialog);
  }

  speak(language) {
    this.language = language;
    say(this.button, told(language, "shift"));
    this.close();
  }

  /** Only whoever is signed in has a shift. */
  allow(somebody) {
    this.button.hidden = !somebody;
    if (!somebody) this.close();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
    this.dialog.replaceChildren();
  }

  async #open() {
    const { body } = await ask("/api/v1/tablet/shift");
    if (body === null) {
      this.tell(told(this.language, "failed"));
      return;
    }
    this.#fill(told(this.language, "shiftTitle"), told(this.language, "shiftText"),
      body.lines.length || body.waiting ? el("p.shift-waiting", {}, counted(this.language, "unsynced", body.waiting)) : null,
      body.lines.length ? el("ul.shift-lines", {}, ...body.lines.map((line) => this.#line(line, body.managers))) : el("p.none", {}, told(this.language, "shiftNone")),
      this.#button("close", ".primary", () => this.close()));
  }

  #fill(title, text, ...nodes) {
    const head = el("h2", { tabindex: "-1" }, title);
    this.dialog.setAttribute("aria-label", title);
    this.dialog.replaceChildren(head, el("p", {}, text), ...nodes.filter(Boolean));
    if (!this.dialog.open) this.dialog.showModal();
    head.focus();
  }

  #button(key, look, act) {
    const button = el(`button.button${look}`, { type: "button" }, told(this.language, key));
    button.addEventListener("click", act);
    return button;
  }

  #line(line, managers) {
    const notes = [clock(this.language, line.at_ms), line.till];
    if (line.who) notes.push(told(this.language, "byWho", { who: line.who }));
    if (line.state === "committed" && line.reversed_cents) notes.push(told(this.language, "partly", { money: money(this.language, line.reversed_cents) }));
    if (!line.synced) notes.push(told(this.language, "notSynced"));
    const node = el("li", { "data-state": line.state, "data-synced": String(line.synced) },
      el("div", {}, el("strong", {}, pick(line.title, this.language)), el("span", {}, notes.join(" · "))),
      el("div.shift-sum", {}, el("b", {}, money(this.language, line.cents)), el("span.chip", {}, told(this.language, line.state))));
    if (line.state === "committed") {
      const button = this.#button("void", "", () => this.#whose(line, managers));
      button.dataset.void = line.redemption_id;
      node.append(button);
    }
    return node;
  }

  /** Taking back needs a manager: which, and their PIN. */
  #whose(line, managers) {
    const about = { title: pick(line.title, this.language), money: money(this.language, line.cents) };
    const rows = managers.map((one) => {
      const button = el("button.mate", { type: "button", "data-staff": one.staff_id },
        el("span.sign", { "aria-hidden": "true" }, one.initials), el("bdi.mate-name", {}, one.name));
      button.addEventListener("click", () => this.#void(line, one, about));
      return el("li", {}, button);
    });
    this.#fill(told(this.language, "voidTitle"), told(this.language, "voidText", about),
      rows.length ? el("ul.mates", {}, ...rows) : el("p.none", {}, told(this.language, "noManager")), this.#button("cancel", ".plain", () => this.#open()));
  }

  #void(line, manager, about) {
    const key = freshKey();
    const title = told(this.language, "managerPin", { name: manager.name });
    const pad = new PinPad(this.language, title, async (pin) => {
      const url = `/api/v1/tablet/shift/${encodeURIComponent(line.redemption_id)}/void`;
      const { body } = await ask(url, { manager: manager.staff_id, pin }, { "Idempotency-Key": key });
      if (body?.result === "ok") {
        this.tell(told(this.language, "voided", about));
        await this.#open();
        return "";
      }
      if (body?.result === "wait" || body?.result === "locked") return told(this.language, "wait", { t: `${Math.ceil(body.wait_ms / 1000)} s` });
      return told(this.language, body?.reason ? "voidRefused" : body?.result ?? "failed") || told(this.language, "failed");
    }, DIGITS);
    this.#fill(title, told(this.language, "voidText", about), pad.node, this.#button("cancel", ".plain", () => this.#open()));
  }
}
