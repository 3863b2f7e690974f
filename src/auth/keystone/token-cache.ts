import type { Token } from "./token.ts";

interface Entry {
  readonly token: Token;
  readonly untilMs: number;
  readonly bytes: number;
}

interface CacheLimits {
  readonly tokens: number;
  readonly bytes: number;
}

/**
 * Tokens that Keystone has vouched for, by a hash. The only bound on how long a revoked one is
 * believed is the time that it may stay here.
 */
export class TokenCache {
  readonly #keepMs: number;
  readonly #limits: CacheLimits;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** @param keepMs 0 or less keeps nothing */
  constructor(keepMs: number, limits: CacheLimits) {
    this.#keepMs = keepMs;
    this.#limits = limits;
  }

  /** How much is kept, in bytes; an estimate. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A token that has expired since it came in is gone, one that had expired before is not. */
  get(key: string): Token | undefined {
    const entry = this.#entries.get(key);
    if (!entry || Date.now() < entry.untilMs) return entry?.token;
    this.#delete(key);
    return undefined;
  }

  set(key: string, token: Token): void {
    if (this.#keepMs <= 0) return;
    const nowMs = Date.now();
    const untilMs = nowMs + this.#keepMs;
    const isAlive = nowMs < token.expiresAtMs;
    // All stay equally long, so the first that came in is the first that may go.
    this.#delete(key);
    const bytes = sizeOf(token);
    this.#bytes += bytes;
    this.#entries.set(key, {
      token,
      untilMs: isAlive ? Math.min(untilMs, token.expiresAtMs) : untilMs,
      bytes,
    });
    for (const [oldest, entry] of this.#entries) {
      const isFull = this.#entries.size > this.#limits.tokens || this.#bytes > this.#limits.bytes;
      if (!isFull && nowMs < entry.untilMs) break;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}

/** The entry itself, its key and the members of its credentials. */
const BYTES_OF_ENTRY = 600;
const BYTES_OF_TEXT = 24;

function sizeOf({ credentials, accessRules, serviceTypes }: Token): number {
  const texts = [
    ...Object.values<unknown>({ ...credentials }),
    ...credentials.roles,
    ...credentials.serviceRoles,
    ...(accessRules ?? []).flatMap(({ service, method, path }) => [service, method, path]),
    ...serviceTypes,
  ].filter((it) => typeof it === "string");
  return texts.reduce((sum, text) => sum + BYTES_OF_TEXT + 2 * text.length, BYTES_OF_ENTRY);
}
