import { OutcomePending } from "./errors.ts";

/**
 * Transactions in doubt: what was changed by those of which nobody knows yet whether they were committed, by
 * UUID or name. Whoever relies on it waits until that is known; all others write on.
 */
export class PendingOutcomes {
  readonly #settled = new Map<string, Promise<void>>();

  get isEmpty(): boolean {
    return this.#settled.size === 0;
  }

  /** When it is known what became of a change; undefined where none is pending. */
  find(subject: string): Promise<void> | undefined {
    return this.#settled.get(subject);
  }

  /** @throws OutcomePending */
  check(subject: string): void {
    const settled = this.find(subject);
    if (settled) throw new OutcomePending(settled);
  }

  /** @returns to be called when the outcome is known, or nobody finds out */
  add(subjects: ReadonlySet<string>): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const subject of subjects) this.#settled.set(subject, promise);
    return () => {
      for (const subject of subjects) {
        // Another one may have become pending meanwhile.
        if (this.#settled.get(subject) === promise) this.#settled.delete(subject);
      }
      resolve();
    };
  }
}
