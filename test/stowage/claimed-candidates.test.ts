import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";

import type { CandidateQuery } from "../../src/domain/candidate-query.ts";
import { someFleet, someQuery } from "../search/arbitrary.ts";
import { canonical, plainSearch, type Fleet, type PlainCandidate } from "../search/plain-search.ts";
import { className, queryString, uuidIn, writeFleets } from "../search/world.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { claimsOf, type Claimed } from "./claim-requests.ts";

const FLEETS = Number(process.env["STOWAGE_CLAIMED_FLEETS"] ?? 60);
const CLAIMS_PER_FLEET = 6;
const SEED = Number(process.env["STOWAGE_CLAIMED_SEED"] ?? Date.now() % 2 ** 31);
const NEWEST = 39;

const fleets = fc.sample(someFleet, { numRuns: FLEETS, seed: SEED });
let database: TestDatabase;
let stowage: LocalStowage;

beforeAll(async () => {
  database = await SQLITE.createDatabase();
  const overrides = { placementDatabase: { connection: database.connection } };
  // Makes the schema.
  await (await startHere(overrides)).stop();
  writeFleets(database.connection.replace("sqlite:///", ""), fleets);
  stowage = await startHere(overrides);
});

afterAll(async () => {
  await stowage.stop();
  await database.remove();
});

test("what is granted is a candidate of the plain search on the state before, and nothing is refused that is one", async () => {
  console.log(`STOWAGE_CLAIMED_SEED=${SEED}`);
  // A query string says nothing of a group that asks for nothing.
  const said = someQuery.filter(({ groups }) =>
    groups.every(({ resources }) => resources.size > 0),
  );
  const queries = fc.sample(said, { numRuns: FLEETS * CLAIMS_PER_FLEET, seed: SEED });
  const claim = claimsOf(stowage);
  const outcomes = { granted: 0, refused: 0, malformed: 0 };
  for (const [at, asked] of queries.entries()) {
    const number = at % FLEETS;
    const query = { ...asked, isNestedAware: true };
    const reply = await claim({
      query: queryString(query, number, NEWEST),
      prefer: ["first", "random", "pack", "spread"][at % 4],
      among: at % 3 === 0 ? 0 : 5,
    });
    if (reply.status === 400) {
      outcomes.malformed += 1;
      continue;
    }
    const candidates = plainSearch(fleets[number]!, query).candidates.map(canonical);
    const path = `fleet ${number}, ${queryString(query, number, NEWEST)}`;
    expect(reply.status, path).toBe(candidates.length > 0 ? 201 : 409);
    if (reply.status === 409) {
      outcomes.refused += 1;
      continue;
    }
    const granted = inFleet(reply.json<Claimed>(), number, query);
    expect(candidates, path).toContain(canonical(granted));
    fleets[number] = withClaim(fleets[number]!, granted);
    outcomes.granted += 1;
  }
  // Without this the property could hold because nothing is ever granted, or refused.
  expect(outcomes.granted).toBeGreaterThan(queries.length / 10);
  expect(outcomes.refused).toBeGreaterThan(queries.length / 10);
  expect(outcomes.malformed).toBeLessThan(queries.length / 2);
});

/** What was granted as the plain search would say it. */
function inFleet({ claims }: Claimed, number: number, query: CandidateQuery): PlainCandidate {
  const { providers, resourceClasses } = fleets[number]!;
  const uuids = new Map(providers.map(({ uuid }) => [uuidIn(uuid, number), uuid]));
  const names = new Map(
    Object.keys(resourceClasses).map((name) => [className(name, number), name]),
  );
  const [{ allocations, mappings }] = claims;
  expect(Object.keys(mappings).sort()).toEqual(query.groups.map(({ suffix }) => suffix).sort());
  return {
    allocations: Object.fromEntries(
      Object.entries(allocations).map(([uuid, { resources }]) => [
        uuids.get(uuid)!,
        Object.fromEntries(
          Object.entries(resources).map(([name, amount]) => [names.get(name)!, amount]),
        ),
      ]),
    ),
    mappings: Object.fromEntries(
      Object.entries(mappings).map(([suffix, rows]) => [
        suffix,
        rows.map((uuid) => uuids.get(uuid)!).sort(),
      ]),
    ),
  };
}

function withClaim(fleet: Fleet, { allocations }: PlainCandidate): Fleet {
  const names = new Map(Object.entries(fleet.resourceClasses).map(([name, id]) => [id, name]));
  const providers = fleet.providers.map((provider) => ({
    ...provider,
    inventories: provider.inventories.map((inventory) => ({
      ...inventory,
      used:
        inventory.used + (allocations[provider.uuid]?.[names.get(inventory.resourceClassId)!] ?? 0),
    })),
  }));
  return { ...fleet, providers };
}
