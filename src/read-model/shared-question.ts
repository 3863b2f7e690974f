import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate } from "node:timers/promises";

/** So many of those whom an answer has reached go on only when the next question is on its way. */
const HELD_BACK = 2;

/** Of fewer than these, none is held back. */
const MANY = 4;

type Waiting = PromiseWithResolvers<void>;

/**
 * A question that is asked once for all who wait for it (single-flight, or request coalescing), in the name of
 * none of them. For none of them it has begun before they came, and no two are asked at the same time.
 *
 * Of many who have their answer, the last go on only when the next question has been sent, so that there is
 * something to do while it is on its way.
 */
export class SharedQuestion {
  readonly #ask: () => Promise<void>;
  #waiting: Waiting[] = [];
  #isAsking = false;

  /** @param ask does so, and is done when it is answered */
  constructor(ask: () => Promise<void>) {
    // What it does is not bound by what binds the one who happens to come first, such as a deadline.
    this.#ask = AsyncLocalStorage.bind(ask);
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
      const asked = Promise.allSettled(waiting.length > 0 ? [this.#ask()] : []);
      if (heldBack.length > 0) await setImmediate();
      letGo(heldBack);
      const [outcome] = await asked;
      const mayHoldBack = outcome?.status === "fulfilled" && waiting.length >= MANY;
      heldBack = mayHoldBack ? waiting.splice(-HELD_BACK) : [];
      letGo(waiting, outcome);
    }
    this.#isAsking = false;
  }
}

/** Those whose question has failed fail with it. */
function letGo(waiting: readonly Waiting[], outcome?: PromiseSettledResult<void>): void {
  for (const { resolve, reject } of waiting) {
    if (outcome?.status === "rejected") reject(outcome.reason);
    else resolve();
  }
}
