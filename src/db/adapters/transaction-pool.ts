import { currentDeadlineMs } from "../in-time.ts";
import { queryBinder, type BindQuery, type EngineParts } from "./bound-query.ts";
import { SessionTransaction } from "./session-transaction.ts";
import type { TransactionKind, SessionRules } from "./session-transaction.ts";
import type { SessionPool } from "./session-pool.ts";

/** Runs transactions on the sessions of a pool. */
export class TransactionPool {
  /** Which other pools may have, too. */
  readonly sessions: SessionPool;
  readonly #bindQuery: BindQuery;
  readonly #rules: SessionRules;
  readonly #observe: ((text: string) => void) | undefined;

  /** @param observe sees the text of every statement */
  constructor(
    sessions: SessionPool,
    parts: EngineParts,
    rules: SessionRules,
    observe: ((text: string) => void) | undefined,
  ) {
    this.sessions = sessions;
    this.#bindQuery = queryBinder(parts);
    this.#rules = rules;
    this.#observe = observe;
  }

  /**
   * Runs a function in a transaction, which is rolled back unless the function has committed it.
   *
   * @throws DatabaseUnavailable when there is no session in time
   */
  async run<Result>(
    kind: TransactionKind,
    work: (transaction: SessionTransaction) => Promise<Result>,
  ): Promise<Result> {
    const session = await this.sessions.acquire(currentDeadlineMs());
    const transaction = new SessionTransaction(
      session,
      this.#bindQuery,
      this.#rules,
      kind,
      this.#observe,
    );
    try {
      return await work(transaction);
    } finally {
      await transaction.rollback();
      this.sessions.release(session);
    }
  }

  /** Waits until the sessions are free, and closes them. */
  async close(): Promise<void> {
    await this.sessions.close();
  }
}
