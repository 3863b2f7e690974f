import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { readText } from "../source-files.ts";
import { runCommandLine } from "../support/command-line.ts";
import { claimBody, consumerUuid, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { refusalsOf } from "./told-refusals.ts";

const PAGE = "docs/why-nothing-fits.md";
/** Longer than it takes until an empty answer is explained. */
const PATIENCE = { timeout: 10_000 };
const QUERY = "resources=VCPU:4,MEMORY_MB:512&required=CUSTOM_GOLD";

let stowage: LocalStowage;
beforeAll(async () => {
  stowage = await startHere();
  await makeCloud();
  const as = (number: number) => ({
    headers: {
      "x-auth-token": "nova:admin",
      "x-openstack-request-id": `req-7a410000-0000-4000-8000-00000000000${number}`,
    },
  });
  await stowage.client.get(`/allocation_candidates?${QUERY}`, { ...as(1), version: "1.36" });
  const claim = claimBody({ [providerUuid(1)]: { VCPU: 4 } });
  await stowage.client.put(`/allocations/${consumerUuid(9)}`, claim, as(2));
  await vi.waitFor(async () => {
    const { refusals } = await refusalsOf(stowage.client);
    expect(refusals.map(({ kind }) => kind)).toEqual(["claim", "no_candidates"]);
    expect(refusals[1]?.explanation).toBeDefined();
  }, PATIENCE);
});
afterAll(() => stowage.stop());

/** Three hosts of eight processors: the one with the trait has no room, those with room have no trait. */
async function makeCloud(): Promise<void> {
  const { client } = stowage;
  await client.expectSuccess("PUT", "/traits/CUSTOM_GOLD");
  for (const number of [1, 2, 3]) {
    const uuid = providerUuid(number);
    await client.expectSuccess("POST", "/resource_providers", {
      body: { uuid, name: `cmp-${number}` },
    });
    await client.expectSuccess("PUT", `/resource_providers/${uuid}/inventories`, {
      body: {
        resource_provider_generation: 0,
        inventories: { VCPU: { total: 8 }, MEMORY_MB: { total: 4096 } },
      },
    });
    const body = claimBody({ [uuid]: { VCPU: number === 3 ? 2 : 4 + number } });
    await client.expectSuccess("PUT", `/allocations/${consumerUuid(number)}`, { body });
  }
  await client.expectSuccess("PUT", `/resource_providers/${providerUuid(1)}/traits`, {
    body: { resource_provider_generation: 2, traits: ["CUSTOM_GOLD"] },
  });
}

test("every command of the page about why nothing fits prints what the page says", async () => {
  const examples = examplesIn(readText(PAGE));
  expect(examples.map(({ command }) => command.split(" ")[1])).toEqual([
    "why",
    "explain",
    "explain",
    "why",
  ]);
  for (const { command, output } of examples) {
    const [, ...words] = command.match(/'[^']*'|\S+/g)!.map((word) => word.replaceAll("'", ""));
    const [, printed, problems] = await runCommandLine(words, {
      OS_TOKEN: "admin",
      OS_PLACEMENT_ENDPOINT_OVERRIDE: stowage.client.url,
    });
    expect(problems).toBe("");
    expect(alike(printed), command).toBe(alike(output));
  }
});

test("the table of the page names constraints by the names that they have", () => {
  const kinds = ["resources:", "required:", "member_of:", "in_tree:", "capacity", "same_subtree:"];
  for (const kind of kinds) expect(readText(PAGE)).toContain(`\`${kind}`);
});

/** A command after the prompt, and what is below it. */
function examplesIn(page: string) {
  return [...page.matchAll(/```console\n\$ (.*)\n([^]*?)```/g)].map(
    ([, command = "", output = ""]) => ({ command, output }),
  );
}

/** Times and ids are of each run; a page has no blank lines at the end of an example. */
function alike(text: string): string {
  return text
    .trimEnd()
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/req-[0-9a-f-]{36}/g, "ID");
}
