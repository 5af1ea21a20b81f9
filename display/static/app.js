/** What makes a staff page an app: its service worker, a hint where the connection is not secure, a screen kept awake. */

import { el } from "./dom.js";
import { deviceLanguage } from "./words.js";

const WORDS = {
  de: { hint: "Mit sicherer Verbindung wird diese Seite zur App.", set: "Einrichten", later: "Später" },
  en: { hint: "With a secure connection this page becomes an app.", set: "Set up", later: "Later" },
};
const RETRY_MS = [5_000, 30_000, 300_000]; // after an installation that failed; then once an hour
const LOOK_MS = 3_600_000;
const ANSWER_MS = 5_000;

const build = document.documentElement.dataset.build;
const workers = window.isSecureContext ? navigator.serviceWorker : undefined;
let failures = 0;
let timer = 0;
let reloaded = false;

async function version() {
  try {
    const answer = await fetch("/version.json", { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function look() {
  clearTimeout(timer);
  const found = await version();
  let wait = LOOK_MS;
  if (found && !window.isSecureContext) hint(found.secure);
  if (found && workers) {
    try {
      await (found.worker ? keep() : leave());
      failures = 0;
    } catch {
      wait = RETRY_MS[failures++] ?? LOOK_MS;
    }
  }
  timer = setTimeout(look, found ? wait : RETRY_MS[0]);
}

/** Register, and wait for the installation to end: one that failed is tried again, as long as the page is open. */
async function keep() {
  const registration = await workers.register("/sw.js", { updateViaCache: "none" });
  const coming = registration.installing;
  if (!coming) return;
  await new Promise((resolve, reject) => {
    coming.addEventListener("statechange", () => {
      if (coming.state === "redundant") reject(new Error("install"));
      else if (coming.state !== "installing") resolve();
    });
  });
}

/** The gateway wants no worker any more. */
async function leave() {
  for (const registration of await workers.getRegistrations()) await registration.unregister();
  for (const name of await caches.keys()) if (name.startsWith("store-gateway-")) await caches.delete(name);
}

/** A new worker took over: once, and only if this page is of another build than the gateway's. */
async function changed() {
  if (reloaded) return;
  const found = await version();
  if (!found || found.build === build || reloaded) return;
  reloaded = true;
  location.reload();
}

function hint(secure) {
  if (!secure || document.querySelector(".secure-hint")) return;
  const words = WORDS[deviceLanguage()] ?? WORDS.en;
  const close = el("button", { type: "button" }, words.later);
  const node = el("aside.secure-hint", { lang: deviceLanguage() }, el("p", {}, words.hint), el("a", { href: "/trust" }, words.set), close);
  close.addEventListener("click", () => node.remove());
  document.body.append(node);
}

/** A till's page beside the till stays lit. */
async function stayAwake() {
  if (document.visibilityState !== "visible") return;
  try {
    await navigator.wakeLock.request("screen");
  } catch {
    // the battery is low, or the device does not allow it
  }
}

if (workers) {
  const before = workers.controller !== null;
  workers.addEventListener("controllerchange", () => before && changed());
}
if (navigator.wakeLock && document.documentElement.dataset.awake !== undefined) {
  document.addEventListener("visibilitychange", stayAwake);
  stayAwake();
}
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && failures && look());
look();
