/**
 * The service worker: the page works when its server is gone.
 *
 * The shell (pages, programs, index, cards) is kept from the start, one cache for each version of the site; pictures of
 * models and WebAssembly are kept once a page has loaded them, the latter as long as LiteRT.js stays the same. Model
 * files are kept by `app/library.js`, under their hashes, as long as a card names these. What cannot be kept, for it is
 * not there or there is no room, stops nothing.
 */

importScripts("shell.js");

const SHELL_CACHE = `site-${self.SHELL.version}`;
const MODELS_CACHE = "models";
const RUNTIME_CACHE = `runtime-${self.SHELL.runtime}`;
const PICTURES = /\/(samples\.png|ladder\.svg)$/;
const RUNTIME = /\/lib\/wasm\/[^/]+$/;

self.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(SHELL_CACHE);
    await cache.addAll(self.SHELL.files.map((file) => new Request(file, { cache: "no-cache" })));
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

/** Deletes the model files that no card of this version names. */
async function prune() {
  const shell = await caches.open(SHELL_CACHE);
  const paths = self.SHELL.files.filter((file) => file.endsWith("/card.json"));
  const cards = await Promise.all(paths.map(async (path) => (await shell.match(path))?.text()));
  const models = await caches.open(MODELS_CACHE);
  for (const request of await models.keys()) {
    const hash = request.url.split("/").at(-1);
    if (!cards.some((card) => card?.includes(hash))) await models.delete(request);
  }
}

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    const names = await caches.keys();
    const old = names.filter((name) => ![SHELL_CACHE, RUNTIME_CACHE, MODELS_CACHE].includes(name));
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
    await prune();
  };
  event.waitUntil(tidy());
});

/** Name of the cache that a file belongs to once it was loaded, or null. */
function cacheOf(url) {
  const { origin, pathname } = new URL(url);
  if (origin !== self.location.origin) return null;
  if (RUNTIME.test(pathname)) return RUNTIME_CACHE;
  return PICTURES.test(pathname) ? SHELL_CACHE : null;
}

async function keep(urls) {
  for (const url of urls.filter(cacheOf)) {
    const cache = await caches.open(cacheOf(url));
    if (!(await cache.match(url))) await cache.add(new Request(url, { cache: "no-cache" })).catch(() => {});
  }
}

self.addEventListener("message", (event) => {
  if (Array.isArray(event.data?.keep)) event.waitUntil(keep(event.data.keep));
});

async function answer(request) {
  const name = cacheOf(request.url);
  const cache = await caches.open(name ?? SHELL_CACHE);
  const page = request.mode === "navigate";
  const kept = await cache.match(request, { ignoreSearch: page });
  if (kept) return kept;
  const response = await fetch(request, name ? { cache: "no-cache" } : {});
  if (response.ok && name) await cache.put(request, response.clone()).catch(() => {});
  return response;
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const ours = request.method === "GET" && origin === self.location.origin;
  if (ours && !pathname.endsWith(".tflite")) event.respondWith(answer(request));
});
