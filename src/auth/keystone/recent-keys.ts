import { BoundedMap } from "../../domain/bounded-map.ts";

/**
 * A negative or positive cache without values: keys that were seen within some time (TTL), the newest ones, up
 * to a number.
 */
export class RecentKeys {
  readonly #keepMs: number;
  readonly #untilMs: BoundedMap<string, number>;

  constructor(keepMs: number, entries: number) {
    this.#keepMs = keepMs;
    this.#untilMs = new BoundedMap({ entries });
  }

  has(key: string): boolean {
    return Date.now() < (this.#untilMs.get(key) ?? 0);
  }

  add(key: string): void {
    const nowMs = Date.now();
    this.#untilMs.forgetWhile((untilMs) => untilMs <= nowMs);
    this.#untilMs.set(key, nowMs + this.#keepMs);
  }

  delete(key: string): void {
    this.#untilMs.delete(key);
  }
}
