import { describe, expect, onTestFinished, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere } from "../support/stowage.ts";
import { askAt, makePlace, serve } from "./support.ts";

const HOST = providerUuid(1);

describe.each(SERVER_ENGINES)("slave_connection on $name", (engine) => {
  test("names a copy that lags: nothing is read from it, and the log says so", async () => {
    const [main, copy] = [await engine.borrowDatabase(), await engine.createDatabase()];
    onTestFinished(async () => {
      await Promise.all([main.remove(), copy.remove()]);
    });
    // Another replica, on both: the copy has the schema and nothing of the fleet.
    const lagging = await startHere({ placementDatabase: { connection: copy.connection } });
    await lagging.stop();
    const other = await startHere({ placementDatabase: { connection: main.connection } });
    onTestFinished(() => other.stop());
    await makeProvider(other.client, HOST, { VCPU: 8 });

    const place = await makePlace({
      placement_database: { connection: main.connection, slave_connection: copy.connection },
    });
    const served = serve(place);
    const url = await served.url();
    const headers = { "openstack-api-version": "placement 1.39" };
    for (const path of [
      "/resource_providers",
      "/resource_providers?resources=VCPU:1",
      `/resource_providers/${HOST}/inventories`,
      "/allocation_candidates?resources=VCPU:1",
    ]) {
      const { status, text } = await askAt(url + path, { headers });
      expect([status, text]).toEqual([
        200,
        expect.stringContaining(path.includes("inv") ? "VCPU" : HOST),
      ]);
    }
    served.process.kill("SIGTERM");
    await served.ended;
    const lines = served.errors.filter((line) => line.includes("slave_connection"));
    expect(lines).toEqual([expect.stringMatching(/slave_connection has no effect: .*lag/)]);
  });
});
