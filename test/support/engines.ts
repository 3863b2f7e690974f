import { join } from "node:path";

import { makeFolder } from "./stowage.ts";

/** An empty database for one test. */
export interface TestDatabase {
  /** As `[placement_database] connection` takes it. */
  readonly connection: string;
  remove(): Promise<void>;
}

export interface Engine {
  readonly name: string;
  createDatabase(): Promise<TestDatabase>;
}

/** The embedded one, in a file. */
export const SQLITE: Engine = {
  name: "SQLite",
  async createDatabase() {
    const folder = await makeFolder();
    const connection = `sqlite:///${join(folder.path, "placement.sqlite")}`;
    return { connection, remove: () => folder.remove() };
  },
};

/** Tests that depend on the database run on each of these. */
export const ENGINES: readonly Engine[] = [SQLITE];
