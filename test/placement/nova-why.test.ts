import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { runCommandLine } from "../support/command-line.ts";
import { claimBody, consumerUuid, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { askAsNova, isNovaInstalled } from "./nova-report-client.ts";

/** Longer than it takes until an empty answer is explained. */
const PATIENCE = { timeout: 10_000 };

describe.skipIf(!isNovaInstalled)("what Nova's report client does not get", () => {
  let stowage: LocalStowage;

  beforeAll(async () => {
    stowage = await startHere();
    // Three hosts, of which each has less left than the one before.
    for (const number of [1, 2, 3]) {
      const uuid = providerUuid(number);
      const { client } = stowage;
      await client.expectSuccess("POST", "/resource_providers", {
        body: { uuid, name: `cmp-${number}` },
      });
      await client.expectSuccess("PUT", `/resource_providers/${uuid}/inventories`, {
        body: {
          resource_provider_generation: 0,
          inventories: { VCPU: { total: 8 }, MEMORY_MB: { total: 4096 } },
        },
      });
      const body = claimBody({ [uuid]: { VCPU: 4 + number } });
      await client.expectSuccess("PUT", `/allocations/${consumerUuid(number)}`, { body });
    }
  });
  afterAll(() => stowage.stop());

  const why = (requestId: string) =>
    runCommandLine(["why", "--url", stowage.client.url, requestId], { OS_TOKEN: "admin" });

  test("is told by the id in its log: the class, what is missing, and the nearest host", async () => {
    const wanted = { vcpus: 4, memoryMb: 512 };
    const { requestId, candidates } = await askAsNova(stowage.client.url, wanted, consumerUuid(9));
    expect([candidates, requestId]).toEqual([0, expect.stringMatching(/^req-/)]);
    await vi.waitFor(async () => {
      const [exitCode, output] = await why(requestId);
      expect(exitCode).toBe(0);
      expect(output).toMatch(/no candidates for .*resources=MEMORY_MB:512,VCPU:4/);
      expect(output).toContain("None of 3 hosts fits; 3 would if nothing were claimed.");
      expect(output).toMatch(/resources:VCPU +4 +3 +3 +0 +largest free 3/);
      expect(output).toMatch(/Nearest:\n +cmp-1: resources:VCPU 1 short \(3 free of 8\)\n/);
    }, PATIENCE);
  });

  test("is told of a claim as well that somebody else was faster with", async () => {
    const rival = createServer((_, response) => {
      const body = claimBody({ [providerUuid(1)]: { VCPU: 2 } });
      void stowage.client
        .put(`/allocations/${consumerUuid(8)}`, body)
        .then(({ status }) => response.end(String(status)));
    }).listen(0, "127.0.0.1");
    await once(rival, "listening");
    const { port } = rival.address() as AddressInfo;
    const wanted = { vcpus: 3, memoryMb: 512 };
    const asked = askAsNova(
      stowage.client.url,
      wanted,
      consumerUuid(7),
      `http://127.0.0.1:${port}`,
    );
    const { requestId, hasClaimed } = await asked.finally(() => rival.close());
    expect(hasClaimed).toBe(false);
    const [exitCode, output] = await why(requestId);
    expect(exitCode).toBe(0);
    expect(output).toContain(`409 for the claim of consumer ${consumerUuid(7)}: `);
    expect(output).toContain("cmp-1: VCPU 3 asked for, 1 free (capacity 8, used 7, reserved 0)\n");
  });
});
