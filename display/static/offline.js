/** The page of an installed app while the gateway does not answer. It stands alone: nothing else can be loaded now. */

const WORDS = {
  de: null, // stands in the page
  en: {
    title: "No connection", h1: "No connection to the gateway", lead: "This page comes back by itself as soon as it answers. There is nothing to do.",
    items: ["Is this device in the shop's Wi-Fi?", "Has the gateway power?"], again: "Try now",
  },
};
const SINCE = { de: (t) => `Seit ${t}`, en: (t) => `For ${t}` };
const FIRST_MS = 1_000;
const LONGEST_MS = 10_000;
const ANSWER_MS = 4_000;

const started = performance.now();
const language = (localStorage.getItem("language") ?? navigator.language ?? "de").startsWith("de") ? "de" : "en";
let attempt = 0;
let timer = 0;
let asking = false;

function speak() {
  const words = WORDS[language];
  if (!words) return;
  document.documentElement.lang = language;
  document.title = words.title;
  document.querySelector("h1").textContent = words.h1;
  document.querySelector(".lead").textContent = words.lead;
  document.querySelectorAll("li").forEach((item, n) => { item.textContent = words.items[n]; });
  document.querySelector(".again").textContent = words.again;
}

/** Jittered, doubling pause, 1-10 s: fifty devices of a shop do not all come in the same instant. */
function pause() {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt++, 6));
  return Math.max(FIRST_MS, full * (0.5 + Math.random() / 2));
}

async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  try {
    const answer = await fetch("/api/v1/ping", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.ok) return location.reload();
  } catch {
    // still away
  }
  asking = false;
  timer = setTimeout(ask, pause());
}

function count() {
  const seconds = Math.floor((performance.now() - started) / 1000);
  const shown = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
  document.querySelector(".since").textContent = SINCE[language](shown);
}

function now() {
  attempt = 0;
  ask();
}

speak();
setInterval(count, 1000);
document.querySelector(".again").addEventListener("click", now);
addEventListener("online", now);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && now());
timer = setTimeout(ask, FIRST_MS);
