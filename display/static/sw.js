/*
 * The service worker. BUILD, SHELL and KEPT stand above this file (display/installable.py).
 * Documents come from the network, or the shell without a connection; files of this build from the cache. Everything
 * else, above all /api/, streams and version.json, never passes through it. Nothing that it keeps is about a person.
 */

const CACHE = `store-gateway-${BUILD}`;
const FILES = `/static/${BUILD}/`;
const PATIENCE_MS = 8_000; // a page that is not there by then is not coming; the shell tries again

self.addEventListener("install", (event) => {
  event.waitUntil(install());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (url.pathname.startsWith(FILES)) event.respondWith(file(request));
});

/** All or nothing: a worker without its shell is worth less than none, and the browser tries again. */
async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll([SHELL, ...KEPT].map((path) => new Request(path, { cache: "reload", credentials: "omit" })));
  await self.skipWaiting();
}

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function page(request) {
  let timer = 0;
  const late = new Promise((_, reject) => { timer = setTimeout(reject, PATIENCE_MS, new Error("late")); });
  try {
    const answer = await Promise.race([fetch(request), late]);
    if (answer.status < 502 || answer.status > 504) return answer;
  } catch {
    // no connection
  } finally {
    clearTimeout(timer);
  }
  return (await caches.match(SHELL, { cacheName: CACHE })) ?? Response.error();
}

async function file(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
}
