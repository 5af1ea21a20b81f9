// The fleet's table, a shop's own view in it, and the last commands: from data to nodes. No network.

import { kindName, partName, say } from "./fleetwords.js";
import { moment, node } from "./view.js";

const SHOWN = 2; // reasons in a row; the rest stands in the shop's own view
const LACKS = ["erasures", "versions"]; // they have a column of their own, as has what waits

const number = (language, n) => n.toLocaleString(language);

// What one entry of `needs` says.
function reason(language, need) {
  if (need.what === "part") return say(language, need.state, partName(language, need.name));
  if (need.why) return say(language, need.what, need.settings_id ?? "", need.why.join(", "));
  if (need.what === "more") return say(language, "moreParts", number(language, need.count));
  if (["away", "silent", "clone"].includes(need.what)) return say(language, need.what, moment(language, need.since_ms));
  return say(language, need.what, need.count, number(language, need.count ?? 0));
}

const pill = (language, need) => node("span", { class: `pill ${need.level === "bad" ? "ill" : "late"}` }, reason(language, need));

/** One shop: a row, and its own view below it while `opened`. `act.toggle(name)` opens or closes it. */
export function row(language, shop, opened, act) {
  const known = (key) => say(language, key);
  const own = shop.needs.filter((need) => !LACKS.includes(need.what) && need.what !== "waiting");
  const needs = own.slice(0, SHOWN).map((need) => pill(language, need));
  if (own.length > SHOWN) needs.push(node("span", { class: "rest" }, say(language, "more", own.length - SHOWN)));
  const lacks = shop.needs.filter((need) => LACKS.includes(need.what)).map((need) => pill(language, need));
  const waits = shop.needs.find((need) => need.what === "waiting");
  const waiting = shop.waiting === null ? known("none") : number(language, shop.waiting);
  const cell = (key, ...children) => node("td", { "data-label": known(key) }, ...children);
  return node("tr", { class: `shop-row ${shop.level}`, "data-open": opened },
    node("th", { scope: "row" },
      node("button", { type: "button", class: "unfold", "aria-expanded": String(opened), "aria-label": say(language, "open", shop.name), onclick: () => act.toggle(shop.name) },
        node("span", { class: "dot" }), node("span", { class: "who" }, node("strong", {}, shop.store), node("small", {}, `${shop.tenant} · ${shop.gateway}`)))),
    cell("needs", node("div", { class: "pills" }, ...(shop.level === "good" ? [known("good")] : needs))),
    cell("lacks", node("div", { class: "pills" }, ...(lacks.length ? lacks : [known("none")]))),
    cell("waits", waits ? node("span", { class: `pill ${waits.level === "bad" ? "ill" : "late"}` }, waiting) : waiting),
    cell("software", shop.version ?? known("none")),
    cell("seen", shop.online ? known("now") : moment(language, shop.last_seen_ms)));
}

/** A shop's own view: everything that is wrong, in its own words, and what it was told to do. */
export function more(language, shop, commands) {
  const parts = shop.needs.map((need) => node("li", {}, pill(language, need),
    need.what === "part" ? node("p", {}, node("span", { lang: "en" }, need.detail), " ", node("span", { class: "when" }, say(language, "since", moment(language, need.since_ms)))) : null));
  const all = shop.parts !== null && !shop.needs.some((need) => need.what === "part") ? node("p", {}, say(language, "partsOk", shop.parts)) : null;
  const own = commands.filter((one) => one.gateway === shop.name);
  return node("tr", { class: "shop-more" }, node("td", { colspan: "6" },
    node("div", { class: "inside" },
      node("div", {}, parts.length ? node("ul", { class: "needs" }, ...parts) : null, all,
        node("p", { class: "when" }, shop.reported_ms === null ? say(language, "noReport") : say(language, "reported", moment(language, shop.reported_ms)))),
      node("div", {}, node("h3", {}, say(language, "ordered")),
        own.length ? node("ol", { class: "orders" }, ...own.map((one) => command(language, one))) : node("p", {}, say(language, "nothingOrdered"))))));
}

const TONES = { done: "good", waiting: "late", expired: "late", refused: "ill", failed: "ill" };

/** One command and what became of it. */
export function command(language, one) {
  const argument = Object.values(one.arguments).filter((value) => typeof value === "string" && value).join(" ");
  return node("li", { class: "order" },
    node("p", {}, node("strong", {}, kindName(language, one.kind)), argument ? ` ${argument}` : ""),
    node("span", { class: `pill ${TONES[one.state] ?? ""}` }, say(language, `state_${one.state}`) ?? one.state),
    node("p", { class: "about" }, node("time", { datetime: new Date(one.at_ms).toISOString() }, moment(language, one.at_ms)),
      node("span", { class: "of" }, ` · ${one.gateway}`), one.reason ? ` · ${one.reason}` : ""));
}

/** How all of them do, in the head of the table. */
export function summary(language, fleet) {
  const pills = [];
  if (fleet.bad) pills.push(node("span", { class: "pill ill" }, say(language, "bad", fleet.bad)));
  if (fleet.warn) pills.push(node("span", { class: "pill late" }, say(language, "warn", fleet.warn)));
  if (!fleet.bad && !fleet.warn) pills.push(node("span", { class: "pill good" }, say(language, "fine")));
  return [node("span", { class: "count" }, say(language, "fleetCount", fleet.all, fleet.online)), ...pills];
}
