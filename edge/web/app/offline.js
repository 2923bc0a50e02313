/**
 * Makes the page work without its server: registers the service worker and tells it what this page has loaded.
 *
 * The first visit loads everything before the worker is there, among it the one build of the WebAssembly that this
 * browser needs. The list of what was loaded is what the worker keeps beside the page itself.
 */

import { byId } from "./dom.js";

/**
 * Follows the site to its next version, so that the cards of one never meet the model files of another: a page that
 * nobody has touched yet is loaded again, others say what to do. Call it before anything is loaded.
 */
export function followUpdates() {
  const workers = navigator.serviceWorker;
  if (!workers?.controller) return; // this page came from the server, not from an older worker
  let touched = false;
  for (const kind of ["pointerdown", "keydown"]) {
    addEventListener(kind, () => {
      touched = true;
    });
  }
  workers.addEventListener("controllerchange", () => {
    if (touched) byId("status").textContent = "This site has a new version: reload the page to use it.";
    else location.reload();
  });
}

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
