import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { runCommandLine } from "../support/command-line.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startHere, writeConfig, type LocalStowage } from "../support/stowage.ts";

const [HOST, OTHER] = [providerUuid(1), providerUuid(2)];
const TOKEN = { OS_TOKEN: "admin" };

describe.each([...ENGINES, ...SERVER_ENGINES])("what fits, asked of $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;
  let folder: Awaited<ReturnType<typeof makeFolder>>;

  beforeEach(async () => {
    database = await engine.borrowDatabase();
    folder = await makeFolder();
    await writeConfig(folder.path, { placement_database: { connection: database.connection } });
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    const { client } = stowage;
    for (const uuid of [HOST, OTHER]) await makeProvider(client, uuid, { VCPU: 8, DISK_GB: 50 });
    for (const [number, amounts] of [
      { VCPU: 2, DISK_GB: 30 },
      { VCPU: 4 },
      { VCPU: 1 },
    ].entries()) {
      await client.expectSuccess("PUT", `/allocations/${consumerUuid(number + 1)}`, {
        body: claimBody({ [HOST]: amounts }),
      });
    }
  });

  afterEach(async () => {
    await stowage.stop();
    await folder.remove();
    await database.remove();
  });

  test("is told by the service, beside it from its database, and from a snapshot alike", async () => {
    const beside = ["--config-dir", folder.path];
    const drain = ["fit", "--drain", HOST, "small=resources=VCPU:1"];
    const [exitCode, output, errors] = await runCommandLine(
      [...drain, "--url", stowage.client.url],
      TOKEN,
    );
    expect([exitCode, errors]).toEqual([0, ""]);
    for (const number of [1, 2, 3])
      expect(output).toContain(`${consumerUuid(number)}: to ${OTHER}`);
    expect(await runCommandLine([...drain, ...beside])).toEqual([exitCode, output, ""]);

    const file = join(folder.path, "fleet.ndjson");
    await runCommandLine(["snapshot", ...beside, "--output", file]);
    const count = ["fit", "small=resources=VCPU:1", "--empty", HOST];
    const counted = await runCommandLine([...count, "--url", stowage.client.url], TOKEN);
    expect(counted[1]).toMatch(/^small +16 +16 /m);
    expect(await runCommandLine([...count, "--snapshot", file])).toEqual(counted);
    expect(await runCommandLine([...drain, "--snapshot", file])).toEqual([
      2,
      "",
      expect.stringContaining("a snapshot does not tell who holds what"),
    ]);
  });
});
