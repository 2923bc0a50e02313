/**
 * The service worker: the page works when its server is gone.
 *
 * The shell (pages, programs, index, cards) is kept from the start, one cache for each version of the site; samples and
 * WebAssembly are kept once a page has loaded them. Model files are kept by `app/library.js`, under their hashes.
 */

importScripts("shell.js");

const SHELL_CACHE = `site-${self.SHELL.version}`;
const MODELS_CACHE = "models";
const KEPT_WHEN_LOADED = /\/(samples\.png|lib\/wasm\/[^/]+)$/;

self.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(SHELL_CACHE);
    await cache.addAll(self.SHELL.files.map((file) => new Request(file, { cache: "no-cache" })));
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const names = await caches.keys();
    const old = names.filter((name) => name !== SHELL_CACHE && name !== MODELS_CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

async function keep(urls) {
  const cache = await caches.open(SHELL_CACHE);
  for (const url of urls) {
    const { origin, pathname } = new URL(url);
    if (origin !== self.location.origin || !KEPT_WHEN_LOADED.test(pathname)) continue;
    if (!(await cache.match(url))) await cache.add(url);
  }
}

self.addEventListener("message", (event) => {
  if (Array.isArray(event.data?.keep)) event.waitUntil(keep(event.data.keep));
});

async function answer(request) {
  const cache = await caches.open(SHELL_CACHE);
  const page = request.mode === "navigate";
  const kept = await cache.match(request, { ignoreSearch: page });
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok && KEPT_WHEN_LOADED.test(new URL(request.url).pathname)) {
    await cache.put(request, response.clone());
  }
  return response;
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const ours = request.method === "GET" && origin === self.location.origin;
  if (ours && !pathname.endsWith(".tflite")) event.respondWith(answer(request));
});
