import { DatabaseUnavailable } from "../errors.ts";
import type { Session } from "./session.ts";

export interface PoolLimits {
  /** How many sessions there may be at a time. */
  readonly most: number;
  /** How many of them are kept while nobody uses them. */
  readonly kept: number;
  /** How long to wait for one. */
  readonly acquireTimeoutMs: number;
  /** From which age on a session is replaced before it is used again. */
  readonly maxAgeMs: number;
}

/** Hands out sessions, first come, first served; opens them when they are first needed. */
export class SessionPool {
  readonly #limits: PoolLimits;
  readonly #open: () => Promise<Session>;
  readonly #openedAtMs = new WeakMap<Session, number>();
  readonly #idle: Session[] = [];
  readonly #waiting: PromiseWithResolvers<Session>[] = [];
  #count = 0;

  /** @param open what it throws is thrown to whoever needs the session */
  constructor(limits: PoolLimits, open: () => Promise<Session>) {
    this.#limits = limits;
    this.#open = open;
  }

  /** @throws DatabaseUnavailable when none becomes free in time */
  async acquire(): Promise<Session> {
    const idle = this.#takeIdle();
    if (idle) return idle;
    if (this.#count < this.#limits.most) return this.#openAnother();
    return this.#wait();
  }

  release(session: Session): void {
    if (session.isBroken) {
      this.#discard(session);
      this.#openForNext();
      return;
    }
    const next = this.#waiting.shift();
    if (next) next.resolve(session);
    else if (this.#count > this.#limits.kept) this.#discard(session);
    else this.#idle.push(session);
  }

  /** Closes the sessions as they come back. */
  async close(): Promise<void> {
    while (this.#count > 0) {
      const session = this.#idle.pop() ?? (await this.#wait());
      this.#count -= 1;
      await session.close();
    }
  }

  /** The one that was used last, so that those that are not needed grow old. */
  #takeIdle(): Session | undefined {
    for (let session = this.#idle.pop(); session; session = this.#idle.pop()) {
      const ageMs = performance.now() - (this.#openedAtMs.get(session) ?? 0);
      if (!session.isBroken && ageMs < this.#limits.maxAgeMs) return session;
      this.#discard(session);
    }
    return undefined;
  }

  async #openAnother(): Promise<Session> {
    this.#count += 1;
    try {
      const session = await this.#open();
      this.#openedAtMs.set(session, performance.now());
      return session;
    } catch (error) {
      this.#count -= 1;
      this.#openForNext();
      throw error;
    }
  }

  /** Who waits would wait forever for a session that is not there any more. */
  #openForNext(): void {
    const next = this.#waiting.shift();
    if (next) this.#openAnother().then(next.resolve, next.reject);
  }

  async #wait(): Promise<Session> {
    const waiting = Promise.withResolvers<Session>();
    this.#waiting.push(waiting);
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.reject(new DatabaseUnavailable("no connection to the database became free in time"));
    }, this.#limits.acquireTimeoutMs);
    try {
      return await waiting.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #discard(session: Session): void {
    this.#count -= 1;
    // Nobody waits for the end of a session that is of no use any more.
    void Promise.resolve(session.close()).catch(() => undefined);
  }
}
