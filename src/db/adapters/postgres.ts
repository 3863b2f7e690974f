import {
  PostgresAdapter as KyselyPostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  sql,
} from "kysely";
import type { Expression, Kysely, RawBuilder } from "kysely";

import type { PostgresConnection } from "../../config/postgres-connection.ts";
import type { DatabaseAdapter, RowLock, SchemaRights } from "../adapter.ts";
import type { SchemaDialect } from "../migrations/ddl.ts";
import type { ConnectionOptions } from "../connection-options.ts";
import type { DatabaseDate, Schema } from "../schema.ts";
import { BEGINNINGS } from "../terms.ts";
import { decodeTextDate, encodeTextDate } from "../text-date.ts";
import type { EngineParts } from "./bound-query.ts";
import { translatePostgresError } from "./postgres-errors.ts";
import { PostgresSession } from "./postgres-session.ts";
import { POSTGRES_TRIGGERS } from "./postgres-triggers.ts";
import { serverPools } from "./server-pools.ts";
import type { ServerPools } from "./server-pools.ts";
import type { SessionRules } from "./session-transaction.ts";
import { TransactionPool } from "./transaction-pool.ts";
import type { PartList, TableList } from "./session.ts";

/** PostgreSQL, through `pg`. */
export class PostgresDatabaseAdapter implements DatabaseAdapter {
  readonly engine = "postgres";
  readonly isShared = true;
  readonly runsHere = false;
  /** The protocol counts them with 16 bits. */
  readonly maxParameters = 65_535;
  readonly rowsPerStatement = 1000;
  readonly insertedId = "returned";
  // As an update does: a reference to the row may still be made.
  readonly rowLock: RowLock = { clause: sql`for no key update`, isOfOneNode: false };
  readonly comparesTextLoosely = false;
  readonly roundRatio = (ratio: number) => ratio;
  readonly schemaRights: SchemaRights = sql`
    select has_schema_privilege(current_schema(), 'CREATE') as can_create,
      has_schema_privilege(current_schema(), 'CREATE') and not exists (
        select from pg_class
        where relnamespace = current_schema()::regnamespace and relkind = 'r'
          and not has_table_privilege(oid, 'TRIGGER')
      ) as can_trigger
  `;
  readonly tableList: TableList = sql`
    select table_name as name from information_schema.tables
    where table_schema = any (current_schemas(false))
  `;
  readonly partLists: readonly PartList[] = [
    sql`
      select 'column' as kind, table_name, column_name as name
      from information_schema.columns where table_schema = any (current_schemas(false))
    `,
    sql`
      select 'index' as kind, tablename as table_name, indexname as name
      from pg_indexes where schemaname = any (current_schemas(false))
    `,
    sql`
      select 'foreign key' as kind, table_name, constraint_name as name
      from information_schema.table_constraints
      where table_schema = any (current_schemas(false)) and constraint_type = 'FOREIGN KEY'
    `,
  ];
  readonly schemaDialect: SchemaDialect = {
    types: {
      id: "SERIAL",
      bigId: "BIGSERIAL",
      integer: "INTEGER",
      bigInteger: "BIGINT",
      float: "FLOAT",
      dateTime: "TIMESTAMP WITHOUT TIME ZONE",
      preciseDateTime: "TIMESTAMP WITHOUT TIME ZONE",
      text: "TEXT",
    },
    remakesTables: false,
    dropIndex: (name) => `DROP INDEX ${name}`,
  };
  readonly triggerDialect = POSTGRES_TRIGGERS;
  readonly encodeDate = encodeTextDate;
  readonly encodePreciseDate = encodeTextDate;
  readonly decodeDate = decodeTextDate;
  /** Not `now()`, which is when the transaction began. */
  readonly now = sql<DatabaseDate>`(clock_timestamp() at time zone 'utc')`;
  readonly clockSkewMs = 0;
  readonly #pools: ServerPools;

  constructor(settings: PostgresConnection, options: ConnectionOptions) {
    this.#pools = serverPools(options, (access, limits) =>
      PostgresSession.open(settings, access, limits),
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
    return sql`${date} + make_interval(secs => ${seconds})`;
  }

  async moveIdCounter(query: Kysely<Schema>, table: string): Promise<boolean> {
    const { rows } = await sql`
      select setval(counter.id, greatest.id)
      from (select pg_get_serial_sequence(${table}, 'id')::regclass as id) as counter,
        (select max(id) as id from ${sql.table(table)}) as greatest
      where counter.id is not null
        and greatest.id > coalesce(pg_sequence_last_value(counter.id), 0)
    `.execute(query);
    return rows.length > 0;
  }

  /** The lock goes with the transaction, as all changes of the schema do. */
  async withSchemaLock<Result>(
    query: Kysely<Schema>,
    work: () => Promise<Result>,
  ): Promise<Result> {
    await sql`select pg_advisory_xact_lock(${SCHEMA_LOCK})`.execute(query);
    return work();
  }
}

/** Any number that no other program takes for the same purpose. */
const SCHEMA_LOCK = 8778_0001;

const PARTS: EngineParts = {
  createAdapter: () => new KyselyPostgresAdapter(),
  createIntrospector: (query) => new PostgresIntrospector(query),
  createQueryCompiler: () => new PostgresQueryCompiler(),
};

const RULES: Omit<SessionRules, "statementTimeoutMs"> = {
  ...BEGINNINGS.postgres,
  translateError: translatePostgresError,
};
