import { copyFile, link, rename } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { SqliteLock } from "../src/db/adapters/sqlite-lock.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { makeFolder, startHere, type LocalStowage } from "./support/stowage.ts";

const HOST = providerUuid(1);

describe("an SQLite file", () => {
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let file: string;
  let stowage: LocalStowage;

  beforeEach(async () => {
    folder = await makeFolder();
    file = join(folder.path, "placement.sqlite");
    stowage = await startHere({ placementDatabase: { connection: `sqlite:///${file}` } });
    await makeProvider(stowage.client, HOST, { VCPU: 100 });
  });

  afterEach(async () => {
    await stowage.stop();
    await folder.remove();
  });

  const claim = (number: number, amount: number) =>
    stowage.client.put(
      `/allocations/${consumerUuid(number)}`,
      claimBody({ [HOST]: { VCPU: amount } }),
    );

  function writeAside(statement: string): void {
    const other = new DatabaseSync(file, { timeout: 5000 });
    other.exec(statement);
    other.close();
  }

  const warnings = () => stowage.log.filter((line) => line.includes("Another program has written"));

  test("that another program writes to is read anew, and a line says so", async () => {
    expect((await claim(1, 1)).status).toBe(204);
    writeAside("UPDATE inventories SET total = 3");
    expect((await claim(2, 4)).status).toBe(409);
    expect((await claim(3, 2)).status).toBe(204);
    writeAside("UPDATE inventories SET total = 100");
    expect((await claim(4, 4)).status).toBe(204);
    const found = await stowage.client.get("/allocation_candidates?resources=VCPU:94");
    expect(found.json()).toMatchObject({ allocation_requests: [] });
    expect(warnings()).toHaveLength(1);
  });

  test("that only this process writes to is never taken for another's", async () => {
    // More than a turn, so that both of the connections write, and at once.
    for (let round = 0; round < 40; round += 1) {
      const numbers = Array.from({ length: 10 }, (_, position) => 10 * round + position);
      const replies = await Promise.all(numbers.map((number) => claim(number, 1)));
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([204]));
      await Promise.all([
        stowage.client.send("PUT", `/traits/CUSTOM_${round}`),
        ...numbers.map((number) => stowage.client.delete(`/allocations/${consumerUuid(number)}`)),
      ]);
    }
    expect(warnings()).toEqual([]);
  });

  test("that is replaced is not written to any more, and a line says so", async () => {
    await copyFile(file, `${file}-copy`);
    await rename(`${file}-copy`, file);
    for (const number of [1, 2]) expect((await claim(number, 1)).status).toBe(503);
    const path = "/allocation_candidates?resources=VCPU:1";
    expect((await stowage.client.get(path)).status).toBe(503);
    expect((await stowage.client.get("/resource_providers")).status).toBe(503);
    await expect
      .poll(() => stowage.log.filter((line) => line.includes("was replaced or removed")))
      .toHaveLength(1);
  });

  test("that has a second name is served from under none", async () => {
    const other = join(folder.path, "other.sqlite");
    await link(file, other);
    expect(() => new SqliteLock(other)).toThrow("more than one name");
    expect(() => new SqliteLock(file)).toThrow("more than one name");
  });
});
