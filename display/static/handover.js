/** The tablet goes into a customer's hands, or a code for their own phone onto the tablet. */

import { address, ask, el } from "./dom.js";
import { PinPad } from "./pin.js";
import { word } from "./words.js";

const GIVE = "M16 8V4a1 1 0 0 0-1-1H5a1 1 0 0 0-1 1v16a1 1 0 0 0 1 1h10a1 1 0 0 0 1-1v-4M10 12h11M17.5 8.5 21 12l-3.5 3.5";

/** The button's picture: something goes out of a frame. */
function sign() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", GIVE);
  svg.append(path);
  return svg;
}

export class Handover {
  #card = null;

  /** @param {(words: string) => void} tell says what went wrong */
  constructor(tell) {
    this.tell = tell;
    this.going = false; // on its way to the customer
    this.label = el("span");
    this.button = el("button.button.plain.hand", { type: "button", "aria-haspopup": "dialog" }, sign(), this.label);
    this.button.addEventListener("click", () => this.#ask());
    this.dialog = el("dialog.handover");
    this.dialog.addEventListener("close", () => this.dialog.replaceChildren());
    this.node = el("div.besides", {}, this.button, this.dialog);
  }

  speak(language) {
    this.language = language;
    this.label.textContent = this.#word("hand");
    if (this.dialog.open) this.close();
  }

  /** The request whose card is open on this tablet, null = none; what is asked about another one is over. */
  card(handshakeId) {
    if (this.#card !== handshakeId && this.dialog.open && this.about !== null) this.close();
    this.#card = handshakeId;
  }

  close() {
    this.dialog.close();
    this.dialog.replaceChildren(); // at once: what stood there is somebody's
  }

  #word(key, slots) {
    return word(this.language, key, slots);
  }

  #fill(title, text, ...nodes) {
    const head = el("h2", { tabindex: "-1" }, title);
    this.dialog.setAttribute("aria-label", title);
    this.dialog.replaceChildren(head, el("p", {}, text), ...nodes);
    if (!this.dialog.open) this.dialog.showModal();
    head.focus();
  }

  #button(words, look, act) {
    const button = el(`button.button${look}`, { type: "button" }, words);
    button.addEventListener("click", act);
    return button;
  }

  #cancel() {
    return this.#button(this.#word("cancel"), ".plain", () => this.close());
  }

  #ask() {
    const card = this.#card;
    this.about = null;
    const own = card === null ? [el("p.none", {}, this.#word("handNoCard"))] : [
      this.#choice("handMine", () => this.#pin("mine", card)),
      this.#choice("handPhone", () => this.#phone(card)),
    ];
    this.#fill(this.#word("handTitle"), this.#word("handText"), el("div.ways", {},
      this.#choice("handEnrol", () => this.#pin("enrol", null)), ...own), this.#cancel());
  }

  #choice(key, act) {
    const button = this.#button(this.#word(key), ".way", act);
    button.dataset.way = key;
    button.append(el("small", {}, this.#word(`${key}Why`)));
    return button;
  }

  /** The colleague thinks of four digits, which are shown once before the tablet is locked with them. */
  #pin(kind, card) {
    this.about = card;
    const pad = new PinPad(this.language, this.#word("handPin"), async (pin) => {
      this.#fill(this.#word("handReady"), this.#word("handReadyText"), el("p.chosen", { "aria-label": [...pin].join(" ") }, pin),
        this.#button(this.#word("handNow"), ".primary", () => this.#hand(kind, card, pin)),
        this.#button(this.#word("handOther"), "", () => this.#pin(kind, card)), this.#cancel());
      return "";
    });
    this.#fill(this.#word("handPin"), this.#word("handPinText"), pad.node, this.#cancel());
  }

  async #hand(kind, card, pin) {
    this.going = true; // the lock is also told by the stream, and must not lead past the customer's link
    const { body } = await ask("/api/v1/tablet/handover", { kind, handshake_id: card, pin });
    if (body?.result === "ok") {
      location.replace(body.url);
    } else {
      this.going = false;
      this.#failed(body?.result);
    }
  }

  async #phone(card) {
    this.about = card;
    const { body } = await ask("/api/v1/tablet/link", { handshake_id: card });
    if (body?.result !== "ok") {
      this.#failed(body?.result);
      return;
    }
    this.#fill(this.#word("handScan"), this.#word("handScanText"),
      el("img.code", { alt: this.#word("handScan"), src: body.svg }), address(body.url),
      this.#button(this.#word("close"), ".primary", () => this.close()));
  }

  #failed(result) {
    this.close();
    this.tell(this.#word({ gone: "goneNow", refused: "handRefused" }[result] ?? "failedNow"));
  }
}
