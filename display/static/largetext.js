/** The switch for large text beside the switch for the language: <text-size>. A device remembers it. */

import { el } from "./dom.js";
import { spoken } from "./words.js";

const KEY = "text";
const LARGE = "large";
const NAME = { de: "Große Schrift", en: "Large text" };

/** Set the page's text as this device wants it. */
function apply() {
  if (localStorage.getItem(KEY) === LARGE) document.documentElement.dataset.text = LARGE;
  else delete document.documentElement.dataset.text;
}

class TextSize extends HTMLElement {
  #watch = new MutationObserver(() => this.#speak());

  connectedCallback() {
    this.button = el("button.button.plain.text-size", { type: "button", "data-role": "text" },
      el("span.small-a", { "aria-hidden": "true" }, "A"), el("span.large-a", { "aria-hidden": "true" }, "A"));
    this.button.addEventListener("click", () => this.#turn());
    this.replaceChildren(this.button);
    this.#watch.observe(document.documentElement, { attributes: true, attributeFilter: ["lang"] });
    this.#speak();
  }

  disconnectedCallback() {
    this.#watch.disconnect();
  }

  #turn() {
    if (document.documentElement.dataset.text === LARGE) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, LARGE);
    apply();
    this.#speak();
  }

  #speak() {
    const name = NAME[spoken(document.documentElement.lang)];
    this.button.setAttribute("aria-label", name);
    this.button.title = name;
    this.button.setAttribute("aria-pressed", String(document.documentElement.dataset.text === LARGE));
  }
}

apply();
addEventListener("storage", apply); // another page of this device has changed it
customElements.define("text-size", TextSize);
