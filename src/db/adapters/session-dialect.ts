import { CompiledQuery } from "kysely";
import type {
  DatabaseConnection,
  DatabaseIntrospector,
  Dialect,
  DialectAdapter,
  Driver,
  Kysely,
  QueryCompiler,
  QueryResult,
  TransactionSettings,
} from "kysely";

import {
  CommitOutcomeUnknown,
  ConnectionLost,
  DatabaseReadOnly,
  DatabaseUnavailable,
} from "../errors.ts";
import { currentDeadlineMs, inTime } from "../in-time.ts";
import type { Session } from "./session.ts";
import type { SessionPool } from "./session-pool.ts";

/** In what the engines' ways of running a transaction differ. */
export interface SessionRules {
  readonly beginToRead: string;
  readonly beginToWrite: string;
  /** How long a statement may take, if there is a limit; none is for changes of the schema. */
  readonly statementTimeoutMs?: number;
  /** Turns an error of the driver into one of ours. */
  readonly translateError: (error: unknown, statement: string) => unknown;
}

/** What Kysely knows of the engine. */
export interface EngineParts {
  createAdapter(): DialectAdapter;
  createIntrospector(query: Kysely<unknown>): DatabaseIntrospector;
  createQueryCompiler(): QueryCompiler;
}

/** Runs what Kysely builds on the sessions of a pool. */
export function sessionDialect(
  parts: EngineParts,
  pool: SessionPool,
  rules: SessionRules,
): Dialect {
  return {
    createAdapter: () => parts.createAdapter(),
    createIntrospector: (query: Kysely<unknown>) => parts.createIntrospector(query),
    createQueryCompiler: () => parts.createQueryCompiler(),
    createDriver: () => new SessionDriver(pool, rules),
  };
}

class SessionDriver implements Driver {
  readonly #pool: SessionPool;
  readonly #rules: SessionRules;
  readonly #connections = new WeakMap<Session, SessionConnection>();

  constructor(pool: SessionPool, rules: SessionRules) {
    this.#pool = pool;
    this.#rules = rules;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<SessionConnection> {
    const deadlineMs = currentDeadlineMs();
    const session = await this.#pool.acquire(deadlineMs);
    let connection = this.#connections.get(session);
    if (!connection) {
      connection = new SessionConnection(session, this.#rules);
      this.#connections.set(session, connection);
    }
    connection.deadlineMs = deadlineMs;
    return connection;
  }

  async beginTransaction(
    connection: SessionConnection,
    settings: TransactionSettings,
  ): Promise<void> {
    const { beginToRead, beginToWrite } = this.#rules;
    const isReader = settings.accessMode === "read only";
    await connection.executeQuery(CompiledQuery.raw(isReader ? beginToRead : beginToWrite));
  }

  async commitTransaction(connection: SessionConnection): Promise<void> {
    try {
      await connection.executeQuery(COMMIT);
    } catch (error) {
      if (connection.session.isBroken) {
        throw new CommitOutcomeUnknown("the connection was lost during a commit", {
          cause: error,
        });
      }
      throw error;
    }
  }

  /** Never fails: a session that cannot roll back is closed, and the database rolls back. */
  async rollbackTransaction(connection: SessionConnection): Promise<void> {
    if (connection.session.isBroken) return;
    try {
      await connection.executeQuery(ROLLBACK);
    } catch {
      await connection.session.close();
    }
  }

  async releaseConnection(connection: SessionConnection): Promise<void> {
    this.#pool.release(connection.session);
  }

  async destroy(): Promise<void> {
    await this.#pool.close();
  }
}

const COMMIT = CompiledQuery.raw("commit");
const ROLLBACK = CompiledQuery.raw("rollback");

class SessionConnection implements DatabaseConnection {
  readonly session: Session;
  /** By when whoever has it now must be done with it. */
  deadlineMs = Infinity;
  readonly #rules: SessionRules;

  constructor(session: Session, rules: SessionRules) {
    this.session = session;
    this.#rules = rules;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      const { rows, affectedRows, insertId } = await this.#runInTime(query);
      return {
        rows: rows as Row[],
        numAffectedRows: BigInt(affectedRows),
        insertId: BigInt(insertId),
      };
    } catch (error) {
      throw this.#translate(error, query.sql);
    }
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    try {
      const rows = this.session.iterate(query.sql, query.parameters);
      for await (const row of rows) yield { rows: [row as Row] };
    } catch (error) {
      throw this.#translate(error, query.sql);
    }
  }

  async #runInTime({ sql, parameters }: CompiledQuery) {
    const running = this.session.run(sql, parameters);
    const { statementTimeoutMs } = this.#rules;
    if (!(running instanceof Promise) || statementTimeoutMs === undefined) return running;
    if (CHANGES_SCHEMA.test(sql)) return running;
    const deadlineMs = Math.min(this.deadlineMs, performance.now() + statementTimeoutMs);
    // What the database is doing is not known any more then, so the session is of no use.
    return inTime(running, deadlineMs, () => void this.session.close());
  }

  #translate(error: unknown, statement: string): unknown {
    // A statement that took too long may still be running, so it is not tried again.
    if (error instanceof DatabaseUnavailable) return error;
    if (this.session.isBroken) {
      return new ConnectionLost("the connection to the database was lost", { cause: error });
    }
    const translated = this.#rules.translateError(error, statement);
    // The next session may be with the server that has taken over.
    if (translated instanceof DatabaseReadOnly) void this.session.close();
    return translated;
  }
}

const CHANGES_SCHEMA = /^(create|alter|drop)\b/i;
