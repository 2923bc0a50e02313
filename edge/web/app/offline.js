/**
 * Makes the page work without its server: registers the service worker and tells it what this page has loaded.
 *
 * The first visit loads everything before the worker is there, among it the one build of the WebAssembly that this
 * browser needs. The list of what was loaded is what the worker keeps beside the page itself.
 */

/** Registers the service worker; where there is none (plain http), the page works as long as its server does. */
export async function keepForOffline() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("worker.js", { updateViaCache: "none" });
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
    active.postMessage({ keep: loaded });
  } catch (error) {
    console.warn("This page cannot be kept for offline use:", error);
  }
}
