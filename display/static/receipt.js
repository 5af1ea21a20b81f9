/** The receipt of one act: what was allowed and refused, on which notice, and how to take it back. Made to be printed. */

import { clock, day, timeZone } from "./choices.js";
import { ask, el } from "./dom.js";
import { deviceLanguage, other, spoken, word } from "./words.js";

class MyReceipt extends HTMLElement {
  #receipt = null;

  connectedCallback() {
    this.id = decodeURIComponent(location.pathname.split("/").pop() ?? "");
    this.language = deviceLanguage();
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    addEventListener("pagehide", () => this.replaceChildren());
    this.#load();
  }

  async #load() {
    const { body } = await ask(`/api/v1/me/receipts/${encodeURIComponent(this.id)}`);
    this.#receipt = body;
    if (body) this.language = spoken(body.privacy_notice?.language || this.language);
    this.mine = body !== null && (await ask("/api/v1/me")).status === 200; // a scanned receipt opens the receipt only
    this.#draw();
  }

  #word(key, slots) {
    return word(this.language, key, slots);
  }

  #draw() {
    document.documentElement.lang = this.language;
    if (this.#receipt) this.replaceChildren(this.#bar(), this.#whole(this.#receipt));
    else this.replaceChildren(el("main.note", {}, el("h1", {}, this.#word("meExpiredTitle")), el("p", {}, this.#word("meExpiredText"))));
    this.dataset.state = this.#receipt ? "shown" : "gone";
  }

  #bar() {
    const toggle = el("button.button.plain", { type: "button", lang: other(this.language) }, { de: "Deutsch", en: "English" }[other(this.language)]);
    toggle.addEventListener("click", () => {
      this.language = other(this.language);
      this.#draw();
    });
    const print = el("button.button", { type: "button" }, this.#word("meReceiptPrint"));
    print.addEventListener("click", () => window.print());
    return el("header.top", {}, this.mine ? el("a.button", { href: "/me" }, this.#word("meReturn")) : null, el("text-size"), toggle, print);
  }

  #whole(receipt) {
    const at = Date.parse(receipt.event_time);
    const notice = receipt.privacy_notice ?? {}, controller = receipt.pii_controllers?.[0] ?? {};
    const facts = [
      ["meController", controller.name], ["meContact", controller.contact], ["meReceiptNotice", notice.version], ["meHash", notice.sha256],
      ["meReceiptMember", receipt.pii_principal_id], ["meReceiptId", receipt.receipt_id],
    ].filter(([, value]) => value);
    return el("main.sheet", {},
      el("h1", {}, this.#word("meReceiptTitle")),
      el("p.lede", {}, `${day(at, this.language)}, ${clock(at, this.language)} ${timeZone(at, this.language)}`),
      el("table.acts", {}, el("tbody", {}, ...receipt.purposes.map((one) => this.#act(one)))),
      el("h2", {}, this.#word("meReceiptBack")), el("p", {}, this.#word("meReceiptHow")),
      el("dl.facts", {}, ...facts.flatMap(([key, value]) => [el("dt", {}, this.#word(key)), el("dd", {}, value)])));
  }

  #act(one) {
    const until = one.event_state === "given" && one.validity_until ? this.#word("meUntil", { t: day(Date.parse(one.validity_until), this.language) }) : "";
    return el("tr", { "data-state": one.event_state }, el("th", { scope: "row" }, this.#word(one.purpose) || one.purpose),
      el("td", {}, (this.#word(`act_${one.event_state}`) || one.event_state) + until));
  }
}

customElements.define("my-receipt", MyReceipt);
