import { expect, test } from "vitest";

import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere } from "../support/stowage.ts";
import { until } from "./support.ts";

test("a slow request tells where its time went: in a search, or in a transaction that writes", async () => {
  const stowage = await startHere({
    default: { debug: true },
    stowage: { slowRequestTime: 0.000001 },
  });
  try {
    for (const number of [1, 2, 3]) {
      await makeProvider(stowage.client, providerUuid(number), { VCPU: 10, DISK_GB: 10 });
    }
    const { status } = await stowage.client.put(
      `/allocations/${consumerUuid(1)}`,
      claimBody({ [providerUuid(1)]: { VCPU: 1 } }),
    );
    expect(status).toBe(204);
    await stowage.client.get(
      "/allocation_candidates?resources=VCPU:1&resources1=DISK_GB:1&group_policy=none",
    );
    await until(() => stowage.log.some((line) => line.includes('"GET /allocation_candidates')));
    const line = (start: string) => stowage.log.find((text) => text.includes(start)) ?? "";
    const claim = line("A slow request: PUT /allocations/{consumer_uuid}");
    expect(claim).toMatch(/search 0\.000000, .* writing (?!0\.000000)/);
    const search = line("A slow request: GET /allocation_candidates");
    expect(search).toMatch(/search (?!0\.000000).* writing 0\.000000/);
    expect(line("DEBUG")).not.toBe("");
    expect(line("The search looked at ")).toMatch(/looked at [1-9]\d* providers, /);
  } finally {
    await stowage.stop();
  }
});
