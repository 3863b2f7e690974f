import { DatabaseUnavailable } from "../../domain/errors.ts";
import { inTime } from "../in-time.ts";
import type { ServerLimits } from "../terms.ts";
import type { Session } from "./session.ts";

interface PoolLimits extends Pick<
  ServerLimits,
  "acquireTimeoutMs" | "closeTimeoutMs" | "maxAgeMs"
> {
  /** How many sessions there may be at a time. */
  readonly most: number;
  /** How many of them are kept while nobody uses them. */
  readonly kept: number;
}

/** What is known of a session. */
interface SessionRecord {
  readonly openedAtMs: number;
  /** When it was seen to work. */
  soundAtMs: number;
}

/** How many sessions somebody has or nobody, and how many wait for one. */
interface SessionUsage {
  readonly idle: number;
  readonly busy: number;
  readonly waiting: number;
}

/** A connection pool: hands out sessions, first come, first served; opens them when they are first needed. */
export class SessionPool {
  readonly #limits: PoolLimits;
  readonly #open: () => Promise<Session>;
  readonly #records = new WeakMap<Session, SessionRecord>();
  readonly #idle: Session[] = [];
  readonly #waiting: PromiseWithResolvers<Session>[] = [];
  /** Idle, in use, or being opened. */
  #count = 0;
  #opening = 0;
  #brokeAtMs = -Infinity;
  #closing: Promise<void> | undefined;

  /** @param open what it throws is thrown to whoever needs the session */
  constructor(limits: PoolLimits, open: () => Promise<Session>) {
    this.#limits = limits;
    this.#open = open;
  }

  get usage(): SessionUsage {
    const idle = this.#idle.length;
    return { idle, busy: this.#count - this.#opening - idle, waiting: this.#waiting.length };
  }

  /**
   * @param deadlineMs by when it is of use at all, on the clock of `performance.now()`
   * @throws DatabaseUnavailable when none becomes free in time
   */
  async acquire(deadlineMs = Infinity): Promise<Session> {
    const idle = this.#takeIdle();
    if (idle) return idle;
    return this.#wait(this.#limits.acquireTimeoutMs, deadlineMs, this.#openIfAllowed());
  }

  release(session: Session): void {
    if (session.isBroken) {
      this.#brokeAtMs = performance.now();
      this.#discard(session);
      if (this.#waiting.length > 0) void this.#openIfAllowed();
      return;
    }
    const record = this.#records.get(session);
    if (record) record.soundAtMs = performance.now();
    this.#handOut(session);
  }

  /**
   * Closes the sessions as they come back.
   *
   * @throws DatabaseUnavailable when one does not
   */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const closing: Promise<void>[] = [];
    while (this.#isInUse || this.#idle.length > 0) {
      const session = this.#idle.pop() ?? (await this.#waitForLast());
      if (!session) continue;
      this.#count -= 1;
      closing.push(Promise.resolve(session.close()));
    }
    await Promise.all(closing);
  }

  /** Whether someone has a session, or is still to get one. */
  get #isInUse(): boolean {
    return this.#waiting.length > 0 || this.#count > this.#opening + this.#idle.length;
  }

  async #waitForLast(): Promise<Session | undefined> {
    try {
      return await this.#wait(this.#limits.closeTimeoutMs);
    } catch (error) {
      if (this.#isInUse) throw error;
      // It broke, or there is no server to open it.
      return undefined;
    }
  }

  #handOut(session: Session): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(session);
    else if (this.#count > this.#limits.kept) this.#discard(session);
    else this.#idle.push(session);
  }

  /** The one that was used last, so that those that are not needed grow old. */
  #takeIdle(): Session | undefined {
    for (let session = this.#idle.pop(); session; session = this.#idle.pop()) {
      if (this.#isOfUse(session)) return session;
      this.#discard(session);
    }
    return undefined;
  }

  /**
   * What broke one session has mostly broken all: the others would be found out one by one, by
   * waiting for an answer.
   */
  #isOfUse(session: Session): boolean {
    const { openedAtMs, soundAtMs } = this.#records.get(session) ?? NEVER;
    const isYoung = performance.now() - openedAtMs < this.#limits.maxAgeMs;
    return !session.isBroken && isYoung && soundAtMs > this.#brokeAtMs;
  }

  /** @returns when it is open, or cannot be opened; undefined where there are as many as may be */
  #openIfAllowed(): Promise<void> | undefined {
    if (this.#count >= this.#limits.most) return undefined;
    this.#count += 1;
    this.#opening += 1;
    return this.#open().then(
      (session) => {
        this.#opening -= 1;
        const nowMs = performance.now();
        this.#records.set(session, { openedAtMs: nowMs, soundAtMs: nowMs });
        this.#handOut(session);
      },
      (error: unknown) => {
        this.#count -= 1;
        this.#opening -= 1;
        // While there are others, one of them will be free some time.
        if (this.#count > 0) return;
        for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
      },
    );
  }

  /** @param opening has a time-out of its own: the wait for one to become free begins after it */
  async #wait(timeoutMs: number, deadlineMs = Infinity, opening?: Promise<void>): Promise<Session> {
    const waiting = Promise.withResolvers<Session>();
    this.#waiting.push(waiting);
    const giveUp = () => {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.reject(new DatabaseUnavailable("no connection to the database became free in time"));
    };
    if (opening) await inTime(Promise.race([waiting.promise, opening]), deadlineMs, giveUp);
    const timeoutAtMs = performance.now() + timeoutMs;
    return inTime(waiting.promise, Math.min(timeoutAtMs, deadlineMs), giveUp);
  }

  #discard(session: Session): void {
    this.#count -= 1;
    // Nobody waits for the end of a session that is of no use any more.
    void Promise.resolve(session.close()).catch(() => undefined);
  }
}

const NEVER: SessionRecord = { openedAtMs: -Infinity, soundAtMs: -Infinity };
