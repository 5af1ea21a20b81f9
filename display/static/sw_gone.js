/* What a device gets that still has a worker of a gateway that wants none any more: it empties its caches and goes. */

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  event.waitUntil(leave());
});

async function leave() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("store-gateway-")).map((name) => caches.delete(name)));
  await self.registration.unregister();
}
