import { BoundedMap } from "../../domain/bounded-map.ts";
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
 * Tokens that Keystone has vouched for, by a hash: a cache with a time to live (TTL). The only bound on how
 * long a revoked one is believed is the time that it may stay here.
 */
export class TokenCache {
  readonly #keepMs: number;
  readonly #entries: BoundedMap<string, Entry>;

  /** @param keepMs 0 or less keeps nothing */
  constructor(keepMs: number, limits: CacheLimits) {
    this.#keepMs = keepMs;
    const { tokens: entries, bytes: weight } = limits;
    this.#entries = new BoundedMap({ entries, weight, weightOf: ({ bytes }) => bytes });
  }

  /** How much is kept, in bytes; an estimate. */
  get bytes(): number {
    return this.#entries.weight;
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
    this.#entries.forgetWhile((entry) => entry.untilMs <= nowMs);
    this.#entries.set(key, {
      token,
      untilMs: isAlive ? Math.min(untilMs, token.expiresAtMs) : untilMs,
      bytes: sizeOf(token),
    });
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
