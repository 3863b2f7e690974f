import { afterEach, beforeEach, expect, it } from "vitest";

import { parseConnectionUrl } from "../config/connection-url.ts";
import { STANDARD_RESOURCE_CLASSES, STANDARD_TRAITS } from "../standard/standard-names.ts";
import { Database } from "./database.ts";
import { migrate } from "./migrations/migrate.ts";
import { ensureStandardNames } from "./standard-names.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

let database: Database;

beforeEach(async () => {
  database = await Database.open(parseConnectionUrl("sqlite://"));
  await migrate(database);
});

afterEach(async () => {
  await database.close();
});

it("gives the standard resource classes their positions as ids, from 0", async () => {
  await database.writer(CONTEXT, ensureStandardNames);
  const rows = await readNames("resource_classes");
  expect(rows).toEqual(STANDARD_RESOURCE_CLASSES.map((name, id) => ({ id, name })));
  expect(rows.slice(0, 3).map(({ name }) => name)).toEqual(["VCPU", "MEMORY_MB", "DISK_GB"]);
});

it("adds what is missing and leaves the rest as it is", async () => {
  await database.writer(CONTEXT, async (tx) => {
    await tx.query
      .insertInto("traits")
      .values([{ name: "CUSTOM_A" }, { name: STANDARD_TRAITS[3] as string }])
      .execute();
  });
  const before = await readNames("traits");
  await database.writer(CONTEXT, ensureStandardNames);
  const after = await readNames("traits");
  expect(after).toEqual(expect.arrayContaining(before));
  expect(after.map(({ name }) => name).toSorted()).toEqual(
    ["CUSTOM_A", ...STANDARD_TRAITS].toSorted(),
  );
});

it("records what it has added, and nothing when there was nothing to add", async () => {
  await database.writer(CONTEXT, ensureStandardNames);
  const recorded = await countChanges();
  expect(recorded).toBe(STANDARD_RESOURCE_CLASSES.length + STANDARD_TRAITS.length);
  await database.writer(CONTEXT, ensureStandardNames);
  expect(await countChanges()).toBe(recorded);
});

async function readNames(table: "traits" | "resource_classes") {
  return database.reader(CONTEXT, (tx) =>
    tx.query.selectFrom(table).select(["id", "name"]).orderBy("id").execute(),
  );
}

async function countChanges(): Promise<number> {
  const rows = await database.reader(CONTEXT, (tx) =>
    tx.query.selectFrom("stowage_changes").select("id").execute(),
  );
  return rows.length;
}
