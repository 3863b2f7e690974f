import type {
  CompiledQuery,
  DatabaseConnection as KyselyConnection,
  Kysely,
  QueryResult,
} from "kysely";

import { CommitOutcomeUnknown, DatabaseUnavailable } from "../../domain/errors.ts";
import { ConnectionLost, ServerUnfit } from "../errors.ts";
import { currentDeadlineMs, inTime } from "../in-time.ts";
import type { Schema } from "../schema.ts";
import type { Beginnings } from "../terms.ts";
import type { BindQuery } from "./bound-query.ts";
import type { SeriesOutcome, Session, SessionResult, Statement } from "./session.ts";

/** In what the engines' ways of running a transaction differ. */
export interface SessionRules extends Beginnings {
  /** How long a statement may take, if there is a limit; none is for changes of the schema. */
  readonly statementTimeoutMs?: number;
  /** Turns an error of the driver into one of ours. */
  readonly translateError: (error: unknown, statement: string) => unknown;
}

/** A statement that is sent with the next one that somebody waits for, or with the commit. */
export interface DeferredStatement extends Statement {
  /** What it means when it fails; given nothing when other rows were affected than must be. */
  readonly explain?: (error: unknown) => unknown;
}

/** What a transaction does; `"read once"` is one statement, which needs no beginning and no end. */
export type TransactionKind = "read" | "read once" | "write";

/**
 * A transaction on a session, with the query builder bound to it.
 *
 * What begins it, and what was deferred, is sent together with the next statement that somebody
 * waits for: each message to the database costs more than most statements.
 */
export class SessionTransaction implements KyselyConnection {
  readonly query: Kysely<Schema>;
  readonly #session: Session;
  readonly #rules: SessionRules;
  readonly #kind: TransactionKind;
  readonly #observe: (text: string) => void;
  /** By when whoever has the session now must be done with it. */
  readonly #deadlineMs = currentDeadlineMs();
  #unsent: DeferredStatement[];
  /** How many values the unsent statements have. */
  #unsentValues = 0;
  #isBegun = false;
  #isOver = false;

  /** @param observe sees the text of every statement that is sent */
  constructor(
    session: Session,
    bindQuery: BindQuery,
    rules: SessionRules,
    kind: TransactionKind,
    observe: (text: string) => void = () => {},
  ) {
    this.#session = session;
    this.#rules = rules;
    this.#kind = kind;
    this.#observe = observe;
    this.#unsent = beginningOf(kind, rules);
    this.query = bindQuery(this);
  }

  defer(statement: DeferredStatement): void {
    this.#checkIsOpen();
    this.#unsent.push(statement);
    const [first = []] = statement.parameterSets;
    this.#unsentValues += first.length * statement.parameterSets.length;
  }

  async sendMuch(): Promise<void> {
    this.#checkIsOpen();
    if (this.#unsentValues >= MUCH) await this.#send();
  }

  /** @throws CommitOutcomeUnknown when the commit was not answered, or not clearly */
  async commit(): Promise<void> {
    this.#checkIsOpen();
    const isEmpty = !this.#isBegun && this.#unsent.length === 1;
    if (this.#kind === "read") this.#endReading();
    else if (this.#kind === "write" && !isEmpty) {
      if (!this.#session.runsInTurn && this.#unsent.length > 0) await this.#send();
      await this.#sendCommit();
    }
    this.#isOver = true;
  }

  /** Never fails: a session that cannot roll back is closed, and the database rolls back. */
  async rollback(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unsent = [];
    if (!this.#isBegun || this.#kind === "read once" || this.#session.isBroken) return;
    try {
      await this.#send(ROLLBACK);
    } catch {
      await this.#session.close();
    }
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    this.#checkIsOpen();
    if (this.#kind === "read once" && this.#isBegun) throw new Error("a second statement");
    const result = await this.#send({
      text: query.sql,
      parameterSets: [query.parameters],
      isSteady: this.#kind === "read once",
    });
    return {
      rows: result.rows as Row[],
      numAffectedRows: BigInt(result.affectedRows),
      insertId: BigInt(result.insertId),
    };
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    this.#checkIsOpen();
    if (this.#unsent.length > 0) await this.#send();
    this.#observe(query.sql);
    try {
      const rows = this.#session.iterate(query.sql, query.parameters);
      for await (const row of rows) yield { rows: [row as Row] };
    } catch (error) {
      throw this.#translate(error, query.sql);
    }
  }

  /** Nobody waits for the end of what has written nothing. */
  #endReading(): void {
    if (!this.#isBegun) return;
    this.#send(COMMIT).catch(() => this.#session.close());
  }

  async #sendCommit(): Promise<void> {
    try {
      await this.#send(COMMIT);
    } catch (error) {
      const isAnswered = error instanceof ServerUnfit || error instanceof CommitOutcomeUnknown;
      if (isAnswered || !this.#session.isBroken) throw error;
      throw new CommitOutcomeUnknown("the connection was lost during a commit", { cause: error });
    }
  }

  /** Sends what is unsent, and a last statement; returns the result of the last one. */
  async #send(last?: Statement): Promise<SessionResult> {
    const series: DeferredStatement[] = last ? [...this.#unsent, last] : this.#unsent;
    this.#unsent = [];
    this.#unsentValues = 0;
    this.#isBegun = true;
    for (const { text } of series) this.#observe(text);
    const { results, failure } = await this.#runInTime(series);
    if (failure) throw this.#explain(failure.error, series[results.length]);
    const result = results.at(-1);
    if (!result) throw new Error("a statement was answered without a result");
    return result;
  }

  #explain(error: unknown, statement: DeferredStatement | undefined): unknown {
    const { text = "", explain = (cause: unknown) => cause } = statement ?? {};
    return explain(error === undefined ? undefined : this.#translate(error, text));
  }

  async #runInTime(series: readonly Statement[]): Promise<SeriesOutcome> {
    const running = this.#session.runSeries(series);
    const { statementTimeoutMs } = this.#rules;
    if (!(running instanceof Promise) || statementTimeoutMs === undefined) return running;
    if (series.some(({ text }) => CHANGES_SCHEMA.test(text))) return running;
    const deadlineMs = Math.min(this.#deadlineMs, performance.now() + statementTimeoutMs);
    // What the database is doing is not known any more then, so the session is of no use.
    return inTime(running, deadlineMs, () => void this.#session.close());
  }

  /** Whoever keeps a transaction for longer than it lasts would take part in somebody else's. */
  #checkIsOpen(): void {
    if (this.#isOver) throw new Error("the transaction is over");
  }

  #translate(error: unknown, statement: string): unknown {
    // A statement that took too long may still be running, so it is not tried again.
    if (error instanceof DatabaseUnavailable) return error;
    if (this.#session.isBroken) {
      return new ConnectionLost("the connection to the database was lost", { cause: error });
    }
    const translated = this.#rules.translateError(error, statement);
    // The next session may be with the server that has taken over, and knows better.
    if (translated instanceof ServerUnfit || translated instanceof CommitOutcomeUnknown) {
      void this.#session.close();
    }
    return translated;
  }
}

/** So many values take 2 to 3 ms to be sent to another thread, or to a server. */
const MUCH = 5000;

function beginningOf(kind: TransactionKind, rules: SessionRules): DeferredStatement[] {
  if (kind === "read once") return [];
  return [constant(kind === "read" ? rules.beginToRead : rules.beginToWrite)];
}

function constant(text: string): Statement {
  return { text, parameterSets: [[]] };
}

const COMMIT = constant("commit");
const ROLLBACK = constant("rollback");

const CHANGES_SCHEMA = /^(create|alter|drop)\b/i;
