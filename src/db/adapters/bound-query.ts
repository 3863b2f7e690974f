import { DefaultQueryExecutor, DummyDriver, Kysely } from "kysely";
import type {
  DatabaseConnection,
  DatabaseIntrospector,
  DialectAdapter,
  QueryCompiler,
} from "kysely";

import type { Schema } from "../schema.ts";

/** What Kysely knows of the engine. */
export interface EngineParts {
  createAdapter(): DialectAdapter;
  createIntrospector(query: Kysely<unknown>): DatabaseIntrospector;
  createQueryCompiler(): QueryCompiler;
}

/** A query builder whose statements run on a connection, in the transaction that is open there. */
export type BindQuery = (connection: DatabaseConnection) => Kysely<Schema>;

/**
 * Makes query builders that neither begin transactions nor end them. What does not depend on the
 * connection, they share: to make all of it anew costs each transaction more than a short statement.
 */
export function queryBinder(parts: EngineParts): BindQuery {
  const driver = new RefusingDriver();
  const dialect = { ...parts, createDriver: () => driver };
  const [compiler, adapter] = [parts.createQueryCompiler(), parts.createAdapter()];
  return (connection) => {
    const provider = { provideConnection: <T>(use: Consumer<T>) => use(connection) };
    const executor = new DefaultQueryExecutor(compiler, adapter, provider);
    return new Kysely<Schema>({ config: { dialect }, dialect, driver, executor });
  };
}

type Consumer<T> = (connection: DatabaseConnection) => Promise<T>;

class RefusingDriver extends DummyDriver {
  override async beginTransaction(): Promise<never> {
    throw new Error("transactions are begun by Database.reader and Database.writer only");
  }
}
