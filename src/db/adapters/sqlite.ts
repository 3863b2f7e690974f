import {
  sql,
  SqliteAdapter as KyselySqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Expression,
  type Kysely,
  type RawBuilder,
} from "kysely";

import type { SqliteConnection } from "../../config/connection-url.ts";
import type { DatabaseAdapter } from "../adapter.ts";
import { DatabaseUnavailable } from "../../domain/errors.ts";
import type { ConnectionOptions } from "../connection-options.ts";
import type { SchemaDialect } from "../migrations/ddl.ts";
import type { DatabaseDate, Schema } from "../schema.ts";
import { BEGINNINGS, FILE_LIMITS } from "../terms.ts";
import { decodeTextDate, encodeTextDate } from "../text-date.ts";
import type { EngineParts } from "./bound-query.ts";
import { isLocked, translateOpenError, translateSqliteError } from "./sqlite-errors.ts";
import type { SessionRules } from "./session-transaction.ts";
import { TransactionPool } from "./transaction-pool.ts";
import { SessionPool } from "./session-pool.ts";
import type { Session, PartList, TableList } from "./session.ts";
import { SqlitePlace } from "./sqlite-place.ts";
import { LocalSqliteSession, type SqliteOptions } from "./sqlite-session.ts";
import { SqliteWriter } from "./sqlite-writer.ts";

/**
 * SQLite through `node:sqlite`.
 *
 * One session writes, mostly in a thread of its own; a few read, in this thread. In WAL mode neither
 * waits for the other, and each reader sees the database as it was when it began. A database in
 * memory has one session for everything, in this thread.
 */
export class SqliteDatabaseAdapter implements DatabaseAdapter {
  readonly engine = "sqlite";
  readonly isShared = false;
  readonly runsHere = true;
  /** SQLITE_MAX_VARIABLE_NUMBER since SQLite 3.32. */
  readonly maxParameters = 32_766;
  /** 33 µs of CPU a claim, and 40 µs with all the rows of fifty in one statement. */
  readonly rowsPerStatement = 1;
  readonly rowLock = undefined;
  readonly comparesTextLoosely = false;
  readonly roundRatio = (ratio: number) => ratio;
  readonly schemaRights = undefined;
  readonly tableList: TableList = sql`select name from sqlite_master where type = 'table'`;
  readonly partLists: readonly PartList[] = [
    sql`
      select 'column' as kind, t.name as table_name, c.name as name
      from sqlite_master as t join pragma_table_info(t.name) as c where t.type = 'table'
    `,
    sql`
      select 'index' as kind, tbl_name as table_name, name from sqlite_master where type = 'index'
    `,
  ];
  readonly schemaDialect: SchemaDialect = {
    types: {
      id: "INTEGER",
      bigId: "INTEGER",
      integer: "INTEGER",
      bigInteger: "INTEGER",
      float: "FLOAT",
      dateTime: "DATETIME",
      preciseDateTime: "DATETIME",
      text: "TEXT",
    },
    remakesTables: true,
    dropIndex: (name) => `DROP INDEX ${name}`,
  };
  readonly triggerDialect = undefined;
  readonly encodeDate = encodeTextDate;
  readonly encodePreciseDate = encodeTextDate;
  readonly decodeDate = decodeTextDate;
  readonly clockSkewMs = 0;
  readonly #writer: SessionPool;
  readonly #readers: SessionPool;
  readonly #place: SqlitePlace | undefined;
  #openWriter: SqliteWriter | undefined;

  constructor(
    { file, timeoutSeconds }: SqliteConnection,
    { sqliteSynchronous: isSynchronous = true, isReadOnly = false }: ConnectionOptions,
  ) {
    const options = {
      file,
      isSynchronous,
      busyTimeoutMs:
        timeoutSeconds === undefined ? FILE_LIMITS.busyTimeoutMs : timeoutSeconds * 1000,
      checkpointAfterPages: CHECKPOINT_AFTER_PAGES,
      access: "write",
    } as const;
    if (file === ":memory:") {
      this.#writer = sqlitePool(file, 1, async () => new LocalSqliteSession(options));
      this.#readers = this.#writer;
    } else {
      this.#place = new SqlitePlace(file);
      this.#writer = sqlitePool(
        file,
        1,
        async () => (this.#openWriter = await openForWriting(options)),
      );
      const openReader = isReadOnly ? openUntouched : openForReading;
      this.#readers = sqlitePool(file, READERS, async () => openReader(options));
    }
  }

  /** That of this process, which is alone, as it went on from its start: nobody can step it. */
  get now(): RawBuilder<DatabaseDate> {
    const now = new Date(performance.timeOrigin + performance.now());
    return sql`${this.encodePreciseDate(now)}`;
  }

  later(
    date: Expression<DatabaseDate | null>,
    seconds: Expression<number | null>,
  ): RawBuilder<DatabaseDate | null> {
    return sql`strftime('%Y-%m-%d %H:%M:%f', ${date}, (${seconds} || ' seconds')) || '000'`;
  }

  createPool(access: "read" | "write", observe?: (text: string) => void): TransactionPool {
    const sessions = access === "write" ? this.#writer : this.#readers;
    return new TransactionPool(sessions, PARTS, RULES, observe);
  }

  checkPlace(): void {
    if (this.#openWriter) this.#place?.check();
  }

  async wasOvertaken(): Promise<boolean> {
    return (await this.#openWriter?.wasOvertaken()) ?? false;
  }

  /** Every write transaction excludes all others, and the schema is changed within one. */
  async withSchemaLock<Result>(
    _query: Kysely<Schema>,
    work: () => Promise<Result>,
  ): Promise<Result> {
    return work();
  }
}

/**
 * Four times as many as SQLite would wait for, 16 MiB: the pages that all claims write are copied once for
 * 300 of them instead of 80. docs/decisions/0011-short-transactions-here.md has figures.
 */
const CHECKPOINT_AFTER_PAGES = 4000;

/** A reader holds its session only while it reads, so few are needed; they are opened lazily. */
const READERS = 8;

const PARTS: EngineParts = {
  createAdapter: () => new KyselySqliteAdapter(),
  createIntrospector: (query) => new SqliteIntrospector(query),
  createQueryCompiler: () => new SqliteQueryCompiler(),
};

const RULES: SessionRules = {
  ...BEGINNINGS.sqlite,
  translateError: (error, statement) =>
    // It has been waited for long enough, so it is not tried again.
    statement === BEGINNINGS.sqlite.beginToWrite && isLocked(error)
      ? new DatabaseUnavailable("another process has locked the database", { cause: error })
      : translateSqliteError(error),
};

function sqlitePool(file: string, sessions: number, open: () => Promise<Session>): SessionPool {
  const limits = { ...FILE_LIMITS, most: sessions, kept: sessions };
  return new SessionPool(limits, async () => {
    try {
      return await open();
    } catch (error) {
      throw translateOpenError(error, file);
    }
  });
}

function openForReading(options: SqliteOptions): Session {
  const busyTimeoutMs = FILE_LIMITS.readerBusyTimeoutMs;
  return new LocalSqliteSession({ ...options, busyTimeoutMs, access: "read" });
}

/** Another program may write in another mode than ours, in which whoever reads waits for it. */
function openUntouched(options: SqliteOptions): Session {
  return new LocalSqliteSession({ ...options, access: "untouched" });
}

async function openForWriting(options: SqliteOptions): Promise<SqliteWriter> {
  const session = new SqliteWriter(options);
  try {
    await session.writeAhead();
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}
