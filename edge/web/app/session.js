/**
 * The opened files of one model: the precision in use, and fp32 where something is compared with it.
 */

import { shipped } from "./card.js";
import { loadModelFile, pathOf } from "./library.js";
import { openModel, startRuntime } from "./litert.js";

/** Files of a card. */
export class Session {
  /**
   * @param {object} card
   * @param {Set<string>} offered paths of the files that the site has
   */
  constructor(card, offered) {
    this.card = card;
    this.precisions = shipped(card).map(([precision]) => precision);
    this.here = this.precisions.filter((precision) => offered.has(pathOf(card, precision)));
    this.opened = new Map();
  }

  /** The precision to begin with: the smallest file that is here, or null. */
  get smallest() {
    const bytes = (precision) => this.card.files[precision].bytes;
    return this.here.reduce((best, each) => (best === null || bytes(each) < bytes(best) ? each : best), null);
  }

  /** The opened file of one precision; others than it and fp32 are closed. */
  async model(precision) {
    if (!this.here.includes(precision)) throw new Error(`${this.card.name} is not on this site as ${precision}.`);
    if (this.opened.has(precision)) return this.opened.get(precision);
    const [bytes] = await Promise.all([loadModelFile(this.card, precision), startRuntime()]);
    const model = await openModel(this.card, precision, bytes);
    for (const [other, unused] of this.opened) {
      if (other === "fp32") continue;
      unused.close();
      this.opened.delete(other);
    }
    this.opened.set(precision, model);
    return model;
  }
}
