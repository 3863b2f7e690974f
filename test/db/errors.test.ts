import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import {
  DuplicateEntry,
  ReferenceViolation,
  TransactionConflict,
  UnstorableValue,
} from "../../src/domain/errors.ts";
import type { Schema } from "../../src/db/schema.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { repeatAtOnce } from "../support/pauses.ts";
import { SERVER_ENGINES } from "./server-engines.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

/** Two rows that differ in all but the columns of the constraint. */
interface Collision {
  readonly table: keyof Schema;
  readonly constraint: string;
  readonly first: Readonly<Record<string, unknown>>;
  readonly second: Readonly<Record<string, unknown>>;
}

const INVENTORY = {
  total: 1,
  reserved: 0,
  min_unit: 1,
  max_unit: 1,
  step_size: 1,
  allocation_ratio: 1,
};

const COLLISIONS: readonly Collision[] = [
  {
    table: "resource_providers",
    constraint: "uniq_resource_providers0uuid",
    first: { uuid: "u", name: "a" },
    second: { uuid: "u", name: "b" },
  },
  {
    table: "resource_providers",
    constraint: "uniq_resource_providers0name",
    first: { uuid: "u", name: "a" },
    second: { uuid: "v", name: "a" },
  },
  {
    table: "resource_providers",
    constraint: "resource_providers_pkey",
    first: { id: 7, uuid: "u", name: "a" },
    second: { id: 7, uuid: "v", name: "b" },
  },
  {
    table: "inventories",
    constraint: "uniq_inventories0resource_provider_resource_class",
    first: { resource_provider_id: 1, resource_class_id: 2, ...INVENTORY },
    second: { resource_provider_id: 1, resource_class_id: 2, ...INVENTORY },
  },
  {
    table: "placement_aggregates",
    constraint: "uniq_placement_aggregates0uuid",
    first: { uuid: "u" },
    second: { uuid: "u" },
  },
  {
    table: "resource_provider_aggregates",
    constraint: "resource_provider_aggregates_pkey",
    first: { resource_provider_id: 1, aggregate_id: 2 },
    second: { resource_provider_id: 1, aggregate_id: 2 },
  },
  {
    table: "consumers",
    constraint: "uniq_consumers0uuid",
    first: { uuid: "u", project_id: 1, user_id: 1 },
    second: { uuid: "u", project_id: 2, user_id: 2 },
  },
  ...(["resource_classes", "traits", "consumer_types"] as const).map((table) => ({
    table,
    constraint: `uniq_${table}0name`,
    first: { name: "a" },
    second: { name: "a" },
  })),
  ...(["projects", "users"] as const).map((table) => ({
    table,
    constraint: `uniq_${table}0external_id`,
    first: { external_id: "a" },
    second: { external_id: "a" },
  })),
];

describe.each([...ENGINES, ...SERVER_ENGINES])("an error of $name", (engine) => {
  let place: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    place = await engine.borrowDatabase();
    database = await Database.open(parseConnectionUrl(place.connection));
  });

  afterEach(async () => {
    await database.writer(CONTEXT, async (tx) => {
      for (const { table } of COLLISIONS) await tx.query.deleteFrom(table).execute();
    });
  });

  afterAll(async () => {
    await database.close();
    await place.remove();
  });

  it.each(COLLISIONS)(
    "names $constraint when a row collides with it",
    async ({ table, constraint, first, second }) => {
      repeatAtOnce();
      await insert(database, table, first);
      const inserting = insert(database, table, second);
      await expect(inserting).rejects.toThrow(DuplicateEntry);
      await expect(inserting).rejects.toMatchObject({ constraint });
    },
  );

  it("names the primary key of a table that refers to others", async () => {
    repeatAtOnce();
    await insert(database, "traits", { id: 1, name: "a" });
    await insert(database, "resource_providers", { id: 2, uuid: "u" });
    const row = { trait_id: 1, resource_provider_id: 2 };
    await insert(database, "resource_provider_traits", row);
    await expect(insert(database, "resource_provider_traits", row)).rejects.toMatchObject({
      constraint: "resource_provider_traits_pkey",
    });
    await database.writer(CONTEXT, (tx) =>
      tx.query.deleteFrom("resource_provider_traits").execute(),
    );
  });

  it("says when a reference would point nowhere", async () => {
    const inserting = insert(database, "resource_providers", { uuid: "u", root_provider_id: 99 });
    await expect(inserting).rejects.toThrow(ReferenceViolation);
  });

  it.each(["a\u0000b", "\u{1F4A9}", "a".repeat(1000)])(
    "tells of a text that there is no room for, if it cannot be stored (%j)",
    async (name) => {
      const outcome = await insert(database, "resource_providers", { uuid: "u", name }).then(
        () => "stored",
        (error: unknown) => error,
      );
      expect(outcome === "stored" || outcome instanceof UnstorableValue).toBe(true);
    },
  );

  it("stays as it is when it is about a wrong statement", async () => {
    const wrong = database.reader(CONTEXT, (tx) =>
      tx.query
        .selectFrom("nothing" as "traits")
        .selectAll()
        .execute(),
    );
    await expect(wrong).rejects.toThrow(/nothing/);
    await expect(wrong).rejects.not.toThrow(TransactionConflict);
  });
});

async function insert(
  database: Database,
  table: keyof Schema,
  row: Readonly<Record<string, unknown>>,
): Promise<void> {
  await database.writer(CONTEXT, (tx) =>
    // The rows are of many tables, so their types are not known here.
    tx.query
      .insertInto(table)
      .values(row as never)
      .execute(),
  );
}
