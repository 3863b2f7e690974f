import type { Token } from "./token.ts";

interface Entry {
  readonly token: Token;
  readonly untilMs: number;
}

/**
 * Tokens that Keystone has vouched for, by a hash. The only bound on how long a revoked one is
 * believed is the time that it may stay here.
 */
export class TokenCache {
  readonly #keepMs: number;
  readonly #maxSize: number;
  readonly #entries = new Map<string, Entry>();

  /** @param keepMs 0 or less keeps nothing */
  constructor(keepMs: number, maxSize: number) {
    this.#keepMs = keepMs;
    this.#maxSize = maxSize;
  }

  /** A token that has expired since it came in is gone, one that had expired before is not. */
  get(key: string): Token | undefined {
    const entry = this.#entries.get(key);
    if (!entry || Date.now() < entry.untilMs) return entry?.token;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, token: Token): void {
    if (this.#keepMs <= 0) return;
    const nowMs = Date.now();
    const untilMs = nowMs + this.#keepMs;
    const isAlive = nowMs < token.expiresAtMs;
    // All stay equally long, so the first that came in is the first that may go.
    this.#entries.delete(key);
    this.#entries.set(key, {
      token,
      untilMs: isAlive ? Math.min(untilMs, token.expiresAtMs) : untilMs,
    });
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#maxSize && nowMs < entry.untilMs) break;
      this.#entries.delete(oldest);
    }
  }
}
