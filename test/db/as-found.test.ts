import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { defaultConfig } from "../../src/config/config.ts";
import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { SchemaMismatch } from "../../src/db/errors.ts";
import {
  adopt,
  checkHasSchema,
  currentRevision,
  migrate,
  stamp,
} from "../../src/db/migrations/migrate.ts";
import { runAll } from "../../src/db/migrations/revisions.ts";
import { schemaParts } from "../../src/db/migrations/schema-parts.ts";

import type { Schema } from "../../src/db/schema.ts";
import type { WriteTransaction } from "../../src/db/transaction.ts";
import { openService } from "../../src/operations/open-service.ts";
import { deleteOldChanges } from "../../src/operations/housekeeping.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { SERVER_ENGINES } from "./server-engines.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };
const DEBIAN_12 = "422ece571366";
const [HOST, CHILD, CONSUMER, AGGREGATE] = [
  "abcdefab-0000-4000-8000-00000000000a",
  "abcdefab-0000-4000-8000-00000000000b",
  "abcdefab-0000-4000-8000-00000000000c",
  "abcdefab-0000-4000-8000-00000000000d",
];

const SPELLINGS: Readonly<Record<string, (uuid: string) => string>> = {
  "without dashes": (uuid) => uuid.replaceAll("-", ""),
  "in capitals": (uuid) => uuid.toUpperCase(),
  "in capitals without dashes": (uuid) => uuid.replaceAll("-", "").toUpperCase(),
};

describe.each([...ENGINES, ...SERVER_ENGINES])("a database as it is found, on $name", (engine) => {
  let place: TestDatabase;
  const ends: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    place = await engine.createDatabase();
  });

  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
    await place.remove();
  });

  async function withDatabase<Result>(work: (database: Database) => Promise<Result>) {
    const database = await Database.open(parseConnectionUrl(place.connection));
    try {
      return await work(database);
    } finally {
      await database.close();
    }
  }

  const change = (work: (tx: WriteTransaction) => Promise<unknown>) =>
    withDatabase((database) => database.writer(CONTEXT, async (tx) => void (await work(tx))));

  async function start(): Promise<LocalStowage> {
    const stowage = await startHere({ placementDatabase: { connection: place.connection } });
    ends.push(() => stowage.stop());
    return stowage;
  }

  async function stop(): Promise<void> {
    await ends.pop()?.();
  }

  test("at the revision of Debian 12 is served, and left, as it is", async () => {
    await withDatabase(async (database) => {
      await migrate(database);
      await database.writer(CONTEXT, (tx) =>
        runAll(tx, [
          "CREATE INDEX inventories_resource_provider_id_idx ON inventories (resource_provider_id)",
          "CREATE INDEX resource_providers_name_idx ON resource_providers (name)",
        ]),
      );
      await stamp(database, DEBIAN_12);
      const before = await database.reader(CONTEXT, schemaParts);
      const config = defaultConfig({ placementDatabase: { connection: place.connection } });
      const service = await openService(config, { mayMigrate: false });
      await service.close();
      expect(await currentRevision(database)).toBe(DEBIAN_12);
      expect(await database.reader(CONTEXT, schemaParts)).toEqual(before);
    });
  });

  test("that is Nova's is called so, and what to do is said", async () => {
    await change((tx) =>
      runAll(tx, [
        "CREATE TABLE cell_mappings (id INTEGER)",
        "CREATE TABLE request_specs (id INTEGER)",
        "CREATE TABLE resource_providers (id INTEGER)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        "INSERT INTO alembic_version VALUES ('cdeec0c85668')",
      ]),
    );
    await withDatabase(async (database) => {
      for (const attempt of [migrate, adopt, checkHasSchema]) {
        await expect(attempt(database)).rejects.toThrow(SchemaMismatch);
        await expect(attempt(database)).rejects.toThrow("Nova's API database (nova_api)");
      }
    });
  });

  test("with rows that were copied with their ids is written to, and a line says what was done", async () => {
    await withDatabase(migrate);
    const tables = ["traits", "projects", "users", "resource_providers"] as const;
    await change(async (tx) => {
      for (const table of tables) await insertWithIds(tx, table);
    });
    const { client, log } = await start();
    await makeProvider(client, providerUuid(1), { VCPU: 4 });
    await client.expectSuccess("PUT", "/traits/CUSTOM_NEW");
    const body = claimBody({ [providerUuid(1)]: { VCPU: 1 } });
    await client.expectSuccess("PUT", `/allocations/${consumerUuid(1)}`, { body });
    const lines = log.filter((line) => line.includes("was moved"));
    expect(lines).toHaveLength(engine.name === "PostgreSQL" ? tables.length : 0);
  });

  test("keeps changes whose date cannot be read, and tells no date that is none", async () => {
    if (engine.name === "PostgreSQL") return;
    const { client, service } = await start();
    await makeProvider(client, providerUuid(1), { VCPU: 4 });
    const old = await deleteOldChanges(service, new Date());
    await change((tx) =>
      runAll(tx, [
        ...(engine.name === "MySQL" ? ["SET SESSION sql_mode = ''"] : []),
        "UPDATE stowage_changes SET created_at = '0000-00-00 00:00:00'",
        "UPDATE resource_providers SET created_at = '0000-00-00 00:00:00', updated_at = NULL",
      ]),
    );
    expect(old).toBe(0);
    expect(await deleteOldChanges(service, new Date())).toBe(0);
    const { headers } = await client.get(`/resource_providers/${providerUuid(1)}`);
    expect(Date.parse(String(headers["last-modified"]))).toBeGreaterThan(0);
  });

  describe.each(Object.entries(SPELLINGS))("with UUIDs %s", (_name, respell) => {
    test("is served by every route under every spelling", async () => {
      const { client } = await start();
      await makeProvider(client, HOST, { VCPU: 8 });
      await client.expectSuccess("POST", "/resource_providers", {
        body: { uuid: CHILD, name: "child", parent_provider_uuid: HOST },
      });
      await client.expectSuccess("PUT", `/resource_providers/${HOST}/aggregates`, {
        body: { resource_provider_generation: 1, aggregates: [AGGREGATE] },
      });
      const body = claimBody({ [HOST]: { VCPU: 1 } });
      await client.expectSuccess("PUT", `/allocations/${CONSUMER}`, { body });
      await stop();
      await change(async (tx) => {
        await respellIn(tx, "resource_providers", "uuid");
        await respellIn(tx, "placement_aggregates", "uuid");
        await respellIn(tx, "consumers", "uuid");
        await respellIn(tx, "allocations", "consumer_id");
      });
      await expectToBeServed(await start());
    });

    async function respellIn(tx: WriteTransaction, table: keyof Schema, column: string) {
      for (const uuid of [HOST, CHILD, CONSUMER, AGGREGATE]) {
        await sql`
          update ${sql.table(table)} set ${sql.ref(column)} = ${respell(uuid)}
          where ${sql.ref(column)} = ${uuid}
        `.execute(tx.query);
      }
    }

    async function expectToBeServed({ client }: LocalStowage): Promise<void> {
      const spelled = (uuid: string) => [uuid, ...Object.values(SPELLINGS).map((one) => one(uuid))];
      for (const host of spelled(HOST)) {
        const stored = respell(HOST);
        const read = await client.get(`/resource_providers/${host}`);
        expect(read.json()).toMatchObject({ uuid: stored, root_provider_uuid: stored });
        for (const query of [
          `uuid=${host}`,
          `uuid=${host}&resources=VCPU:1`,
          `in_tree=${host}&resources=VCPU:1`,
        ]) {
          const list = await client.get(`/resource_providers?${query}`);
          // Upstream has jsonschema check these parameters, which insists on dashes.
          if (!host.includes("-")) {
            expect(list.status).toBe(400);
            continue;
          }
          const { resource_providers: found } = list.json<{ resource_providers: unknown[] }>();
          expect(found, query).toHaveLength(1);
        }
        const candidates = await client.get(
          `/allocation_candidates?resources=VCPU:1&in_tree=${host}`,
        );
        expect(candidates.json()).toMatchObject({ allocation_requests: [{}] });
        for (const part of ["inventories", "traits", "aggregates", "usages", "allocations"]) {
          expect((await client.get(`/resource_providers/${host}/${part}`)).status).toBe(200);
        }
        const moved = await client.put(
          `/resource_providers/${CHILD}`,
          {
            name: "child",
            parent_provider_uuid: host,
          },
          { version: "1.36" },
        );
        expect(moved.status, moved.text).toBe(200);
      }
      const again = { uuid: HOST, name: "another" };
      expect((await client.post("/resource_providers", again)).status).toBe(409);

      for (const aggregate of spelled(AGGREGATE)) {
        for (const path of [
          `/resource_providers?member_of=${aggregate}`,
          `/allocation_candidates?resources=VCPU:1&member_of=${aggregate}`,
        ]) {
          expect((await client.get(path)).text, path).toContain(respell(HOST));
        }
      }
      const joined = await client.put(`/resource_providers/${CHILD}/aggregates`, {
        resource_provider_generation: 0,
        aggregates: [AGGREGATE],
      });
      expect(joined.status, joined.text).toBe(200);
      expect(await count("placement_aggregates")).toBe(1);

      for (const consumer of spelled(CONSUMER)) {
        const held = await client.get(`/allocations/${consumer}`);
        expect(held.json()).toMatchObject({ project_id: "lab", consumer_generation: 1 });
        const fresh = claimBody({ [HOST]: { VCPU: 2 } });
        expect((await client.put(`/allocations/${consumer}`, fresh)).status).toBe(409);
      }
      const more = claimBody({ [HOST]: { VCPU: 2 } }, { generation: 1 });
      const claimed = await client.put(`/allocations/${CONSUMER}`, more);
      expect(claimed.status, claimed.text).toBe(204);
      expect(await count("consumers")).toBe(1);
      expect((await client.delete(`/allocations/${CONSUMER}`)).status).toBe(204);
      expect((await client.delete(`/resource_providers/${CHILD}`)).status).toBe(204);
      expect((await client.delete(`/resource_providers/${HOST}`)).status).toBe(204);
    }

    const count = (table: "placement_aggregates" | "consumers") =>
      withDatabase((database) =>
        database.reader(CONTEXT, async (tx) => {
          const rows = await tx.query.selectFrom(table).select("id").execute();
          return rows.length;
        }),
      );
  });

  async function insertWithIds(
    tx: WriteTransaction,
    table: "traits" | "projects" | "users" | "resource_providers",
  ): Promise<void> {
    const column = table === "projects" || table === "users" ? "external_id" : "name";
    for (const id of [1, 2, 3]) {
      const values =
        table === "resource_providers"
          ? sql`(id, uuid, name, root_provider_id) values (${id}, ${providerUuid(100 + id)}, ${`old-${id}`}, ${id})`
          : sql`(id, ${sql.ref(column)}) values (${id}, ${`CUSTOM_OLD_${id}`})`;
      await sql`insert into ${sql.table(table)} ${values}`.execute(tx.query);
    }
  }
});
