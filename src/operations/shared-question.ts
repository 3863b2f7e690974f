import { setImmediate } from "node:timers/promises";

/** So many of those whom an answer has reached go on only when the next question is on its way. */
const HELD_BACK = 2;

/** Of fewer than these, none is held back. */
const MANY = 4;

type Waiting = PromiseWithResolvers<void>;

/**
 * A question that is asked once for all who wait for it. For none of them it has begun before they came,
 * and no two are asked at the same time.
 *
 * What those who wait go on to do keeps the event loop busy. So that there is something to do while the
 * next question is on its way, and nothing that it could serve as well comes too late for it, the last of
 * them go on after it has been sent.
 */
export class SharedQuestion {
  readonly #ask: () => Promise<void>;
  #waiting: Waiting[] = [];
  #isAsking = false;

  /** @param ask does so, and is done when it is answered */
  constructor(ask: () => Promise<void>) {
    this.#ask = ask;
  }

  /** Is done when a question is answered that has begun after the call; fails as that one does. */
  answered(): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    this.#waiting.push(waiting);
    if (!this.#isAsking) void this.#askForAll();
    return waiting.promise;
  }

  async #askForAll(): Promise<void> {
    this.#isAsking = true;
    let heldBack: Waiting[] = [];
    let wereSeveral = false;
    while (this.#waiting.length + heldBack.length > 0) {
      // What the event loop does next comes before it looks for what has arrived meanwhile: only after
      // the turn that follows have requests been read that came while others were answered. Whoever
      // comes alone, as a group of claims does, does not wait for that.
      await setImmediate();
      if (wereSeveral) await setImmediate();
      const waiting = this.#waiting.splice(0);
      wereSeveral = waiting.length > 1;
      const outcome = waiting.length > 0 ? this.#ask().then(succeeded, failed) : undefined;
      if (heldBack.length > 0) await setImmediate();
      letGo(heldBack);
      heldBack = waiting.length < MANY ? [] : waiting.splice(-HELD_BACK);
      const failure = await outcome;
      if (failure) letGo(waiting.concat(heldBack.splice(0)), failure);
      else letGo(waiting);
    }
    this.#isAsking = false;
  }
}

interface Failure {
  readonly error: unknown;
}

function succeeded(): undefined {}

function failed(error: unknown): Failure {
  return { error };
}

function letGo(waiting: readonly Waiting[], failure?: Failure): void {
  for (const { resolve, reject } of waiting) {
    if (failure) reject(failure.error);
    else resolve();
  }
}
