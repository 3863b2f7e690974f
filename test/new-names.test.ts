import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { ENGINES, type TestDatabase } from "./support/engines.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

/** What reads all traits, or all resource classes. */
const READS_ALL = /from ["`](traits|resource_classes)["`] order by/;

describe.for([...ENGINES, ...SERVER_ENGINES])("names that are made on $name", (engine) => {
  let database: TestDatabase;
  let writer: LocalStowage;
  /** Hears of them from the change feed, where the database is shared. */
  let reader: LocalStowage;

  beforeEach(async () => {
    database = await engine.borrowDatabase();
    const overrides = { placementDatabase: { connection: database.connection } };
    writer = await startHere(overrides);
    reader = engine.name === "SQLite" ? writer : await startHere(overrides);
    await listed();
    writer.statements.length = 0;
    reader.statements.length = 0;
  });

  afterEach(async () => {
    await writer.stop();
    if (reader !== writer) await reader.stop();
    await database.remove();
  });

  const make = (path: string) => writer.client.expectSuccess("PUT", path);
  const remove = (path: string) => writer.client.expectSuccess("DELETE", path);
  const custom = (names: readonly string[]) => names.filter((name) => name.startsWith("CUSTOM_"));

  async function listed() {
    const traits = (await reader.client.get("/traits")).json<{ traits: string[] }>().traits;
    const { resource_classes: classes } = (await reader.client.get("/resource_classes")).json<{
      resource_classes: { name: string }[];
    }>();
    return { traits: custom(traits), classes: custom(classes.map(({ name }) => name)) };
  }

  test("are read by themselves, and so are those that are gone or have another name", async () => {
    for (const name of ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]) {
      await make(`/traits/${name}`);
      await make(`/resource_classes/${name}`);
    }
    const all = ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"];
    expect(await listed()).toEqual({ traits: all, classes: all });
    await remove("/traits/CUSTOM_B");
    await remove("/resource_classes/CUSTOM_B");
    await writer.client.expectSuccess("PUT", "/resource_classes/CUSTOM_A", {
      version: "1.2",
      body: { name: "CUSTOM_Z" },
    });
    await make("/traits/CUSTOM_B");
    expect(await listed()).toEqual({
      traits: ["CUSTOM_A", "CUSTOM_C", "CUSTOM_B"],
      classes: ["CUSTOM_Z", "CUSTOM_C"],
    });
    const statements = [...writer.statements, ...reader.statements];
    expect(statements.filter((text) => READS_ALL.test(text))).toEqual([]);
  });
});
