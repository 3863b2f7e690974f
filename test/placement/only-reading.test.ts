import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { runCommandLine } from "../support/command-line.ts";
import type { TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { dumpDatabase, makeOnlyReader, type OnlyReader } from "../support/only-reader.ts";
import { makeFolder, writeConfig } from "../support/stowage.ts";
import { runUnchecked } from "../support/unchecked-rows.ts";
import { isPlacementInstalled, startPlacement, type RealPlacement } from "./real-placement.ts";

if (!isPlacementInstalled) {
  console.log("Tests beside a real Placement are skipped: see scripts/install-for-tests.sh");
}

const [HOST, DEVICE, LOOP, FULL] = [1, 2, 3, 4].map(providerUuid) as [
  string,
  string,
  string,
  string,
];
const AGGREGATE = "99999999-0000-4000-8000-000000000001";

interface Provider {
  readonly uuid: string;
  readonly name: string;
  readonly inventories: Readonly<Record<string, { readonly used: number; readonly total: number }>>;
  readonly traits: readonly string[];
  readonly aggregates: readonly string[];
}

/** Nothing of Stowage's own is there, and this user may only read. */
describe.skipIf(!isPlacementInstalled).for(SERVER_ENGINES)(
  "beside a Placement that serves $name, as a user who may only read",
  (engine) => {
    let database: TestDatabase;
    let placement: RealPlacement;
    let reader: OnlyReader;
    let folder: Awaited<ReturnType<typeof makeFolder>>;
    let before: string;

    beforeAll(async () => {
      database = await engine.createDatabase();
      placement = await startPlacement(database.connection);
      await fill(placement);
      await runUnchecked(database.connection, ODD_ROWS);
      reader = await makeOnlyReader(database.connection);
      folder = await makeFolder();
      await writeConfig(folder.path, {
        api: { auth_strategy: "keystone" },
        placement_database: { connection: reader.connection },
      });
      before = await dumpDatabase(database.connection);
    });

    afterAll(async () => {
      await placement.stop();
      await reader.remove();
      await database.remove();
      await folder.remove();
    });

    const run = (...words: string[]) => runCommandLine([...words, "--config-dir", folder.path]);

    test("the snapshot has all providers, be their rows odd or not", async () => {
      const [code, output, errors] = await run("snapshot", "--format", "json");
      expect([code, errors]).toEqual([0, ""]);
      const { position, providers } = JSON.parse(output) as {
        position: string;
        providers: Provider[];
      };
      expect(position).toBe("");
      const byUuid = new Map(providers.map((provider) => [provider.uuid, provider]));
      const listed = await placement.client.get("/resource_providers");
      expect(byUuid.size).toBe(
        listed.json<{ resource_providers: unknown[] }>().resource_providers.length,
      );
      expect(byUuid.get(HOST)).toMatchObject({
        inventories: { VCPU: { total: 8, used: 3 }, MEMORY_MB: { used: 0 } },
        traits: ["HW_CPU_X86_VMX"],
        aggregates: [AGGREGATE],
      });
      expect(byUuid.get(DEVICE)).toMatchObject({ root_provider_uuid: HOST });
      expect(byUuid.has(LOOP)).toBe(true);
    });

    test("the exporter's series tell what Placement tells", async () => {
      const [code, output] = await run("metrics", "--allocations");
      expect(code).toBe(0);
      const labels = `{hostname="${HOST}",resourcetype="VCPU"}`;
      expect(output).toContain(`openstack_placement_resource_usage${labels} 3\n`);
      expect(output).toContain(
        "openstack_placement_resource_provider_allocations" +
          `{hostname="${HOST}",uuid="${consumerUuid(1)}",resourcetype="VCPU"} 3\n`,
      );
    });

    test("explain tells why nothing fits, of the database and of a snapshot of it alike", async () => {
      const fits = await run("explain", "resources=VCPU:1");
      expect([fits[0], fits[2]]).toEqual([0, ""]);
      const query = "resources=VCPU:8&required=HW_CPU_X86_VMX";
      const [code, explained] = await run("explain", query, "--json");
      expect(code).toBe(3);
      expect(JSON.parse(explained)).toMatchObject({ verdict: "full" });
      for (const format of ["json", "ndjson"]) {
        const file = join(folder.path, `fleet.${format}`);
        expect(await run("snapshot", "--format", format, "--output", file)).toEqual([0, "", ""]);
        const again = await runCommandLine(["explain", query, "--json", "--snapshot", file]);
        expect([again[0], again[2]]).toEqual([3, ""]);
        expect(JSON.parse(again[1])).toEqual(JSON.parse(explained));
      }
    });

    test("fit counts how often a query can be claimed, of the database and of a snapshot alike", async () => {
      const [code, counted, errors] = await run("fit", "resources=VCPU:2", "--json");
      expect([code, errors]).toEqual([0, ""]);
      expect(JSON.parse(counted)).toMatchObject({ flavors: { "resources=VCPU:2": { total: 2 } } });
      const file = join(folder.path, "fleet.fit");
      await run("snapshot", "--output", file);
      const again = await runCommandLine(["fit", "resources=VCPU:2", "--json", "--snapshot", file]);
      expect(JSON.parse(again[1])).toEqual(JSON.parse(counted));
    });

    test("what requests did not get is not noted anywhere", async () => {
      const [code, output, problem] = await run("why", "req-1");
      expect([code, output]).toEqual([1, ""]);
      expect(problem).toContain("has no table stowage_refusals: Stowage has not served it");
    });

    test("a query that Placement refuses is refused with the same text", async () => {
      const query = "resources=VCPU:none";
      const { errors } = (await placement.client.get(`/allocation_candidates?${query}`)).json<{
        errors: { detail: string }[];
      }>();
      const [code, output, problem] = await run("explain", query);
      expect([code, output]).toEqual([1, ""]);
      expect(errors[0]?.detail).toContain(problem.replace("stowage: ", "").trim());
    });

    test("leaks are found, and consumers without a record are none of them", async () => {
      const file = join(folder.path, "alive");
      await writeFile(file, `${consumerUuid(1)}\n`);
      const [code, output, errors] = await run(
        "leaks",
        "--alive",
        file,
        "--min-age",
        "0",
        "--json",
      );
      expect([code, errors]).toEqual([3, ""]);
      expect(JSON.parse(output)).toMatchObject({
        counts: { consumers: 2, alive: 1, dead: 1 },
        dead: [{ uuid: consumerUuid(2), allocations: { [FULL]: { resources: { VCPU: 2 } } } }],
        freed: { VCPU: 2 },
      });
    });

    test("db check finds what the odd rows are", async () => {
      const [code, output] = await run("db", "check", "--json");
      expect(code).toBe(3);
      const { findings } = JSON.parse(output) as { findings: { kind: string }[] };
      expect(findings.map(({ kind }) => kind).toSorted()).toEqual([
        "allocations_without_consumer",
        "allocations_without_inventory",
        "incomplete_providers",
        "looped_providers",
        "over_committed",
      ]);
    });

    test("nothing was written, and Placement goes on", async () => {
      expect(await dumpDatabase(database.connection)).toBe(before);
      expect(before).not.toContain("stowage");
      await makeProvider(placement.client, providerUuid(50), { VCPU: 1 });
    });
  },
);

async function fill({ client }: RealPlacement): Promise<void> {
  await makeProvider(client, HOST, { VCPU: 8, MEMORY_MB: 1024 });
  await makeProvider(client, FULL, { VCPU: 2 });
  for (const [uuid, parent] of [
    [DEVICE, HOST],
    [LOOP, null],
  ]) {
    await client.expectSuccess("POST", "/resource_providers", {
      body: { uuid, name: uuid, parent_provider_uuid: parent },
    });
  }
  await client.expectSuccess("PUT", `/resource_providers/${HOST}/traits`, {
    body: { resource_provider_generation: 1, traits: ["HW_CPU_X86_VMX"] },
  });
  await client.expectSuccess("PUT", `/resource_providers/${HOST}/aggregates`, {
    body: { resource_provider_generation: 2, aggregates: [AGGREGATE] },
  });
  for (const [consumer, host, amount] of [
    [1, HOST, 3],
    [2, FULL, 2],
  ] as const) {
    const body = claimBody({ [host]: { VCPU: amount } });
    await client.expectSuccess("PUT", `/allocations/${consumerUuid(consumer)}`, { body });
  }
}

/** As databases of some years have them. */
const ODD_ROWS = [
  `UPDATE resource_providers SET parent_provider_id = id WHERE uuid = '${LOOP}'`,
  `UPDATE resource_providers SET name = NULL, generation = NULL WHERE uuid = '${DEVICE}'`,
  "UPDATE inventories SET allocation_ratio = 0.5 WHERE total = 2",
  "INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used) " +
    `SELECT id, '${consumerUuid(70)}', 5, 1 FROM resource_providers WHERE uuid = '${HOST}'`,
];
