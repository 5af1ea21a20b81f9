// Turns data into nodes. Text goes in as text, never as markup; no network, no state.

import { ARTS, PURPOSES, STATES, WORDINGS, pick, pieces, sentence, word } from "./words.js";

export function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// Replace only what changed, so that focus and scrolling survive an update.
// `also`: what else the nodes depend on, as text.
export function fill(container, items, keyOf, render, empty, also = "") {
  const old = new Map([...container.children].map((child) => [child.dataset.key, child]));
  const nodes = items.map((item) => {
    const key = keyOf(item);
    const shown = JSON.stringify([item, document.documentElement.lang, also]);
    const before = old.get(key);
    if (before?.shown === shown) return before;
    const made = render(item);
    made.dataset.key = key;
    made.shown = shown;
    return made;
  });
  const focused = container.contains(document.activeElement) ? document.activeElement : null;
  const card = focused?.closest("[data-key]");
  container.replaceChildren(...(nodes.length ? nodes : [node(container.tagName === "OL" ? "li" : "p", { class: "empty" }, empty)]));
  if (focused === null || focused === container) return;
  const target = focused.isConnected ? focused : nodes.find((made) => made.dataset.key === card?.dataset.key)?.querySelector("button");
  target?.focus({ preventScroll: true });
}

export function clock(language, atMs) {
  return new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }).format(atMs);
}

export function moment(language, atMs) {
  const today = new Date(atMs).toDateString() === new Date().toDateString();
  if (today) return clock(language, atMs);
  return new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit", hour: "2-digit", minute: "2-digit", hour12: false }).format(atMs);
}

function toneOf(row) {
  if (row.type === "decision.made") return row.body?.offer_id ? "said" : "silent";
  return { offer: "said", handshake: "asked", consent: "refused" }[row.type.split(".")[0]];
}

// `names` tells what shops and HQ call a zone or an offer: {zone(id), offer(id)}.
export function event(language, row, names) {
  const member = row.body?.member_id;
  return node("li", { class: toneOf(row) },
    node("time", { datetime: new Date(row.at_ms).toISOString() }, moment(language, row.at_ms)),
    node("p", {}, sentence(language, row, names)),
    node("div", { class: "who" }, node("span", {}, row.store), typeof member === "string" ? node("code", {}, member) : null));
}

export function member(language, person, act) {
  const say = (...key) => word(language, ...key);
  const name = person.call_name || person.member_id;
  const about = (person.interests ?? []).join(", ");
  const anything = Object.values(person.consents).some((consent) => consent.state === "given");
  const chips = Object.entries(PURPOSES).map(([purpose, label]) => {
    const state = person.consents[purpose]?.state ?? "not_given";
    const shown = pick(label, language);
    if (state !== "given") {
      return node("li", { class: STATES[state] ? "chip no" : "chip" }, node("span", {}, shown),
        node("small", {}, STATES[state] ? pick(STATES[state], language) : say("notGiven")));
    }
    return node("li", { class: "chip given" }, node("span", {}, shown),
      node("button", {
        type: "button", "aria-label": `${say("withdraw")}: ${shown}, ${name}`,
        onclick: (e) => act.withdraw(person, purpose, e.currentTarget),
      }, say("withdraw")));
  });
  return node("article", { class: "card person" },
    node("header", {},
      node("span", { class: "face", "aria-hidden": "true" }, [...name][0].toUpperCase()),
      node("div", {}, node("h3", {}, name), node("code", {}, person.member_id), " ",
        node("span", { class: "about" }, about ? `· ${about}` : "")),
      node("button", { type: "button", class: "text-red", disabled: !anything, onclick: () => act.withdrawAll(person) }, say("withdrawAll"))),
    node("ul", { class: "chips" }, ...chips),
    ...(person.trackable ?? []).map(([kind, version]) => node("details", { class: "trackable" },
      node("summary", {}, say("trackable", kind, version)), node("p", {}, pick(WORDINGS[version], language)))));
}

export function offer(language, item, zones, act) {
  const say = (...key) => word(language, ...key);
  const where = item.zones?.length ? item.zones.map((zone) => pick(zones[zone], language, zone)).join(", ") : say("wholeShop");
  const who = item.audience === "everyone" ? say("everyone") : say("forMembers");
  const badge = pick(item.badge, language);
  const said = (text) => pieces(text, item, language).map((one) => (one.open ? node("span", { class: "slot" }, one.text) : one.text));
  const interests = item.interests?.length ? ` · ${item.interests.join(", ")}` : "";
  return node("article", { class: item.down ? "card offer down" : "card offer" },
    node("div", { class: "what" },
      node("h3", {}, ...said(pick(item.title, language, item.offer_id))), badge ? node("span", { class: "badge" }, ...said(badge)) : null,
      node("p", {}, ...said(pick(item.text, language)))),
    node("footer", {},
      node("span", {}, item.down ? say("isDown") : `${where} · ${who}${interests}`),
      item.down
        ? node("button", { type: "button", class: "quiet", onclick: (e) => act.push(item, e.currentTarget) }, say("pushAgain"))
        : node("button", { type: "button", class: "text-red", onclick: (e) => act.takeDown(item, e.currentTarget) }, say("takeDown"))));
}

export function options(select, entries) {
  const chosen = select.value;
  select.replaceChildren(...entries.map(([value, label]) => node("option", { value }, label)));
  if (entries.some(([value]) => value === chosen)) select.value = chosen;
}

export function artNames(language) {
  return Object.entries(ARTS).map(([name, label]) => [name, pick(label, language)]);
}
