/** Keys that were seen within some time: the newest ones, up to a number. */
export class RecentKeys {
  readonly #keepMs: number;
  readonly #maxSize: number;
  readonly #untilMs = new Map<string, number>();

  constructor(keepMs: number, maxSize: number) {
    this.#keepMs = keepMs;
    this.#maxSize = maxSize;
  }

  has(key: string): boolean {
    return Date.now() < (this.#untilMs.get(key) ?? 0);
  }

  add(key: string): void {
    const nowMs = Date.now();
    this.#untilMs.delete(key);
    this.#untilMs.set(key, nowMs + this.#keepMs);
    for (const [oldest, untilMs] of this.#untilMs) {
      if (this.#untilMs.size <= this.#maxSize && nowMs < untilMs) break;
      this.#untilMs.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#untilMs.delete(key);
  }
}
