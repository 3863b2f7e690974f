import { mkdtemp, readFile, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database, type DatabaseOptions } from "../../src/db/database.ts";
import { SchemaMismatch } from "../../src/db/errors.ts";
import {
  adopt,
  currentRevision,
  ensureStowageTables,
  migrate,
  stamp,
} from "../../src/db/migrations/migrate.ts";
import { createIncompleteConsumers, setRootProviderIds } from "../../src/db/online-migrations.ts";
import type { TestDatabase } from "../support/engines.ts";
import { downgrade } from "./downgrade.ts";
import { schemaFacts, upstreamFacts } from "./schema-facts.ts";
import { SERVER_ENGINES } from "./server-engines.ts";

/** Upstream's revisions, from the oldest to the newest. */
const OLDEST = "b4ed3a175331";
const HEAD = "a082b8bb98d0";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

let folder: string;
let file: string;
const opened: Database[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "stowage-"));
  file = path.join(folder, "placement.sqlite");
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close()));
  await rm(folder, { recursive: true });
});

it("creates the schema that upstream's migrations lead to, and its own tables", async () => {
  const database = await open();
  await migrate(database);
  const ours = dumpSchema();
  expect(ours.filter((text) => !text.includes("stowage_"))).toEqual(await schemaOf(HEAD));
  expect(ours.filter((text) => text.includes("stowage_"))).toHaveLength(19);
  expect(await currentRevision(database)).toBe(HEAD);
});

it("changes nothing in a database that is up to date", async () => {
  const database = await open();
  await migrate(database);
  const before = dumpSchema();
  await migrate(database);
  expect(dumpSchema()).toEqual(before);
});

it("migrates upstream's oldest revision forward, with its data", async () => {
  await createOldDatabase(`
    INSERT INTO resource_providers (id, uuid, name, root_provider_id) VALUES (1, 'u', 'n', 1);
    INSERT INTO consumers (id, uuid, project_id, user_id, generation) VALUES (5, 'c', 6, 7, 8);
    INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used)
      VALUES (1, 'c', 0, 1);
  `);
  const database = await open();
  await migrate(database);
  await expectNewestSchema();
  expect(await currentRevision(database)).toBe(HEAD);
  expect(
    inspect("SELECT uuid, project_id, user_id, generation, consumer_type_id FROM consumers"),
  ).toEqual([{ uuid: "c", project_id: 6, user_id: 7, generation: 8, consumer_type_id: null }]);
});

it("leaves an old database alone whose providers have no roots, until they have", async () => {
  await createOldDatabase(
    "INSERT INTO resource_providers (id, uuid, name) VALUES (1, 'u', 'n'), (2, 'v', 'o')",
  );
  const database = await open();
  await expect(migrate(database)).rejects.toThrow("missing its root provider id");
  expect(await currentRevision(database)).toBe(OLDEST);

  await ensureStowageTables(database);
  const batches = [1, 5, 5].map(
    (size) => () => database.writer(CONTEXT, (tx) => setRootProviderIds(tx, size)),
  );
  const done = [];
  for (const run of batches) done.push((await run()).migrated);
  expect(done).toEqual([1, 1, 0]);
  await migrate(database);
  expect(inspect("SELECT root_provider_id FROM resource_providers ORDER BY id")).toEqual([
    { root_provider_id: 1 },
    { root_provider_id: 2 },
  ]);
  expect(inspect("SELECT resource_provider_id AS id, kind, subject FROM stowage_changes")).toEqual([
    { id: 1, kind: "provider", subject: "u" },
    { id: 2, kind: "provider", subject: "v" },
  ]);
});

it("leaves an old database alone whose allocations have no consumers, until they have", async () => {
  await createOldDatabase(`
    INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used)
      VALUES (1, 'c', 0, 1), (1, 'c', 1, 1), (1, 'd', 0, 1);
  `);
  const database = await open();
  await expect(migrate(database)).rejects.toThrow("missing a consumer record");
  // The step before was possible, but all steps are one transaction.
  expect(await currentRevision(database)).toBe(OLDEST);

  await ensureStowageTables(database);
  const batch = await database.writer(CONTEXT, (tx) =>
    createIncompleteConsumers(tx, 50, "some project", "some user"),
  );
  expect(batch).toEqual({ found: 2, migrated: 2, last: "d" });
  await migrate(database);
  expect(
    inspect(`
      SELECT c.uuid, p.external_id AS project, u.external_id AS user, c.generation
      FROM consumers AS c JOIN projects AS p ON p.id = c.project_id
      JOIN users AS u ON u.id = c.user_id ORDER BY c.uuid
    `),
  ).toEqual([
    { uuid: "c", project: "some project", user: "some user", generation: 0 },
    { uuid: "d", project: "some project", user: "some user", generation: 0 },
  ]);
});

it("makes no project and user where no consumer is incomplete", async () => {
  const database = await open();
  await migrate(database);
  await database.writer(CONTEXT, (tx) => createIncompleteConsumers(tx, 50, "project", "user"));
  expect(inspect("SELECT * FROM projects UNION SELECT * FROM users")).toEqual([]);
});

it("lets several processes migrate at once", async () => {
  const databases = await Promise.all([open(), open(), open()]);
  await Promise.all(databases.map(migrate));
  expect(inspect("SELECT * FROM alembic_version")).toEqual([{ version_num: HEAD }]);
});

it("finishes an upgrade of which a part is done already", async () => {
  await createOldDatabase(`
    DROP INDEX inventories_resource_provider_id_idx;
    DROP INDEX resource_providers_name_idx;
  `);
  const database = await open();
  await migrate(database);
  await expectNewestSchema();
  expect(await currentRevision(database)).toBe(HEAD);
});

it("finishes an upgrade that was interrupted, wherever that was", async () => {
  const place = { connection: `sqlite:///${file}`, remove: () => rm(file) };
  await createOldDatabase("");
  for (let done = 0; await interruptMigration(place, done); done += 1) {
    await withDatabase(place, migrate);
    await expectNewestSchema();
    await rm(file);
    await createOldDatabase("");
  }
});

describe.each(SERVER_ENGINES)("on $name", (engine) => {
  let place: TestDatabase;

  beforeEach(async () => {
    place = await engine.createDatabase();
  });

  afterEach(async () => {
    await place.remove();
  });

  it("a creation that was interrupted anywhere is finished by the next one", async () => {
    for (let done = 0; await interruptMigration(place, done); done += 1) {
      await expectToBecomeNewest(place, done);
      await place.remove();
      place = await engine.createDatabase();
    }
  });

  it("an upgrade that was interrupted anywhere is finished by the next one", async () => {
    await withDatabase(place, migrate);
    await withDatabase(place, downgrade);
    for (let done = 0; await interruptMigration(place, done); done += 1) {
      await expectToBecomeNewest(place, done);
      await withDatabase(place, downgrade);
    }
  });
});

it("refuses a database that is newer than the program", async () => {
  const database = await open();
  await migrate(database);
  inspect("UPDATE alembic_version SET version_num = 'f00ba4'");
  for (const attempt of [migrate, adopt]) {
    await expect(attempt(database)).rejects.toThrow(SchemaMismatch);
    await expect(attempt(database)).rejects.toThrow("f00ba4, which this program does not know");
  }
});

it("refuses tables of Placement that are not stamped", async () => {
  const database = await open();
  await migrate(database);
  inspect("DROP TABLE alembic_version");
  await expect(migrate(database)).rejects.toThrow("not stamped");
  await stamp(database, "head");
  await migrate(database);
});

it("adopts a database that upstream has made, and no other one", async () => {
  const database = await open();
  await expect(adopt(database)).rejects.toThrow('run "stowage db sync"');
  inspect((await schemaOf(HEAD)).join(";"));
  await expect(adopt(database)).rejects.toThrow('run "stowage db sync"');
  await stamp(database, OLDEST);
  await expect(adopt(database)).rejects.toThrow(`at revision ${OLDEST}`);
  await stamp(database, "head");
  await adopt(database);
  expect(inspect("SELECT * FROM stowage_changes")).toEqual([]);
});

it("stamps with a revision that is known, or the beginning of one", async () => {
  const database = await open();
  await stamp(database, "422");
  expect(await currentRevision(database)).toBe("422ece571366");
  for (const unknown of ["nope", "", "b"]) {
    await expect(stamp(database, unknown)).rejects.toThrow(
      `Can't locate revision identified by '${unknown}'`,
    );
  }
  expect(await currentRevision(database)).toBe("422ece571366");
});

async function open(): Promise<Database> {
  const database = await Database.open(parseConnectionUrl(`sqlite:///${file}`));
  opened.push(database);
  return database;
}

async function withDatabase<Result>(
  { connection }: TestDatabase,
  work: (database: Database) => Promise<Result>,
  options: DatabaseOptions = {},
): Promise<Result> {
  const database = await Database.open(parseConnectionUrl(connection), options);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/**
 * Migrates, but dies before the statement that would be one more than `done` of those that write.
 *
 * @returns whether there was one
 */
async function interruptMigration(place: TestDatabase, done: number): Promise<boolean> {
  let count = 0;
  const onStatement = (text: string) => {
    if (!/^(create|alter|drop|insert|update)\b/i.test(text)) return;
    if (count === done) throw new Interruption();
    count += 1;
  };
  try {
    await withDatabase(place, migrate, { onStatement });
    return false;
  } catch (error) {
    if (error instanceof Interruption) return true;
    throw error;
  }
}

class Interruption extends Error {}

async function expectToBecomeNewest(place: TestDatabase, done: number): Promise<void> {
  await withDatabase(place, async (database) => {
    await migrate(database);
    expect(await currentRevision(database)).toBe(HEAD);
    expect(await schemaFacts(database), `after ${done} statements`).toEqual(
      await upstreamFacts(database),
    );
  });
}

/** As upstream makes it; the text that SQLite keeps of each object, in the order of creation. */
async function schemaOf(revision: string): Promise<string[]> {
  const text = await readFile(
    path.join(import.meta.dirname, "fixtures", `sqlite-${revision}.sql`),
    "utf8",
  );
  return text.split(";\n").filter((statement) => statement !== "");
}

async function createOldDatabase(data: string): Promise<void> {
  inspect((await schemaOf(OLDEST)).join(";"));
  inspect(`INSERT INTO alembic_version VALUES ('${OLDEST}')`);
  inspect(data);
}

async function expectNewestSchema(): Promise<void> {
  const schema = dumpSchema().filter((text) => !text.includes("stowage_"));
  expect(schema.toSorted()).toEqual((await schemaOf(HEAD)).toSorted());
}

function dumpSchema(): string[] {
  return inspect("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").map(
    ({ sql }) => String(sql),
  );
}

/** Looks at the file, or changes it, from outside. */
function inspect(statements: string): Record<string, unknown>[] {
  const database = new DatabaseSync(file, { timeout: 1000 });
  try {
    if (statements.trimStart().startsWith("SELECT")) return database.prepare(statements).all();
    database.exec(statements);
    return [];
  } finally {
    database.close();
  }
}
