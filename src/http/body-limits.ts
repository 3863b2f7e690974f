import { bodySizesOf, type BodySizes } from "../api/body-sizes.ts";
import type { Config } from "../config/config.ts";

/** What bodies may be like, in bytes and milliseconds. */
export interface BodyLimits extends BodySizes {
  /** So much has to come in each window, or all that is left. */
  readonly bytesPerWindow: number;
  readonly windowMs: number;
}

/**
 * A client that sends less than 1 KiB a second does not send, it holds. The window is long enough for
 * a lost packet to be sent again several times.
 */
const WINDOW_MS = 10_000;
const BYTES_PER_WINDOW = 10 * 1024;

/** @param requestTimeout that of the start, as the sockets have it */
export function bodyLimitsOf(config: Config, requestTimeout: number): BodyLimits {
  return {
    ...bodySizesOf(config),
    bytesPerWindow: BYTES_PER_WINDOW,
    windowMs: requestTimeout > 0 ? Math.min(WINDOW_MS, requestTimeout * 1000) : WINDOW_MS,
  };
}

/** Of the budget, large bodies leave this much to the small ones, which are the daily business. */
const SHARE_OF_LARGE = 0.75;

/**
 * The claims that a large body holds, and what becomes of them until they are written, take six times as much
 * memory: 23 MiB for 20,000 consumers in 4.1 MiB (docs/decisions/0022-what-one-client-can-do.md). So a byte of
 * what is beyond a small body counts for six.
 */
export const WEIGHT_OF_LARGE = 6;

/**
 * Backpressure: how many bytes of bodies are in memory, all requests together, each from when it
 * comes in until it is answered.
 */
export class BodyBudget {
  #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  set maxBytes(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Whether there is room for more bytes of a body that has some already; if so, they are taken. One
   * that is alone always has room: its size has a limit of its own.
   */
  take(bytes: number, held: number, isLarge: boolean): boolean {
    const limit = isLarge ? this.#maxBytes * SHARE_OF_LARGE : this.#maxBytes;
    if (this.#usedBytes > held && this.#usedBytes + bytes > limit) return false;
    this.#usedBytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
