import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { migrate } from "../../src/db/migrations/migrate.ts";
import type { TestDatabase } from "./engines.ts";
import { openOtherProgram, type OtherProgram } from "./other-program.ts";

/** How a server empties a database. */
export interface Emptying {
  /** One query for all that a test may have changed of it: columns, indexes, triggers, settings. */
  readonly describe: string;
  /** Removes all rows, and ends the sessions that a test has left. */
  empty(program: OtherProgram): Promise<void>;
}

interface Kept {
  readonly database: TestDatabase;
  readonly schema: string;
}

/**
 * Databases with the newest schema and without rows, a pool of them for each worker: to make and drop one takes
 * a server half a second, to empty one a tenth of that. One whose schema a test has changed is dropped.
 */
export class BorrowedDatabases {
  readonly #create: () => Promise<TestDatabase>;
  readonly #emptying: Emptying;
  readonly #free: Kept[] = [];

  constructor(create: () => Promise<TestDatabase>, emptying: Emptying) {
    this.#create = create;
    this.#emptying = emptying;
  }

  async borrow(): Promise<TestDatabase> {
    const kept = this.#free.pop() ?? (await this.#make());
    return { connection: kept.database.connection, remove: () => this.#giveBack(kept) };
  }

  async #make(): Promise<Kept> {
    const database = await this.#create();
    await migrateDatabase(database);
    return { database, schema: await withProgram(database, (program) => this.#describe(program)) };
  }

  async #giveBack({ database, schema }: Kept): Promise<void> {
    const isAsBefore = await withProgram(database, async (program) => {
      if ((await this.#describe(program)) !== schema) return false;
      await this.#emptying.empty(program);
      return true;
    });
    if (isAsBefore) this.#free.push({ database, schema });
    else await database.remove();
  }

  async #describe(program: OtherProgram): Promise<string> {
    return JSON.stringify(await program.run(this.#emptying.describe));
  }
}

export async function migrateDatabase({ connection }: TestDatabase): Promise<void> {
  const database = await Database.open(parseConnectionUrl(connection));
  await migrate(database);
  await database.close();
}

async function withProgram<Result>(
  { connection }: TestDatabase,
  work: (program: OtherProgram) => Promise<Result>,
): Promise<Result> {
  const program = await openOtherProgram(connection);
  try {
    return await work(program);
  } finally {
    await program.close();
  }
}
