import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "./db/server-engines.ts";
import { ENGINES, type TestDatabase } from "./support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

/** All the same to MySQL under the collation of upstream's tables, and different elsewhere. */
const ALIKE = ["Lab", "lab", "LAB", "láb", "lab "];
const HOST = providerUuid(1);

describe.each([...ENGINES, ...SERVER_ENGINES])("names that are alike, on $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;

  beforeEach(async () => {
    database = await engine.borrowDatabase();
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    await makeProvider(stowage.client, HOST, { VCPU: 100 });
  });

  afterEach(async () => {
    await stowage.stop();
    await database.remove();
  });

  const claim = (name: string, number: number) =>
    stowage.client.put(
      `/allocations/${consumerUuid(number)}`,
      claimBody({ [HOST]: { VCPU: 1 } }, { project: name, user: name }),
    );

  async function usageOf(project: string): Promise<number> {
    const path = `/usages?project_id=${encodeURIComponent(project)}`;
    const reply = await stowage.client.get(path, { version: "1.37" });
    return reply.json<{ usages: { VCPU?: number } }>().usages.VCPU ?? 0;
  }

  /** To the engine they are one. */
  const areOne = engine.name === "MySQL";

  test("are taken in claims where the engine can tell them apart, and else refused", async () => {
    for (const [number, name] of ALIKE.entries()) {
      const status = areOne && number > 0 ? 409 : 204;
      expect(await claim(name, number)).toMatchObject({ status });
      // Now that it is there.
      expect(await claim(name, 100 + number)).toMatchObject({ status });
      expect(await usageOf(name)).toBe(status === 204 ? 2 : 0);
    }
    expect(await usageOf("Lab")).toBe(2);
    if (areOne) expect((await claim("lab", 7)).text).toContain("'lab' for that of another project");
  });

  test("fail no neighbour in claims that are written together", async () => {
    const replies = await Promise.all(ALIKE.map(claim));
    const usages = await Promise.all(ALIKE.map(usageOf));
    expect(usages).toEqual(replies.map(({ status }) => (status === 204 ? 1 : 0)));
    expect(replies.filter(({ status }) => status === 409)).toHaveLength(areOne ? 4 : 0);
  });

  test("are refused for a provider exactly where the engine takes them for the same", async () => {
    const statuses: number[] = [];
    for (const [number, name] of ALIKE.entries()) {
      const body = { uuid: providerUuid(10 + number), name };
      statuses.push((await stowage.client.post("/resource_providers", body)).status);
    }
    expect(statuses).toEqual(ALIKE.map((_, number) => (number > 0 && areOne ? 409 : 200)));
  });

  test("of traits and resource classes are found or not found, and nothing else", async () => {
    const { client } = stowage;
    await client.expectSuccess("PUT", "/traits/CUSTOM_LAB");
    await client.expectSuccess("PUT", "/resource_classes/CUSTOM_LAB");
    for (const name of ["custom_lab", "Custom_Lab", "CUSTOM_LAB%20", "CUSTOM_L%C3%81B"]) {
      for (const path of [`/traits/${name}`, `/resource_classes/${name}`]) {
        for (const method of ["GET", "PUT", "DELETE"]) {
          const { status } = await client.send(method, path);
          expect(status, `${method} ${path}`).toBeLessThan(500);
        }
      }
    }
    const listing = `/allocation_candidates?resources=CUSTOM_LAB:1&required=CUSTOM_LAB`;
    expect((await client.get(listing)).status).toBeLessThan(500);
  });
});
