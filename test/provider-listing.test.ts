import { afterAll, beforeAll, expect, test } from "vitest";

import { searchProviders } from "../src/index/find-providers.ts";
import { ProviderIndex } from "../src/index/provider-index.ts";
import { providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

/** More than two pages and parts. */
const PROVIDERS = 1201;

let stowage: LocalStowage;

beforeAll(async () => {
  stowage = await startHere();
  const { client } = stowage;
  await client.expectSuccess("PUT", "/traits/CUSTOM_A");
  const make = async (number: number) => {
    const uuid = providerUuid(number);
    await client.expectSuccess("POST", "/resource_providers", {
      body: { uuid, name: `host "${number}" ü` },
    });
  };
  const [first, ...others] = Array.from({ length: PROVIDERS }, (_, number) => number);
  await make(first!);
  await Promise.all(others.map(make));
  await client.expectSuccess("PUT", `/resource_providers/${providerUuid(7)}/traits`, {
    body: { traits: ["CUSTOM_A"], resource_provider_generation: 0 },
  });
});

afterAll(() => stowage.stop());

interface Listing {
  readonly resource_providers: readonly { readonly uuid: string; readonly name: string }[];
}

test("a long list of providers, read and rendered in parts, is whole and tells what each tells", async () => {
  const { client } = stowage;
  const all = await client.expectSuccess("GET", "/resource_providers");
  const { resource_providers: providers } = all.json<Listing>();
  expect(providers.map(({ uuid }) => uuid).toSorted()).toEqual(
    Array.from({ length: PROVIDERS }, (_, number) => providerUuid(number)),
  );
  for (const place of [0, 499, 500, 999, 1000, PROVIDERS - 1]) {
    const alone = await client.expectSuccess(
      "GET",
      `/resource_providers/${providers[place]!.uuid}`,
    );
    expect(providers[place]).toEqual(alone.json());
  }
  expect(all.headers["last-modified"]).toBeDefined();

  const filtered = await client.expectSuccess("GET", "/resource_providers?required=!CUSTOM_A");
  expect(filtered.json<Listing>().resource_providers).toEqual(
    providers.filter(({ uuid }) => uuid !== providerUuid(7)),
  );
});

test("a look through many providers pauses, and sees what was there when it began", () => {
  const index = new ProviderIndex();
  const put = (id: number, parentId: number | null = null) =>
    index.put({
      id,
      uuid: providerUuid(id),
      name: String(id),
      generation: 0,
      parentId,
      rootId: parentId ?? id,
      inventories: [],
      traitIds: [],
      aggregates: [],
    });
  // Not in the order of their trees.
  for (let id = 5000; id > 0; id--) put(id);
  const everything = {
    resources: new Map(),
    requiredTraits: [],
    forbiddenTraits: new Set<string>(),
    memberOf: [],
    forbiddenAggregates: new Set<string>(),
    inTree: undefined,
  };
  const search = searchProviders(index, index.time, { filter: everything });
  const view = index.openView();
  let pauses = 0;
  let step = search.next();
  for (; !step.done; step = search.next()) {
    pauses += 1;
    index.remove(pauses);
    index.remove(5000 - pauses);
    put(6000 + pauses);
  }
  const ids = Array.from(step.value.rows, index.idOf);
  view.close();
  expect(pauses).toBeGreaterThan(3);
  expect(ids).toEqual(Array.from({ length: 5000 }, (_, number) => number + 1));
  const { rows } = untilDone(searchProviders(index, index.time, {}));
  expect(rows).toHaveLength(5000 - pauses);
});

function untilDone<Result>(search: Iterator<void, Result>): Result {
  for (;;) {
    const step = search.next();
    if (step.done) return step.value;
  }
}
