import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { migrateDatabase } from "./borrowed-databases.ts";
import { makeFolder } from "./stowage.ts";

/** A database for one test. */
export interface TestDatabase {
  /** As `[placement_database] connection` takes it. */
  readonly connection: string;
  remove(): Promise<void>;
}

export interface Engine {
  readonly name: string;
  /** An empty one, without any table. */
  createDatabase(): Promise<TestDatabase>;
  /** One with the newest schema, and without rows. */
  borrowDatabase(): Promise<TestDatabase>;
}

/** The embedded one, in a file. */
export const SQLITE: Engine = {
  name: "SQLite",
  createDatabase: createFile,
  async borrowDatabase() {
    const [database, content] = await Promise.all([createFile(), (migrated ??= migrateFile())]);
    await writeFile(database.file, content);
    return database;
  },
};

/** What is in a file with the newest schema: made once for all tests of a worker. */
let migrated: Promise<Buffer> | undefined;

async function migrateFile(): Promise<Buffer> {
  const database = await createFile();
  await migrateDatabase(database);
  const content = await readFile(database.file);
  await database.remove();
  return content;
}

interface SqliteFile extends TestDatabase {
  readonly file: string;
}

async function createFile(): Promise<SqliteFile> {
  const folder = await makeFolder();
  const file = join(folder.path, "placement.sqlite");
  return { file, connection: `sqlite:///${file}`, remove: () => folder.remove() };
}

/** Tests that depend on the database run on each of these. */
export const ENGINES: readonly Engine[] = [SQLITE];
