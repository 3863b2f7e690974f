import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { parseConnectionUrl } from "../src/config/connection-url.ts";
import { Database } from "../src/db/database.ts";
import { migrate } from "../src/db/migrations/migrate.ts";
import { deleteOldChanges } from "../src/operations/housekeeping.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import type { TestDatabase } from "./support/engines.ts";
import {
  claimBody,
  consumerUuid,
  makeProvider,
  providerUuid,
  usedAccordingTo,
} from "./support/fleet.ts";
import { openOtherProgram, type OtherProgram } from "./support/other-program.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const DAY_MS = 86_400_000;
const HOST = providerUuid(1);
const OTHER_HOST = providerUuid(2);

/** What Placement's tables and ours are emptied of, in an order that foreign keys allow. */
const TABLES = [
  "allocations",
  "consumers",
  "consumer_types",
  "inventories",
  "resource_provider_traits",
  "resource_provider_aggregates",
  "placement_aggregates",
  "projects",
  "users",
  "resource_classes",
  "traits",
  "resource_providers",
  "alembic_version",
  "stowage_changes",
  "stowage_state",
];

describe.for(SERVER_ENGINES)("a replica on $name", (engine) => {
  let place: TestDatabase;
  let first: LocalStowage;
  let second: LocalStowage;
  let other: OtherProgram;

  beforeEach(async () => {
    place = await engine.borrowDatabase();
    const overrides = { placementDatabase: { connection: place.connection } };
    first = await startHere(overrides);
    second = await startHere(overrides);
    other = await openOtherProgram(place.connection);
    await makeProvider(first.client, HOST, { VCPU: 10 });
    expect(await usedAccordingTo(second.client, HOST)).toBe(0);
  });

  afterEach(async () => {
    await Promise.all([first.stop(), second.stop()]);
    await other.close();
    await place.remove();
  });

  const claim = (
    { client }: LocalStowage,
    number: number,
    options: { readonly host?: string; readonly project?: string } = {},
  ) =>
    client.put(
      `/allocations/${consumerUuid(number)}`,
      claimBody(
        { [options.host ?? HOST]: { VCPU: 1 } },
        { project: options.project ?? "lab", user: options.project ?? "ann" },
      ),
    );

  const warnings = ({ log }: LocalStowage) => log.filter((line) => line.includes("read anew"));
  const changesLeft = () => other.run("SELECT id FROM stowage_changes");

  test("that missed changes which another has deleted as old finds everything, and warns once", async () => {
    expect((await claim(first, 1)).status).toBe(204);
    expect((await claim(first, 2)).status).toBe(204);
    await deleteOldChanges(first.service, new Date(Date.now() + 8 * DAY_MS));
    expect(await changesLeft()).toHaveLength(1);
    expect(await usedAccordingTo(second.client, HOST)).toBe(2);
    expect((await claim(first, 3)).status).toBe(204);
    expect(await usedAccordingTo(second.client, HOST)).toBe(3);
    expect(warnings(second)).toHaveLength(1);
    expect(warnings(first)).toHaveLength(0);
  });

  test("that has read what another deletes as old reads nothing again", async () => {
    expect((await claim(first, 1)).status).toBe(204);
    expect(await usedAccordingTo(second.client, HOST)).toBe(1);
    await deleteOldChanges(first.service, new Date(Date.now() + 8 * DAY_MS));
    expect((await claim(first, 2)).status).toBe(204);
    expect(await usedAccordingTo(second.client, HOST)).toBe(2);
    await deleteOldChanges(first.service, new Date(Date.now() + 8 * DAY_MS));
    expect((await claim(first, 3)).status).toBe(204);
    expect(await usedAccordingTo(second.client, HOST)).toBe(3);
    for (const replica of [first, second]) expect(warnings(replica)).toHaveLength(0);
  });

  test("finds everything when changes that it had not read were deleted by hand", async () => {
    expect((await claim(first, 1)).status).toBe(204);
    await other.run("DELETE FROM stowage_changes");
    expect(await usedAccordingTo(second.client, HOST)).toBe(1);
    expect((await claim(first, 2)).status).toBe(204);
    expect(await usedAccordingTo(second.client, HOST)).toBe(2);
    expect(warnings(second)).toHaveLength(1);
  });

  test("finds everything when all but the newest change were deleted by hand", async () => {
    expect((await claim(first, 1)).status).toBe(204);
    expect((await claim(first, 2)).status).toBe(204);
    const [newest] = await other.run("SELECT max(id) AS id FROM stowage_changes");
    await other.run(`DELETE FROM stowage_changes WHERE id < ${Number(newest?.["id"])}`);
    expect(await usedAccordingTo(second.client, HOST)).toBe(2);
    expect(warnings(second)).toHaveLength(1);
  });

  test("serves a database that was dropped, made anew and synced under it", async () => {
    expect((await claim(first, 1)).status).toBe(204);
    for (const table of TABLES) await other.run(`DROP TABLE ${table}`);
    for (const replica of [first, second]) {
      expect((await replica.client.get("/allocation_candidates?resources=VCPU:1")).status).toBe(
        503,
      );
    }
    const database = await Database.open(parseConnectionUrl(place.connection));
    await migrate(database);
    await database.close();

    const listing = await second.client.get("/allocation_candidates?resources=VCPU:1");
    expect(listing.json()).toMatchObject({ allocation_requests: [] });
    await makeProvider(first.client, OTHER_HOST, { VCPU: 3 });
    expect((await claim(second, 1, { host: OTHER_HOST })).status).toBe(204);
    expect((await claim(first, 2, { host: OTHER_HOST })).status).toBe(204);
    for (const { client } of [first, second]) {
      expect(await usedAccordingTo(client, OTHER_HOST)).toBe(2);
    }
    for (const replica of [first, second]) expect(warnings(replica).length).toBeGreaterThan(0);
  });

  test("counts nobody's consumers as another's when a backup was restored under it", async () => {
    const tables = ["stowage_changes", "projects", "users", "consumers", "allocations"];
    for (const table of tables) {
      await other.run(`CREATE TABLE saved_${table} AS SELECT * FROM ${table}`);
    }
    // The same ids stand for one project before, and for another one after the restoration.
    expect((await claim(first, 1, { project: "before" })).status).toBe(204);
    for (const table of tables) {
      await other.run(`DELETE FROM ${table}`);
      await other.run(`INSERT INTO ${table} SELECT * FROM saved_${table}`);
    }
    await other.run("UPDATE resource_providers SET generation = 1");
    await other.run("INSERT INTO projects (id, external_id) VALUES (1, 'after')");
    await other.run("INSERT INTO users (id, external_id) VALUES (1, 'after')");

    expect(await usedAccordingTo(second.client, HOST)).toBe(0);
    expect((await claim(first, 2, { project: "before" })).text).toBe("");
    for (const [project, used] of [
      ["before", 1],
      ["after", undefined],
    ] as const) {
      const usages = await second.client.get(`/usages?project_id=${project}`, { version: "1.37" });
      expect(usages.json<{ usages: { VCPU?: number } }>().usages.VCPU).toBe(used);
    }
    expect(warnings(first)).toHaveLength(1);
  });

  test("notices a backup although as many changes were made since as it had read before", async () => {
    const saved = await other.run("SELECT max(id) AS id, count(*) AS number FROM stowage_changes");
    expect((await claim(first, 1)).status).toBe(204);
    expect(await usedAccordingTo(second.client, HOST)).toBe(1);
    const lastId = Number(saved[0]?.["id"]);
    const [rows] = await other.run(
      `SELECT max(id) AS id FROM stowage_changes WHERE id > ${lastId}`,
    );
    await other.run("DELETE FROM allocations");
    await other.run(`DELETE FROM stowage_changes WHERE id > ${lastId}`);
    for (let id = lastId + 1; id <= Number(rows?.["id"]) + 1; id += 1) {
      await other.run(
        "INSERT INTO stowage_changes (id, created_at, kind, subject, request_id) " +
          `VALUES (${id}, '2026-01-01 00:00:00', 'consumer', 'c', 'req-2')`,
      );
    }
    expect(await usedAccordingTo(second.client, HOST)).toBe(0);
    expect(warnings(second)).toHaveLength(1);
  });

  test("serves a database whose tables an older release has made anew", async () => {
    await other.run("DROP TABLE stowage_state");
    expect(await usedAccordingTo(second.client, HOST)).toBe(0);
    expect((await claim(first, 1)).status).toBe(204);
    expect(await usedAccordingTo(second.client, HOST)).toBe(1);
    expect(
      await other.run("SELECT value FROM stowage_state WHERE name = 'feed_epoch'"),
    ).toHaveLength(1);
  });

  test("goes on deleting what is old behind a change that is dated in the future", async () => {
    await other.run("UPDATE stowage_changes SET created_at = '2126-01-01 00:00:00' WHERE id < 10");
    await other.run("UPDATE stowage_changes SET created_at = '2020-01-01 00:00:00' WHERE id >= 10");
    expect((await claim(first, 1)).status).toBe(204);
    await deleteOldChanges(first.service, new Date());
    const left = await other.run("SELECT id FROM stowage_changes WHERE created_at < '2021-01-01'");
    expect(left).toEqual([]);
    expect(await other.run("SELECT id FROM stowage_changes WHERE id < 10")).toEqual([]);
    // Those of the claim.
    expect(await changesLeft()).toHaveLength(3);
  });
});
