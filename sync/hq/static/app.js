// The console's state and its talk with HQ: one event stream down, plain POSTs up.

import { languages, pick, plain, word, PURPOSES } from "./words.js";
import * as fleet from "./fleet.js";
import { say as fleetSay } from "./fleetwords.js";
import { rollout } from "./rollouts.js";
import * as view from "./view.js";

const MAX_ROWS = 200; // events kept in the page; older ones are in the ledger
const STALE_MS = 25_000; // HQ beats every 10 s: one may get lost
const RETRY_MS = 2_000;
const TOAST_MS = 5_000;
const SEARCH_MS = 200;

const find = (id) => document.getElementById(id);
const root = document.documentElement;
const state = { version: null, live: "connecting", events: [], fleet: null, commands: [], rollouts: [], opened: new Set(), members: null, offers: [], down: new Map(), zones: {}, lastId: 0 };
let language = languages.find((one) => one === remembered("language")) ?? (navigator.language.startsWith("de") ? "de" : "en");
let source = null;
let staleTimer = 0;
let toastTimer = 0;

const say = (...key) => word(language, ...key);

function remembered(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { /* a private window forgets: fine */ }
}

// --- drawing ---------------------------------------------------------------------------------------------------

function drawWords() {
  root.lang = language;
  document.title = say("headquarters");
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = say(element.dataset.t);
  root.dataset.words = language; // now there is something to see
  find("language").textContent = say("other");
  find("language").lang = language === "de" ? "en" : "de";
  find("search").placeholder = say("searchHint");
  const form = find("offer-form");
  view.options(form.art, view.artNames(language));
  view.options(form.audience, [["everyone", say("everyone")], ["members", say("forMembers")]]);
  drawPublicSafe();
  drawTheme();
  drawLive();
  drawFleet();
  drawCommands();
  drawRollouts();
  drawEvents();
  drawMembers();
  drawOffers();
}

function drawPublicSafe() {
  const form = find("offer-form");
  form.public_safe.closest("label").hidden = form.audience.value === "everyone";
}

function drawTheme() {
  const theme = remembered("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  find("theme").setAttribute("aria-label", isDark() ? say("themeLight") : say("themeDark"));
}

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function drawLive() {
  find("live").className = `live ${state.live === "live" ? "on" : "wait"}`;
  find("live-text").textContent = state.live === "live" ? say("live", state.version ?? 0) : say(state.live);
}

function drawFleet() {
  find("find-shop").placeholder = fleetSay(language, "findShopHint");
  find("find-shop-label").textContent = fleetSay(language, "findShop");
  find("fleet-head").replaceChildren(...["shop", "needs", "lacks", "waits", "software", "seen"].map((key) => view.node("th", { scope: "col" }, fleetSay(language, key))));
  const shown = state.fleet;
  if (!shown) return;
  find("shops-sums").replaceChildren(...(shown.all ? fleet.summary(language, shown) : []));
  find("fleet").hidden = shown.rows.length === 0;
  find("fleet-empty").hidden = shown.rows.length > 0;
  find("fleet-empty").textContent = shown.all ? fleetSay(language, "noShop") : say("noShops");
  find("fleet-rest").textContent = shown.found > shown.rows.length ? fleetSay(language, "worst", shown.rows.length, shown.found) : "";
  const rows = shown.rows.flatMap((shop) => (state.opened.has(shop.name) ? [{ shop, is: "row" }, { shop, is: "more", commands: state.commands }] : [{ shop, is: "row" }]));
  view.fill(find("fleet-list"), rows, (one) => `${one.is} ${one.shop.name}`, (one) => (one.is === "row"
    ? fleet.row(language, one.shop, state.opened.has(one.shop.name), actions) : fleet.more(language, one.shop, one.commands)), "", [...state.opened].join());
}

function drawCommands() {
  find("commands-h").textContent = fleetSay(language, "commands");
  view.fill(find("command-list"), state.commands, (one) => one.id, (one) => fleet.command(language, one), fleetSay(language, "noCommands"));
}

function drawRollouts() {
  find("rollouts").hidden = state.rollouts.length === 0;
  find("rollouts-h").textContent = fleetSay(language, "rollouts");
  view.fill(find("rollout-list"), state.rollouts, (one) => String(one.id), (one) => rollout(language, one), "");
}

function drawEvents() {
  find("events-count").textContent = state.events.length ? say("eventsCount", state.events.length) : "";
  view.fill(find("event-list"), state.events, (row) => String(row.id), (row) => view.event(language, row, names()), say("noEvents"), titles());
}

const named = (item) => plain(pick(item.title, language, item.offer_id), item, language);

// What people call a zone or an offer; a taken-down offer keeps its name.
function names() {
  const offers = new Map([...state.down, ...state.offers.map((item) => [item.offer_id, item])]);
  return {
    zone: (id) => (id ? pick(state.zones[id], language, id) : undefined),
    offer: (id) => (id ? named(offers.get(id) ?? { offer_id: id }) : undefined),
  };
}

function titles() {
  return JSON.stringify([state.zones, state.offers.map((item) => [item.offer_id, item.title])]);
}

function drawMembers() {
  if (state.members === null) return; // they are on their way
  find("members-count").textContent = say("membersCount", state.members.length);
  const empty = find("search").value ? say("noHits") : say("noMembers");
  view.fill(find("member-list"), state.members, (person) => person.member_id, (person) => view.member(language, person, actions), empty);
}

function drawOffers() {
  const running = new Set(state.offers.map((item) => item.offer_id));
  const down = [...state.down.values()].filter((item) => !running.has(item.offer_id)).map((item) => ({ ...item, down: true }));
  find("offers-count").textContent = say("offersCount", state.offers.length);
  view.options(find("offer-form").zone, [["", say("wholeShop")], ...Object.entries(state.zones).map(([id, name]) => [id, pick(name, language, id)])]);
  view.fill(find("offer-list"), [...state.offers, ...down], (item) => item.offer_id, (item) => view.offer(language, item, state.zones, actions), say("noOffers"));
}

function toast(text) {
  find("toast").textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { find("toast").textContent = ""; }, TOAST_MS);
}

// --- from HQ ---------------------------------------------------------------------------------------------------

async function get(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function loadMembers() {
  const search = find("search").value;
  const members = await get(`/api/v1/members?search=${encodeURIComponent(search)}`);
  if (search !== find("search").value) return; // a newer search is on its way
  state.members = members;
  drawMembers();
}

async function loadOffers() {
  const [offers, config] = await Promise.all([get("/api/v1/offers"), get("/api/v1/config")]);
  state.offers = offers;
  state.zones = config.zones ?? {};
  drawOffers();
  drawEvents(); // names of zones and offers may have changed
}

// The stream tells the fleet as a whole; while somebody searches, what it finds is asked for.
async function loadFleet(told) {
  const search = find("find-shop").value.trim();
  const found = search ? await get(`/api/v1/fleet?search=${encodeURIComponent(search)}`) : told ?? await get("/api/v1/fleet");
  if (search !== find("find-shop").value.trim()) return; // a newer search is on its way
  state.fleet = found;
  drawFleet();
  show();
}

function arrived(rows) {
  const news = rows.filter((row) => row.id > state.lastId);
  if (news.length === 0) return;
  const first = state.lastId === 0;
  state.lastId = news.at(-1).id;
  state.events = [...news.reverse(), ...state.events].slice(0, MAX_ROWS);
  const list = find("event-list");
  const away = list.scrollTop > 8 ? list.scrollHeight - list.scrollTop : null; // somebody reads further down
  drawEvents();
  if (away !== null) list.scrollTop = list.scrollHeight - away;
  if (!first) [...list.children].slice(0, news.length).forEach((item) => item.classList.add("fresh"));
}

function heard() {
  state.live = "live";
  clearTimeout(staleTimer);
  staleTimer = setTimeout(reconnect, STALE_MS);
  drawLive();
}

// Nothing is seen before the shops are there, which would push the rest down; without headquarters it is as it is.
function show() {
  document.documentElement.dataset.known = "";
}

function reconnect() {
  show();
  source?.close();
  source = null;
  clearTimeout(staleTimer);
  state.live = "stale";
  drawLive();
  setTimeout(connect, RETRY_MS);
}

async function connect() {
  try {
    arrived(await get(`/api/v1/events?limit=${MAX_ROWS}`));
  } catch {
    reconnect();
    return;
  }
  source = new EventSource(`/api/v1/stream?after=${state.lastId}`);
  source.addEventListener("rows", (message) => { heard(); arrived(JSON.parse(message.data)); });
  source.addEventListener("fleet", (message) => { heard(); loadFleet(JSON.parse(message.data)).catch(reconnect); });
  source.addEventListener("commands", (message) => { heard(); state.commands = JSON.parse(message.data); drawCommands(); drawFleet(); });
  source.addEventListener("rollouts", (message) => { heard(); state.rollouts = JSON.parse(message.data); drawRollouts(); });
  source.addEventListener("version", (message) => {
    state.version = JSON.parse(message.data).version;
    heard();
    Promise.all([loadMembers(), loadOffers()]).catch(reconnect);
  });
  source.addEventListener("beat", heard);
  source.addEventListener("error", reconnect);
}

// --- to HQ -----------------------------------------------------------------------------------------------------

async function post(path, body, button) {
  if (button) button.disabled = true;
  try {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(String(answer.status));
    return true;
  } catch {
    toast(say("failed"));
    if (button) button.disabled = false;
    return false;
  }
}

async function withdraw(person, purposes, what, button) {
  const name = person.call_name || person.member_id;
  if (await post(`/api/v1/members/${encodeURIComponent(person.member_id)}/withdraw`, { purposes }, button)) {
    toast(say("withdrawn", what, name, view.clock(language, Date.now())));
  }
}

const actions = {
  toggle(name) {
    if (!state.opened.delete(name)) state.opened.add(name);
    drawFleet();
  },

  withdraw: (person, purpose, button) => withdraw(person, [purpose], pick(PURPOSES[purpose], language), button),

  withdrawAll(person) {
    const dialog = find("confirm");
    find("confirm-h").textContent = say("withdrawAllAsk", person.call_name || person.member_id);
    find("confirm-text").textContent = say("withdrawAllText");
    find("confirm-yes").textContent = say("withdrawAll");
    dialog.returnValue = "no";
    dialog.onclose = () => { if (dialog.returnValue === "yes") withdraw(person, null, say("everything")); };
    dialog.showModal();
  },

  async takeDown(item, button) {
    if (await post("/api/v1/ops", [{ op: "offer.drop", body: { offer_id: item.offer_id } }], button)) {
      state.down.set(item.offer_id, item);
      toast(say("takenDown", named(item)));
    }
  },

  async push(item, button) {
    const { down, ...body } = item;
    const done = await post("/api/v1/ops", [{ op: "offer.put", body }], button);
    if (done) toast(say("pushed", named(item)));
    return done;
  },
};

function offerOf(form) {
  const both = (name) => Object.fromEntries(languages.map((one) => [one, form[`${name}_${one}`].value.trim()]).filter(([, text]) => text));
  const slug = form.title_en.value.normalize("NFKD").toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-+|-+$/g, "").slice(0, 16) || "offer";
  return {
    offer_id: `${slug}-${Date.now().toString(36).slice(-5)}`,
    title: both("title"), text: both("text"), badge: both("badge"),
    zones: form.zone.value ? [form.zone.value] : [],
    audience: form.audience.value, art: form.art.value, public_safe: form.audience.value === "members" && form.public_safe.checked,
  };
}

function showForm(open) {
  find("offer-form").hidden = !open;
  find("new-offer").setAttribute("aria-expanded", String(open));
  if (open) find("offer-form").title_de.focus();
  else find("new-offer").focus();
}

find("new-offer").addEventListener("click", () => showForm(find("offer-form").hidden));
find("offer-form").audience.addEventListener("change", drawPublicSafe);
find("cancel-offer").addEventListener("click", () => showForm(false));
find("offer-form").addEventListener("submit", async (submit) => {
  submit.preventDefault();
  const form = submit.currentTarget;
  const button = form.querySelector("[type=submit]");
  const done = await actions.push(offerOf(form), button);
  button.disabled = false;
  if (done) {
    form.reset();
    drawPublicSafe();
    showForm(false);
  }
});

let searchTimer = 0;
find("search").addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(() => loadMembers().catch(() => toast(say("failed"))), SEARCH_MS);
});
let findTimer = 0;
find("find-shop").addEventListener("input", () => {
  clearTimeout(findTimer);
  findTimer = setTimeout(() => loadFleet().catch(() => toast(say("failed"))), SEARCH_MS);
});
find("language").addEventListener("click", () => {
  language = language === "de" ? "en" : "de";
  remember("language", language);
  drawWords();
});
find("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  remember("theme", root.dataset.theme);
  drawTheme();
});

drawWords();
connect();
