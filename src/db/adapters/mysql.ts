import {
  MysqlAdapter as KyselyMysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  sql,
  type Expression,
  type Kysely,
  type RawBuilder,
} from "kysely";

import type { MysqlConnection } from "../../config/mysql-connection.ts";
import type { DatabaseAdapter, RowLock, SchemaRights } from "../adapter.ts";
import { TransactionConflict } from "../../domain/errors.ts";
import type { SchemaDialect } from "../migrations/ddl.ts";
import type { ConnectionOptions } from "../connection-options.ts";
import type { DatabaseDate, Schema } from "../schema.ts";
import { BEGINNINGS, ISOLATION_LEVELS, SCHEMA_LOCK_TIMEOUT_S } from "../terms.ts";
import { decodeTextDate, encodeTextDate } from "../text-date.ts";
import type { EngineParts } from "./bound-query.ts";
import { translateMysqlError } from "./mysql-errors.ts";
import { MysqlSession, FLOAT_DIGITS } from "./mysql-session.ts";
import { MYSQL_TRIGGERS } from "./mysql-triggers.ts";
import { serverPools, type ServerPools } from "./server-pools.ts";
import type { SessionRules } from "./session-transaction.ts";
import { TransactionPool } from "./transaction-pool.ts";
import type { PartList, TableList } from "./session.ts";

/** MySQL, MariaDB and Galera clusters of it, through `mysql2`. */
export class MysqlDatabaseAdapter implements DatabaseAdapter {
  readonly engine = "mysql";
  readonly isShared = true;
  readonly runsHere = false;
  /** The protocol counts them with 16 bits. */
  readonly maxParameters = 65_535;
  readonly rowsPerStatement = 1000;
  readonly insertedId = "first";
  readonly rowLock: RowLock = { clause: sql`for update`, isOfOneNode: true };
  readonly comparesTextLoosely = true;
  readonly roundRatio = (ratio: number) => Number(Math.fround(ratio).toPrecision(FLOAT_DIGITS));
  readonly schemaRights: SchemaRights = sql`
    select coalesce(max(privilege_type = 'CREATE'), 0) as can_create,
      coalesce(max(privilege_type = 'TRIGGER'), 0) as can_trigger
    from (
      select grantee, privilege_type from information_schema.user_privileges
      union all
      select grantee, privilege_type from information_schema.schema_privileges
      where database() like table_schema
    ) as granted
    where grantee = concat('''', replace(current_user(), '@', '''@'''), '''')
  `;
  readonly tableList: TableList = sql`
    select table_name as name from information_schema.tables where table_schema = database()
  `;
  readonly partLists: readonly PartList[] = [
    sql`
      select 'column' as kind, table_name as table_name, column_name as name
      from information_schema.columns where table_schema = database()
    `,
    sql`
      select 'index' as kind, table_name as table_name, index_name as name
      from information_schema.statistics where table_schema = database()
    `,
    sql`
      select 'foreign key' as kind, table_name as table_name, constraint_name as name
      from information_schema.table_constraints
      where table_schema = database() and constraint_type = 'FOREIGN KEY'
    `,
  ];
  readonly schemaDialect: SchemaDialect = {
    types: {
      id: "INTEGER NOT NULL AUTO_INCREMENT",
      bigId: "BIGINT NOT NULL AUTO_INCREMENT",
      integer: "INTEGER",
      bigInteger: "BIGINT",
      float: "FLOAT",
      dateTime: "DATETIME",
      preciseDateTime: "DATETIME(6)",
      text: "LONGTEXT",
    },
    remakesTables: false,
    dropIndex: (name, table) => `DROP INDEX ${name} ON ${table}`,
  };
  readonly triggerDialect = MYSQL_TRIGGERS;
  /** Its columns hold whole seconds: whether it rounds or cuts others is up to its release and mode. */
  readonly encodeDate = (date: Date): string =>
    encodeTextDate(date).slice(0, "2026-11-23 10:00:00".length);
  readonly encodePreciseDate = encodeTextDate;
  readonly decodeDate = decodeTextDate;
  readonly now = sql<DatabaseDate>`utc_timestamp(6)`;
  /** Each node of a cluster has its own, which the others are kept near to. */
  readonly clockSkewMs = 2000;
  readonly #pools: ServerPools;

  constructor(connection: MysqlConnection, options: ConnectionOptions) {
    const sqlMode = options.mysqlSqlMode ?? DEFAULT_SQL_MODE;
    this.#pools = serverPools(options, (access, limits) =>
      MysqlSession.open({
        connection,
        sqlMode,
        isolationLevel: ISOLATION_LEVELS[access],
        limits,
      }),
    );
  }

  createPool(access: "read" | "write", observe?: (text: string) => void): TransactionPool {
    const { readers, writer, statementTimeoutMs } = this.#pools;
    const rules = { ...RULES, statementTimeoutMs };
    return new TransactionPool(access === "write" ? writer : readers, PARTS, rules, observe);
  }

  later(
    date: Expression<DatabaseDate | null>,
    seconds: Expression<number | null>,
  ): RawBuilder<DatabaseDate | null> {
    return sql`date_add(${date}, interval ${seconds} second)`;
  }

  /**
   * The lock belongs to the session, as each change of the schema commits the transaction. Galera has
   * no lock that holds on all nodes, and some releases refuse to take one: there, a process finds that
   * a table or index has just been made, begins anew, and finds less to do.
   */
  async withSchemaLock<Result>(
    query: Kysely<Schema>,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const { rows: clusters } = await sql`
      show variables where variable_name = 'wsrep_on' and value = 'ON'
    `.execute(query);
    if (clusters.length > 0) return work();
    const name = sql`concat('stowage ', md5(database()))`;
    const { rows } = await sql<{ taken: number | null }>`
      select get_lock(${name}, ${SCHEMA_LOCK_TIMEOUT_S}) as taken
    `.execute(query);
    if (rows[0]?.taken !== 1) {
      throw new TransactionConflict("another process is changing the schema of the database");
    }
    try {
      return await work();
    } finally {
      await sql`select release_lock(${name})`.execute(query);
    }
  }
}

const DEFAULT_SQL_MODE = "TRADITIONAL";

const PARTS: EngineParts = {
  createAdapter: () => new KyselyMysqlAdapter(),
  createIntrospector: (query) => new MysqlIntrospector(query),
  createQueryCompiler: () => new MysqlQueryCompiler(),
};

const RULES: Omit<SessionRules, "statementTimeoutMs"> = {
  ...BEGINNINGS.mysql,
  translateError: translateMysqlError,
};
