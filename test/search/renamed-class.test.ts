import { expect, test } from "vitest";

import { makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere } from "../support/stowage.ts";

test("summaries call a resource class by its new name once it is renamed", async () => {
  const stowage = await startHere();
  const { client } = stowage;
  const HOST = providerUuid(1);
  const classesShown = async () => {
    const reply = await client.get("/allocation_candidates?resources=VCPU:1");
    const { provider_summaries: summaries } = reply.json<{
      provider_summaries: Record<string, { resources: object }>;
    }>();
    return Object.keys(summaries[HOST]?.resources ?? {}).sort();
  };
  await client.expectSuccess("PUT", "/resource_classes/CUSTOM_SLOT");
  await makeProvider(client, HOST, { VCPU: 1, CUSTOM_SLOT: 1 });
  expect(await classesShown()).toEqual(["CUSTOM_SLOT", "VCPU"]);

  await client.expectSuccess("PUT", "/resource_classes/CUSTOM_SLOT", {
    version: "1.2",
    body: { name: "CUSTOM_PLACE" },
  });
  expect(await classesShown()).toEqual(["CUSTOM_PLACE", "VCPU"]);
  await stowage.stop();
});
